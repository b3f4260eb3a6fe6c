//! The plan: one decision for every image, with all its reasons.
//!
//! [`plan`] is a pure function of the inventory, the policy and the time. All choices are made
//! here; applying a plan makes none. Submodules: `matching` (which rule an image falls under),
//! `family` and `name_prefix` (which images replace one another), `keep` (which of them the rule keeps), `protect`
//! (what keeps an image whatever the rules say), `steps` (which step is next), `state_tags`
//! (what our tags say), `undo` (how steps are undone), `limits` (caps and refusals), `summary` (the counts), `notes` (what has no effect in
//! the policy and in tags), `reason` (why an image is kept or retired), `snapshots` and `instance`
//! (the same for the other two resources).

mod family;
pub mod instance;
mod keep;
mod limits;
mod matching;
mod name_prefix;
pub mod notes;
pub mod period;
mod protect;
pub mod reason;
mod refusal;
pub mod snapshots;
pub(crate) mod state_tags;
mod steps;
mod summary;
pub mod undo;
mod uses;

use std::collections::HashSet;
use std::sync::Arc;

pub use family::WHOLE_RULE;
use family::{Families, Family, Member};
use jiff::Timestamp;
use keep::FamilyRank;
use matching::Cutoffs;
pub(crate) use name_prefix::{NameParts, Piece, name_prefix};
use notes::Note;
use protect::Recovery;
pub(crate) use protect::not_enabled;
use reason::Reason;
pub use refusal::Refusal;
use serde::{Deserialize, Serialize};
use steps::TaggedSnapshots;
pub(crate) use steps::{FAILED_AFTER, Times};
pub use summary::Summary;
use undo::Undo;
use uses::{ReferencesTo, Uses};

use crate::model::{
    AccountId, Image, ImageId, ImageState, Inventory, Reference, Region, SnapshotFate, SnapshotId,
};
use crate::policy::{Policy, Rule};

/// The decisions about all images of an inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The time that all ages were counted from.
    pub planned_at: Timestamp,
    /// Why the plan removes nothing, if it is refused.
    pub refusal: Option<Refusal>,
    /// What has no effect, in the policy and in the tags that people wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// One for each image: by rule, family and age, the newest first.
    pub decisions: Vec<Decision>,
    /// The counts.
    pub summary: Summary,
}

/// The decision about one image, and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was created, if that is known.
    pub created_at: Option<Timestamp>,
    /// The rule that matches it.
    pub rule: Option<Arc<str>>,
    /// The key of its family under that rule.
    pub family: Option<Arc<str>>,
    /// What applying the plan does.
    #[serde(flatten)]
    pub action: Action,
    /// All reasons, the protections before the keep rules.
    pub reasons: Vec<Reason>,
    /// Since when it counts as expired: from its tag, or from this plan on.
    pub expired_at: Option<Timestamp>,
    /// The step after that, and when it is due.
    pub next: Option<Next>,
    /// When it is deregistered at the earliest, under this policy; absent for an image that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deregister_at: Option<Timestamp>,
    /// The snapshots that back it.
    pub snapshots: Box<[SnapshotId]>,
    /// The size in GiB of the volumes of those, as far as it is known: an upper bound on what they
    /// take. What several images share counts for each of them. Absent when no size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// How many accounts, organizations and other grantees may launch it; absent when that was not
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<u32>,
}

/// What applying a plan does about an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "action", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Nothing, because it is kept.
    Keep,
    /// Nothing yet: it is expired, and its next step is due later.
    Wait,
    /// Tag it as expired; its steps are counted from now.
    Expire,
    /// Deprecate it.
    Deprecate {
        /// The tag value to save first: its current deprecation.
        save: Box<str>,
    },
    /// Disable it, so that nobody can launch it. Its deprecation time is set right before, because it
    /// is the only time that EC2 keeps.
    Disable {
        /// The tag value to save first: its current launch permissions.
        save: Box<str>,
        /// The tag value to save first: its current deprecation, and that it is disabled now.
        deprecation: Box<str>,
    },
    /// Deregister it.
    Deregister {
        /// What is done about its snapshots.
        removal: Removal,
    },
    /// Undo the steps, because a keep rule or protection matches it again.
    Rescue(Undo),
}

impl Decision {
    /// Whether something refers to the image.
    pub fn is_in_use(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::InUse { .. }))
    }
}

impl Action {
    /// Whether applying it changes anything.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Keep | Self::Wait)
    }

    /// Whether the image is kept or rescued.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Keep | Self::Rescue(_))
    }

    /// The kind of the action, as in the plan's JSON.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

/// How an image is deregistered, and what is done about its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The snapshots to tag first with `delete-after`: those that no remaining image uses.
    pub snapshots: Box<[SnapshotId]>,
    /// The earliest time at which the snapshots may be deleted.
    pub delete_after: Timestamp,
    /// Whether the deregistering call deletes them.
    pub fate: SnapshotFate,
    /// The tag value to save first: the launch permissions. Whether the Recycle Bin keeps them is
    /// not verified.
    /// `None` when they were saved when the image was disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save: Option<Box<str>>,
}

/// A step to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The step.
    pub action: Step,
    /// Not before this time.
    pub at: Timestamp,
}

/// The retire steps, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// The image is deprecated.
    Deprecate,
    /// The image is disabled.
    Disable,
    /// The image is deregistered.
    Deregister,
    /// Its snapshots are deleted.
    DeleteSnapshots,
}

impl Plan {
    /// Whether applying this plan tags the image as expired. An image that is deregistered at once is
    /// tagged too, so that a role can be denied all images without the tag.
    pub fn marks(&self, decision: &Decision) -> bool {
        match decision.action {
            Action::Expire => true,
            Action::Deprecate { .. } | Action::Disable { .. } => {
                decision.expired_at == Some(self.planned_at)
            }
            // A failed image goes by its age, and has no such date before.
            Action::Deregister { .. } => {
                decision.expired_at.is_none_or(|marked| marked == self.planned_at)
            }
            Action::Keep | Action::Wait | Action::Rescue(_) => false,
        }
    }

    /// Whether the event `Image Expired` must be accepted by the bus before anything is done about
    /// the image. Its tags may be anybody's, so that they do not tell what was announced before: every
    /// step is.
    pub fn announces(&self, decision: &Decision) -> bool {
        match decision.action {
            Action::Expire
            | Action::Deprecate { .. }
            | Action::Disable { .. }
            | Action::Deregister { .. } => true,
            Action::Keep | Action::Wait | Action::Rescue(_) => false,
        }
    }

    /// Makes `images` wait, because there was no time to verify them.
    pub fn defer_unverified(&mut self, images: &HashSet<ImageId>, inventory: &Inventory) {
        self.defer(images, &Reason::Unverified, inventory);
    }

    /// Makes `images` wait, because the bus did not accept the event `Image Expired` of them.
    pub fn defer_unannounced(&mut self, images: &HashSet<ImageId>, inventory: &Inventory) {
        self.defer(images, &Reason::NotAnnounced, inventory);
    }

    /// Makes `images` wait. The other decisions stay the same: a snapshot that one of them shares is
    /// not deleted as long as that image exists.
    fn defer(&mut self, images: &HashSet<ImageId>, reason: &Reason, inventory: &Inventory) {
        for decision in self.decisions.iter_mut().filter(|one| images.contains(&one.image_id)) {
            match decision.action {
                Action::Expire
                | Action::Deprecate { .. }
                | Action::Disable { .. }
                | Action::Deregister { .. } => {
                    decision.action = Action::Wait;
                    decision.reasons.push(reason.clone());
                }
                Action::Keep | Action::Wait | Action::Rescue(_) => {}
            }
        }
        self.summary = Summary::measure(&mut self.decisions, inventory);
    }
}

/// What the decisions about all images depend on.
struct PlanFacts<'a> {
    inventory: &'a Inventory,
    policy: &'a Policy,
    uses: Uses<'a>,
    tagged: TaggedSnapshots<'a>,
    recovery: Recovery<'a>,
    now: Timestamp,
}

/// The images that a rule matches.
#[derive(Default)]
struct RuleImages<'a> {
    /// All of them.
    images: Vec<&'a Image>,
    /// Those that are in a family.
    families: Families<'a>,
}

/// An image in no family.
struct LooseImage<'a> {
    image: &'a Image,
    rule: Option<&'a Rule>,
    /// The property that it lacks, if that is why.
    lacks: Option<Arc<str>>,
}

/// A decision in preparation.
struct DraftDecision<'a> {
    image: &'a Image,
    rule: Option<&'a Rule>,
    family: Option<Arc<str>>,
    /// Why it is kept; empty when nothing keeps it.
    kept: Vec<Reason>,
    /// Whether it is kept only until an image that this plan enables again takes its place.
    briefly: bool,
    /// Its rank in its family (the newest image is 1), and how many images are counted there.
    rank: Option<(u32, u32)>,
}

/// Decides about every image of `inventory` under `policy` at the time `now`.
pub fn plan(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Plan {
    let cutoffs = Cutoffs::of_rules(policy, now);
    let (rules, loose) = group(inventory, policy, &cutoffs);
    let notes = notes::of(inventory, policy, &cutoffs, &rules, now);
    let may_retire = |image: &&&Image| may_retire(image, &inventory.account);
    let matched = rules.iter().flat_map(|rule| &rule.images).filter(may_retire).count();
    let refusal = limits::refusal(inventory, &policy.safety, matched);
    let facts = PlanFacts {
        inventory,
        policy,
        uses: Uses::of(inventory),
        tagged: TaggedSnapshots::of(inventory, policy),
        recovery: Recovery::of(inventory, &policy.safety),
        now,
    };
    let mut steps = Vec::with_capacity(inventory.images.len());
    let families = rules.into_iter().map(|images| images.families);
    for (rule, families) in policy.rules.iter().zip(families) {
        for family in families.ranked() {
            let drafts = draft_family(rule, &family, &facts);
            steps.extend(drafts.map(|draft| steps::decide(draft, &facts)));
        }
    }
    steps.extend(loose.into_iter().map(|one| steps::decide(draft_loose(one, &facts), &facts)));
    limits::apply_caps(&mut steps, &policy.safety, matched);
    if refusal.is_some() {
        limits::refuse(&mut steps);
    }
    let mut decisions: Vec<Decision> = steps.into_iter().map(|step| step.decision).collect();
    steps::assign_snapshots(&mut decisions, inventory, policy, &facts.recovery, now);
    debug_assert_eq!(decisions.len(), inventory.images.len());
    let summary = Summary::measure(&mut decisions, inventory);
    Plan {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        planned_at: now,
        refusal,
        notes,
        decisions,
        summary,
    }
}

/// The images under each rule, in the policy's order, and those in no family, by name and id.
fn group<'a>(
    inventory: &'a Inventory,
    policy: &'a Policy,
    cutoffs: &[Cutoffs],
) -> (Vec<RuleImages<'a>>, Vec<LooseImage<'a>>) {
    let mut rules: Vec<RuleImages<'_>> =
        policy.rules.iter().map(|_| RuleImages::default()).collect();
    let mut loose = Vec::new();
    let mut key = String::new();
    for image in &inventory.images {
        let index = matching::rule_of(image, policy, cutoffs);
        let Some((rule, under_rule)) =
            index.and_then(|index| Some((policy.rules.get(index)?, rules.get_mut(index)?)))
        else {
            loose.push(LooseImage { image, rule: None, lacks: None });
            continue;
        };
        under_rule.images.push(image);
        let mut lacks = None;
        if takes_place(image, &inventory.account) {
            match (family::family_key(rule, image, &mut key), image.created_at) {
                (Err(property), _) => lacks = Some(property),
                (Ok(()), Some(created_at)) => {
                    under_rule.families.add(&key, Member { image, created_at });
                    continue;
                }
                // Kept, because its age is unknown.
                (Ok(()), None) => {}
            }
        }
        loose.push(LooseImage { image, rule: Some(rule), lacks });
    }
    loose.sort_by(|a, b| {
        let key = |one: &LooseImage<'a>| (&one.image.name, &one.image.image_id);
        key(a).cmp(&key(b))
    });
    (rules, loose)
}

/// Why each image of a family is kept, the newest first.
fn draft_family<'a>(
    rule: &'a Rule,
    family: &Family<'a>,
    facts: &PlanFacts<'_>,
) -> impl Iterator<Item = DraftDecision<'a>> {
    let PlanFacts { policy, now, .. } = facts;
    let Family { key, members } = family;
    let protections: Vec<Vec<Reason>> =
        members.iter().map(|member| facts.protections(member.image, Some(rule))).collect();
    let ranked = keep::ranked(rule, family, &[], policy, *now);
    let mut enabled = Vec::new();
    for ((member, rank), protections) in members.iter().zip(&ranked).zip(&protections) {
        let is_kept = !protections.is_empty() || !rank.reasons.is_empty();
        let is_left = protections.iter().any(Reason::is_unknown_state);
        if is_kept && !is_left && undo::enables(member.image, &policy.tag_names, *now) {
            enabled.push(&member.image.image_id);
        }
    }
    let mut kept_later = vec![true; members.len()];
    if !enabled.is_empty() {
        let later = keep::ranked(rule, family, &enabled, policy, *now);
        kept_later = later.iter().map(|rank| !rank.reasons.is_empty()).collect();
    }
    members.iter().zip(ranked).zip(protections).zip(kept_later).map(
        |(((member, FamilyRank { rank, of, reasons }), protections), kept_later)| DraftDecision {
            image: member.image,
            rule: Some(rule),
            family: Some(key.clone()),
            briefly: protections.is_empty() && !kept_later,
            kept: protections.into_iter().chain(reasons).collect(),
            rank: Some((rank, of)),
        },
    )
}

/// Why an image in no family is kept.
fn draft_loose<'a>(loose: LooseImage<'a>, facts: &PlanFacts<'_>) -> DraftDecision<'a> {
    let LooseImage { image, rule, lacks } = loose;
    let mut kept = facts.protections(image, rule);
    kept.extend(lacks.map(|lacks| Reason::GroupUnknown { lacks }));
    match rule {
        None => kept.push(Reason::NoRule),
        Some(rule) => kept.extend(keep::own_reasons(&rule.keep, image)),
    }
    DraftDecision { image, rule, family: None, kept, briefly: false, rank: None }
}

impl PlanFacts<'_> {
    fn protections(&self, image: &Image, rule: Option<&Rule>) -> Vec<Reason> {
        let Self { inventory, policy, uses, now, .. } = self;
        let references = uses.of_image(&image.image_id);
        protect::protections(image, &inventory.account, references, rule, policy, *now)
    }
}

/// Checks an image that a plan removes again: the reasons that now keep it.
///
/// `image` and its `references` have just been read; its family and age cannot have
/// changed since the plan was made.
pub fn recheck(
    decision: &Decision,
    image: &Image,
    account: &AccountId,
    references: &[Reference],
    policy: &Policy,
    now: Timestamp,
) -> Vec<Reason> {
    let references: Vec<&Reference> = references.iter().collect();
    let references = ReferencesTo::new(&references);
    let rule = rule_of(image, policy, now);
    let rule = rule.filter(|rule| Some(&rule.name) == decision.rule.as_ref());
    let mut kept = protect::protections(image, account, references, rule, policy, now);
    match rule {
        Some(rule) => kept.extend(keep::own_reasons(&rule.keep, image)),
        None => kept.push(Reason::NoRule),
    }
    kept
}

/// The rule that `image` falls under at the time `now`, if under any.
pub fn rule_of<'a>(image: &Image, policy: &'a Policy, now: Timestamp) -> Option<&'a Rule> {
    let index = matching::rule_of(image, policy, &Cutoffs::of_rules(policy, now))?;
    policy.rules.get(index)
}

/// Whether `image` can be in a family whose images a rule retires: `account` owns it, its age is
/// known, and no other service manages it.
pub(crate) fn may_have_family(image: &Image, account: &AccountId) -> bool {
    takes_place(image, account) && image.created_at.is_some()
}

/// Whether `image` takes a place in the family that a rule puts it in. An image of another account
/// or of another service, a failed and a pending one do not: nobody's place is theirs to take.
fn takes_place(image: &Image, account: &AccountId) -> bool {
    may_retire(image, account) && family::takes_part(image)
}

/// Whether a rule may ever retire `image`: `account` owns it, and no other service manages it.
fn may_retire(image: &Image, account: &AccountId) -> bool {
    protect::is_ours(image, account) && protect::manager(image).is_none()
}

/// Whether AWS Backup, Data Lifecycle Manager or Image Builder manages `image`.
pub(crate) fn is_managed(image: &Image) -> bool {
    protect::manager(image).is_some()
}

/// Whether an image in this state still exists.
fn exists(image: &Image) -> bool {
    image.state != ImageState::Deregistered
}

#[cfg(test)]
mod tests;
