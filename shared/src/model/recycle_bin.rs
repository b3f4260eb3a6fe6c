//! The Recycle Bin: its retention rules and its content.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImageId, SnapshotId, Tags};

/// The kind of resource that a retention rule applies to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Recyclable {
    Images,
    Snapshots,
}

/// A retention rule of the Recycle Bin. Resources that it covers can be restored for some time
/// after they are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// The ID of the retention rule.
    pub rule_id: Arc<str>,
    /// The kind of resource that the rule applies to.
    pub resource: Recyclable,
    /// The number of days for which a deleted resource can be restored.
    pub days: u32,
    /// Whether the rule is in effect. A new rule is pending for some time.
    pub in_effect: bool,
    /// The rule applies only to resources with any of these tags. If empty, it applies to all
    /// resources in the Region.
    #[serde(default)]
    pub tags: Tags,
    /// The rule does not apply to resources with any of these tags.
    #[serde(default)]
    pub except: Tags,
}

impl RetentionRule {
    /// Whether a deleted resource with these tags can be restored under this rule.
    ///
    /// AWS does not document how a rule treats a tag without a value. Here, such a tag includes
    /// only resources that have the tag with an empty value, and excludes resources that have it
    /// with any value.
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

/// An image in the Recycle Bin, with the data that the provider shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `image_id`")]
pub struct RecycledImage {
    /// The image ID.
    pub image_id: ImageId,
    /// The name of the image; empty if it has none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Arc<str>,
    /// When the image was deregistered; `None` if the provider does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// When the image is deleted permanently; `None` if the provider does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<Timestamp>,
}

/// A snapshot in the Recycle Bin, with the data that the provider shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecycledSnapshot {
    /// The snapshot ID.
    pub snapshot_id: SnapshotId,
    /// The description of the snapshot; empty if it has none.
    pub description: Arc<str>,
    /// When the snapshot was deleted; `None` if the provider does not report it.
    pub entered_at: Option<Timestamp>,
    /// When the snapshot is deleted permanently; `None` if the provider does not report it.
    pub leaves_at: Option<Timestamp>,
}
