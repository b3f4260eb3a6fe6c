//! The counts of one run, for the event `Sweep Completed` and for the metrics.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, StepKind, StepResult};
use crate::plan::Summary;

/// The counts of one run. In plan mode only the counts of what was read can be above zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Images that the account owns.
    pub images_seen: usize,
    /// Images with at least one reference.
    pub images_in_use: usize,
    /// Images that the plan keeps.
    pub images_kept: usize,
    /// Images that were tagged as expired.
    pub images_expired: usize,
    /// Images that were deprecated.
    pub images_deprecated: usize,
    /// Images that were disabled.
    pub images_disabled: usize,
    /// Images that were deregistered.
    pub images_deregistered: usize,
    /// Images that were rescued: all their steps were undone.
    pub images_rescued: usize,
    /// Images whose next step, or whose missing tags, a limit deferred to a later run.
    pub images_deferred: usize,
    /// Images that were tagged, either when they became available or in a sweep that found them
    /// untagged.
    pub images_tagged: usize,
    /// Orphaned snapshots that were tagged with the time from which they may be deleted.
    pub snapshots_marked: usize,
    /// Snapshots that were deleted.
    pub snapshots_deleted: usize,
    /// The total size of the deleted snapshots, in GiB. An upper bound on the storage that was
    /// freed.
    pub gib_freed: u64,
    /// Instances that were stopped or terminated.
    pub instances_retired: usize,
    /// 1 if the run refused to remove anything, otherwise 0.
    pub refused: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Images and snapshots that the run did not reach before its deadline.
    pub not_reached: usize,
    /// Events that the event bus did not accept. In `Sweep Completed`, this does not include the
    /// event itself.
    pub events_lost: usize,
}

impl Counts {
    /// Adds the counts of a plan.
    pub fn seen(mut self, summary: &Summary) -> Self {
        self.images_seen += summary.images;
        self.images_in_use += summary.in_use;
        self.images_kept += summary.keep;
        self
    }

    /// Adds the counts of an outcome. An outcome does not contain snapshot sizes, so `gib_freed` is
    /// unchanged.
    pub fn done(mut self, outcome: &Outcome) -> Self {
        for record in &outcome.steps {
            match (&record.result, record.step) {
                (StepResult::Done, StepKind::Expire) => self.images_expired += 1,
                (StepResult::Done, StepKind::Rescue) => self.images_rescued += 1,
                (StepResult::Done, StepKind::Deprecate) => self.images_deprecated += 1,
                (StepResult::Done, StepKind::Disable) => self.images_disabled += 1,
                (StepResult::Done, StepKind::Deregister) => self.images_deregistered += 1,
                (StepResult::Done, StepKind::MarkOrphan) => self.snapshots_marked += 1,
                (StepResult::Done, StepKind::DeleteSnapshot) => self.snapshots_deleted += 1,
                (StepResult::Done, StepKind::RetireInstance) => self.instances_retired += 1,
                // An image has several tag steps. The run that tags it counts the image once.
                (
                    StepResult::Done,
                    StepKind::Tag
                    | StepKind::Share
                    | StepKind::Verify
                    | StepKind::Recheck
                    | StepKind::WriteStateTags,
                )
                | (StepResult::InUse | StepResult::Changed(_), _) => {}
                (StepResult::Deferred, _) => self.images_deferred += 1,
                (StepResult::NotReached, _) => self.not_reached += 1,
                (StepResult::Failed(_), _) => self.failed += 1,
            }
        }
        self.refused += usize::from(outcome.refusal.is_some());
        self
    }
}
