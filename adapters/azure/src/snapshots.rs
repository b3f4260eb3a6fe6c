//! Snapshots and managed disks, from which images are created.

use async_trait::async_trait;
use futures_util::future::try_join_all;
use steward::cloud::{
    CloudError, ErrorKind, Freshness, SnapshotDeletion, SnapshotReader, SnapshotScope,
    SnapshotWriter,
};
use steward::model::{Attribution, Recoverability, Snapshot as ModelSnapshot, SnapshotId};

use crate::api::{DELETE_DISK, DELETE_SNAPSHOT, DISKS, SNAPSHOTS};
use crate::arm_id::ArmId;
use crate::azure::Azure;
use crate::error::bad_response;
use crate::image_mapping::tags_of;
use crate::operations::Started;
use crate::types::{Disk, DiskSnapshot};

/// HTTP status 409 by the state of the disk or snapshot.
const IN_USE: [&str; 3] =
    ["OperationNotAllowed", "ConflictingUserInput", "AttachDiskWhileBeingDetached"];

/// The managed disks and snapshots of the subscription.
#[derive(Debug)]
pub(crate) struct DisksAndSnapshots {
    pub(crate) disks: Vec<Disk>,
    pub(crate) snapshots: Vec<DiskSnapshot>,
}

/// A snapshot or a managed disk.
pub(crate) enum SnapshotKind {
    Snapshot(DiskSnapshot),
    Disk(Disk),
}

#[async_trait]
impl SnapshotReader for Azure {
    async fn list_snapshots(
        &self,
        scope: &SnapshotScope,
    ) -> Result<Vec<ModelSnapshot>, CloudError> {
        let listed = self.fresh_disks_and_snapshots().await?;
        let disks = listed.disks.iter().cloned().map(SnapshotKind::Disk);
        let snapshots = listed.snapshots.iter().cloned().map(SnapshotKind::Snapshot);
        let all = disks.chain(snapshots);
        let mut found = all.map(|one| snapshot_of(&one)).collect::<Result<Vec<_>, _>>()?;
        if let SnapshotScope::Tagged { key, value } = scope {
            found.retain(|one| one.tags.get(key) == Some(value));
        }
        Ok(found)
    }

    async fn find_snapshots(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<ModelSnapshot>, CloudError> {
        let found = snapshots.iter().map(|id| self.find_snapshot_or_disk(id));
        let found = try_join_all(found).await?;
        found.into_iter().flatten().map(|one| snapshot_of(&one)).collect()
    }

    /// Snapshots and disks with an immutability policy, or with a lock on them or around them.
    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        let (listed, locks) = futures_util::try_join!(self.disks_and_snapshots(), self.locks())?;
        let is_locked = |id: &ArmId| self.mapping(&locks).protection(id).is_some();
        let is_immutable = |one: &DiskSnapshot| {
            one.properties.immutability_policy.as_ref().is_some_and(|policy| policy.may_apply())
        };
        let snapshots =
            listed.snapshots.iter().filter(|one| is_immutable(one) || is_locked(&one.id));
        let disks = listed.disks.iter().filter(|one| is_locked(&one.id));
        let ids = snapshots.map(|one| &one.id).chain(disks.map(|one| &one.id));
        ids.map(snapshot_id).collect()
    }
}

#[async_trait]
impl SnapshotWriter for Azure {
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError> {
        let (call, query) = match is_disk(snapshot) {
            true => (DELETE_DISK, DISKS.query()),
            false => (DELETE_SNAPSHOT, SNAPSHOTS.query()),
        };
        self.forget_disks().await;
        match self.client.delete_if_fresh(call, snapshot.as_str(), &query, check).await {
            Ok(None) => Ok(None),
            Ok(Some(Started::NotFound)) => Ok(Some(SnapshotDeletion::AlreadyGone)),
            Ok(Some(started)) => {
                self.follow(started).await?;
                Ok(Some(SnapshotDeletion::Deleted))
            }
            Err(error) if IN_USE.contains(&error.code.as_str()) => {
                Ok(Some(SnapshotDeletion::InUse))
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                Ok(Some(SnapshotDeletion::AlreadyGone))
            }
            Err(error) => Err(error),
        }
    }
}

impl Azure {
    pub(crate) async fn read_disks_and_snapshots(&self) -> Result<DisksAndSnapshots, CloudError> {
        let disks = DISKS.in_subscription(&self.subscription);
        let snapshots = SNAPSHOTS.in_subscription(&self.subscription);
        let (disk_query, snapshot_query) = (DISKS.query(), SNAPSHOTS.query());
        let (disks, snapshots) = futures_util::try_join!(
            self.client.list(DISKS.read, &disks, &disk_query),
            self.client.list(SNAPSHOTS.read, &snapshots, &snapshot_query),
        )?;
        Ok(DisksAndSnapshots { disks, snapshots })
    }

    /// Reads a snapshot or disk. `None` if it does not exist, or belongs to another subscription.
    pub(crate) async fn find_snapshot_or_disk(
        &self,
        id: &SnapshotId,
    ) -> Result<Option<SnapshotKind>, CloudError> {
        let own = format!("/subscriptions/{}/", self.subscription);
        if !id.as_str().starts_with(&own) {
            return Ok(None);
        }
        Ok(if is_disk(id) {
            let found = self.client.find(DISKS.read, id.as_str(), &DISKS.query()).await?;
            found.map(SnapshotKind::Disk)
        } else {
            let found = self.client.find(SNAPSHOTS.read, id.as_str(), &SNAPSHOTS.query()).await?;
            found.map(SnapshotKind::Snapshot)
        })
    }
}

fn is_disk(id: &SnapshotId) -> bool {
    id.as_str().contains("/providers/microsoft.compute/disks/")
}

fn snapshot_id(id: &ArmId) -> Result<SnapshotId, CloudError> {
    id.as_str()
        .parse()
        .map_err(|_| bad_response(SNAPSHOTS.read, format!("`{id}` is not a snapshot")))
}

/// Neither a snapshot nor a disk can be recovered after its deletion, and only our tag shows for which
/// image it was used.
fn snapshot_of(found: &SnapshotKind) -> Result<ModelSnapshot, CloudError> {
    let (id, tags, made, gib, completed) = match found {
        SnapshotKind::Snapshot(one) => {
            let percent = one.properties.completion_percent;
            let is_complete = percent.is_none_or(|percent| percent >= 100.0);
            let properties = &one.properties;
            (&one.id, &one.tags, properties.time_created, properties.disk_size_gb, is_complete)
        }
        SnapshotKind::Disk(one) => {
            let properties = &one.properties;
            (&one.id, &one.tags, properties.time_created, properties.disk_size_gb, true)
        }
    };
    Ok(ModelSnapshot {
        started_at: made,
        size_gib: gib.and_then(|gib| gib.try_into().ok()),
        tags: tags_of(tags),
        completed: Some(completed),
        attribution: Attribution::StateTag,
        recovery: Recoverability::Unsupported,
        ..ModelSnapshot::new(snapshot_id(id)?)
    })
}
