//! The retire steps: which one an image is due for, and what a rescue undoes.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::protect::{Recovery, is_ours};
use super::reason::Reason;
use super::snapshots::{SnapshotReason, protections_of};
use super::undo::{
    Deprecation, Undo, deprecation_tag_value, permissions_tag_value, permissions_to_save,
    saved_deprecation,
};
use super::{Action, Decision, DraftDecision, Next, Removal, Step, exists};
use crate::model::{Image, ImageState, Inventory, MAX_VALUE, SnapshotFate, SnapshotId, TagNames};
use crate::policy::{Age, Policy, Retire, Rule};

/// A failed image is deregistered this long after it was created: until then, somebody may want
/// to find out why it failed.
pub(crate) const FAILED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The snapshots that carry the state tag `delete-after`.
pub(super) struct TaggedSnapshots<'a>(HashSet<&'a SnapshotId>);

impl<'a> TaggedSnapshots<'a> {
    pub(super) fn of(inventory: &'a Inventory, names: &TagNames) -> Self {
        let tagged =
            inventory.snapshots.iter().filter(|snapshot| snapshot.tags.has(&names.delete_after));
        Self(tagged.map(|snapshot| &snapshot.snapshot_id).collect())
    }

    fn among(&self, image: &Image) -> Box<[SnapshotId]> {
        image.snapshots.iter().filter(|snapshot| self.0.contains(snapshot)).cloned().collect()
    }
}

/// A decision, and what remains of it when a cap or a refusal holds its step back.
pub(super) struct StepDraft {
    pub(super) decision: Decision,
    /// The lesser action that is allowed instead, and the step that is then still to come.
    instead: Option<(Action, Next)>,
}

impl StepDraft {
    /// Replaces the step by the lesser action.
    pub(super) fn hold_back(&mut self) {
        if let Some((action, next)) = self.instead.take() {
            self.decision.action = action;
            self.decision.next = Some(next);
        }
    }
}

/// Decides about one image, caps and refusals aside.
pub(super) fn decide(
    draft: &mut DraftDecision<'_>,
    policy: &Policy,
    tagged: &TaggedSnapshots<'_>,
    recovery: &Recovery<'_>,
    inventory: &Inventory,
    now: Timestamp,
) -> StepDraft {
    let image = draft.image;
    let rule = draft.rule.and_then(|index| policy.rules.get(index));
    let kept = std::mem::take(&mut draft.kept);
    let mut step = StepDraft {
        decision: Decision {
            image_id: image.image_id.clone(),
            name: image.name.clone(),
            created_at: image.created_at,
            rule: rule.map(|rule| rule.name.clone()),
            family: draft.family.take(),
            action: Action::Keep,
            reasons: kept,
            expired_at: None,
            next: None,
            snapshots: image.snapshots.clone(),
        },
        instead: None,
    };
    match rule {
        Some(rule) if step.decision.reasons.is_empty() => {
            if image.state == ImageState::Failed {
                fail(&mut step, rule, policy, now);
            } else {
                expire(&mut step, image, draft.rank, rule, policy, now);
            }
            let goes = matches!(step.decision.action, Action::Deregister { .. });
            if let Some(what) = recovery.leaves_out(image).filter(|_| goes) {
                step.hold_back();
                step.decision.reasons.push(Reason::NotRecoverable { what });
            }
        }
        _ => {
            let undo = Undo::of(image, tagged.among(image), &policy.tag_names);
            if let Some(undo) = undo.filter(|_| is_ours(image, &inventory.account)) {
                step.decision.action = Action::Rescue(undo);
            }
        }
    }
    step
}

/// The time in the state tag `expired-at`, when an earlier run found the image expired.
///
/// A value that is no time is ignored, and so is a time before the image was created: the tag was
/// copied with the image. Such an image is tagged again, and its steps count from now.
fn expired_at_tag(image: &Image, names: &TagNames) -> Option<Timestamp> {
    let at: Timestamp = image.tags.get(&names.expired_at)?.parse().ok()?;
    image.created_at.is_none_or(|created| created <= at).then_some(at)
}

/// Sets the furthest step that is due, and the lesser action for when it is held back.
fn expire(
    step: &mut StepDraft,
    image: &Image,
    rank: Option<(u32, u32)>,
    rule: &Rule,
    policy: &Policy,
    now: Timestamp,
) {
    let Some((rank, of)) = rank else {
        // Not ranked and yet not kept cannot be; if it ever is, the image stays.
        step.decision.reasons.push(Reason::AgeUnknown);
        return;
    };
    step.decision.reasons.push(Reason::Expired { rank, of });
    let tagged = expired_at_tag(image, &policy.tag_names);
    let since = tagged.unwrap_or(now);
    step.decision.expired_at = Some(since);
    let times = Times::of(image, &rule.retire, since, policy, now);
    let resting = if tagged.is_some() { Action::Wait } else { Action::Expire };
    let lesser = match times.deprecate {
        Some(at) if at <= now => {
            let save = deprecation_tag_value(&image.image_id, image.deprecation_time).into();
            Action::Deprecate { save }
        }
        _ => resting,
    };
    // For what is disabled already its launch permissions have been saved, or were not ours.
    let permissions = (image.state != ImageState::Disabled).then(|| {
        permissions_tag_value(&image.image_id, &permissions_to_save(image, &policy.tag_names))
    });
    let deregister = (Step::Deregister, times.deregister);
    let due = match times.disable.filter(|_| times.deregister > now) {
        Some(at) if at <= now => Some((Step::Disable, at)),
        _ if times.deregister <= now => Some(deregister),
        _ => None,
    };
    let Some((due, at)) = due else {
        step.decision.next = Some(times.after(&lesser, now));
        step.decision.action = lesser;
        return;
    };
    let held = Next { action: due, at };
    match permissions {
        Some(Err(characters)) => {
            step.decision.action = lesser;
            step.decision.next = Some(held);
            let reason = Reason::PermissionsTooLong { characters, most: MAX_VALUE };
            step.decision.reasons.push(reason);
        }
        permissions => {
            let save = permissions.and_then(Result::ok).map(String::into_boxed_str);
            step.instead = Some((lesser, held));
            step.decision.next = Some(Next { action: Step::Deregister, at: times.deregister });
            step.decision.action = match (due, save) {
                (Step::Disable, Some(save)) => Action::Disable { save },
                (_, save) => deregister_with(&rule.retire, policy, now, save),
            };
        }
    }
}

/// The times of the steps that an expired image has not been through yet.
struct Times {
    deprecate: Option<Timestamp>,
    disable: Option<Timestamp>,
    deregister: Timestamp,
}

impl Times {
    fn of(
        image: &Image,
        retire: &Retire,
        since: Timestamp,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        let at = |age: Age| age.after(since, &policy.timezone);
        // A date that is not the one from before is ours, and is a minute ahead at most.
        let before = saved_deprecation(image, &policy.tag_names);
        let deprecated = image.deprecation_time.is_some_and(|at| {
            at <= now || before.is_some_and(|before| before != Deprecation::At(at))
        });
        let enabled = image.state == ImageState::Available;
        Self {
            // What nobody can launch needs no warning.
            deprecate: retire.deprecate_after.filter(|_| enabled && !deprecated).map(at),
            disable: retire.disable_after.filter(|_| enabled).map(at),
            deregister: at(retire.deregister_after),
        }
    }

    /// The first step after `action`, which is due now; the furthest one of several at the same
    /// time.
    fn after(&self, action: &Action, now: Timestamp) -> Next {
        let deprecate = self.deprecate.filter(|_| !matches!(action, Action::Deprecate { .. }));
        let mut next = Next { action: Step::Deregister, at: self.deregister };
        for (step, at) in [(Step::Disable, self.disable), (Step::Deprecate, deprecate)] {
            match at {
                Some(at) if at < next.at && at > now => next = Next { action: step, at },
                _ => {}
            }
        }
        next
    }
}

fn fail(step: &mut StepDraft, rule: &Rule, policy: &Policy, now: Timestamp) {
    let Some(created_at) = step.decision.created_at else {
        step.decision.reasons.push(Reason::AgeUnknown);
        return;
    };
    step.decision.reasons.push(Reason::Failed { created_at });
    let due = created_at.checked_add(FAILED_AFTER).unwrap_or(Timestamp::MAX);
    let next = Next { action: Step::Deregister, at: due };
    step.decision.next = Some(next);
    step.decision.action = Action::Wait;
    if due <= now {
        step.instead = Some((Action::Wait, next));
        // What failed was never shared.
        step.decision.action = deregister_with(&rule.retire, policy, now, None);
    }
}

/// A deregistration whose snapshots are filled in by [`assign_snapshots`].
fn deregister_with(
    retire: &Retire,
    policy: &Policy,
    now: Timestamp,
    save: Option<Box<str>>,
) -> Action {
    let at_once = retire.delete_snapshots_after.is_zero();
    Action::Deregister {
        removal: Removal {
            snapshots: Box::default(),
            delete_after: retire.delete_snapshots_after.after(now, &policy.timezone),
            fate: if at_once { SnapshotFate::DeleteWithImage } else { SnapshotFate::DeleteLater },
            save,
        },
    }
}

/// Fills in, for each image that is deregistered, which of its snapshots are deleted afterwards:
/// those that no remaining image uses.
///
/// Images are deregistered in any order, and any of those calls may fail, so nothing here depends
/// on which one is the last. Where several of them share a snapshot, each tags it, with the latest
/// of their times; a later run deletes it, once none of them exists.
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
        .map(|snapshot| (&snapshot.snapshot_id, protections_of(snapshot, policy, now)))
        .collect();
    for decision in decisions {
        let Action::Deregister { removal } = &mut decision.action else { continue };
        let mut tagged = Vec::new();
        for snapshot in &decision.snapshots {
            let Some(share) = shares.get(snapshot) else { continue };
            // The provider's own deletion knows nothing of opt-outs and of other services' marks,
            // and deletes what several images share with the last of them, whoever that is.
            let kept = kept.get(snapshot).map_or(&[][..], Vec::as_slice);
            if share.users > 1 || !kept.is_empty() {
                removal.fate = SnapshotFate::DeleteLater;
            }
            // Another service's snapshot is not even marked: that service will see to it.
            let theirs = |reason| matches!(reason, &SnapshotReason::ManagedElsewhere { .. });
            if share.users <= share.going && !kept.iter().any(theirs) {
                removal.delete_after =
                    share.delete_after.max(Some(removal.delete_after)).unwrap_or(now);
                tagged.push(snapshot.clone());
            }
        }
        let at = removal.delete_after;
        decision.next = (!tagged.is_empty()).then_some(Next { action: Step::DeleteSnapshots, at });
        removal.snapshots = tagged.into();
    }
}

/// How images share a snapshot of one that is deregistered.
#[derive(Default)]
struct Share {
    /// The number of existing images that use it.
    users: usize,
    /// The number of those that are deregistered.
    going: usize,
    /// The latest `delete_after` of those.
    delete_after: Option<Timestamp>,
}
