//! The policy document as written. The JSON Schema is derived from these types.
//!
//! Every value validates itself while it is deserialized. For serde, nothing is required, so that
//! one error does not hide the next. [`check`](super::check) decides which keys are required and
//! which values are compatible. The doc comments are the descriptions in the JSON Schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::scalars::{
    Age, AgeOrNever, Count, Fraction, GroupBy, RawGlob, RawTemplateVersions, ShareBack, Word,
};
use super::{Check, Pinned, RetireAction, SharedImages, SharedSnapshots};
use crate::model::AccountId;

/// Specifies which images are kept, and how the others are retired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
#[schemars(title = "image-steward policy")]
pub struct RawPolicy {
    /// The format version of the policy. Must be 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub version: Option<Count>,
    /// The time zone of the keep rules `hourly` to `yearly`, and of durations in days or longer
    /// units, as an IANA name such as "Europe/Berlin". Default: "UTC".
    #[serde(default)]
    pub timezone: Option<String>,
    /// The rules, in order. The first rule that matches an image applies to it. Images that no rule
    /// matches are kept.
    #[serde(default)]
    pub rule: Vec<RawRule>,
    /// Limits and checks for each run.
    #[serde(default)]
    pub safety: RawSafety,
    /// The tags to write on new images and their snapshots.
    #[serde(default)]
    pub tagging: RawTagging,
    /// Deletion of orphans: snapshots whose image was deregistered manually, by another tool, or
    /// before this policy was in use. Default: orphans are reported and kept.
    #[serde(default)]
    pub orphans: Option<RawOrphans>,
    /// Retirement of instances that have the tag `image-steward:retire-when-imaged`.
    #[serde(default)]
    pub instances: RawInstances,
}

/// A rule: which images it applies to, which of them it keeps, and when the others are retired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRule {
    /// The name of the rule, used in reports. 1 to 64 characters, unique in the policy.
    #[schemars(required, length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The conditions that select the rule's images. Default: all images.
    #[serde(default, rename = "match")]
    pub matches: Option<RawMatch>,
    /// The properties that the images of a family share: "tag:KEY", "architecture", "platform",
    /// "definition" or "name_prefix". "definition" is the image definition of a gallery image version
    /// on Azure. "name_prefix" is the name without its dates, versions, trailing numbers and
    /// architecture. Keep rules apply to each family separately. Default: all images of the rule
    /// form one family.
    #[serde(default)]
    pub group_by: Vec<GroupBy>,
    /// The keep rules, or "all" to keep every image of the rule. An image is kept if any keep rule
    /// matches it.
    #[schemars(required)]
    pub keep: Option<RawKeepOrAll>,
    /// When the retire steps of expired images are due. Not allowed with `keep = "all"`.
    #[serde(default)]
    pub retire: Option<RawRetire>,
    /// Whether images of this rule that are shared with other accounts are kept: "keep" or
    /// "retire". Default: the value of `safety.shared_images`.
    #[serde(default)]
    pub shared_images: Option<Word<SharedImages>>,
}

/// Conditions for images. An image must meet all of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawMatch {
    /// A glob for the image name, for example "golden-*".
    #[serde(default)]
    pub name: Option<RawGlob>,
    /// Tag keys, each with a glob for its value. "*" matches any value.
    #[serde(default)]
    pub tags: BTreeMap<String, RawGlob>,
    /// A glob for the architecture, for example "arm64".
    #[serde(default)]
    pub architecture: Option<RawGlob>,
    /// A glob for the platform, for example "Windows*".
    #[serde(default)]
    pub platform: Option<RawGlob>,
    /// A glob for the state of the operating system: "generalized" or "specialized". Azure only.
    #[serde(default)]
    pub os_state: Option<RawGlob>,
    /// A glob for the owner alias, for example "self". AWS only.
    #[serde(default)]
    pub owner_alias: Option<RawGlob>,
    /// The minimum age. Younger images do not match.
    #[serde(default)]
    pub older_than: Option<Age>,
    /// Conditions that exclude images. An image that meets all of them does not match.
    #[serde(default)]
    pub not: Option<Box<RawMatch>>,
}

/// Which images of a rule are kept.
#[derive(Debug)]
pub enum RawKeepOrAll {
    /// `"all"`: every image, permanently.
    All,
    /// The images that a keep rule matches.
    Rules(Box<RawKeep>),
}

impl RawKeepOrAll {
    const ALL: &str = "all";
}

/// Implemented as a visitor, because an untagged enum would lose the positions of errors inside the
/// table.
impl<'de> Deserialize<'de> for RawKeepOrAll {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrTable;

        impl<'de> Visitor<'de> for AllOrTable {
            type Value = RawKeepOrAll;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a table such as `keep = { last = 5 }`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RawKeepOrAll, E> {
                match word {
                    RawKeepOrAll::ALL => Ok(RawKeepOrAll::All),
                    _ => Err(E::invalid_type(Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawKeepOrAll, A::Error> {
                RawKeep::deserialize(MapAccessDeserializer::new(map))
                    .map(|rules| RawKeepOrAll::Rules(Box::new(rules)))
            }
        }

        deserializer.deserialize_any(AllOrTable)
    }
}

impl JsonSchema for RawKeepOrAll {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawKeepOrAll".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rules = generator.subschema_for::<RawKeep>();
        json_schema!({ "anyOf": [rules, { "type": "string", "const": Self::ALL }] })
    }
}

/// The keep rules of a family. The images of the family are ranked from newest to oldest, whether
/// they are in use or not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawKeep {
    /// Keeps the newest N images.
    #[serde(default)]
    pub last: Option<Count>,
    /// Keeps images that are not older than this.
    #[serde(default)]
    pub within: Option<Age>,
    /// Keeps the newest image of each of the last N hours in which an image was created.
    #[serde(default)]
    pub hourly: Option<Count>,
    /// Keeps the newest image of each of the last N days in which an image was created.
    #[serde(default)]
    pub daily: Option<Count>,
    /// Keeps the newest image of each of the last N ISO weeks in which an image was created.
    #[serde(default)]
    pub weekly: Option<Count>,
    /// Keeps the newest image of each of the last N months in which an image was created.
    #[serde(default)]
    pub monthly: Option<Count>,
    /// Keeps the newest image of each of the last N years in which an image was created.
    #[serde(default)]
    pub yearly: Option<Count>,
    /// Keeps images that were launched within this time. EC2 reports launches with a delay of one
    /// day. AWS does not document whether launches by other accounts count. AWS only: Azure does not
    /// report launches.
    #[serde(default)]
    pub launched_within: Option<Age>,
    /// Keeps images that have any of these tags. Each key has a glob for its value; "*" matches any
    /// value.
    #[serde(default)]
    pub tags: BTreeMap<String, RawGlob>,
    /// Keeps the newest N images, whatever their age, as a minimum for the other keep rules.
    /// Default: 1.
    #[serde(default)]
    pub at_least: Option<Count>,
}

/// The waiting times of the retire steps. They count from when a run first found the image expired,
/// except for `delete_snapshots_after`, which counts from the deregistration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRetire {
    /// The waiting time before the image is deprecated. "never" skips the step. Default: "0d".
    #[serde(default)]
    pub deprecate_after: Option<AgeOrNever>,
    /// The waiting time before the image is disabled, so that nobody can launch it. "never" skips
    /// the step. Default: "7d", or `deregister_after` if that is shorter.
    #[serde(default)]
    pub disable_after: Option<AgeOrNever>,
    /// The waiting time before the image is deregistered. Default: "14d".
    #[serde(default)]
    pub deregister_after: Option<Age>,
    /// The waiting time between the deregistration of the image and the deletion of its snapshots.
    /// With "0d", the call that deregisters the image also deletes them. Default: "7d".
    #[serde(default)]
    pub delete_snapshots_after: Option<Age>,
}

/// Limits and checks for each run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawSafety {
    /// The maximum number of images that a run disables or deregisters, and of orphans that it
    /// tags. Default: 50.
    #[serde(default)]
    pub max_per_run: Option<Count>,
    /// The maximum number of snapshots that a run deletes. Snapshots that are deleted by the call
    /// that deregisters their image do not count. Default: four times `max_per_run`.
    #[serde(default)]
    pub max_snapshots_per_run: Option<Count>,
    /// The maximum number of images that a run disables or deregisters, as a fraction of the images
    /// that the rules match. The number is rounded up. The lower of this number and `max_per_run`
    /// applies. Default: 0.25.
    #[serde(default)]
    pub max_fraction: Option<Fraction>,
    /// The minimum number of references (instances, launch templates and other resources that use
    /// images) in the inventory. With fewer references, the run removes nothing.
    /// Default: 1.
    #[serde(default)]
    pub min_references: Option<Count>,
    /// Which versions of launch templates count as references: "default+latest", "all", or a number
    /// of newest versions in addition to the default and the latest version. A version that a
    /// fleet, a compute environment or an Auto Scaling group names always counts. AWS only. Default:
    /// "default+latest".
    #[serde(default)]
    pub template_versions: Option<RawTemplateVersions>,
    /// Whether AWS Batch compute environments are read: "required" or "off". AWS only. Default:
    /// "required".
    #[serde(default)]
    pub compute_environments: Option<Word<Check>>,
    /// Whether images that are shared with other accounts are kept: "keep" or "retire". The key
    /// `shared_images` of a rule overrides this value. Default: "keep".
    #[serde(default)]
    pub shared_images: Option<Word<SharedImages>>,
    /// Whether snapshots that other accounts may create volumes from are kept when their image is
    /// deregistered: "keep" or "retire". "retire" does not read their volume permissions, which
    /// saves one call per snapshot. Default: "keep".
    #[serde(default)]
    pub shared_snapshots: Option<Word<SharedSnapshots>>,
    /// The accounts with which a run may share an image again when it rescues the image, that is,
    /// when it undoes the steps because the image is kept again: account IDs, and ARNs of
    /// organizations and organizational units. To share it with anyone else, use `image-steward
    /// restore`, which asks for confirmation. AWS only: on Azure, images stay shared until they are
    /// deleted, so there is nothing to restore. Default: none.
    #[serde(default)]
    pub share_back: Vec<ShareBack>,
    /// Whether Recycle Bin rules for images and for snapshots must exist before a run removes
    /// anything: "required" or "optional". Default: "required".
    #[serde(default)]
    pub recycle_bin: Option<Word<RawRecycleBin>>,
    /// The minimum retention of the required Recycle Bin rules, in days. A rule with a shorter
    /// retention does not count. A rule that retains the snapshots of an image for a shorter time
    /// than the image does not count either. Default: 7.
    #[serde(default)]
    pub recycle_bin_days: Option<Count>,
    /// Whether a run requests the references to an image from EC2, including SSM parameters and
    /// image recipes: "required" or "off". With "required", the run requests them when the image is
    /// found expired, and again right before it is disabled or deregistered. Default: "required".
    #[serde(default)]
    pub references_check: Option<Word<Check>>,
    /// The IDs of launch templates that are ignored where the image or snapshot of a version cannot
    /// be determined. Such a version does not count as a reference. Without this setting, it
    /// prevents all removals. AWS only. Default: none.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^lt-[0-9a-f]+$")))]
    pub ignore_templates: Vec<String>,
    /// Further Azure subscriptions in which references to the images are searched completely. If one
    /// of them cannot be read, nothing is removed. The subscription of the images is always
    /// searched. Azure only. Default: none.
    #[serde(default)]
    #[schemars(
        with = "Vec<String>",
        inner(regex(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))
    )]
    pub subscriptions: Vec<AccountId>,
    /// API calls for which a response without a list means an empty list, for example
    /// "ec2:DescribeFleets". Only calls for which the form of an empty response is unknown are
    /// allowed. If such a response causes a refusal, the message names the call. AWS only. Default:
    /// none.
    #[serde(default)]
    pub absent_is_empty: Vec<String>,
    /// Tag keys, each with a glob for its value. No step is applied to images with any of these
    /// tags, and snapshots with any of them are never deleted, whatever rule applies. Default: none.
    #[serde(default)]
    pub keep_tags: BTreeMap<String, RawGlob>,
    /// The IDs of images to which no step is applied. With the ID of an Azure image definition,
    /// this applies to all its versions. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = Pinned::PATTERN)))]
    pub pinned: Vec<Pinned>,
}

/// The tags to write on new images and their snapshots. Existing tags are not changed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawTagging {
    /// Tags that every new image gets. An existing tag is not changed.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The keys of tags to copy from the instance that the image was created from, in order of
    /// priority. An image can have at most 50 tags.
    #[serde(default)]
    pub copy_from_instance: Vec<String>,
    /// Whether the snapshots of the image get the same tags. Default: true.
    #[serde(default)]
    pub copy_to_snapshots: Option<bool>,
    /// The prefix of the names of all tags that image-steward itself uses, such as state tags and
    /// the `keep` tag. Default: "image-steward:".
    #[serde(default)]
    pub prefix: Option<String>,
}

/// Deletion of orphans.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawOrphans {
    /// The waiting time between the run that tags an orphan and the deletion of the orphan. At least
    /// "1d".
    #[schemars(required)]
    pub delete_after: Option<Age>,
}

/// Retirement of instances that have the tag `image-steward:retire-when-imaged`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawInstances {
    /// The action for such an instance after its image is available: "never", "stop" or
    /// "terminate". Default: "never".
    #[serde(default)]
    pub retire: Option<Word<RetireAction>>,
}

/// Whether the Recycle Bin must be able to restore everything that a run removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum RawRecycleBin {
    Required,
    Optional,
}
