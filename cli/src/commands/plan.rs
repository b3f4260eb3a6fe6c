//! `plan`: shows what would be done with every image, and why.

use std::path::Path;

use steward::model::InWords;
use steward::plan::Plan;
use steward::policy::{Policy, PolicyDigest};
use steward::report;
use steward::saved_plan::SavedPlan;

use crate::args::{self, PlanFormat};
use crate::context::Context;
use crate::files::{
    at_most_one_standard, is_standard, name_of, read_policy, read_policy_text, write_private,
};
use crate::gate;
use crate::load::{ExtraReads, Loaded, load};
use crate::outcome::{CommandError, Exit};
use crate::plan_output::{PrintedPlan, print_plan};
use crate::strict;
use crate::two_policies::plan_of_other;

/// Runs `plan`.
pub async fn run(arguments: args::PlanArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::PlanArgs { policy, input, sharing, output, against, out, gate } = arguments;
    at_most_one_standard([Some(&policy.policy), against.as_ref(), input.inventory.as_ref()])?;
    let text = read_policy_text(&policy.policy)?;
    let policy_file = name_of(&policy.policy);
    let from = policy.policy;
    let (policy, digest) = Policy::parse_with_digest(&text, &policy_file)?;
    let other = against.as_deref().map(read_policy).transpose()?;
    let loaded = load(input, &policy, ExtraReads { images: &[], sharing }, context).await?;
    let mut comparison = None;
    if let (Some(file), Some(other)) = (&against, &other) {
        let theirs = plan_of_other(&loaded, &policy, other, context).await;
        let (new, old) = ((&*policy_file, &loaded.plan), (&*name_of(file), &theirs));
        comparison = Some(report::compare_plans(new, old));
    }
    context.progress.end();
    if let Some(out) = &out {
        save(out, text, policy_file, &loaded)?;
    }
    let Loaded { plan, snapshots, .. } = &loaded;
    let exceeded = gate::exceeded(&gate, plan, snapshots);
    // With the plan file on standard output, nothing else is printed there.
    if out.as_deref().is_some_and(is_standard) {
        let exit = strict::exit(gate.strict, &plan.notes, exit_of(plan, context), context);
        return Ok(gate::exit(exceeded.as_deref(), exit, context));
    }
    let printed = PrintedPlan {
        plan,
        snapshots,
        policy: Some(&policy),
        inventory: Some(&loaded.inventory),
        comparison,
        saved: None,
        gate: exceeded.clone(),
    };
    print_plan(printed, &output, context)?;
    if let Some(out) = &out {
        context.hint(saved_hint(out, plan, &from, &digest));
    }
    let exit = match output.format {
        // The table already contains the refusal.
        PlanFormat::Table if plan.refusal.is_some() => Exit::Refused,
        _ => exit_of(plan, context),
    };
    let exit = strict::exit(gate.strict, &plan.notes, exit, context);
    Ok(gate::exit(exceeded.as_deref(), exit, context))
}

/// The hint after saving: how to apply the plan.
fn saved_hint(out: &Path, plan: &Plan, policy: &Path, digest: &PolicyDigest) -> String {
    match plan.refusal {
        Some(_) => "plan saved, but a refused plan cannot be applied".to_owned(),
        None => format!(
            "plan saved; to apply exactly this plan, run `image-steward apply {} {}` within a day. Policy digest: {digest}",
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

/// The exit code of a plan. Prints a refusal on standard error, for outputs that do not contain it.
pub(super) fn exit_of(plan: &Plan, context: &Context) -> Exit {
    match &plan.refusal {
        Some(refusal) => {
            let refusal = refusal.in_words(plan.account.provider().words());
            context.warn(format_args!("refused: {refusal}"));
            Exit::Refused
        }
        None => Exit::Done,
    }
}
