//! The use cases of the functions and the command: collect, plan, apply, report.
//!
//! A [`Job`] takes the ports, the policy, the time and the run's context, and returns a value. In
//! plan mode it makes no changes.

mod answer_size;
mod prune_images;
mod reap_snapshots;
mod retire_instances;
mod tag_image;
mod tag_untagged;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

pub use self::answer_size::{MAX_DECISIONS, MAX_RECORDS, Omitted};
pub use crate::apply::Mode;
use crate::apply::{Counts, MARGIN, Outcome, Status, StepRecord};
use crate::cloud::{Cloud, CloudError, Instances, NamedBus};
use crate::events::{Event, EventBuilder, Trigger, publish, publish_each};
use crate::model::{AccountRegion, Deadline, ImageId, ResourceId, SnapshotId, Tags};
use crate::plan::instance::InstanceDecision;
use crate::plan::snapshots::SnapshotDecision;
use crate::plan::{Decision, Summary};
use crate::policy::Policy;
use crate::progress::RunContext;
use crate::text_fmt::counted;

/// The maximum delay between an event and the provider's listings. An image that is not listed
/// after that no longer exists. The runtime retries a failed event after one minute and again after
/// two minutes.
const MAX_LISTING_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FunctionKind {
    /// Tags new images.
    TagImage,
    /// Retires images.
    PruneImages,
    /// Deletes snapshots.
    ReapSnapshots,
    /// Retires instances that carry the retire tag, once their image is complete.
    RetireInstance,
}

impl FunctionKind {
    /// Returns the name of the function, for example `tag-image`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The inputs of a run.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The port to images and snapshots.
    pub cloud: &'a dyn Cloud,
    /// The port to instances.
    pub instances: &'a dyn Instances,
    /// The bus for events, or `None` to publish none. The run itself publishes only the events that
    /// must be accepted before a change; its report contains the others.
    pub bus: Option<NamedBus<'a>>,
    /// The account and Region to act on.
    pub target: &'a AccountRegion,
    /// The policy to apply.
    pub policy: &'a Policy,
    /// Whether the run may change resources.
    pub mode: Mode,
    /// The time from which ages are computed.
    pub now: Timestamp,
    /// The deadline, and the receiver of progress.
    pub context: RunContext<'a>,
}

/// The response to an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The event does not concern this function or was not understood. Nothing was done.
    Ignored {
        /// Why the event was ignored.
        reason: String,
    },
    /// A new image was tagged or, in plan mode, would be.
    Tagged(Tagged),
    /// A sweep of the images.
    Pruned(Pruned),
    /// A sweep of the snapshots.
    Reaped(Reaped),
    /// Instances were retired or, in plan mode, would be.
    Retired(Retired),
}

/// The result of a run: the response, events and counts.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// The response to the event.
    pub answer: Answer,
    /// The events to publish, in order.
    pub events: Vec<Event>,
    /// The counts of the run; `None` if the event was ignored.
    pub counts: Option<Counts>,
    /// Whether the schedule started the run.
    pub is_sweep: bool,
    /// The error to return to the runtime, which then retries: a sweep in which nothing succeeded,
    /// or a run for a single event in which anything failed. A sweep that failed in part is
    /// completed by the next sweep.
    pub failure: Option<JobError>,
}

impl JobReport {
    fn ignored(reason: String) -> Self {
        tracing::warn!(reason, "event ignored");
        Self {
            answer: Answer::Ignored { reason },
            events: Vec::new(),
            counts: None,
            is_sweep: false,
            failure: None,
        }
    }

    /// Returns the function's response: a JSON object, with the number of lost events if there are
    /// any.
    ///
    /// # Errors
    /// Returns an error if serialization fails, which does not happen: every field is plain JSON.
    pub fn response(&self) -> Result<Value, serde_json::Error> {
        let mut response = serde_json::to_value(&self.answer)?;
        let lost = self.counts.as_ref().map_or(0, |counts| counts.events_lost);
        if let (Value::Object(fields), true) = (&mut response, lost > 0) {
            fields.insert("events_lost".to_owned(), lost.into());
        }
        Ok(response)
    }

    /// Publishes the events and counts the ones that the bus does not accept.
    pub async fn publish(
        &mut self,
        to: NamedBus<'_>,
        target: &AccountRegion,
        deadline: &dyn Deadline,
    ) {
        let published = publish(to.bus, to.name, target, &self.events, deadline).await;
        if let Some(counts) = &mut self.counts {
            counts.events_lost += published.lost;
        }
    }
}

/// The result for a new image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tagged {
    /// Whether the run could change resources.
    pub mode: Mode,
    /// The ID of the new image.
    pub image_id: ImageId,
    /// Resources, each with the tags that were written or, in plan mode, would be.
    pub tagged: Vec<TaggedResource>,
    /// Tags that exceeded the provider's limit on tags per resource.
    pub dropped: Vec<DroppedTag>,
    /// The resources that could not be tagged, with the errors.
    pub not_tagged: Vec<StepRecord>,
    /// The number of items that were dropped from the lists.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// A resource and its new tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedResource {
    /// The image or snapshot.
    pub resource: ResourceId,
    /// The tags that were written or, in plan mode, would be.
    pub tags: Tags,
}

/// A tag that exceeded the provider's limit on tags per resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedTag {
    /// The image or snapshot without the tag.
    pub resource: ResourceId,
    /// The key of the tag.
    pub key: String,
}

/// The result of a sweep of the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// Whether the run could change resources.
    pub mode: Mode,
    /// The counts of the plan.
    pub summary: Summary,
    /// The decisions that change something, or would if the event bus had accepted their events. At
    /// most [`MAX_DECISIONS`]; the log contains all.
    pub decisions: Vec<Decision>,
    /// Young images and snapshots that lacked tags, each with the tags that were written or, in
    /// plan mode, would be. At most [`MAX_DECISIONS`].
    pub tagged: Vec<TaggedResource>,
    /// The records of the steps.
    pub outcome: Outcome,
    /// The number of items that were dropped from the lists.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// The result of a sweep of the snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reaped {
    /// Whether the run could change resources.
    pub mode: Mode,
    /// The orphans to be tagged.
    pub orphans: Vec<SnapshotId>,
    /// The snapshots that are due for deletion.
    pub due: Vec<SnapshotId>,
    /// The orphans and tagged snapshots that are kept, with the reasons.
    pub kept: Vec<SnapshotDecision>,
    /// The records of the steps.
    pub outcome: Outcome,
    /// The number of items that were dropped from the lists.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// The result of retiring instances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retired {
    /// Whether the run could change resources.
    pub mode: Mode,
    /// The instances that were stopped or terminated or, in plan mode, would be, with the reasons.
    pub retired: Vec<InstanceDecision>,
    /// The instances that are kept, with the reasons.
    pub kept: Vec<InstanceDecision>,
    /// The instances that were not reached before the deadline, and those that failed.
    pub not_retired: Vec<StepRecord>,
    /// The number of items that were dropped from the lists.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// An error for which the runtime should retry the event.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    /// The event arrived before the provider lists the image as available.
    #[error("{0} is still pending; retry the event")]
    StillPending(ImageId),
    /// The event arrived before the provider lists the image.
    #[error("{0} is not visible yet; retry the event")]
    NotVisibleYet(ImageId),
    /// A required call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Every step failed.
    #[error("all steps failed ({count}); first error: {first}")]
    AllFailed {
        /// The number of failed steps.
        count: usize,
        /// The record of the first failed step.
        first: Box<StepRecord>,
    },
    /// Some steps failed.
    #[error("{} failed, {done} succeeded; first error: {first}", counted(.count, "step"))]
    PartFailed {
        /// The number of failed steps.
        count: usize,
        /// The number of successful steps.
        done: usize,
        /// The record of the first failed step.
        first: Box<StepRecord>,
    },
}

/// Returns the error of a run in which steps failed and none succeeded.
fn all_failed<'a>(failed: impl Iterator<Item = &'a StepRecord>) -> Option<JobError> {
    any_failed(failed, 0)
}

/// Returns an error if steps failed in a run for a single event, while `done` steps succeeded. No
/// sweep, or only a much later one, makes up for such a failure.
fn any_failed<'a>(failed: impl Iterator<Item = &'a StepRecord>, done: usize) -> Option<JobError> {
    let failed: Vec<_> = failed.filter(|one| one.failure().is_some()).collect();
    let (count, first) = (failed.len(), Box::new((*failed.first()?).clone()));
    Some(match done {
        0 => JobError::AllFailed { count, first },
        _ => JobError::PartFailed { count, done, first },
    })
}

/// Returns the error of a sweep in which nothing succeeded.
fn failure_of(outcome: &Outcome) -> Option<JobError> {
    if outcome.status() == Status::Failed { all_failed(outcome.failed()) } else { None }
}

impl Job<'_> {
    /// Runs one function.
    ///
    /// # Errors
    /// Returns an error if required data cannot be read.
    pub async fn run(&self, kind: FunctionKind, trigger: &Trigger) -> Result<JobReport, JobError> {
        match kind {
            FunctionKind::TagImage => self.tag_image(trigger).await,
            FunctionKind::PruneImages => Ok(self.prune_images(trigger).await),
            FunctionKind::ReapSnapshots => Ok(self.reap_snapshots(trigger).await),
            FunctionKind::RetireInstance => self.retire_instances(trigger).await,
        }
    }

    fn events(&self) -> EventBuilder<'_> {
        EventBuilder { target: self.target, now: self.now, keep: &self.policy.tag_names.keep }
    }

    /// In apply mode and with a bus, publishes `notices` before the resources in them are changed.
    /// Leaves enough time for the changes.
    async fn announce<I: Eq + Hash + fmt::Display>(
        &self,
        notices: Vec<(I, Event)>,
    ) -> Announced<I> {
        let Some(to) = self.bus.filter(|_| self.mode == Mode::Apply) else {
            return Announced { accepted: HashSet::new(), lost: HashSet::new() };
        };
        let (ids, events): (Vec<I>, Vec<Event>) = notices.into_iter().unzip();
        let left = || self.context.left().saturating_sub(MARGIN);
        let results = publish_each(to, self.target, &events, &left).await;
        let (accepted, lost): (Vec<_>, Vec<_>) =
            ids.into_iter().zip(results).partition(|(_, is_accepted)| *is_accepted);
        for (id, _) in &lost {
            tracing::warn!(%id, "deferred: the event bus did not accept the event that announces the change");
        }
        let set = |ids: Vec<(I, bool)>| ids.into_iter().map(|(id, _)| id).collect();
        Announced { accepted: set(accepted), lost: set(lost) }
    }

    /// Returns whether the provider may not list a change at `at` yet. An unknown time counts as
    /// recent.
    fn is_young(&self, at: Option<Timestamp>) -> bool {
        at.is_none_or(|at| self.now.duration_since(at) < MAX_LISTING_DELAY)
    }
}

/// The results of announcing changes.
struct Announced<I> {
    /// Resources whose event the bus accepted.
    accepted: HashSet<I>,
    /// Resources whose event the bus rejected, or that were not announced before the deadline.
    lost: HashSet<I>,
}

fn not_for_us(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Malformed { why } => format!("malformed event: {why}"),
        Trigger::Rejected { why } => format!("event rejected: {why}"),
        Trigger::Ignored { what } => format!("unsupported event: {what}"),
        Trigger::Schedule => "this function has no scheduled run".to_owned(),
        Trigger::Image { image, state, .. } => format!("no action for {image} in state {state}"),
        Trigger::Creating { image, .. } => format!("no action for the creation of {image}"),
    }
}
