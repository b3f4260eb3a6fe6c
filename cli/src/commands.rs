//! What each command does.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use steward::apply::{NoDeadline, Outcome, Status};
use steward::cloud::{
    CloudError, ComputeEnvironments, ReferenceScope, SnapshotScope, TemplateVersions,
};
use steward::ids::ImageId;
use steward::inventory::{Inventory, InventoryError};
use steward::jobs::{Job, Mode, Reaped};
use steward::plan::reap::{SnapshotDecision, SnapshotPlan, plan_snapshots};
use steward::plan::{Decision, Plan, plan};
use steward::policy::{Check, Policy, PolicyError};
use steward::restore::{End, Restored, Wish};
use steward::survey::Lacking;
use steward::tags::TagNames;
use steward::{report, restore, survey};

use crate::arguments::{self, Arguments, Command, Format, Place, PolicyFile};
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
        Command::Restore(arguments) => run_restore(arguments, now).await,
        Command::Inventory(arguments) => run_inventory(arguments, now).await,
        Command::Validate(arguments) => {
            let arguments::Validate { policy: PolicyFile { policy: file }, output } = arguments;
            let policy = read_policy(&file)?;
            let rules: Vec<_> = policy.rules.iter().map(|rule| rule.name.as_ref()).collect();
            match output.format {
                Format::Json => print_json(&Valid { rules, tag_prefix: policy.names.prefix() })?,
                Format::Table => {
                    print(&format!("{}: valid; rules: {}\n", file.display(), rules.join(", ")))?
                }
            }
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

/// A policy in which no mistake was found.
#[derive(Serialize)]
struct Valid<'a> {
    rules: Vec<&'a str>,
    tag_prefix: &'a str,
}

/// What keeps images.
#[derive(Serialize)]
struct Pins<'a> {
    decisions: Vec<&'a Decision>,
    unknown: Vec<ImageId>,
}

/// The references that nothing seems to need.
#[derive(Serialize)]
struct StaleReferences {
    stale: Vec<report::Stale>,
}

async fn run_plan(arguments: arguments::Plan, now: Timestamp) -> Result<Exit, CommandError> {
    let arguments::Plan { policy, place, output, inventory, now: given, pins, stale } = arguments;
    let policy = read_policy(&policy.policy)?;
    let now = given.unwrap_or(now);
    let (plan, snapshots) = match inventory {
        Some(file) => {
            let inventory = read_inventory(&file)?;
            let plan = plan(&inventory, &policy, now);
            for note in not_in_inventory(&plan, &inventory, &policy) {
                eprintln!("image-steward: the inventory does not say {note}");
            }
            (plan, plan_snapshots(&inventory, &policy, now))
        }
        None => plan_live(place, &policy, now, &pins).await?,
    };
    if stale {
        match output.format {
            Format::Json => print_json(&StaleReferences { stale: report::stale(&plan) })?,
            Format::Table => print(&report::stale_text(&plan))?,
        }
        return Ok(exit_of(&plan));
    }
    if !pins.is_empty() {
        let (decisions, unknown) = report::pins(&plan, &pins);
        let all_known = unknown.is_empty();
        match output.format {
            Format::Json => print_json(&Pins { decisions, unknown })?,
            Format::Table => print(&report::pins_text(&plan, &pins))?,
        }
        return Ok(if all_known { exit_of(&plan) } else { Exit::Failed });
    }
    match output.format {
        Format::Json => {
            print_json(&Planned { plan: &plan, marked_snapshots: &snapshots.decisions })?;
        }
        Format::Table => {
            print(&report::plan_text(&plan))?;
            print(&report::snapshots_text(&snapshots))?;
            return Ok(if plan.refusal.is_some() { Exit::Refused } else { Exit::Done });
        }
    }
    Ok(exit_of(&plan))
}

/// Says on standard error that a plan refuses, where the output does not.
fn exit_of(plan: &Plan) -> Exit {
    match &plan.refusal {
        Some(refusal) => {
            eprintln!("image-steward: refused: {refusal}");
            Exit::Refused
        }
        None => Exit::Done,
    }
}

/// What a live run would read before it does anything, and a saved inventory does not hold.
fn not_in_inventory(plan: &Plan, inventory: &Inventory, policy: &Policy) -> Vec<String> {
    let lacking = Lacking::of(plan, inventory, policy, &HashSet::new());
    let mut notes = Vec::new();
    if !lacking.permissions.is_empty() {
        notes.push(format!(
            "with whom {} of the images to go are shared; a live run reads that first, and keeps those that are \
             (see `inventory --launch-permissions`)",
            lacking.permissions.len()
        ));
    }
    if !lacking.references.is_empty() {
        notes.push(format!(
            "whether SSM parameters or image recipes refer to {} of the images to go; a live run asks EC2 first, \
             and keeps those that are",
            lacking.references.len()
        ));
    }
    if policy.safety.recycle_bin == Check::Required && inventory.retention_rules.is_none() {
        notes.push(
            "which rules the Recycle Bin has; a live run refuses to remove anything without them"
                .to_owned(),
        );
    }
    notes
}

async fn plan_live(
    place: Place,
    policy: &Policy,
    now: Timestamp,
    pins: &[ImageId],
) -> Result<(Plan, SnapshotPlan), CommandError> {
    let live = live::connect(place).await?;
    let scope = policy.safety.reference_scope();
    let mut inventory = survey::take_inventory(&live.aws, &live.home, &scope, now).await;
    survey::read_references(&live.aws, &mut inventory, policy, pins).await;
    let plan =
        survey::plan_with_evidence(&live.aws, &mut inventory, policy, now, &NoDeadline).await;
    survey::read_snapshot_holders(&live.aws, &mut inventory, policy).await;
    let snapshots =
        survey::plan_snapshots_with_evidence(&live.aws, &mut inventory, policy, now, &NoDeadline)
            .await;
    Ok((plan, snapshots))
}

async fn run_restore(arguments: arguments::Restore, now: Timestamp) -> Result<Exit, CommandError> {
    let arguments::Restore { images, all_since, keep_until, snapshots, prefix, place, output } =
        arguments;
    let names = TagNames::under(&prefix);
    let live = live::connect(place).await?;
    let images = match all_since {
        Some(since) => restore::images_since(since, &names, &live.aws).await?,
        None => images,
    };
    let wish = Wish { keep: keep_until.map(|date| date.to_string()), snapshots };
    let mut all = Vec::new();
    for image in &images {
        let restored = restore::restore(image, &wish, &names, now, &live.aws).await;
        if output.format == Format::Table {
            print(&report::restored_text(std::slice::from_ref(&restored)))?;
        }
        all.push(restored);
    }
    match output.format {
        Format::Json => print_json(&all)?,
        Format::Table if all.is_empty() => print("No image was on its way out.\n")?,
        Format::Table => {
            let restored = all.iter().any(|one| one.end == End::Restored);
            if restored && wish.keep.is_none() {
                print(
                    "Under the same policy the next sweep finds them expired again: change it, or restore \
                     with --keep-until.\n",
                )?;
            }
        }
    }
    let good = |one: &Restored| matches!(one.end, End::Restored | End::Untouched);
    Ok(match (all.iter().all(good), all.iter().any(good)) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Part,
        (false, false) => Exit::Failed,
    })
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
    let arguments::Inventory {
        place,
        all_template_versions,
        no_compute_environments,
        launch_permissions,
    } = arguments;
    let compute_environments = if no_compute_environments {
        ComputeEnvironments::LeaveOut
    } else {
        ComputeEnvironments::Read
    };
    let versions = if all_template_versions {
        TemplateVersions::All
    } else {
        TemplateVersions::DefaultAndLatest
    };
    let scope = ReferenceScope { versions, compute_environments };
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
