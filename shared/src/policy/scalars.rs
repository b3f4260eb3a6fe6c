//! The leaves of a policy document: each checks itself while it is read, and says in the JSON
//! Schema what it takes.

use std::borrow::Cow;
use std::fmt;

use jiff::{Span, Unit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::ImageId;

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
pub struct AgeText(pub Span);

impl AgeText {
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

impl<'de> Deserialize<'de> for AgeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AgeTextVisitor;
        impl Visitor<'_> for AgeTextVisitor {
            type Value = AgeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a length of time in quotes; {}", AgeText::FORM)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AgeText, E> {
                AgeText::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(AgeTextVisitor)
    }
}

impl JsonSchema for AgeText {
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

/// A length of time, or "never".
#[derive(Debug, Clone, Copy)]
pub enum AgeOrNever {
    /// After this long.
    After(AgeText),
    /// Not at all.
    Never,
}

impl<'de> Deserialize<'de> for AgeOrNever {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AgeOrNeverVisitor;
        impl Visitor<'_> for AgeOrNeverVisitor {
            type Value = AgeOrNever;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"never\" or a length of time in quotes; {}", AgeText::FORM)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AgeOrNever, E> {
                match text {
                    "never" => Ok(AgeOrNever::Never),
                    _ => AgeText::parse(text).map(AgeOrNever::After).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_str(AgeOrNeverVisitor)
    }
}

impl JsonSchema for AgeOrNever {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AgeOrNever".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "examples": ["7d", "never"] })
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
