//! The steps from expired to gone, and the way back.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::reap::{SnapshotReason, hands_off};
use super::reason::Reason;
use super::{Action, Decision, Draft, Next, Removal, Step, exists};
use crate::cloud::SnapshotFate;
use crate::ids::SnapshotId;
use crate::inventory::{Image, ImageState, Inventory};
use crate::policy::{Policy, Retire, Rule};
use crate::tags::TagNames;

/// Failed images go a day after they were made: until then somebody may want to see why.
const FAILED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The snapshots that carry our `delete-after`.
pub(super) struct Marks<'a>(HashSet<&'a SnapshotId>);

impl<'a> Marks<'a> {
    pub(super) fn of(inventory: &'a Inventory, names: &TagNames) -> Self {
        let marked =
            inventory.snapshots.iter().filter(|snapshot| snapshot.tags.has(&names.delete_after));
        Self(marked.map(|snapshot| &snapshot.snapshot_id).collect())
    }

    fn among(&self, image: &Image) -> Box<[SnapshotId]> {
        image.snapshots.iter().filter(|snapshot| self.0.contains(snapshot)).cloned().collect()
    }
}

/// What is to be done about one image, caps and refusals aside.
pub(super) fn decide(
    draft: &mut Draft<'_>,
    policy: &Policy,
    marks: &Marks<'_>,
    inventory: &Inventory,
    now: Timestamp,
) -> Decision {
    let image = draft.image;
    let rule = draft.rule.and_then(|index| policy.rules.get(index));
    let kept = std::mem::take(&mut draft.kept);
    let mut decision = Decision {
        image_id: image.image_id.clone(),
        name: image.name.clone(),
        created_at: image.created_at,
        rule: rule.map(|rule| rule.name.clone()),
        group: draft.group.take(),
        action: Action::Keep,
        because: kept,
        expired_at: None,
        next: None,
        snapshots: image.snapshots.clone(),
    };
    match rule {
        Some(rule) if decision.because.is_empty() => {
            if image.state == ImageState::Failed {
                fail(&mut decision, rule, policy, now);
            } else {
                expire(&mut decision, image, draft.rank, rule, policy, now);
            }
        }
        _ => {
            let unmark = marks.among(image);
            let marked = image.tags.has(&policy.names.expired_at) || !unmark.is_empty();
            if marked && super::protect::is_ours(image, &inventory.account) {
                decision.action = Action::Rescue { unmark };
            }
        }
    }
    decision
}

/// Since when the image is marked as expired.
///
/// A date that cannot be read counts as none, and so does one from before the image was made:
/// that came with the tags of another image, which this one is a copy of. Such an image is marked
/// anew, and the time runs from now.
fn mark(image: &Image, names: &TagNames) -> Option<Timestamp> {
    let marked: Timestamp = image.tags.get(&names.expired_at)?.parse().ok()?;
    image.created_at.is_none_or(|made| made <= marked).then_some(marked)
}

fn expire(
    decision: &mut Decision,
    image: &Image,
    rank: Option<(u32, u32)>,
    rule: &Rule,
    policy: &Policy,
    now: Timestamp,
) {
    let Some((rank, of)) = rank else {
        // Not ranked and yet not kept cannot be; if it ever is, the image stays.
        decision.because.push(Reason::AgeUnknown);
        return;
    };
    decision.because.push(Reason::Expired { rank, of });
    let marked = mark(image, &policy.names);
    let since = marked.unwrap_or(now);
    let due = rule.retire.deregister_after.after(since, &policy.timezone);
    decision.expired_at = Some(since);
    decision.next = Some(Next { action: Step::Deregister, at: due });
    decision.action = if due <= now {
        deregister(&rule.retire, policy, now)
    } else if marked.is_some() {
        Action::Wait
    } else {
        Action::Expire
    };
}

fn fail(decision: &mut Decision, rule: &Rule, policy: &Policy, now: Timestamp) {
    let Some(created_at) = decision.created_at else {
        decision.because.push(Reason::AgeUnknown);
        return;
    };
    decision.because.push(Reason::Failed { created_at });
    let due = created_at.checked_add(FAILED_AFTER).unwrap_or(Timestamp::MAX);
    decision.next = Some(Next { action: Step::Deregister, at: due });
    decision.action = if due <= now { deregister(&rule.retire, policy, now) } else { Action::Wait };
}

/// A deregistration whose snapshots are filled in by [`assign_snapshots`].
fn deregister(retire: &Retire, policy: &Policy, now: Timestamp) -> Action {
    let at_once = retire.delete_snapshots_after.is_zero();
    Action::Deregister {
        removal: Removal {
            ledger: Box::default(),
            delete_after: retire.delete_snapshots_after.after(now, &policy.timezone),
            snapshots: if at_once {
                SnapshotFate::DeleteWithImage
            } else {
                SnapshotFate::LeaveToReaper
            },
        },
    }
}

/// Says for each image that goes which of its snapshots go with it: those that no image uses that
/// stays.
///
/// Images may go in any order, and any of them may fail to go, so nothing here depends on which
/// one is the last. Where images that go share a snapshot, each marks it, with the latest of their
/// times; it is left to the reaper, which waits until none of them exists.
pub(super) fn assign_snapshots(
    decisions: &mut [Decision],
    inventory: &Inventory,
    policy: &Policy,
    now: Timestamp,
) {
    let mut shares: HashMap<SnapshotId, Share> = HashMap::new();
    for decision in decisions.iter() {
        let Action::Deregister { removal } = &decision.action else { continue };
        for snapshot in &decision.snapshots {
            let share = shares.entry(snapshot.clone()).or_default();
            share.going += 1;
            share.delete_after = share.delete_after.max(Some(removal.delete_after));
        }
    }
    for image in inventory.images.iter().filter(|image| exists(image)) {
        for snapshot in &image.snapshots {
            if let Some(share) = shares.get_mut(snapshot) {
                share.users += 1;
            }
        }
    }
    let kept: HashMap<&SnapshotId, Vec<SnapshotReason>> = inventory
        .snapshots
        .iter()
        .filter(|snapshot| shares.contains_key(&snapshot.snapshot_id))
        .map(|snapshot| (&snapshot.snapshot_id, hands_off(snapshot, policy, now)))
        .collect();
    for decision in decisions {
        let Action::Deregister { removal } = &mut decision.action else { continue };
        let mut ledger = Vec::new();
        for snapshot in &decision.snapshots {
            let Some(share) = shares.get(snapshot) else { continue };
            // The provider's own deletion knows nothing of opt-outs and of other services' marks,
            // and deletes what several images share with the last of them, whoever that is.
            let kept = kept.get(snapshot).map_or(&[][..], Vec::as_slice);
            if share.users > 1 || !kept.is_empty() {
                removal.snapshots = SnapshotFate::LeaveToReaper;
            }
            // Another service's snapshot is not even marked: that service will see to it.
            let theirs = |reason| matches!(reason, &SnapshotReason::ManagedElsewhere { .. });
            if share.users <= share.going && !kept.iter().any(theirs) {
                removal.delete_after =
                    share.delete_after.max(Some(removal.delete_after)).unwrap_or(now);
                ledger.push(snapshot.clone());
            }
        }
        let at = removal.delete_after;
        decision.next = (!ledger.is_empty()).then_some(Next { action: Step::DeleteSnapshots, at });
        removal.ledger = ledger.into();
    }
}

/// How the images share a snapshot of one that goes.
#[derive(Default)]
struct Share {
    /// Images that exist and use it.
    users: usize,
    /// Those of them that go.
    going: usize,
    /// The latest time from which one of these lets it go.
    delete_after: Option<Timestamp>,
}
