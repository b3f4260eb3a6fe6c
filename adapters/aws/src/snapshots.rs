//! Listing, finding and deleting snapshots.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, Snapshot as Ec2Snapshot, SnapshotState};
use steward::cloud::{
    CloudError, ErrorKind, Freshness, SnapshotDeletion, SnapshotReader, SnapshotScope,
    SnapshotWriter,
};
use steward::model::{Snapshot, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::error::{bad_response, is_in_use};
use super::pagination::{FILTER_VALUES, filter};
use super::tags::{literally, tags_of};
use super::time::timestamp;

/// The maximum page size of DescribeSnapshots.
const PAGE: i32 = 1000;

#[async_trait]
impl SnapshotReader for Aws {
    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError> {
        let filter = match scope {
            SnapshotScope::Own => None,
            SnapshotScope::Tagged { key, value } => {
                Some(Filter::builder().name(format!("tag:{key}")).values(literally(value)).build())
            }
        };
        self.own_snapshots(filter).await
    }

    /// Uses a filter, because one missing ID in a list of IDs fails the whole call.
    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        let mut found = Vec::with_capacity(snapshots.len());
        for some in snapshots.chunks(FILTER_VALUES) {
            let filter = filter("snapshot-id", some.iter().map(SnapshotId::as_str));
            found.extend(self.own_snapshots(Some(filter)).await?);
        }
        Ok(found)
    }

    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        self.list(
            ApiCall::DescribeLockedSnapshots,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .describe_locked_snapshots()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.snapshots, page.next_token),
            |lock| {
                let id = lock.snapshot_id.unwrap_or_default();
                let id = id.parse().map_err(|cause| {
                    let message = format!("invalid snapshot ID: {cause}");
                    bad_response(ApiCall::DescribeLockedSnapshots, message)
                });
                id.map(Some)
            },
        )
        .await
    }
}

#[async_trait]
impl SnapshotWriter for Aws {
    async fn delete_snapshot(
        &self,
        snapshot: &SnapshotId,
        check: Freshness<'_>,
    ) -> Result<Option<SnapshotDeletion>, CloudError> {
        let request = self.clients.ec2.delete_snapshot().snapshot_id(snapshot.as_str());
        let deletion = match self.send_if(check, ApiCall::DeleteSnapshot, request.send()).await {
            None => return Ok(None),
            Some(Ok(_)) => SnapshotDeletion::Deleted,
            Some(Err(error)) if error.kind == ErrorKind::NotFound => SnapshotDeletion::AlreadyGone,
            Some(Err(error)) if is_in_use(&error) => SnapshotDeletion::InUse,
            Some(Err(error)) => return Err(error),
        };
        Ok(Some(deletion))
    }
}

impl Aws {
    async fn own_snapshots(&self, filter: Option<Filter>) -> Result<Vec<Snapshot>, CloudError> {
        let filters: Option<Vec<Filter>> = filter.map(|filter| vec![filter]);
        self.list(
            ApiCall::DescribeSnapshots,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .describe_snapshots()
                    .owner_ids("self")
                    .max_results(PAGE)
                    .set_filters(filters.clone())
                    .set_next_token(token);
                request.send()
            },
            |page| (page.snapshots, page.next_token),
            |snapshot| snapshot_of(snapshot).map(Some),
        )
        .await
    }
}

fn snapshot_of(snapshot: Ec2Snapshot) -> Result<Snapshot, CloudError> {
    let id = snapshot.snapshot_id.unwrap_or_default();
    let snapshot_id = id.parse().map_err(|cause| {
        bad_response(ApiCall::DescribeSnapshots, format!("invalid snapshot ID: {cause}"))
    })?;
    let started_at = snapshot.start_time.and_then(timestamp);
    let completed = snapshot.state.map(|state| state == SnapshotState::Completed);
    // A tag that is older than the snapshot was copied with it. The check needs the start time.
    if completed == Some(true) && started_at.is_none() {
        let message = format!("the response lacks the start time of {snapshot_id}");
        return Err(bad_response(ApiCall::DescribeSnapshots, message));
    }
    Ok(Snapshot {
        started_at,
        size_gib: snapshot.volume_size.and_then(|size| size.try_into().ok()),
        tags: tags_of(ApiCall::DescribeSnapshots, snapshot.tags)?,
        description: snapshot.description.filter(|text| !text.is_empty()).map(Into::into),
        volume_id: snapshot.volume_id.filter(|id| !id.is_empty()).map(Into::into),
        completed,
        // Other calls provide the locks and permissions.
        ..Snapshot::new(snapshot_id)
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::primitives::DateTime;

    use super::*;

    #[test]
    fn a_complete_snapshot_has_a_start_time() {
        let of = |state: &str| {
            snapshot_of(Ec2Snapshot::builder().snapshot_id("snap-1").state(state.into()).build())
        };
        let error = of("completed").unwrap_err();
        assert!(error.message.contains("lacks the start time of snap-1"), "{error}");
        assert_eq!(of("pending").unwrap().started_at, None);
    }

    #[test]
    fn an_empty_description_is_none() {
        for (text, expected) in [(None, None), (Some(""), None), (Some("a copy"), Some("a copy"))] {
            let snapshot = Ec2Snapshot::builder().snapshot_id("snap-1").volume_id("vol-1");
            let snapshot = snapshot.start_time(DateTime::from_secs(0));
            let snapshot = snapshot.set_description(text.map(str::to_owned)).build();
            let found = snapshot_of(snapshot).unwrap();
            assert_eq!(found.description.as_deref(), expected);
            assert_eq!((found.volume_id.as_deref(), found.locked), (Some("vol-1"), None));
        }
    }
}
