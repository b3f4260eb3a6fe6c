//! Gallery image versions and managed images as the core sees them.

use std::sync::Arc;

use jiff::Timestamp;
use steward::model::{
    AccountId, Capabilities, Disabling, Image, ImageDisk, ImageId, ImageState, InstanceId,
    LaunchPermission, Recoverability, SnapshotId, Tags,
};

use crate::arm_id::ArmId;
use crate::galleries::GalleryContent;
use crate::types::{
    Architecture, Gallery, ImageDefinition, ImageVersion, Location, Lock, ManagedImage, OsState,
    OsType, ProvisioningState, RegionalReplication, ReplicationState, SharingGroupKind,
    SharingPermission, SharingState,
};

/// What an image is mapped with.
#[derive(Clone, Copy)]
pub(crate) struct Mapping<'a> {
    /// The subscription of the images.
    pub(crate) subscription: &'a AccountId,
    /// The locks in the subscription.
    pub(crate) locks: &'a [Lock],
    /// The present time.
    pub(crate) now: Timestamp,
}

impl Mapping<'_> {
    /// A gallery image version. `None` if its ID is not that of an image.
    pub(crate) fn version(
        &self,
        around: &GalleryContent,
        definition: &ImageDefinition,
        version: &ImageVersion,
    ) -> Option<Image> {
        let gallery = &around.gallery;
        let properties = &version.properties;
        let profile = &properties.publishing_profile;
        let state = state_of(version);
        let (backing, sources) = disks_and_snapshots(properties.sources());
        let (snapshots, sources) = match properties.needs_sources() {
            true => (backing.into_iter().chain(sources).collect(), Vec::new()),
            false => (Vec::new(), backing.into_iter().chain(sources).collect()),
        };
        let protected_by = self.protection(&version.id).or_else(|| self.version_block(version));
        let protected_by = protected_by.or_else(|| failed_in_soft_delete(gallery, state));
        let sharing = sharing_of(gallery);
        let disks = properties.storage_profile.os_disk_image.iter();
        let disks = disks.chain(&properties.storage_profile.data_disk_images);
        Some(Image {
            name: format!("{}/{}/{}", gallery.name, definition.name, version.name).into(),
            owner_id: Some(self.subscription.clone()),
            created_at: profile.published_date.or(version.system_data.created_at),
            state,
            architecture: architecture(definition.properties.architecture.as_ref()),
            platform: Some(platform(&definition.properties.os_type).into()),
            tags: tags_of(&version.tags),
            snapshots: snapshots.into(),
            deprecation_time: profile.end_of_life_date,
            protected: protected_by.is_some(),
            public: sharing.contains(&LaunchPermission::Everyone),
            launch_permissions: around.sharing_unread.is_none().then(|| sharing.into()),
            launch_permissions_unread: around.sharing_unread.as_deref().map(Into::into),
            source_instance: properties
                .sources()
                .find_map(|id| id.as_str().parse::<InstanceId>().ok()),
            source_image: properties.sources().find_map(|id| id.as_str().parse::<ImageId>().ok()),
            sources: sources.into(),
            definition: Some(format!("{}/{}", gallery.name, definition.name).into()),
            os_state: os_state(&definition.properties.os_state),
            disks: disks.map(|disk| image_disk(disk.lun, disk.size_in_gb)).collect(),
            protected_by,
            unconfirmed: properties.replication_status.is_none(),
            capabilities: Capabilities {
                deprecate: true,
                disable: Disabling::ExcludesFromLatest,
                recovery: recovery_of(gallery, definition, version, state),
            },
            ..Image::new(version.id.as_str().parse().ok()?)
        })
    }

    /// A managed image, created at `created_at`. `None` if its ID is not that of an image.
    pub(crate) fn managed_image(
        &self,
        image: &ManagedImage,
        created_at: Option<Timestamp>,
    ) -> Option<Image> {
        let properties = &image.properties;
        let os = &properties.storage_profile.os_disk;
        let (disks, snapshots) = disks_and_snapshots(properties.sources());
        let protected_by = self.protection(&image.id);
        let source = properties.source_virtual_machine.as_ref();
        let image_disks = std::iter::once(&os.disk).chain(&properties.storage_profile.data_disks);
        Some(Image {
            name: image.name.as_str().into(),
            owner_id: Some(self.subscription.clone()),
            created_at: image.system_data.created_at.or(created_at),
            state: match &properties.provisioning_state {
                ProvisioningState::Succeeded => ImageState::Available,
                // An update that failed has the same state as a creation that failed, and the image is
                // still usable after it.
                ProvisioningState::Failed => ImageState::Error,
                other => changing(other),
            },
            platform: Some(platform(&os.os_type).into()),
            tags: tags_of(&image.tags),
            protected: protected_by.is_some(),
            launch_permissions: Some(Box::default()),
            source_instance: source.and_then(|id| id.as_str().parse().ok()),
            sources: disks.into_iter().chain(snapshots).collect(),
            os_state: os_state(&os.os_state),
            disks: image_disks.map(|disk| image_disk(disk.lun, disk.disk_size_gb)).collect(),
            protected_by,
            capabilities: Capabilities {
                deprecate: false,
                disable: Disabling::Unsupported,
                recovery: Recoverability::Unsupported,
            },
            ..Image::new(image.id.as_str().parse().ok()?)
        })
    }

    /// The first lock on the resource or around it, or why the resource must not be changed at all.
    pub(crate) fn protection(&self, id: &ArmId) -> Option<Arc<str>> {
        if !id.was_ascii() {
            return Some("characters in its ID whose comparison Azure does not document".into());
        }
        let lock = self.locks.iter().find(|lock| lock.applies_to(id))?;
        let scope = lock.scope.as_ref().map_or("an unknown scope".into(), |scope| {
            match scope.resource_type().as_str() {
                "microsoft.resources/subscriptions" => "the subscription".to_owned(),
                "microsoft.resources/resourcegroups" => {
                    format!("the resource group {}", scope.name())
                }
                _ => scope.name().to_owned(),
            }
        });
        Some(format!("the {} lock {} on {scope}", lock.level, lock.name).into())
    }

    fn version_block(&self, version: &ImageVersion) -> Option<Arc<str>> {
        let properties = &version.properties;
        properties.blocks_deletion(self.now).then(|| {
            match properties.publishing_profile.end_of_life_date {
                Some(end) => format!("blockDeletionBeforeEndOfLife until {end}").into(),
                None => "blockDeletionBeforeEndOfLife without an end-of-life date".into(),
            }
        })
    }
}

/// The state of a version. Only a version that succeeded and is completely replicated is available,
/// as far as the replication was read.
fn state_of(version: &ImageVersion) -> ImageState {
    let properties = &version.properties;
    let summary = properties.replication_status.as_ref().map(|status| &status.summary);
    match (&properties.provisioning_state, summary) {
        (ProvisioningState::Succeeded, Some(summary)) => {
            let is_completed = |name: &Location| {
                let mut here = summary.iter().filter(|one| one.region == *name).peekable();
                here.peek().is_some() && here.all(|one| one.state == ReplicationState::Completed)
            };
            let targets = properties.publishing_profile.target_regions.as_deref();
            let is_complete = targets
                .is_some_and(|targets| targets.iter().all(|target| is_completed(&target.name)));
            match is_complete {
                true => excluded_or_available(version),
                false => ImageState::Transient,
            }
        }
        (ProvisioningState::Succeeded, None) => excluded_or_available(version),
        // An update that failed leaves the replicas of the version as they are. Only a version whose
        // replication failed in every region was never usable. A region without a state is unknown.
        (ProvisioningState::Failed, Some(summary)) => {
            let targets = properties.publishing_profile.target_regions.iter().flatten();
            let mut known = targets.map(|one| summary.iter().any(|of| of.region == one.name));
            let is_failed = |one: &RegionalReplication| one.state == ReplicationState::Failed;
            let never = !summary.is_empty() && summary.iter().all(is_failed);
            let is_known = properties.publishing_profile.target_regions.is_some();
            match never && is_known && known.all(|known| known) {
                true => ImageState::Failed,
                false => ImageState::Error,
            }
        }
        (ProvisioningState::Failed, None) => ImageState::Error,
        (other, _) => changing(other),
    }
}

fn excluded_or_available(version: &ImageVersion) -> ImageState {
    match version.properties.publishing_profile.exclude_from_latest {
        true => ImageState::Disabled,
        false => ImageState::Available,
    }
}

/// The state of an image during an operation, or after one that failed.
fn changing(state: &ProvisioningState) -> ImageState {
    match state {
        ProvisioningState::Creating => ImageState::Pending,
        ProvisioningState::Updating | ProvisioningState::Migrating => ImageState::Transient,
        ProvisioningState::Deleting => ImageState::Deregistered,
        ProvisioningState::Failed => ImageState::Error,
        ProvisioningState::Succeeded | ProvisioningState::Unknown(_) => ImageState::Unknown,
    }
}

/// Whether the version can be recovered after its deletion. Soft delete needs the gallery, the
/// definition and the version in one Region, and does not accept a version whose creation failed.
/// During a change of the gallery, and after one that failed, soft delete may not have the state that
/// the gallery shows.
fn recovery_of(
    gallery: &Gallery,
    definition: &ImageDefinition,
    version: &ImageVersion,
    state: ImageState,
) -> Recoverability {
    let soft_delete = &gallery.properties.soft_delete;
    let is_one_region =
        gallery.location == definition.location && gallery.location == version.location;
    let is_settled = gallery.properties.provisioning_state == ProvisioningState::Succeeded;
    let is_certain = soft_delete.is_enabled && is_settled && is_one_region;
    match soft_delete.retention_period_in_days {
        // A restored shallow version would need a source that may be gone by then.
        _ if version.properties.is_shallow() => Recoverability::Unsupported,
        Some(days) if is_certain && state != ImageState::Failed => Recoverability::Days(days),
        _ => Recoverability::Unsupported,
    }
}

fn failed_in_soft_delete(gallery: &Gallery, state: ImageState) -> Option<Arc<str>> {
    let is_refused = gallery.properties.soft_delete.is_enabled && state == ImageState::Failed;
    is_refused.then(|| "the gallery's soft delete, which does not accept a failed version".into())
}

/// With whom a gallery is shared, apart from role assignments.
pub(crate) fn sharing_of(gallery: &Gallery) -> Vec<LaunchPermission> {
    let sharing = &gallery.properties.sharing;
    let mut with = Vec::new();
    match &sharing.permission {
        SharingPermission::Private => {}
        SharingPermission::Community => with.push(LaunchPermission::Everyone),
        SharingPermission::Groups => {
            for group in sharing.groups.iter().flatten() {
                for id in &group.ids {
                    with.push(match &group.kind {
                        SharingGroupKind::Subscriptions => id.as_str().into(),
                        SharingGroupKind::AADTenants => format!("tenant/{id}").into(),
                        SharingGroupKind::Unknown(kind) => {
                            LaunchPermission::Unknown(format!("{kind}/{id}").into())
                        }
                    });
                }
            }
            if with.is_empty() {
                with.push(LaunchPermission::Unknown("subscriptions that were not listed".into()));
            }
        }
        SharingPermission::Unknown(word) => {
            with.push(LaunchPermission::Unknown(word.as_str().into()));
        }
    }
    match &sharing.state {
        None | Some(SharingState::Succeeded) => {}
        Some(state) => {
            with.push(LaunchPermission::Unknown(
                format!("a change of the sharing: {state}").into(),
            ));
        }
    }
    with.sort();
    with.dedup();
    with
}

/// The disks and the snapshots among these resources, each once.
fn disks_and_snapshots<'a>(
    ids: impl Iterator<Item = &'a ArmId>,
) -> (Vec<SnapshotId>, Vec<SnapshotId>) {
    let mut found: Vec<SnapshotId> = ids.filter_map(|id| id.as_str().parse().ok()).collect();
    found.sort();
    found.dedup();
    found.into_iter().partition(|id| id.as_str().contains("/disks/"))
}

pub(crate) fn tags_of(tags: &std::collections::BTreeMap<String, String>) -> Tags {
    let mut found: Tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    found.ignore_case();
    found
}

fn image_disk(lun: Option<u32>, gib: Option<u64>) -> ImageDisk {
    ImageDisk { lun, size_gib: gib.and_then(|gib| gib.try_into().ok()) }
}

/// The architecture in the words of the policy, which are EC2's: `x86_64` and `arm64`.
fn architecture<T: From<&'static str> + From<String>>(found: Option<&Architecture>) -> Option<T> {
    Some(match found? {
        Architecture::x64 => "x86_64".into(),
        Architecture::Arm64 => "arm64".into(),
        Architecture::Unknown(word) => word.clone().into(),
    })
}

fn platform(os: &OsType) -> String {
    os.to_string()
}

fn os_state<T: From<&'static str> + From<String>>(state: &OsState) -> Option<T> {
    Some(match state {
        OsState::Generalized => "generalized".into(),
        OsState::Specialized => "specialized".into(),
        OsState::Unknown(word) => word.clone().into(),
    })
}
