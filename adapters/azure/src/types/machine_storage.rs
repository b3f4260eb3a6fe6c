//! The disks of a virtual machine, of an instance of a scale set, or of the model of a scale set.

use serde::Deserialize;
use serde_json::Value;

use super::fields;
use super::image_reference::{ImageReference, ImageTarget};
use super::open_enum::open_enum;
use super::resource::ProvisioningState;
use crate::arm_id::ArmId;

open_enum!(
    /// How a disk is created.
    CreateOption {
        /// From an image.
        FromImage,
        /// Without content.
        Empty,
        /// It is an existing disk.
        Attach,
        /// From a snapshot or a disk.
        Copy,
        /// From a restore point.
        Restore,
        /// From a blob.
        Import,
        /// Its content is uploaded.
        Upload,
    }
);

/// The image and the disks of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawStorage")]
pub struct MachineStorage {
    /// The image from which the virtual machine was started. `None` if its operating system disk
    /// existed before, or was created from a blob.
    pub image: Option<ImageReference>,
    /// The operating system disk. `None` for a model, and for a disk that is a blob.
    pub os_disk: Option<ArmId>,
    /// The data disks that are managed disks.
    pub data_disks: Vec<ArmId>,
    /// The snapshots, disks and restore points from which data disks were created.
    pub data_sources: Vec<ArmId>,
    /// Whether a disk has neither an ID nor a blob. In a model, no disk has one.
    has_disks_without_id: bool,
}

impl MachineStorage {
    /// Checks that every disk of a virtual machine in `state` has an ID. While a virtual machine is
    /// created, its disks may have none yet.
    pub(super) fn check_disks(&self, state: &ProvisioningState) -> Result<(), String> {
        match self.has_disks_without_id && *state == ProvisioningState::Succeeded {
            true => Err("missing field `managedDisk`: a disk has no ID and no vhd".to_owned()),
            false => Ok(()),
        }
    }

    /// The images to which the storage refers.
    pub fn targets(&self) -> Vec<ImageTarget> {
        self.image.as_ref().map(ImageReference::targets).unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStorage {
    image_reference: Option<ImageReference>,
    os_disk: RawMachineDisk,
    #[serde(default, deserialize_with = "fields::list")]
    data_disks: Vec<RawMachineDisk>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMachineDisk {
    create_option: CreateOption,
    managed_disk: Option<RawManagedDisk>,
    /// The blob of an unmanaged disk.
    vhd: Option<Value>,
    /// A blob that is the image of an unmanaged disk.
    image: Option<Value>,
    #[serde(default, deserialize_with = "fields::id_in_object")]
    source_resource: Option<ArmId>,
}

#[derive(Deserialize)]
struct RawManagedDisk {
    #[serde(default, deserialize_with = "fields::id")]
    id: Option<ArmId>,
}

impl RawMachineDisk {
    fn id(&self) -> Option<&ArmId> {
        self.managed_disk.as_ref().and_then(|disk| disk.id.as_ref())
    }
}

impl TryFrom<RawStorage> for MachineStorage {
    type Error = String;

    fn try_from(raw: RawStorage) -> Result<Self, String> {
        use CreateOption::{Attach, Copy, Empty, Import, Restore, Upload};

        let os = raw.os_disk;
        let is_without_image =
            matches!(os.create_option, Attach | Copy | Empty | Import | Restore | Upload);
        if raw.image_reference.is_none() && !is_without_image && os.image.is_none() {
            return Err(format!(
                "missing field `imageReference`: the createOption of osDisk is {}",
                os.create_option
            ));
        }
        let data = &raw.data_disks;
        let mut all = std::iter::once(&os).chain(data);
        Ok(Self {
            has_disks_without_id: all.any(|disk| disk.id().is_none() && disk.vhd.is_none()),
            os_disk: os.id().cloned(),
            data_disks: data.iter().filter_map(RawMachineDisk::id).cloned().collect(),
            data_sources: data.iter().filter_map(|disk| disk.source_resource.clone()).collect(),
            image: raw.image_reference,
        })
    }
}
