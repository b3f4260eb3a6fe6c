//! The content of an account as a file, in the format of the stand-in.
//!
//! Everything but the IDs is optional. [`Fleet::filled`] sets omitted fields to the same defaults
//! as the stand-in, so that the contents of two accounts can be compared.

mod capacity;
mod images;
mod recycle_bin;
mod templates;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward::model::{AccountId, ImageId, InstanceId, Region, SnapshotId, Tags};

pub use self::capacity::{
    ComputeEnvironment, Ec2Fleet, Recipe, RecipeKind, SpotFleet, SpotRequest,
};
pub use self::images::{FleetImage, FleetSnapshot};
pub use self::recycle_bin::{BinnedImage, BinnedSnapshot, FleetRule};
pub use self::templates::{
    AutoScalingGroup, LaunchConfiguration, LaunchTemplate, Mixed, Override, Specification,
    TemplateVersion,
};

/// An account in one Region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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
    pub auto_scaling_groups: Vec<AutoScalingGroup>,
    pub fleets: Vec<Ec2Fleet>,
    pub spot_fleets: Vec<SpotFleet>,
    pub spot_requests: Vec<SpotRequest>,
    pub compute_environments: Vec<ComputeEnvironment>,
    pub image_recipes: Vec<Recipe>,
    pub ssm_parameters: Vec<Parameter>,
    /// Default: a rule for all images and a rule for all snapshots, with 14 days each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_rules: Option<Vec<FleetRule>>,
    pub recycled_images: Vec<BinnedImage>,
    pub recycled_snapshots: Vec<BinnedSnapshot>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct FleetInstance {
    pub instance_id: InstanceId,
    pub image_id: ImageId,
    /// EC2's name of the state, for example `running` or `terminated`.
    #[serde(default = "running")]
    pub state: String,
    #[serde(default)]
    pub tags: Tags,
    /// When the instance was last started.
    #[serde(default = "images::long_ago")]
    pub launched_at: Timestamp,
    /// Whether termination protection is enabled.
    #[serde(default)]
    pub protected: bool,
    /// Whether stop protection is enabled.
    #[serde(default)]
    pub stop_protected: bool,
    /// Its Auto Scaling group.
    #[serde(default)]
    pub group: Option<String>,
    /// The Spot request that launched it.
    #[serde(default)]
    pub spot_request: Option<String>,
    /// The volumes that are deleted with the instance.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// The volumes that remain.
    #[serde(default)]
    pub kept_volumes: Vec<String>,
}

impl FleetInstance {
    /// A running instance without tags.
    pub fn new(instance_id: InstanceId, image_id: ImageId) -> Self {
        Self {
            instance_id,
            image_id,
            state: running(),
            tags: Tags::default(),
            launched_at: images::long_ago(),
            protected: false,
            stop_protected: false,
            group: None,
            spot_request: None,
            volumes: Vec::new(),
            kept_volumes: Vec::new(),
        }
    }

    /// Its tags as EC2 returns them, including the tag of its Auto Scaling group.
    pub fn seen_tags(&self) -> Tags {
        match &self.group {
            None => self.tags.clone(),
            Some(group) => {
                let shown = [("aws:autoscaling:groupName", group.as_str())];
                self.tags.with(&shown.into_iter().collect())
            }
        }
    }
}

/// A Systems Manager parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Parameter {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub r#type: ParameterType,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of Systems Manager")]
pub enum ParameterType {
    #[default]
    String,
    StringList,
    SecureString,
}

impl Parameter {
    /// A parameter of type `String`.
    pub fn string(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), r#type: ParameterType::String }
    }

    /// Whether its value can be read without decryption, as EC2 reads aliases.
    pub fn is_plain(&self) -> bool {
        self.r#type != ParameterType::SecureString
    }
}

impl Fleet {
    /// Reads a fleet file.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).expect("a fleet file")
    }

    /// The account. The default is the stand-in's.
    pub fn account(&self) -> AccountId {
        self.account.clone().unwrap_or_else(|| "123456789012".parse().unwrap())
    }

    /// The Region. The default is the stand-in's.
    pub fn region(&self) -> Region {
        self.region.clone().unwrap_or_else(|| "eu-central-1".parse().unwrap())
    }

    /// The same fleet with all defaults set and sorted, as the stand-in returns it.
    pub fn filled(mut self) -> Self {
        let account = self.account();
        self.region = Some(self.region());
        self.make_snapshots(&account);
        for snapshot in &mut self.snapshots {
            snapshot.fill_in(&account);
        }
        for binned in &mut self.recycled_images {
            binned.image.fill_in(&account);
        }
        for binned in &mut self.recycled_snapshots {
            binned.snapshot.fill_in(&account);
        }
        for template in &mut self.launch_templates {
            template.name.get_or_insert_with(|| template.launch_template_id.clone());
            template.versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        }
        self.account = Some(account);
        self.retention_rules.get_or_insert_with(FleetRule::usual);
        self.sort();
        self
    }

    /// Sets the defaults of the images, and adds the snapshots that they use but that are not
    /// listed. Snapshots of an image in the Recycle Bin may be missing.
    fn make_snapshots(&mut self, account: &AccountId) {
        let live = self.snapshots.iter();
        let binned = self.recycled_snapshots.iter().map(|binned| &binned.snapshot);
        let listed: BTreeSet<SnapshotId> =
            live.chain(binned).map(|snapshot| snapshot.snapshot_id.clone()).collect();
        let mut made: BTreeMap<SnapshotId, (Timestamp, ImageId)> = BTreeMap::new();
        for image in &mut self.images {
            image.fill_in(account);
            if image.owner_id.as_ref() == Some(account) {
                for snapshot in image.snapshots.iter().filter(|id| !listed.contains(id)) {
                    let this = (image.created_at, image.image_id.clone());
                    let oldest = made.entry(snapshot.clone()).or_insert_with(|| this.clone());
                    if this.0 < oldest.0 {
                        *oldest = this;
                    }
                }
            }
        }
        let made = made.into_iter();
        self.snapshots
            .extend(made.map(|(id, (at, image))| FleetSnapshot::made_for(id, &image, at)));
    }

    fn sort(&mut self) {
        self.images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
        self.snapshots.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
        self.instances.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
        self.launch_templates.sort_by(|a, b| a.launch_template_id.cmp(&b.launch_template_id));
        self.launch_configurations.sort_by(|a, b| a.name.cmp(&b.name));
        self.auto_scaling_groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.fleets.sort_by(|a, b| a.fleet_id.cmp(&b.fleet_id));
        self.spot_fleets.sort_by(|a, b| a.spot_fleet_request_id.cmp(&b.spot_fleet_request_id));
        self.spot_requests
            .sort_by(|a, b| a.spot_instance_request_id.cmp(&b.spot_instance_request_id));
        self.compute_environments.sort_by(|a, b| a.name.cmp(&b.name));
        self.image_recipes
            .sort_by(|a, b| (&a.name, &a.version, a.kind).cmp(&(&b.name, &b.version, b.kind)));
        self.ssm_parameters.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(rules) = &mut self.retention_rules {
            rules.sort_by(|a, b| a.rule_id.cmp(&b.rule_id));
        }
        self.recycled_images.sort_by(|a, b| a.image.image_id.cmp(&b.image.image_id));
        self.recycled_snapshots.sort_by(|a, b| a.snapshot.snapshot_id.cmp(&b.snapshot.snapshot_id));
    }
}

fn running() -> String {
    "running".into()
}
