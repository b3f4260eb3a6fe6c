//! Images: rescue what is wanted again, tag what is newly expired, take the steps that are due.
//!
//! The order is always the same: first rescues, then tags, then deprecations, then the rest. What a
//! step overwrites is saved in a tag first.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};

use super::recheck::{Rechecker, ReferenceCheck};
use super::undo::{RestoreStep, undo};
use super::{Change, MARGIN, Outcome, StepKind, StepResult, TagBatches};
use crate::cloud::{Cloud, CloudError, ErrorKind};
use crate::model::{ImageId, ResourceId, Snapshot, SnapshotFate, SnapshotId, Tags};
use crate::plan::reason::Reason;
use crate::plan::snapshots::protections_of;
use crate::plan::{Action, Decision, Plan, Removal, Step};
use crate::policy::Policy;
use crate::progress::RunContext;

/// How many images one call asks about their references, and how many such calls are in flight. An
/// image waits only for the others of its batch: at the provider's 5 deregistrations a second, a few
/// seconds pass between the check of its references and its removal.
const BATCH: usize = 10;
const BATCHES_IN_FLIGHT: usize = 2;
/// How many images of a batch are worked on at once. With a round trip of some 100 ms this keeps
/// 5 deregistrations a second going, which is what the provider allows in the long run.
const IN_FLIGHT: usize = 5;

/// Carries out `plan`. Applying the same plan twice removes nothing more.
pub async fn apply(
    plan: &Plan,
    policy: &Policy,
    cloud: &dyn Cloud,
    context: RunContext<'_>,
) -> Outcome {
    apply_with(&mut TagBatches::new(cloud, plan.planned_at), plan, policy, cloud, context).await
}

/// The same in a run that also writes other tags.
pub(crate) async fn apply_with(
    batches: &mut TagBatches<'_>,
    plan: &Plan,
    policy: &Policy,
    cloud: &dyn Cloud,
    context: RunContext<'_>,
) -> Outcome {
    let mut outcome = Outcome::refused(plan.refusal.clone());
    for decision in &plan.decisions {
        for reason in &decision.reasons {
            let image = &decision.image_id;
            match reason {
                Reason::Deferred { .. } => {
                    let step = match decision.next.map(|next| next.action) {
                        Some(Step::Disable) => StepKind::Disable,
                        _ => StepKind::Deregister,
                    };
                    outcome.record(image, step, StepResult::Deferred);
                }
                Reason::Unverified | Reason::PermissionsUnread { .. } => {
                    outcome.record(image, StepKind::Verify, StepResult::NotReached);
                }
                _ => {}
            }
        }
    }
    let run = Run { plan, policy, cloud, context };
    run.rescue(&mut outcome).await;
    let unmarked = run.mark(batches, &mut outcome).await;
    let steps = plan.decisions.iter().filter(|one| unmarked.may_go_on(one));
    let (deprecations, rest): (Vec<_>, Vec<_>) = steps
        .filter(|one| step_of(&one.action).is_some())
        .partition(|one| matches!(one.action, Action::Deprecate { .. }));
    run.all(deprecations, &mut outcome).await;
    run.all(rest, &mut outcome).await;
    outcome.sorted()
}

/// The step that an action takes on an image that exists, after it was tagged as expired.
fn step_of(action: &Action) -> Option<StepKind> {
    match action {
        Action::Deprecate { .. } => Some(StepKind::Deprecate),
        Action::Disable { .. } => Some(StepKind::Disable),
        Action::Deregister { .. } => Some(StepKind::Deregister),
        Action::Keep | Action::Wait | Action::Expire | Action::Rescue(_) => None,
    }
}

/// The images that could not be tagged as expired: no step is taken on them.
struct Unmarked(HashSet<ImageId>);

impl Unmarked {
    fn may_go_on(&self, decision: &Decision) -> bool {
        !self.0.contains(&decision.image_id)
    }
}

/// What a step ended with: a result of its own, or the part of it that failed.
type Stepped = Result<StepResult, (StepKind, CloudError)>;

/// Everything that the steps have in common.
struct Run<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    cloud: &'a dyn Cloud,
    context: RunContext<'a>,
}

impl Run<'_> {
    /// What is wanted again comes first: it must not wait behind a long list of removals.
    async fn rescue(&self, outcome: &mut Outcome) {
        let rescues = self.plan.decisions.iter().filter_map(|decision| match &decision.action {
            Action::Rescue(what) => Some((&decision.image_id, what)),
            _ => None,
        });
        let rescues: Vec<_> = rescues.collect();
        if !rescues.is_empty() {
            self.context.stage("rescuing images", Some(rescues.len()));
        }
        let (names, now) = (&self.policy.tag_names, self.plan.planned_at);
        for (image, what) in rescues {
            if self.context.left() < MARGIN {
                outcome.record(image, StepKind::Rescue, StepResult::NotReached);
                continue;
            }
            let undone = undo(image, what, names, now, self.cloud).await;
            self.context.done(1);
            match undone {
                Ok(steps) => {
                    tracing::info!(image_id = %image, "rescued");
                    outcome.record(image, StepKind::Rescue, StepResult::Done);
                    for step in steps {
                        let RestoreStep::NotShared { with } = step else { continue };
                        let with = with.into();
                        let reasons = vec![Reason::SharingNotRestored { with }];
                        let kept = Change::Kept { reasons };
                        outcome.record(image, StepKind::Share, StepResult::Changed(kept));
                    }
                }
                Err(error) => outcome.fail(image, StepKind::Rescue, &error),
            }
        }
    }

    /// Tags what is newly expired, all images in one batch: they get the same tag. What goes at
    /// once is tagged too, so that a role can be denied every image that is not.
    async fn mark(&self, batches: &mut TagBatches<'_>, outcome: &mut Outcome) -> Unmarked {
        let plan = self.plan;
        let newly: Vec<&Decision> = plan.decisions.iter().filter(|one| plan.marks(one)).collect();
        let mut unmarked = Unmarked(HashSet::new());
        if newly.is_empty() {
            return unmarked;
        }
        // However little time there is, tagging is worth it: the steps count from there.
        if self.is_over() {
            for decision in newly {
                outcome.record(&decision.image_id, StepKind::Expire, StepResult::NotReached);
                unmarked.0.insert(decision.image_id.clone());
            }
            return unmarked;
        }
        let resources: Vec<ResourceId> = newly.iter().map(|one| (&one.image_id).into()).collect();
        let key = self.policy.tag_names.expired_at.as_str();
        let mark: Tags = [(key, plan.planned_at.to_string())].into_iter().collect();
        let results = batches.set_tags(&resources, &mark).await;
        for (decision, result) in newly.into_iter().zip(results) {
            let image = &decision.image_id;
            match result {
                Ok(()) => {
                    tracing::info!(image_id = %image, rule = decision.rule.as_deref(), family = decision.family.as_deref(), "expired");
                    outcome.record(image, StepKind::Expire, StepResult::Done);
                    continue;
                }
                Err(error) if error.kind == ErrorKind::NotFound => {
                    outcome.record(image, StepKind::Expire, StepResult::Changed(Change::Gone));
                }
                Err(error) => outcome.fail(image, StepKind::Expire, &error),
            }
            unmarked.0.insert(image.clone());
        }
        unmarked
    }

    /// Takes the steps of all these decisions, as far as time suffices.
    async fn all(&self, decisions: Vec<&Decision>, outcome: &mut Outcome) {
        let Some(first) = decisions.first() else { return };
        self.context.stage("checking references again", None);
        let rechecker =
            &Rechecker::begin(self.plan, self.policy, self.cloud, &decisions, self.context).await;
        let stage = match first.action {
            Action::Deprecate { .. } => "deprecating images",
            _ => "disabling and deregistering images",
        };
        self.context.stage(stage, Some(decisions.len()));
        let mut results = stream::iter(decisions.chunks(BATCH))
            .map(|batch| async move {
                let images: Vec<ImageId> =
                    batch.iter().map(|decision| decision.image_id.clone()).collect();
                let late = self.context.left() < MARGIN;
                let check = &match late {
                    true => ReferenceCheck::default(),
                    false => rechecker.check_references(&images).await,
                };
                stream::iter(batch)
                    .map(|decision| async move {
                        let mut deleted = Vec::new();
                        let stepped = self.one(decision, rechecker, check, &mut deleted).await;
                        self.context.done(1);
                        (*decision, stepped, deleted)
                    })
                    .buffer_unordered(IN_FLIGHT)
                    .collect::<Vec<_>>()
                    .await
            })
            .buffer_unordered(BATCHES_IN_FLIGHT);
        while let Some(batch) = results.next().await {
            for (decision, stepped, deleted) in batch {
                record(decision, stepped, deleted, outcome);
            }
        }
    }

    async fn one(
        &self,
        decision: &Decision,
        rechecker: &Rechecker<'_>,
        check: &ReferenceCheck,
        deleted: &mut Vec<SnapshotId>,
    ) -> Stepped {
        if self.context.left() < MARGIN {
            return Ok(StepResult::NotReached);
        }
        let stepped = match &decision.action {
            Action::Deprecate { save } => self.deprecate(decision, save).await,
            Action::Disable { save, deprecation } => {
                let names = &self.policy.tag_names;
                let permissions = (names.launch_permissions.as_str(), &**save);
                let saved = [permissions, (names.deprecation.as_str(), &**deprecation)];
                let saved = saved.into_iter().collect();
                self.disable(decision, save, saved, rechecker, check).await
            }
            Action::Deregister { removal } => {
                self.deregister(decision, removal, rechecker, check, deleted).await
            }
            Action::Keep | Action::Wait | Action::Expire | Action::Rescue(_) => {
                Ok(StepResult::NotReached)
            }
        };
        match stepped {
            // Gone between two calls: whoever removed it, nothing is left to be done.
            Err((StepKind::Deprecate | StepKind::Disable, error))
                if error.kind == ErrorKind::NotFound =>
            {
                Ok(StepResult::Changed(Change::Gone))
            }
            stepped => stepped,
        }
    }

    /// Whether no time at all is left: not even the next call of a step that was begun is made. A
    /// later run finds what it had done so far, as after a crash.
    fn is_over(&self) -> bool {
        self.context.left().is_zero()
    }

    /// Saves in a tag what a step is about to overwrite.
    async fn save(&self, image: &ImageId, key: &str, text: &str) -> Result<(), CloudError> {
        let tags: Tags = [(key, text)].into_iter().collect();
        self.cloud.set_tags(&[ResourceId::Image(image.clone())], &tags).await
    }

    async fn deprecate(&self, decision: &Decision, save: &str) -> Stepped {
        let failed = |error| (StepKind::Deprecate, error);
        let image = &decision.image_id;
        self.save(image, &self.policy.tag_names.deprecation, save).await.map_err(failed)?;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        self.cloud.deprecate(image, self.plan.planned_at).await.map_err(failed)?;
        Ok(StepResult::Done)
    }

    async fn disable(
        &self,
        decision: &Decision,
        save: &str,
        saved: Tags,
        rechecker: &Rechecker<'_>,
        check: &ReferenceCheck,
    ) -> Stepped {
        let failed = |error| (StepKind::Disable, error);
        if let Some(change) = rechecker.changed(decision, Some(save), check).await? {
            return Ok(StepResult::Changed(change));
        }
        let image = &decision.image_id;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        let resource = [ResourceId::Image(image.clone())];
        self.cloud.set_tags(&resource, &saved).await.map_err(failed)?;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        // EC2 keeps no time of disabling: this is what the next step counts from.
        self.cloud.deprecate(image, self.plan.planned_at).await.map_err(failed)?;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        self.cloud.disable(image).await.map_err(failed)?;
        Ok(StepResult::Done)
    }

    /// Checks again, writes the state tags of the snapshots, deregisters: in this order.
    async fn deregister(
        &self,
        decision: &Decision,
        removal: &Removal,
        rechecker: &Rechecker<'_>,
        check: &ReferenceCheck,
        deleted: &mut Vec<SnapshotId>,
    ) -> Stepped {
        let save = removal.save.as_deref();
        if let Some(change) = rechecker.changed(decision, save, check).await? {
            return Ok(StepResult::Changed(change));
        }
        let failed = |error| (StepKind::WriteStateTags, error);
        let image = &decision.image_id;
        let names = &self.policy.tag_names;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        // Without launch permissions there is nothing to save.
        if let Some(save) = save.filter(|save| rechecker.is_shared(image, save)) {
            self.save(image, &names.launch_permissions, save).await.map_err(failed)?;
        }
        for snapshot in &removal.snapshots {
            if self.is_over() {
                return Ok(StepResult::NotReached);
            }
            let tags = names.snapshot_tags(image, snapshot, removal.delete_after);
            match self.cloud.set_tags(&[ResourceId::Snapshot(snapshot.clone())], &tags).await {
                Ok(()) => {}
                // A snapshot that no longer exists needs no tags.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let fate = self
            .fate_now(decision, removal, rechecker)
            .await
            .map_err(|error| (StepKind::Recheck, error))?;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        let done = self.cloud.deregister(image, fate).await;
        let done = done.map_err(|error| (StepKind::Deregister, error))?;
        deleted.extend(done.deleted);
        Ok(StepResult::Done)
    }

    /// The planned fate of the snapshots, unless one of them is protected by now: the call that
    /// deregisters the image would delete it all the same.
    async fn fate_now(
        &self,
        decision: &Decision,
        removal: &Removal,
        rechecker: &Rechecker<'_>,
    ) -> Result<SnapshotFate, CloudError> {
        if removal.fate == SnapshotFate::DeleteLater {
            return Ok(SnapshotFate::DeleteLater);
        }
        if rechecker.are_held(&decision.snapshots).await? {
            return Ok(SnapshotFate::DeleteLater);
        }
        let found = self.cloud.find_snapshots(&decision.snapshots).await?;
        let kept = |snapshot: &Snapshot| {
            !protections_of(snapshot, self.policy, self.plan.planned_at).is_empty()
        };
        Ok(if found.iter().any(kept) { SnapshotFate::DeleteLater } else { removal.fate })
    }
}

/// Logs how the step of a decision ended, and writes it down.
fn record(decision: &Decision, stepped: Stepped, deleted: Vec<SnapshotId>, outcome: &mut Outcome) {
    let (image, rule) = (&decision.image_id, decision.rule.as_deref());
    let Some(step) = step_of(&decision.action) else { return };
    let result = match stepped {
        Ok(result) => result,
        Err((step, error)) => return outcome.fail(image, step, &error),
    };
    match (&result, step) {
        (StepResult::Done, StepKind::Deprecate) => {
            tracing::info!(image_id = %image, rule, "deprecated")
        }
        (StepResult::Done, StepKind::Disable) => {
            tracing::info!(image_id = %image, rule, "disabled")
        }
        (StepResult::Done, _) => {
            tracing::info!(image_id = %image, rule, snapshots_deleted = deleted.len(), "deregistered");
        }
        (StepResult::Changed(change), _) => {
            tracing::warn!(image_id = %image, %change, "changed since planning; skipped");
        }
        _ => {}
    }
    outcome.record(image, step, result);
    for snapshot in &deleted {
        outcome.record(snapshot, StepKind::DeleteSnapshot, StepResult::Done);
    }
}
