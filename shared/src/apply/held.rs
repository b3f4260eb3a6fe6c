//! What else than images holds snapshots.

use std::collections::HashMap;

use crate::cloud::{Cloud, CloudError};
use crate::model::{SnapshotId, SnapshotReference};
use crate::plan::snapshots::SnapshotReason;
use crate::policy::Policy;

/// The snapshots that are locked, or named by a launch template or configuration, each with the
/// reasons.
#[derive(Default)]
pub(super) struct HeldSnapshots(HashMap<SnapshotId, Vec<SnapshotReason>>);

impl HeldSnapshots {
    /// Reads them.
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

    /// Why `snapshot` is held; empty if it is not.
    pub(super) fn reasons(&self, snapshot: &SnapshotId) -> &[SnapshotReason] {
        self.0.get(snapshot).map_or(&[], Vec::as_slice)
    }
}
