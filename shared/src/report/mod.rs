//! Reports for people. The JSON forms are the types' own.

mod counts;
pub mod events;
pub mod explain;
mod style;
mod metrics;
pub mod page;
mod pins;
mod plan;
mod price;
mod simulation;

use std::fmt::Write as _;

pub use counts::Counts;
pub use style::{Colours, OutputStyle};
pub use metrics::{NAMESPACE, metrics};
pub use pins::{Stale, pins, pins_text, stale, stale_text};
pub use plan::{Rows, plan_text};
pub use price::{Price, Usd};
pub use simulation::{compared_text, simulation_text};

use crate::apply::{Changed, Failure, Outcome};
use crate::jobs::Reaped;
use crate::plan::Step;
use crate::restore::{RestoreStatus, Restored};
use crate::saved_plan::Differences;
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
/// stands with the plan.
pub fn outcome_text(outcome: &Outcome) -> String {
    let Outcome {
        expired,
        deprecated,
        disabled,
        rescued,
        deregistered,
        marked,
        deleted,
        later,
        changed,
        deferred,
        not_reached,
        failed,
        refused: _,
    } = outcome;
    let mut text = String::new();
    for (what, ids) in [
        ("expired", join(expired)),
        ("deprecated", join(deprecated)),
        ("disabled", join(disabled)),
        ("rescued", join(rescued)),
        ("deregistered", join(deregistered)),
        ("orphaned snapshots marked, to be deleted in a later run", join(marked)),
        ("snapshots deleted", join(deleted)),
        ("snapshots still in use, for a later run", join(later)),
        ("deferred by a cap", join(deferred)),
        ("not reached, and left for a later run", join(not_reached)),
    ] {
        if let Some((count, ids)) = ids {
            let _ = writeln!(text, "{what} ({count}): {ids}");
        }
    }
    for Changed { id, reasons } in changed {
        let _ = writeln!(text, "left alone: {id}: {}", printable(reasons));
    }
    for Failure { id, step, code: _, message } in failed {
        let _ = writeln!(text, "failed: {} of {id}: {}", step.as_str(), printable(message));
    }
    text
}

/// How the world differs from what a saved plan was made for; nothing when it does not.
pub fn differences_text(differences: &Differences) -> String {
    let Differences { changed, left_for_later } = differences;
    let mut text = String::new();
    for Changed { id, reasons } in changed {
        let _ = writeln!(text, "changed: {id}: {}", printable(reasons));
    }
    if let Some((count, ids)) = join(left_for_later) {
        let _ = writeln!(text, "not in the plan, and left for the next one ({count}): {ids}");
    }
    text
}

/// What a run over snapshots found, beside what it did.
pub fn reaped_text(reaped: &Reaped) -> String {
    let Reaped { mode: _, orphans, due, kept, outcome: _ } = reaped;
    let mut text = String::new();
    if let Some((count, ids)) = join(orphans) {
        let _ = writeln!(text, "orphaned snapshots ({count}): {ids}");
    }
    if let Some((count, ids)) = join(due) {
        let _ = writeln!(text, "snapshots due ({count}): {ids}");
    }
    for decision in kept {
        let reasons: Vec<_> = decision.reasons.iter().map(ToString::to_string).collect();
        let reasons = printable(&reasons.join(", "));
        let _ = writeln!(text, "snapshot kept: {}: {reasons}", decision.snapshot_id);
    }
    text
}

/// What a run did, in one sentence of numbers; nothing when it did nothing.
pub fn outcome_line(outcome: &Outcome) -> String {
    let parts = [
        (outcome.rescued.len(), "rescued"),
        (outcome.expired.len(), "newly marked as expired"),
        (outcome.deprecated.len(), "deprecated"),
        (outcome.disabled.len(), "disabled"),
        (outcome.deregistered.len(), "deregistered"),
        (outcome.marked.len(), "orphaned snapshots marked"),
        (outcome.deleted.len(), "snapshots deleted"),
        (outcome.changed.len(), "left alone, because they changed"),
        (outcome.failed.len(), "failed"),
        (outcome.not_reached.len(), "not reached"),
    ];
    let said = parts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<_> = said.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    if said.is_empty() { String::new() } else { format!("Done: {}.\n", said.join(", ")) }
}

/// What became of the images that were to be brought back.
pub fn restored_text(all: &[Restored]) -> String {
    let mut text = String::new();
    for Restored { image_id, status, done, problem } in all {
        let word = match status {
            RestoreStatus::Restored => "restored",
            RestoreStatus::Untouched => "nothing to do: it was not on its way out",
            RestoreStatus::Gone => "gone",
            RestoreStatus::Failed => "failed",
        };
        let _ = writeln!(text, "{image_id}: {word}");
        for done in done {
            let _ = writeln!(text, "  {}", printable(done));
        }
        if let Some(problem) = problem {
            let _ = writeln!(text, "  {}", printable(problem));
        }
    }
    text
}

fn join<T: ToString>(ids: &[T]) -> Option<(usize, String)> {
    let words: Vec<_> = ids.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| (words.len(), words.join(" ")))
}
