//! The plan: one decision for every image, with all reasons.
//!
//! [`plan`] is a pure function of the inventory, the policy and the time. All decisions are made
//! here, and applying a plan makes none. The submodules are:
//!
//! - `matching`: selects the rule of an image
//! - `family` and `name_prefix`: assign images to families
//! - `keep`: applies keep rules
//! - `protect`: protections that apply whatever the rules are
//! - `steps`: selects the next step
//! - `state_tags`: parses state tags
//! - `undo`: undoes steps
//! - `limits`: limits and refusals
//! - `summary`: counts
//! - `notes`: parts of the policy and tags that have no effect
//! - `reason`: reasons for keeping and retiring an image
//! - `snapshots` and `instance`: decisions about the other two resources

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
    is_false,
};
use crate::policy::{Policy, Rule};

/// The decisions about all images of an inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The account of the inventory.
    pub account: AccountId,
    /// The Region of the inventory; `None` if it covers all Regions of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The time of the plan, which all ages refer to.
    pub planned_at: Timestamp,
    /// Why the plan removes nothing, if it is refused.
    pub refusal: Option<Refusal>,
    /// Parts of the policy, and tags written by people, that have no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// One decision per image, sorted by rule, family and age, newest first.
    pub decisions: Vec<Decision>,
    /// The counts of the plan.
    pub summary: Summary,
}

/// The decision about an image, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The image ID.
    pub image_id: ImageId,
    /// The name of the image.
    pub name: Arc<str>,
    /// When the image was created, if this is known.
    pub created_at: Option<Timestamp>,
    /// The rule that matches the image.
    pub rule: Option<Arc<str>>,
    /// The key of the image's family under that rule.
    pub family: Option<Arc<str>>,
    /// What applying the plan does with the image.
    #[serde(flatten)]
    pub action: Action,
    /// All reasons, protections before keep rules.
    pub reasons: Vec<Reason>,
    /// Since when the image is expired: the time in its tag, or the time of this plan.
    pub expired_at: Option<Timestamp>,
    /// The step after this action, and when it is due.
    pub next: Option<Next>,
    /// The earliest time at which this policy deregisters the image; absent if the image is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deregister_at: Option<Timestamp>,
    /// The snapshots that back the image.
    pub snapshots: Box<[SnapshotId]>,
    /// The total size of the snapshots' volumes in GiB, or of the image's disks if no snapshots back
    /// it, as far as it is known. It is an upper bound on the storage that they use. Snapshots that
    /// several images share count for each of them. Absent if no size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// The number of accounts, organizations and other grantees that may launch the image; absent
    /// if this was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<u32>,
    /// Whether the image is specialized and others may launch it, who can then read the accounts and
    /// secrets of its source.
    #[serde(default, skip_serializing_if = "is_false")]
    pub specialized_and_shared: bool,
}

/// What applying a plan does with an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "action", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Nothing, because the image is kept.
    Keep,
    /// Nothing yet: the image is expired, and its next step is not due.
    Wait,
    /// Tag the image as expired. The waiting times of its steps start now.
    Expire,
    /// Deprecate the image.
    Deprecate {
        /// The tag value to save first: the current deprecation.
        save: Box<str>,
    },
    /// Disable the image, so that nobody can launch it. Its deprecation time is set immediately
    /// before, because EC2 stores no other time.
    Disable {
        /// The tag value to save first: the current launch permissions.
        save: Box<str>,
        /// The tag value to save first: the current deprecation, and that the image is being
        /// disabled.
        deprecation: Box<str>,
    },
    /// Deregister the image.
    Deregister {
        /// How the image and its snapshots are removed.
        removal: Removal,
    },
    /// Undo the steps, because a keep rule or protection matches the image again.
    Rescue(Undo),
}

impl Decision {
    /// Whether there are references to the image.
    pub fn is_in_use(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::InUse { .. }))
    }
}

impl Action {
    /// Whether applying the action changes anything.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Keep | Self::Wait)
    }

    /// Whether the image is kept or rescued.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Keep | Self::Rescue(_))
    }

    /// The name of the action, as in the JSON of a plan.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

/// How an image is deregistered, and what happens to its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The snapshots to tag with `delete-after` before deregistering: those that no remaining image
    /// uses.
    pub snapshots: Box<[SnapshotId]>,
    /// The earliest time at which the snapshots may be deleted.
    pub delete_after: Timestamp,
    /// Whether the call that deregisters the image deletes its snapshots.
    pub fate: SnapshotFate,
    /// The tag value to save first: the launch permissions. It is not verified whether the Recycle
    /// Bin retains them. `None` if they were already saved when the image was disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save: Option<Box<str>>,
}

/// A future step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The step.
    pub action: Step,
    /// The earliest time of the step.
    pub at: Timestamp,
}

/// The retire steps, in order.
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
    /// The snapshots of the image are deleted.
    DeleteSnapshots,
}

impl Plan {
    /// Whether applying this plan tags the image as expired. An image that is deregistered
    /// immediately is tagged too, so that an IAM role can be denied access to all images without
    /// the tag.
    pub fn marks(&self, decision: &Decision) -> bool {
        match decision.action {
            Action::Expire => true,
            Action::Deprecate { .. } | Action::Disable { .. } => {
                decision.expired_at == Some(self.planned_at)
            }
            // A failed image is deregistered by its age, and has no such time before.
            Action::Deregister { .. } => {
                decision.expired_at.is_none_or(|marked| marked == self.planned_at)
            }
            Action::Keep | Action::Wait | Action::Rescue(_) => false,
        }
    }

    /// Whether the bus must accept the event `Image Expired` before the image is changed. This
    /// applies to every step, because tags can be written by anyone and do not prove that an event
    /// was published before.
    pub fn announces(&self, decision: &Decision) -> bool {
        match decision.action {
            Action::Expire
            | Action::Deprecate { .. }
            | Action::Disable { .. }
            | Action::Deregister { .. } => true,
            Action::Keep | Action::Wait | Action::Rescue(_) => false,
        }
    }

    /// Defers the steps of `images`, because there was no time to verify them.
    pub fn defer_unverified(&mut self, images: &HashSet<ImageId>, inventory: &Inventory) {
        self.defer(images, &Reason::Unverified, inventory);
    }

    /// Defers the steps of `images`, because the bus did not accept their `Image Expired` events.
    pub fn defer_unannounced(&mut self, images: &HashSet<ImageId>, inventory: &Inventory) {
        self.defer(images, &Reason::NotAnnounced, inventory);
    }

    /// Defers the steps of `images`. Other decisions do not change: a snapshot that a deferred
    /// image shares is not deleted while that image exists.
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

/// The input for the decisions about all images.
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
    /// All images that the rule matches.
    images: Vec<&'a Image>,
    /// The families of these images. Some images may be in no family.
    families: Families<'a>,
}

/// An image that is in no family.
struct LooseImage<'a> {
    image: &'a Image,
    rule: Option<&'a Rule>,
    /// The property that the image lacks, if this is why it is in no family.
    lacks: Option<Arc<str>>,
}

/// A decision in preparation.
struct DraftDecision<'a> {
    image: &'a Image,
    rule: Option<&'a Rule>,
    family: Option<Arc<str>>,
    /// The reasons why the image is kept. Empty if it is not kept.
    kept: Vec<Reason>,
    /// Whether the image is kept only until another image, which this plan enables, replaces it.
    briefly: bool,
    /// The rank of the image in its family (the newest is 1), and the number of images that count.
    rank: Option<(u32, u32)>,
}

/// Decides about every image in `inventory` under `policy` at `now`.
pub fn plan(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Plan {
    let cutoffs = Cutoffs::of_rules(policy, now);
    let (rules, loose) = group(inventory, policy, &cutoffs);
    let notes = notes::of(inventory, policy, &cutoffs, &rules, now);
    let may_retire = |image: &&&Image| may_retire(image, &inventory.account);
    let matched = rules.iter().flat_map(|rule| &rule.images).filter(may_retire).count();
    let refusal = limits::refusal(inventory, policy, matched);
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

/// The images of each rule, in the order of the policy, and the images in no family, sorted by name
/// and ID.
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
        if counts_in_family(image, &inventory.account) {
            match (family::family_key(rule, image, &mut key), image.created_at) {
                (Err(property), _) => lacks = Some(property),
                (Ok(()), Some(created_at)) => {
                    under_rule.families.add(&key, Member { image, created_at });
                    continue;
                }
                // The image is kept because its age is unknown.
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

/// The reasons why each image of a family is kept, newest first.
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

/// The reasons why an image in no family is kept.
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

/// Checks again whether an image that a plan removes must be kept, and returns the reasons.
///
/// `image` and its `references` have just been read. It was created when the planned image was, so its
/// family and age cannot have changed since planning.
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
    if matches!(decision.action, Action::Deregister { .. }) {
        let what = protect::unrecoverable_now(image, &policy.safety);
        kept.extend(what.map(|what| Reason::NotRecoverable { what }));
    }
    kept
}

/// The rule that matches `image` at `now`, if any.
pub fn rule_of<'a>(image: &Image, policy: &'a Policy, now: Timestamp) -> Option<&'a Rule> {
    let index = matching::rule_of(image, policy, &Cutoffs::of_rules(policy, now))?;
    policy.rules.get(index)
}

/// Whether `image` can be in a family whose images a rule retires: `account` owns it, its age is
/// known, and no other service manages it.
pub(crate) fn may_have_family(image: &Image, account: &AccountId) -> bool {
    counts_in_family(image, account) && image.created_at.is_some()
}

/// Whether `image` counts in its family. Images of another account, images that another service
/// manages, failed images and pending images do not count, and do not displace other images.
fn counts_in_family(image: &Image, account: &AccountId) -> bool {
    may_retire(image, account) && family::is_ranked(image)
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
