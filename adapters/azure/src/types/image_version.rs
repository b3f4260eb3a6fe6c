//! Versions of image definitions.

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::fields;
use super::open_enum::open_enum;
use super::resource::{ArmResource, Beside, Location, ProvisioningState, ResourceProperties};
use super::shared_image::SharedImageId;
use crate::arm_id::{ArmId, ParseVersionNumberError, VERSION, VersionNumber};

open_enum!(
    /// Whether a version has copies of its source.
    ReplicationMode {
        /// It has.
        Full,
        /// It does not: the source is needed.
        Shallow,
    }
);

open_enum!(
    /// The state of the replication to a region.
    ReplicationState {
        /// It is running.
        Replicating,
        /// Virtual machines can start from the version in the region.
        Completed,
        /// It failed.
        Failed,
    }
);

/// A version of an image definition.
pub type ImageVersion = ArmResource<ImageVersionProperties>;

impl ImageVersion {
    /// The number of the version.
    ///
    /// # Errors
    /// The name is not a number.
    pub fn number(&self) -> Result<VersionNumber, ParseVersionNumberError> {
        self.id.name().parse()
    }
}

/// The properties of a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageVersionProperties {
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// Where and how the version is published.
    pub publishing_profile: PublishingProfile,
    /// The disks and their sources.
    pub storage_profile: VersionStorage,
    /// Protection from deletion. API versions before 2024-03-03 do not send all of it.
    #[serde(default, deserialize_with = "safety")]
    pub safety_profile: SafetyProfile,
    /// The replication by region. `None` if it was not read: only a response to a request with
    /// `$expand=ReplicationStatus` has it.
    pub replication_status: Option<ReplicationStatus>,
}

impl ImageVersionProperties {
    /// Whether Azure refuses the deletion at `now`, because the end-of-life date is ahead. A blocked
    /// version without that date counts as blocked.
    pub fn blocks_deletion(&self, now: Timestamp) -> bool {
        let end = self.publishing_profile.end_of_life_date;
        self.safety_profile.block_deletion_before_end_of_life && end.is_none_or(|end| now < end)
    }

    /// Whether the version has no copies of its own, so that its sources must not be deleted.
    ///
    /// The recorded response of a version that was created without a replication mode has no such
    /// field, so a version without it has copies.
    pub fn is_shallow(&self) -> bool {
        let mode = self.publishing_profile.replication_mode.as_ref();
        mode.is_some_and(|mode| *mode != ReplicationMode::Full)
    }

    /// Whether the sources are needed: for a shallow version, and while a version is created or
    /// changed. A version that failed is not completed later.
    pub fn needs_sources(&self) -> bool {
        use ProvisioningState::{Deleting, Failed, Succeeded};
        self.is_shallow() || !matches!(self.provisioning_state, Succeeded | Failed | Deleting)
    }

    /// The sources in the subscription and in others: managed images, versions, virtual machines,
    /// snapshots and disks.
    pub fn sources(&self) -> impl Iterator<Item = &ArmId> {
        self.storage_profile.all_sources().flat_map(|source| {
            match &source.id {
                Some(VersionSourceId::Resource(id)) => vec![id],
                _ => Vec::new(),
            }
            .into_iter()
            .chain(&source.virtual_machine_id)
        })
    }

    /// The sources in shared galleries.
    pub fn shared_sources(&self) -> impl Iterator<Item = &SharedImageId> {
        self.storage_profile.all_sources().flat_map(|source| {
            match &source.id {
                Some(VersionSourceId::Shared(id)) => vec![id],
                _ => Vec::new(),
            }
            .into_iter()
            .chain(&source.community_gallery_image_id)
        })
    }

    /// The size of all disks in GiB, without replicas. `None` if one is unknown.
    pub fn size_gb(&self) -> Option<u64> {
        let disks = &self.storage_profile;
        disks
            .os_disk_image
            .iter()
            .chain(&disks.data_disk_images)
            .try_fold(0_u64, |sum, disk| sum.checked_add(disk.size_in_gb?))
            .filter(|sum| *sum > 0)
    }
}

impl ResourceProperties for ImageVersionProperties {
    const TYPE: &'static str = VERSION;

    fn check(&self, _: &Beside<'_>) -> Result<(), String> {
        let has_source = self.storage_profile.all_sources().any(VersionSource::names_something);
        match self.needs_sources() && !has_source {
            true => Err("missing field `storageProfile.source`: the version needs it".to_owned()),
            false => Ok(()),
        }
    }
}

/// Where and how a version is published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishingProfile {
    /// The regions. `None` counts as unknown, and so does an empty list.
    #[serde(default, deserialize_with = "regions")]
    pub target_regions: Option<Vec<TargetRegion>>,
    /// Whether the version is never the latest one, in any region.
    #[serde(default, deserialize_with = "fields::flag")]
    pub exclude_from_latest: bool,
    /// The time at which the creation began.
    #[serde(default, deserialize_with = "fields::time")]
    pub published_date: Option<Timestamp>,
    /// The end-of-life date. It is informational, except for `blockDeletionBeforeEndOfLife`.
    #[serde(default, deserialize_with = "fields::time")]
    pub end_of_life_date: Option<Timestamp>,
    /// Whether the version has copies of its source. See [`ImageVersionProperties::is_shallow`].
    pub replication_mode: Option<ReplicationMode>,
    /// The number of replicas in a region for which there is no other number.
    pub replica_count: Option<u32>,
}

fn regions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<TargetRegion>>, D::Error> {
    let regions: Option<Vec<TargetRegion>> = Option::deserialize(deserializer)?;
    Ok(regions.filter(|regions| !regions.is_empty()))
}

/// A region to which a version is replicated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRegion {
    /// The region.
    pub name: Location,
    /// The number of replicas.
    pub regional_replica_count: Option<u32>,
    /// Whether the version is never the latest one in the region. Azure sends only `true`.
    #[serde(default, deserialize_with = "fields::flag")]
    pub exclude_from_latest: bool,
}

/// The disks of a version, and their sources.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionStorage {
    /// The source of all disks.
    pub source: Option<VersionSource>,
    /// The operating system disk.
    pub os_disk_image: Option<VersionDisk>,
    /// The data disks.
    #[serde(default, deserialize_with = "fields::list")]
    pub data_disk_images: Vec<VersionDisk>,
}

impl VersionStorage {
    fn all_sources(&self) -> impl Iterator<Item = &VersionSource> {
        let disks = self.os_disk_image.iter().chain(&self.data_disk_images);
        self.source.iter().chain(disks.filter_map(|disk| disk.source.as_ref()))
    }
}

/// A disk of a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionDisk {
    /// The number of a data disk.
    pub lun: Option<u32>,
    /// The size in GiB.
    #[serde(rename = "sizeInGB")]
    pub size_in_gb: Option<u64>,
    /// The source of this disk.
    pub source: Option<VersionSource>,
}

/// The source of a version or of one of its disks. It can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionSource {
    /// A managed image, a version, a snapshot, a disk or a virtual machine.
    pub id: Option<VersionSourceId>,
    /// A virtual machine.
    #[serde(default, deserialize_with = "fields::id")]
    pub virtual_machine_id: Option<ArmId>,
    /// An image in a community gallery.
    #[serde(default, deserialize_with = "shared")]
    pub community_gallery_image_id: Option<SharedImageId>,
    /// A blob.
    #[serde(default, deserialize_with = "fields::text")]
    pub uri: Option<String>,
}

impl VersionSource {
    fn names_something(&self) -> bool {
        let Self { id, virtual_machine_id, community_gallery_image_id, uri } = self;
        id.is_some()
            || virtual_machine_id.is_some()
            || community_gallery_image_id.is_some()
            || uri.is_some()
    }
}

/// The ID of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSourceId {
    /// A resource.
    Resource(ArmId),
    /// An image in a shared gallery.
    Shared(SharedImageId),
}

impl<'de> Deserialize<'de> for VersionSourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let as_shared = |_| text.parse().map(Self::Shared);
        ArmId::parse(&text)
            .map(Self::Resource)
            .or_else(|error| as_shared(()).map_err(|_| D::Error::custom(error)))
    }
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SharedImageId>, D::Error> {
    fields::text(deserializer)?.map(|text| text.parse()).transpose().map_err(D::Error::custom)
}

/// Protection from deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SafetyProfile {
    /// Whether the version cannot be deleted before its end-of-life date.
    #[serde(default, deserialize_with = "fields::flag")]
    pub block_deletion_before_end_of_life: bool,
    /// Whether a region can be removed from the version.
    #[serde(default, deserialize_with = "fields::flag")]
    pub allow_deletion_of_replicated_locations: bool,
}

fn safety<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SafetyProfile, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The replication by region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReplicationStatus {
    /// The regions. A region that is not listed has an unknown state.
    pub summary: Vec<RegionalReplication>,
}

/// The replication to one region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RegionalReplication {
    /// The region.
    pub region: Location,
    /// The state.
    pub state: ReplicationState,
}
