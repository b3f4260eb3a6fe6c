//! What a run did, and what it did not: one record for each step.

use std::fmt;

use serde::Serialize;

use super::Change;
use crate::cloud::CloudError;
use crate::model::{ImageId, ResourceId, SnapshotId};
use crate::plan::Refusal;

/// What a run did, and what it did not. Every count and every text derives from its records.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Why nothing was removed, if so.
    pub refusal: Option<Refusal>,
    /// The steps, by step and resource. A resource may have several.
    pub steps: Vec<StepRecord>,
    /// How many records [`Outcome::abridged`] left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

/// How one step on one resource ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// The resource.
    pub resource: ResourceId,
    /// The step.
    pub step: StepKind,
    /// How it ended.
    #[serde(flatten)]
    pub result: StepResult,
}

/// The steps that a run takes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepKind {
    /// Write the tags of a new image on it or on one of its snapshots.
    Tag,
    /// Undo what was done to an image that is wanted again.
    Rescue,
    /// Share such an image again. Recorded only if a person must decide about it.
    Share,
    /// Tag an image as expired.
    Expire,
    /// Read what the listings do not tell; without it, no step is taken.
    Verify,
    /// Deprecate an image.
    Deprecate,
    /// Read an image or a snapshot again, right before it is changed.
    Recheck,
    /// Disable an image.
    Disable,
    /// Write the state tags of an image and its snapshots before it is deregistered.
    WriteStateTags,
    /// Deregister an image.
    Deregister,
    /// Tag an orphaned snapshot with the time from which it may be deleted.
    MarkOrphan,
    /// Delete a snapshot.
    DeleteSnapshot,
    /// Stop or terminate an instance.
    RetireInstance,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    /// It was taken, or had been before.
    Done,
    /// An image still uses the snapshot, as far as the provider knows: a later run tries again.
    InUse,
    /// The resource is no longer as it was planned for, and was skipped.
    Changed(Change),
    /// Its time has come, but a cap leaves it to a later run.
    Deferred,
    /// There was no time left: the next run takes it.
    NotReached,
    /// It failed; the run went on.
    Failed(Failure),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The provider's error code; empty when there was no response.
    pub code: String,
    /// The call and the provider's message, in one line.
    pub message: String,
}

impl From<&CloudError> for Failure {
    fn from(error: &CloudError) -> Self {
        Self { code: error.code.clone(), message: error.to_string() }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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

impl StepRecord {
    /// A record.
    pub fn new(resource: impl Into<ResourceId>, step: StepKind, result: StepResult) -> Self {
        Self { resource: resource.into(), step, result }
    }

    /// A failure, which is logged as well.
    pub fn failed(resource: impl Into<ResourceId>, step: StepKind, error: &CloudError) -> Self {
        let resource = resource.into();
        tracing::error!(id = %resource, step = %step, code = error.code, %error, "step failed");
        Self::new(resource, step, StepResult::Failed(error.into()))
    }

    /// Whether the step was taken, or had been before.
    pub fn is_done(&self) -> bool {
        self.result == StepResult::Done
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.result {
            StepResult::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// What had changed, if that is why it was not taken.
    pub fn change(&self) -> Option<&Change> {
        match &self.result {
            StepResult::Changed(change) => Some(change),
            _ => None,
        }
    }
}

/// The record, for people.
impl fmt::Display for StepRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, step, result } = self;
        match result {
            StepResult::Done => write!(f, "{step} of {resource}: done"),
            StepResult::InUse => write!(f, "{step} of {resource}: still in use"),
            StepResult::Changed(change) => write!(f, "{step} of {resource}: {change}"),
            StepResult::Deferred => write!(f, "{step} of {resource}: deferred"),
            StepResult::NotReached => write!(f, "{step} of {resource}: not reached"),
            StepResult::Failed(failure) => write!(f, "{step} of {resource}: {}", failure.message),
        }
    }
}

impl Outcome {
    /// The outcome of a run that takes no step.
    pub fn refused(refusal: Option<Refusal>) -> Self {
        Self { refusal, ..Self::default() }
    }

    /// The records of the steps that were taken.
    pub fn done(&self, step: StepKind) -> impl Iterator<Item = &ResourceId> {
        let taken = self.steps.iter().filter(move |one| one.step == step);
        taken.filter(|one| one.result == StepResult::Done).map(|one| &one.resource)
    }

    /// The images on which this step was taken.
    pub fn images_done(&self, step: StepKind) -> impl Iterator<Item = &ImageId> {
        self.done(step).filter_map(ResourceId::as_image)
    }

    /// The snapshots on which this step was taken.
    pub fn snapshots_done(&self, step: StepKind) -> impl Iterator<Item = &SnapshotId> {
        self.done(step).filter_map(ResourceId::as_snapshot)
    }

    /// The steps that failed.
    pub fn failed(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|one| one.failure().is_some())
    }

    /// The steps that were not taken because something had changed.
    pub fn changed(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|one| one.change().is_some())
    }

    /// The resources of the steps that a cap left to a later run.
    pub fn deferred(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::Deferred)
    }

    /// The resources of the steps that there was no time for.
    pub fn not_reached(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::NotReached)
    }

    /// The snapshots that an image still uses, as far as the provider knows.
    pub fn in_use(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::InUse)
    }

    fn with(&self, is_meant: fn(&StepResult) -> bool) -> impl Iterator<Item = &ResourceId> {
        self.steps.iter().filter(move |one| is_meant(&one.result)).map(|one| &one.resource)
    }

    /// How the run ended.
    pub fn status(&self) -> Status {
        let (mut tried, mut failed, mut left) = (false, false, false);
        for record in &self.steps {
            match &record.result {
                StepResult::Done | StepResult::InUse | StepResult::Changed(_) => tried = true,
                StepResult::Failed(_) => failed = true,
                StepResult::NotReached => left = true,
                StepResult::Deferred => {}
            }
        }
        match (failed, tried) {
            (true, false) => Status::Failed,
            (true, true) => Status::Part,
            (false, _) if self.refusal.is_some() => Status::Refused,
            (false, _) if left => Status::Part,
            (false, _) => Status::Done,
        }
    }

    /// The outcome of two parts of a run.
    pub fn and(mut self, other: Self) -> Self {
        let Self { refusal, steps, omitted } = other;
        self.steps.extend(steps);
        self.omitted += omitted;
        self.refusal = self.refusal.or(refusal);
        self.sorted()
    }

    /// The same with at most `max` records, for an answer of limited size. Steps that were taken
    /// are left out first; the log has all of them.
    pub fn abridged(mut self, max: usize) -> Self {
        if self.steps.len() > max {
            self.omitted += self.steps.len() - max;
            self.steps.sort_by_key(|one| one.result == StepResult::Done);
            self.steps.truncate(max);
            return self.sorted();
        }
        self
    }

    pub(super) fn record(
        &mut self,
        resource: impl Into<ResourceId>,
        step: StepKind,
        result: StepResult,
    ) {
        self.steps.push(StepRecord::new(resource, step, result));
    }

    pub(super) fn fail(
        &mut self,
        resource: impl Into<ResourceId>,
        step: StepKind,
        error: &CloudError,
    ) {
        self.steps.push(StepRecord::failed(resource, step, error));
    }

    /// The same outcome has the same order, whichever call was answered first: by step, then by
    /// resource.
    pub(super) fn sorted(mut self) -> Self {
        self.sort();
        self
    }

    /// The same in place.
    pub(crate) fn sort(&mut self) {
        self.steps.sort_by(|a, b| (a.step, &a.resource).cmp(&(b.step, &b.resource)));
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abridged_outcome_keeps_what_was_not_done_and_counts_the_rest() {
        let image = |n: u32| ResourceId::Image(format!("ami-{n}").parse().unwrap());
        let mut outcome = Outcome::default();
        for n in 0..9 {
            outcome.record(image(n), StepKind::Expire, StepResult::Done);
        }
        outcome.record(image(9), StepKind::Expire, StepResult::Changed(Change::Gone));
        assert_eq!(outcome.clone().abridged(10), outcome);
        let abridged = outcome.abridged(4);
        assert_eq!((abridged.steps.len(), abridged.omitted), (4, 6));
        assert_eq!(abridged.changed().count(), 1);
    }
}
