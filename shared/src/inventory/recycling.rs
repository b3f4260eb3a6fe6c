//! The rules of the Recycle Bin.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tags::Tags;

/// What a retention rule of the Recycle Bin is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Recyclable {
    Images,
    Snapshots,
}

impl fmt::Display for Recyclable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Snapshots => "snapshots",
        })
    }
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
