//! `show`: prints a saved plan in the same formats as `plan`.

use steward::saved_plan::{SavedPlan, Validity};
use steward::text_fmt::minute;

use super::plan::exit_of;
use crate::args::{self, PlanFormat};
use crate::context::Context;
use crate::files::{name_of, read};
use crate::gate;
use crate::outcome::{CommandError, Exit};
use crate::plan_output::{PrintedPlan, SavedAs, print_plan};
use crate::strict;

/// Runs `show`.
pub fn run(arguments: args::ShowArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ShowArgs { plan: file, output, gate } = arguments;
    let saved = SavedPlan::from_json(&read(&file)?)
        .map_err(|cause| CommandError::Plan { file: name_of(&file), cause })?;
    let parsed = saved.parsed_policy();
    if let Err(error) = &parsed {
        context.warn(format_args!(
            "this version of image-steward does not accept the policy of the plan, so `apply` refuses the plan: \
             {error}"
        ));
    }
    let validity = saved.validity(context.now);
    let (planned_at, valid_until) = (saved.plan.planned_at, saved.valid_until());
    match validity {
        Validity::Valid => {}
        Validity::TooOld => context.warn(format_args!(
            "the plan is too old: `apply` accepts a plan for one day; plan again"
        )),
        Validity::TooSoon => context.warn(format_args!(
            "the plan is dated in the future ({planned_at}), so `apply` refuses it; plan again without --now"
        )),
    }
    let (policy, digest) = parsed.ok().unzip();
    let digest = digest.map(|digest| digest.to_string());
    let saved_as = SavedAs {
        words: words(&saved, digest.as_deref(), validity),
        policy_file: saved.policy_file().to_owned(),
        policy_digest: digest,
        planned_at,
        valid_until,
        validity,
    };
    let exceeded = gate::exceeded(&gate, &saved.plan, &saved.snapshots);
    let printed = PrintedPlan {
        plan: &saved.plan,
        snapshots: &saved.snapshots,
        policy: policy.as_ref(),
        inventory: None,
        comparison: None,
        saved: Some(saved_as),
        gate: exceeded.clone(),
    };
    print_plan(printed, &output, context)?;
    let exit = match output.format {
        // The table already contains the refusal.
        PlanFormat::Table if saved.plan.refusal.is_some() => Exit::Refused,
        _ => exit_of(&saved.plan, context),
    };
    let exit = strict::exit(gate.strict, &saved.plan.notes, exit, context);
    Ok(gate::exit(exceeded.as_deref(), exit, context))
}

/// The policy of a plan, and whether `apply` accepts the plan, as the end of a sentence.
fn words(saved: &SavedPlan, digest: Option<&str>, validity: Validity) -> String {
    let policy = match digest {
        Some(digest) => format!("with {} (digest {digest})", saved.policy_file()),
        None => format!("with {}, which this version does not accept", saved.policy_file()),
    };
    let until = minute(saved.valid_until());
    match validity {
        Validity::Valid => format!("{policy}, valid for apply until {until}"),
        Validity::TooOld => format!("{policy}, too old for apply since {until}"),
        Validity::TooSoon => format!("{policy}, dated in the future"),
    }
}
