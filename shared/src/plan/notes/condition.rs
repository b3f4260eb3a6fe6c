//! Counts how many images meet each condition of a rule, and finds what a condition that no image
//! meets was probably meant to be.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::near;
use crate::model::Image;
use crate::plan::matching::{Condition, Cutoffs, TextField, conditions};
use crate::policy::{Glob, Match};
use crate::text_fmt::{counted, excerpt, thousands};

/// The maximum length at which messages show a name or a tag value, in characters.
const MAX_SHOWN: usize = 80;

/// How many images meet one condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionCount {
    /// The path of the condition in the rule, for example `match.tags.Team`.
    pub path: String,
    /// The property that the condition applies to.
    pub subject: Subject,
    /// The glob or duration, as written in the policy.
    pub pattern: String,
    /// The number of images that meet the condition, whatever the other conditions are.
    pub images: usize,
    /// The number of images that have the property.
    pub with_value: usize,
    /// A similar value that the policy probably means, if no image meets the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<NearMiss>,
    /// The most frequent values, if no image meets the condition, no value is similar, and there
    /// are few different values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueCount>,
}

/// The property that a condition applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The name of the image.
    Name,
    /// The architecture.
    Architecture,
    /// The platform.
    Platform,
    /// The state of the operating system.
    OsState,
    /// The alias of the owner.
    OwnerAlias,
    /// The age of the image.
    Age,
    /// The tag with this key.
    Tag(String),
}

/// A value that images have, and that is similar to one in the policy that no image has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// How the two values differ.
    pub kind: NearKind,
    /// A tag key, or a glob.
    pub text: String,
    /// The number of images that have the tag, or that the glob matches.
    pub images: usize,
}

/// How a value in the policy differs from the values of images, sorted from the smallest difference
/// to the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NearKind {
    /// Only in upper and lower case.
    LetterCase,
    /// The text in the policy is only part of an image's value, but a glob must match all of it.
    MissingWildcard,
    /// In one or two characters, or by a synonym.
    Spelling,
    /// The tag has a different key.
    TagKey,
}

/// A value, and the number of images that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// The number of images that have the value.
    pub images: usize,
}

/// Counts the `images` that meet each condition in `matches`, without its exceptions. `path` is the
/// path of `matches` in the rule. Empty if there are no images.
pub(super) fn count(
    matches: &Match,
    cutoffs: &Cutoffs,
    path: &str,
    images: &[&Image],
) -> Vec<ConditionCount> {
    if images.is_empty() {
        return Vec::new();
    }
    conditions(matches, cutoffs).into_iter().map(|one| of_condition(one, path, images)).collect()
}

/// The same for a single tag.
pub(super) fn count_tag(key: &str, glob: &Glob, path: &str, images: &[&Image]) -> ConditionCount {
    of_condition(Condition::Tag(key, glob), path, images)
}

fn of_condition(condition: Condition<'_>, path: &str, images: &[&Image]) -> ConditionCount {
    let (path, subject, pattern) = match condition {
        Condition::Text(field, glob) => {
            (format!("{path}.{}", field.key()), Subject::from(field), glob.to_string())
        }
        Condition::Tag(key, glob) => {
            (format!("{path}.tags.{key}"), Subject::Tag(key.to_owned()), glob.to_string())
        }
        Condition::OlderThan(age, _) => {
            (format!("{path}.older_than"), Subject::Age, age.to_string())
        }
    };
    let met = images.iter().filter(|image| condition.is_met(image)).count();
    let values = || images.iter().filter_map(|image| condition.value(image));
    let mut count = ConditionCount {
        path,
        subject,
        pattern,
        images: met,
        with_value: match condition {
            Condition::OlderThan(..) => {
                images.iter().filter(|one| one.created_at.is_some()).count()
            }
            _ => values().count(),
        },
        near: None,
        values: Vec::new(),
    };
    if met > 0 {
        return count;
    }
    match condition {
        Condition::OlderThan(..) => {}
        Condition::Tag(key, glob) if count.with_value == 0 => {
            count.near = near::tag_key(key, Some(glob), images);
        }
        Condition::Text(_, glob) | Condition::Tag(_, glob) => {
            let frequencies = near::frequencies(values());
            count.near = near::text(glob, &frequencies);
            if let (None, Condition::Tag(key, glob)) = (&count.near, condition) {
                // The images use both spellings of a key, and the value occurs with the other one.
                count.near = near::tag_key_with(key, glob, images);
            }
            // Two images rarely have the same name.
            if count.near.is_none() && count.subject != Subject::Name {
                count.values = near::most_frequent(&frequencies);
            }
        }
    }
    count
}

impl From<TextField> for Subject {
    fn from(field: TextField) -> Self {
        match field {
            TextField::Name => Self::Name,
            TextField::Architecture => Self::Architecture,
            TextField::Platform => Self::Platform,
            TextField::OsState => Self::OsState,
            TextField::OwnerAlias => Self::OwnerAlias,
        }
    }
}

impl ConditionCount {
    /// Whether there is more to report than that no image meets the condition.
    pub(super) fn has_hint(&self) -> bool {
        self.images == 0 && (self.near.is_some() || !self.values.is_empty())
    }
}

/// Formats text from a policy or an image in backticks.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", excerpt(text, MAX_SHOWN))
}

/// Describes what the images have instead of a condition that no image meets.
impl fmt::Display for ConditionCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path: _, subject, pattern, images: _, with_value, near, values } = self;
        let has_key = *with_value > 0;
        match (subject, near) {
            (Subject::Age, _) => return write!(f, "no image is older than {pattern}"),
            (Subject::Tag(key), Some(NearMiss { kind: NearKind::TagKey, text, images }))
                if !has_key =>
            {
                return write!(f, "{}, but none has {}", have_tag(*images, text), quoted(key));
            }
            (Subject::Tag(key), None) if !has_key => {
                return write!(f, "no image has the tag {}", quoted(key));
            }
            (Subject::Tag(key), _) => write!(f, "no value of the tag {}", quoted(key))?,
            (Subject::Name, _) => f.write_str("no name")?,
            (Subject::Architecture, _) => f.write_str("no architecture")?,
            (Subject::Platform, _) => f.write_str("no platform")?,
            (Subject::OsState, _) => f.write_str("no OS state")?,
            (Subject::OwnerAlias, _) => f.write_str("no owner alias")?,
        }
        write!(f, " matches {}", quoted(pattern))?;
        match near {
            Some(NearMiss { kind: NearKind::TagKey, text, images }) => {
                write!(f, "; {} with such a value", have_tag(*images, text))
            }
            Some(NearMiss { kind, text, images }) => {
                let matches = if *images == 1 { "matches" } else { "match" };
                write!(f, "; {} {matches} {}", counted(*images, "image"), quoted(text))?;
                f.write_str(match kind {
                    NearKind::LetterCase => " (globs are case-sensitive)",
                    NearKind::MissingWildcard => " (a glob must match the whole value)",
                    NearKind::Spelling | NearKind::TagKey => "",
                })
            }
            None if values.is_empty() => Ok(()),
            None => {
                let shown = |one: &ValueCount| {
                    format!("{} ({})", quoted(&one.value), thousands(one.images))
                };
                let values: Vec<_> = values.iter().map(shown).collect();
                write!(f, "; the most frequent: {}", values.join(", "))
            }
        }
    }
}

/// For example `193 images have the tag Team`.
pub(super) fn have_tag(images: usize, key: &str) -> String {
    let have = if images == 1 { "has" } else { "have" };
    format!("{} {have} the tag {}", counted(images, "image"), quoted(key))
}

/// Explains why conditions together match no image.
pub(super) fn text(conditions: &[ConditionCount]) -> Option<String> {
    let unmet: Vec<_> =
        conditions.iter().filter(|one| one.images == 0).map(ToString::to_string).collect();
    if !unmet.is_empty() {
        return Some(unmet.join("; "));
    }
    if conditions.len() < 2 {
        return None;
    }
    let met = conditions.iter().map(|one| format!("{} {}", one.path, thousands(one.images)));
    let met: Vec<_> = met.collect();
    Some(format!("some images meet each condition, but no image meets all: {}", met.join(", ")))
}
