//! Suggests a first policy for an account, and writes policies as TOML.
//!
//! [`first_policy`] finds families and writes a rule for each. The rule keeps the images in use and
//! a few more. [`plan`](crate::plan) measures the rules, so that families and ranks are the same as
//! in a plan. Submodules: `families` (finding families), `stats` (measuring rules), `comments` and
//! `unmatched` (the comments in the policy), `write` and `text` (TOML), `subsume` (whether one rule
//! covers another).

mod comments;
mod families;
mod stats;
mod subsume;
mod text;
mod unmatched;
mod write;

use std::collections::{BTreeMap, BTreeSet};

pub use comments::rule_name;
use families::{FamilyStats, Kind};
use jiff::Timestamp;
use stats::{Measures, measure};
pub use stats::{Outlook, outlook};
pub use text::{any_of, is_glob, shown};
pub use write::{
    Entry, SuggestedKeep, SuggestedMatch, SuggestedPolicy, SuggestedRetire, SuggestedRule,
    SuggestedSafety,
};

use crate::model::{Inventory, Provider};
use crate::plan::{Plan, plan};
pub use crate::policy::literal;
use crate::policy::{Policy, PolicyError};

/// The number of families with a rule of their own, largest first. The others share rules.
const MAX_OWN_RULES: usize = 20;
/// The maximum number of families that share a rule, so that its line stays readable.
const MAX_SHARING: usize = 40;
/// `last` keeps this many images more than the rank of the oldest image in use …
const EXTRA_IMAGES: u32 = 2;
/// … and at least this many images; `within` keeps at least this many days.
const MIN_LAST: u32 = 3;
const MIN_DAYS: i64 = 30;
/// The maximum age in a policy, in days.
const MAX_DAYS: i64 = 36_500;

/// A suggested policy.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstPolicy {
    /// The policy as TOML, with comments.
    pub text: String,
    /// The number of rules.
    pub rules: usize,
    /// The effect on the inventory that the policy was suggested for.
    pub outlook: Outlook,
}

/// Suggests a policy for `inventory`, planned for the time `now`.
///
/// # Errors
/// Returns an error if the suggested text is not a valid policy, which is a bug in this module.
pub fn first_policy(inventory: &Inventory, now: Timestamp) -> Result<FirstPolicy, PolicyError> {
    let mut rules = rules_for(families::find(inventory));
    if rules.is_empty() {
        rules.push(comments::example(inventory.account.provider()));
        return finish(inventory, rules, now);
    }
    let (_, seen) = written_and_planned(inventory, &rules, now)?;
    let measures = measure(&seen, now);
    rules.retain_mut(|rule| match measures.get(rule.name.as_str()) {
        Some(measures) => {
            rule.keep = keep_for(measures, inventory.account.provider());
            rule.comments.extend(comments::about_rule(rule, measures));
            true
        }
        // Earlier rules match all of its images.
        None => false,
    });
    finish(inventory, rules, now)
}

/// Writes the policy of these rules, with comments on their effect.
fn finish(
    inventory: &Inventory,
    rules: Vec<SuggestedRule>,
    now: Timestamp,
) -> Result<FirstPolicy, PolicyError> {
    let count = rules.len();
    let (policy, plan) = written_and_planned(inventory, &rules, now)?;
    let outlook = outlook(inventory, &policy, now);
    let mut entries: Vec<Entry> = rules.into_iter().map(Entry::Rule).collect();
    entries.push(Entry::Note(unmatched::about(inventory, &plan)));
    let document = SuggestedPolicy {
        head: comments::head(inventory, &outlook, now),
        entries,
        safety: safety_for(inventory),
        orphans: comments::orphans(inventory.account.provider()),
    };
    let text = document.to_toml();
    Policy::parse(&text, "the generated policy")?;
    Ok(FirstPolicy { text, rules: count, outlook })
}

fn written_and_planned(
    inventory: &Inventory,
    rules: &[SuggestedRule],
    now: Timestamp,
) -> Result<(Policy, Plan), PolicyError> {
    let entries = rules.iter().cloned().map(Entry::Rule).collect();
    let document =
        SuggestedPolicy { entries, safety: safety_for(inventory), ..SuggestedPolicy::default() };
    let policy = Policy::parse(&document.to_toml(), "the generated policy")?;
    let plan = plan(inventory, &policy, now);
    Ok((policy, plan))
}

/// Creates a rule for each of the largest families, and shared rules for the smaller ones. Rules by
/// definition come first. Rules by tag come before rules by name, because the images of rules by name lack that tag. Longer names come before
/// shorter.
fn rules_for(mut families: Vec<FamilyStats>) -> Vec<SuggestedRule> {
    let small = families.split_off(families.len().min(MAX_OWN_RULES));
    let mut shared: BTreeMap<(Kind, Vec<String>), Vec<FamilyStats>> = BTreeMap::new();
    for family in small {
        shared.entry((family.kind.clone(), family.divided_by.clone())).or_default().push(family);
    }
    families.sort_by(|a, b| {
        let length = |family: &FamilyStats| std::cmp::Reverse(family.value.chars().count());
        (&a.kind, length(a), &a.value).cmp(&(&b.kind, length(b), &b.value))
    });
    let mut sets: Vec<Vec<FamilyStats>> = families.into_iter().map(|family| vec![family]).collect();
    for mut together in shared.into_values() {
        together.sort_by(|a, b| a.value.cmp(&b.value));
        while !together.is_empty() {
            let rest = together.split_off(together.len().min(MAX_SHARING));
            sets.push(std::mem::replace(&mut together, rest));
        }
    }
    sets.sort_by(|a, b| {
        let kind = |set: &Vec<FamilyStats>| set.first().map(|family| family.kind.clone());
        kind(a).cmp(&kind(b))
    });
    let mut names = BTreeSet::new();
    sets.iter().filter_map(|set| rule_for(set, &mut names)).collect()
}

/// Creates one rule for families of the same kind with the same `group_by`.
fn rule_for(set: &[FamilyStats], names: &mut BTreeSet<String>) -> Option<SuggestedRule> {
    let first = set.first()?;
    let globs: BTreeSet<String> = set.iter().flat_map(|family| family.globs.clone()).collect();
    let glob = any_of(globs)?;
    let mut group_by = Vec::new();
    let matches = match &first.kind {
        Kind::Definition => {
            group_by.push("definition".to_owned());
            SuggestedMatch { name: Some(glob), ..SuggestedMatch::default() }
        }
        Kind::Tag(_, key) => {
            if set.len() > 1 {
                group_by.push(format!("tag:{key}"));
            }
            SuggestedMatch {
                tags: BTreeMap::from([(key.clone(), glob)]),
                ..SuggestedMatch::default()
            }
        }
        Kind::Name => SuggestedMatch { name: Some(glob), ..SuggestedMatch::default() },
    };
    group_by.extend(first.divided_by.iter().cloned());
    let wanted = if set.len() > 1 { "small-families" } else { first.value.as_str() };
    Some(SuggestedRule {
        comments: comments::about_families(set),
        name: comments::rule_name(wanted, names),
        matches,
        group_by,
        keep: SuggestedKeep { last: Some(MIN_LAST), ..SuggestedKeep::default() },
        retire: SuggestedRetire::default(),
    })
}

/// Creates keep rules that keep all images in use and a few more.
fn keep_for(measures: &Measures, provider: Provider) -> SuggestedKeep {
    let days = (measures.oldest_in_use + 1).max(MIN_DAYS);
    let days = (days.saturating_add(MIN_DAYS - 1) / MIN_DAYS * MIN_DAYS).min(MAX_DAYS);
    SuggestedKeep {
        last: Some(measures.deepest.saturating_add(EXTRA_IMAGES).max(MIN_LAST)),
        within: Some(format!("{days}d")),
        launched_within: launched_within(provider),
        tags: BTreeMap::new(),
    }
}

/// Returns how long an image is kept after a launch, if the provider reports launches.
fn launched_within(provider: Provider) -> Option<String> {
    match provider {
        Provider::Aws => Some("90d".to_owned()),
        Provider::Azure => None,
    }
}

/// Returns the default limits, with a minimum of references: a quarter of those in the inventory.
fn safety_for(inventory: &Inventory) -> SuggestedSafety {
    let references = inventory.references.len();
    SuggestedSafety {
        comments: comments::about_safety(references),
        min_references: (references / 4).max(1),
        provider: inventory.account.provider(),
        ..SuggestedSafety::default()
    }
}

#[cfg(test)]
mod tests;
