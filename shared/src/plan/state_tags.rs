//! Parses state tags, and finds those that this program does not understand.
//!
//! The values have the format [`TagNames::FORMAT`], which `docs/state-tags.md` documents. A value
//! of another form, or an unknown key with the prefix, may be state that a newer version stores,
//! and that may rule out what this version would do. Therefore a resource with such a tag is not
//! changed.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    DeletionMark, Image, ImageId, LaunchPermission, Provider, Snapshot, TagNames, Tags, exact_time,
};
use crate::policy::Policy;

/// The saved value if there was no deprecation, or no launch permission.
pub(super) const NONE: &str = "none";
/// The word after a saved deprecation, before the time of writing, if the image was deprecated at
/// that time.
pub(super) const DEPRECATED: &str = "deprecated";
/// The same, if the image was disabled at that time or about to be disabled.
pub(super) const DISABLED: &str = "disabled";

/// A tag that this program does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotUnderstood {
    /// The key has the prefix, but is neither a state tag nor used by the policy.
    Key(Arc<str>),
    /// The key and value of a state tag whose value has an unknown form.
    Value(Arc<str>, Arc<str>),
}

/// Displays a tag with an unknown key.
pub(super) struct UnknownTag<'a>(pub(super) &'a str);

impl fmt::Display for UnknownTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not changed: this version does not know the tag {}", self.0)
    }
}

/// Displays a tag with a value that is not understood.
pub(super) struct UnreadableTag<'a>(pub(super) &'a str, pub(super) &'a str);

impl fmt::Display for UnreadableTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, value) = self;
        write!(f, "not changed: this version does not understand the tag {key}={value}")
    }
}

/// The tags of `image` that this program does not understand.
pub(crate) fn of_image<'a>(
    image: &'a Image,
    policy: &'a Policy,
) -> impl Iterator<Item = NotUnderstood> + use<'a> {
    let unreadable = unreadable_values(image, &policy.tag_names);
    unknown(&image.tags, policy)
        .chain(unreadable.map(|(key, value)| NotUnderstood::Value(key, value)))
}

/// The tags of `snapshot` that this program does not understand.
pub(crate) fn of_snapshot<'a>(
    snapshot: &'a Snapshot,
    policy: &'a Policy,
) -> impl Iterator<Item = NotUnderstood> + use<'a> {
    let (names, tags) = (&policy.tag_names, &snapshot.tags);
    let is_image = |value: &str| value.parse::<ImageId>().is_ok();
    let is_mark = |value: &str| value.parse::<DeletionMark>().is_ok();
    let unreadable =
        [unreadable(tags, &names.image, is_image), unreadable(tags, &names.delete_after, is_mark)];
    let unreadable = unreadable.into_iter().flatten();
    unknown(tags, policy).chain(unreadable.map(|(key, value)| NotUnderstood::Value(key, value)))
}

fn unknown<'a>(
    tags: &'a Tags,
    policy: &'a Policy,
) -> impl Iterator<Item = NotUnderstood> + use<'a> {
    unknown_keys(tags, policy).map(NotUnderstood::Key)
}

/// The keys with the prefix that are neither state tags nor used by the policy.
pub(super) fn unknown_keys<'a>(
    tags: &'a Tags,
    policy: &'a Policy,
) -> impl Iterator<Item = Arc<str>> + use<'a> {
    let names = &policy.tag_names;
    let is_ours = |key: &str| names.all().iter().any(|name| tags.is_same_key(name, key));
    tags.under(names.prefix())
        .filter(move |(key, _)| !is_ours(key) && !policy.names_tag(key, tags))
        .map(|(key, _)| key.into())
}

/// The keys and values of the state tags of `image` whose values have an unknown form.
pub(crate) fn unreadable_values(
    image: &Image,
    names: &TagNames,
) -> impl Iterator<Item = (Arc<str>, Arc<str>)> + use<> {
    let is_readable = |value: &str, read: &dyn Fn(&str) -> bool| match OwnedValue::of(image, value)
    {
        OwnedValue::Own(text) => read(text),
        OwnedValue::OfAnother => true,
        OwnedValue::Unreadable => false,
    };
    let provider = image.image_id.provider();
    let tags = &image.tags;
    [
        unreadable(tags, &names.expired_at, |value| exact_time(value).is_some()),
        unreadable(tags, &names.deprecation, |value| {
            is_readable(value, &|text| WrittenDeprecation::read(text).is_some())
        }),
        unreadable(tags, &names.launch_permissions, |value| {
            is_readable(value, &|text| read_permissions(text, provider).is_some())
        }),
    ]
    .into_iter()
    .flatten()
}

fn unreadable(
    tags: &Tags,
    key: &str,
    is_readable: impl FnOnce(&str) -> bool,
) -> Option<(Arc<str>, Arc<str>)> {
    let value = tags.get(key)?;
    (!is_readable(value)).then(|| (key.into(), value.into()))
}

/// The value of a tag that begins with the ID of the image that it was written on.
pub(super) enum OwnedValue<'a> {
    /// The tag was written on this image. Contains the text after the ID.
    Own(&'a str),
    /// The tag was written on another image and copied from there.
    OfAnother,
    /// The value does not begin with an image ID, or nothing follows the ID.
    Unreadable,
}

impl<'a> OwnedValue<'a> {
    pub(super) fn of(image: &Image, value: &'a str) -> Self {
        match value.split_once(' ') {
            Some((id, text)) if id == image.image_id.in_tags() => Self::Own(text),
            Some((id, _)) if image.image_id.is_like_in_tags(id) => Self::OfAnother,
            _ => Self::Unreadable,
        }
    }

    fn own(self) -> Option<&'a str> {
        match self {
            Self::Own(text) => Some(text),
            Self::OfAnother | Self::Unreadable => None,
        }
    }
}

/// The time in the tag `expired-at`, if the value is valid.
pub(super) fn expired_at(image: &Image, names: &TagNames) -> Option<Timestamp> {
    exact_time(image.tags.get(&names.expired_at)?)
}

/// The launch permissions that were saved before `image` was disabled. `None` if no tag of its own
/// contains them.
pub fn saved_permissions(image: &Image, names: &TagNames) -> Option<Box<[LaunchPermission]>> {
    let text = OwnedValue::of(image, image.tags.get(&names.launch_permissions)?).own()?;
    Some(words_of_permissions(text).collect())
}

fn words_of_permissions(text: &str) -> impl Iterator<Item = LaunchPermission> {
    text.split_whitespace().filter(|word| *word != NONE).map(LaunchPermission::from)
}

/// Accepts `none`, or a list of grantees that are all understood and that `provider` has.
fn read_permissions(text: &str, provider: Provider) -> Option<()> {
    let is_known = |one: LaunchPermission| one.is_known_to(provider);
    let is_list =
        || !text.is_empty() && text.split(' ').all(|word| word != NONE && is_known(word.into()));
    (text == NONE || is_list()).then_some(())
}

/// The deprecation of an image before a step deprecated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deprecation {
    /// The image was not deprecated.
    None,
    /// The image was deprecated at this time, or scheduled to be.
    At(Timestamp),
}

/// The content of the tag `deprecation`.
pub(super) struct WrittenDeprecation<'a> {
    /// The deprecation that the image had before.
    pub(super) before: Deprecation,
    /// The steps ([`DEPRECATED`] or [`DISABLED`]) for which the deprecation time was set, and when.
    /// Contains the last write. If EC2 still had the time of the previous write, contains that one
    /// too.
    pub(super) writings: Vec<(&'a str, Timestamp)>,
}

impl<'a> WrittenDeprecation<'a> {
    pub(super) fn of(image: &'a Image, names: &TagNames) -> Option<Self> {
        Self::read(OwnedValue::of(image, image.tags.get(&names.deprecation)?).own()?)
    }

    /// Parses `BEFORE WORD TIME`, optionally followed by another `WORD TIME`.
    fn read(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let before = match words.next()? {
            NONE => Deprecation::None,
            time => Deprecation::At(exact_time(time)?),
        };
        let mut writings = Vec::with_capacity(1);
        while let Some(word) = words.next() {
            let is_known = matches!(word, DEPRECATED | DISABLED) && writings.len() < 2;
            writings.push((is_known.then_some(word)?, exact_time(words.next()?)?));
        }
        (!writings.is_empty()).then_some(Self { before, writings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-01T12:00:00Z";

    #[test]
    fn only_the_documented_forms_of_a_deprecation_are_read() {
        let read = |text: &str| {
            let found = WrittenDeprecation::read(text)?;
            Some((found.before, found.writings.len()))
        };
        let at = Deprecation::At(AT.parse().unwrap());
        let none = Deprecation::None;
        assert_eq!(read(&format!("none deprecated {AT}")), Some((none, 1)));
        assert_eq!(read(&format!("{AT} disabled {AT}")), Some((at, 1)));
        assert_eq!(read(&format!("none disabled {AT} deprecated {AT}")), Some((none, 2)));
        for text in [
            "",
            "none",
            AT,
            "none deprecated",
            "none deprecated soon",
            "none deprecated 2026-11-01",
            &format!("none retired {AT}"),
            &format!("none deprecated {AT} "),
            &format!("none  deprecated {AT}"),
            &format!("none deprecated {AT} disabled"),
            &format!("none deprecated {AT} held {AT}"),
            &format!("none deprecated {AT} disabled {AT} disabled {AT}"),
            &format!("soon deprecated {AT}"),
            &format!("2 none deprecated {AT}"),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_documented_forms_of_launch_permissions_are_read() {
        let unit = "arn:aws:organizations::123456789012:ou/o-1/ou-1-1";
        for text in ["none", "all", "111122223333 222233334444 all", unit] {
            assert!(read_permissions(text, Provider::Aws).is_some(), "{text}");
        }
        for text in ["", "none 111122223333", "111122223333 ", "2 all", "somebody", "1111-2222"] {
            assert!(read_permissions(text, Provider::Aws).is_none(), "{text}");
        }
        let subscription = "0f0e0d0c-1234-5678-9abc-def012345678";
        for text in [subscription, &format!("tenant/{subscription}")] {
            assert!(read_permissions(text, Provider::Azure).is_some(), "{text}");
            assert!(read_permissions(text, Provider::Aws).is_none(), "{text}");
        }
    }
}
