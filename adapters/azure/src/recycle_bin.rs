//! Soft-deleted versions, and restoring them.

use async_trait::async_trait;
use serde_json::json;
use steward::cloud::{CloudError, ErrorKind, RecycleBinReader, RecycleBinWriter};
use steward::model::{
    ImageId, RecycledImage, RecycledSnapshot, ResourceId, RetentionRule, SnapshotId,
};

use crate::api::{SOFT_DELETED, VERSIONS, WRITE_VERSION, soft_deleted_path};
use crate::arm_id::ArmId;
use crate::azure::{Azure, unsupported};
use crate::error::bad_response;
use crate::images::arm_id;
use crate::types::SoftDeletedVersion;

#[async_trait]
impl RecycleBinReader for Azure {
    /// Azure has no such rules. Each gallery decides, and the listing shows for each image for how
    /// long it can be recovered.
    async fn list_retention_rules(&self) -> Result<Option<Vec<RetentionRule>>, CloudError> {
        Ok(None)
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        let found = self.read_soft_deleted().await?;
        found.iter().map(recycled_image).collect()
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl RecycleBinWriter for Azure {
    /// Sends no tags: it is not verified whether the version still has its tags, and an empty set would
    /// remove them.
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        let id = arm_id(image)?;
        let deleted = self.find_soft_deleted(&id).await?.ok_or_else(|| CloudError {
            call: SOFT_DELETED.read,
            kind: ErrorKind::NotFound,
            code: "NotFound".to_owned(),
            message: format!("{image} is not soft-deleted"),
        })?;
        let body = json!({"location": deleted.location.as_str(), "properties": {"restore": true}});
        let started = self.client.put(WRITE_VERSION, id.as_str(), &VERSIONS.query(), &body).await?;
        self.follow(started).await
    }

    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        let message = format!("{snapshot} cannot be recovered");
        let error = unsupported(crate::api::SNAPSHOTS.read, message);
        Err(CloudError { kind: ErrorKind::NotFound, ..error })
    }
}

impl Azure {
    async fn find_soft_deleted(
        &self,
        version: &ArmId,
    ) -> Result<Option<SoftDeletedVersion>, CloudError> {
        let path = version.definition().and_then(|definition| soft_deleted_path(&definition));
        let Some(path) = path else { return Ok(None) };
        let listed: Result<Vec<SoftDeletedVersion>, CloudError> =
            self.client.list(SOFT_DELETED.read, &path, &SOFT_DELETED.query()).await;
        let listed = match listed {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            listed => listed?,
        };
        Ok(listed.into_iter().find(|one| one.properties.version == *version))
    }

    /// The soft-deleted versions with their tags, if Azure returns them.
    pub(crate) async fn tagged_soft_deleted(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        let mut found = Vec::new();
        for one in self.read_soft_deleted().await? {
            let tags = crate::image_mapping::tags_of(&one.tags);
            let Some(held) = tags.get(key).filter(|held| value.is_none_or(|value| value == *held))
            else {
                continue;
            };
            found.push((ResourceId::Image(recycled_id(&one)?), held.to_owned()));
        }
        Ok(found)
    }
}

fn recycled_id(one: &SoftDeletedVersion) -> Result<ImageId, CloudError> {
    let version = &one.properties.version;
    let wrong = |_| bad_response(SOFT_DELETED.read, format!("`{version}` is not a version"));
    version.as_str().parse().map_err(wrong)
}

/// A version leaves soft delete when Azure may delete it permanently. Between the end of its
/// consumption and that time, it can still be restored.
fn recycled_image(one: &SoftDeletedVersion) -> Result<RecycledImage, CloudError> {
    let image_id = recycled_id(one)?;
    let properties = &one.properties;
    Ok(RecycledImage {
        name: image_id.short().into(),
        entered_at: properties.soft_deleted_time,
        leaves_at: properties.hard_deletion_target_time,
        image_id,
    })
}
