//! Images: rescue what is wanted again, tag what is newly expired, take the steps that are due.
//!
//! The order is always the same: first rescues, then tags, then deprecations, then the rest. What a
//! step overwrites is saved in a tag first.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};

use super::undo::{RestoreStep, undo_all};
use super::{Change, IN_FLIGHT, MARGIN, Outcome, StepKind, StepResult, TagBatches};
use crate::cloud::{Cloud, CloudError, ErrorKind, PermissionReadings};
use crate::model::{ImageId, ResourceId, SnapshotId, Tags};
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Plan, Step};
use crate::policy::Policy;
use crate::progress::RunContext;

/// How many images are rescued at once: all of them in the time that one takes.
const RESCUED_TOGETHER: usize = IN_FLIGHT;

/// Carries out `plan`. Applying the same plan twice removes nothing more. `permissions` is what was read
/// for the plan; what it lacks is read.
pub async fn apply(
    plan: &Plan,
    permissions: PermissionReadings,
    policy: &Policy,
    cloud: &dyn Cloud,
    context: RunContext<'_>,
) -> Outcome {
    let batches = TagBatches::new(cloud, plan.planned_at);
    apply_with(&batches, plan, permissions, policy, cloud, context).await
}

/// The same in a run that also writes other tags.
pub(crate) async fn apply_with(
    batches: &TagBatches<'_>,
    plan: &Plan,
    permissions: PermissionReadings,
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
    let run = ImageRun { plan, policy, cloud, context, batches };
    run.rescue(&mut outcome).await;
    let unmarked = run.mark(&mut outcome).await;
    let steps = plan.decisions.iter().filter(|one| unmarked.may_go_on(one));
    let (deprecations, rest): (Vec<_>, Vec<_>) = steps
        .filter(|one| step_of(&one.action).is_some())
        .partition(|one| matches!(one.action, Action::Deprecate { .. }));
    run.deprecate_all(deprecations, &mut outcome).await;
    run.disable_and_deregister(rest, permissions, &mut outcome).await;
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
pub(super) type Stepped = Result<StepResult, (StepKind, CloudError)>;

/// Everything that the steps have in common.
pub(super) struct ImageRun<'a> {
    pub(super) plan: &'a Plan,
    pub(super) policy: &'a Policy,
    pub(super) cloud: &'a dyn Cloud,
    pub(super) context: RunContext<'a>,
    pub(super) batches: &'a TagBatches<'a>,
}

impl ImageRun<'_> {
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
        for some in rescues.chunks(RESCUED_TOGETHER) {
            if self.context.left() < MARGIN {
                for (image, _) in some {
                    outcome.record(*image, StepKind::Rescue, StepResult::NotReached);
                }
                continue;
            }
            let undone = undo_all(some, names, now, self.cloud).await;
            self.context.done(some.len());
            for ((image, _), undone) in some.iter().zip(undone) {
                record_rescue(image, undone, outcome);
            }
        }
    }

    /// Tags what is newly expired, all images in one batch: they get the same tag. What goes at
    /// once is tagged too, so that a role can be denied every image that is not.
    async fn mark(&self, outcome: &mut Outcome) -> Unmarked {
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
        let results = self.batches.set_tags(&resources, &mark).await;
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

    /// Deprecates all these images, as far as time suffices. That takes nothing from anybody who uses
    /// them, and so nothing is checked again.
    async fn deprecate_all(&self, decisions: Vec<&Decision>, outcome: &mut Outcome) {
        if decisions.is_empty() {
            return;
        }
        self.context.stage("deprecating images", Some(decisions.len()));
        let mut results = stream::iter(decisions)
            .map(|decision| async move {
                let stepped = match &decision.action {
                    Action::Deprecate { save } if self.context.left() >= MARGIN => {
                        self.deprecate(&decision.image_id, save).await
                    }
                    _ => Ok(StepResult::NotReached),
                };
                self.context.done(1);
                (decision, stepped)
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((decision, stepped)) = results.next().await {
            record(decision, stepped, Vec::new(), outcome);
        }
    }

    async fn deprecate(&self, image: &ImageId, save: &str) -> Stepped {
        let failed = |error| (StepKind::Deprecate, error);
        let tags: Tags = [(self.policy.tag_names.deprecation.as_str(), save)].into_iter().collect();
        self.cloud.set_tags(&[image.into()], &tags).await.map_err(failed)?;
        if self.is_over() {
            return Ok(StepResult::NotReached);
        }
        self.cloud.deprecate(image, self.plan.planned_at).await.map_err(failed)?;
        Ok(StepResult::Done)
    }

    /// Whether no time at all is left: not even the next call of a step that was begun is made. A
    /// later run finds what it had done so far, as after a crash.
    pub(super) fn is_over(&self) -> bool {
        self.context.left().is_zero()
    }
}

/// Writes down how a rescue ended.
fn record_rescue(
    image: &ImageId,
    undone: Result<Vec<RestoreStep>, CloudError>,
    outcome: &mut Outcome,
) {
    let steps = match undone {
        Ok(steps) => steps,
        Err(error) => return outcome.fail(image, StepKind::Rescue, &error),
    };
    tracing::info!(image_id = %image, "rescued");
    outcome.record(image, StepKind::Rescue, StepResult::Done);
    for step in steps {
        let RestoreStep::NotShared { with } = step else { continue };
        let reasons = vec![Reason::SharingNotRestored { with: with.into() }];
        outcome.record(image, StepKind::Share, StepResult::Changed(Change::Kept { reasons }));
    }
}

/// Logs how the step of a decision ended, and writes it down.
pub(super) fn record(
    decision: &Decision,
    stepped: Stepped,
    deleted: Vec<SnapshotId>,
    outcome: &mut Outcome,
) {
    let (image, rule) = (&decision.image_id, decision.rule.as_deref());
    let Some(step) = step_of(&decision.action) else { return };
    let result = match stepped {
        Ok(result) => result,
        // Gone between two calls: whoever removed it, nothing is left to be done.
        Err((StepKind::Deprecate | StepKind::Disable, error))
            if error.kind == ErrorKind::NotFound =>
        {
            StepResult::Changed(Change::Gone)
        }
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
