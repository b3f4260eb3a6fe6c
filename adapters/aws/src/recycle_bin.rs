//! Listing the Recycle Bin, and restoring resources from it.

use async_trait::async_trait;
use aws_sdk_ec2::types::{ImageRecycleBinInfo, SnapshotRecycleBinInfo};
use steward::cloud::{CloudError, ErrorKind, RecycleBinReader, RecycleBinWriter};
use steward::model::{
    ImageId, Recyclable, RecycledImage, RecycledSnapshot, RetentionRule, SnapshotId,
};

use super::Aws;
use super::api_call::ApiCall;
use super::error::{bad_response, lacks_a_snapshot};
use super::time::timestamp;

/// The maximum page size of the two listings.
const PAGE: i32 = 1000;

#[async_trait]
impl RecycleBinReader for Aws {
    /// The listing contains neither tags nor status, so each rule is read individually.
    async fn list_retention_rules(&self) -> Result<Option<Vec<RetentionRule>>, CloudError> {
        let mut found = Vec::new();
        for resource in [Recyclable::Images, Recyclable::Snapshots] {
            for id in self.rule_ids(resource).await? {
                found.extend(self.rule(id, resource).await?);
            }
        }
        Ok(Some(found))
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        self.list(
            ApiCall::ListImagesInRecycleBin,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .list_images_in_recycle_bin()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.images, page.next_token),
            |image| image_of(image).map(Some),
        )
        .await
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        self.list(
            ApiCall::ListSnapshotsInRecycleBin,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .list_snapshots_in_recycle_bin()
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.snapshots, page.next_token),
            |snapshot| snapshot_of(snapshot).map(Some),
        )
        .await
    }
}

#[async_trait]
impl RecycleBinWriter for Aws {
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.clients.ec2.restore_image_from_recycle_bin().image_id(image.as_str());
        match self.send(ApiCall::RestoreImageFromRecycleBin, request.send()).await {
            Ok(_) => Ok(()),
            // The image exists, so this must not be reported as NotFound.
            Err(error) if lacks_a_snapshot(&error) => {
                Err(CloudError { kind: ErrorKind::Other, ..error })
            }
            Err(error) => Err(error),
        }
    }

    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        let request =
            self.clients.ec2.restore_snapshot_from_recycle_bin().snapshot_id(snapshot.as_str());
        self.send(ApiCall::RestoreSnapshotFromRecycleBin, request.send()).await.map(|_| ())
    }
}

fn image_of(image: ImageRecycleBinInfo) -> Result<RecycledImage, CloudError> {
    let image_id = image.image_id.unwrap_or_default().parse().map_err(|cause| {
        bad_response(ApiCall::ListImagesInRecycleBin, format!("invalid image ID: {cause}"))
    })?;
    Ok(RecycledImage {
        image_id,
        name: image.name.unwrap_or_default().into(),
        entered_at: image.recycle_bin_enter_time.and_then(timestamp),
        leaves_at: image.recycle_bin_exit_time.and_then(timestamp),
    })
}

fn snapshot_of(snapshot: SnapshotRecycleBinInfo) -> Result<RecycledSnapshot, CloudError> {
    let snapshot_id = snapshot.snapshot_id.unwrap_or_default().parse().map_err(|cause| {
        bad_response(ApiCall::ListSnapshotsInRecycleBin, format!("invalid snapshot ID: {cause}"))
    })?;
    Ok(RecycledSnapshot {
        snapshot_id,
        description: snapshot.description.unwrap_or_default().into(),
        entered_at: snapshot.recycle_bin_enter_time.and_then(timestamp),
        leaves_at: snapshot.recycle_bin_exit_time.and_then(timestamp),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::primitives::DateTime;

    use super::*;

    #[test]
    fn missing_times_are_unknown() {
        let image = ImageRecycleBinInfo::builder().image_id("ami-1");
        let found = image_of(image.recycle_bin_enter_time(DateTime::from_secs(0)).build()).unwrap();
        assert_eq!((&*found.name, found.leaves_at), ("", None));
        assert_eq!(found.entered_at, Some(jiff::Timestamp::UNIX_EPOCH));
        let snapshot = SnapshotRecycleBinInfo::builder().snapshot_id("snap-1").build();
        let found = snapshot_of(snapshot).unwrap();
        assert_eq!((&*found.description, found.entered_at), ("", None));
    }

    #[test]
    fn ids_that_cannot_be_read_are_named() {
        let image = ImageRecycleBinInfo::builder().build();
        assert!(image_of(image).unwrap_err().message.starts_with("invalid image ID"));
        let snapshot = SnapshotRecycleBinInfo::builder().snapshot_id("ami-1").build();
        assert!(snapshot_of(snapshot).unwrap_err().message.contains("`ami-1`"));
    }
}
