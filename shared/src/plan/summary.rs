//! The counts of a plan.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::{Action, Decision};
use crate::model::{Inventory, SnapshotId};

/// The counts of a plan, in images unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub images: usize,
    pub in_use: usize,
    pub keep: usize,
    pub rescue: usize,
    pub wait: usize,
    pub expire: usize,
    pub deprecate: usize,
    pub disable: usize,
    pub deregister: usize,
    /// Those whose time to be disabled or deregistered has come but for a cap.
    pub deferred: usize,
    /// Snapshots that go with the images of `deregister`.
    pub snapshots: usize,
    /// Their size in GiB: an upper bound on what deleting them frees.
    pub snapshots_gib: u64,
    /// The size in GiB of the snapshots of all images that are expired, whatever their step, but
    /// for those that another image uses which is kept: an upper bound on what retiring them frees.
    #[serde(default)]
    pub expired_gib: u64,
    /// How many of those snapshots have a size that is not known: they count as nothing.
    #[serde(default)]
    pub sizes_unknown: usize,
}

impl Summary {
    /// The counts of these decisions.
    pub(super) fn of(decisions: &[Decision], inventory: &Inventory) -> Self {
        let mut summary = Self { images: decisions.len(), ..Self::default() };
        let mut going: HashSet<&SnapshotId> = HashSet::new();
        for decision in decisions {
            summary.in_use += usize::from(decision.is_in_use());
            if decision.reasons.iter().any(|reason| matches!(reason, Reason::Deferred { .. })) {
                summary.deferred += 1;
            }
            match &decision.action {
                Action::Keep => summary.keep += 1,
                Action::Wait => summary.wait += 1,
                Action::Expire => summary.expire += 1,
                Action::Deprecate { .. } => summary.deprecate += 1,
                Action::Disable { .. } => summary.disable += 1,
                Action::Rescue(_) => summary.rescue += 1,
                Action::Deregister { removal } => {
                    summary.deregister += 1;
                    going.extend(&removal.snapshots);
                }
            }
        }
        summary.snapshots = going.len();
        summary.snapshots_gib = size_of(&going, inventory);
        let (stay, go): (Vec<&Decision>, Vec<&Decision>) =
            decisions.iter().partition(|one| one.action.stays());
        let mut expired: HashSet<&SnapshotId> = go.iter().flat_map(|one| &one.snapshots).collect();
        for snapshot in stay.iter().flat_map(|one| &one.snapshots) {
            expired.remove(snapshot);
        }
        summary.expired_gib = size_of(&expired, inventory);
        let known = inventory.snapshots.iter().filter(|one| one.size_gib.is_some());
        let known = known.filter(|one| expired.contains(&one.snapshot_id)).count();
        summary.sizes_unknown = expired.len() - known;
        summary
    }
}

/// The size of these snapshots together, in GiB; what is not known counts as nothing.
fn size_of(snapshots: &HashSet<&SnapshotId>, inventory: &Inventory) -> u64 {
    let meant = inventory.snapshots.iter().filter(|one| snapshots.contains(&one.snapshot_id));
    meant.filter_map(|snapshot| snapshot.size_gib).map(u64::from).sum()
}
