//! `apply`: carry out the plan.

use jiff::Timestamp;
use serde::Serialize;
use steward::apply::{NoDeadline, Outcome};
use steward::cloud::SnapshotScope;
use steward::jobs::{Job, Mode, Reaped};
use steward::report;

use crate::arguments::{self, Format};
use crate::files::{print, print_json, read_policy};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// What `apply` did.
#[derive(Serialize)]
struct Applied<'a> {
    images: &'a Outcome,
    snapshots: &'a Reaped,
}

/// Runs `apply`.
pub async fn run(arguments: arguments::Apply, now: Timestamp) -> Result<Exit, CommandError> {
    let arguments::Apply { policy, place, output } = arguments;
    let policy = read_policy(&policy.policy)?;
    let live = live::connect(place).await?;
    let job = Job {
        cloud: &live.aws,
        home: &live.home,
        policy: &policy,
        mode: Mode::Apply,
        now,
        deadline: &NoDeadline,
    };
    let plan = job.plan_images().await;
    if output.format == Format::Table {
        print(&report::plan_text(&plan))?;
    }
    let images = job.apply_images(&plan).await;
    let snapshots = job.reap(&SnapshotScope::Own).await;
    match output.format {
        Format::Json => {
            print_json(&Applied { images: &images, snapshots: &snapshots })?;
            if let Some(refusal) = &images.refused {
                eprintln!("image-steward: refused: {refusal}");
            }
        }
        Format::Table => {
            let done = report::outcome_text(&images) + &report::reaped_text(&snapshots);
            match &snapshots.outcome.refused {
                // What the images could not be read for was said with their plan.
                Some(refused) if images.refused.is_none() => {
                    print(&format!("{done}Refused: {refused}.\n"))?
                }
                _ if done.is_empty() && !plan.decisions.is_empty() => print("Nothing to do.\n")?,
                _ => print(&done)?,
            }
        }
    }
    Ok(images.and(snapshots.outcome).status().into())
}
