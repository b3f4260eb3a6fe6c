//! The plan: one decision for every image, with all its reasons.
//!
//! [`plan`] is a pure function of the inventory, the policy and the time. All choices are made
//! here; applying a plan makes none. Submodules: `matching` (which rule an image falls under),
//! `family` and `name_prefix` (which images replace one another), `keep` (which of them the rule keeps), `protect`
//! (what keeps an image whatever the rules say), `steps` (which step is next), `undo` (how steps
//! are undone), `limits` (caps and refusals), `summary` (the counts), `notes` (what has no effect in
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
mod steps;
mod summary;
pub mod undo;

use std::collections::HashSet;
use std::sync::Arc;

pub use family::WHOLE_RULE;
use family::{Families, Member};
use jiff::Timestamp;
use keep::FamilyRank;
use matching::Cutoffs;
pub(crate) use name_prefix::{NameParts, name_prefix};
use notes::Note;
pub(crate) use protect::not_enabled;
use protect::{Recovery, Uses};
use reason::Reason;
pub use refusal::Refusal;
use serde::{Deserialize, Serialize};
pub(crate) use steps::{FAILED_AFTER, Times};
pub use summary::Summary;
use undo::Undo;

use crate::model::{
    AccountId, Image, ImageId, ImageState, Inventory, Reference, Region, SnapshotFate, SnapshotId,
};
use crate::policy::Policy;

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
    /// The snapshots that back it.
    pub snapshots: Box<[SnapshotId]>,
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
        self.summary = Summary::of(&self.decisions, inventory);
    }
}

/// A decision in preparation.
struct DraftDecision<'a> {
    image: &'a Image,
    rule: Option<usize>,
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
    let (mut drafts, order) = draft_all(inventory, policy, &cutoffs, now);
    let notes = notes::of(inventory, policy, &cutoffs, &drafts, now);
    let is_matched = |draft: &&DraftDecision<'_>| {
        draft.rule.is_some() && may_retire(draft.image, &inventory.account)
    };
    let matched = drafts.iter().filter(is_matched).count();
    let refusal = limits::refusal(inventory, &policy.safety, matched);
    let tagged = steps::TaggedSnapshots::of(inventory, &policy.tag_names);
    let recovery = Recovery::of(inventory, &policy.safety);
    let mut steps = Vec::with_capacity(drafts.len());
    for position in order {
        if let Some(draft) = drafts.get_mut(position) {
            steps.push(steps::decide(draft, policy, &tagged, &recovery, inventory, now));
        }
    }
    limits::apply_caps(&mut steps, &policy.safety, matched);
    if refusal.is_some() {
        limits::refuse(&mut steps);
    }
    let mut decisions: Vec<Decision> = steps.into_iter().map(|step| step.decision).collect();
    steps::assign_snapshots(&mut decisions, inventory, policy, &recovery, now);
    debug_assert_eq!(decisions.len(), inventory.images.len());
    let summary = Summary::of(&decisions, inventory);
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

/// The reasons that keep each image, and the order of the decisions: by rule, by family, newest
/// first; then the images without a family, by name and id.
fn draft_all<'a>(
    inventory: &'a Inventory,
    policy: &Policy,
    cutoffs: &[Cutoffs],
    now: Timestamp,
) -> (Vec<DraftDecision<'a>>, Vec<usize>) {
    let uses = Uses::of(inventory);
    let mut families: Vec<Families> = policy.rules.iter().map(|_| Families::default()).collect();
    let mut drafts: Vec<DraftDecision<'_>> = Vec::with_capacity(inventory.images.len());
    let mut loose = Vec::new();
    let mut key = String::new();
    for (position, image) in inventory.images.iter().enumerate() {
        let mut kept = protect::protections(
            image,
            &inventory.account,
            uses.of_image(&image.image_id),
            policy,
            now,
        );
        let rule = matching::rule_of(image, policy, cutoffs);
        let mut in_family = false;
        match rule.and_then(|index| Some((index, policy.rules.get(index)?))) {
            None => kept.push(Reason::NoRule),
            Some((index, rule)) if takes_place(image, &inventory.account) => {
                match (family::family_key(rule, image, &mut key), image.created_at) {
                    (Err(lacks), _) => kept.push(Reason::GroupUnknown { lacks }),
                    (Ok(()), Some(created_at)) => {
                        if let Some(families) = families.get_mut(index) {
                            families.add(&key, Member { position, created_at });
                            in_family = true;
                        }
                    }
                    // Kept already, because its age is unknown.
                    (Ok(()), None) => {}
                }
                if !in_family {
                    kept.extend(keep::tag_reasons(&rule.keep, image));
                }
            }
            Some((_, rule)) => kept.extend(keep::tag_reasons(&rule.keep, image)),
        }
        if !in_family {
            loose.push(position);
        }
        drafts.push(DraftDecision { image, rule, family: None, kept, briefly: false, rank: None });
    }
    let mut order = Vec::with_capacity(drafts.len());
    for (rule, families) in policy.rules.iter().zip(families) {
        for family in families.ranked(&inventory.images) {
            let images = &inventory.images;
            let ranked = keep::ranked(rule, &family, images, &[], policy, now);
            let is_enabled = |(member, rank): &(&Member, &FamilyRank)| {
                let draft = drafts.get(member.position);
                draft.is_some_and(|draft| {
                    let is_kept = !draft.kept.is_empty() || !rank.reasons.is_empty();
                    is_kept && undo::enables(draft.image, &policy.tag_names, now)
                })
            };
            let enabled: Vec<usize> = family
                .members
                .iter()
                .zip(&ranked)
                .filter(is_enabled)
                .map(|(member, _)| member.position)
                .collect();
            if !enabled.is_empty() {
                let later = keep::ranked(rule, &family, images, &enabled, policy, now);
                for (member, later) in family.members.iter().zip(later) {
                    if let Some(draft) = drafts.get_mut(member.position) {
                        draft.briefly = draft.kept.is_empty() && later.reasons.is_empty();
                    }
                }
            }
            for (member, FamilyRank { rank, of, reasons }) in family.members.iter().zip(ranked) {
                if let Some(draft) = drafts.get_mut(member.position) {
                    draft.kept.extend(reasons);
                    draft.kept.shrink_to_fit();
                    draft.family = Some(family.key.clone());
                    draft.rank = Some((rank, of));
                }
                order.push(member.position);
            }
        }
    }
    loose.sort_by(|a, b| {
        let key = |position: &usize| {
            inventory.images.get(*position).map(|image| (&image.name, &image.image_id))
        };
        key(a).cmp(&key(b))
    });
    order.extend(loose);
    (drafts, order)
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
    let mut kept = protect::protections(image, account, &references, policy, now);
    let rule = matching::rule_of(image, policy, &Cutoffs::of_rules(policy, now));
    match rule.and_then(|index| policy.rules.get(index)) {
        Some(rule) if Some(&rule.name) == decision.rule.as_ref() => {
            kept.extend(keep::tag_reasons(&rule.keep, image));
        }
        _ => kept.push(Reason::NoRule),
    }
    kept
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
