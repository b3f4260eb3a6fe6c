//! Applying a plan: order, pace and deadline, but no choices.
//!
//! The order within an image is what makes a crash harmless: look again, mark the snapshots
//! (the ledger), and only then deregister. Whatever a crash leaves undone, a later run finds.
//! The pace is the adapter's: it stays below the provider's limits.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use crate::cloud::{Cloud, CloudError, ErrorKind, ResourceId, SnapshotDeletion};
use crate::ids::{AccountId, ImageId, SnapshotId};
use crate::plan::reap::{self, SnapshotAction, SnapshotPlan, SnapshotReason};
use crate::plan::reason::Reason;
use crate::plan::{self, Action, Decision, Plan, Removal};
use crate::policy::Policy;
use crate::tags::Tags;

/// How many images or snapshots are worked on at once. With a round trip of some 100 ms this
/// keeps 5 deregistrations a second going, which is what the provider allows in the long run.
const IN_FLIGHT: usize = 8;
/// How many snapshots are looked at again in one call.
const RECHECKED_TOGETHER: usize = 50;
/// New work is begun only while more time than this is left: enough for the calls of one image.
const MARGIN: Duration = Duration::from_secs(15);

/// The time that a run has.
pub trait Deadline: Sync {
    /// What is left of it.
    fn left(&self) -> Duration;
}

/// No deadline: a person at a terminal has time.
#[derive(Debug, Clone, Copy)]
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn left(&self) -> Duration {
        Duration::MAX
    }
}

impl<F: Fn() -> Duration + Sync> Deadline for F {
    fn left(&self) -> Duration {
        self()
    }
}

/// What a run did, and what it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Images that were marked as expired.
    pub expired: Vec<ImageId>,
    /// Images whose marks were taken off.
    pub rescued: Vec<ImageId>,
    /// Images that are gone now.
    pub deregistered: Vec<ImageId>,
    /// Snapshots that are gone now.
    pub deleted: Vec<SnapshotId>,
    /// Snapshots that an image still uses, as far as the provider knows: a later run tries again.
    pub later: Vec<SnapshotId>,
    /// What is no longer as the plan saw it, and was left alone.
    pub changed: Vec<Changed>,
    /// Images whose time has come, but a cap keeps them for a later run.
    pub deferred: Vec<ImageId>,
    /// Images and snapshots that the deadline left for the next run.
    pub not_reached: Vec<String>,
    /// What failed; the run went on.
    pub failed: Vec<Failure>,
    /// Why nothing was removed, if so.
    pub refused: Option<String>,
}

/// Something that is no longer as the plan saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The image or snapshot.
    pub id: String,
    /// What is different.
    pub because: String,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The image or snapshot.
    pub id: String,
    /// The step.
    pub step: FailedStep,
    /// The provider's error code; empty when there was no answer.
    pub code: String,
    /// One line for people.
    pub message: String,
}

/// The steps that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum FailedStep {
    Tag,
    Rescue,
    Recheck,
    Ledger,
    Deregister,
    DeleteSnapshot,
}

impl FailedStep {
    /// The step as reports name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Rescue => "rescue",
            Self::Recheck => "recheck",
            Self::Ledger => "ledger",
            Self::Deregister => "deregister",
            Self::DeleteSnapshot => "delete_snapshot",
        }
    }
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All of the plan was carried out.
    Done,
    /// Some of it failed, or was not reached.
    Part,
    /// All that was tried failed.
    Failed,
    /// The plan refused to remove anything.
    Refused,
}

impl Outcome {
    /// How the run went.
    pub fn status(&self) -> Status {
        let Self { expired, rescued, deregistered, deleted, later, changed, .. } = self;
        let done = expired.len()
            + rescued.len()
            + deregistered.len()
            + deleted.len()
            + later.len()
            + changed.len();
        match (self.failed.is_empty(), done) {
            (false, 0) => Status::Failed,
            (false, _) => Status::Part,
            (true, _) if self.refused.is_some() => Status::Refused,
            (true, _) if !self.not_reached.is_empty() => Status::Part,
            (true, _) => Status::Done,
        }
    }

    fn fail(&mut self, id: &str, step: FailedStep, error: &CloudError) {
        tracing::error!(id, step = step.as_str(), code = error.code, %error, "step failed");
        self.failed.push(Failure {
            id: id.to_owned(),
            step,
            code: error.code.clone(),
            message: error.to_string(),
        });
    }

    /// The same outcome gives the same bytes, whichever call was answered first.
    fn sorted(mut self) -> Self {
        self.expired.sort();
        self.rescued.sort();
        self.deregistered.sort();
        self.deleted.sort();
        self.later.sort();
        self.changed.sort_by(|a, b| a.id.cmp(&b.id));
        self.deferred.sort();
        self.not_reached.sort();
        self.failed.sort_by(|a, b| a.id.cmp(&b.id));
        self
    }
}

/// Carries out `plan`. Applying the same plan twice removes nothing more.
pub async fn apply(
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
    deadline: &impl Deadline,
) -> Outcome {
    let mut outcome = Outcome {
        refused: plan.refusal.as_ref().map(ToString::to_string),
        deferred: plan
            .decisions
            .iter()
            .filter(|d| is_deferred(d))
            .map(|d| d.image_id.clone())
            .collect(),
        ..Outcome::default()
    };
    // What is wanted again comes first: it must not wait behind a long list of removals.
    for decision in &plan.decisions {
        if let Action::Rescue { unmark } = &decision.action {
            if deadline.left() < MARGIN {
                outcome.not_reached.push(decision.image_id.to_string());
                continue;
            }
            rescue(decision, unmark, policy, cloud, &mut outcome).await;
        }
    }
    expire(plan, policy, cloud, &mut outcome).await;
    let doomed = plan.decisions.iter().filter_map(|decision| match &decision.action {
        Action::Deregister { removal } => Some((decision, removal)),
        _ => None,
    });
    let mut results = stream::iter(doomed)
        .map(|(decision, removal)| async move {
            let result = if deadline.left() < MARGIN {
                Removed::NotReached
            } else {
                remove(decision, removal, plan, policy, cloud).await
            };
            (decision, result)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((decision, result)) = results.next().await {
        let image = &decision.image_id;
        match result {
            Removed::Done { deleted } => {
                tracing::info!(image_id = %image, rule = decision.rule.as_deref(), snapshots_deleted = deleted.len(), "deregistered");
                outcome.deregistered.push(image.clone());
                outcome.deleted.extend(deleted);
            }
            Removed::Changed(because) => {
                tracing::warn!(image_id = %image, because, "changed since it was planned; left alone");
                outcome.changed.push(Changed { id: image.to_string(), because });
            }
            Removed::NotReached => outcome.not_reached.push(image.to_string()),
            Removed::Failed(step, error) => outcome.fail(image.as_str(), step, &error),
        }
    }
    drop(results);
    outcome.sorted()
}

fn is_deferred(decision: &Decision) -> bool {
    decision.because.iter().any(|reason| matches!(reason, Reason::Deferred { .. }))
}

async fn rescue(
    decision: &Decision,
    unmark: &[SnapshotId],
    policy: &Policy,
    cloud: &impl Cloud,
    outcome: &mut Outcome,
) {
    let image = &decision.image_id;
    let snapshots: Vec<_> = unmark.iter().cloned().map(ResourceId::Snapshot).collect();
    let names = &policy.names;
    // The snapshots first: while the image carries its mark, a later run comes back here.
    for (resources, key) in [
        (snapshots, &names.delete_after),
        (vec![ResourceId::Image(image.clone())], &names.expired_at),
    ] {
        for resource in resources {
            match cloud
                .remove_tags(std::slice::from_ref(&resource), std::slice::from_ref(key))
                .await
            {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return outcome.fail(image.as_str(), FailedStep::Rescue, &error),
            }
        }
    }
    tracing::info!(image_id = %image, "rescued");
    outcome.rescued.push(image.clone());
}

/// Marks what is newly expired, all images in one batch: they get the same tag.
async fn expire(plan: &Plan, policy: &Policy, cloud: &impl Cloud, outcome: &mut Outcome) {
    let newly: Vec<&Decision> =
        plan.decisions.iter().filter(|decision| decision.action == Action::Expire).collect();
    if newly.is_empty() {
        return;
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
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                outcome
                    .changed
                    .push(Changed { id: image.to_string(), because: "it is gone".to_owned() });
            }
            Err(error) => outcome.fail(image.as_str(), FailedStep::Tag, &error),
        }
    }
}

/// Sets `tags` on every resource, with one answer for each: together if possible, and one by one
/// where a single bad resource made the batch fail.
pub(crate) async fn tag_each(
    cloud: &impl Cloud,
    resources: &[ResourceId],
    tags: &Tags,
) -> Vec<Result<(), CloudError>> {
    match cloud.set_tags(resources, tags).await {
        Ok(()) => resources.iter().map(|_| Ok(())).collect(),
        Err(error)
            if resources.len() > 1
                && matches!(error.kind, ErrorKind::NotFound | ErrorKind::Other) =>
        {
            let singly = resources
                .iter()
                .map(|resource| cloud.set_tags(std::slice::from_ref(resource), tags));
            stream::iter(singly).buffered(IN_FLIGHT).collect().await
        }
        Err(error) => resources.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// How one image's removal went.
enum Removed {
    Done { deleted: Vec<SnapshotId> },
    Changed(String),
    NotReached,
    Failed(FailedStep, CloudError),
}

/// Looks again, writes the ledger, deregisters: in this order.
async fn remove(
    decision: &Decision,
    removal: &Removal,
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
) -> Removed {
    match recheck(decision, plan, policy, cloud).await {
        Ok(None) => {}
        Ok(Some(because)) => return Removed::Changed(because),
        Err(error) => return Removed::Failed(FailedStep::Recheck, error),
    }
    let image = &decision.image_id;
    let names = &policy.names;
    let ledger: Tags = [
        (names.image.as_str(), image.to_string()),
        (names.delete_after.as_str(), removal.delete_after.to_string()),
    ]
    .into_iter()
    .collect();
    let snapshots: Vec<_> = removal.ledger.iter().cloned().map(ResourceId::Snapshot).collect();
    let marked =
        if snapshots.is_empty() { Vec::new() } else { tag_each(cloud, &snapshots, &ledger).await };
    for result in marked {
        match result {
            Ok(()) => {}
            // A snapshot that is gone needs no ledger.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Removed::Failed(FailedStep::Ledger, error),
        }
    }
    match cloud.deregister(image, removal.snapshots).await {
        Ok(answer) => Removed::Done { deleted: answer.deleted },
        Err(error) => Removed::Failed(FailedStep::Deregister, error),
    }
}

/// What is different now, if it keeps the image.
async fn recheck(
    decision: &Decision,
    plan: &Plan,
    policy: &Policy,
    cloud: &impl Cloud,
) -> Result<Option<String>, CloudError> {
    let image = &decision.image_id;
    let Some(mut found) = cloud.find_image(image).await? else {
        return Ok(Some("it is gone".to_owned()));
    };
    let holders = cloud.find_instances_of(image).await?;
    found.launch_permissions = Some(cloud.find_launch_permissions(image).await?.into());
    let account: &AccountId = &plan.account;
    let kept = plan::recheck(decision, &found, account, &holders, policy, plan.planned_at);
    if !kept.is_empty() {
        let reasons: Vec<_> = kept.iter().map(ToString::to_string).collect();
        return Ok(Some(reasons.join(", ")));
    }
    let snapshots: BTreeSet<_> = found.snapshots.iter().collect();
    if snapshots != decision.snapshots.iter().collect() {
        return Ok(Some("its snapshots are others than planned".to_owned()));
    }
    Ok(None)
}

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
