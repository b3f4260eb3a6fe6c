//! `--max-removals`: fails a plan that removes too much.

use steward::plan::Plan;
use steward::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use steward::text_fmt::{counted, thousands};

use crate::args::GateArgs;
use crate::context::Context;
use crate::outcome::Exit;

/// The message if `plan` removes more images, or more snapshots of deregistered images, than the
/// gate allows.
///
/// It counts the decisions, because the summary of a saved plan may be from a version that did not
/// count them.
pub fn exceeded(gate: &GateArgs, plan: &Plan, snapshots: &SnapshotPlan) -> Option<String> {
    let most = gate.max_removals?;
    let removed = plan.decisions.iter().filter(|decision| !decision.action.stays()).count();
    let is_removed = |one: &&SnapshotDecision| one.action != SnapshotAction::Keep;
    let gone = snapshots.decisions.iter().filter(is_removed).count();
    let mut parts = Vec::new();
    if removed > most {
        parts.push(counted(removed, "image"));
    }
    if gone > most {
        parts.push(format!("{} of deregistered images", counted(gone, "snapshot")));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "limit exceeded: the plan removes {}; --max-removals allows {}",
            parts.join(" and "),
            thousands(most)
        )
    })
}

/// The exit code of a plan whose exit code without the gate is `exit`. An exceeded gate takes
/// precedence over a refusal: a pipeline may continue after a refusal, because nothing is removed,
/// but must not continue after an exceeded gate.
pub fn exit(exceeded: Option<&str>, exit: Exit, context: &Context) -> Exit {
    let Some(message) = exceeded else { return exit };
    context.warn(message);
    Exit::Gate
}
