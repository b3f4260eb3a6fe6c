//! Reports as text, Markdown and page data. The JSON forms are serialized from the types
//! themselves.

mod compare;
pub mod explain;
mod family_name;
mod first_deletion;
mod markdown;
mod metrics;
mod opt_out;
pub mod page;
mod plan;
mod plan_json;
mod price;
mod references;
mod restored;
mod simulation;
mod simulation_cost;
mod style;

use std::fmt::Write as _;

pub use compare::{
    ChangeKind, PolicyComparison, SimulationComparison, compare_plans, compare_simulations,
    comparison_text,
};
pub use family_name::{family_name, family_values};
pub use first_deletion::first_deletion;
pub use markdown::{MAX_MARKDOWN_LENGTH, MarkdownPlan, plan_markdown};
pub use metrics::{NAMESPACE, metrics};
pub use opt_out::opt_out_text;
pub use plan::{
    GroupSum, Listing, Rows, SortBy, SumBy, family_names, group_sums, notes_text, plan_text,
    sort_decisions,
};
pub use plan_json::{CostedDecision, CostedPlan};
pub use price::{Price, Usd};
pub use references::{Stale, StaleReference, StaleResource, stale, stale_resources, stale_text};
pub use restored::{is_listed, preview_text, restored_summary, restored_text};
pub use simulation::{compared_text, simulation_text};
pub use simulation_cost::PricedSimulation;
pub use style::{Colors, OutputStyle};

use crate::apply::{Outcome, StepKind};
use crate::model::ResourceId;
use crate::plan::Step;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::policy::{Check, Policy, TrustedTag};
use crate::saved_plan::{Difference, Differences};
use crate::text_fmt::{printable, thousands};

/// Which IDs a text lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// All IDs.
    All,
    /// Only the first few, if there are more than ten.
    First,
}

/// The maximum number of IDs that are listed by default.
const MAX_LISTED: usize = 10;
/// The number of IDs that are listed if there are more.
const FIRST_IDS: usize = 3;

/// Returns the text for a step.
fn step_words(step: Step) -> &'static str {
    match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => "deregister",
        Step::DeleteSnapshots => "delete snapshots",
    }
}

/// Summarizes what a run did, in a few lines. Empty if it did nothing. A refusal is not included,
/// because it is reported with the plan.
pub fn outcome_text(outcome: &Outcome, which: Ids) -> String {
    let mut text = String::new();
    let done = DONE.iter().map(|(step, what)| (*what, ids(outcome.done(*step))));
    let left = [
        ("snapshots still in use, retried by a later run", ids(outcome.in_use())),
        ("deferred by a limit", ids(outcome.deferred())),
        ("not reached, continued by a later run", ids(outcome.not_reached())),
    ];
    for (what, ids) in done.chain(left) {
        list(&mut text, what, &ids, which);
    }
    for record in outcome.changed() {
        let _ = writeln!(text, "skipped: {}", printable(&record.to_string()));
    }
    for record in outcome.failed() {
        let _ = writeln!(text, "failed: {}", printable(&record.to_string()));
    }
    text
}

/// The steps of a sweep, with the text for each.
const DONE: [(StepKind, &str); 8] = [
    (StepKind::Expire, "expired"),
    (StepKind::Deprecate, "deprecated"),
    (StepKind::Disable, "disabled"),
    (StepKind::Rescue, "rescued"),
    (StepKind::Deregister, "deregistered"),
    (StepKind::MarkOrphan, "orphaned snapshots tagged for later deletion"),
    (StepKind::DeleteSnapshot, "snapshots deleted"),
    (StepKind::Tag, "missing tags added"),
];

/// Lists the differences between the account and a saved plan. Empty if there are none.
pub fn differences_text(differences: &Differences, which: Ids) -> String {
    let Differences { changed, left_for_later } = differences;
    let mut text = String::new();
    let limit = match which {
        Ids::All => usize::MAX,
        Ids::First => MAX_LISTED,
    };
    for Difference { resource, planned, change } in changed.iter().take(limit) {
        let change = printable(&change.to_string());
        let _ = writeln!(text, "changed: {resource}: planned: {planned}; {change}");
    }
    let more = changed.len().saturating_sub(limit);
    if more > 0 {
        let _ = writeln!(text, "changed: {} more; -v lists all", thousands(more));
    }
    let left = ids(left_for_later.iter());
    list(&mut text, "not in this plan; the next plan will include them", &left, which);
    text
}

/// Lists the tags that a policy trusts, one per line.
pub fn trusted_tags_text(policy: &Policy, style: OutputStyle) -> String {
    let mut text =
        "Anyone who can write these tags can change what is kept or retired:\n".to_owned();
    for TrustedTag { key, uses } in policy.trusted_tags() {
        let uses: Vec<String> = uses.iter().map(ToString::to_string).collect();
        style.paragraph(&mut text, 2, &printable(&format!("{key}: {}", uses.join(", "))));
    }
    if policy.safety.recycle_bin == Check::Required {
        let rules = "tags in Recycle Bin rules: an image that no rule covers is kept";
        style.paragraph(&mut text, 2, rules);
    }
    text
}

/// Summarizes the plan of a sweep over snapshots.
pub fn snapshot_plan_text(plan: &SnapshotPlan, which: Ids) -> String {
    let mut text = String::new();
    let with = |action: SnapshotAction| {
        let meant = plan.decisions.iter().filter(move |one| one.action == action);
        meant.map(|one| one.snapshot_id.to_string()).collect::<Vec<_>>()
    };
    list(&mut text, "orphaned snapshots", &with(SnapshotAction::Mark), which);
    list(&mut text, "snapshots due", &with(SnapshotAction::Delete), which);
    let kept = with(SnapshotAction::Keep);
    if !is_listed(kept.len(), which) {
        list(&mut text, "snapshots kept", &kept, which);
        return text;
    }
    for decision in plan.decisions.iter().filter(|one| one.action == SnapshotAction::Keep) {
        let reasons: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
        let reasons = printable(&reasons.join(", "));
        let _ = writeln!(text, "snapshot kept: {}: {reasons}", decision.snapshot_id);
    }
    text
}

/// Summarizes what a run did, as one sentence of numbers. Empty if it did nothing.
pub fn outcome_line(outcome: &Outcome) -> String {
    let done = |step: StepKind| outcome.done(step).count();
    let (left, skipped): (Vec<_>, Vec<_>) =
        outcome.changed().partition(|record| record.step == StepKind::Share);
    let (left, skipped) = (left.len(), skipped.len());
    let parts = [
        (done(StepKind::Rescue), "rescued"),
        (done(StepKind::Expire), "tagged as expired"),
        (done(StepKind::Deprecate), "deprecated"),
        (done(StepKind::Disable), "disabled"),
        (done(StepKind::Deregister), "deregistered"),
        (done(StepKind::MarkOrphan), "orphaned snapshots tagged"),
        (done(StepKind::DeleteSnapshot), "snapshots deleted"),
        (skipped, "skipped because they changed"),
        (left, "not shared again with everyone in their tags"),
        (outcome.failed().count(), "failed"),
        (outcome.not_reached().count(), "not reached"),
    ];
    let said = parts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<_> = said.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    if said.is_empty() { String::new() } else { format!("Done: {}.\n", said.join(", ")) }
}

fn ids<'a>(resources: impl Iterator<Item = &'a ResourceId>) -> Vec<String> {
    resources.map(ToString::to_string).collect()
}

/// Appends a line with these IDs, if there are any.
fn list(text: &mut String, what: &str, ids: &[String], which: Ids) {
    let count = thousands(ids.len());
    let shown = match is_listed(ids.len(), which) {
        _ if ids.is_empty() => return,
        true => ids.join(" "),
        false => {
            let first = ids.get(..FIRST_IDS).unwrap_or(ids).join(" ");
            format!("{first} … (-v lists all)")
        }
    };
    let _ = writeln!(text, "{what} ({count}): {shown}");
}
