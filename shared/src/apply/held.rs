//! Locks and references, other than images, that keep a snapshot from being deleted.

use std::collections::HashMap;

use crate::cloud::{Cloud, CloudError};
use crate::model::{SnapshotId, SnapshotReference};
use crate::plan::snapshots::SnapshotReason;
use crate::policy::Policy;

/// Snapshots that are locked, or that a launch template or launch configuration references, with
/// the reasons.
#[derive(Default)]
pub(super) struct HeldSnapshots(HashMap<SnapshotId, Vec<SnapshotReason>>);

impl HeldSnapshots {
    /// Reads the locks and the references.
    pub(super) async fn read(policy: &Policy, cloud: &dyn Cloud) -> Result<Self, CloudError> {
        let scope = policy.safety.reference_scope();
        let (locked, named) = futures_util::join!(
            cloud.list_locked_snapshots(),
            cloud.list_snapshot_references(&scope)
        );
        let mut held: HashMap<SnapshotId, Vec<SnapshotReason>> = HashMap::new();
        for snapshot in locked? {
            held.entry(snapshot).or_default().push(SnapshotReason::Locked);
        }
        for named in named? {
            let SnapshotReference { snapshot_id, kind, arn, version } = named;
            let reason = SnapshotReason::NamedBy { kind, arn, version };
            held.entry(snapshot_id).or_default().push(reason);
        }
        Ok(Self(held))
    }

    /// Returns the reasons to keep `snapshot`. Empty if there are none.
    pub(super) fn reasons(&self, snapshot: &SnapshotId) -> &[SnapshotReason] {
        self.0.get(snapshot).map_or(&[], Vec::as_slice)
    }
}
