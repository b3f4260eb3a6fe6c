//! The images and snapshots of a fleet, and how the port returns them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward::model::{
    AccountId, Image, ImageId, ImageState, InstanceId, Snapshot, SnapshotId, Tags,
};

/// An image. Images of other owners are visible to the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetImage {
    pub image_id: ImageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<AccountId>,
    #[serde(default = "long_ago")]
    pub created_at: Timestamp,
    #[serde(default = "available")]
    pub state: String,
    #[serde(default = "x86_64")]
    pub architecture: String,
    /// `windows`, or empty for Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub snapshots: Vec<SnapshotId>,
    /// The names of ephemeral devices.
    #[serde(default)]
    pub ephemeral: Vec<String>,
    /// The names of removed devices.
    #[serde(default)]
    pub no_device: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_launched_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_time: Option<Timestamp>,
    /// EC2's value. All values but `disabled` protect the image.
    #[serde(default = "disabled")]
    pub protected: String,
    #[serde(default)]
    pub public: bool,
    /// Account IDs, and ARNs of organizations and organizational units.
    #[serde(default)]
    pub launch_permissions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_instance: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_image: Option<ImageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_alias: Option<String>,
}

/// A snapshot. A snapshot that an own image uses but that is not listed is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetSnapshot {
    pub snapshot_id: SnapshotId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<AccountId>,
    #[serde(default = "long_ago")]
    pub started_at: Timestamp,
    #[serde(default = "eight")]
    pub size_gib: u32,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub description: String,
    #[serde(default = "completed")]
    pub state: String,
    #[serde(default = "no_volume")]
    pub volume_id: String,
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub public: bool,
    #[serde(default)]
    pub create_volume_permissions: Vec<AccountId>,
}

impl FleetImage {
    /// An available image of the account with these snapshots.
    pub fn new(id: ImageId, snapshots: impl IntoIterator<Item = SnapshotId>) -> Self {
        Self {
            image_id: id,
            name: None,
            owner_id: None,
            created_at: long_ago(),
            state: available(),
            architecture: x86_64(),
            platform: None,
            description: String::new(),
            tags: Tags::default(),
            snapshots: snapshots.into_iter().collect(),
            ephemeral: Vec::new(),
            no_device: Vec::new(),
            last_launched_at: None,
            deprecation_time: None,
            protected: disabled(),
            public: false,
            launch_permissions: Vec::new(),
            source_instance: None,
            source_image: None,
            owner_alias: None,
        }
    }

    /// Removes all launch permissions.
    pub fn unshare(&mut self) {
        self.public = false;
        self.launch_permissions.clear();
    }

    /// Sets fields that the file omits to their defaults.
    pub(super) fn fill_in(&mut self, account: &AccountId) {
        self.name.get_or_insert_with(|| self.image_id.to_string());
        self.owner_id.get_or_insert_with(|| account.clone());
        let mut seen = BTreeSet::new();
        self.snapshots.retain(|id| seen.insert(id.clone()));
    }

    /// The image as the port returns it to `account`. Fewer fields of other owners' images are
    /// visible.
    pub fn seen_by(&self, account: &AccountId) -> Image {
        let owner = self.owner_id.clone().unwrap_or_else(|| account.clone());
        let mine = owner == *account;
        let windows = self.platform.as_deref() == Some("windows");
        Image {
            name: self.name.as_deref().unwrap_or(self.image_id.as_str()).into(),
            owner_id: Some(owner),
            created_at: Some(self.created_at),
            state: ImageState::from_name(&self.state),
            architecture: Some(self.architecture.as_str().into()),
            platform: Some(if windows { "Windows" } else { "Linux/UNIX" }.into()),
            owner_alias: self.owner_alias.as_deref().map(Into::into),
            tags: self.tags.clone(),
            snapshots: self.snapshots.clone().into(),
            last_launched_at: self.last_launched_at.filter(|_| mine),
            deprecation_time: self.deprecation_time,
            protected: mine && self.protected != "disabled",
            // A disabled image cannot be shared, so its permissions are not requested.
            public: self.public,
            launch_permissions: (self.state == "disabled").then(Box::default),
            launch_permissions_unread: None,
            source_instance: self.source_instance.clone().filter(|_| mine),
            source_image: self.source_image.clone(),
            ..Image::new(self.image_id.clone())
        }
    }
}

impl FleetSnapshot {
    /// A snapshot of 8 GiB.
    pub fn new(id: SnapshotId, started_at: Timestamp) -> Self {
        Self {
            snapshot_id: id,
            owner_id: None,
            started_at,
            size_gib: eight(),
            tags: Tags::default(),
            description: String::new(),
            state: completed(),
            volume_id: no_volume(),
            locked: false,
            public: false,
            create_volume_permissions: Vec::new(),
        }
    }

    /// A snapshot of 8 GiB, as EC2 creates it for an image.
    pub fn made_for(id: SnapshotId, image: &ImageId, started_at: Timestamp) -> Self {
        let volume = id.as_str().replacen("snap-", "vol-", 1);
        let description = format!("Created by CreateImage(i-00000000000000000) for {image}");
        Self { description, volume_id: volume, ..Self::new(id, started_at) }
    }

    /// Makes the snapshot private.
    pub fn unshare(&mut self) {
        self.public = false;
        self.create_volume_permissions.clear();
    }

    /// Sets fields that the file omits to their defaults.
    pub(super) fn fill_in(&mut self, account: &AccountId) {
        self.owner_id.get_or_insert_with(|| account.clone());
    }

    /// The snapshot as listings of the port return it: without locks and sharing.
    pub fn seen(&self) -> Snapshot {
        Snapshot {
            started_at: Some(self.started_at),
            size_gib: Some(self.size_gib),
            tags: self.tags.clone(),
            description: (!self.description.is_empty()).then(|| self.description.as_str().into()),
            volume_id: Some(self.volume_id.as_str().into()),
            completed: Some(self.state == "completed"),
            ..Snapshot::new(self.snapshot_id.clone())
        }
    }
}

pub(super) fn long_ago() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn available() -> String {
    "available".into()
}

fn x86_64() -> String {
    "x86_64".into()
}

fn disabled() -> String {
    "disabled".into()
}

fn completed() -> String {
    "completed".into()
}

/// EC2's description of a copy, which has no volume.
fn no_volume() -> String {
    "vol-ffffffff".into()
}

fn eight() -> u32 {
    8
}
