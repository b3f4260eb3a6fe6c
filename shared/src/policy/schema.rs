//! The policy document as it is written: the types behind the JSON Schema.
//!
//! Every value checks itself while it is read, and nothing is mandatory for serde, so that one
//! error does not hide the next. [`check`](super::check) decides what may be omitted and which
//! values fit together. The doc comments are the descriptions in the JSON Schema.

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
use super::{Check, RetireAction, SharedImages, SharedSnapshots};
use crate::model::ImageId;

/// A policy: which images are kept, and how the others are retired.
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
    /// The rules, in order: the first rule that matches an image applies to it. An image that no
    /// rule matches is kept.
    #[serde(default)]
    pub rule: Vec<RawRule>,
    /// Limits and checks of a run.
    #[serde(default)]
    pub safety: RawSafety,
    /// The tags of new images.
    #[serde(default)]
    pub tagging: RawTagging,
    /// What is done about orphans: snapshots whose image was deregistered by hand, by another tool,
    /// or before this policy. Omitted: they are reported and kept.
    #[serde(default)]
    pub orphans: Option<RawOrphans>,
    /// How instances are retired that are tagged to be retired once their image exists.
    #[serde(default)]
    pub instances: RawInstances,
}

/// One rule.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRule {
    /// The name of the rule in reports, 1 to 64 characters and unique in the policy.
    #[schemars(required, length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The images that the rule applies to. Omitted: all images.
    #[serde(default, rename = "match")]
    pub matches: Option<RawMatch>,
    /// What the images of a family have in common: "tag:KEY", "architecture", "platform" or
    /// "name_prefix" (the name without its dates, versions and trailing numbers, and the
    /// architecture in it). Omitted: all images that the rule matches are one family.
    #[serde(default)]
    pub group_by: Vec<GroupBy>,
    /// The keep rules, or "all". An image is kept when any of them matches.
    #[schemars(required)]
    pub keep: Option<RawKeepOrAll>,
    /// When the steps of expired images are due. Not allowed with `keep = "all"`.
    #[serde(default)]
    pub retire: Option<RawRetire>,
    /// Whether the images of this rule that are shared with other accounts are kept: "keep" or
    /// "retire". Default: the value of `safety.shared_images`.
    #[serde(default)]
    pub shared_images: Option<Word<SharedImages>>,
}

/// The conditions of a rule. All of them must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawMatch {
    /// A glob for the name.
    #[serde(default)]
    pub name: Option<RawGlob>,
    /// Tag keys, each with a glob for the value; "*" matches any value.
    #[serde(default)]
    pub tags: BTreeMap<String, RawGlob>,
    /// A glob for the architecture, for example "arm64".
    #[serde(default)]
    pub architecture: Option<RawGlob>,
    /// A glob for the platform, for example "Windows*".
    #[serde(default)]
    pub platform: Option<RawGlob>,
    /// A glob for the owner's alias.
    #[serde(default)]
    pub owner_alias: Option<RawGlob>,
    /// Only images older than this.
    #[serde(default)]
    pub older_than: Option<Age>,
    /// Images that match all of these conditions are excluded.
    #[serde(default)]
    pub not: Option<Box<RawMatch>>,
}

/// Which images of a rule are kept.
#[derive(Debug)]
pub enum RawKeepOrAll {
    /// `"all"`: every one, permanently.
    All,
    /// Those that a keep rule matches.
    Rules(Box<RawKeep>),
}

impl RawKeepOrAll {
    const ALL: &str = "all";
}

/// A visitor, because an untagged enum would lose the places of the errors in the table.
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

/// The keep rules of a family. Its images are ranked from the newest to the oldest, whether they
/// are in use or not.
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
    /// Images launched within this time. EC2 reports launches a day late; AWS does not document
    /// whether launches by other accounts count.
    #[serde(default)]
    pub launched_within: Option<Age>,
    /// Images with any of these tags, if the glob matches the value.
    #[serde(default)]
    pub tags: BTreeMap<String, RawGlob>,
    /// The newest N images, whatever their age: a minimum for the other keep rules. Default: 1.
    #[serde(default)]
    pub at_least: Option<Count>,
}

/// The retire steps. Each time is counted from when the image was first found expired, except
/// `delete_snapshots_after`, which is counted from the deregistration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawRetire {
    /// When the image is deprecated; "never" skips the step. Default: "0d".
    #[serde(default)]
    pub deprecate_after: Option<AgeOrNever>,
    /// When the image is disabled, so that nobody can launch it; "never" skips the step. Default:
    /// "7d", or `deregister_after` if that is sooner.
    #[serde(default)]
    pub disable_after: Option<AgeOrNever>,
    /// When the image is deregistered. Default: "14d".
    #[serde(default)]
    pub deregister_after: Option<Age>,
    /// When the snapshots of a deregistered image are deleted; with "0d", the call that deregisters
    /// the image deletes them. Default: "7d".
    #[serde(default)]
    pub delete_snapshots_after: Option<Age>,
}

/// Limits and checks of a run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawSafety {
    /// The maximum number of images that one run disables or deregisters, and of orphans that one
    /// run tags. Default: 50.
    #[serde(default)]
    pub max_per_run: Option<Count>,
    /// The maximum number of snapshots that one run deletes, beside those that are deleted in the
    /// call that deregisters their image. Default: four times `max_per_run`.
    #[serde(default)]
    pub max_snapshots_per_run: Option<Count>,
    /// The same as a fraction of the images that the rules match, rounded up. Default: 0.25.
    #[serde(default)]
    pub max_fraction: Option<Fraction>,
    /// The minimum number of references in the inventory: with fewer, the run refuses to remove
    /// anything. Default: 1.
    #[serde(default)]
    pub min_references: Option<Count>,
    /// Which versions of launch templates count as references: "default+latest", "all", or a number
    /// of newest versions in addition to those two. Versions that groups, fleets and compute
    /// environments name always count. Default: "default+latest".
    #[serde(default)]
    pub template_versions: Option<RawTemplateVersions>,
    /// Whether the compute environments of AWS Batch are read: "required" or "off".
    /// Default: "required".
    #[serde(default)]
    pub compute_environments: Option<Word<Check>>,
    /// Whether images that are shared with other accounts are kept: "keep" or "retire". A rule's
    /// own `shared_images` overrides it. Default: "keep".
    #[serde(default)]
    pub shared_images: Option<Word<SharedImages>>,
    /// Whether snapshots that other accounts may create volumes from are kept when their image goes:
    /// "keep" or "retire", which does not read with whom they are shared: a call less for each.
    /// Default: "keep".
    #[serde(default)]
    pub shared_snapshots: Option<Word<SharedSnapshots>>,
    /// With whom a run may share an image again when it rescues it: account ids, and ARNs of
    /// organizations and organizational units. Everybody else is left to `image-steward restore`,
    /// which asks. Default: none.
    #[serde(default)]
    pub share_back: Vec<ShareBack>,
    /// Whether Recycle Bin rules for images and for snapshots must exist before anything is
    /// removed: "required" or "optional". Default: "required".
    #[serde(default)]
    pub recycle_bin: Option<Word<RawRecycleBin>>,
    /// For how many days these rules must keep what is removed. A rule that keeps it for less does
    /// not count, nor does one that keeps an image's snapshots for less than the image. Default: 7.
    #[serde(default)]
    pub recycle_bin_days: Option<Count>,
    /// Whether EC2 is asked for the references to an image (including SSM parameters and image
    /// recipes) when it is found expired, and again right before it is disabled or deregistered:
    /// "required" or "off". Default: "required".
    #[serde(default)]
    pub references_check: Option<Word<Check>>,
    /// The ids of launch templates of which a version that names its image, or a snapshot, in a
    /// way that cannot be read counts as naming none. Otherwise such a version refuses all
    /// removals. Default: none.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^lt-[0-9a-f]+$")))]
    pub ignore_templates: Vec<String>,
    /// The API calls of which a response without its list counts as an empty listing, for example
    /// "ec2:DescribeFleets". Allowed are those whose empty responses are not known; the message
    /// that refuses a run names the call. Default: none.
    #[serde(default)]
    pub absent_is_empty: Vec<String>,
    /// Tag keys, each with a glob for the value: images with any of these tags are never changed,
    /// whatever rule they fall under, and snapshots with one are never deleted. Default: none.
    #[serde(default)]
    pub keep_tags: BTreeMap<String, RawGlob>,
    /// The ids of images that are never changed.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = "^ami-[0-9a-z-]+$")))]
    pub pinned: Vec<ImageId>,
}

/// The tags of new images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawTagging {
    /// Tags for every new image. A tag that already exists is not changed.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Keys of tags to copy from the instance that the image was created from.
    #[serde(default)]
    pub copy_from_instance: Vec<String>,
    /// Whether the image's snapshots get the same tags. Default: true.
    #[serde(default)]
    pub copy_to_snapshots: Option<bool>,
    /// What the names of the state tags begin with. Default: "image-steward:".
    #[serde(default)]
    pub prefix: Option<String>,
}

/// What is done about orphans.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawOrphans {
    /// When an orphan is deleted, counted from when a run tagged it: at least "1d".
    #[schemars(required)]
    pub delete_after: Option<Age>,
}

/// How an instance with the tag `image-steward:retire-when-imaged` is retired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawInstances {
    /// The action once the image exists: "never", "stop" or "terminate". Default: "never".
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
