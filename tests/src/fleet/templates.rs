//! Launch templates, launch configurations and Auto Scaling groups of a fleet.

use serde::{Deserialize, Serialize};
use steward::model::{ImageId, SnapshotId};

/// A launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct LaunchTemplate {
    pub launch_template_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default = "one")]
    pub default_version: u32,
    pub versions: Vec<TemplateVersion>,
}

/// One version of a launch template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct TemplateVersion {
    pub version: u32,
    /// An image ID, `resolve:ssm:NAME`, or empty.
    #[serde(default)]
    pub image_id: Option<String>,
    /// The snapshots in the version's block device mappings.
    #[serde(default)]
    pub snapshots: Vec<SnapshotId>,
}

/// A launch configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct LaunchConfiguration {
    pub name: String,
    pub image_id: ImageId,
    /// The snapshots in its block device mappings.
    #[serde(default)]
    pub snapshots: Vec<SnapshotId>,
}

/// An Auto Scaling group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct AutoScalingGroup {
    pub name: String,
    #[serde(default)]
    pub launch_template: Option<Specification>,
    #[serde(default)]
    pub launch_configuration: Option<String>,
    #[serde(default)]
    pub mixed: Option<Mixed>,
}

/// The mixed instances policy of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Mixed {
    pub launch_template: Specification,
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// One override of a mixed instances policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Override {
    #[serde(default)]
    pub instance_type: Option<String>,
    #[serde(default)]
    pub launch_template: Option<Specification>,
    #[serde(default)]
    pub image_id: Option<String>,
}

/// A template version, as Auto Scaling groups, fleets and compute environments refer to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Specification {
    pub launch_template_id: String,
    /// A number, `$Latest` or `$Default`.
    #[serde(default = "default_version")]
    pub version: String,
}

fn default_version() -> String {
    "$Default".into()
}

fn one() -> u32 {
    1
}
