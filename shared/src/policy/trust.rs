//! The tags that a policy trusts: whoever may write them decides with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{GroupBy, Match, Policy, RetireAction, Rule};

/// A tag key that a policy trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedTag {
    /// The key.
    pub key: String,
    /// What the tag decides, in the order of the policy.
    pub uses: Vec<TagUse>,
}

/// What a tag decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", rename_all = "snake_case")]
pub enum TagUse {
    /// Which images a rule applies to.
    Match {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// Which images of a rule replace one another.
    GroupBy {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// Which images of a rule are kept.
    Keep {
        /// The name of the rule.
        rule: Arc<str>,
    },
    /// Whether an image or a snapshot is kept, whatever rule applies.
    SafetyKeep,
    /// Whether an image, a snapshot or an instance is excluded.
    OptOut,
    /// Whether an instance is retired.
    RetireInstance,
}

impl fmt::Display for TagUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { rule } => write!(f, "match of rule {rule}"),
            Self::GroupBy { rule } => write!(f, "group_by of rule {rule}"),
            Self::Keep { rule } => write!(f, "keep.tags of rule {rule}"),
            Self::SafetyKeep => f.write_str("safety.keep_tags"),
            Self::OptOut => f.write_str("opt-out"),
            Self::RetireInstance => f.write_str("instances.retire"),
        }
    }
}

impl Policy {
    /// The tags that decide, under this policy, what is kept, by key. With `safety.recycle_bin =
    /// "required"` those by which the rules of the Recycle Bin choose decide as well, which the
    /// policy does not know.
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

/// Calls `found` with every tag key of the conditions, those of exceptions too.
fn each_key<'a>(conditions: &'a Match, found: &mut impl FnMut(&'a str)) {
    for (key, _) in &conditions.tags {
        found(key);
    }
    if let Some(not) = &conditions.not {
        each_key(not, found);
    }
}
