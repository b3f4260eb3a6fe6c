//! The plan: one decision for every image, with all its reasons.
//!
//! [`plan`] is a pure function of the inventory, the policy and the time. All choices are made
//! here; applying a plan makes none. Submodules: `matching` (which rule an image falls under),
//! `family` (which images replace one another), `keep` (which of them the rule keeps), `protect`
//! (what keeps an image whatever the rules say), `steps` (which step is next), `undo` (how steps
//! are undone), `limits` (caps and refusals), `summary` (the counts), `reason` (why an image is
//! kept or retired), `snapshots` and `instance` (the same for the other two resources).

mod family;
pub mod instance;
mod keep;
mod limits;
mod matching;
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

pub(crate) use family::name_prefix;
use family::{Families, Member};
use jiff::Timestamp;
use matching::Cutoffs;
use protect::{Recovery, Uses};
use reason::Reason;
pub use refusal::Refusal;
use serde::{Deserialize, Serialize};
pub(crate) use steps::FAILED_AFTER;
pub use summary::Summary;
use undo::Undo;

use crate::model::{
    AccountId, Image, ImageId, ImageState, Inventory, Reference, Region, SnapshotFate, SnapshotId,
};
use crate::policy::Policy;

/// What is to be done about every image of an inventory, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The time that all ages were counted from.
    pub planned_at: Timestamp,
    /// Why nothing at all is removed, if so.
    pub refusal: Option<Refusal>,
    /// One for each image: by rule, family and age, the newest first.
    pub decisions: Vec<Decision>,
    /// The counts.
    pub summary: Summary,
}

/// What is to be done about one image, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The rule that it falls under.
    pub rule: Option<Arc<str>>,
    /// Its family under that rule.
    pub group: Option<Arc<str>>,
    /// What is to be done now.
    #[serde(flatten)]
    pub action: Action,
    /// Every reason, those of higher precedence first.
    pub reasons: Vec<Reason>,
    /// Since when it counts as expired: from its tag, or from this plan on.
    pub expired_at: Option<Timestamp>,
    /// What comes after, and when.
    pub next: Option<Next>,
    /// The snapshots that back it.
    pub snapshots: Box<[SnapshotId]>,
}

/// What is to be done about an image now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "action", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Nothing: it is kept.
    Keep,
    /// Nothing yet: it is expired, and its next step comes later.
    Wait,
    /// It is newly expired: tag it so, and let the time run.
    Expire,
    /// Show it as deprecated.
    Deprecate {
        /// What to write down first: the deprecation that it has now.
        save: Box<str>,
    },
    /// Disable it: nobody can launch it any more.
    Disable {
        /// What to write down first: the launch permissions that it has now.
        save: Box<str>,
    },
    /// Its time has come.
    Deregister {
        /// What becomes of its snapshots.
        removal: Removal,
    },
    /// It was expired, and is wanted again: take back what was done.
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

    /// Whether the image stays: what is done, if anything, gives something back.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Keep | Self::Rescue(_))
    }

    /// The kind of the action, as in the plan's JSON.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

/// What becomes of an image that is deregistered, and of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The snapshots that go with it: they are marked first. A snapshot that another image
    /// still uses is not among them.
    pub ledger: Box<[SnapshotId]>,
    /// From when on the snapshots may be deleted.
    pub delete_after: Timestamp,
    /// Whether the deregistering call deletes them.
    pub snapshots: SnapshotFate,
    /// What to write down first, unless it was when the image was disabled: its launch
    /// permissions, which do not come back with it from the Recycle Bin.
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

/// The steps from expired to gone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// The image is shown as deprecated.
    Deprecate,
    /// Nobody can launch the image.
    Disable,
    /// The image goes.
    Deregister,
    /// Its snapshots go.
    DeleteSnapshots,
}

impl Plan {
    /// Whether applying this plan marks the image as expired. What goes at once is marked too, so
    /// that a role can be denied every image that is not.
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

    /// Lets `images` wait, because there was no time to see what the plan needs to know of them.
    /// The plan stays as it is in all else: a snapshot that one of them shares is not given up,
    /// because it is used as long as that image exists.
    pub fn defer_unverified(&mut self, images: &HashSet<ImageId>) {
        for decision in self.decisions.iter_mut().filter(|one| images.contains(&one.image_id)) {
            match decision.action {
                Action::Expire => self.summary.expire -= 1,
                Action::Deprecate { .. } => self.summary.deprecate -= 1,
                Action::Disable { .. } => self.summary.disable -= 1,
                Action::Deregister { .. } => self.summary.deregister -= 1,
                Action::Keep | Action::Wait | Action::Rescue(_) => continue,
            }
            self.summary.wait += 1;
            decision.action = Action::Wait;
            decision.reasons.push(Reason::Unverified);
        }
    }
}

/// A decision in the making: an image's place in the inventory, and what is known about it.
struct DraftDecision<'a> {
    image: &'a Image,
    rule: Option<usize>,
    group: Option<Arc<str>>,
    /// Why it is kept; empty when nothing keeps it.
    kept: Vec<Reason>,
    /// Its place in its family, and the size of that.
    rank: Option<(u32, u32)>,
}

/// Decides about every image of `inventory` under `policy` at the time `now`.
pub fn plan(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Plan {
    let (mut drafts, order) = draft_all(inventory, policy, now);
    let matched = drafts.iter().filter(|draft| draft.rule.is_some()).count();
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
    steps::assign_snapshots(&mut decisions, inventory, policy, now);
    debug_assert_eq!(decisions.len(), inventory.images.len());
    let summary = Summary::of(&decisions, inventory);
    Plan {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        planned_at: now,
        refusal,
        decisions,
        summary,
    }
}

/// Everything that keeps each image, and the order in which a reader wants to see them: by rule,
/// by family, newest first; then what no family holds, by name and id.
fn draft_all<'a>(
    inventory: &'a Inventory,
    policy: &Policy,
    now: Timestamp,
) -> (Vec<DraftDecision<'a>>, Vec<usize>) {
    let uses = Uses::of(inventory);
    let cutoffs = Cutoffs::of_rules(policy, now);
    let mut families: Vec<Families> = policy.rules.iter().map(|_| Families::default()).collect();
    let mut drafts: Vec<DraftDecision<'_>> = Vec::with_capacity(inventory.images.len());
    let mut loose = Vec::new();
    let mut key = String::new();
    for (position, image) in inventory.images.iter().enumerate() {
        let mut kept = protect::protections(
            image,
            &inventory.account,
            uses.holders(&image.image_id),
            policy,
            now,
        );
        let rule = matching::rule_of(image, policy, &cutoffs);
        let mut in_family = false;
        match rule.and_then(|index| Some((index, policy.rules.get(index)?))) {
            None => kept.push(Reason::NoRule),
            Some((index, rule))
                if protect::is_ours(image, &inventory.account) && family::takes_part(image) =>
            {
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
        drafts.push(DraftDecision { image, rule, group: None, kept, rank: None });
    }
    let mut order = Vec::with_capacity(drafts.len());
    for (rule, families) in policy.rules.iter().zip(families) {
        for family in families.ranked(&inventory.images) {
            let size = u32::try_from(family.members.len()).unwrap_or(u32::MAX);
            let reasons = keep::reasons(rule, &family, &inventory.images, policy, now);
            for ((rank, member), reasons) in (1_u32..).zip(&family.members).zip(reasons) {
                if let Some(draft) = drafts.get_mut(member.position) {
                    draft.kept.extend(reasons);
                    draft.kept.shrink_to_fit();
                    draft.group = Some(family.key.clone());
                    draft.rank = Some((rank, size));
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

/// Looks again at an image that a plan wants removed: what now keeps it, if anything.
///
/// `image` and `holders` are what the provider says at this moment; family and age have not
/// changed since the plan was made.
pub fn recheck(
    decision: &Decision,
    image: &Image,
    account: &AccountId,
    holders: &[Reference],
    policy: &Policy,
    now: Timestamp,
) -> Vec<Reason> {
    let holders: Vec<&Reference> = holders.iter().collect();
    let mut kept = protect::protections(image, account, &holders, policy, now);
    let rule = matching::rule_of(image, policy, &Cutoffs::of_rules(policy, now));
    match rule.and_then(|index| policy.rules.get(index)) {
        Some(rule) if Some(&rule.name) == decision.rule.as_ref() => {
            kept.extend(keep::tag_reasons(&rule.keep, image));
        }
        _ => kept.push(Reason::NoRule),
    }
    kept
}

/// Whether `image` can be in a family of `account` that a rule retires: it is ours, has an age,
/// and no other service looks after it.
pub(crate) fn may_have_family(image: &Image, account: &AccountId) -> bool {
    protect::is_ours(image, account)
        && family::takes_part(image)
        && image.created_at.is_some()
        && protect::manager(image).is_none()
}

/// Whether an image in this state still exists.
fn exists(image: &Image) -> bool {
    image.state != ImageState::Deregistered
}

#[cfg(test)]
mod tests;
