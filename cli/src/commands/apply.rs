//! `apply`: carry out the plan, one that is made now or one that was saved.

use std::path::Path;

use serde::Serialize;
use steward::apply::{self, Outcome};
use steward::cloud::SnapshotScope;
use steward::jobs::{Job, Mode, Reaped};
use steward::report::{self, Rows};
use steward::saved_plan::{Differences, SavedPlan};

use crate::args::{self, Format};
use crate::files::{name_of, print, print_json, read, read_policy};
use crate::live;
use crate::outcome::{CommandError, Exit};
use crate::load::{Loaded, see_live};
use crate::context::Context;

/// What `apply` did.
#[derive(Serialize)]
struct Applied<'a> {
    images: &'a Outcome,
    /// Nothing when there was no time left to look at them.
    snapshots: Option<&'a Reaped>,
}

/// What `apply PLAN` did.
#[derive(Serialize)]
struct AppliedPlan<'a> {
    differences: &'a Differences,
    images: &'a Outcome,
    snapshots: &'a Outcome,
}

/// Runs `apply`.
pub async fn run(arguments: args::ApplyArgs, session: &Context) -> Result<Exit, CommandError> {
    let args::ApplyArgs { plan, policy, place, output } = arguments;
    if let Some(file) = plan {
        return run_saved(&file, place, output.format, session).await;
    }
    let policy = read_policy(&policy.policy)?;
    let live = live::connect(place).await?;
    let job = Job {
        cloud: &live.aws,
        target: &live.target,
        policy: &policy,
        mode: Mode::Apply,
        now: session.now,
        deadline: &session.interrupt,
    };
    let plan = job.plan_images().await;
    if output.format == Format::Table {
        session
            .progress
            .pause(|| print(&report::plan_text(&plan, None, &Rows::Changes, session.style)))?;
    }
    session.interrupt.begin_changes();
    let images = job.apply_images(&plan).await;
    // Looking for what is due takes calls that nobody wants any more.
    let snapshots = match session.interrupt.has_come() {
        true => None,
        false => Some(job.reap(&SnapshotScope::Own).await),
    };
    session.progress.end();
    let refused = snapshots.as_ref().and_then(|reaped| reaped.outcome.refused.as_ref());
    let reaped = snapshots.as_ref().map(|reaped| reaped.outcome.clone()).unwrap_or_default();
    let outcome = images.clone().and(reaped);
    let reported = match output.format {
        Format::Json => {
            if let Some(refusal) = &images.refused {
                session.warn(format_args!("refused: {refusal}"));
            }
            print_json(&Applied { images: &images, snapshots: snapshots.as_ref() })
        }
        Format::Table => {
            let mut done = snapshots
                .as_ref()
                .map(report::reaped_text)
                .unwrap_or_else(|| "Snapshots were not looked at any more.\n".to_owned())
                + &report::outcome_text(&outcome)
                + &report::outcome_line(&outcome);
            match refused {
                // What the images could not be read for was said with their plan.
                Some(refused) if images.refused.is_none() => {
                    done.push_str(&format!("Refused: {refused}.\n"));
                }
                _ if done.is_empty() && !plan.decisions.is_empty() => {
                    done.push_str("Nothing to do.\n");
                }
                _ => {}
            }
            print(&session.style.wrapped(&done))
        }
    };
    Ok(ended(outcome, reported, session))
}

/// Interrupted is done in part, even if nothing was left to be done at that moment. What was done
/// must be known, even if standard output cannot be written to.
fn ended(outcome: Outcome, reported: Result<(), CommandError>, session: &Context) -> Exit {
    let exit = match outcome.status().into() {
        Exit::Done if session.interrupt.has_come() => Exit::Part,
        exit => exit,
    };
    let Err(error) = reported else { return exit };
    session.warn(format_args!("{error}; this was done:"));
    for line in report::outcome_text(&outcome).lines() {
        session.warn(line);
    }
    if exit == Exit::Done { Exit::Part } else { exit }
}

/// Applies exactly the plan in `file`, or nothing of it.
async fn run_saved(
    file: &Path,
    place: args::AwsArgs,
    format: Format,
    session: &Context,
) -> Result<Exit, CommandError> {
    let wrong = |cause| CommandError::Plan { file: name_of(file), cause };
    let saved = SavedPlan::from_json(&read(file)?).map_err(wrong)?;
    let policy = saved.policy().map_err(wrong)?;
    let live = live::connect(place).await?;
    saved.fits(&live.target, session.now).map_err(wrong)?;
    let now = saved.plan.planned_at;
    let Loaded { plan, snapshots: fresh, .. } = see_live(&live, &policy, now, &[]).await;
    let differences = saved.differences(&plan, &fresh);
    let (mut images, mut snapshots) = (Outcome::default(), Outcome::default());
    if let Some(why) = saved.refusal(&plan, &differences) {
        images.refused = Some(why);
    } else {
        session.interrupt.begin_changes();
        let (plan, fresh) = saved.agreed(plan, fresh, session.now);
        images = apply::apply(&plan, &policy, &live.aws, &session.interrupt).await;
        snapshots = apply::apply_snapshots(&fresh, &policy, &live.aws, &session.interrupt).await;
    }
    session.progress.end();
    let refused = images.refused.clone().or_else(|| snapshots.refused.clone());
    let outcome = images.clone().and(snapshots.clone());
    let reported = match format {
        Format::Json => {
            if let Some(refused) = &refused {
                session.warn(format_args!("refused: {refused}"));
            }
            print_json(&AppliedPlan {
                differences: &differences,
                images: &images,
                snapshots: &snapshots,
            })
        }
        Format::Table => {
            let done = report::outcome_text(&outcome) + &report::outcome_line(&outcome);
            let end = match &refused {
                Some(refused) => format!("Refused: {refused}.\n"),
                None if done.is_empty() => "Nothing to do.\n".to_owned(),
                None => String::new(),
            };
            let text = report::differences_text(&differences) + &done + &end;
            print(&session.style.wrapped(&text))
        }
    };
    Ok(ended(outcome, reported, session))
}
