//! Applies the snapshot steps of a plan: tags orphans and deletes the snapshots that are due.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::check_queue::CheckQueue;
use super::groups::Groups;
use super::held::HeldSnapshots;
use super::recheck::{MAX_BATCH, MAX_CHECK_AGE};
use super::refresh::refresh;
use super::{Change, IN_FLIGHT, MARGIN, Outcome, StepKind, StepResult, TagBatches};
use crate::cloud::{
    Cloud, CloudError, ErrorKind, MAX_READING_AGE, PermissionReadings, SnapshotDeletion,
};
use crate::model::{ImageId, Snapshot, SnapshotId, Tags, for_others};
use crate::plan::snapshots::{
    self, SnapshotAction, SnapshotDecision, SnapshotPlan, SnapshotReason,
};
use crate::policy::{Policy, SharedSnapshots};
use crate::progress::RunContext;

/// Applies a plan for snapshots. `permissions` contains the readings from planning; missing ones
/// are read.
pub async fn apply_snapshots(
    plan: &SnapshotPlan,
    permissions: PermissionReadings,
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
    let mut run = SnapshotRun { plan, policy, cloud, context, permissions, held: None };
    run.mark_orphans(&mut outcome).await;
    run.delete_due(&mut outcome).await;
    outcome.sorted()
}

/// The inputs that all steps share.
struct SnapshotRun<'a> {
    plan: &'a SnapshotPlan,
    policy: &'a Policy,
    cloud: &'a dyn Cloud,
    context: RunContext<'a>,
    permissions: PermissionReadings,
    /// The locked or referenced snapshots, and when they were read.
    held: Option<(HeldSnapshots, Duration)>,
}

/// The result of deleting one snapshot, with the sub-step that it belongs to. `None` if the check
/// expired before the call was sent.
type DeletionEnd = Option<(StepKind, Result<StepResult, CloudError>)>;

impl SnapshotRun<'_> {
    fn decided(&self, action: SnapshotAction) -> impl Iterator<Item = &SnapshotDecision> {
        self.plan.decisions.iter().filter(move |decision| decision.action == action)
    }

    /// Deletes the snapshots that are due, in batches. A batch is checked and then deleted within
    /// [`MAX_CHECK_AGE`]; otherwise it is checked again.
    async fn delete_due(&mut self, outcome: &mut Outcome) {
        let due = self.decided(SnapshotAction::Delete).map(|one| one.snapshot_id.clone());
        let mut queue = CheckQueue::new(due.collect::<Vec<_>>());
        if queue.len() > 0 {
            self.context.stage("deleting snapshots", Some(queue.len()));
        }
        while let Some(batch) = queue.next() {
            let ids = batch.resources();
            let ended = match self.context.left() < MARGIN {
                true => vec![done(StepResult::NotReached); ids.len()],
                false => self.delete_batch(&ids).await,
            };
            for (id, ended) in queue.end(batch, ended) {
                let late = (StepKind::DeleteSnapshot, Ok(StepResult::NotReached));
                let (step, result) = ended.unwrap_or(late);
                self.context.done(1);
                if let Ok(StepResult::InUse) = result {
                    tracing::info!(snapshot_id = %id, "still in use; a later run tries again");
                }
                record(&id, step, "snapshot deleted", result, outcome);
            }
        }
    }

    /// Checks these snapshots and deletes those that nothing keeps. Returns one result per
    /// snapshot.
    async fn delete_batch(&mut self, ids: &[SnapshotId]) -> Vec<DeletionEnd> {
        let failed = |error: CloudError| -> Vec<DeletionEnd> {
            vec![Some((StepKind::Recheck, Err(error))); ids.len()]
        };
        let unread = self.read_permissions(ids).await;
        if let Err(error) = self.read_held().await {
            return failed(error);
        }
        let began = self.context.elapsed();
        let found: HashMap<SnapshotId, Snapshot> = match self.cloud.find_snapshots(ids).await {
            Ok(found) => found.into_iter().map(|one| (one.snapshot_id.clone(), one)).collect(),
            Err(error) => return failed(error),
        };
        let is_fresh = &|| self.context.elapsed().saturating_sub(began) <= MAX_CHECK_AGE;
        let (run, unread, found) = (&*self, &unread, &found);
        stream::iter(ids)
            .map(|id| async move {
                // The snapshot no longer exists, so there is nothing to do.
                let Some(snapshot) = found.get(id) else { return done(StepResult::Done) };
                if let Some(error) = unread.get(id) {
                    return Some((StepKind::Recheck, Err(error.clone())));
                }
                if run.context.left() < MARGIN {
                    return done(StepResult::NotReached);
                }
                let reasons = run.kept_now(snapshot, began);
                if !reasons.is_empty() {
                    return done(StepResult::Changed(Change::SnapshotKept { reasons }));
                }
                let deleted = match run.cloud.delete_snapshot(id, is_fresh).await {
                    Ok(deletion) => Ok(deletion?),
                    Err(error) => Err(error),
                };
                let result = deleted.map(|deletion| match deletion {
                    SnapshotDeletion::InUse => StepResult::InUse,
                    SnapshotDeletion::Deleted | SnapshotDeletion::AlreadyGone => StepResult::Done,
                });
                Some((StepKind::DeleteSnapshot, result))
            })
            .buffered(IN_FLIGHT)
            .collect()
            .await
    }

    /// Reads the locks and references of snapshots again, unless they are recent.
    async fn read_held(&mut self) -> Result<(), CloudError> {
        let now = self.context.elapsed();
        let lasts = |at: Duration| now.saturating_sub(at) <= MAX_READING_AGE;
        if !self.held.as_ref().is_some_and(|(_, at)| lasts(*at)) {
            self.held = Some((HeldSnapshots::read(self.policy, self.cloud).await?, now));
        }
        Ok(())
    }

    /// Reads the permissions of these snapshots, unless the readings are recent. Returns the
    /// errors.
    async fn read_permissions(&mut self, ids: &[SnapshotId]) -> HashMap<SnapshotId, CloudError> {
        let ids = match self.policy.safety.shared_snapshots {
            SharedSnapshots::Keep => ids,
            SharedSnapshots::Retire => &[],
        };
        let cloud = self.cloud;
        let read = |id: SnapshotId| async move { cloud.find_volume_permissions(&id).await };
        refresh(&mut self.permissions.snapshots, ids, read, self.context).await
    }

    /// Returns every reason that keeps `snapshot` now: its tags, references, locks and sharing.
    /// `snapshot` must have been read just before.
    fn kept_now(&self, snapshot: &Snapshot, at: Duration) -> Vec<SnapshotReason> {
        let id = &snapshot.snapshot_id;
        let due = snapshots::due(snapshot, self.policy, self.plan.planned_at);
        let mut reasons = due.err().unwrap_or_default();
        if let Some((held, _)) = &self.held {
            reasons.extend_from_slice(held.reasons(id));
        }
        if !reasons.is_empty() || self.policy.safety.shared_snapshots == SharedSnapshots::Retire {
            return reasons;
        }
        match self.permissions.snapshots.recent(id, at) {
            Some(with) => {
                let with: Box<[_]> = for_others(with, Some(&self.plan.account)).cloned().collect();
                if !with.is_empty() {
                    reasons.push(SnapshotReason::Shared { with });
                }
            }
            // The snapshot was not found when its permissions were read.
            None => reasons.push(SnapshotReason::Unverified),
        }
        reasons
    }

    /// Tags the orphans with their former image and the time from which they may be deleted. Reads
    /// the snapshots and looks up the images again first, because the listing can be out of date.
    async fn mark_orphans(&self, outcome: &mut Outcome) {
        let orphans = self.decided(SnapshotAction::Mark).filter_map(|decision| {
            let (id, image) = (&decision.snapshot_id, decision.image.as_ref()?);
            let (names, due) = (&self.policy.tag_names, decision.delete_after?);
            Some((id, image, names.snapshot_tags(image, due, self.plan.planned_at)))
        });
        let orphans: Vec<(&SnapshotId, &ImageId, Tags)> = orphans.collect();
        if !orphans.is_empty() {
            self.context.stage("tagging orphaned snapshots", Some(orphans.len()));
        }
        let batches = TagBatches::new(self.cloud, self.plan.planned_at);
        for some in orphans.chunks(MAX_BATCH) {
            let results = match self.context.left() < MARGIN {
                true => some.iter().map(|_| Ok(StepResult::NotReached)).collect(),
                false => self.mark_batch(some, &batches).await,
            };
            self.context.done(some.len());
            for ((id, ..), result) in some.iter().zip(results) {
                record(id, StepKind::MarkOrphan, "orphaned snapshot tagged", result, outcome);
            }
        }
    }

    /// Checks these orphans and tags those that are still orphans. Returns one result per orphan.
    async fn mark_batch(
        &self,
        orphans: &[(&SnapshotId, &ImageId, Tags)],
        batches: &TagBatches<'_>,
    ) -> Vec<Result<StepResult, CloudError>> {
        let images: BTreeSet<&ImageId> = orphans.iter().map(|(_, image, _)| *image).collect();
        let images: Vec<ImageId> = images.into_iter().cloned().collect();
        let ids: Vec<SnapshotId> = orphans.iter().map(|(id, ..)| (*id).clone()).collect();
        let (images, found) =
            futures_util::join!(self.cloud.find_images(&images), self.cloud.find_snapshots(&ids));
        let (images, found) = match (images, found) {
            (Ok(images), Ok(found)) => (images, found),
            (Err(error), _) | (_, Err(error)) => {
                return orphans.iter().map(|_| Err(error.clone())).collect();
            }
        };
        let images: HashSet<ImageId> = images.into_iter().map(|one| one.image_id).collect();
        let mut results = Vec::with_capacity(orphans.len());
        let mut writes = Groups::default();
        for (at, (id, image, tags)) in orphans.iter().enumerate() {
            let snapshot = found.iter().find(|one| one.snapshot_id == **id);
            let protections = snapshot.map(|snapshot| {
                snapshots::protections_of(snapshot, self.policy, self.plan.planned_at)
            });
            let change = match protections {
                _ if images.contains(*image) => {
                    Some(Change::ImageExists { image: (*image).clone() })
                }
                None => Some(Change::Gone),
                Some(reasons) if !reasons.is_empty() => Some(Change::SnapshotKept { reasons }),
                Some(_) => None,
            };
            if change.is_none() {
                writes.add(tags, at, (*id).into());
            }
            results.push(Ok(change.map_or(StepResult::Done, StepResult::Changed)));
        }
        for (tags, at, resources) in writes.into_calls() {
            if self.context.left().is_zero() {
                at.into_iter().for_each(|at| results[at] = Ok(StepResult::NotReached));
                continue;
            }
            for (at, written) in at.into_iter().zip(batches.set_tags(&resources, tags).await) {
                let Some(result) = results.get_mut(at) else { continue };
                match written {
                    Ok(()) => {}
                    Err(error) if error.kind == ErrorKind::NotFound => {
                        *result = Ok(StepResult::Changed(Change::Gone));
                    }
                    Err(error) => *result = Err(error),
                }
            }
        }
        results
    }
}

fn done(result: StepResult) -> DeletionEnd {
    Some((StepKind::DeleteSnapshot, Ok(result)))
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
