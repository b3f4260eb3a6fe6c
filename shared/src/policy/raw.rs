//! The policy document as it is written: the types behind the JSON Schema.
//!
//! Every leaf checks itself while it is read, and nothing here is mandatory for serde, so that
//! one wrong value does not hide the next one. What may be left out, and what goes with what,
//! is decided in [`check`](super::check).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::{Span, Unit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::ids::ImageId;

/// A policy: which images to keep, and how the others are retired.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "image-steward policy")]
pub struct Document {
    /// The version of this format: 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub version: Option<Count>,
    /// The time zone of the calendar rules, for example "Europe/Berlin". Default: UTC.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The rules, in order: the first one that matches an image decides about it. An image that
    /// none matches is kept.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// What bounds a run.
    #[serde(default)]
    pub safety: Safety,
    /// What is written on new images.
    #[serde(default)]
    pub tagging: Tagging,
}

/// One rule.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, in reports and reasons. Each rule has its own.
    #[schemars(required, length(min = 1, max = 64))]
    pub name: Option<String>,
    /// The images it is for. Left out: all.
    #[serde(default, rename = "match")]
    pub matches: Option<Match>,
    /// What makes two images members of one family: "tag:KEY", "architecture", "platform" or
    /// "name_prefix" (the name without its trailing dates, versions and numbers). Left out:
    /// everything that the rule matches is one family.
    #[serde(default)]
    pub group_by: Vec<GroupBy>,
    /// What is kept. An image is kept when any of these holds.
    #[schemars(required)]
    pub keep: Option<Keep>,
    /// How the others are retired.
    #[serde(default)]
    pub retire: Retire,
}

/// Which images a rule is for: all that is said here must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
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
    pub not: Option<Box<Match>>,
}

/// What is kept within a family. The newest image comes first; every image of the family takes
/// part, in use or not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
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
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// Not available in this version.
    #[serde(default)]
    pub deprecate_after: Option<Age>,
    /// Not available in this version.
    #[serde(default)]
    pub disable_after: Option<Age>,
    /// Default: "14d".
    #[serde(default)]
    pub deregister_after: Option<Age>,
    /// Default: "7d". "0d" deletes the snapshots in the call that deregisters the image.
    #[serde(default)]
    pub delete_snapshots_after: Option<Age>,
}

/// What bounds a run.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// Images that one run may deregister. Default: 50.
    #[serde(default)]
    pub max_per_run: Option<Count>,
    /// The same as a part of the images that the rules match, rounded up. Default: 0.25.
    #[serde(default)]
    pub max_fraction: Option<Fraction>,
    /// Fewer references than this in the whole inventory are suspicious: the run refuses to
    /// remove anything. Default: 1.
    #[serde(default)]
    pub min_references: Option<Count>,
    /// Which versions of launch templates count as use. Default: "default+latest".
    #[serde(default)]
    #[schemars(with = "Option<TemplateVersionsWord>")]
    pub template_versions: Option<Word>,
    /// What becomes of images shared with others. Default: "keep".
    #[serde(default)]
    #[schemars(with = "Option<SharedImagesWord>")]
    pub shared_images: Option<String>,
    /// Whether Recycle Bin rules must exist before anything is removed. Default: "optional".
    #[serde(default)]
    #[schemars(with = "Option<RecycleBinWord>")]
    pub recycle_bin: Option<String>,
    /// Whether the provider is asked for references once more before each removal. Default: "off".
    #[serde(default)]
    #[schemars(with = "Option<ReferencesCheckWord>")]
    pub references_check: Option<String>,
    /// Images that are never touched.
    #[serde(default)]
    pub pinned: Vec<Pin>,
}

/// What is written on new images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tagging {
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

/// The words that this version takes; the types exist for the schema.
macro_rules! words {
    ($($name:ident: $($word:literal)|+ ;)+) => { $(
        struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool { true }
            fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    )+ };
}
words! {
    TemplateVersionsWord: "default+latest" | "all";
    SharedImagesWord: "keep";
    RecycleBinWord: "optional";
    ReferencesCheckWord: "off";
}

/// A word, or the number that a later version will take in its place.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"default+latest\" or \"all\"")]
pub enum Word {
    Text(String),
    Number(i64),
}

/// A whole number, 0 to 1,000,000: more images than that in a family means a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u32);

impl Count {
    const MAX: u32 = 1_000_000;
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {}", Count::MAX)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Count, E> {
                match u32::try_from(number) {
                    Ok(number) if number <= Count::MAX => Ok(Count(number)),
                    _ => Err(E::custom(format!(
                        "{number} is not a whole number from 0 to {}",
                        Count::MAX
                    ))),
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::custom(format!(
                        "{number} is not a whole number from 0 to {}",
                        Count::MAX
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

/// A part of a whole: a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction(pub f64);

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(D::Error::custom(format!(
                "{number} is not a number from 0 to 1; a quarter is 0.25"
            )))
        }
    }
}

impl JsonSchema for Fraction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

/// A length of time: "30d", "12h", "2w", "6mo", "1y", or several of them, "1y 6mo".
#[derive(Debug, Clone, Copy)]
pub struct Age(pub Span);

impl Age {
    const FORM: &str = "write for example \"30d\", \"12h\", \"2w\", \"6mo\" or \"1y\"";

    fn parse(text: &str) -> Result<Self, String> {
        let span: Span = text
            .parse()
            .map_err(|_| format!("`{text}` is not a length of time; {}", Self::FORM))?;
        // "6m" means six minutes to the parser, and six months to many people.
        let minutes = span.get_minutes() != 0;
        let finer = span.get_milliseconds() != 0
            || span.get_microseconds() != 0
            || span.get_nanoseconds() != 0;
        if minutes || finer {
            return Err(format!(
                "`{text}` has minutes or less: `m` is a minute and `mo` a month; {}",
                Self::FORM
            ));
        }
        let days = span.total((Unit::Day, jiff::civil::date(2000, 1, 1)));
        match days {
            Ok(days) if (0.0..=36_525.0).contains(&days) => Ok(Self(span)),
            Ok(days) if days < 0.0 => Err(format!("`{text}` is negative; {}", Self::FORM)),
            _ => Err(format!("`{text}` is more than 100 years; {}", Self::FORM)),
        }
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Age;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a length of time in quotes; {}", Age::FORM)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Age, E> {
                Age::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Age {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "examples": ["30d", "12h", "2w", "6mo", "1y"] })
    }
}

/// A glob: `*` stands for any text (a `/` too), `?` for one character, `[ab]` and `{a,b}` for a
/// choice. Upper and lower case differ.
#[derive(Debug, Clone)]
pub struct Glob(pub globset::GlobMatcher);

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let glob = globset::Glob::new(&text).map_err(|error| {
            D::Error::custom(format!("`{text}` is not a glob: {}", error.kind()))
        })?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["golden-*"] })
    }
}

/// One thing to group by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// The value of the tag with this key.
    Tag(String),
    /// The architecture.
    Architecture,
    /// The platform.
    Platform,
    /// The name without its trailing dates, versions and numbers.
    NamePrefix,
}

impl<'de> Deserialize<'de> for GroupBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "architecture" => Ok(Self::Architecture),
            "platform" => Ok(Self::Platform),
            "name_prefix" => Ok(Self::NamePrefix),
            _ => match text.strip_prefix("tag:") {
                Some(key) if !key.is_empty() => Ok(Self::Tag(key.to_owned())),
                _ => Err(D::Error::custom(format!(
                    "`{text}` is nothing to group by; use \"tag:KEY\", \"architecture\", \"platform\" or \"name_prefix\""
                ))),
            },
        }
    }
}

impl JsonSchema for GroupBy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GroupBy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(tag:.+|architecture|platform|name_prefix)$" })
    }
}

/// The id of an image that is never touched.
#[derive(Debug, Clone)]
pub struct Pin(pub ImageId);

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ImageId::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Pin {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ami-[0-9a-z-]+$" })
    }
}
