//! `plan`: what would be done about every image, and why.

use std::path::Path;

use serde::Serialize;
use steward::plan::Plan;
use steward::plan::reason::Reason;
use steward::plan::snapshots::SnapshotDecision;
use steward::policy::{Policy, PolicyDigest};
use steward::report::{self, CostedDecision, CostedPlan, Price, Rows};
use steward::saved_plan::SavedPlan;

use crate::args::{self, ListFormat};
use crate::context::Context;
use crate::files::{
    at_most_one_standard, is_standard, name_of, print, print_json, print_json_lines,
    read_policy_text, write_private,
};
use crate::load::{Loaded, load};
use crate::outcome::{CommandError, Exit};

/// A plan for images, and the decisions about tagged snapshots.
#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    plan: CostedPlan<'a>,
    marked_snapshots: &'a [SnapshotDecision],
}

/// A line of the plan.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonLine<'a> {
    Image(CostedDecision<'a>),
    Snapshot(&'a SnapshotDecision),
}

/// Runs `plan`.
pub async fn run(arguments: args::PlanArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::PlanArgs { policy, world, format, all, why, out } = arguments;
    at_most_one_standard([Some(&policy.policy), world.inventory.as_ref()])?;
    let text = read_policy_text(&policy.policy)?;
    let policy_file = name_of(&policy.policy);
    let from = policy.policy;
    let (policy, digest) = Policy::parse_with_digest(&text, &policy_file)?;
    let loaded = load(world, &policy, &[], context).await?;
    context.progress.end();
    if let Some(out) = &out {
        save(out, text, policy_file, &loaded)?;
    }
    let Loaded { mut plan, mut snapshots, .. } = loaded;
    // With the plan on standard output there is no room for anything else.
    if out.as_deref().is_some_and(is_standard) {
        return Ok(exit_of(&plan, context));
    }
    let rows = match (all, why.is_empty()) {
        (true, _) => Rows::All,
        (false, true) => Rows::Changes,
        (false, false) => {
            let kinds = Reason::KINDS.iter().copied();
            Rows::WithReasons(kinds.filter(|kind| why.iter().any(|one| one == kind)).collect())
        }
    };
    if format != ListFormat::Table && matches!(rows, Rows::WithReasons(_)) {
        plan.decisions.retain(|decision| rows.shows(decision));
        snapshots.decisions.clear();
    }
    match format {
        ListFormat::Json => {
            let plan = CostedPlan::new(&plan, &plan.decisions);
            print_json(&Planned { plan, marked_snapshots: &snapshots.decisions })?;
        }
        ListFormat::Jsonl => {
            let price = Price::in_region(&plan.region);
            let costed = |one| JsonLine::Image(CostedDecision::new(one, &price));
            let images = plan.decisions.iter().map(costed);
            print_json_lines(images.chain(snapshots.decisions.iter().map(JsonLine::Snapshot)))?;
        }
        ListFormat::Table => {
            print(&report::plan_text(
                &plan,
                Some(&snapshots),
                Some(&policy),
                &rows.into(),
                context.style,
            ))?;
        }
    }
    if let Some(out) = &out {
        context.hint(saved_hint(out, &plan, &from, &digest));
    }
    Ok(match format {
        // The text has it.
        ListFormat::Table if plan.refusal.is_some() => Exit::Refused,
        _ => exit_of(&plan, context),
    })
}

/// How to apply the plan that was saved.
fn saved_hint(out: &Path, plan: &Plan, policy: &Path, digest: &PolicyDigest) -> String {
    match plan.refusal {
        Some(_) => "saved, but a plan that refuses cannot be applied".to_owned(),
        None => format!(
            "saved; `image-steward apply {} {}` does exactly this, within a day. The digest of its policy is {digest}",
            out.display(),
            match is_standard(policy) {
                true => format!("--expect-policy {digest}"),
                false => format!("--policy {}", policy.display()),
            }
        ),
    }
}

fn save(out: &Path, policy: String, file: String, loaded: &Loaded) -> Result<(), CommandError> {
    let saved = SavedPlan::new(policy, file, loaded.plan.clone(), loaded.snapshots.clone());
    write_private(out, &format!("{}\n", serde_json::to_string(&saved)?))
}

/// Says on standard error that a plan refuses, where the output does not.
pub(super) fn exit_of(plan: &Plan, context: &Context) -> Exit {
    match &plan.refusal {
        Some(refusal) => {
            context.warn(format_args!("refused: {refusal}"));
            Exit::Refused
        }
        None => Exit::Done,
    }
}
