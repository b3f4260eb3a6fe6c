//! The content of an account as a file: the format that the stand-in reads and writes too.
//!
//! Everything is optional but the ids. [`Fleet::filled`] fills in what a file left out, exactly
//! as the stand-in does, so that what two accounts hold can be compared.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward::ids::{AccountId, ImageId, InstanceId, Region, SnapshotId};
use steward::inventory::{Image, Snapshot};
use steward::tags::Tags;

/// An account in one Region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Fleet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    pub images: Vec<FleetImage>,
    pub snapshots: Vec<FleetSnapshot>,
    pub instances: Vec<FleetInstance>,
    pub launch_templates: Vec<LaunchTemplate>,
    pub launch_configurations: Vec<LaunchConfiguration>,
    pub auto_scaling_groups: Vec<Group>,
    pub ssm_parameters: Vec<Parameter>,
}

/// An image; one of another owner is one that the account can see.
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
    /// `windows`, or nothing for Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub snapshots: Vec<SnapshotId>,
    /// The names of devices that are no volumes.
    #[serde(default)]
    pub ephemeral: Vec<String>,
    /// The names of devices that are taken out.
    #[serde(default)]
    pub no_device: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_launched_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_time: Option<Timestamp>,
    /// EC2's own word; only `disabled` does not protect.
    #[serde(default = "disabled")]
    pub protected: String,
    #[serde(default)]
    pub public: bool,
    #[serde(default)]
    pub launch_permissions: Vec<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_instance: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_image: Option<ImageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_alias: Option<String>,
}

/// A snapshot. One that an own image names and that is not listed comes into being.
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
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FleetInstance {
    pub instance_id: InstanceId,
    pub image_id: ImageId,
    /// EC2's own word, for example `running` or `terminated`.
    #[serde(default = "running")]
    pub state: String,
    #[serde(default)]
    pub tags: Tags,
}

/// A launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LaunchTemplate {
    pub launch_template_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default = "one")]
    pub default_version: u32,
    pub versions: Vec<TemplateVersion>,
}

/// One version of a launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TemplateVersion {
    pub version: u32,
    /// An image id, `resolve:ssm:NAME`, or nothing.
    #[serde(default)]
    pub image_id: Option<String>,
}

/// A launch configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LaunchConfiguration {
    pub name: String,
    pub image_id: ImageId,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Group {
    pub name: String,
    #[serde(default)]
    pub launch_template: Option<Specification>,
    #[serde(default)]
    pub launch_configuration: Option<String>,
    #[serde(default)]
    pub mixed: Option<Mixed>,
}

/// The mixed instances policy of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Mixed {
    pub launch_template: Specification,
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// One override of a mixed instances policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Override {
    #[serde(default)]
    pub instance_type: Option<String>,
    #[serde(default)]
    pub launch_template: Option<Specification>,
    #[serde(default)]
    pub image_id: Option<String>,
}

/// A version of a template, as a group names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Specification {
    pub launch_template_id: String,
    /// A number, `$Latest` or `$Default`.
    #[serde(default = "default_version")]
    pub version: String,
}

/// A parameter of Systems Manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

impl Fleet {
    /// Reads a fleet file.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).expect("a fleet file")
    }

    /// The account, by default the stand-in's.
    pub fn account(&self) -> AccountId {
        self.account.clone().unwrap_or_else(|| "123456789012".parse().unwrap())
    }

    /// The Region, by default the stand-in's.
    pub fn region(&self) -> Region {
        self.region.clone().unwrap_or_else(|| "eu-central-1".parse().unwrap())
    }

    /// The same fleet with everything filled in and in order, as the stand-in writes it back.
    pub fn filled(mut self) -> Self {
        let account = self.account();
        self.region = Some(self.region());
        let listed: BTreeSet<SnapshotId> =
            self.snapshots.iter().map(|snapshot| snapshot.snapshot_id.clone()).collect();
        let mut made: BTreeMap<SnapshotId, Timestamp> = BTreeMap::new();
        for image in &mut self.images {
            image.name.get_or_insert_with(|| image.image_id.to_string());
            if *image.owner_id.get_or_insert_with(|| account.clone()) == account {
                for snapshot in image.snapshots.iter().filter(|id| !listed.contains(id)) {
                    let at = made.entry(snapshot.clone()).or_insert(image.created_at);
                    *at = image.created_at.min(*at);
                }
            }
            let mut seen = BTreeSet::new();
            image.snapshots.retain(|id| seen.insert(id.clone()));
        }
        self.snapshots.extend(made.into_iter().map(|(id, at)| FleetSnapshot::new(id, at)));
        for snapshot in &mut self.snapshots {
            snapshot.owner_id.get_or_insert_with(|| account.clone());
        }
        for template in &mut self.launch_templates {
            template.name.get_or_insert_with(|| template.launch_template_id.clone());
            template.versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        }
        self.account = Some(account);
        self.images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
        self.snapshots.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
        self.instances.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
        self.launch_templates.sort_by(|a, b| a.launch_template_id.cmp(&b.launch_template_id));
        self.launch_configurations.sort_by(|a, b| a.name.cmp(&b.name));
        self.auto_scaling_groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.ssm_parameters.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }
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

    /// The image as the port shows it to `account`, which sees less of other owners' images.
    pub fn seen_by(&self, account: &AccountId) -> Image {
        let owner = self.owner_id.clone().unwrap_or_else(|| account.clone());
        let mine = owner == *account;
        let windows = self.platform.as_deref() == Some("windows");
        Image {
            image_id: self.image_id.clone(),
            name: self.name.as_deref().unwrap_or(self.image_id.as_str()).into(),
            owner_id: Some(owner),
            created_at: Some(self.created_at),
            state: self.state.as_str().into(),
            architecture: Some(self.architecture.as_str().into()),
            platform: Some(if windows { "Windows" } else { "Linux/UNIX" }.into()),
            owner_alias: self.owner_alias.as_deref().map(Into::into),
            tags: self.tags.clone(),
            snapshots: self.snapshots.clone().into(),
            last_launched_at: self.last_launched_at.filter(|_| mine),
            deprecation_time: self.deprecation_time,
            protected: mine && self.protected != "disabled",
            launch_permissions: self.public.then(|| Box::from(["all".into()])),
            source_instance: self.source_instance.clone().filter(|_| mine),
            source_image: self.source_image.clone(),
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
        }
    }

    /// The snapshot as the port shows it.
    pub fn seen(&self) -> Snapshot {
        Snapshot {
            snapshot_id: self.snapshot_id.clone(),
            started_at: Some(self.started_at),
            size_gib: Some(self.size_gib),
            tags: self.tags.clone(),
        }
    }
}

fn long_ago() -> Timestamp {
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

fn running() -> String {
    "running".into()
}

fn default_version() -> String {
    "$Default".into()
}

fn eight() -> u32 {
    8
}

fn one() -> u32 {
    1
}
