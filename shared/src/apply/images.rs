//! Applies the image steps of a plan.
//!
//! The order is fixed: rescues, then expiry tags, then deprecations, then all other steps. Before a
//! step overwrites a value, the value is saved in a tag.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};

use super::undo::{RestoreStep, undo_all};
use super::{Change, IN_FLIGHT, MARGIN, Outcome, StepKind, StepResult, TagBatches};
use crate::cloud::{Cloud, CloudError, ErrorKind, PermissionReadings};
use crate::model::{ImageId, InWords, ResourceId, SnapshotId, Tags};
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Plan, Step};
use crate::policy::Policy;
use crate::progress::RunContext;

/// How many images are rescued concurrently. A batch takes about as long as one rescue.
const RESCUED_TOGETHER: usize = IN_FLIGHT;

/// Applies `plan`. Applying the same plan twice removes nothing more. `permissions` contains the
/// readings from planning; missing ones are read.
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

/// Does the same as [`apply`] in a run that also writes other tags through `batches`.
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
    let not_tagged = run.mark(&mut outcome).await;
    let steps = plan.decisions.iter().filter(|one| not_tagged.allows(one));
    let (deprecations, rest): (Vec<_>, Vec<_>) = steps
        .filter(|one| step_of(&one.action).is_some())
        .partition(|one| matches!(one.action, Action::Deprecate { .. }));
    run.deprecate_all(deprecations, &mut outcome).await;
    run.disable_and_deregister(rest, permissions, &mut outcome).await;
    outcome.sorted()
}

/// Returns the step of an action on an existing image. The image is already tagged as expired.
fn step_of(action: &Action) -> Option<StepKind> {
    match action {
        Action::Deprecate { .. } => Some(StepKind::Deprecate),
        Action::Disable { .. } => Some(StepKind::Disable),
        Action::Deregister { .. } => Some(StepKind::Deregister),
        Action::Keep | Action::Wait | Action::Expire | Action::Rescue(_) => None,
    }
}

/// Images that could not be tagged as expired. Their steps are skipped.
struct NotTagged(HashSet<ImageId>);

impl NotTagged {
    fn allows(&self, decision: &Decision) -> bool {
        !self.0.contains(&decision.image_id)
    }
}

/// The result of a step, or the sub-step that failed and its error.
pub(super) type Stepped = Result<StepResult, (StepKind, CloudError)>;

/// The inputs that all steps share.
pub(super) struct ImageRun<'a> {
    pub(super) plan: &'a Plan,
    pub(super) policy: &'a Policy,
    pub(super) cloud: &'a dyn Cloud,
    pub(super) context: RunContext<'a>,
    pub(super) batches: &'a TagBatches<'a>,
}

impl ImageRun<'_> {
    /// Rescues come first, so that they do not wait for a long list of removals.
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

    /// Tags the newly expired images. They all get the same tag, so one batch suffices. Images that
    /// are removed in this run are tagged too, so that an IAM policy can deny the removal of any
    /// image without the tag.
    async fn mark(&self, outcome: &mut Outcome) -> NotTagged {
        let plan = self.plan;
        let newly: Vec<&Decision> = plan.decisions.iter().filter(|one| plan.marks(one)).collect();
        let mut not_tagged = NotTagged(HashSet::new());
        if newly.is_empty() {
            return not_tagged;
        }
        // Tag even if little time is left: the waiting time of the steps starts with the tag.
        if self.is_over() {
            for decision in newly {
                outcome.record(&decision.image_id, StepKind::Expire, StepResult::NotReached);
                not_tagged.0.insert(decision.image_id.clone());
            }
            return not_tagged;
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
            not_tagged.0.insert(image.clone());
        }
        not_tagged
    }

    /// Deprecates the images until the deadline. Deprecation does not affect users of an image, so
    /// the images are not checked again.
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

    /// Returns whether the deadline has passed. Then no further call is sent, even in the middle of
    /// a step. A later run continues from there, as after a crash.
    pub(super) fn is_over(&self) -> bool {
        self.context.left().is_zero()
    }
}

/// Records the result of a rescue.
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

/// Logs and records the result of a step.
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
        // The image was removed between two calls. Nothing is left to do.
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
            let change = change.in_words(image.provider().words());
            tracing::warn!(image_id = %image, %change, "changed since planning; skipped");
        }
        _ => {}
    }
    outcome.record(image, step, result);
    for snapshot in &deleted {
        outcome.record(snapshot, StepKind::DeleteSnapshot, StepResult::Done);
    }
}
