//! `--max-removals`: a plan that removes too much fails.

use steward::plan::Plan;
use steward::plan::snapshots::{SnapshotAction, SnapshotDecision, SnapshotPlan};
use steward::text_fmt::{counted, thousands};

use crate::args::GateArgs;
use crate::context::Context;
use crate::outcome::Exit;

/// What is said if `plan` would remove more images than the gate allows, or more snapshots of images
/// that are gone.
///
/// Counted are the decisions: the summary of a saved plan may be of a version that did not count
/// them.
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
        parts.push(format!("{} of images that are gone", counted(gone, "snapshot")));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "gate exceeded: {} would be removed, --max-removals allows {}",
            parts.join(" and "),
            thousands(most)
        )
    })
}

/// The exit code for a plan that ends with `exit` beside the gate. A gate that is exceeded comes
/// before a refusal: a pipeline may go on after a refusal, because nothing is removed, and must
/// not go on after this.
pub fn exit(exceeded: Option<&str>, exit: Exit, context: &Context) -> Exit {
    let Some(message) = exceeded else { return exit };
    context.warn(message);
    Exit::Gate
}
