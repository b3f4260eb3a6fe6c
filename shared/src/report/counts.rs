//! The counts of one run: the same in the event `Sweep Completed` and in the metrics.

use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::Outcome;
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
    /// Images that were marked as expired.
    pub images_expired: usize,
    /// Images that are shown as deprecated now.
    pub images_deprecated: usize,
    /// Images that nobody can launch any more.
    pub images_disabled: usize,
    /// Images that are gone.
    pub images_deregistered: usize,
    /// Images of which everything was taken back.
    pub images_rescued: usize,
    /// Images that a cap keeps for a later run.
    pub images_deferred: usize,
    /// Images that were tagged when they became available.
    pub images_tagged: usize,
    /// Orphaned snapshots that were marked.
    pub snapshots_marked: usize,
    /// Snapshots that are gone.
    pub snapshots_deleted: usize,
    /// The size of those, in GiB: an upper bound on what was freed.
    pub gib_freed: u64,
    /// Machines that were stopped or terminated.
    pub instances_retired: usize,
    /// 1 when the run refused to remove anything.
    pub refused: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Images and snapshots that the deadline left for the next run.
    pub not_reached: usize,
}

impl Counts {
    /// Adds what a plan saw.
    pub fn seen(mut self, summary: &Summary) -> Self {
        self.images_seen += summary.images;
        self.images_in_use += summary.in_use;
        self.images_kept += summary.keep;
        self
    }

    /// Adds what was done, but for the sizes of snapshots, which an outcome does not know.
    pub fn done(mut self, outcome: &Outcome) -> Self {
        let Outcome {
            expired,
            deprecated,
            disabled,
            rescued,
            deregistered,
            marked,
            deleted,
            later: _,
            changed: _,
            deferred,
            not_reached,
            failed,
            refused,
        } = outcome;
        self.images_expired += expired.len();
        self.images_deprecated += deprecated.len();
        self.images_disabled += disabled.len();
        self.images_rescued += rescued.len();
        self.images_deregistered += deregistered.len();
        self.images_deferred += deferred.len();
        self.snapshots_marked += marked.len();
        self.snapshots_deleted += deleted.len();
        self.not_reached += not_reached.len();
        self.failed += failed.len();
        self.refused += usize::from(refused.is_some());
        self
    }
}
