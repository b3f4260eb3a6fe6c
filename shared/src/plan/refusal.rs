//! Refusals: why a plan removes nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{InWords, ProviderWords, Recyclable, Unread};
use crate::policy::{UnsupportedKey, write_keys};
use crate::text_fmt::counted;

/// Why a plan removes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// Sources could not be read.
    Unread {
        /// The sources.
        sources: Vec<Unread>,
    },
    /// The inventory contains too few references to be plausible.
    TooFewReferences {
        /// The number of references in the inventory.
        seen: usize,
        /// The value of `safety.min_references`.
        at_least: u32,
    },
    /// Removed resources could not be restored.
    NotRecoverable {
        /// The kinds of resource that no Recycle Bin rule covers.
        missing: Vec<Recyclable>,
        /// The minimum retention that such a rule needs, in days.
        days: u32,
    },
    /// The policy has keys that the provider does not support, and that were meant to protect images
    /// or to name tags.
    UnsupportedPolicy {
        /// The keys, in the order of the policy.
        keys: Vec<UnsupportedKey>,
    },
    /// The account has changed since a saved plan was made.
    PlanOutdated {
        /// The number of images and snapshots that differ.
        differences: usize,
    },
}

impl InWords for Refusal {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { account, place, no_bin_rule_here, use_bin, .. } = words;
        match self {
            Self::Unread { sources } => {
                f.write_str("some sources could not be read: ")?;
                for (index, source) in sources.iter().enumerate() {
                    write!(f, "{}{source}", if index > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
            Self::TooFewReferences { seen, at_least } => write!(
                f,
                "found {}, but safety.min_references is {at_least}; check the {place}, or \
                 lower safety.min_references",
                counted(*seen, "reference")
            ),
            Self::NotRecoverable { missing, days } => {
                let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let days = usize::try_from(*days).unwrap_or(usize::MAX);
                write!(
                    f,
                    "{no_bin_rule_here} retains {} for at least {}, so removed resources \
                     could not be restored; {use_bin}, or set safety.recycle_bin_days or \
                     safety.recycle_bin = \"optional\"",
                    missing.join(" and "),
                    counted(days, "day")
                )
            }
            Self::UnsupportedPolicy { keys } => {
                f.write_str("the policy cannot be used for this account: ")?;
                write_keys(keys, f)
            }
            Self::PlanOutdated { differences } => write!(
                f,
                "the {account} has changed since planning ({}), so nothing was applied; plan again",
                counted(*differences, "difference")
            ),
        }
    }
}
