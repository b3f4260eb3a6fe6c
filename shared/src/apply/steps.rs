//! Disables and deregisters images: a batch is checked together, then processed one by one.

use futures_util::stream::{self, StreamExt};

use super::check_queue::CheckQueue;
use super::groups::Groups;
use super::images::{ImageRun, Stepped, record};
use super::recheck::{BatchCheck, MAX_CHECK_AGE, Rechecker, saved};
use super::{IN_FLIGHT, MARGIN, Outcome, StepKind, StepResult, TagBatches};
use crate::cloud::{CloudError, ErrorKind, Freshness, PermissionReadings};
use crate::model::{
    Capabilities, Disabling, ImageId, MAX_VALUE, ResourceId, SnapshotFate, SnapshotId, Tags,
};
use crate::plan::undo::permissions_tag_value;
use crate::plan::{Action, Decision, Removal, state_tags};

/// The result of the step of one image, and the snapshots that were deleted together with it.
type StepEnd = (Stepped, Vec<SnapshotId>);

/// The step of one image.
enum DueStep<'a> {
    Disable { save: &'a str, deprecation: &'a str },
    Deregister { removal: &'a Removal, fate: SnapshotFate },
}

impl ImageRun<'_> {
    /// Applies the steps of all these decisions until the deadline. A step is applied within
    /// [`MAX_CHECK_AGE`] of its check; otherwise the image is checked again.
    pub(super) async fn disable_and_deregister(
        &self,
        decisions: Vec<&Decision>,
        permissions: PermissionReadings,
        outcome: &mut Outcome,
    ) {
        if decisions.is_empty() {
            return;
        }
        let stages = &self.plan.account.provider().words().stages;
        self.context.stage(stages.retiring, Some(decisions.len()));
        let Self { plan, policy, cloud, context, .. } = *self;
        let mut rechecker = Rechecker::new(&decisions, plan, policy, cloud, context, permissions);
        let mut queue = CheckQueue::new(decisions);
        while let Some(batch) = queue.next() {
            let decisions = batch.resources();
            let ended = if context.left() < MARGIN {
                let late = || Some((Ok(StepResult::NotReached), Vec::new()));
                decisions.iter().map(|_| late()).collect()
            } else {
                let check = rechecker.check(&decisions).await;
                self.apply_steps(&decisions, &rechecker, &check).await
            };
            for (decision, ended) in queue.end(batch, ended) {
                self.context.done(1);
                let late = (Ok(StepResult::NotReached), Vec::new());
                let (stepped, deleted) = ended.unwrap_or(late);
                record(decision, stepped, deleted, outcome);
            }
        }
    }

    /// Applies the steps of a batch that was just checked. Returns one result per decision. The
    /// result is `None` if the check expired before the call was sent.
    async fn apply_steps(
        &self,
        batch: &[&Decision],
        rechecker: &Rechecker<'_>,
        check: &BatchCheck,
    ) -> Vec<Option<StepEnd>> {
        let mut steps: Vec<Result<DueStep<'_>, Stepped>> =
            batch.iter().map(|decision| self.step_now(decision, rechecker, check)).collect();
        self.write_state_tags(batch, &mut steps, check).await;
        stream::iter(batch.iter().zip(steps))
            .map(|(decision, step)| async move {
                let mut deleted = Vec::new();
                let stepped = match step {
                    Ok(step) => self.apply_step(decision, &step, check, &mut deleted).await?,
                    Err(stepped) => stepped,
                };
                Some((stepped, deleted))
            })
            .buffered(IN_FLIGHT)
            .collect()
            .await
    }

    /// Returns the step to apply, unless a change forbids it.
    fn step_now<'d>(
        &self,
        decision: &'d Decision,
        rechecker: &Rechecker<'_>,
        check: &BatchCheck,
    ) -> Result<DueStep<'d>, Stepped> {
        let failed = |error| Err((StepKind::Recheck, error));
        match rechecker.changed(decision, check) {
            Ok(None) => {}
            Ok(Some(change)) => return Err(Ok(StepResult::Changed(change))),
            Err(error) => return Err(failed(error)),
        }
        match &decision.action {
            Action::Disable { save, deprecation } => Ok(DueStep::Disable { save, deprecation }),
            Action::Deregister { removal } => match rechecker.fate_now(decision, removal, check) {
                Ok(fate) => Ok(DueStep::Deregister { removal, fate }),
                Err(error) => Err(failed(error)),
            },
            _ => Err(Ok(StepResult::NotReached)),
        }
    }

    /// Writes the state tags of the images to be deregistered and of their snapshots, equal tags in
    /// one call. An image is not deregistered if its tags cannot be written.
    async fn write_state_tags(
        &self,
        batch: &[&Decision],
        steps: &mut [Result<DueStep<'_>, Stepped>],
        check: &BatchCheck,
    ) {
        let mut writes = Groups::default();
        for (at, decision) in batch.iter().enumerate() {
            let Ok(DueStep::Deregister { removal, .. }) = &steps[at] else { continue };
            match self.state_tags(decision, removal, check) {
                Ok(tags) => {
                    for (resource, tags) in tags {
                        writes.add(tags, at, resource);
                    }
                }
                Err(error) => steps[at] = Err(Err((StepKind::Recheck, error))),
            }
        }
        // Failures are counted per batch, so that one batch that cannot be tagged does not stop the
        // next.
        let batches = &TagBatches::new(self.cloud, self.plan.planned_at);
        let mut writes = stream::iter(writes.into_calls())
            .map(|(tags, at, resources)| async move {
                let results = match self.is_over() {
                    true => None,
                    false => Some(batches.set_tags(&resources, &tags).await),
                };
                (at, resources, results)
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((at, resources, results)) = writes.next().await {
            let Some(results) = results else {
                for at in at {
                    if steps[at].is_ok() {
                        steps[at] = Err(Ok(StepResult::NotReached));
                    }
                }
                continue;
            };
            for ((at, resource), result) in at.into_iter().zip(resources).zip(results) {
                match result {
                    Ok(()) => {}
                    // A snapshot that no longer exists needs no tags.
                    Err(error)
                        if error.kind == ErrorKind::NotFound
                            && resource.as_snapshot().is_some() => {}
                    // The source of an image can be locked, and remains without the tag too.
                    Err(error) if is_source(batch[at], &resource) => {
                        tracing::warn!(id = %resource, %error, "failed to tag a source");
                    }
                    Err(error) => steps[at] = Err(Err((StepKind::WriteStateTags, error))),
                }
            }
        }
    }

    /// Returns the tags to write for one image: its launch permissions, if it has any, and on each
    /// snapshot the tags that are missing.
    fn state_tags(
        &self,
        decision: &Decision,
        removal: &Removal,
        check: &BatchCheck,
    ) -> Result<Vec<(ResourceId, Tags)>, CloudError> {
        let image = &decision.image_id;
        let names = &self.policy.tag_names;
        let mut writes = Vec::new();
        let private = permissions_tag_value(image, &[]);
        if let Some(save) = saved(decision).filter(|save| private.as_deref() != Ok(*save)) {
            let tags = [(names.launch_permissions.as_str(), save)].into_iter().collect();
            writes.push((image.into(), tags));
        }
        // The tag makes it possible to find a source that nothing needs any more. An existing tag stays.
        for source in check.sources(image) {
            let is_understood = state_tags::of_snapshot(source, self.policy).next().is_none();
            let fits = image.as_str().chars().count() <= MAX_VALUE;
            if is_understood && fits && !source.tags.has(&names.image) {
                let tags = [(names.image.as_str(), image.as_str())].into_iter().collect();
                writes.push(((&source.snapshot_id).into(), tags));
            }
        }
        if removal.snapshots.is_empty() {
            return Ok(writes);
        }
        let wanted = names.snapshot_tags(image, removal.delete_after, self.plan.planned_at);
        let found = check.snapshots()?;
        for snapshot in &removal.snapshots {
            // A snapshot that was not found may still exist. The tags then keep it from being lost.
            let found = found.get(snapshot);
            // Its tags may have been written by another version since planning.
            if found.is_some_and(|one| state_tags::of_snapshot(one, self.policy).next().is_some()) {
                continue;
            }
            let tags = found.map(|found| &found.tags);
            let has = |key: &str, value: &str| tags.and_then(|tags| tags.get(key)) == Some(value);
            let lacking: Tags = wanted.iter().filter(|(key, value)| !has(key, value)).collect();
            if !lacking.is_empty() {
                writes.push((snapshot.into(), lacking));
            }
        }
        Ok(writes)
    }

    /// Applies one step. Returns `None` if its check has expired.
    async fn apply_step(
        &self,
        decision: &Decision,
        step: &DueStep<'_>,
        check: &BatchCheck,
        deleted: &mut Vec<SnapshotId>,
    ) -> Option<Stepped> {
        let image = &decision.image_id;
        let is_fresh = || self.context.elapsed().saturating_sub(check.began) <= MAX_CHECK_AGE;
        if self.is_over() {
            return Some(Ok(StepResult::NotReached));
        }
        let (kind, ended) = match *step {
            DueStep::Disable { save, deprecation } => {
                let names = &self.policy.tag_names;
                let saved = [
                    (names.launch_permissions.as_str(), save),
                    (names.deprecation.as_str(), deprecation),
                ];
                let saved = saved.into_iter().collect();
                let can = check.capabilities(image);
                (StepKind::Disable, self.disable(image, can, &saved, &is_fresh).await)
            }
            DueStep::Deregister { fate, .. } => {
                let done = self.cloud.deregister(image, fate, &is_fresh).await;
                let done = done.map(|done| {
                    done.map(|done| {
                        deleted.extend(done.deleted);
                        StepResult::Done
                    })
                });
                (StepKind::Deregister, done)
            }
        };
        ended.map_err(|error| (kind, error)).transpose()
    }

    /// Saves the values that disabling overwrites, sets the deprecation time, from which the wait
    /// before the next step counts, and disables the image.
    async fn disable(
        &self,
        image: &ImageId,
        capabilities: Capabilities,
        saved: &Tags,
        is_fresh: Freshness<'_>,
    ) -> Result<Option<StepResult>, CloudError> {
        if !is_fresh() {
            return Ok(None);
        }
        self.cloud.set_tags(&[image.into()], saved).await?;
        if self.is_over() {
            return Ok(Some(StepResult::NotReached));
        }
        let at = self.plan.planned_at;
        // EC2 does not record when an image was disabled.
        if capabilities.disable == Disabling::Unshares {
            self.cloud.deprecate(image, at).await?;
            if self.is_over() {
                return Ok(Some(StepResult::NotReached));
            }
        }
        let disabled = self.cloud.disable(image, at, is_fresh).await?;
        Ok(disabled.map(|()| StepResult::Done))
    }
}

/// Returns whether the tagged resource is a snapshot that the image was created from, and not one that
/// backs it.
fn is_source(decision: &Decision, resource: &ResourceId) -> bool {
    resource.as_snapshot().is_some_and(|snapshot| !decision.snapshots.contains(snapshot))
}
