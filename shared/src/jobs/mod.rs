//! The jobs behind the functions and the command: event or tick → inventory → plan → apply.
//!
//! A job takes the port, the policy, the time and a deadline, and answers with a value. In plan
//! mode it calls nothing that changes the world.

mod prune;
mod reap;
mod retire;
mod tag;

use jiff::Timestamp;
use serde::Serialize;

pub use crate::apply::Mode;
use crate::apply::{Changed, Failure, Outcome, Status, Counts};
use crate::model::{Deadline, AccountId, ImageId, InstanceId, Region, SnapshotId, AccountRegion};
use crate::cloud::{Cloud, CloudError, Instances};
use crate::events::{Trigger, Event, EventBuilder};
use crate::plan::instance::InstanceDecision;
use crate::plan::snapshots::SnapshotDecision;
use crate::plan::{Decision, Summary};
use crate::policy::Policy;

/// An answer may have 6 MB; a decision with many reasons takes about 1 KB of it, and the ids of
/// what was done come on top.
pub const MAX_STEPS: usize = 1000;

/// The work of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// Tag new images.
    TagImage,
    /// Retire images.
    PruneImages,
    /// Delete snapshots.
    ReapSnapshots,
    /// Retire the machines that asked for it.
    RetireInstance,
}

impl FunctionKind {
    /// The name of the function.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TagImage => "tag-image",
            Self::PruneImages => "prune-images",
            Self::ReapSnapshots => "reap-snapshots",
            Self::RetireInstance => "retire-instance",
        }
    }
}

/// What every job needs.
#[derive(Debug)]
pub struct Job<'a, C, D> {
    /// The port.
    pub cloud: &'a C,
    /// The account and Region.
    pub target: &'a AccountRegion,
    /// The policy.
    pub policy: &'a Policy,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// The time that all ages are counted from.
    pub now: Timestamp,
    /// When to stop.
    pub deadline: &'a D,
}

/// A job's answer to an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The event was none of this function's business, or made no sense; nothing was done.
    Ignored {
        /// Why.
        why: String,
    },
    /// An image was tagged, or would be.
    Tagged(Tagged),
    /// A sweep over the images.
    Pruned(Pruned),
    /// A sweep over the snapshots.
    Reaped(Reaped),
    /// The machines that asked to be retired.
    Retired(Retired),
}

/// What a job has to say: the answer, and what it tells others.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The answer to the event.
    pub answer: Answer,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What was seen and done; `None` when the event was ignored.
    pub counts: Option<Counts>,
    /// Set when all that was tried failed: the runtime should know, and try again.
    pub failure: Option<JobError>,
}

impl Report {
    fn ignored(why: String) -> Self {
        tracing::warn!(why, "event ignored");
        Self { answer: Answer::Ignored { why }, events: Vec::new(), counts: None, failure: None }
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
    /// Tags that there was no room for: resource and key.
    pub dropped: Vec<(String, String)>,
    /// What failed.
    pub failed: Vec<Failure>,
    /// What was gone by then.
    pub changed: Vec<Changed>,
}

/// A resource and its new tags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaggedResource {
    /// The image or snapshot.
    pub id: String,
    /// The tags that it got or would get.
    pub tags: crate::model::Tags,
}

/// A sweep over the images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// Whether anything was changed.
    pub mode: Mode,
    /// The counts of the plan.
    pub summary: Summary,
    /// The decisions of the plan that change something, at most [`MAX_STEPS`]; the log has all.
    pub steps: Vec<Decision>,
    /// What was done.
    pub outcome: Outcome,
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
}

/// The machines that asked to be retired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retired {
    /// Whether anything was changed.
    pub mode: Mode,
    /// Those that were stopped or terminated, or would be, and why.
    pub retired: Vec<InstanceDecision>,
    /// Those that were not, and why.
    pub kept: Vec<InstanceDecision>,
    /// What was not reached in time.
    pub not_reached: Vec<InstanceId>,
    /// What failed.
    pub failed: Vec<Failure>,
}

/// All that a job tried failed: the runtime should know, and try again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    /// The event was earlier than the provider's own listing: to be sent again.
    #[error("{0} is said to be available, but is pending still; send the event again")]
    NotYet(ImageId),
    /// The event was earlier than the provider's own listing: to be sent again.
    #[error("{0} was made a moment ago, but is not to be seen yet; send the event again")]
    Unverified(ImageId),
    /// A call that the job cannot do without.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Every step failed.
    #[error("nothing succeeded, {count} failed; the first: {} of {}: {}", first.step.as_str(), first.id, first.message)]
    AllFailed {
        /// How many.
        count: usize,
        /// One of them.
        first: Failure,
    },
}

/// The error of a job in which nothing that was tried succeeded.
fn all_failed(failed: &[Failure]) -> Option<JobError> {
    let first = failed.first()?.clone();
    Some(JobError::AllFailed { count: failed.len(), first })
}

/// The same of a sweep, if so.
fn failure_of(outcome: &Outcome) -> Option<JobError> {
    if outcome.status() == Status::Failed { all_failed(&outcome.failed) } else { None }
}

impl<C: Cloud + Instances, D: Deadline> Job<'_, C, D> {
    /// Does the work of one function.
    ///
    /// # Errors
    /// When what the work cannot do without cannot be read.
    pub async fn run(&self, work: FunctionKind, trigger: &Trigger) -> Result<Report, JobError> {
        match work {
            FunctionKind::TagImage => self.tag_image(trigger).await,
            FunctionKind::PruneImages => Ok(self.prune_images(trigger).await),
            FunctionKind::ReapSnapshots => Ok(self.reap_snapshots(trigger).await),
            FunctionKind::RetireInstance => self.retire_instances(trigger).await,
        }
    }
}

impl<C, D> Job<'_, C, D> {
    fn news(&self) -> EventBuilder<'_> {
        EventBuilder { target: self.target, now: self.now, keep: &self.policy.names.keep }
    }

    /// Why an event about another account or Region is not for us.
    fn elsewhere(&self, account: Option<&AccountId>, region: Option<&Region>) -> Option<String> {
        let AccountRegion { account: our_account, region: our_region } = self.target;
        match (account, region) {
            (Some(account), _) if account != our_account => Some(format!(
                "the event is from account {account}, this function runs in {our_account}"
            )),
            (_, Some(region)) if region != our_region => {
                Some(format!("the event is from {region}, this function runs in {our_region}"))
            }
            _ => None,
        }
    }
}

fn not_for_us(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Malformed { why } => format!("malformed event: {why}"),
        Trigger::Ignored { what } => format!("unknown event: {what}"),
        Trigger::Schedule => "this function does nothing on a schedule".to_owned(),
        Trigger::Image { image, state, .. } => format!("nothing to do when {image} is {state}"),
        Trigger::Creating { image, .. } => format!("nothing to do when {image} is made"),
    }
}
