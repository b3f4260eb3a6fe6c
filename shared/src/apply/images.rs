//! Images: rescue what is wanted again, mark what is newly expired, take the steps that are due.
//!
//! The order is the same every time: first what gives back, then what is harmless, then what is
//! not. What was there before is written down before it is overwritten.

use futures_util::stream::{self, StreamExt};

use super::again::{Again, Look};
use super::undo::undo;
use super::{Changed, Deadline, FailedStep, MARGIN, Outcome, tag_each};
use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId, SnapshotFate};
use crate::ids::{ImageId, SnapshotId};
use crate::inventory::Snapshot;
use crate::plan::reap::hands_off;
use crate::plan::reason::Reason;
use crate::plan::{Action, Decision, Plan, Removal};
use crate::policy::Policy;
use crate::progress::{self, Told};
use crate::tags::Tags;

/// What is referred to is asked for so many images in one call, and so many calls are made ahead.
/// An image waits only for the others of its batch: at the provider's 5 deregistrations a second
/// some seconds lie between the look at its references and its removal.
const BATCH: usize = 10;
const BATCHES_IN_FLIGHT: usize = 2;
/// How many images of a batch are worked on at once. With a round trip of some 100 ms this keeps
/// 5 deregistrations a second going, which is what the provider allows in the long run.
const IN_FLIGHT: usize = 5;

/// Carries out `plan`. Applying the same plan twice removes nothing more.
pub async fn apply(
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
) -> Outcome {
    let mut outcome = Outcome {
        refused: plan.refusal.as_ref().map(ToString::to_string),
        deferred: images_with(plan, |reason| matches!(reason, Reason::Deferred { .. })),
        not_reached: images_with(plan, |reason| *reason == Reason::NotSeen)
            .iter()
            .map(ToString::to_string)
            .collect(),
        ..Outcome::default()
    };
    rescue(plan, policy, cloud, deadline, &mut outcome).await;
    let marked = mark(plan, policy, cloud, deadline, &mut outcome).await;
    let steps = plan.decisions.iter().filter(|one| marked.may_go_on(one));
    let (deprecations, rest): (Vec<_>, Vec<_>) = steps
        .filter(|one| takes_a_step(one))
        .partition(|one| matches!(one.action, Action::Deprecate { .. }));
    let run = Run { plan, policy, cloud, deadline };
    run.all(deprecations, &mut outcome).await;
    run.all(rest, &mut outcome).await;
    outcome.sorted()
}

fn takes_a_step(decision: &Decision) -> bool {
    matches!(
        decision.action,
        Action::Deprecate { .. } | Action::Disable { .. } | Action::Deregister { .. }
    )
}

/// The images that have a reason of this kind.
fn images_with(plan: &Plan, is_meant: fn(&Reason) -> bool) -> Vec<ImageId> {
    let meant = plan.decisions.iter().filter(|decision| decision.because.iter().any(is_meant));
    meant.map(|decision| decision.image_id.clone()).collect()
}

/// What is wanted again comes first: it must not wait behind a long list of removals.
async fn rescue(
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
    outcome: &mut Outcome,
) {
    let rescues = plan.decisions.iter().filter_map(|decision| match &decision.action {
        Action::Rescue(what) => Some((&decision.image_id, what)),
        _ => None,
    });
    let rescues: Vec<_> = rescues.collect();
    if !rescues.is_empty() {
        progress::stage("rescuing images", Some(rescues.len()));
    }
    for (image, what) in rescues {
        if deadline.left() < MARGIN {
            outcome.not_reached.push(image.to_string());
            continue;
        }
        let undone = undo(image, what, &policy.names, plan.planned_at, cloud).await;
        progress::tell(Told::Done(1));
        match undone {
            Ok(_) => {
                tracing::info!(image_id = %image, "rescued");
                outcome.rescued.push(image.clone());
            }
            Err(error) => outcome.fail(image.as_str(), FailedStep::Rescue, &error),
        }
    }
}

/// The images that could not be marked: no step is taken on them.
struct Unmarked(Vec<ImageId>);

impl Unmarked {
    fn may_go_on(&self, decision: &Decision) -> bool {
        !self.0.contains(&decision.image_id)
    }
}

/// Marks what is newly expired, all images in one batch: they get the same tag. What goes at
/// once is marked too, so that a role can be denied every image that is not.
async fn mark(
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
    outcome: &mut Outcome,
) -> Unmarked {
    let newly: Vec<&Decision> = plan.decisions.iter().filter(|one| plan.marks(one)).collect();
    let mut unmarked = Unmarked(Vec::new());
    if newly.is_empty() {
        return unmarked;
    }
    // However little time there is, marking is worth it: the steps count from there.
    if deadline.left().is_zero() {
        let ids = newly.iter().map(|decision| &decision.image_id);
        outcome.not_reached.extend(ids.clone().map(ToString::to_string));
        unmarked.0.extend(ids.cloned());
        return unmarked;
    }
    let resources: Vec<_> = newly.iter().map(|d| ResourceId::Image(d.image_id.clone())).collect();
    let mark: Tags =
        [(policy.names.expired_at.as_str(), plan.planned_at.to_string())].into_iter().collect();
    let results = tag_each(cloud, &resources, &mark).await;
    for (decision, result) in newly.into_iter().zip(results) {
        let image = &decision.image_id;
        match result {
            Ok(()) => {
                tracing::info!(image_id = %image, rule = decision.rule.as_deref(), group = decision.group.as_deref(), "expired");
                outcome.expired.push(image.clone());
                continue;
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                outcome
                    .changed
                    .push(Changed { id: image.to_string(), because: "it is gone".to_owned() });
            }
            Err(error) => outcome.fail(image.as_str(), FailedStep::Tag, &error),
        }
        unmarked.0.push(image.clone());
    }
    unmarked
}

/// How one step on one image went.
enum Stepped {
    Deprecated,
    Disabled,
    Deregistered { deleted: Vec<SnapshotId> },
    Changed(String),
    NotReached,
    Failed(FailedStep, CloudError),
}

/// Everything that the steps have in common.
struct Run<'a, C, D> {
    plan: &'a Plan,
    policy: &'a Policy,
    cloud: &'a C,
    deadline: &'a D,
}

impl<C: Cloud, D: Deadline> Run<'_, C, D> {
    /// Takes the steps of all these decisions, as far as time suffices.
    async fn all(&self, decisions: Vec<&Decision>, outcome: &mut Outcome) {
        let Some(first) = decisions.first() else { return };
        progress::stage("looking again at what refers to images", None);
        let again = &Again::begin(self.plan, self.policy, self.cloud, &decisions, || {
            self.deadline.left() < MARGIN
        })
        .await;
        let doing = match first.action {
            Action::Deprecate { .. } => "deprecating images",
            _ => "disabling and deregistering images",
        };
        progress::stage(doing, Some(decisions.len()));
        let mut results = stream::iter(decisions.chunks(BATCH))
            .map(|batch| async move {
                let images: Vec<ImageId> =
                    batch.iter().map(|decision| decision.image_id.clone()).collect();
                let late = self.deadline.left() < MARGIN;
                let look = &if late { Look::default() } else { again.look_at(&images).await };
                stream::iter(batch)
                    .map(|decision| async move {
                        let stepped = self.one(decision, again, look).await;
                        progress::tell(Told::Done(1));
                        (*decision, stepped)
                    })
                    .buffer_unordered(IN_FLIGHT)
                    .collect::<Vec<_>>()
                    .await
            })
            .buffer_unordered(BATCHES_IN_FLIGHT);
        while let Some(batch) = results.next().await {
            for (decision, result) in batch {
                record(decision, result, outcome);
            }
        }
    }

    async fn one(&self, decision: &Decision, again: &Again<'_, C>, look: &Look) -> Stepped {
        if self.deadline.left() < MARGIN {
            return Stepped::NotReached;
        }
        let result = match &decision.action {
            Action::Deprecate { save } => self.deprecate(decision, save).await,
            Action::Disable { save } => self.disable(decision, save, again, look).await,
            Action::Deregister { removal } => self.remove(decision, removal, again, look).await,
            Action::Keep | Action::Wait | Action::Expire | Action::Rescue(_) => {
                Ok(Stepped::NotReached)
            }
        };
        result.unwrap_or_else(|(step, error)| match (step, error.kind) {
            // Gone between two calls: whoever removed it, nothing is left to be done.
            (FailedStep::Deprecate | FailedStep::Disable, ErrorKind::NotFound) => {
                Stepped::Changed("it is gone".to_owned())
            }
            _ => Stepped::Failed(step, error),
        })
    }

    /// Whether no time at all is left: not even the next call of a step that was begun is made. A
    /// later run finds what it had done so far, as after a crash.
    fn is_over(&self) -> bool {
        self.deadline.left().is_zero()
    }

    /// Writes down what is there before it is overwritten.
    async fn save(&self, image: &ImageId, key: &str, text: &str) -> Result<(), CloudError> {
        let tags: Tags = [(key, text)].into_iter().collect();
        self.cloud.set_tags(&[ResourceId::Image(image.clone())], &tags).await
    }

    async fn deprecate(
        &self,
        decision: &Decision,
        save: &str,
    ) -> Result<Stepped, (FailedStep, CloudError)> {
        let failed = |error| (FailedStep::Deprecate, error);
        let image = &decision.image_id;
        self.save(image, &self.policy.names.deprecation, save).await.map_err(failed)?;
        if self.is_over() {
            return Ok(Stepped::NotReached);
        }
        self.cloud.deprecate(image, self.plan.planned_at).await.map_err(failed)?;
        Ok(Stepped::Deprecated)
    }

    async fn disable(
        &self,
        decision: &Decision,
        save: &str,
        again: &Again<'_, C>,
        look: &Look,
    ) -> Result<Stepped, (FailedStep, CloudError)> {
        let failed = |error| (FailedStep::Disable, error);
        if let Some(because) = again.changed(decision, Some(save), look).await? {
            return Ok(Stepped::Changed(because));
        }
        let image = &decision.image_id;
        if self.is_over() {
            return Ok(Stepped::NotReached);
        }
        self.save(image, &self.policy.names.launch_permissions, save).await.map_err(failed)?;
        if self.is_over() {
            return Ok(Stepped::NotReached);
        }
        self.cloud.disable(image).await.map_err(failed)?;
        Ok(Stepped::Disabled)
    }

    /// Looks again, writes the ledger, deregisters: in this order.
    async fn remove(
        &self,
        decision: &Decision,
        removal: &Removal,
        again: &Again<'_, C>,
        look: &Look,
    ) -> Result<Stepped, (FailedStep, CloudError)> {
        let save = removal.save.as_deref();
        if let Some(because) = again.changed(decision, save, look).await? {
            return Ok(Stepped::Changed(because));
        }
        let failed = |error| (FailedStep::Ledger, error);
        let image = &decision.image_id;
        let names = &self.policy.names;
        if self.is_over() {
            return Ok(Stepped::NotReached);
        }
        // Nobody has to be given a launch permission back that nobody had.
        if let Some(save) = save.filter(|save| again.is_shared(image, save)) {
            self.save(image, &names.launch_permissions, save).await.map_err(failed)?;
        }
        for snapshot in &removal.ledger {
            if self.is_over() {
                return Ok(Stepped::NotReached);
            }
            let ledger = names.ledger(image, snapshot, removal.delete_after);
            match self.cloud.set_tags(&[ResourceId::Snapshot(snapshot.clone())], &ledger).await {
                Ok(()) => {}
                // A snapshot that is gone needs no ledger.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let fate = self
            .fate_now(decision, removal, again)
            .await
            .map_err(|error| (FailedStep::Recheck, error))?;
        if self.is_over() {
            return Ok(Stepped::NotReached);
        }
        let done = self.cloud.deregister(image, fate).await;
        let done = done.map_err(|error| (FailedStep::Deregister, error))?;
        Ok(Stepped::Deregistered { deleted: done.deleted })
    }

    /// The planned fate of the snapshots, unless one of them has been put under somebody's
    /// protection since: the deregistering call would delete it all the same.
    async fn fate_now(
        &self,
        decision: &Decision,
        removal: &Removal,
        again: &Again<'_, C>,
    ) -> Result<SnapshotFate, CloudError> {
        if removal.snapshots == SnapshotFate::LeaveToReaper {
            return Ok(SnapshotFate::LeaveToReaper);
        }
        if again.are_held(&decision.snapshots).await? {
            return Ok(SnapshotFate::LeaveToReaper);
        }
        let found = self.cloud.find_snapshots(&decision.snapshots).await?;
        let kept = |snapshot: &Snapshot| {
            !hands_off(snapshot, self.policy, self.plan.planned_at).is_empty()
        };
        Ok(if found.iter().any(kept) { SnapshotFate::LeaveToReaper } else { removal.snapshots })
    }
}

fn record(decision: &Decision, result: Stepped, outcome: &mut Outcome) {
    let image = &decision.image_id;
    let rule = decision.rule.as_deref();
    match result {
        Stepped::Deprecated => {
            tracing::info!(image_id = %image, rule, "deprecated");
            outcome.deprecated.push(image.clone());
        }
        Stepped::Disabled => {
            tracing::info!(image_id = %image, rule, "disabled");
            outcome.disabled.push(image.clone());
        }
        Stepped::Deregistered { deleted } => {
            tracing::info!(image_id = %image, rule, snapshots_deleted = deleted.len(), "deregistered");
            outcome.deregistered.push(image.clone());
            outcome.deleted.extend(deleted);
        }
        Stepped::Changed(because) => {
            tracing::warn!(image_id = %image, because, "changed since it was planned; left alone");
            outcome.changed.push(Changed { id: image.to_string(), because });
        }
        Stepped::NotReached => outcome.not_reached.push(image.to_string()),
        Stepped::Failed(step, error) => outcome.fail(image.as_str(), step, &error),
    }
}
