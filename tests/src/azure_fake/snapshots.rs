//! Reading and deleting disks and snapshots.

use async_trait::async_trait;
use steward::cloud::{
    CloudError, ErrorKind, Freshness, SnapshotDeletion, SnapshotReader, SnapshotScope,
    SnapshotWriter,
};
use steward::model::{Attribution, Recoverability, Snapshot, SnapshotId};

use super::fleet::FleetDisk;
use super::images::{LOCK_READ, shown};
use super::{AzureFake, not_found};
use crate::fake::faults::{error, in_hash_order};

/// Disks and snapshots have an action each. One is enough here.
pub(super) const DISK_READ: &str = "Microsoft.Compute/disks/read";
const DISK_DELETE: &str = "Microsoft.Compute/disks/delete";

#[async_trait]
impl SnapshotReader for AzureFake {
    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError> {
        let mut inner = self.begin();
        inner.read(DISK_READ, &[])?;
        let found = inner.state.disks.iter().map(|(id, disk)| seen(id, disk));
        let found = found.filter(|one| match scope {
            SnapshotScope::Own => true,
            SnapshotScope::Tagged { key, value } => one.tags.get(key) == Some(value),
        });
        Ok(in_hash_order(found.collect(), |one| one.snapshot_id.as_str()))
    }

    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        let mut inner = self.begin();
        if !snapshots.is_empty() {
            let about: Vec<&str> = snapshots.iter().map(SnapshotId::as_str).collect();
            inner.read(DISK_READ, &about)?;
        }
        let found = snapshots.iter().filter_map(|id| Some(seen(id, inner.state.disks.get(id)?)));
        Ok(in_hash_order(found.collect(), |one| one.snapshot_id.as_str()))
    }

    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        let mut inner = self.begin();
        inner.read(LOCK_READ, &[])?;
        let state = &inner.state;
        let locked = state
            .disks
            .iter()
            .filter(|(id, disk)| disk.locked || state.lock_on(id.as_str(), true).is_some());
        Ok(locked.map(|(id, _)| id.clone()).collect())
    }
}

#[async_trait]
impl SnapshotWriter for AzureFake {
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError> {
        if !check() {
            return Ok(None);
        }
        let deleted = self.begin().change(DISK_DELETE, snapshot.as_str(), |state, _| {
            let found = state.disks.get(snapshot);
            let found = found.ok_or_else(|| not_found(DISK_DELETE, snapshot.as_str()))?;
            if found.locked || found.attached_to.is_some() {
                let message = format!("'{snapshot}' cannot be deleted: it is attached or locked.");
                return Err(error::of(DISK_DELETE, "OperationNotAllowed", &message));
            }
            state.disks.remove(snapshot);
            Ok(())
        });
        match deleted {
            Ok(()) => Ok(Some(SnapshotDeletion::Deleted)),
            Err(error) if error.kind == ErrorKind::NotFound => {
                Ok(Some(SnapshotDeletion::AlreadyGone))
            }
            Err(error) => Err(error),
        }
    }
}

fn seen(id: &SnapshotId, disk: &FleetDisk) -> Snapshot {
    Snapshot {
        started_at: Some(disk.created_at),
        size_gib: Some(30),
        tags: shown(&disk.tags),
        completed: Some(true),
        shared_with: Some(Box::default()),
        attribution: Attribution::StateTag,
        recovery: Recoverability::Unsupported,
        ..Snapshot::new(id.clone())
    }
}
