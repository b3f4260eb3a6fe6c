//! The counts of one run: the same in the event `Sweep Completed` and in the metrics.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, StepKind, StepResult};
use crate::plan::Summary;

/// What one run saw and did. In plan mode nothing is done, and only what was seen is above zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Images of the account.
    pub images_seen: usize,
    /// Images that something refers to.
    pub images_in_use: usize,
    /// Images that are kept.
    pub images_kept: usize,
    /// Images that were tagged as expired.
    pub images_expired: usize,
    /// Images that were deprecated.
    pub images_deprecated: usize,
    /// Images that were disabled.
    pub images_disabled: usize,
    /// Images that were deregistered.
    pub images_deregistered: usize,
    /// Images of which every step was undone.
    pub images_rescued: usize,
    /// Images that a cap leaves to a later run: their next step, or the tags that they lack.
    pub images_deferred: usize,
    /// Images that were tagged when they became available, or in a sweep that found them without tags.
    pub images_tagged: usize,
    /// Orphaned snapshots that were tagged, to be deleted later.
    pub snapshots_marked: usize,
    /// Snapshots that were deleted.
    pub snapshots_deleted: usize,
    /// The size of those, in GiB: an upper bound on what was freed.
    pub gib_freed: u64,
    /// Instances that were stopped or terminated.
    pub instances_retired: usize,
    /// 1 when the run refused to remove anything.
    pub refused: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Images and snapshots that there was no time for.
    pub not_reached: usize,
    /// Events that the bus did not accept. In `Sweep Completed`: before that event was sent.
    pub events_lost: usize,
}

impl Counts {
    /// Adds what a plan saw.
    pub fn seen(mut self, summary: &Summary) -> Self {
        self.images_seen += summary.images;
        self.images_in_use += summary.in_use;
        self.images_kept += summary.keep;
        self
    }

    /// Adds what was done, except the sizes of snapshots, which an outcome does not know.
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
                // One image has several tag steps: its job counts it.
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
