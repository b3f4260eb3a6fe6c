//! The retire steps: which step is due for an image, and what a rescue undoes.

use foldhash::{HashMap, HashMapExt, HashSet};
use jiff::{SignedDuration, Timestamp};

use super::protect::{self, Recovery, has_final_state, is_ours, not_enabled};
use super::reason::Reason;
use super::snapshots::{SnapshotReason, attributed_to, protections_of};
use super::undo::{
    Undo, UndoneBy, deprecation_tag_value, disabled_by_us_at, is_to_come, permissions_tag_value,
    permissions_to_save,
};
use super::{Action, Decision, DraftDecision, Next, PlanFacts, Removal, Step, exists, state_tags};
use crate::model::{
    DeletionMark, Disabling, Image, ImageState, Inventory, MAX_TAG_SKEW, MAX_VALUE, Snapshot,
    SnapshotFate, SnapshotId, TagNames,
};
use crate::policy::{Age, Policy, Retire, Rule};

/// The age at which a failed image is deregistered. Until then, somebody may want to find out why
/// it failed.
pub(crate) const FAILED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The snapshots with the state tag `delete-after`.
pub(super) struct TaggedSnapshots<'a>(HashSet<&'a SnapshotId>);

impl<'a> TaggedSnapshots<'a> {
    /// Excludes snapshots whose state tags are not understood, because they are not changed.
    pub(super) fn of(inventory: &'a Inventory, policy: &Policy) -> Self {
        let key = &policy.tag_names.delete_after;
        let tagged = inventory.snapshots.iter().filter(|one| one.tags.has(key));
        let tagged = tagged.filter(|one| state_tags::of_snapshot(one, policy).next().is_none());
        Self(tagged.map(|snapshot| &snapshot.snapshot_id).collect())
    }

    fn among(&self, image: &Image) -> Box<[SnapshotId]> {
        image.snapshots.iter().filter(|snapshot| self.0.contains(snapshot)).cloned().collect()
    }
}

/// A decision, with an alternative in case a limit or a refusal defers its step.
pub(super) struct StepDraft {
    pub(super) decision: Decision,
    /// The lesser action to apply instead, and the step that then remains due.
    instead: Option<Box<(Action, Next)>>,
}

impl StepDraft {
    /// Replaces the step with the lesser action.
    pub(super) fn hold_back(&mut self) {
        if let Some((action, next)) = self.instead.take().map(|instead| *instead) {
            self.decision.action = action;
            self.decision.next = Some(next);
        }
    }

    /// Defers all changes if the launch permissions could not be read.
    fn wait_if_unread(&mut self, image: &Image) {
        let Some(error) = &image.launch_permissions_unread else { return };
        if self.decision.action.changes() {
            self.hold_back();
            self.decision.action = Action::Wait;
            let error = error.clone();
            self.decision.reasons.push(Reason::PermissionsUnread { error });
        }
    }
}

/// Decides about one image, without considering limits and refusals.
pub(super) fn decide(
    draft: DraftDecision<'_>,
    PlanFacts { inventory, policy, uses: _, tagged, recovery, now }: &PlanFacts<'_>,
) -> StepDraft {
    let DraftDecision { image, rule, family, kept, briefly, rank } = draft;
    let now = *now;
    let mut step = StepDraft {
        decision: Decision {
            image_id: image.image_id.clone(),
            name: image.name.clone(),
            created_at: image.created_at,
            rule: rule.map(|rule| rule.name.clone()),
            family,
            action: Action::Keep,
            reasons: kept,
            expired_at: None,
            next: None,
            deregister_at: None,
            snapshots: image.snapshots.clone(),
            size_gib: None,
            shared_with: protect::grantees(image),
            specialized_and_shared: image.is_specialized_and_shared(),
        },
        instead: None,
    };
    match rule {
        Some(rule) if step.decision.reasons.is_empty() => {
            if image.state == ImageState::Failed {
                fail(&mut step, rule, policy, now);
            } else {
                expire(&mut step, image, rank, rule, policy, now);
            }
            let goes = matches!(step.decision.action, Action::Deregister { .. });
            if let Some(what) = recovery.leaves_out(image).filter(|_| goes) {
                step.hold_back();
                step.decision.reasons.push(Reason::NotRecoverable { what });
            }
            step.wait_if_unread(image);
        }
        _ => {
            let by = UndoneBy::Run { share_back: &policy.safety.share_back, now };
            let undo = Undo::of(image, tagged.among(image), &policy.tag_names, by);
            // An image is not changed if its launch permissions could not be read, or if it would
            // expire again as soon as another image is enabled.
            let is_left = step.decision.reasons.iter().any(Reason::is_unknown_state);
            let known = image.launch_permissions_unread.is_none() && !briefly && !is_left;
            // While the image changes, for example because a run is deleting it, nothing is undone.
            let known = known && has_final_state(image);
            if let Some(undo) = undo.filter(|_| known && is_ours(image, &inventory.account)) {
                step.decision.action = Action::Rescue(undo);
            }
            let not_enabled = not_enabled(image, &policy.tag_names, now).filter(|_| !is_left);
            step.decision.reasons.extend(not_enabled.map(|why| Reason::NotEnabled { why }));
        }
    }
    step.decision.reasons.shrink_to_fit();
    step
}

/// The time in the state tag `expired-at`, if an earlier run found the image expired.
///
/// A time before the creation of the image is ignored, because the tag was copied with the image.
/// Such an image is tagged again, and its waiting times start now. An image with an invalid value
/// is kept.
fn expired_at_tag(image: &Image, names: &TagNames) -> Option<Timestamp> {
    let at = state_tags::expired_at(image, names)?;
    let latest = at.checked_sub(MAX_TAG_SKEW).unwrap_or(Timestamp::MIN);
    image.created_at.is_none_or(|created| created <= latest).then_some(at)
}

/// Selects the furthest step that is due, and the lesser action in case that step is deferred.
fn expire(
    step: &mut StepDraft,
    image: &Image,
    rank: Option<(u32, u32)>,
    rule: &Rule,
    policy: &Policy,
    now: Timestamp,
) {
    let Some((rank, of)) = rank else {
        // An image without a rank always has a reason to be kept, so this is unreachable. If it is
        // ever reached, the image is kept.
        step.decision.reasons.push(Reason::AgeUnknown);
        return;
    };
    step.decision.reasons = vec![Reason::Expired { rank, of }];
    let tagged = expired_at_tag(image, &policy.tag_names);
    let since = tagged.unwrap_or(now);
    step.decision.expired_at = Some(since);
    let times = Times::of(image, &rule.retire, since, policy, now);
    step.decision.deregister_at = Some(times.deregister);
    let resting = if tagged.is_some() { Action::Wait } else { Action::Expire };
    let lesser = match times.deprecate {
        Some(at) if at <= now => {
            let disabled = image.state == ImageState::Disabled;
            let names = &policy.tag_names;
            let save = deprecation_tag_value(image, names, now, disabled).into();
            Action::Deprecate { save }
        }
        _ => resting,
    };
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
    // The launch permissions of a disabled image have already been saved, or were not removed by a
    // step.
    let permissions = (image.state != ImageState::Disabled).then(|| {
        permissions_tag_value(&image.image_id, &permissions_to_save(image, &policy.tag_names))
    });
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
            step.instead = Some(Box::new((lesser, held)));
            step.decision.next = Some(Next { action: Step::Deregister, at: times.deregister });
            step.decision.action = match (due, save) {
                (Step::Disable, Some(save)) => {
                    let names = &policy.tag_names;
                    let deprecation = deprecation_tag_value(image, names, now, true).into();
                    Action::Disable { save, deprecation }
                }
                (_, save) => deregister_with(&rule.retire, policy, now, save),
            };
        }
    }
}

/// When the remaining steps of an expired image are due.
///
/// A step is due when two conditions are met: the policy's time has passed since the image was
/// found expired, and the difference between the policy's times has passed since the previous step.
/// The time of the previous step comes from EC2: the deprecation time is set when the image is
/// deprecated, and again immediately before it is disabled. Therefore late runs do not skip a step,
/// and a forged date in `expired-at` does not shorten a wait between two steps. (For images that
/// their owner disabled, see [`disabled_by_us_at`].)
pub(crate) struct Times {
    pub(crate) deprecate: Option<Timestamp>,
    pub(crate) disable: Option<Timestamp>,
    pub(crate) deregister: Timestamp,
}

/// The maximum time by which a step may be early according to EC2's clock. Runs do not start at the
/// same second every day, and EC2 sets a deprecation time one minute ahead.
const MAX_SLACK: SignedDuration = SignedDuration::from_hours(1);
/// The slack is at most this part of a wait: 1/24.
const SLACK_PART: i32 = 24;

impl Times {
    pub(crate) fn of(
        image: &Image,
        retire: &Retire,
        since: Timestamp,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        let at = |age: Age| age.after(since, &policy.timezone);
        let can = image.capabilities;
        let to_deprecate = retire.deprecate_after.filter(|_| can.deprecate).map(at);
        let can_disable = can.disable != Disabling::Unsupported;
        let to_disable = retire.disable_after.filter(|_| can_disable).map(at);
        let to_deregister = at(retire.deregister_after);
        let enabled = image.state == ImageState::Available;
        // The wait between two steps, if there is one.
        let wait = |from: Option<Timestamp>, to: Timestamp| {
            from.map(|from| to.duration_since(from)).filter(SignedDuration::is_positive)
        };
        let before_disabling = to_disable.and_then(|to| wait(to_deprecate, to));
        let before_deregistering = match wait(to_disable, to_deregister) {
            Some(_) => None,
            None => wait(to_deprecate, to_deregister),
        };
        let disabled_for = wait(to_disable, to_deregister);
        // For a disabled image, the wait starts when it was disabled.
        let clock = match enabled {
            true => deprecated_at(image, now),
            false => disabled_by_us_at(image, &policy.tag_names, now),
        };
        let is_needed = match enabled {
            _ if !can.deprecate => false,
            true => to_deprecate.is_some(),
            // Nobody can launch a disabled image, so it needs no warning. It needs a time at which
            // the wait starts.
            false => disabled_for.or(before_deregistering).is_some(),
        };
        let deprecate = (is_needed && clock.is_none()).then(|| match enabled {
            true => to_deprecate.unwrap_or(since),
            false => since,
        });
        // When a step is due that must wait after the previous step, which was or will be applied
        // at `at`.
        let after = |planned: Timestamp, at: Timestamp, wait: SignedDuration, slack: bool| {
            let slack = if slack { MAX_SLACK.min(wait / SLACK_PART) } else { SignedDuration::ZERO };
            at.checked_add(wait - slack).map_or(Timestamp::MAX, |at| at.max(planned))
        };
        let after_deprecation = |planned: Timestamp, wait: Option<SignedDuration>| match wait {
            None => planned,
            Some(wait) => match clock {
                Some(clock) => after(planned, clock, wait, true),
                None => after(planned, deprecate.unwrap_or(since).max(now), wait, false),
            },
        };
        let disable = to_disable
            .filter(|_| enabled)
            .map(|planned| after_deprecation(planned, before_disabling));
        let deregister = match (disabled_for, disable) {
            (Some(wait), Some(disable)) => after(to_deregister, disable.max(now), wait, false),
            (wait, _) => after_deprecation(to_deregister, wait.or(before_deregistering)),
        };
        Self { deprecate, disable, deregister }
    }

    /// The first step after `action`, which is due now. If several steps are due at the same time,
    /// the furthest one.
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

/// Since when `image` is deprecated, according to EC2; `None` if it is not deprecated.
fn deprecated_at(image: &Image, now: Timestamp) -> Option<Timestamp> {
    image.deprecation_time.filter(|at| !is_to_come(*at, now))
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
    step.decision.deregister_at = Some(due);
    step.decision.action = Action::Wait;
    if due <= now {
        step.instead = Some(Box::new((Action::Wait, next)));
        // A failed image was never shared.
        step.decision.action = deregister_with(&rule.retire, policy, now, None);
    }
}

/// A deregistration. [`assign_snapshots`] adds the snapshots.
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

/// Sets, for each image that is deregistered, which of its snapshots are deleted afterwards: those
/// that no remaining image uses.
///
/// Images are deregistered in any order, and any of the calls may fail. Therefore the result must
/// not depend on which image is the last one. If several of these images share a snapshot, each of
/// them tags it with the latest of their times. A later run deletes the snapshot when none of the
/// images exists. Therefore the call that deregisters an image never deletes a snapshot that EC2
/// created for another image, or for which another image requires a longer wait.
///
/// A snapshot that EC2 did not create for an image, or may not have, cannot be deleted later (see
/// [`snapshots`](super::snapshots)). It is deleted together with the last of its images if the
/// Recycle Bin then retains it for as long as the policy waits. The calls for the other images do
/// not delete it, because it is in use.
pub(super) fn assign_snapshots(
    decisions: &mut [Decision],
    inventory: &Inventory,
    policy: &Policy,
    recovery: &Recovery<'_>,
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
    let going = inventory.snapshots.iter().filter(|one| shares.contains_key(&one.snapshot_id));
    let known: HashMap<&SnapshotId, (&Snapshot, Vec<SnapshotReason>)> =
        going.map(|one| (&one.snapshot_id, (one, protections_of(one, policy, now)))).collect();
    for decision in decisions {
        let Action::Deregister { removal } = &mut decision.action else { continue };
        let (mut tagged, own) = (Vec::new(), removal.delete_after);
        let is_foreign = |snapshot: &SnapshotId| {
            known
                .get(snapshot)
                .is_some_and(|(one, _)| attributed_to(one, &policy.tag_names).is_none())
        };
        let bin_waits = |snapshot: &SnapshotId| {
            let days = recovery.snapshot_days(snapshot).map(i64::from);
            let until =
                days.and_then(|days| now.checked_add(SignedDuration::from_hours(24 * days)).ok());
            until.is_some_and(|until| until >= own)
        };
        if decision.snapshots.iter().any(is_foreign) && decision.snapshots.iter().all(bin_waits) {
            removal.fate = SnapshotFate::DeleteWithImage;
        }
        for snapshot in &decision.snapshots {
            let Some(share) = shares.get(snapshot) else { continue };
            // The provider's own deletion does not consider opt-outs, the tags of other services,
            // and what other images require.
            let listed = known.get(snapshot);
            let kept = listed.map_or(&[][..], |(_, kept)| kept.as_slice());
            let origin = listed.and_then(|(one, _)| attributed_to(one, &policy.tag_names));
            let is_anothers = origin.is_some_and(|origin| origin != decision.image_id);
            let tagged_until = listed.and_then(|(one, _)| {
                let mark = one.tags.get(&policy.tag_names.delete_after)?;
                mark.parse::<DeletionMark>().ok().map(|mark| mark.due)
            });
            let waits_longer = share.delete_after.max(tagged_until) > Some(own);
            let stays = share.users > share.going;
            if stays || is_anothers || waits_longer || !kept.is_empty() {
                removal.fate = SnapshotFate::DeleteLater;
            }
            // A snapshot that another service manages is not tagged, because that service deletes
            // it. A snapshot whose state tags are not understood is not tagged either.
            let theirs = |reason: &SnapshotReason| {
                matches!(reason, SnapshotReason::ManagedElsewhere { .. })
                    || reason.is_unknown_state()
            };
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

/// How images share a snapshot of an image that is deregistered.
#[derive(Default)]
struct Share {
    /// The number of existing images that use the snapshot.
    users: usize,
    /// The number of these images that are deregistered.
    going: usize,
    /// The latest `delete_after` of the images that are deregistered.
    delete_after: Option<Timestamp>,
}
