//! Managed images.

use serde::Deserialize;

use super::fields;
use super::image_definition::{HyperVGeneration, OsState, OsType};
use super::resource::{ArmResource, ProvisioningState, ResourceProperties};
use crate::arm_id::{ArmId, MANAGED_IMAGE};

/// A managed image.
pub type ManagedImage = ArmResource<ManagedImageProperties>;

/// The properties of a managed image. Azure sends no time of creation in them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedImageProperties {
    /// The state of the last operation.
    pub provisioning_state: ProvisioningState,
    /// The virtual machine from which the image was captured.
    #[serde(default, deserialize_with = "fields::id_in_object")]
    pub source_virtual_machine: Option<ArmId>,
    /// The disks of the image.
    pub storage_profile: ImageStorage,
    /// The generation of the virtual machines that can start from the image.
    pub hyper_v_generation: Option<HyperVGeneration>,
}

impl ManagedImageProperties {
    /// The snapshots and disks from which the image was created.
    pub fn sources(&self) -> impl Iterator<Item = &ArmId> {
        let os = &self.storage_profile.os_disk.disk;
        let disks = std::iter::once(os).chain(&self.storage_profile.data_disks);
        disks.flat_map(|disk| disk.snapshot.iter().chain(&disk.managed_disk))
    }

    /// The size of all disks in GiB. `None` if one is unknown.
    pub fn size_gb(&self) -> Option<u64> {
        let os = &self.storage_profile.os_disk.disk;
        std::iter::once(os)
            .chain(&self.storage_profile.data_disks)
            .try_fold(0_u64, |sum, disk| sum.checked_add(disk.disk_size_gb?))
    }
}

impl ResourceProperties for ManagedImageProperties {
    const TYPE: &'static str = MANAGED_IMAGE;
}

/// The disks of a managed image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStorage {
    /// The operating system disk.
    pub os_disk: ImageOsDisk,
    /// The data disks.
    #[serde(default, deserialize_with = "fields::list")]
    pub data_disks: Vec<ManagedImageDisk>,
}

/// The operating system disk of a managed image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawImageDisk")]
pub struct ImageOsDisk {
    /// The operating system.
    pub os_type: OsType,
    /// Whether it was generalized.
    pub os_state: OsState,
    /// The source and the size.
    pub disk: ManagedImageDisk,
}

/// A disk of a managed image. It has at least one source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawImageDisk")]
pub struct ManagedImageDisk {
    /// The number of a data disk.
    pub lun: Option<u32>,
    /// The snapshot from which it was created.
    pub snapshot: Option<ArmId>,
    /// The managed disk from which it was created.
    pub managed_disk: Option<ArmId>,
    /// The blob from which it was created.
    pub blob_uri: Option<String>,
    /// The size in GiB.
    pub disk_size_gb: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImageDisk {
    lun: Option<u32>,
    os_type: Option<OsType>,
    os_state: Option<OsState>,
    #[serde(default, deserialize_with = "fields::id_in_object")]
    snapshot: Option<ArmId>,
    #[serde(default, deserialize_with = "fields::id_in_object")]
    managed_disk: Option<ArmId>,
    #[serde(default, deserialize_with = "fields::text")]
    blob_uri: Option<String>,
    #[serde(rename = "diskSizeGB")]
    disk_size_gb: Option<u64>,
}

impl TryFrom<RawImageDisk> for ManagedImageDisk {
    type Error = &'static str;

    fn try_from(raw: RawImageDisk) -> Result<Self, Self::Error> {
        let RawImageDisk { lun, snapshot, managed_disk, blob_uri, disk_size_gb, .. } = raw;
        match (&snapshot, &managed_disk, &blob_uri) {
            (None, None, None) => Err("expected one of `snapshot`, `managedDisk` and `blobUri`"),
            _ => Ok(Self { lun, snapshot, managed_disk, blob_uri, disk_size_gb }),
        }
    }
}

impl TryFrom<RawImageDisk> for ImageOsDisk {
    type Error = &'static str;

    fn try_from(raw: RawImageDisk) -> Result<Self, Self::Error> {
        Ok(Self {
            os_type: raw.os_type.clone().ok_or("missing field `osType`")?,
            os_state: raw.os_state.clone().ok_or("missing field `osState`")?,
            disk: raw.try_into()?,
        })
    }
}
