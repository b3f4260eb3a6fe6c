//! Snapshots: mark the orphans, delete those that are due.

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::{Changed, Deadline, FailedStep, IN_FLIGHT, MARGIN, Outcome};
use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId, SnapshotDeletion};
use crate::ids::{ImageId, SnapshotId};
use crate::plan::reap::{self, SnapshotAction, SnapshotPlan, SnapshotReason};
use crate::policy::Policy;
use crate::progress::{self, Told};

/// How many snapshots are looked at again in one call.
const RECHECKED_TOGETHER: usize = 50;

/// Carries out a plan for snapshots.
pub async fn apply_snapshots(
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
) -> Outcome {
    let mut outcome = Outcome {
        refused: plan.refusal.as_ref().map(ToString::to_string),
        not_reached: plan
            .decisions
            .iter()
            .filter(|decision| decision.because.contains(&SnapshotReason::NotSeen))
            .map(|decision| decision.snapshot_id.to_string())
            .collect(),
        ..Outcome::default()
    };
    mark_orphans(plan, policy, cloud, deadline, &mut outcome).await;
    let due: Vec<_> =
        plan.decisions.iter().filter(|d| d.action == SnapshotAction::Delete).collect();
    if !due.is_empty() {
        progress::stage("deleting snapshots", Some(due.len()));
    }
    for batch in due.chunks(RECHECKED_TOGETHER) {
        let ids: Vec<SnapshotId> =
            batch.iter().map(|decision| decision.snapshot_id.clone()).collect();
        if deadline.left() < MARGIN {
            outcome.not_reached.extend(ids.iter().map(ToString::to_string));
            continue;
        }
        let found = match cloud.find_snapshots(&ids).await {
            Ok(found) => found,
            Err(error) => {
                for id in &ids {
                    outcome.fail(id.as_str(), FailedStep::Recheck, &error);
                }
                continue;
            }
        };
        let mut results = stream::iter(ids)
            .map(|id| {
                let snapshot = found.iter().find(|snapshot| snapshot.snapshot_id == id);
                let still_due =
                    snapshot.map(|snapshot| reap::due(snapshot, policy, plan.planned_at));
                async move {
                    let result = match still_due {
                        None => Ok(Reaped::Done(SnapshotDeletion::AlreadyGone)),
                        Some(Err(reasons)) => Ok(Reaped::Changed(reasons)),
                        Some(Ok(_)) if deadline.left() < MARGIN => Ok(Reaped::NotReached),
                        Some(Ok(_)) => cloud.delete_snapshot(&id).await.map(Reaped::Done),
                    };
                    (id, result)
                }
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((id, result)) = results.next().await {
            progress::tell(Told::Done(1));
            match result {
                Ok(Reaped::Done(SnapshotDeletion::InUse)) => {
                    tracing::info!(snapshot_id = %id, "still in use; a later run tries again");
                    outcome.later.push(id);
                }
                Ok(Reaped::Done(deletion)) => {
                    tracing::info!(snapshot_id = %id, ?deletion, "snapshot deleted");
                    outcome.deleted.push(id);
                }
                Ok(Reaped::Changed(reasons)) => {
                    let because: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                    outcome
                        .changed
                        .push(Changed { id: id.to_string(), because: because.join(", ") });
                }
                Ok(Reaped::NotReached) => outcome.not_reached.push(id.to_string()),
                Err(error) => outcome.fail(id.as_str(), FailedStep::DeleteSnapshot, &error),
            }
        }
    }
    outcome.sorted()
}

/// Marks the orphans with the image that they backed and the time from which on they may be
/// deleted, after a last look at the snapshot and for the image: a listing may be a little old.
async fn mark_orphans(
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
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
            if deadline.left() < MARGIN {
                return (id, Ok(Marked::NotReached));
            }
            (id, mark_orphan(id, image, delete_after, plan, policy, cloud).await)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((id, result)) = results.next().await {
        match result {
            Ok(Marked::Done) => {
                tracing::info!(snapshot_id = %id, "orphan marked");
                outcome.marked.push(id.clone());
            }
            Ok(Marked::Changed(because)) => {
                outcome.changed.push(Changed { id: id.to_string(), because });
            }
            Ok(Marked::NotReached) => outcome.not_reached.push(id.to_string()),
            Err(error) => outcome.fail(id.as_str(), FailedStep::Mark, &error),
        }
    }
}

/// How marking one orphan went.
enum Marked {
    Done,
    Changed(String),
    NotReached,
}

async fn mark_orphan(
    id: &SnapshotId,
    image: &ImageId,
    delete_after: Timestamp,
    plan: &SnapshotPlan,
    policy: &Policy,
    cloud: &impl Cloud,
) -> Result<Marked, CloudError> {
    if cloud.find_image(image).await?.is_some() {
        return Ok(Marked::Changed(format!("its image {image} exists")));
    }
    let found = cloud.find_snapshots(std::slice::from_ref(id)).await?;
    let Some(snapshot) = found.first() else {
        return Ok(Marked::Changed("it is gone".to_owned()));
    };
    let kept = reap::hands_off(snapshot, policy, plan.planned_at);
    if !kept.is_empty() {
        let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
        return Ok(Marked::Changed(kept.join(", ")));
    }
    let mark = policy.names.ledger(image, id, delete_after);
    match cloud.set_tags(&[ResourceId::Snapshot(id.clone())], &mark).await {
        Ok(()) => Ok(Marked::Done),
        Err(error) if error.kind == ErrorKind::NotFound => {
            Ok(Marked::Changed("it is gone".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// How one snapshot's deletion went.
enum Reaped {
    Done(SnapshotDeletion),
    Changed(Vec<SnapshotReason>),
    NotReached,
}
