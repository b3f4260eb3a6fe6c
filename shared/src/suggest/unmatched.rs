//! The comment on images that no rule of a suggested policy covers, with counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::text::shown;
use crate::model::Inventory;
use crate::plan::reason::Reason;
use crate::plan::{Decision, Plan, name_prefix};
use crate::text_fmt::counted;

/// The maximum number of name prefixes in the list.
const MAX_LISTED: usize = 10;

/// Creates the comment on images that no rule matches or that have no family in their rule.
pub(super) fn about(inventory: &Inventory, plan: &Plan) -> Vec<String> {
    let rest: Vec<&Decision> = plan.decisions.iter().filter(|one| one.family.is_none()).collect();
    if rest.is_empty() {
        return vec![
            "The rules match every image in the inventory. An image that no rule matches is kept."
                .to_owned(),
        ];
    }
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    let mut names: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    for decision in &rest {
        let cause = cause(decision);
        if cause == ALONE {
            *names.entry(name_prefix(&decision.name)).or_default() += 1;
        }
        *causes.entry(cause).or_default() += 1;
    }
    let heading = match causes.contains_key(FAILED) {
        true => "Not in any family",
        false => "Kept because they are not in any family",
    };
    let mut causes: Vec<(String, usize)> = causes.into_iter().collect();
    causes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut said =
        vec![format!("{heading}: {} of {}.", rest.len(), counted(inventory.images.len(), "image"))];
    said.extend(causes.iter().map(|(cause, count)| format!("   {count:>6}  {cause}")));
    if !names.is_empty() {
        let mut names: Vec<(Cow<'_, str>, usize)> = names.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let listed: Vec<String> = names
            .iter()
            .take(MAX_LISTED)
            .map(|(name, count)| match count {
                1 => format!("`{}`", shown(name)),
                several => format!("`{}` ({several})", shown(name)),
            })
            .collect();
        let more = names.len().saturating_sub(MAX_LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said.push(format!("Not similar to other images: {}{more}.", listed.join(", ")));
        said.push(
            "Only names that end in numbers, dates or versions indicate a family. Tag these images, for example with \
             Family, and add a rule with group_by = [\"tag:Family\"]."
                .to_owned(),
        );
    }
    said
}

const FAILED: &str = "failed, to be removed after a day";
const ALONE: &str = "not similar to other images, by name or tag";

/// Returns why an image is in no family.
fn cause(decision: &Decision) -> String {
    let known = decision.reasons.iter().find_map(|reason| match reason {
        Reason::NotOurs { .. } => Some("owned by another account".to_owned()),
        Reason::ManagedElsewhere { by } => Some(format!("managed by {by}")),
        Reason::State { state } => Some(format!("in state {state}")),
        Reason::AgeUnknown => Some("of unknown age".to_owned()),
        Reason::GroupUnknown { lacks } => {
            Some(format!("without {}, which is in the group_by of their rule", shown(lacks)))
        }
        _ => None,
    });
    match known {
        Some(cause) => cause,
        None if decision.name.is_empty() => "without a name".to_owned(),
        None if decision.rule.is_some() => FAILED.to_owned(),
        None => ALONE.to_owned(),
    }
}
