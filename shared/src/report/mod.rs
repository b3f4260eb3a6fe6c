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
use crate::model::{ImageId, InWords, Provider, ProviderWords, ResourceId, join_in_words};
use crate::plan::snapshots::{SnapshotAction, SnapshotPlan};
use crate::plan::{Plan, Step};
use crate::policy::{Check, Policy, TrustedTag};
use crate::saved_plan::{Difference, Differences};
use crate::text_fmt::{counted, printable, thousands};

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
fn step_words(step: Step, words: &ProviderWords) -> &'static str {
    match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => words.removal.base,
        Step::DeleteSnapshots => "delete snapshots",
    }
}

/// Returns the ID as it is shown to people, and the name unless the ID contains it. Names are
/// untrusted; the result is not.
fn id_and_name(id: &ImageId, name: &str) -> String {
    match id.contains_name(name) {
        true => id.short().into_owned(),
        false => format!("{} {}", id.short(), printable(name)),
    }
}

/// Returns a sentence on the specialized images that are shared. `None` if there are none.
fn specialized_and_shared_text(plan: &Plan) -> Option<String> {
    let count = plan.decisions.iter().filter(|one| one.specialized_and_shared).count();
    (count > 0).then(|| {
        let images = counted(count, "specialized image");
        let (are, them) = if count == 1 { ("is", "it") } else { ("are", "them") };
        format!(
            "{images} {are} shared: whoever may launch {them} can read the credentials and secrets in {them}."
        )
    })
}

/// Begins a text with an uppercase letter.
fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Summarizes what a run did, in a few lines. Empty if it did nothing. A refusal is not included,
/// because it is reported with the plan.
pub fn outcome_text(outcome: &Outcome, which: Ids) -> String {
    let mut text = String::new();
    let words = words_of(outcome);
    let done = done_words(words).map(|(step, what)| (what, ids(outcome.done(step))));
    let left = [
        ("snapshots still in use, retried by a later run", ids(outcome.in_use())),
        ("deferred by a limit", ids(outcome.deferred())),
        ("not reached, continued by a later run", ids(outcome.not_reached())),
    ];
    for (what, ids) in done.into_iter().chain(left) {
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

/// Returns the steps of a sweep, with the text for each.
fn done_words(words: &ProviderWords) -> [(StepKind, &'static str); 8] {
    [
        (StepKind::Expire, "expired"),
        (StepKind::Deprecate, "deprecated"),
        (StepKind::Disable, "disabled"),
        (StepKind::Rescue, "rescued"),
        (StepKind::Deregister, words.removal.done),
        (StepKind::MarkOrphan, "orphaned snapshots tagged for later deletion"),
        (StepKind::DeleteSnapshot, "snapshots deleted"),
        (StepKind::Tag, "missing tags added"),
    ]
}

/// Lists the differences between the account and a saved plan. Empty if there are none.
pub fn differences_text(differences: &Differences, which: Ids) -> String {
    let Differences { changed, left_for_later } = differences;
    let mut text = String::new();
    let limit = match which {
        Ids::All => usize::MAX,
        Ids::First => MAX_LISTED,
    };
    for Difference { resource, planned, change } in changed.iter().take(limit) {
        let words = resource.provider().words();
        let change = printable(&change.in_words(words).to_string());
        let (resource, planned) = (resource.short(), words.step(planned));
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
    // Only Azure has subscriptions, and its soft delete does not depend on tags.
    let may_be_aws = policy.safety.subscriptions.is_empty();
    if policy.safety.recycle_bin == Check::Required && may_be_aws {
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
        meant.map(|one| one.snapshot_id.short().into_owned()).collect::<Vec<_>>()
    };
    list(&mut text, "orphaned snapshots", &with(SnapshotAction::Mark), which);
    list(&mut text, "snapshots due", &with(SnapshotAction::Delete), which);
    let kept = with(SnapshotAction::Keep);
    if !is_listed(kept.len(), which) {
        list(&mut text, "snapshots kept", &kept, which);
        return text;
    }
    for decision in plan.decisions.iter().filter(|one| one.action == SnapshotAction::Keep) {
        let words = plan.account.provider().words();
        let reasons = printable(&join_in_words(&decision.reasons, words, ", "));
        let _ = writeln!(text, "snapshot kept: {}: {reasons}", decision.snapshot_id.short());
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
        (done(StepKind::Deregister), words_of(outcome).removal.done),
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
    resources.map(|one| one.short().into_owned()).collect()
}

/// Returns the words of the provider that has the resources. An outcome has one provider.
fn words_of(outcome: &Outcome) -> &'static ProviderWords {
    let first = outcome.steps.first();
    first.map_or_else(Provider::default, |one| one.resource.provider()).words()
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
