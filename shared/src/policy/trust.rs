//! The tags that a policy trusts. Anyone who may write these tags influences what is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{GroupBy, Match, Policy, RetireAction, Rule};
use crate::model::Tags;

/// A tag key that a policy trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedTag {
    /// The tag key.
    pub key: String,
    /// The uses of the tag, in the order of the policy.
    pub uses: Vec<TagUse>,
}

/// A use of a tag in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", rename_all = "snake_case")]
pub enum TagUse {
    /// The tag selects the images of a rule.
    Match {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// The tag determines the families of a rule.
    GroupBy {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// The tag keeps images of a rule.
    Keep {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// The tag keeps images and snapshots, whatever rule applies.
    SafetyKeep,
    /// The tag excludes images, snapshots and instances.
    OptOut,
    /// The tag retires instances.
    RetireInstance,
}

impl fmt::Display for TagUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { rule } => write!(f, "match of rule {rule}"),
            Self::GroupBy { rule } => write!(f, "group_by of rule {rule}"),
            Self::Keep { rule } => write!(f, "keep.tags of rule {rule}"),
            Self::SafetyKeep => f.write_str("safety.keep_tags"),
            Self::OptOut => f.write_str("exclusion"),
            Self::RetireInstance => f.write_str("instances.retire"),
        }
    }
}

impl Policy {
    /// Whether a rule or `safety.keep_tags` uses the tag `key` of a resource with these `tags`.
    pub(crate) fn names_tag(&self, key: &str, tags: &Tags) -> bool {
        let is_key = |name: &str| tags.is_same_key(name, key);
        let mut is_named = self.safety.keep_tags.iter().any(|(name, _)| is_key(name));
        for Rule { matches, group_by, keep, .. } in &self.rules {
            each_key(matches, &mut |name| is_named |= is_key(name));
            is_named |= group_by.iter().any(|by| matches!(by, GroupBy::Tag(name) if is_key(name)));
            is_named |= keep.tags.iter().any(|(name, _)| is_key(name));
        }
        is_named
    }

    /// The tags that influence, under this policy, what is kept, sorted by key. With
    /// `safety.recycle_bin = "required"`, the tags in the Recycle Bin rules do so too, but the
    /// policy does not contain them.
    pub fn trusted_tags(&self) -> Vec<TrustedTag> {
        let mut found: BTreeMap<&str, Vec<TagUse>> = BTreeMap::new();
        let mut add = |key, what: TagUse| {
            let uses = found.entry(key).or_default();
            if !uses.contains(&what) {
                uses.push(what);
            }
        };
        for rule in &self.rules {
            let Rule {
                name,
                matches,
                group_by,
                keep,
                retire: _,
                shared_images: _,
                overrides_shared_images: _,
            } = rule;
            each_key(matches, &mut |key| add(key, TagUse::Match { rule: name.clone() }));
            for by in group_by {
                if let GroupBy::Tag(key) = by {
                    add(key, TagUse::GroupBy { rule: name.clone() });
                }
            }
            for (key, _) in &keep.tags {
                add(key, TagUse::Keep { rule: name.clone() });
            }
        }
        for (key, _) in &self.safety.keep_tags {
            add(key, TagUse::SafetyKeep);
        }
        add(&self.tag_names.keep, TagUse::OptOut);
        if self.instances.retire != RetireAction::Never {
            add(&self.tag_names.retire_when_imaged, TagUse::RetireInstance);
        }
        let tag = |(key, uses): (&str, _)| TrustedTag { key: key.to_owned(), uses };
        found.into_iter().map(tag).collect()
    }
}

/// Calls `found` with every tag key in the conditions and their exceptions.
fn each_key<'a>(conditions: &'a Match, found: &mut impl FnMut(&'a str)) {
    for (key, _) in &conditions.tags {
        found(key);
    }
    if let Some(not) = &conditions.not {
        each_key(not, found);
    }
}
