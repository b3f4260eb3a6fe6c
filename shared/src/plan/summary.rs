//! The counts of a plan.

use foldhash::{HashSet, HashSetExt};
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::{Action, Decision};
use crate::model::{Inventory, Snapshot, SnapshotId};

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
        let snapshots = |stay: bool| {
            let images = decisions.iter().filter(move |one| one.action.stays() == stay);
            images.flat_map(|one| &one.snapshots)
        };
        let expired_images = summary.images - summary.keep - summary.rescue;
        let mut expired: HashSet<&SnapshotId> = HashSet::with_capacity(expired_images);
        expired.extend(snapshots(false));
        for kept in snapshots(true) {
            expired.remove(kept);
        }
        summary.snapshots = going.len();
        summary.sizes_unknown = expired.len();
        for Snapshot { snapshot_id, size_gib, .. } in &inventory.snapshots {
            let Some(size_gib) = *size_gib else { continue };
            if going.contains(snapshot_id) {
                summary.snapshots_gib += u64::from(size_gib);
            }
            if expired.contains(snapshot_id) {
                summary.expired_gib += u64::from(size_gib);
                summary.sizes_unknown -= 1;
            }
        }
        summary
    }
}
