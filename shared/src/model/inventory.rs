//! An inventory: the images, the snapshots, the references to them, and the sources that could not
//! be read, at one moment.
//!
//! The JSON form is the saved inventory. `image-steward inventory` writes it, and `plan
//! --inventory` reads it. An unknown field is an error, because a misspelled `protected` must not
//! be read as "not protected". Therefore a new field needs a new format number.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

use super::{
    AccountId, DocumentKind, FormatError, FormatNumber, IgnoredTemplate, ImageId, InstanceId,
    LaunchPermission, RecycledImage, Reference, Region, RetentionRule, SnapshotId,
    SnapshotReference, Tags, Unread, VolumePermission,
};

/// All input of a plan except the policy and the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The format number of the saved inventory.
    pub format: FormatNumber<{ Inventory::DOCUMENT.number }>,
    /// The account of the inventory.
    pub account: AccountId,
    /// The Region of the inventory.
    pub region: Region,
    /// When collecting the inventory started.
    pub taken_at: Timestamp,
    /// The sources that could not be read. If there are any, nothing is removed.
    #[serde(default)]
    pub unread: Vec<Unread>,
    /// The images, in no particular order.
    pub images: Vec<Image>,
    /// The number of kernel and ramdisk images that the account owns. They are not included in
    /// `images`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_image_types: u32,
    /// The snapshots, in no particular order.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// The references to images, in no particular order.
    pub references: Vec<Reference>,
    /// Launch template versions that were ignored although their image cannot be determined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_templates: Vec<IgnoredTemplate>,
    /// The direct references to snapshots, other than those of their images, in no particular
    /// order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshot_references: Vec<SnapshotReference>,
    /// The retention rules of the Recycle Bin; `None` if they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_rules: Option<Vec<RetentionRule>>,
    /// The images in the Recycle Bin; `None` if they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycled_images: Option<Vec<RecycledImage>>,
}

/// A machine image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The image ID.
    pub image_id: ImageId,
    /// The name of the image; empty if it has none.
    #[serde(default = "no_name")]
    pub name: Arc<str>,
    /// The account that owns the image. `None` if it is unknown; the image is then treated as owned
    /// by another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<AccountId>,
    /// When the image was created. `None` if it is unknown; the image is then kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The state that the provider reports.
    #[serde(default)]
    pub state: ImageState,
    /// The processor architecture, for example `x86_64` or `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<SmolStr>,
    /// The operating system, for example `Linux/UNIX` or `Windows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<SmolStr>,
    /// The alias of the owner, for example `self` or `aws-backup-vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_alias: Option<SmolStr>,
    /// The tags of the image.
    #[serde(default)]
    pub tags: Tags,
    /// The snapshots that back the image, each once.
    #[serde(default)]
    pub snapshots: Box<[SnapshotId]>,
    /// The last launch that the provider reports, with a delay of one day. If it is absent, the
    /// image may still have been launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_launched_at: Option<Timestamp>,
    /// When the provider starts to show the image as deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_time: Option<Timestamp>,
    /// Whether the provider refuses to deregister the image. This includes the cool-down after
    /// protection was turned off.
    #[serde(default, deserialize_with = "protection")]
    pub protected: bool,
    /// Whether the image is public, according to the listing. The launch permissions contain more
    /// detail.
    #[serde(default, skip_serializing_if = "is_false")]
    pub public: bool,
    /// Who may launch the image, besides its owner; `None` if this was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_permissions: Option<Box<[LaunchPermission]>>,
    /// Why the launch permissions could not be read, if reading them was tried. The image is then
    /// not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_permissions_unread: Option<Arc<str>>,
    /// The instance that the image was created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_instance: Option<InstanceId>,
    /// The image that this image was copied or created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_image: Option<ImageId>,
}

/// The state of an image, in EC2's terms.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the provider's own terms")]
pub enum ImageState {
    Pending,
    Available,
    Invalid,
    Deregistered,
    Transient,
    Failed,
    Error,
    Disabled,
    /// A state that this version does not know, or no state.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ImageState {
    /// Parses the name of a state. Any unknown text is [`ImageState::Unknown`].
    pub fn from_name(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The snapshot ID.
    pub snapshot_id: SnapshotId,
    /// When the snapshot was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The size of the volume in GiB. Deleting the snapshot frees at most this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// The tags of the snapshot.
    #[serde(default)]
    pub tags: Tags,
    /// The description. The provider records there which image the snapshot was created for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// The source volume; `vol-ffffffff` for a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_id: Option<Arc<str>>,
    /// Whether the snapshot is complete; `None` if this is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Whether the snapshot is locked against deletion; `None` if this was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Who may create volumes from the snapshot, besides its owner; `None` if this was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<Box<[VolumePermission]>>,
    /// Why the volume permissions could not be read, if reading them was tried. The snapshot is
    /// then not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with_unread: Option<Arc<str>>,
}

impl Snapshot {
    /// A snapshot with only its ID known.
    pub fn new(snapshot_id: SnapshotId) -> Self {
        Self {
            snapshot_id,
            started_at: None,
            size_gib: None,
            tags: Tags::default(),
            description: None,
            volume_id: None,
            completed: None,
            locked: None,
            shared_with: None,
            shared_with_unread: None,
        }
    }
}

/// Whether the call that deregisters an image also deletes its snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotFate {
    /// The snapshots are kept and tagged. A later run deletes them.
    DeleteLater,
    /// The provider deletes the snapshots that no other image uses.
    DeleteWithImage,
}

/// Used to omit fields that are false.
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A saved inventory that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The format number is not supported.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The document is not valid JSON, or its structure is wrong.
    #[error("{path}: {message} (line {line}, column {column})")]
    Shape {
        /// The path in the document, for example `images[3].created_at`.
        path: String,
        /// What is wrong at this path.
        message: String,
        /// The line, starting at 1.
        line: usize,
        /// The column, starting at 1.
        column: usize,
    },
    /// The document contains an ID twice.
    #[error("{0} appears twice; list each image and each snapshot once")]
    Twice(String),
}

impl Inventory {
    /// The format of saved inventories.
    pub const DOCUMENT: DocumentKind = DocumentKind {
        name: "a saved inventory",
        key: "format",
        number: 1,
        remedy: "create the inventory again with this version (`image-steward inventory --out FILE`)",
    };

    /// Parses a saved inventory.
    ///
    /// # Errors
    /// [`InventoryError`], with the place in the document.
    pub fn from_json(text: &str) -> Result<Self, InventoryError> {
        Self::DOCUMENT.check_json(text)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let inventory: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." || path == "?" => "inventory".to_owned(),
                path => path,
            };
            shape(path, &error.into_inner())
        })?;
        json.end().map_err(|error| shape("inventory".to_owned(), &error))?;
        inventory.check_ids()?;
        Ok(inventory)
    }

    fn check_ids(&self) -> Result<(), InventoryError> {
        let mut seen = BTreeSet::new();
        let ids = self.images.iter().map(|image| image.image_id.as_str());
        for id in ids.chain(self.snapshots.iter().map(|snapshot| snapshot.snapshot_id.as_str())) {
            if !seen.insert(id) {
                return Err(InventoryError::Twice(id.to_owned()));
            }
        }
        Ok(())
    }
}

fn shape(path: String, error: &serde_json::Error) -> InventoryError {
    let message = error.to_string();
    let mut message = message.split(" at line ").next().unwrap_or_default().to_owned();
    if message.starts_with("unknown field") {
        message.push_str("; an unknown field could be a reason to keep an image: remove it, or create the inventory again");
    }
    InventoryError::Shape { path, message, line: error.line(), column: error.column() }
}

fn no_name() -> Arc<str> {
    "".into()
}

/// Parses `true` or `false`, or the provider's text. Only `disabled` means unprotected: `disabled
/// after …` is a cool-down period during which deregistering still fails.
fn protection<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "true, false, or the provider's value such as \"disabled\"")]
    enum ProtectionForm {
        Flag(bool),
        Word(String),
        Absent(()),
    }
    Ok(match ProtectionForm::deserialize(deserializer)? {
        ProtectionForm::Flag(flag) => flag,
        ProtectionForm::Word(word) => word != "disabled",
        ProtectionForm::Absent(()) => false,
    })
}

#[cfg(test)]
mod tests;
