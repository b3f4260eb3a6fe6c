//! The use cases of the functions and the command: collect, plan, apply, report.
//!
//! A job takes the ports, the policy, the time and the run's context, and returns a value. In plan
//! mode it makes no call that changes anything.

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

/// How long an event may be ahead of the provider's own listings. An image that is not found
/// after that is gone. The runtime sends a failed event again after one minute and after two more.
const MAX_LISTING_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FunctionKind {
    /// Tags new images.
    TagImage,
    /// Retires images.
    PruneImages,
    /// Deletes snapshots.
    ReapSnapshots,
    /// Retires the instances that asked for it.
    RetireInstance,
}

impl FunctionKind {
    /// The name of the function.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What every job needs.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Reads and changes images and snapshots.
    pub cloud: &'a dyn Cloud,
    /// Reads and changes instances.
    pub instances: &'a dyn Instances,
    /// Where events are published; `None` publishes none. A job itself publishes only what must be
    /// accepted before it does something; the rest is in its report.
    pub bus: Option<NamedBus<'a>>,
    /// The account and Region.
    pub target: &'a AccountRegion,
    /// The policy.
    pub policy: &'a Policy,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// The time that all ages are counted from.
    pub now: Timestamp,
    /// When to stop, and where progress is reported.
    pub context: RunContext<'a>,
}

/// A job's answer to an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The event was none of this function's business, or made no sense; nothing was done.
    Ignored {
        /// Why.
        reason: String,
    },
    /// An image was tagged, or would be.
    Tagged(Tagged),
    /// A sweep over the images.
    Pruned(Pruned),
    /// A sweep over the snapshots.
    Reaped(Reaped),
    /// The instances that asked to be retired.
    Retired(Retired),
}

/// The result of a job: the answer, and what is published and counted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// The answer to the event.
    pub answer: Answer,
    /// The events to publish, in order.
    pub events: Vec<Event>,
    /// What was seen and done; `None` when the event was ignored.
    pub counts: Option<Counts>,
    /// Whether the schedule started the run.
    pub is_sweep: bool,
    /// Set when a sweep did nothing of what it tried, or a run for one event not all of it: the
    /// runtime should know, and try again. What a sweep did in part the next one completes.
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

    /// The answer as the function returns it: a JSON object, with the number of events that were
    /// lost, if any.
    ///
    /// # Errors
    /// None that can be provoked: every field is plain JSON.
    pub fn response(&self) -> Result<Value, serde_json::Error> {
        let mut response = serde_json::to_value(&self.answer)?;
        let lost = self.counts.as_ref().map_or(0, |counts| counts.events_lost);
        if let (Value::Object(fields), true) = (&mut response, lost > 0) {
            fields.insert("events_lost".to_owned(), lost.into());
        }
        Ok(response)
    }

    /// Publishes the events, and counts those that the bus does not accept.
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

/// What became of a new image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tagged {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The image.
    pub image_id: ImageId,
    /// Resources, each with the tags that it got or would get.
    pub tagged: Vec<TaggedResource>,
    /// Tags that there was no room for.
    pub dropped: Vec<DroppedTag>,
    /// The resources that could not be tagged, and why.
    pub not_tagged: Vec<StepRecord>,
    /// What the lists leave out.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// A resource and its new tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedResource {
    /// The image or snapshot.
    pub resource: ResourceId,
    /// The tags that it got or would get.
    pub tags: Tags,
}

/// A tag that there was no room for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedTag {
    /// The image or snapshot.
    pub resource: ResourceId,
    /// The tag's key.
    pub key: String,
}

/// A sweep over the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The counts of the plan.
    pub summary: Summary,
    /// The decisions of the plan that change something, or would if the event bus had accepted their
    /// notice; at most [`MAX_DECISIONS`], and the log has all.
    pub decisions: Vec<Decision>,
    /// Young images and snapshots that lacked tags, at most [`MAX_DECISIONS`], each with the tags that
    /// it got or would get.
    pub tagged: Vec<TaggedResource>,
    /// What was done.
    pub outcome: Outcome,
    /// What the lists leave out.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// A sweep over the snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reaped {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The orphans that are to be marked.
    pub orphans: Vec<SnapshotId>,
    /// The snapshots whose time has come.
    pub due: Vec<SnapshotId>,
    /// The marked snapshots and the orphans that are kept, and why.
    pub kept: Vec<SnapshotDecision>,
    /// What was done.
    pub outcome: Outcome,
    /// What the lists leave out.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// The instances that asked to be retired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retired {
    /// Whether anything was changed.
    pub mode: Mode,
    /// Those that were stopped or terminated, or would be, and why.
    pub retired: Vec<InstanceDecision>,
    /// Those that were not, and why.
    pub kept: Vec<InstanceDecision>,
    /// Those that were not reached in time, and those that failed.
    pub not_retired: Vec<StepRecord>,
    /// What the lists leave out.
    #[serde(skip_serializing_if = "Omitted::is_empty")]
    pub omitted: Omitted,
}

/// Why the runtime should try again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    /// The event came before the provider's own listing shows the image as available.
    #[error("{0} is still pending; retry the event")]
    StillPending(ImageId),
    /// The event came before the provider's own listing shows the image.
    #[error("{0} is not visible yet; retry the event")]
    NotVisibleYet(ImageId),
    /// A call that the job cannot do without.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Every step failed.
    #[error("nothing succeeded, {count} failed; the first: {first}")]
    AllFailed {
        /// How many.
        count: usize,
        /// One of them.
        first: Box<StepRecord>,
    },
    /// Some steps failed.
    #[error("{done} succeeded, {count} failed; the first: {first}")]
    PartFailed {
        /// How many failed.
        count: usize,
        /// How many succeeded.
        done: usize,
        /// One of those that failed.
        first: Box<StepRecord>,
    },
}

/// The error of a job in which nothing that was tried succeeded.
fn all_failed<'a>(failed: impl Iterator<Item = &'a StepRecord>) -> Option<JobError> {
    any_failed(failed, 0)
}

/// The error of a run for one event of which something failed, while `done` steps succeeded: no
/// sweep may come that makes up for it, or only much later.
fn any_failed<'a>(failed: impl Iterator<Item = &'a StepRecord>, done: usize) -> Option<JobError> {
    let failed: Vec<_> = failed.filter(|one| one.failure().is_some()).collect();
    let (count, first) = (failed.len(), Box::new((*failed.first()?).clone()));
    Some(match done {
        0 => JobError::AllFailed { count, first },
        _ => JobError::PartFailed { count, done, first },
    })
}

/// The same of a sweep, if so.
fn failure_of(outcome: &Outcome) -> Option<JobError> {
    if outcome.status() == Status::Failed { all_failed(outcome.failed()) } else { None }
}

impl Job<'_> {
    /// Does what one function does.
    ///
    /// # Errors
    /// When something cannot be read that the job depends on.
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

    /// Publishes `notices` before anything is done about what they are about: in apply mode, and if
    /// there is a bus. Time enough to do it is left.
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
            tracing::warn!(%id, "held back: the event bus did not accept its notice");
        }
        let set = |ids: Vec<(I, bool)>| ids.into_iter().map(|(id, _)| id).collect();
        Announced { accepted: set(accepted), lost: set(lost) }
    }

    /// Whether what happened at `at` may not show in the provider's listings yet; where nobody knows
    /// when it happened, it may.
    fn is_young(&self, at: Option<Timestamp>) -> bool {
        at.is_none_or(|at| self.now.duration_since(at) < MAX_LISTING_DELAY)
    }
}

/// What became of the notices that go out before anything is done.
struct Announced<I> {
    /// The bus accepted them.
    accepted: HashSet<I>,
    /// It did not, or there was no time.
    lost: HashSet<I>,
}

fn not_for_us(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Malformed { why } => format!("malformed event: {why}"),
        Trigger::Rejected { why } => format!("event not accepted: {why}"),
        Trigger::Ignored { what } => format!("unknown event: {what}"),
        Trigger::Schedule => "this function does nothing on a schedule".to_owned(),
        Trigger::Image { image, state, .. } => format!("nothing to do when {image} is {state}"),
        Trigger::Creating { image, .. } => format!("nothing to do when {image} is created"),
    }
}
