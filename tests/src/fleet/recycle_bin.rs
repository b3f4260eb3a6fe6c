//! The Recycle Bin of a fleet: its rules and contents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward::model::{Recyclable, RetentionRule, Tags};

use super::{FleetImage, FleetSnapshot};

/// A retention rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in the inventory")]
pub struct FleetRule {
    pub rule_id: String,
    pub resource: Recyclable,
    #[serde(default = "two_weeks")]
    pub days: u32,
    #[serde(default = "yes")]
    pub in_effect: bool,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default)]
    pub except: Tags,
}

/// An image in the bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct BinnedImage {
    pub image: FleetImage,
    pub entered_at: Timestamp,
    pub leaves_at: Timestamp,
}

/// A snapshot in the bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct BinnedSnapshot {
    pub snapshot: FleetSnapshot,
    pub entered_at: Timestamp,
    pub leaves_at: Timestamp,
}

impl FleetRule {
    /// An effective rule for all resources of this kind, named after it.
    pub fn of_all(resource: Recyclable, days: u32) -> Self {
        Self {
            rule_id: resource.to_string(),
            resource,
            days,
            in_effect: true,
            tags: Tags::default(),
            except: Tags::default(),
        }
    }

    /// The default rules of an account.
    pub(super) fn usual() -> Vec<Self> {
        [Recyclable::Images, Recyclable::Snapshots]
            .map(|resource| Self::of_all(resource, two_weeks()))
            .into()
    }

    /// Whether a resource with these tags is moved to the bin under this rule.
    pub fn covers(&self, resource: Recyclable, tags: &Tags) -> bool {
        let carried = |(key, value): (&str, &str)| tags.get(key) == Some(value);
        self.in_effect
            && self.resource == resource
            && (self.tags.is_empty() || self.tags.iter().any(carried))
            && !self.except.iter().any(carried)
    }

    /// The rule as the port returns it.
    pub fn seen(&self) -> RetentionRule {
        RetentionRule {
            rule_id: self.rule_id.as_str().into(),
            resource: self.resource,
            days: self.days,
            in_effect: self.in_effect,
            tags: self.tags.clone(),
            except: self.except.clone(),
        }
    }
}

fn two_weeks() -> u32 {
    14
}

fn yes() -> bool {
    true
}
