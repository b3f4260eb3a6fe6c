//! Managed disks.

use jiff::Timestamp;
use serde::Deserialize;

use super::fields;
use super::image_reference::{ImageReference, ImageTarget};
use super::machine_storage::CreateOption;
use super::open_enum::open_enum;
use super::resource::{ArmResource, Beside, ResourceProperties};
use crate::arm_id::ArmId;

open_enum!(
    /// The state of a disk or a snapshot.
    DiskState {
        /// It is not attached.
        Unattached,
        /// It is attached to a running virtual machine.
        Attached,
        /// It is attached to a virtual machine that is stopped.
        Reserved,
        /// It is attached to a hibernated virtual machine.
        Frozen,
        /// A URL for its content was issued.
        ActiveSAS,
        /// A URL for its content was issued, and it is attached to a hibernated virtual machine.
        ActiveSASFrozen,
        /// It waits for an upload.
        ReadyToUpload,
        /// Its content is being uploaded.
        ActiveUpload,
    }
);

/// A managed disk.
pub type Disk = ArmResource<DiskProperties>;

/// The properties of a managed disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskProperties {
    /// From what the disk was made.
    pub creation_data: CreationData,
    /// The state. `None` counts as unknown.
    pub disk_state: Option<DiskState>,
    /// The time of creation.
    #[serde(default, deserialize_with = "fields::time")]
    pub time_created: Option<Timestamp>,
    /// The size in GiB.
    #[serde(rename = "diskSizeGB")]
    pub disk_size_gb: Option<u64>,
}

impl ResourceProperties for DiskProperties {
    const TYPE: &'static str = "microsoft.compute/disks";

    fn check(&self, beside: &Beside<'_>) -> Result<(), String> {
        use DiskState::{Attached, Frozen, Reserved};
        match &self.disk_state {
            Some(state @ (Attached | Frozen | Reserved)) if beside.managed_by.is_empty() => {
                Err(format!("missing field `managedBy`: the diskState is {state}"))
            }
            _ => Ok(()),
        }
    }
}

impl Disk {
    /// Whether nothing uses the disk, by both witnesses: the state and `managedBy`.
    pub fn is_unattached(&self) -> bool {
        self.managed_by.is_empty() && self.properties.disk_state == Some(DiskState::Unattached)
    }
}

/// From what a disk or a snapshot was made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawCreationData")]
pub struct CreationData {
    /// How it was created.
    pub create_option: CreateOption,
    /// The image. For a version, `gallery_image` names the same.
    pub image: Option<ImageReference>,
    /// The version of a gallery image.
    pub gallery_image: Option<ImageReference>,
    /// The disk or the snapshot.
    pub source: Option<ArmId>,
}

impl CreationData {
    /// The images from which it was made.
    pub fn targets(&self) -> Vec<ImageTarget> {
        let mut found: Vec<_> = self
            .image
            .iter()
            .chain(&self.gallery_image)
            .flat_map(ImageReference::targets)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCreationData {
    create_option: CreateOption,
    image_reference: Option<ImageReference>,
    gallery_image_reference: Option<ImageReference>,
    #[serde(default, deserialize_with = "fields::id")]
    source_resource_id: Option<ArmId>,
}

impl TryFrom<RawCreationData> for CreationData {
    type Error = &'static str;

    fn try_from(raw: RawCreationData) -> Result<Self, Self::Error> {
        let has_image = raw.image_reference.is_some() || raw.gallery_image_reference.is_some();
        match raw.create_option {
            CreateOption::FromImage if !has_image => {
                Err("missing field `imageReference`: the createOption is FromImage")
            }
            CreateOption::Copy if raw.source_resource_id.is_none() => {
                Err("missing field `sourceResourceId`: the createOption is Copy")
            }
            create_option => Ok(Self {
                create_option,
                image: raw.image_reference,
                gallery_image: raw.gallery_image_reference,
                source: raw.source_resource_id,
            }),
        }
    }
}
