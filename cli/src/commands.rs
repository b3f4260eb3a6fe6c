//! What each command does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use steward::apply::{NoDeadline, Outcome, Status};
use steward::cloud::{
    CloudError, ComputeEnvironments, ReferenceScope, SnapshotScope, TemplateVersions,
};
use steward::inventory::{Inventory, InventoryError};
use steward::jobs::{Job, Mode, Reaped};
use steward::plan::reap::{SnapshotDecision, SnapshotPlan, plan_snapshots};
use steward::plan::{Plan, plan};
use steward::policy::{Policy, PolicyError};
use steward::{report, survey};

use crate::arguments::{self, Arguments, Command, Format, Place};
use crate::live;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Part,
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Part => 3,
            Exit::Refused => 4,
        })
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::Done,
            Status::Part => Self::Part,
            Status::Failed => Self::Failed,
            Status::Refused => Self::Refused,
        }
    }
}

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("reading {}: {cause}", file.display())]
    File { file: PathBuf, cause: std::io::Error },
    #[error("the policy is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    #[error("{}: {cause}", file.display())]
    Inventory { file: PathBuf, cause: InventoryError },
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("writing the result: {0}")]
    Output(#[from] std::io::Error),
    #[error("writing the result: {0}")]
    Json(#[from] serde_json::Error),
}

impl CommandError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Policy(_) | Self::Inventory { .. } => Exit::Usage,
            Self::Cloud(_) | Self::Output(_) | Self::Json(_) => Exit::Failed,
        }
    }
}

/// Runs a command at the time `now`.
pub async fn run(arguments: Arguments, now: Timestamp) -> Result<Exit, CommandError> {
    match arguments.command {
        Command::Plan(arguments) => run_plan(arguments, now).await,
        Command::Apply(arguments) => run_apply(arguments, now).await,
        Command::Inventory(arguments) => run_inventory(arguments, now).await,
        Command::Validate(file) => {
            let policy = read_policy(&file.policy)?;
            let rules: Vec<_> = policy.rules.iter().map(|rule| rule.name.as_ref()).collect();
            print(&format!("{}: valid; rules: {}\n", file.policy.display(), rules.join(", ")))?;
            Ok(Exit::Done)
        }
        Command::Schema => {
            print_json(&Policy::schema())?;
            Ok(Exit::Done)
        }
    }
}

/// A plan for images, and what the ledger says about snapshots.
#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    marked_snapshots: &'a [SnapshotDecision],
}

async fn run_plan(arguments: arguments::Plan, now: Timestamp) -> Result<Exit, CommandError> {
    let arguments::Plan { policy, place, output, inventory, now: given } = arguments;
    let policy = read_policy(&policy.policy)?;
    let now = given.unwrap_or(now);
    let (plan, snapshots) = match inventory {
        Some(file) => {
            let inventory = read_inventory(&file)?;
            let plan = plan(&inventory, &policy, now);
            let unknown = survey::without_evidence(&plan, &inventory).len();
            if unknown > 0 {
                eprintln!(
                    "image-steward: the inventory does not say with whom {unknown} of the images to go are shared; \
                     a live run reads that first, and keeps those that are (see `inventory --launch-permissions`)"
                );
            }
            (plan, plan_snapshots(&inventory, &policy, now))
        }
        None => plan_live(place, &policy, now).await?,
    };
    match output.format {
        Format::Json => {
            print_json(&Planned { plan: &plan, marked_snapshots: &snapshots.decisions })?;
            if let Some(refusal) = &plan.refusal {
                eprintln!("image-steward: refused: {refusal}");
            }
        }
        Format::Table => {
            print(&report::plan_text(&plan))?;
            print(&report::snapshots_text(&snapshots))?;
        }
    }
    Ok(if plan.refusal.is_some() { Exit::Refused } else { Exit::Done })
}

async fn plan_live(
    place: Place,
    policy: &Policy,
    now: Timestamp,
) -> Result<(Plan, SnapshotPlan), CommandError> {
    let live = live::connect(place).await?;
    let scope = policy.safety.reference_scope();
    let mut inventory = survey::take_inventory(&live.aws, &live.home, &scope, now).await;
    let plan =
        survey::plan_with_evidence(&live.aws, &mut inventory, policy, now, &NoDeadline).await;
    let snapshots = plan_snapshots(&inventory, policy, now);
    Ok((plan, snapshots))
}

/// What `apply` did.
#[derive(Serialize)]
struct Applied<'a> {
    images: &'a Outcome,
    snapshots: &'a Reaped,
}

async fn run_apply(arguments: arguments::Apply, now: Timestamp) -> Result<Exit, CommandError> {
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

async fn run_inventory(
    arguments: arguments::Inventory,
    now: Timestamp,
) -> Result<Exit, CommandError> {
    let arguments::Inventory { place, all_template_versions, launch_permissions } = arguments;
    let versions = if all_template_versions {
        TemplateVersions::All
    } else {
        TemplateVersions::DefaultAndLatest
    };
    let scope = ReferenceScope { versions, compute_environments: ComputeEnvironments::Read };
    let live = live::connect(place).await?;
    let mut inventory = survey::take_inventory(&live.aws, &live.home, &scope, now).await;
    if launch_permissions {
        survey::read_launch_permissions(&live.aws, &mut inventory).await;
    }
    print_json(&inventory)?;
    for unread in &inventory.unread {
        eprintln!("image-steward: not read: {unread}");
    }
    Ok(if inventory.unread.is_empty() { Exit::Done } else { Exit::Part })
}

fn read_policy(file: &Path) -> Result<Policy, CommandError> {
    Ok(Policy::parse(&read(file)?, &file.display().to_string())?)
}

fn read_inventory(file: &Path) -> Result<Inventory, CommandError> {
    Inventory::from_json(&read(file)?)
        .map_err(|cause| CommandError::Inventory { file: file.to_owned(), cause })
}

fn read(file: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(file)
        .map_err(|cause| CommandError::File { file: file.to_owned(), cause })
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
