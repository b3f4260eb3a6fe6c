//! Reading images.

use async_trait::async_trait;
use steward::cloud::{
    CloudError, ErrorKind, ImageListing, ImageReader, PermissionReader, RecycleBinReader,
};
use steward::model::{
    Capabilities, Disabling, Image, ImageDisk, ImageId, ImageState, LaunchPermission,
    Recoverability, RecycledImage, RecycledSnapshot, RetentionRule, SnapshotId, Tags,
    VolumePermission,
};

use super::fleet::{FleetManagedImage, FleetState, Replica};
use super::state::{AzureState, NamedImage, StoredVersion};
use super::{AzureFake, FakeSubscription, not_found};
use crate::fake::faults::in_hash_order;

pub(super) const GALLERY_READ: &str = "Microsoft.Compute/galleries/read";
pub(super) const VERSION_READ: &str = "Microsoft.Compute/galleries/images/versions/read";
pub(super) const IMAGE_READ: &str = "Microsoft.Compute/images/read";
pub(super) const LOCK_READ: &str = "Microsoft.Authorization/locks/read";

#[async_trait]
impl ImageReader for AzureFake {
    async fn list_images(&self) -> Result<ImageListing, CloudError> {
        let mut inner = self.begin();
        inner.check_readable(&[])?;
        let images = inner.all_images();
        Ok(ImageListing { images, other_types: 0 })
    }

    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError> {
        let mut inner = self.begin();
        if !images.is_empty() {
            let about: Vec<&str> = images.iter().map(ImageId::as_str).collect();
            inner.check_readable(&about)?;
        }
        let mut found = inner.all_images();
        found.retain(|one| images.contains(&one.image_id));
        Ok(found)
    }

    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError> {
        let mut inner = self.begin();
        if !names.is_empty() {
            inner.check_readable(&[])?;
        }
        let mut found = inner.all_images();
        found.retain(|one| names.iter().any(|name| name.eq_ignore_ascii_case(&one.name)));
        Ok(found)
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        let mut inner = self.begin();
        match inner.check_readable(&[image.as_str()]) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            checked => checked?,
        }
        Ok(inner.all_images().into_iter().find(|one| one.image_id == *image))
    }
}

#[async_trait]
impl PermissionReader for AzureFake {
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError> {
        let mut inner = self.begin();
        inner.read(GALLERY_READ, &[image.as_str()])?;
        let state = &inner.state;
        match (state.versions.get(image), state.images.contains_key(image)) {
            (Some(stored), _) => Ok(state.permissions(&stored.gallery)),
            (None, true) => Ok(Vec::new()),
            (None, false) => match gallery_of(image) {
                // It is a property of the gallery. The version is not read.
                Some(gallery) if state.galleries.contains_key(gallery) => {
                    Ok(state.permissions(gallery))
                }
                _ => Err(not_found(GALLERY_READ, image.as_str())),
            },
        }
    }

    /// Disks and snapshots are not shared.
    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError> {
        match self.begin().state.disks.contains_key(snapshot) {
            true => Ok(Vec::new()),
            false => Err(not_found(super::snapshots::DISK_READ, snapshot.as_str())),
        }
    }
}

#[async_trait]
impl RecycleBinReader for AzureFake {
    async fn list_retention_rules(&self) -> Result<Option<Vec<RetentionRule>>, CloudError> {
        Ok(None)
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        let mut inner = self.begin();
        inner.read(GALLERY_READ, &[])?;
        let found = inner.state.soft_deleted.iter().map(|(id, one)| RecycledImage {
            image_id: id.clone(),
            name: (*id.short()).into(),
            entered_at: Some(one.deleted_at),
            leaves_at: Some(one.consumption_ends_at),
        });
        Ok(in_hash_order(found.collect(), |one| one.image_id.as_str()))
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        Ok(Vec::new())
    }
}

impl FakeSubscription {
    /// The calls that read images.
    fn check_readable(&mut self, about: &[&str]) -> Result<(), CloudError> {
        [GALLERY_READ, VERSION_READ, IMAGE_READ, LOCK_READ]
            .into_iter()
            .try_for_each(|action| self.read(action, about))
    }

    fn all_images(&self) -> Vec<Image> {
        let state = &self.state;
        let versions = state.versions.iter().map(|(id, one)| self.seen_version(id, one));
        let managed = state.images.iter().map(|(id, one)| self.seen_managed(id, one));
        in_hash_order(versions.chain(managed).collect(), |image| image.image_id.as_str())
    }

    fn seen_version(&self, id: &ImageId, stored: &StoredVersion) -> Image {
        let StoredVersion { gallery, definition, version, source, .. } = stored;
        let days = self.state.soft_delete_days(gallery);
        let with = self.state.permissions(gallery);
        let is_replicated = version.targets.iter().all(|one| one.replica == Replica::Completed);
        let state = match version.state {
            FleetState::Creating => ImageState::Pending,
            FleetState::Updating | FleetState::Migrating => ImageState::Transient,
            FleetState::Deleting => ImageState::Deregistered,
            // Only a version that failed everywhere was never usable.
            FleetState::Failed
                if !version.targets.is_empty()
                    && version.targets.iter().all(|one| one.replica == Replica::Failed) =>
            {
                ImageState::Failed
            }
            FleetState::Failed => ImageState::Error,
            FleetState::Succeeded if version.replicas_read && !is_replicated => {
                ImageState::Transient
            }
            FleetState::Succeeded if version.excluded => ImageState::Disabled,
            FleetState::Succeeded => ImageState::Available,
        };
        // Without an end of life, it is not documented whether Azure deletes the version.
        let is_blocked =
            version.block_deletion && version.end_of_life.is_none_or(|at| at > self.clock);
        let protected_by = if is_blocked {
            Some("blockDeletionBeforeEndOfLife".to_owned())
        } else if version.state == FleetState::Failed && days.is_some() {
            Some("the soft delete of its gallery, which refuses failed versions".to_owned())
        } else {
            self.lock_text(id)
        };
        // All versions of a definition have its spelling.
        let first = self.state.versions.values().find(|one| one.definition == *definition);
        let family = name_of(&first.unwrap_or(stored).version.id);
        let family = family.rsplit_once('/').map(|(family, _)| family.into());
        Image {
            name: name_of(&version.id),
            owner_id: Some(self.state.subscription.clone()),
            created_at: version.published_at,
            state,
            architecture: Some("x86_64".into()),
            platform: Some("Linux".into()),
            tags: shown(&version.tags),
            deprecation_time: version.end_of_life,
            protected: protected_by.is_some(),
            protected_by: protected_by.map(Into::into),
            public: with.contains(&LaunchPermission::Everyone),
            launch_permissions: Some(with.into()),
            source_instance: version.source.as_deref().and_then(|one| one.parse().ok()),
            source_image: match source {
                NamedImage::Image(image) => Some(image.clone()),
                _ => None,
            },
            sources: match source {
                NamedImage::Disk(disk) => [disk.clone()].into(),
                _ => Box::default(),
            },
            definition: family,
            os_state: Some("generalized".into()),
            disks: [ImageDisk { lun: None, size_gib: Some(30) }].into(),
            unconfirmed: !version.replicas_read,
            capabilities: Capabilities {
                deprecate: true,
                disable: Disabling::ExcludesFromLatest,
                recovery: days.map_or(Recoverability::Unsupported, Recoverability::Days),
            },
            ..Image::new(id.clone())
        }
    }

    fn seen_managed(&self, id: &ImageId, image: &FleetManagedImage) -> Image {
        let protected_by = self.lock_text(id);
        Image {
            name: name_of(&image.id),
            owner_id: Some(self.state.subscription.clone()),
            created_at: image.created_at,
            state: match image.state {
                FleetState::Creating => ImageState::Pending,
                FleetState::Updating | FleetState::Migrating => ImageState::Transient,
                FleetState::Deleting => ImageState::Deregistered,
                // An update that failed has the same state as a creation that failed.
                FleetState::Failed => ImageState::Error,
                FleetState::Succeeded => ImageState::Available,
            },
            architecture: Some("x86_64".into()),
            platform: Some("Linux".into()),
            tags: shown(&image.tags),
            protected: protected_by.is_some(),
            protected_by: protected_by.map(Into::into),
            launch_permissions: Some(Box::default()),
            source_instance: image.source_vm.as_deref().and_then(|one| one.parse().ok()),
            sources: image.sources.iter().filter_map(|one| one.parse().ok()).collect(),
            os_state: Some("generalized".into()),
            disks: [ImageDisk { lun: None, size_gib: Some(30) }].into(),
            capabilities: Capabilities {
                deprecate: false,
                disable: Disabling::Unsupported,
                recovery: Recoverability::Unsupported,
            },
            ..Image::new(id.clone())
        }
    }

    fn lock_text(&self, id: &ImageId) -> Option<String> {
        Some(format!("the lock on {}", self.state.lock_on(id.as_str(), true)?))
    }
}

impl AzureState {
    /// Who may start instances from the versions of a gallery, sorted.
    fn permissions(&self, gallery: &str) -> Vec<LaunchPermission> {
        let gallery = self.galleries.get(gallery).expect("the gallery of a version");
        let everyone = gallery.community.then_some(LaunchPermission::Everyone);
        let with = gallery.shared_with.iter().map(|one| one.as_str().into());
        let mut with: Vec<_> = with.chain(everyone).collect();
        with.sort();
        with
    }
}

/// Tags as the port returns them.
pub(super) fn shown(tags: &Tags) -> Tags {
    let mut tags = tags.clone();
    tags.ignore_case();
    tags
}

/// `Gallery/Definition/1.2.3`, or the name of a managed image, in the spelling of the ID.
fn name_of(id: &str) -> std::sync::Arc<str> {
    let parts: Vec<&str> = id.split('/').collect();
    match parts[..] {
        [.., gallery, _, definition, _, version] if parts.len() > 9 => {
            format!("{gallery}/{definition}/{version}").into()
        }
        [.., name] => name.into(),
        [] => id.into(),
    }
}

/// The canonical ID of the gallery of a version.
fn gallery_of(image: &ImageId) -> Option<&str> {
    image.definition().and_then(|definition| Some(definition.rsplit_once("/images/")?.0))
}
