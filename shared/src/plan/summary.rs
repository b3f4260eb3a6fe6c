//! The counts of a plan.

use foldhash::{HashMap, HashMapExt};
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
    pub expired_gib: u64,
    /// Those that are expired, whatever their step: what this policy removes sooner or later, deferred
    /// ones included.
    pub expired_total: usize,
    /// Those that no rule matches.
    pub uncovered: usize,
    /// The size in GiB of the snapshots of all images.
    pub images_gib: u64,
    /// The part of it that only images use which no rule matches.
    pub uncovered_gib: u64,
    /// How many of the snapshots of expired images have a size that is not known: they count as nothing.
    pub sizes_unknown: usize,
}

/// What the decisions say about one snapshot.
#[derive(Default)]
struct SnapshotUse {
    size_gib: Option<u32>,
    /// Whether an image uses it that is deregistered now.
    goes: bool,
    /// Whether an image uses it that is expired.
    expired: bool,
    /// Whether an image uses it that is kept.
    kept: bool,
    /// Whether an image uses it that no rule matches.
    uncovered: bool,
    /// Whether an image uses it that a rule matches.
    covered: bool,
}

impl Summary {
    /// The counts of these decisions, in which the sizes are filled in.
    pub(super) fn measure(decisions: &mut [Decision], inventory: &Inventory) -> Self {
        let mut summary = Self { images: decisions.len(), ..Self::default() };
        let mut uses: HashMap<&SnapshotId, SnapshotUse> =
            HashMap::with_capacity(inventory.snapshots.len());
        for snapshot in &inventory.snapshots {
            let size_gib = snapshot.size_gib;
            uses.insert(&snapshot.snapshot_id, SnapshotUse { size_gib, ..SnapshotUse::default() });
        }
        for decision in decisions.iter_mut() {
            let sizes = decision.snapshots.iter().filter_map(|id| uses.get(id)?.size_gib);
            decision.size_gib = sizes.reduce(u32::saturating_add);
        }
        for decision in decisions.iter() {
            summary.count(decision);
            let (stays, covered) = (decision.action.stays(), decision.rule.is_some());
            for snapshot in &decision.snapshots {
                let used = uses.entry(snapshot).or_default();
                used.kept |= stays;
                used.expired |= !stays;
                used.covered |= covered;
                used.uncovered |= !covered;
            }
            if let Action::Deregister { removal } = &decision.action {
                for snapshot in &removal.snapshots {
                    uses.entry(snapshot).or_default().goes = true;
                }
            }
        }
        for used in uses.values() {
            let gib = used.size_gib.map_or(0, u64::from);
            if used.goes {
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
