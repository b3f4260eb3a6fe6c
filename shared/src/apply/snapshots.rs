//! Snapshots: delete those that are due.

use futures_util::stream::{self, StreamExt};

use super::{Changed, Deadline, FailedStep, IN_FLIGHT, MARGIN, Outcome};
use crate::cloud::{Cloud, SnapshotDeletion};
use crate::ids::SnapshotId;
use crate::plan::reap::{self, SnapshotAction, SnapshotPlan, SnapshotReason};
use crate::policy::Policy;

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
        refused: plan.refusal.as_ref().map(|unread| {
            let sources: Vec<_> = unread.iter().map(ToString::to_string).collect();
            sources.join("; ")
        }),
        ..Outcome::default()
    };
    let due: Vec<_> =
        plan.decisions.iter().filter(|d| d.action == SnapshotAction::Delete).collect();
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

/// How one snapshot's deletion went.
enum Reaped {
    Done(SnapshotDeletion),
    Changed(Vec<SnapshotReason>),
    NotReached,
}
