//! The steps from the end of life to the deletion of an image, and their undoing.

use async_trait::async_trait;
use jiff::Timestamp;
use steward::cloud::{
    CloudError, Deregistered, ErrorKind, Freshness, ImageWriter, PermissionWriter, RecycleBinWriter,
};
use steward::model::{ImageId, LaunchPermission, SnapshotFate, SnapshotId};

use super::fleet::{FleetState, FleetVersion, HolderKind};
use super::state::{NamedImage, SoftDeletedEntry};
use super::{AzureFake, not_found};
use crate::fake::faults::error;

pub(super) const VERSION_WRITE: &str = "Microsoft.Compute/galleries/images/versions/write";
pub(super) const VERSION_DELETE: &str = "Microsoft.Compute/galleries/images/versions/delete";
pub(super) const IMAGE_DELETE: &str = "Microsoft.Compute/images/delete";

impl AzureFake {
    /// One update of a version. An update that changes nothing is not sent.
    fn update(
        &self,
        image: &ImageId,
        change: impl FnOnce(&mut FleetVersion),
    ) -> Result<(), CloudError> {
        let mut inner = self.begin();
        if inner.state.images.contains_key(image) {
            let message = format!("The managed image '{image}' has no such property.");
            return Err(error::of(VERSION_WRITE, "NotSupported", &message));
        }
        let Some(found) = inner.state.versions.get(image) else {
            inner.read(VERSION_WRITE, &[image.as_str()])?;
            return Err(not_found(VERSION_WRITE, image.as_str()));
        };
        let mut after = found.version.clone();
        change(&mut after);
        let is_idle = matches!(found.version.state, FleetState::Succeeded);
        if is_idle && after == found.version {
            return Ok(());
        }
        inner.change(VERSION_WRITE, image.as_str(), |state, now| {
            let version = state.start(VERSION_WRITE, image, FleetState::Updating, now)?;
            version.excluded = after.excluded;
            version.end_of_life = after.end_of_life;
            Ok(())
        })
    }
}

#[async_trait]
impl ImageWriter for AzureFake {
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        self.update(image, |version| version.end_of_life = Some(at))
    }

    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        self.update(image, |version| version.end_of_life = None)
    }

    /// The exclusions of single regions are the owner's, and stay.
    async fn disable(
        &self,
        image: &ImageId,
        at: Timestamp,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError> {
        if !check() {
            return Ok(None);
        }
        let done = self.update(image, |version| {
            version.excluded = true;
            version.end_of_life = Some(at);
        });
        done.map(Some)
    }

    async fn enable(&self, image: &ImageId) -> Result<(), CloudError> {
        self.update(image, |version| version.excluded = false)
    }

    async fn deregister(
        &self,
        image: &ImageId,
        _: SnapshotFate,
        check: Freshness<'_>,
    ) -> Result<Option<Deregistered>, CloudError> {
        if !check() {
            return Ok(None);
        }
        let mut inner = self.begin();
        let is_managed = image.definition().is_none();
        let action = if is_managed { IMAGE_DELETE } else { VERSION_DELETE };
        let deleted = inner.change(action, image.as_str(), |state, now| {
            if is_managed {
                let starts = state.holders.iter().any(|one| {
                    let is_starting = one.holder.kind == HolderKind::VirtualMachine
                        && one.holder.provisioning
                        && one.holder.removed_at.is_none();
                    is_starting && matches!(&one.uses, NamedImage::Image(id) if id == image)
                });
                if starts {
                    let message = "Operation 'Image Delete' is not allowed since the Virtual \
                                   Machines are being provisioned using the Image";
                    return Err(error::of(action, "OperationNotAllowed", message));
                }
                let gone = state.images.remove(image);
                return gone.map(drop).ok_or_else(|| not_found(action, image.as_str()));
            }
            let stored = state.versions.get(image);
            let stored = stored.ok_or_else(|| not_found(action, image.as_str()))?;
            if stored.version.state == FleetState::Deleting {
                return Ok(());
            }
            let is_soft = state.soft_delete_days(&stored.gallery).is_some();
            if is_soft && stored.version.state == FleetState::Failed {
                let message = "A failed version of a gallery with soft delete cannot be deleted.";
                return Err(error::of(action, "OperationNotAllowed", message));
            }
            let is_ahead = stored.version.end_of_life.is_some_and(|at| at > now);
            if stored.version.block_deletion && is_ahead {
                let message = "The version cannot be deleted before its end of life.";
                return Err(error::of(action, "OperationNotAllowed", message));
            }
            state.start(action, image, FleetState::Deleting, now).map(drop)
        });
        match deleted {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Some(Deregistered::default())),
            other => other.map(|()| Some(Deregistered::default())),
        }
    }
}

/// Disabling takes no permissions on Azure, so there is nothing to share again.
#[async_trait]
impl PermissionWriter for AzureFake {
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError> {
        if with.is_empty() {
            return Ok(());
        }
        let message = format!("'{image}' cannot be shared on its own.");
        Err(error::of("Microsoft.Compute/galleries/write", "NotSupported", &message))
    }
}

#[async_trait]
impl RecycleBinWriter for AzureFake {
    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        let mut inner = self.begin();
        inner.change(VERSION_WRITE, image.as_str(), |state, now| {
            let found = state.soft_deleted.remove(image);
            let found = found.ok_or_else(|| not_found(VERSION_WRITE, image.as_str()))?;
            let SoftDeletedEntry { mut stored, .. } = found;
            stored.version.state = FleetState::Succeeded;
            state.versions.insert(image.clone(), stored);
            state.start(VERSION_WRITE, image, FleetState::Updating, now).map(drop)
        })
    }

    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        Err(not_found("Microsoft.Compute/snapshots/write", snapshot.as_str()))
    }
}
