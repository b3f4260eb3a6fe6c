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

use super::capabilities::is_default;
use super::{
    AccountId, Attribution, Capabilities, DocumentKind, FormatError, FormatNumber, IgnoredTemplate,
    ImageId, InstanceId, LaunchPermission, Provider, Recoverability, RecycledImage, Reference,
    Region, RetentionRule, SnapshotId, SnapshotReference, Tags, Unread, VolumePermission,
    for_others,
};

/// All input of a plan except the policy and the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The format number of the saved inventory.
    pub format: FormatNumber<{ Inventory::DOCUMENT.number }>,
    /// The account of the inventory.
    pub account: AccountId,
    /// The Region of the inventory; `None` if it covers all Regions of the account, as on Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
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
    /// The snapshots and disks that the image was created from. The image does not need them, and
    /// they remain when it is removed.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub sources: Box<[SnapshotId]>,
    /// The image definition that the image is a version of: `gallery/definition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Arc<str>>,
    /// Whether the operating system is `generalized` or `specialized`. A specialized image contains
    /// the accounts and secrets of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_state: Option<SmolStr>,
    /// The disks of the image, if the provider lists them: first the operating system's.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub disks: Box<[ImageDisk]>,
    /// What protects the image, if `protected` is set and the provider reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_by: Option<Arc<str>>,
    /// Whether it was not confirmed that the image is available wherever it is meant to be. Such an
    /// image takes no other image's place in its family.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unconfirmed: bool,
    /// What can be done with the image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capabilities: Capabilities,
}

impl Image {
    /// An image with only its ID known. It is treated as owned by another account.
    pub fn new(image_id: ImageId) -> Self {
        Self {
            image_id,
            name: no_name(),
            owner_id: None,
            created_at: None,
            state: ImageState::default(),
            architecture: None,
            platform: None,
            owner_alias: None,
            tags: Tags::default(),
            snapshots: Box::default(),
            last_launched_at: None,
            deprecation_time: None,
            protected: false,
            public: false,
            launch_permissions: None,
            launch_permissions_unread: None,
            source_instance: None,
            source_image: None,
            sources: Box::default(),
            definition: None,
            os_state: None,
            disks: Box::default(),
            protected_by: None,
            unconfirmed: false,
            capabilities: Capabilities::default(),
        }
    }

    /// Whether the image is specialized, so that it contains the accounts and secrets of its source,
    /// and others may launch it.
    pub fn is_specialized_and_shared(&self) -> bool {
        let permissions = self.launch_permissions.as_deref().unwrap_or_default();
        let is_shared =
            self.public || for_others(permissions, self.owner_id.as_ref()).next().is_some();
        self.os_state.as_deref() == Some(SPECIALIZED) && is_shared
    }

    /// The size of the image's disks in GiB, if no snapshots back it and a size is known, and the
    /// number of disks of unknown size.
    pub(crate) fn disk_sizes(&self) -> (Option<u32>, usize) {
        let disks: &[ImageDisk] = if self.snapshots.is_empty() { &self.disks } else { &[] };
        let known = disks.iter().filter_map(|disk| disk.size_gib).reduce(u32::saturating_add);
        (known, disks.iter().filter(|disk| disk.size_gib.is_none()).count())
    }

    /// The snapshots that back the image, and those that it was created from.
    pub fn all_snapshots(&self) -> impl Iterator<Item = &SnapshotId> {
        self.snapshots.iter().chain(&self.sources)
    }
}

/// The value of [`Image::os_state`] of a specialized image.
const SPECIALIZED: &str = "specialized";

/// A disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageDisk {
    /// The logical unit number of a data disk; `None` for the disk of the operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun: Option<u32>,
    /// The size in GiB, if the provider reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u32>,
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
    /// How it is known which image the snapshot was created for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attribution: Attribution,
    /// Whether the snapshot can be recovered after it is deleted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recovery: Recoverability,
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
            attribution: Attribution::default(),
            recovery: Recoverability::default(),
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
    /// The document contains an ID of another provider than its account's.
    #[error(
        "{id} is not an ID of the inventory's provider ({provider}); list the resources of one account"
    )]
    Provider {
        /// The ID.
        id: String,
        /// The provider of the account.
        provider: Provider,
    },
    /// AWS lists resources per Region, so the Region must be given.
    #[error("missing field `region`: an inventory of an AWS account needs it")]
    NoRegion,
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
        let mut inventory: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." || path == "?" => "inventory".to_owned(),
                path => path,
            };
            shape(path, &error.into_inner())
        })?;
        json.end().map_err(|error| shape("inventory".to_owned(), &error))?;
        inventory.check_ids()?;
        inventory.check_provider()?;
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

impl Inventory {
    /// Checks that all resources have the same provider, and compares tag names as it does.
    fn check_provider(&mut self) -> Result<(), InventoryError> {
        let provider = self.account.provider();
        if provider == Provider::Aws && self.region.is_none() {
            return Err(InventoryError::NoRegion);
        }
        let images = self.images.iter().map(|one| (one.image_id.as_str(), one.image_id.provider()));
        let snapshots = &self.snapshots;
        let snapshots =
            snapshots.iter().map(|one| (one.snapshot_id.as_str(), one.snapshot_id.provider()));
        let references = &self.references;
        let references =
            references.iter().map(|one| (one.image_id.as_str(), one.image_id.provider()));
        let mut all = images.chain(snapshots).chain(references);
        if let Some((id, _)) = all.find(|(_, found)| *found != provider) {
            return Err(InventoryError::Provider { id: id.to_owned(), provider });
        }
        if provider == Provider::Azure {
            let images = self.images.iter_mut().map(|one| &mut one.tags);
            for tags in images.chain(self.snapshots.iter_mut().map(|one| &mut one.tags)) {
                tags.ignore_case();
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
