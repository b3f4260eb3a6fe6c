//! The outcome of a run: one record per step and resource.

use std::fmt;

use serde::Serialize;

use super::Change;
use crate::cloud::{CloudError, ErrorKind};
use crate::model::{ImageId, InWords, ResourceId, SnapshotId};
use crate::plan::Refusal;

/// The outcome of a run. All counts and texts derive from its records.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Why the run removed nothing, if it refused.
    pub refusal: Option<Refusal>,
    /// The records, sorted by step and then by resource. A resource can have several.
    pub steps: Vec<StepRecord>,
    /// The number of records that [`Outcome::abridged`] dropped.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

/// The result of one step on one resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// The image, snapshot or instance.
    pub resource: ResourceId,
    /// The step that the run applied or tried to apply.
    pub step: StepKind,
    /// The result of the step.
    #[serde(flatten)]
    pub result: StepResult,
}

/// The steps of a run.
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
    /// Write the tags of a new image, on the image or on one of its snapshots.
    Tag,
    /// Undo all steps on an image that a keep rule or a protection keeps again.
    Rescue,
    /// Share a rescued image again. Recorded only if a person must decide.
    Share,
    /// Tag an image as expired.
    Expire,
    /// Read the details that listings do not include. Without them, no further step is applied.
    Verify,
    /// Deprecate an image.
    Deprecate,
    /// Read an image or a snapshot again, right before it is changed.
    Recheck,
    /// Disable an image.
    Disable,
    /// Write the state tags of an image and its snapshots before the image is deregistered.
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

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    /// The step was applied, by this run or before it.
    Done,
    /// The provider reports that an image still uses the snapshot. A later run tries again.
    InUse,
    /// The resource changed since planning and was skipped.
    Changed(Change),
    /// The step is due, but a limit deferred it to a later run.
    Deferred,
    /// The deadline passed first. The next run applies the step.
    NotReached,
    /// The step failed. The run continued with the other resources.
    Failed(Failure),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The provider's error code. Empty if there was no response.
    pub code: String,
    /// The call and the provider's message, on one line.
    pub message: String,
}

impl From<&CloudError> for Failure {
    fn from(error: &CloudError) -> Self {
        Self { code: error.code.clone(), message: error.to_string() }
    }
}

/// The overall result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Everything in the plan was applied.
    Done,
    /// Some steps failed or were not reached.
    Part,
    /// Every attempted step failed.
    Failed,
    /// The run refused to remove anything.
    Refused,
}

impl StepRecord {
    /// Creates a record.
    pub fn new(resource: impl Into<ResourceId>, step: StepKind, result: StepResult) -> Self {
        Self { resource: resource.into(), step, result }
    }

    /// Creates the record of a failed step and logs the error.
    pub fn failed(resource: impl Into<ResourceId>, step: StepKind, error: &CloudError) -> Self {
        let resource = resource.into();
        if error.kind == ErrorKind::Busy {
            tracing::info!(id = %resource, step = %step, %error, "left to a later run");
            return Self::new(resource, step, StepResult::NotReached);
        }
        tracing::error!(id = %resource, step = %step, code = error.code, %error, "step failed");
        Self::new(resource, step, StepResult::Failed(error.into()))
    }

    /// Returns whether the step was applied, by this run or before it.
    pub fn is_done(&self) -> bool {
        self.result == StepResult::Done
    }

    /// Returns the failure, if the step failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.result {
            StepResult::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns the change since planning that made the run skip the step, if any.
    pub fn change(&self) -> Option<&Change> {
        match &self.result {
            StepResult::Changed(change) => Some(change),
            _ => None,
        }
    }
}

/// Formats the record as one line of text.
impl fmt::Display for StepRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, step, result } = self;
        let words = resource.provider().words();
        let (resource, step) = (resource.short(), words.step(step.into()));
        match result {
            StepResult::Done => write!(f, "{step} of {resource}: done"),
            StepResult::InUse => write!(f, "{step} of {resource}: still in use"),
            StepResult::Changed(change) => {
                write!(f, "{step} of {resource}: {}", change.in_words(words))
            }
            StepResult::Deferred => write!(f, "{step} of {resource}: deferred"),
            StepResult::NotReached => write!(f, "{step} of {resource}: not reached"),
            StepResult::Failed(failure) => write!(f, "{step} of {resource}: {}", failure.message),
        }
    }
}

impl Outcome {
    /// Creates an outcome without records.
    pub fn refused(refusal: Option<Refusal>) -> Self {
        Self { refusal, ..Self::default() }
    }

    /// Returns the resources to which `step` was applied.
    pub fn done(&self, step: StepKind) -> impl Iterator<Item = &ResourceId> {
        let taken = self.steps.iter().filter(move |one| one.step == step);
        taken.filter(|one| one.result == StepResult::Done).map(|one| &one.resource)
    }

    /// Returns the images to which `step` was applied.
    pub fn images_done(&self, step: StepKind) -> impl Iterator<Item = &ImageId> {
        self.done(step).filter_map(ResourceId::as_image)
    }

    /// Returns the snapshots to which `step` was applied.
    pub fn snapshots_done(&self, step: StepKind) -> impl Iterator<Item = &SnapshotId> {
        self.done(step).filter_map(ResourceId::as_snapshot)
    }

    /// Returns the records of the failed steps.
    pub fn failed(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|one| one.failure().is_some())
    }

    /// Returns the records of the steps that were skipped because the resource changed.
    pub fn changed(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|one| one.change().is_some())
    }

    /// Returns the resources whose step a limit deferred to a later run.
    pub fn deferred(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::Deferred)
    }

    /// Returns the resources that the run did not reach before its deadline.
    pub fn not_reached(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::NotReached)
    }

    /// Returns the snapshots that an image still uses, according to the provider.
    pub fn in_use(&self) -> impl Iterator<Item = &ResourceId> {
        self.with(|result| *result == StepResult::InUse)
    }

    fn with(&self, is_meant: fn(&StepResult) -> bool) -> impl Iterator<Item = &ResourceId> {
        self.steps.iter().filter(move |one| is_meant(&one.result)).map(|one| &one.resource)
    }

    /// Returns the overall result of the run.
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

    /// Merges the outcomes of two parts of a run.
    pub fn and(mut self, other: Self) -> Self {
        let Self { refusal, steps, omitted } = other;
        self.steps.extend(steps);
        self.omitted += omitted;
        self.refusal = self.refusal.or(refusal);
        self.sorted()
    }

    /// Limits the outcome to `max` records, for a response of limited size. Records of applied
    /// steps are dropped first. The log contains all of them.
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

    /// Sorts the records by step and then by resource, so that the order of the responses does not
    /// matter.
    pub(super) fn sorted(mut self) -> Self {
        self.sort();
        self
    }

    /// Sorts the records in place.
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
