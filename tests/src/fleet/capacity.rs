//! What else launches instances in a fleet: EC2 and spot fleets, spot requests, AWS Batch, and the
//! recipes of Image Builder.

use serde::{Deserialize, Serialize};
use steward::model::ImageId;

use super::templates::Specification;

/// An EC2 fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ec2Fleet {
    pub fleet_id: String,
    /// EC2's own word, for example `active` or `deleted_running`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
    /// The images that overrides name themselves.
    #[serde(default)]
    pub images: Vec<String>,
}

/// A request for a spot fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SpotFleet {
    pub spot_fleet_request_id: String,
    /// EC2's own word, for example `active` or `cancelled_running`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
    /// The images that launch specifications name.
    #[serde(default)]
    pub images: Vec<String>,
}

/// A request for a spot instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SpotRequest {
    pub spot_instance_request_id: String,
    /// EC2's own word, for example `open` or `closed`.
    #[serde(default = "open")]
    pub state: String,
    pub image_id: String,
}

/// A compute environment of AWS Batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ComputeEnvironment {
    pub name: String,
    /// Batch's own word, for example `VALID` or `DELETED`.
    #[serde(default = "valid")]
    pub status: String,
    #[serde(default)]
    pub image_id: Option<String>,
    #[serde(default)]
    pub image_id_overrides: Vec<String>,
    /// The first is the environment's own, the others are its overrides.
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
}

/// A recipe of Image Builder, which only DescribeImageReferences tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Recipe {
    pub name: String,
    #[serde(default = "first")]
    pub version: String,
    #[serde(default)]
    pub kind: RecipeKind,
    pub image_id: ImageId,
}

/// What a recipe makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RecipeKind {
    Container,
    #[default]
    Image,
}

fn active() -> String {
    "active".into()
}

fn open() -> String {
    "open".into()
}

fn valid() -> String {
    "VALID".into()
}

fn first() -> String {
    "1.0.0".into()
}
