//! Launch sources other than Auto Scaling groups: EC2 fleets, Spot fleets, Spot requests, AWS
//! Batch. Also Image Builder recipes.

use serde::{Deserialize, Serialize};
use steward::model::ImageId;

use super::templates::Specification;

/// An EC2 fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Ec2Fleet {
    pub fleet_id: String,
    /// EC2's name of the state, for example `active` or `deleted_running`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
    /// The images that overrides refer to directly.
    #[serde(default)]
    pub images: Vec<String>,
}

/// A Spot fleet request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct SpotFleet {
    pub spot_fleet_request_id: String,
    /// EC2's name of the state, for example `active` or `cancelled_running`.
    #[serde(default = "active")]
    pub state: String,
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
    /// The images in the launch specifications.
    #[serde(default)]
    pub images: Vec<String>,
}

/// A Spot instance request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct SpotRequest {
    pub spot_instance_request_id: String,
    /// EC2's name of the state, for example `open` or `closed`.
    #[serde(default = "open")]
    pub state: String,
    pub image_id: String,
}

/// A compute environment of AWS Batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct ComputeEnvironment {
    pub name: String,
    /// Batch's name of the status, for example `VALID` or `DELETED`.
    #[serde(default = "valid")]
    pub status: String,
    #[serde(default)]
    pub image_id: Option<String>,
    #[serde(default)]
    pub image_id_overrides: Vec<String>,
    /// The first image is the environment's own, the others are overrides.
    #[serde(default)]
    pub launch_templates: Vec<Specification>,
}

/// An Image Builder recipe, which only DescribeImageReferences reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Recipe {
    pub name: String,
    #[serde(default = "first")]
    pub version: String,
    #[serde(default)]
    pub kind: RecipeKind,
    pub image_id: ImageId,
}

/// The type of image that a recipe creates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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
