//! The world at one moment: images, snapshots, what refers to the images, and how completely
//! all of that was read.
//!
//! The JSON form is the saved inventory: `image-steward inventory` writes it, and
//! `plan --inventory` reads it back. A field it does not know is an error, because a misspelt
//! `protected` must not silently mean "not protected". So a new field is a new format.

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

/// Everything that a plan is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The format of the saved inventory.
    pub format: FormatNumber<{ Inventory::DOCUMENT.number }>,
    /// The account that was read.
    pub account: AccountId,
    /// The Region that was read.
    pub region: Region,
    /// When reading began.
    pub taken_at: Timestamp,
    /// The sources that could not be read. Anything here refuses every removal.
    #[serde(default)]
    pub unread: Vec<Unread>,
    /// The images, in no particular order.
    pub images: Vec<Image>,
    /// How many images of other types the account owns: kernels and ramdisks, which are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_image_types: u32,
    /// The snapshots, in no particular order.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// What holds images in use, in no particular order.
    pub references: Vec<Reference>,
    /// The versions of launch templates whose image cannot be read, and that were ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_templates: Vec<IgnoredTemplate>,
    /// What names snapshots itself, beside their images, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshot_references: Vec<SnapshotReference>,
    /// The rules of the Recycle Bin; `None` when they have not been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_rules: Option<Vec<RetentionRule>>,
    /// The images in the Recycle Bin; `None` when they have not been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycled_images: Option<Vec<RecycledImage>>,
}

/// One machine image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its id.
    pub image_id: ImageId,
    /// Its name; empty when it has none.
    #[serde(default = "no_name")]
    pub name: Arc<str>,
    /// Who owns it; `None` when that is not known, and then it is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<AccountId>,
    /// When it was made; `None` keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Its state.
    #[serde(default)]
    pub state: ImageState,
    /// For example `x86_64` or `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<SmolStr>,
    /// For example `Linux/UNIX` or `Windows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<SmolStr>,
    /// The owner's alias, for example `self` or `aws-backup-vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_alias: Option<SmolStr>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// The snapshots that back it, each once.
    #[serde(default)]
    pub snapshots: Box<[SnapshotId]>,
    /// The last launch, as the provider reports it: a day late, and absent proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_launched_at: Option<Timestamp>,
    /// From when on it is shown as deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_time: Option<Timestamp>,
    /// Whether the provider refuses to deregister it, a cool-down included.
    #[serde(default, deserialize_with = "protection")]
    pub protected: bool,
    /// Whether everybody may launch it, as far as a listing tells; the launch permissions say more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub public: bool,
    /// Who may launch it, besides its owner; `None` when that has not been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_permissions: Option<Box<[LaunchPermission]>>,
    /// Why that could not be read, if somebody tried; the image then stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_permissions_unread: Option<Arc<str>>,
    /// The instance that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_instance: Option<InstanceId>,
    /// The image that it was copied or made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_image: Option<ImageId>,
}

/// Where an image is in its life, in EC2's terms.
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
    /// A state that this version does not know, or none.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ImageState {
    /// The state of this name; [`ImageState::Unknown`] for any other text.
    pub fn from_name(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// One snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// When it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The size of its volume in GiB: an upper bound on what deleting it frees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// Its description: the provider writes there which image it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// The volume that it was made from; `vol-ffffffff` for a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_id: Option<Arc<str>>,
    /// Whether all of it is written; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Whether it is locked against deletion; `None` when that has not been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Who may create volumes from it, besides its owner; `None` when that has not been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<Box<[VolumePermission]>>,
    /// Why that could not be read, if somebody tried; the snapshot then stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with_unread: Option<Arc<str>>,
}

impl Snapshot {
    /// A snapshot of which nothing is known but its id.
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

/// What becomes of an image's snapshots in the call that deregisters it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotFate {
    /// They are kept and tagged; a later run deletes them.
    DeleteLater,
    /// The provider deletes those that no other image uses.
    DeleteWithImage,
}

/// For fields that are left out when they are false.
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A saved inventory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It is in another format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is not JSON of the documented shape.
    #[error("{path}: {message} (line {line}, column {column})")]
    Shape {
        /// Where in the document, for example `images[3].created_at`.
        path: String,
        /// What is wrong there.
        message: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An id is in the document twice.
    #[error("{0} appears twice; an inventory lists each image and each snapshot once")]
    Twice(String),
}

impl Inventory {
    /// The saved inventory.
    pub const DOCUMENT: DocumentKind = DocumentKind {
        name: "a saved inventory",
        key: "format",
        number: 1,
        remedy: "write the inventory again with this program (`image-steward inventory --out FILE`)",
    };

    /// Reads a saved inventory.
    ///
    /// # Errors
    /// [`InventoryError`] with the place in the document.
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
        message.push_str("; a field that is not known could be a reason to keep an image: remove it, or write the inventory again");
    }
    InventoryError::Shape { path, message, line: error.line(), column: error.column() }
}

fn no_name() -> Arc<str> {
    "".into()
}

/// `true`/`false`, or the provider's own word: only `disabled` is unprotected
/// (`disabled after …` is a cool-down in which deregistering still fails).
fn protection<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "true, false, or the provider's word such as \"disabled\"")]
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
