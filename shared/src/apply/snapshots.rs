//! Snapshots: mark the orphans, delete those that are due.

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::recheck::HeldSnapshots;
use super::{Change, IN_FLIGHT, MARGIN, Outcome, StepKind, StepResult};
use crate::cloud::{Cloud, CloudError, ErrorKind, SnapshotDeletion};
use crate::model::{ImageId, Snapshot, SnapshotId, for_others};
use crate::plan::snapshots::{self, SnapshotAction, SnapshotPlan, SnapshotReason};
use crate::policy::{Policy, SharedImages};
use crate::progress::RunContext;

/// How many snapshots are read again in one call.
const RECHECKED_TOGETHER: usize = 50;

/// Carries out a plan for snapshots.
pub async fn apply_snapshots(
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &dyn Cloud,
    context: RunContext<'_>,
) -> Outcome {
    let mut outcome = Outcome::refused(plan.refusal.clone());
    for decision in &plan.decisions {
        let unverified = decision.reasons.iter().any(|reason| {
            matches!(reason, SnapshotReason::Unverified | SnapshotReason::PermissionsUnread { .. })
        });
        if unverified {
            outcome.record(&decision.snapshot_id, StepKind::Verify, StepResult::NotReached);
        }
    }
    mark_orphans(plan, policy, cloud, context, &mut outcome).await;
    let due: Vec<_> =
        plan.decisions.iter().filter(|d| d.action == SnapshotAction::Delete).collect();
    if due.is_empty() {
        return outcome.sorted();
    }
    context.stage("deleting snapshots", Some(due.len()));
    let held = match context.left() < MARGIN {
        true => Ok(HeldSnapshots::default()),
        false => HeldSnapshots::read(policy, cloud).await,
    };
    let held = match &held {
        Ok(held) => held,
        Err(error) => {
            for decision in due {
                outcome.fail(&decision.snapshot_id, StepKind::Recheck, error);
            }
            return outcome.sorted();
        }
    };
    for batch in due.chunks(RECHECKED_TOGETHER) {
        let ids: Vec<SnapshotId> =
            batch.iter().map(|decision| decision.snapshot_id.clone()).collect();
        if context.left() < MARGIN {
            for id in &ids {
                outcome.record(id, StepKind::DeleteSnapshot, StepResult::NotReached);
            }
            continue;
        }
        let found = match cloud.find_snapshots(&ids).await {
            Ok(found) => found,
            Err(error) => {
                for id in &ids {
                    outcome.fail(id, StepKind::Recheck, &error);
                }
                continue;
            }
        };
        let mut results = stream::iter(ids)
            .map(|id| {
                let snapshot = found.iter().find(|snapshot| snapshot.snapshot_id == id);
                async move {
                    // If it no longer exists, that is what was wanted.
                    let Some(snapshot) = snapshot else {
                        return (id, StepKind::DeleteSnapshot, Ok(StepResult::Done));
                    };
                    if context.left() < MARGIN {
                        return (id, StepKind::DeleteSnapshot, Ok(StepResult::NotReached));
                    }
                    match kept_now(snapshot, held, plan, policy, cloud).await {
                        Err(error) => (id, StepKind::Recheck, Err(error)),
                        Ok(reasons) if !reasons.is_empty() => {
                            let change = Change::SnapshotKept { reasons };
                            (id, StepKind::DeleteSnapshot, Ok(StepResult::Changed(change)))
                        }
                        Ok(_) => {
                            let deleted = cloud.delete_snapshot(&id).await;
                            let result = deleted.map(|deletion| match deletion {
                                SnapshotDeletion::InUse => StepResult::InUse,
                                SnapshotDeletion::Deleted | SnapshotDeletion::AlreadyGone => {
                                    StepResult::Done
                                }
                            });
                            (id, StepKind::DeleteSnapshot, result)
                        }
                    }
                }
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((id, step, result)) = results.next().await {
            context.done(1);
            if let Ok(StepResult::InUse) = result {
                tracing::info!(snapshot_id = %id, "still in use; a later run tries again");
            }
            record(&id, step, "snapshot deleted", result, &mut outcome);
        }
    }
    outcome.sorted()
}

/// Everything that keeps `snapshot`, which has just been read, now: its tags, what names or locks it,
/// and with whom it is shared by now.
async fn kept_now(
    snapshot: &Snapshot,
    held: &HeldSnapshots,
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &dyn Cloud,
) -> Result<Vec<SnapshotReason>, CloudError> {
    let id = &snapshot.snapshot_id;
    let mut reasons = snapshots::due(snapshot, policy, plan.planned_at).err().unwrap_or_default();
    reasons.extend_from_slice(held.reasons(id));
    if !reasons.is_empty() || policy.safety.shared_images == SharedImages::Retire {
        return Ok(reasons);
    }
    match cloud.find_volume_permissions(id).await {
        Ok(with) => {
            let with: Box<[_]> = for_others(&with, Some(&plan.account)).cloned().collect();
            Ok(if with.is_empty() { reasons } else { vec![SnapshotReason::Shared { with }] })
        }
        // Deleting it will say so too.
        Err(error) if error.kind == ErrorKind::NotFound => Ok(reasons),
        Err(error) => Err(error),
    }
}

fn record(
    id: &SnapshotId,
    step: StepKind,
    done: &'static str,
    result: Result<StepResult, CloudError>,
    outcome: &mut Outcome,
) {
    match result {
        Ok(result) => {
            if result == StepResult::Done {
                tracing::info!(snapshot_id = %id, "{done}");
            }
            outcome.record(id, step, result);
        }
        Err(error) => outcome.fail(id, step, &error),
    }
}

/// Tags the orphans with the image that they backed and the time from which they may be deleted,
/// after reading the snapshot and looking for the image once more: a listing may be a little old.
async fn mark_orphans(
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &dyn Cloud,
    context: RunContext<'_>,
    outcome: &mut Outcome,
) {
    let orphans = plan.decisions.iter().filter_map(|decision| match decision.action {
        SnapshotAction::Mark => {
            Some((&decision.snapshot_id, decision.image.as_ref()?, decision.delete_after?))
        }
        SnapshotAction::Keep | SnapshotAction::Delete => None,
    });
    let orphans: Vec<_> = orphans.collect();
    let mut results = stream::iter(orphans)
        .map(|(id, image, delete_after)| async move {
            if context.left() < MARGIN {
                return (id, Ok(StepResult::NotReached));
            }
            (id, mark_orphan(id, image, delete_after, plan, policy, cloud).await)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((id, result)) = results.next().await {
        record(id, StepKind::MarkOrphan, "orphan marked", result, outcome);
    }
}

async fn mark_orphan(
    id: &SnapshotId,
    image: &ImageId,
    delete_after: Timestamp,
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &dyn Cloud,
) -> Result<StepResult, CloudError> {
    if cloud.find_image(image).await?.is_some() {
        return Ok(StepResult::Changed(Change::ImageExists { image: image.clone() }));
    }
    let found = cloud.find_snapshots(std::slice::from_ref(id)).await?;
    let Some(snapshot) = found.first() else {
        return Ok(StepResult::Changed(Change::Gone));
    };
    let reasons = snapshots::protections_of(snapshot, policy, plan.planned_at);
    if !reasons.is_empty() {
        return Ok(StepResult::Changed(Change::SnapshotKept { reasons }));
    }
    let mark = policy.tag_names.snapshot_tags(image, id, delete_after);
    match cloud.set_tags(&[id.into()], &mark).await {
        Ok(()) => Ok(StepResult::Done),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(StepResult::Changed(Change::Gone)),
        Err(error) => Err(error),
    }
}
