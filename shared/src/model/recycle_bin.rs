//! The Recycle Bin: its retention rules, and what is in it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImageId, SnapshotId, Tags};

/// What a retention rule of the Recycle Bin is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Recyclable {
    Images,
    Snapshots,
}

/// A retention rule of the Recycle Bin: what is deleted under it can be taken back for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// Its id.
    pub rule_id: Arc<str>,
    /// What it is about.
    pub resource: Recyclable,
    /// For how many days it keeps what is deleted.
    pub days: u32,
    /// Whether it is in effect; a new one is pending for a while.
    pub in_effect: bool,
    /// Only what carries any of these tags; empty: everything in the Region.
    #[serde(default)]
    pub tags: Tags,
    /// Nothing that carries any of these tags.
    #[serde(default)]
    pub except: Tags,
}

impl RetentionRule {
    /// Whether something with these tags can be taken back under this rule.
    ///
    /// What a rule means by a tag without a value is not documented. Here it includes only what
    /// carries the tag without a value too, and excludes what carries it with any.
    pub fn covers(&self, resource: Recyclable, tags: &Tags) -> bool {
        let included = |(key, value): (&str, &str)| tags.get(key) == Some(value);
        let excluded = |(key, value): (&str, &str)| {
            tags.get(key).is_some_and(|held| value.is_empty() || held == value)
        };
        self.resource == resource
            && self.in_effect
            && (self.tags.is_empty() || self.tags.iter().any(included))
            && !self.except.iter().any(excluded)
    }
}

/// An image in the Recycle Bin, as far as the provider shows it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `image_id`")]
pub struct RecycledImage {
    /// Its id.
    pub image_id: ImageId,
    /// Its name; empty when it has none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Arc<str>,
    /// When it was deregistered; `None` when the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// When it goes for good; `None` when the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<Timestamp>,
}

/// A snapshot in the Recycle Bin, as far as the provider shows it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecycledSnapshot {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// Its description; empty when it has none.
    pub description: Arc<str>,
    /// When it was deleted; `None` when the provider does not say.
    pub entered_at: Option<Timestamp>,
    /// When it goes for good; `None` when the provider does not say.
    pub leaves_at: Option<Timestamp>,
}
