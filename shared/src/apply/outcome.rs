//! What a run did, and what it did not.

use serde::Serialize;

use crate::cloud::CloudError;
use crate::ids::{ImageId, SnapshotId};

/// What a run did, and what it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Images that were marked as expired.
    pub expired: Vec<ImageId>,
    /// Images that are shown as deprecated now.
    pub deprecated: Vec<ImageId>,
    /// Images that nobody can launch any more.
    pub disabled: Vec<ImageId>,
    /// Images of which everything that was done was taken back.
    pub rescued: Vec<ImageId>,
    /// Images that are gone now.
    pub deregistered: Vec<ImageId>,
    /// Orphaned snapshots that were marked, to be deleted in a later run.
    pub marked: Vec<SnapshotId>,
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
    Deprecate,
    Recheck,
    Disable,
    Ledger,
    Deregister,
    Mark,
    DeleteSnapshot,
    Retire,
}

impl FailedStep {
    /// The step as reports name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Rescue => "rescue",
            Self::Deprecate => "deprecate",
            Self::Recheck => "recheck",
            Self::Disable => "disable",
            Self::Mark => "mark",
            Self::Ledger => "ledger",
            Self::Deregister => "deregister",
            Self::DeleteSnapshot => "delete_snapshot",
            Self::Retire => "retire",
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

impl Status {
    /// The status as reports name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Part => "part",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl Outcome {
    /// How the run went.
    pub fn status(&self) -> Status {
        let Self {
            expired,
            deprecated,
            disabled,
            rescued,
            deregistered,
            marked,
            deleted,
            later,
            changed,
            deferred: _,
            not_reached: _,
            failed: _,
            refused: _,
        } = self;
        let done = expired.len()
            + deprecated.len()
            + disabled.len()
            + rescued.len()
            + marked.len()
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

    /// The outcome of two halves of a run.
    pub fn and(mut self, other: Self) -> Self {
        let Self {
            expired,
            deprecated,
            disabled,
            rescued,
            deregistered,
            marked,
            deleted,
            later,
            changed,
            deferred,
            not_reached,
            failed,
            refused,
        } = other;
        self.expired.extend(expired);
        self.deprecated.extend(deprecated);
        self.disabled.extend(disabled);
        self.marked.extend(marked);
        self.rescued.extend(rescued);
        self.deregistered.extend(deregistered);
        self.deleted.extend(deleted);
        self.later.extend(later);
        self.changed.extend(changed);
        self.deferred.extend(deferred);
        self.not_reached.extend(not_reached);
        self.failed.extend(failed);
        self.refused = self.refused.or(refused);
        self.sorted()
    }

    pub(super) fn fail(&mut self, id: &str, step: FailedStep, error: &CloudError) {
        tracing::error!(id, step = step.as_str(), code = error.code, %error, "step failed");
        self.failed.push(Failure {
            id: id.to_owned(),
            step,
            code: error.code.clone(),
            message: error.to_string(),
        });
    }

    /// The same outcome gives the same bytes, whichever call was answered first.
    pub(super) fn sorted(mut self) -> Self {
        self.expired.sort();
        self.deprecated.sort();
        self.disabled.sort();
        self.marked.sort();
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
