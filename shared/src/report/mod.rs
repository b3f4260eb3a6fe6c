//! Reports for people. The JSON forms are the types' own.

mod counts;
pub mod events;
mod metrics;
mod pins;
mod table;

use std::fmt::Write as _;

use crate::apply::{Changed, Failure, Outcome};
use crate::jobs::Reaped;
use crate::plan::reap::{SnapshotAction, SnapshotPlan};
use crate::plan::{Action, Plan, Step, Summary};
use crate::restore::{End, Restored};

pub use counts::Counts;
pub use metrics::{NAMESPACE, metrics};
pub use pins::{Stale, pins, pins_text, stale, stale_text};
pub use table::plan_table;

/// The word for an action, as in the plan's JSON.
pub fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Wait => "wait",
        Action::Expire => "expire",
        Action::Deprecate { .. } => "deprecate",
        Action::Disable { .. } => "disable",
        Action::Deregister { .. } => "deregister",
        Action::Rescue(_) => "rescue",
    }
}

/// The words for a step to come.
fn step_words(step: Step) -> &'static str {
    match step {
        Step::Deprecate => "deprecate",
        Step::Disable => "disable",
        Step::Deregister => "deregister",
        Step::DeleteSnapshots => "delete snapshots",
    }
}

/// A plan as a table with its counts, and with the refusal if there is one.
pub fn plan_text(plan: &Plan) -> String {
    if plan.decisions.is_empty() && plan.refusal.is_none() {
        return format!(
            "No images in account {}, Region {}. Is that the right account and Region?\n",
            plan.account, plan.region
        );
    }
    let mut text = String::new();
    if !plan.decisions.is_empty() {
        let _ = writeln!(text, "{}\n\n{}", plan_table(plan), summary_line(&plan.summary));
    }
    if let Some(refusal) = &plan.refusal {
        let _ = writeln!(text, "Refused: {refusal}.");
    }
    text
}

fn summary_line(summary: &Summary) -> String {
    let Summary {
        images,
        in_use,
        keep,
        rescue,
        wait,
        expire,
        deprecate,
        disable,
        deregister,
        deferred,
        snapshots,
        snapshots_gib,
    } = summary;
    let mut line = format!(
        "{images} images: {keep} kept ({in_use} in use), {rescue} rescued, {wait} waiting, {expire} newly expired, \
         {deprecate} to deprecate, {disable} to disable, {deregister} to deregister with {snapshots} snapshots (at most {snapshots_gib} GiB)."
    );
    if *deferred > 0 {
        let _ = write!(line, " {deferred} deferred by a cap.");
    }
    line
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
        ("not reached before the deadline", join(not_reached)),
    ] {
        if let Some((count, ids)) = ids {
            let _ = writeln!(text, "{what} ({count}): {ids}");
        }
    }
    for Changed { id, because } in changed {
        let _ = writeln!(text, "left alone: {id}: {because}");
    }
    for Failure { id, step, code: _, message } in failed {
        let _ = writeln!(text, "failed: {} of {id}: {message}", step.as_str());
    }
    text
}

/// What the ledger says about snapshots; nothing when none is marked.
pub fn snapshots_text(plan: &SnapshotPlan) -> String {
    let mut text = String::new();
    for decision in &plan.decisions {
        let word = match decision.action {
            SnapshotAction::Mark => "mark",
            SnapshotAction::Delete => "delete",
            SnapshotAction::Keep => "keep",
        };
        let because: Vec<_> = decision.because.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "snapshot {}: {word}: {}", decision.snapshot_id, because.join(", "));
    }
    text
}

/// What a run over snapshots found and did.
pub fn reaped_text(reaped: &Reaped) -> String {
    let Reaped { mode: _, orphans, due, kept, outcome } = reaped;
    let mut text = String::new();
    if let Some((count, ids)) = join(orphans) {
        let _ = writeln!(text, "orphaned snapshots ({count}): {ids}");
    }
    if let Some((count, ids)) = join(due) {
        let _ = writeln!(text, "snapshots due ({count}): {ids}");
    }
    for decision in kept {
        let because: Vec<_> = decision.because.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "snapshot kept: {}: {}", decision.snapshot_id, because.join(", "));
    }
    text.push_str(&outcome_text(outcome));
    text
}

/// What became of the images that were to be brought back.
pub fn restored_text(all: &[Restored]) -> String {
    let mut text = String::new();
    for Restored { image_id, end, done, problem } in all {
        let word = match end {
            End::Restored => "restored",
            End::Untouched => "nothing to do: it was not on its way out",
            End::Gone => "gone",
            End::Failed => "failed",
        };
        let _ = writeln!(text, "{image_id}: {word}");
        for done in done {
            let _ = writeln!(text, "  {done}");
        }
        if let Some(problem) = problem {
            let _ = writeln!(text, "  {problem}");
        }
    }
    text
}

fn join<T: ToString>(ids: &[T]) -> Option<(usize, String)> {
    let words: Vec<_> = ids.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| (words.len(), words.join(" ")))
}
