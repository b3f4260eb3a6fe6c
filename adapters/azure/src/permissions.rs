//! Who may use images and snapshots.

use async_trait::async_trait;
use steward::cloud::{CloudError, ErrorKind, PermissionReader};
use steward::model::{ImageId, LaunchPermission, SnapshotId, VolumePermission};

use crate::api::GALLERIES;
use crate::arm_id::ImageIdKind;
use crate::azure::Azure;
use crate::error::bad_response;
use crate::image_mapping::sharing_of;
use crate::images::arm_id;
use crate::snapshots::SnapshotKind;
use crate::types::{DiskState, Gallery};

#[async_trait]
impl PermissionReader for Azure {
    /// A version is shared with its gallery. Role assignments are not read: they can be made for every
    /// resource above it, and for whole tenants.
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError> {
        let id = arm_id(image)?;
        if id.image_kind() == Some(ImageIdKind::ManagedImage) {
            return Ok(Vec::new());
        }
        let gallery = id.definition().and_then(|definition| definition.parent());
        let gallery = gallery
            .ok_or_else(|| bad_response(GALLERIES.read, format!("`{id}` is in no gallery")))?;
        let query = GALLERIES.query();
        let gallery: Gallery = self.client.get(GALLERIES.read, gallery.as_str(), &query).await?;
        match self.with_sharing(gallery).await {
            (gallery, None) => Ok(sharing_of(&gallery)),
            (_, Some(message)) => Err(CloudError {
                call: GALLERIES.read,
                kind: ErrorKind::Other,
                code: String::new(),
                message,
            }),
        }
    }

    /// A snapshot or disk is not shared. While a URL for its content is valid, whoever has the URL can
    /// read it.
    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError> {
        let found = self.find_snapshot_or_disk(snapshot).await?;
        let state = match found {
            None => return Ok(Vec::new()),
            Some(SnapshotKind::Snapshot(one)) => one.properties.disk_state,
            Some(SnapshotKind::Disk(one)) => one.properties.disk_state,
        };
        Ok(match state {
            Some(DiskState::Unattached) => Vec::new(),
            Some(state) => vec![LaunchPermission::Unknown(format!("state {state}").into())],
            None => vec![LaunchPermission::Unknown("state unknown".into())],
        })
    }
}
