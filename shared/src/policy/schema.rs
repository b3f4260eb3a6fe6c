//! The policy document as it is written: the types behind the JSON Schema.
//!
//! Every leaf checks itself while it is read, and nothing here is mandatory for serde, so that
//! one wrong value does not hide the next one. What may be left out, and what goes with what,
//! is decided in [`check`](super::check).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalars::{Age, AgeOrNever, Count, Fraction, Glob, GroupBy, RawTemplateVersions, Word};
use super::{Check, RetireAction, SharedImages};
use crate::model::ImageId;

/// A policy: which images to keep, and how the others are retired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
#[schemars(title = "image-steward policy")]
pub struct RawPolicy {
    /// The version of this format: 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub version: Option<Count>,
    /// The time zone of the calendar rules, for example "Europe/Berlin". Default: UTC.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The rules, in order: the first one that matches an image decides about it. An image that
    /// none matches is kept.
    #[serde(default)]
    pub rule: Vec<RawRule>,
    /// What bounds a run.
    #[serde(default)]
    pub safety: RawSafety,
    /// What is written on new images.
    #[serde(default)]
    pub tagging: RawTagging,
    /// What becomes of snapshots whose image is gone without our doing: deregistered by hand, by
    /// another tool, or before this policy. Left out: they are reported, and stay.
    #[serde(default)]
    pub orphans: Option<RawOrphans>,
    /// What becomes of machines that asked to be retired once their image is there.
    #[serde(default)]
    pub instances: RawInstances,
}

/// One rule.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRule {
    /// Its name, in reports and reasons. Each rule has its own.
    #[schemars(required, length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The images it is for. Left out: all.
    #[serde(default, rename = "match")]
    pub matches: Option<RawMatch>,
    /// What makes two images members of one family: "tag:KEY", "architecture", "platform" or
    /// "name_prefix" (the name without its trailing dates, versions and numbers). Left out:
    /// everything that the rule matches is one family.
    #[serde(default)]
    pub group_by: Vec<GroupBy>,
    /// What is kept. An image is kept when any of these holds.
    #[schemars(required)]
    pub keep: Option<RawKeep>,
    /// How the others are retired.
    #[serde(default)]
    pub retire: RawRetire,
}

/// Which images a rule is for: all that is said here must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawMatch {
    /// A glob over the name.
    #[serde(default)]
    pub name: Option<Glob>,
    /// Tag keys, each with a glob over the value; "*" means that the tag is there.
    #[serde(default)]
    pub tags: BTreeMap<String, Glob>,
    /// A glob over the architecture, for example "arm64".
    #[serde(default)]
    pub architecture: Option<Glob>,
    /// A glob over the platform, for example "Windows*".
    #[serde(default)]
    pub platform: Option<Glob>,
    /// A glob over the owner's alias.
    #[serde(default)]
    pub owner_alias: Option<Glob>,
    /// Only images older than this.
    #[serde(default)]
    pub older_than: Option<Age>,
    /// Images that these conditions describe (all of them) are excepted.
    #[serde(default)]
    pub not: Option<Box<RawMatch>>,
}

/// What is kept within a family. The newest image comes first; every image of the family takes
/// part, in use or not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawKeep {
    /// The newest N images.
    #[serde(default)]
    pub last: Option<Count>,
    /// Images not older than this.
    #[serde(default)]
    pub within: Option<Age>,
    /// The newest image of each of the last N hours that have one.
    #[serde(default)]
    pub hourly: Option<Count>,
    /// The newest image of each of the last N days that have one.
    #[serde(default)]
    pub daily: Option<Count>,
    /// The newest image of each of the last N ISO weeks that have one.
    #[serde(default)]
    pub weekly: Option<Count>,
    /// The newest image of each of the last N months that have one.
    #[serde(default)]
    pub monthly: Option<Count>,
    /// The newest image of each of the last N years that have one.
    #[serde(default)]
    pub yearly: Option<Count>,
    /// Images launched within this time (the provider reports launches a day late).
    #[serde(default)]
    pub launched_within: Option<Age>,
    /// Images that carry any of these tags with a value that its glob matches.
    #[serde(default)]
    pub tags: BTreeMap<String, Glob>,
    /// The newest N images, whatever their age: a floor under the other rules. Default: 1.
    #[serde(default)]
    pub at_least: Option<Count>,
}

/// The steps from expired to gone, each counted from the time the image was first found expired,
/// but `delete_snapshots_after`, which counts from the deregistration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRetire {
    /// When it is shown as deprecated; "never" leaves the step out. Default: "0d".
    #[serde(default)]
    pub deprecate_after: Option<AgeOrNever>,
    /// When it is disabled, so that nobody can launch it any more; "never" leaves the step out.
    /// Default: "7d", or `deregister_after` if that is sooner.
    #[serde(default)]
    pub disable_after: Option<AgeOrNever>,
    /// Default: "14d".
    #[serde(default)]
    pub deregister_after: Option<Age>,
    /// Default: "7d". "0d" deletes the snapshots in the call that deregisters the image.
    #[serde(default)]
    pub delete_snapshots_after: Option<Age>,
}

/// What bounds a run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawSafety {
    /// Images that one run may disable or deregister, and orphaned snapshots that one run may
    /// mark. Default: 50.
    #[serde(default)]
    pub max_per_run: Option<Count>,
    /// The same as a part of the images that the rules match, rounded up. Default: 0.25.
    #[serde(default)]
    pub max_fraction: Option<Fraction>,
    /// Fewer references than this in the whole inventory are suspicious: the run refuses to
    /// remove anything. Default: 1.
    #[serde(default)]
    pub min_references: Option<Count>,
    /// Which versions of launch templates count as use: "default+latest", "all", or a number of
    /// newest versions beside those two. What groups, fleets and compute environments pin counts
    /// always. Default: "default+latest".
    #[serde(default)]
    pub template_versions: Option<RawTemplateVersions>,
    /// Whether the compute environments of AWS Batch are read: "required" or "off".
    /// Default: "required".
    #[serde(default)]
    pub compute_environments: Option<Word<Check>>,
    /// What becomes of images shared with others: "keep" or "retire". Default: "keep".
    #[serde(default)]
    pub shared_images: Option<Word<SharedImages>>,
    /// Whether Recycle Bin rules for images and for snapshots must exist before anything is
    /// removed: "required" or "optional". Default: "required".
    #[serde(default)]
    pub recycle_bin: Option<Word<RawRecycleBin>>,
    /// Whether EC2 is asked what refers to an image (SSM parameters and image recipes too) when it
    /// is found expired, and right before it is disabled or deregistered: "required" or "off".
    /// Default: "required".
    #[serde(default)]
    pub references_check: Option<Word<Check>>,
    /// Images that are never touched.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = "^ami-[0-9a-z-]+$")))]
    pub pinned: Vec<ImageId>,
}

/// What is written on new images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawTagging {
    /// Tags for every new image. A tag that is already there is left as it is.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Keys of tags to copy from the machine that the image was made from.
    #[serde(default)]
    pub copy_from_instance: Vec<String>,
    /// Whether the image's snapshots get the same tags. Default: true.
    #[serde(default)]
    pub copy_to_snapshots: Option<bool>,
    /// What the names of image-steward's own tags begin with. Default: "image-steward:".
    #[serde(default)]
    pub prefix: Option<String>,
}

/// What becomes of orphaned snapshots.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawOrphans {
    /// How long after it was marked an orphan is deleted, in a later run: at least "1d".
    #[schemars(required)]
    pub delete_after: Option<Age>,
}

/// What becomes of a machine that carries the tag `image-steward:retire-when-imaged`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawInstances {
    /// What is done once the image is there: "stop" or "terminate". Default: "stop".
    #[serde(default)]
    pub retire: Option<Word<RetireAction>>,
}

/// Whether the Recycle Bin must be able to restore what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum RawRecycleBin {
    Required,
    Optional,
}
