//! Reports for people. The JSON forms are the types' own.

mod compare;
pub mod explain;
mod family_name;
mod markdown;
mod metrics;
pub mod page;
mod plan;
mod plan_json;
mod price;
mod references;
mod simulation;
mod simulation_cost;
mod style;

use std::fmt::Write as _;

pub use compare::{
    ChangeKind, PolicyComparison, SimulationComparison, compare_plans, compare_simulations,
    comparison_text,
};
pub use family_name::{family_name, family_values};
pub use markdown::{MAX_MARKDOWN_LENGTH, MarkdownPlan, plan_markdown};
pub use metrics::{NAMESPACE, metrics};
pub use plan::{GroupBy, Listing, Rows, SortBy, family_names, notes_text, plan_text};
pub use plan_json::{CostedDecision, CostedPlan};
pub use price::{Price, Usd};
pub use references::{Stale, StaleReference, StaleResource, stale, stale_resources, stale_text};
pub use simulation::{compared_text, simulation_text};
pub use simulation_cost::PricedSimulation;
pub use style::{Colours, OutputStyle};

use crate::apply::{Outcome, StepKind};
use crate::model::{ResourceId, join_permissions};
use crate::plan::Step;
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::policy::{Check, Policy, TrustedTag};
use crate::restore::{RestoreStatus, Restored};
use crate::saved_plan::{Difference, Differences};
use crate::text_fmt::{printable, thousands};

/// The words for a step to come.
fn step_words(step: Step) -> &'static str {
    match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => "deregister",
        Step::DeleteSnapshots => "delete snapshots",
    }
}

/// What a run did, in a few lines; nothing when it did nothing. A refusal is not among them: it
/// is reported with the plan.
pub fn outcome_text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let done = DONE.iter().map(|(step, what)| (*what, ids(outcome.done(*step))));
    let left = [
        ("snapshots still in use, for a later run", ids(outcome.in_use())),
        ("deferred by a cap", ids(outcome.deferred())),
        ("not reached, and left for a later run", ids(outcome.not_reached())),
    ];
    for (what, ids) in done.chain(left) {
        list(&mut text, what, &ids);
    }
    for record in outcome.changed() {
        let _ = writeln!(text, "skipped: {}", printable(&record.to_string()));
    }
    for record in outcome.failed() {
        let _ = writeln!(text, "failed: {}", printable(&record.to_string()));
    }
    text
}

/// The steps of a sweep, with the words for what they did.
const DONE: [(StepKind, &str); 8] = [
    (StepKind::Expire, "expired"),
    (StepKind::Deprecate, "deprecated"),
    (StepKind::Disable, "disabled"),
    (StepKind::Rescue, "rescued"),
    (StepKind::Deregister, "deregistered"),
    (StepKind::MarkOrphan, "orphaned snapshots marked, to be deleted in a later run"),
    (StepKind::DeleteSnapshot, "snapshots deleted"),
    (StepKind::Tag, "tagged, having lacked tags"),
];

/// How the account differs from what a saved plan was made for; nothing when it does not.
pub fn differences_text(differences: &Differences) -> String {
    let Differences { changed, left_for_later } = differences;
    let mut text = String::new();
    for Difference { resource, planned, change } in changed {
        let change = printable(&change.to_string());
        let _ = writeln!(text, "changed: {resource}: planned: {planned}; {change}");
    }
    list(&mut text, "not in the plan, and left for the next one", &ids(left_for_later.iter()));
    text
}

/// The tags that a policy trusts, a line each.
pub fn trusted_tags_text(policy: &Policy, style: OutputStyle) -> String {
    let mut text =
        "Anyone who can write these tags can change what is kept or retired:\n".to_owned();
    for TrustedTag { key, uses } in policy.trusted_tags() {
        let uses: Vec<String> = uses.iter().map(ToString::to_string).collect();
        style.paragraph(&mut text, 2, &printable(&format!("{key}: {}", uses.join(", "))));
    }
    if policy.safety.recycle_bin == Check::Required {
        let rules =
            "any tags by which rules of the Recycle Bin choose: what no rule covers is kept";
        style.paragraph(&mut text, 2, rules);
    }
    text
}

/// What a sweep over snapshots found.
pub fn snapshot_plan_text(plan: &SnapshotPlan) -> String {
    let mut text = String::new();
    let with = |action: SnapshotAction| {
        let meant = plan.decisions.iter().filter(move |one| one.action == action);
        meant.map(|one| one.snapshot_id.to_string()).collect::<Vec<_>>()
    };
    list(&mut text, "orphaned snapshots", &with(SnapshotAction::Mark));
    list(&mut text, "snapshots due", &with(SnapshotAction::Delete));
    for decision in plan.decisions.iter().filter(|one| one.action == SnapshotAction::Keep) {
        let reasons: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
        let reasons = printable(&reasons.join(", "));
        let _ = writeln!(text, "snapshot kept: {}: {reasons}", decision.snapshot_id);
    }
    text
}

/// What a run did, in one sentence of numbers; nothing when it did nothing.
pub fn outcome_line(outcome: &Outcome) -> String {
    let done = |step: StepKind| outcome.done(step).count();
    let (left, skipped): (Vec<_>, Vec<_>) =
        outcome.changed().partition(|record| record.step == StepKind::Share);
    let (left, skipped) = (left.len(), skipped.len());
    let parts = [
        (done(StepKind::Rescue), "rescued"),
        (done(StepKind::Expire), "newly marked as expired"),
        (done(StepKind::Deprecate), "deprecated"),
        (done(StepKind::Disable), "disabled"),
        (done(StepKind::Deregister), "deregistered"),
        (done(StepKind::MarkOrphan), "orphaned snapshots marked"),
        (done(StepKind::DeleteSnapshot), "snapshots deleted"),
        (skipped, "skipped, because they changed"),
        (left, "not shared again with all in their tags"),
        (outcome.failed().count(), "failed"),
        (outcome.not_reached().count(), "not reached"),
    ];
    let said = parts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<_> = said.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    if said.is_empty() { String::new() } else { format!("Done: {}.\n", said.join(", ")) }
}

/// What became of the images that were to be brought back.
pub fn restored_text(all: &[Restored]) -> String {
    let mut text = String::new();
    for Restored { image_id, status, done, not_shared, problem } in all {
        let word = match status {
            RestoreStatus::Restored => "restored",
            RestoreStatus::Untouched if !not_shared.is_empty() => "restored before, but not shared",
            RestoreStatus::Untouched if problem.is_some() => "not restored",
            RestoreStatus::Untouched => "nothing to do: it was not on its way out",
            RestoreStatus::Gone => "gone",
            RestoreStatus::Failed => "failed",
        };
        let _ = writeln!(text, "{image_id}: {word}");
        for done in done {
            let _ = writeln!(text, "  {}", printable(&done.to_string()));
        }
        if !not_shared.is_empty() {
            let with = join_permissions(not_shared, ", ");
            let _ = writeln!(text, "  not shared again with {}", printable(&with));
        }
        if let Some(problem) = problem {
            let _ = writeln!(text, "  {}", printable(&problem.to_string()));
        }
    }
    text
}

fn ids<'a>(resources: impl Iterator<Item = &'a ResourceId>) -> Vec<String> {
    resources.map(ToString::to_string).collect()
}

/// A line with these ids, if there are any.
fn list(text: &mut String, what: &str, ids: &[String]) {
    if !ids.is_empty() {
        let _ = writeln!(text, "{what} ({}): {}", ids.len(), ids.join(" "));
    }
}
