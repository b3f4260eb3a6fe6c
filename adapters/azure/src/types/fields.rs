//! Decoding of single fields.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::arm_id::ArmId;

/// Before Azure was announced, on 27 October 2008. Earlier times are placeholders, such as the first
/// day of year 1. Read as a date, they would make an image as old as possible.
const BEFORE_AZURE: Timestamp = Timestamp::constant(1_225_065_600, 0);
/// How the end of .NET's range of dates begins, which is beyond the range of [`Timestamp`].
const LAST_DAY: &str = "9999-12-3";

/// A list that may be absent or null.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A flag that is false if it is absent or null.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A text that may be absent, null or empty.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// An ID that may be absent, null or empty.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ArmId>, D::Error> {
    text(deserializer)?.map(|text| ArmId::parse(&text)).transpose().map_err(D::Error::custom)
}

/// A time that may be absent or null. A placeholder counts as absent.
pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(Some(time).filter(|time| *time >= BEFORE_AZURE)),
        Err(_) if text.starts_with(LAST_DAY) => Ok(Some(Timestamp::MAX)),
        // .NET's first date, in the form without an offset.
        Err(_) if text.starts_with("0001-01-01T00:00:00") => Ok(None),
        Err(error) => Err(D::Error::custom(error)),
    }
}

/// The ID in an object that may be absent or null: `{"id": "/subscriptions/…"}`.
pub(super) fn id_in_object<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ArmId>, D::Error> {
    #[derive(serde::Deserialize)]
    struct IdObject {
        id: ArmId,
    }
    Ok(Option::<IdObject>::deserialize(deserializer)?.map(|object| object.id))
}

/// Tags, which may be absent or null. A tag with two values is an error: which one is believed would
/// depend on their order.
pub(super) fn tags<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct TagsVisitor;

    impl<'de> Visitor<'de> for TagsVisitor {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tags")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut found = BTreeMap::new();
            while let Some((name, value)) = fields.next_entry::<String, String>()? {
                if found.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                }
                found.insert(name, value);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_any(TagsVisitor)
}
