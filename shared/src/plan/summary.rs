//! The counts of a plan.

use foldhash::{HashMap, HashMapExt};
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::{Action, Decision};
use crate::model::{ImageId, Inventory, SnapshotId};

/// The counts of a plan. Each count is a number of images, unless documented otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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
    /// Images whose disabling or deregistration is due, but deferred by a limit.
    pub deferred: usize,
    /// The number of snapshots that are deleted because of the images in `deregister`.
    pub snapshots: usize,
    /// The total size in GiB of these snapshots, and of the disks of images in `deregister` that no
    /// snapshots back: an upper bound on the storage that deleting them frees.
    pub snapshots_gib: u64,
    /// The total size in GiB of the snapshots or disks of all expired images, whatever their step,
    /// except for snapshots that a kept image uses. It is an upper bound on the storage that retiring the
    /// images frees.
    pub expired_gib: u64,
    /// Images that are expired, whatever their step: everything that this policy eventually
    /// removes, including deferred images.
    pub expired_total: usize,
    /// Images that no rule matches.
    pub uncovered: usize,
    /// The total size in GiB of the snapshots or disks of all images.
    pub images_gib: u64,
    /// The total size in GiB of the snapshots or disks that only images without a matching rule use.
    pub uncovered_gib: u64,
    /// The number of snapshots or disks of expired images whose size is unknown. They count as 0 GiB.
    pub sizes_unknown: usize,
}

/// How the images in a plan use a snapshot.
#[derive(Default)]
struct SnapshotUse {
    size_gib: Option<u32>,
    /// Whether an image that is deregistered now uses the snapshot.
    deleted: bool,
    /// Whether an expired image uses the snapshot.
    expired: bool,
    /// Whether a kept image uses the snapshot.
    kept: bool,
    /// Whether an image that no rule matches uses the snapshot.
    uncovered: bool,
    /// Whether an image that a rule matches uses the snapshot.
    covered: bool,
}

impl Summary {
    /// Counts the decisions, and sets their sizes.
    pub(super) fn measure(decisions: &mut [Decision], inventory: &Inventory) -> Self {
        let mut summary = Self { images: decisions.len(), ..Self::default() };
        let mut uses: HashMap<&SnapshotId, SnapshotUse> =
            HashMap::with_capacity(inventory.snapshots.len());
        for snapshot in &inventory.snapshots {
            let size_gib = snapshot.size_gib;
            uses.insert(&snapshot.snapshot_id, SnapshotUse { size_gib, ..SnapshotUse::default() });
        }
        let images = inventory.images.iter().filter(|image| !image.disks.is_empty());
        let disks: HashMap<&ImageId, (Option<u32>, usize)> =
            images.map(|image| (&image.image_id, image.disk_sizes())).collect();
        for decision in decisions.iter_mut() {
            let sizes = decision.snapshots.iter().filter_map(|id| uses.get(id)?.size_gib);
            let of_disks = || disks.get(&decision.image_id).and_then(|(size, _)| *size);
            decision.size_gib = sizes.reduce(u32::saturating_add).or_else(of_disks);
        }
        for decision in decisions.iter() {
            summary.count(decision);
            let (stays, covered) = (decision.action.stays(), decision.rule.is_some());
            if let Some((size, unknown)) = disks.get(&decision.image_id) {
                summary.add_disks(decision, size.map_or(0, u64::from), *unknown);
            }
            for snapshot in &decision.snapshots {
                let used = uses.entry(snapshot).or_default();
                used.kept |= stays;
                used.expired |= !stays;
                used.covered |= covered;
                used.uncovered |= !covered;
            }
            if let Action::Deregister { removal } = &decision.action {
                for snapshot in &removal.snapshots {
                    uses.entry(snapshot).or_default().deleted = true;
                }
            }
        }
        for used in uses.values() {
            let gib = used.size_gib.map_or(0, u64::from);
            if used.deleted {
                summary.snapshots += 1;
                summary.snapshots_gib += gib;
            }
            if used.expired && !used.kept {
                summary.expired_gib += gib;
                summary.sizes_unknown += usize::from(used.size_gib.is_none());
            }
            if used.covered || used.uncovered {
                summary.images_gib += gib;
            }
            if used.uncovered && !used.covered {
                summary.uncovered_gib += gib;
            }
        }
        summary
    }

    /// Adds the disks of an image that no snapshots back.
    fn add_disks(&mut self, decision: &Decision, gib: u64, sizes_unknown: usize) {
        self.images_gib += gib;
        if !decision.action.stays() {
            self.expired_gib += gib;
            self.sizes_unknown += sizes_unknown;
        }
        if decision.rule.is_none() {
            self.uncovered_gib += gib;
        }
        if matches!(decision.action, Action::Deregister { .. }) {
            self.snapshots_gib += gib;
        }
    }

    fn count(&mut self, decision: &Decision) {
        self.in_use += usize::from(decision.is_in_use());
        self.uncovered += usize::from(decision.rule.is_none());
        self.expired_total += usize::from(!decision.action.stays());
        let deferred = |reason: &Reason| matches!(reason, Reason::Deferred { .. });
        self.deferred += usize::from(decision.reasons.iter().any(deferred));
        match &decision.action {
            Action::Keep => self.keep += 1,
            Action::Wait => self.wait += 1,
            Action::Expire => self.expire += 1,
            Action::Deprecate { .. } => self.deprecate += 1,
            Action::Disable { .. } => self.disable += 1,
            Action::Rescue(_) => self.rescue += 1,
            Action::Deregister { .. } => self.deregister += 1,
        }
    }
}
