//! Reading and deleting snapshots.

use async_trait::async_trait;
use steward::cloud::{
    CloudError, ErrorKind, Freshness, SnapshotDeletion, SnapshotReader, SnapshotScope,
    SnapshotWriter,
};
use steward::model::{Snapshot, SnapshotId};

use super::faults::{error, in_hash_order};
use super::{Call, Fake, FakeAccount};

#[async_trait]
impl SnapshotReader for Fake {
    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError> {
        const ACTION: &str = "ec2:DescribeSnapshots";
        let mut inner = self.begin(Call::ListSnapshots(scope.clone()));
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.snapshots.values();
        let own = own.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<Snapshot> = own
            .map(|one| one.seen())
            .filter(|one| match scope {
                SnapshotScope::Own => true,
                SnapshotScope::Tagged { key, value } => one.tags.get(key) == Some(value),
            })
            .collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |snapshot| snapshot.snapshot_id.as_str()))
    }

    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        let mut inner = self.begin(Call::FindSnapshots(snapshots.to_vec()));
        let about: Vec<&str> = snapshots.iter().map(SnapshotId::as_str).collect();
        if !about.is_empty() {
            inner.faults.check("ec2:DescribeSnapshots", &about)?;
        }
        let found = snapshots.iter().filter_map(|id| inner.state.snapshots.get(id));
        let own = found.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        Ok(in_hash_order(own.map(|one| one.seen()).collect(), |one| one.snapshot_id.as_str()))
    }

    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        const ACTION: &str = "ec2:DescribeLockedSnapshots";
        let mut inner = self.begin(Call::ListLockedSnapshots);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.snapshots.values();
        let own = own.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<SnapshotId> =
            own.filter(|one| one.locked).map(|one| one.snapshot_id.clone()).collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |snapshot| snapshot.as_str()))
    }
}

#[async_trait]
impl SnapshotWriter for Fake {
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError> {
        const ACTION: &str = "ec2:DeleteSnapshot";
        if !self.turn_comes(check) {
            return Ok(None);
        }
        let answer = self.changing(Call::DeleteSnapshot(snapshot.clone()), |inner| {
            let FakeAccount { state, faults, clock, .. } = inner;
            faults.check(ACTION, &[snapshot.as_str()])?;
            let found = state.own_snapshot(ACTION, snapshot)?;
            if found.locked {
                // The code is not verified against AWS.
                let message = format!("The snapshot {snapshot} is locked");
                return Err(error::of(ACTION, "SnapshotLocked", &message));
            }
            if state.users_of(snapshot).next().is_some() || state.races(snapshot, faults) {
                let message = format!("The snapshot {snapshot} is currently in use");
                return Err(error::of(ACTION, error::IN_USE, &message));
            }
            state.remove_snapshot(snapshot, *clock);
            faults.changed(ACTION)
        });
        match answer {
            Ok(()) => Ok(Some(SnapshotDeletion::Deleted)),
            Err(error) if error.kind == ErrorKind::NotFound => {
                Ok(Some(SnapshotDeletion::AlreadyGone))
            }
            Err(error) if error.code == error::IN_USE => Ok(Some(SnapshotDeletion::InUse)),
            Err(error) => Err(error),
        }
    }
}

impl FakeAccount {
    /// Whether EC2 deletes the snapshot together with its image.
    pub(super) fn delete_associated(&mut self, snapshot: &SnapshotId) -> bool {
        let Self { state, faults, clock, .. } = self;
        let denied = faults.switches.deny.iter().any(|action| action == "ec2:DeleteSnapshot");
        let result = faults.switches.associated_result.get(snapshot.as_str());
        let own_and_unlocked = state
            .snapshots
            .get(snapshot)
            .is_some_and(|found| found.owner_id == state.rest.account && !found.locked);
        let delete = own_and_unlocked
            && !denied
            && state.users_of(snapshot).next().is_none()
            && result.is_none_or(|code| code == "success");
        if delete {
            state.remove_snapshot(snapshot, *clock);
        }
        delete
    }
}
