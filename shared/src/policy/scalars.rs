//! The types of the values in a policy. Each type validates itself while it is deserialized, and
//! describes itself in the JSON Schema.
//!
//! They are deserialized from a [`Value`], not from a string or number. This way, every error
//! message can show the invalid value, whatever its type, and a remedy.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use strum::VariantNames;

use super::Glob;
use super::wrong_type::{as_glob, quoted, shortened, written};
use crate::model::{LaunchPermission, Provider, TemplateVersions};

/// A whole number from 0 to 1,000,000. A family with more images indicates a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(!try_from, inline)]
pub struct Count(#[schemars(range(max = Count::MAX))] pub u32);

impl Count {
    const MAX: u32 = 1_000_000;
}

impl TryFrom<Value> for Count {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| *number <= Self::MAX).map(Self).ok_or_else(|| {
            format!(
                "{} is not a whole number from 0 to {}",
                shortened(&value.to_string()),
                Self::MAX
            )
        })
    }
}

/// A fraction from 0 to 1: for 25%, write 0.25.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(!try_from, inline)]
pub struct Fraction(#[schemars(range(min = 0, max = 1))] pub f64);

impl TryFrom<Value> for Fraction {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
        number
            .map(Self)
            .ok_or_else(|| format!("{value} is not a number from 0 to 1; for 25%, write 0.25"))
    }
}

/// A duration from 0 to 100 years, such as "30d", "12h", "2w", "6mo", "1y" or "1y 6mo". Days and
/// longer units are calendar units in the policy's time zone, so a day may have 23 or 25 hours.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(
    !try_from, inline, description = "",
    example = "30d", example = "12h", example = "2w", example = "6mo", example = "1y"
)]
pub struct Age(
    // The required digit distinguishes a duration from "never".
    #[schemars(with = "String", length(min = 2), regex(pattern = "[0-9]"))] Span,
);

const AGE_FORM: &str = "use a value such as \"30d\", \"12h\", \"2w\", \"6mo\" or \"1y\"";

impl TryFrom<Value> for Age {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => text.parse(),
            None => Err(format!("{value} is not a quoted duration; {AGE_FORM}")),
        }
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: Span =
            text.parse().map_err(|_| format!("{} is not a duration; {AGE_FORM}", quoted(text)))?;
        // The parser reads "6m" as six minutes, but many people mean six months.
        let finer = span.get_minutes() != 0
            || span.get_seconds() != 0
            || span.get_milliseconds() != 0
            || span.get_microseconds() != 0
            || span.get_nanoseconds() != 0;
        if finer {
            return Err(format!(
                "{} has minutes or seconds, but the smallest unit is hours (`m` means minutes, `mo` means months); {AGE_FORM}",
                quoted(text)
            ));
        }
        match span.total((Unit::Day, jiff::civil::date(2000, 1, 1))) {
            Ok(days) if (0.0..=36_525.0).contains(&days) => Ok(Self(span)),
            Ok(days) if days < 0.0 => Err(format!("{} is negative; {AGE_FORM}", quoted(text))),
            _ => Err(format!("{} is more than 100 years; {AGE_FORM}", quoted(text))),
        }
    }
}

impl Age {
    /// A duration of this many calendar days.
    pub(super) fn of_days(days: i32) -> Self {
        Self(Span::new().days(days))
    }

    /// The time that is this duration before `time`.
    pub fn before(self, time: Timestamp, zone: &TimeZone) -> Timestamp {
        // If the result is out of range, every time is later.
        let earlier = time.to_zoned(zone.clone()).checked_sub(self.0);
        earlier.map_or(Timestamp::MIN, |zoned| zoned.timestamp())
    }

    /// The time that is this duration after `time`.
    pub fn after(self, time: Timestamp, zone: &TimeZone) -> Timestamp {
        // Fast path: most policies use a zero duration for a step or two, which needs no time zone
        // conversion.
        if self.is_zero() {
            return time;
        }
        let later = time.to_zoned(zone.clone()).checked_add(self.0);
        later.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// Whether the duration is zero, in any unit.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether the duration is shorter than `other`. A month counts as 31 days.
    pub(super) fn is_shorter_than(self, other: Self) -> bool {
        self.0
            .compare((other.0, jiff::civil::date(2000, 1, 1)))
            .is_ok_and(std::cmp::Ordering::is_lt)
    }

    /// The shorter of two durations.
    pub(super) fn min(self, other: Self) -> Self {
        if other.is_shorter_than(self) { other } else { self }
    }
}

/// Formats the duration as in a policy, for example `30d`.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { f.write_str("0d") } else { write!(f, "{:#}", self.0) }
    }
}

/// A duration, or "never".
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(
    !try_from, inline, with = "String", description = "",
    extend("minLength" = 2, "pattern" = "^never$|[0-9]"), example = "7d", example = &"never"
)]
pub enum AgeOrNever {
    /// The time after which the step is due.
    After(Age),
    /// The step is skipped.
    Never,
}

impl TryFrom<Value> for AgeOrNever {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some("never") => Ok(Self::Never),
            Some(text) => text.parse().map(Self::After),
            None => Err(format!("{value} is neither \"never\" nor a quoted duration; {AGE_FORM}")),
        }
    }
}

/// A [`Glob`] as written in a policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(!try_from, inline, with = "String", description = "", example = "golden-*")]
pub struct RawGlob(pub Glob);

impl TryFrom<Value> for RawGlob {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Some(text) = value.as_str() else {
            return Err(format!(
                "{} is not a quoted glob; write {}",
                written(&value),
                as_glob(&value)
            ));
        };
        Glob::new(text)
            .map(Self)
            .map_err(|error| format!("{} is not a glob: {error}", written(&value)))
    }
}

/// A property that the images of a family share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, strum::EnumString)]
#[serde(try_from = "Value")]
#[schemars(
    !try_from, inline, with = "String", description = "",
    extend("pattern" = "^(tag:.+|architecture|platform|definition|name_prefix)$")
)]
#[strum(serialize_all = "snake_case")]
pub enum GroupBy {
    /// The value of the tag with this key.
    #[strum(disabled)]
    Tag(String),
    /// The architecture.
    Architecture,
    /// The platform.
    Platform,
    /// The image definition.
    Definition,
    /// The name without dates, versions, trailing numbers and the architecture.
    NamePrefix,
}

impl TryFrom<Value> for GroupBy {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = value.as_str().unwrap_or_default();
        match text.strip_prefix("tag:").filter(|key| !key.is_empty()) {
            Some(key) => Ok(Self::Tag(key.to_owned())),
            None => text.parse().map_err(|_| {
                format!(
                    "{} is not supported in group_by; use \"tag:KEY\", \"architecture\", \"platform\", \"definition\" or \"name_prefix\"",
                    written(&value)
                )
            }),
        }
    }
}

/// An account, organization or organizational unit with which a rescue may share an image again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(!try_from, inline, with = "String", description = "", extend("pattern" = SHARE_BACK))]
pub struct ShareBack(pub LaunchPermission);

/// The regular expression of valid values.
const SHARE_BACK: &str = "^([0-9]{12}|arn:[^:]+:organizations::[0-9]{12}:(organization|ou)/.+)$";

impl TryFrom<Value> for ShareBack {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let permission = LaunchPermission::from(value.as_str().unwrap_or_default());
        let message = match permission {
            LaunchPermission::Account(_)
            | LaunchPermission::Organization(_)
            | LaunchPermission::OrganizationalUnit(_)
                if permission.is_known_to(Provider::Aws) =>
            {
                return Ok(Self(permission));
            }
            LaunchPermission::Everyone => "a run never makes an image public".to_owned(),
            LaunchPermission::Unknown(_) => format!("{} is not a valid value", written(&value)),
            _ => {
                format!("{permission} is on Azure, where images stay shared until they are deleted")
            }
        };
        Err(format!(
            "{message}; use a quoted account ID, or the ARN of an organization or an organizational unit"
        ))
    }
}

/// A variant of the enum `T`, written as a name that [`strum`] derives for it.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "Value", bound(deserialize = "T: FromStr + VariantNames"))]
#[schemars(
    !try_from, inline, with = "String", description = "",
    bound = "T: VariantNames", extend("enum" = T::VARIANTS)
)]
pub struct Word<T>(pub T);

impl<T: FromStr + VariantNames> TryFrom<Value> for Word<T> {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        value.as_str().and_then(|text| text.parse().ok()).map(Self).ok_or_else(|| {
            let known: Vec<String> = T::VARIANTS.iter().map(|word| format!("\"{word}\"")).collect();
            format!("{} is not a valid value; use {}", written(&value), known.join(" or "))
        })
    }
}

/// Which versions of each launch template are read: a name, or a number of versions.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(!try_from, inline, with = "Value", description = "", extend("anyOf" = [
    { "type": "string", "enum": ["default+latest", "all"] },
    { "type": "integer", "minimum": 1, "maximum": MAX_VERSIONS },
]))]
pub struct RawTemplateVersions(pub TemplateVersions);

/// The maximum number of versions of a launch template in EC2.
const MAX_VERSIONS: u32 = 10_000;

impl TryFrom<Value> for RawTemplateVersions {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let newest =
            number.filter(|number| *number <= MAX_VERSIONS).and_then(|n| n.try_into().ok());
        let message = match (value.as_str(), newest) {
            (Some("default+latest"), _) => return Ok(Self(TemplateVersions::DefaultAndLatest)),
            (Some("all"), _) => return Ok(Self(TemplateVersions::All)),
            (_, Some(newest)) => return Ok(Self(TemplateVersions::Newest(newest))),
            (Some(_), None) => format!("{} is not a valid value", written(&value)),
            (None, None) => format!("{value} is not a number from 1 to {MAX_VERSIONS}"),
        };
        Err(format!("{message}; use \"default+latest\", \"all\" or a number of newest versions"))
    }
}
