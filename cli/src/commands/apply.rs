//! `apply`: applies a new plan or a saved plan.

use std::path::{Path, PathBuf};

use serde::Serialize;
use steward::apply::{self, Outcome};
use steward::cloud::SnapshotScope;
use steward::jobs::{Job, Mode, Reaped};
use steward::model::InWords;
use steward::plan::snapshots::{SnapshotAction, SnapshotPlan, plan_snapshots};
use steward::plan::{Plan, plan};
use steward::policy::{Policy, PolicyDigest};
use steward::report::{self, Ids, Rows};
use steward::saved_plan::{Differences, FreshPlan, SavedPlan};

use crate::args::{self, Format};
use crate::confirm::{can_ask, confirm};
use crate::context::Context;
use crate::files::{
    at_most_one_standard, name_of, print, print_json, read, read_policy, read_policy_text,
};
use crate::live;
use crate::load::{ExtraReads, Loaded, load_live};
use crate::outcome::{CommandError, Exit};
use crate::strict;

/// The result of `apply`.
#[derive(Serialize)]
struct Applied<'a> {
    images: &'a Outcome,
    /// `None` if the run was interrupted before snapshots were read.
    snapshots: Option<&'a Reaped>,
}

/// The result of `apply PLAN`.
#[derive(Serialize)]
struct AppliedPlan<'a> {
    differences: &'a Differences,
    images: &'a Outcome,
    snapshots: &'a Outcome,
}

/// Runs `apply`.
pub async fn run(arguments: args::ApplyArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ApplyArgs { plan, policy, expect_policy, strict, yes, place, output } = arguments;
    let asks = !yes && can_ask();
    if let Some(file) = plan {
        let expected = match expect_policy {
            Some(digest) => (digest, "--expect-policy".to_owned()),
            None => digest_of(&policy.policy, &file)?,
        };
        return run_saved(&file, expected, strict, place, (asks, output.format), context).await;
    }
    if !yes && !asks {
        return Err(CommandError::NotConfirmed);
    }
    let policy = read_policy(&policy.policy)?;
    let live = live::connect(place, context).await?.under(&policy)?;
    let job = Job {
        cloud: live.cloud(),
        instances: live.instances(),
        bus: None,
        target: &live.target,
        policy: &policy,
        mode: Mode::Apply,
        now: context.now,
        context: context.changing(),
    };
    let (plan, permissions) = job.plan_images().await;
    // The confirmation shows the snapshots too. They are read again after the images are retired.
    let shown = match asks {
        true => Some(Job { mode: Mode::Plan, ..job }.reap(&SnapshotScope::Own).await),
        false => None,
    };
    let due = shown.as_ref().map(|(plan, _)| plan);
    show_plan(&plan, due, &policy, (asks, output.format), context)?;
    if let Some(failure) = strict::failure(strict, &plan.notes, context) {
        return Ok(failure);
    }
    let is_empty = due.is_some_and(|due| !changes(&plan, due));
    if asks && !is_empty && !confirm(context)? {
        return Ok(Exit::Failed);
    }
    context.interrupt.begin_changes();
    let images = job.apply_images(&plan, permissions).await;
    // After an interruption, no more calls are made to find snapshots that are due.
    let snapshots = match context.interrupt.has_come() {
        true => None,
        false if is_empty => shown,
        false => Some(job.reap(&SnapshotScope::Own).await),
    };
    context.progress.end();
    let reaped = snapshots.as_ref().map(|(_, outcome)| outcome.clone()).unwrap_or_default();
    let refused = reaped.refusal.clone();
    let words = plan.account.provider().words();
    let outcome = images.clone().and(reaped);
    let reported = match output.format {
        Format::Json => {
            if let Some(refusal) = &images.refusal {
                context.warn(format_args!("refused: {}", refusal.in_words(words)));
            }
            let snapshots = snapshots.map(|(plan, outcome)| Reaped::new(job.mode, plan, outcome));
            print_json(&Applied { images: &images, snapshots: snapshots.as_ref() })
        }
        Format::Table => {
            let mut done = match &snapshots {
                Some((plan, _)) => report::snapshot_plan_text(plan, context.ids()),
                None => "Snapshots skipped (interrupted).\n".to_owned(),
            } + &report::outcome_text(&outcome, context.ids())
                + &report::outcome_line(&outcome);
            match &refused {
                // A refusal of the images was already printed with their plan.
                Some(refusal) if images.refusal.is_none() => {
                    done.push_str(&format!("Refused: {}.\n", refusal.in_words(words)));
                }
                _ if done.is_empty() && !plan.decisions.is_empty() => {
                    done.push_str("Nothing to do.\n");
                }
                _ => {}
            }
            print(&context.style.wrapped(&done))
        }
    };
    Ok(ended(outcome, reported, context))
}

/// Prints the plan on standard output. With JSON output, it is printed on standard error, and only
/// before a confirmation.
fn show_plan(
    plan: &Plan,
    snapshots: Option<&SnapshotPlan>,
    policy: &Policy,
    (asks, format): (bool, Format),
    context: &Context,
) -> Result<(), CommandError> {
    let text =
        report::plan_text(plan, snapshots, Some(policy), &Rows::Changes.into(), context.style);
    context.progress.pause(|| match format {
        Format::Table => print(&text),
        Format::Json => {
            if asks {
                eprint!("{text}");
            }
            Ok(())
        }
    })
}

/// Whether the plans change anything.
fn changes(plan: &Plan, snapshots: &SnapshotPlan) -> bool {
    plan.decisions.iter().any(|one| one.action.changes())
        || snapshots.decisions.iter().any(|one| one.action != SnapshotAction::Keep)
}

/// The exit code. An interrupted run counts as partly done, even if nothing was left to do. If
/// standard output cannot be written, the changes are printed on standard error.
fn ended(outcome: Outcome, reported: Result<(), CommandError>, context: &Context) -> Exit {
    let exit = match outcome.status().into() {
        Exit::Done if context.interrupt.has_come() => Exit::Part,
        exit => exit,
    };
    let Err(error) = reported else { return exit };
    context.warn(format_args!("{error}; changes made:"));
    for line in report::outcome_text(&outcome, Ids::All).lines() {
        context.warn(line);
    }
    if exit == Exit::Done { Exit::Part } else { exit }
}

/// The digest of the policy file, and the name of the file.
fn digest_of(policy: &PathBuf, plan: &PathBuf) -> Result<(PolicyDigest, String), CommandError> {
    at_most_one_standard([Some(policy), Some(plan)])?;
    let text = read_policy_text(policy).map_err(|error| match error {
        CommandError::NoPolicy { file } => CommandError::NoPolicyForPlan { file },
        other => other,
    })?;
    let name = name_of(policy);
    let (_, digest) = Policy::parse_with_digest(&text, &name)?;
    Ok((digest, name))
}

/// Applies exactly the plan in `file`, or nothing, if its policy has the `expected` digest.
async fn run_saved(
    file: &Path,
    expected: (PolicyDigest, String),
    strict: bool,
    place: args::AccountArgs,
    (asks, format): (bool, Format),
    context: &Context,
) -> Result<Exit, CommandError> {
    let wrong = |cause| CommandError::Plan { file: name_of(file), cause };
    let saved = SavedPlan::from_json(&read(file)?).map_err(wrong)?;
    let (digest, by) = expected;
    let policy = saved.policy(&digest, &by).map_err(wrong)?;
    let live = live::connect(place, context).await?.under(&policy)?;
    saved.fits(&live.target, context.now).map_err(wrong)?;
    let loaded = load_live(&live, &policy, context.now, ExtraReads::default(), context).await;
    let Loaded { inventory, plan: images, snapshots, permissions, .. } = loaded;
    let fresh = FreshPlan { images, snapshots };
    if let Some(failure) = strict::failure(strict, &fresh.images.notes, context) {
        return Ok(failure);
    }
    let planned_at = saved.plan.planned_at;
    let then = FreshPlan {
        images: plan(&inventory, &policy, planned_at),
        snapshots: plan_snapshots(&inventory, &policy, planned_at),
    };
    let differences = saved.differences(&then, &fresh);
    let (mut images, mut snapshots) = (Outcome::default(), Outcome::default());
    if let Some(refusal) = saved.refusal(&fresh.images, &differences) {
        images.refusal = Some(refusal);
    } else {
        let FreshPlan { images: plan, snapshots: fresh } = saved.agreed(fresh);
        if asks && changes(&plan, &fresh) {
            show_plan(&plan, Some(&fresh), &policy, (asks, format), context)?;
            if !confirm(context)? {
                return Ok(Exit::Failed);
            }
        }
        context.interrupt.begin_changes();
        let (cloud, changing) = (live.cloud(), context.changing());
        images = apply::apply(&plan, permissions.clone(), &policy, cloud, changing).await;
        snapshots = apply::apply_snapshots(&fresh, permissions, &policy, cloud, changing).await;
    }
    context.progress.end();
    let words = live.target.account.provider().words();
    let refused = images.refusal.clone().or_else(|| snapshots.refusal.clone());
    let outcome = images.clone().and(snapshots.clone());
    let reported = match format {
        Format::Json => {
            if let Some(refused) = &refused {
                context.warn(format_args!("refused: {}", refused.in_words(words)));
            }
            print_json(&AppliedPlan {
                differences: &differences,
                images: &images,
                snapshots: &snapshots,
            })
        }
        Format::Table => {
            let done =
                report::outcome_text(&outcome, context.ids()) + &report::outcome_line(&outcome);
            let end = match &refused {
                Some(refused) => format!("Refused: {}.\n", refused.in_words(words)),
                None if done.is_empty() => "Nothing to do.\n".to_owned(),
                None => String::new(),
            };
            let text = report::differences_text(&differences, context.ids()) + &done + &end;
            print(&context.style.wrapped(&text))
        }
    };
    Ok(ended(outcome, reported, context))
}
