//! `plan`: what would be done about every image, and why.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use steward::apply::NoDeadline;
use steward::ids::ImageId;
use steward::inventory::Inventory;
use steward::plan::reap::{SnapshotDecision, SnapshotPlan, plan_snapshots};
use steward::plan::{Decision, Plan, plan};
use steward::policy::{Check, Policy};
use steward::survey::Lacking;
use steward::{report, survey};

use crate::arguments::{self, Format, Place};
use crate::files::{print, print_json, read_inventory, read_policy};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// A plan for images, and what the ledger says about snapshots.
#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    marked_snapshots: &'a [SnapshotDecision],
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

/// Runs `plan`.
pub async fn run(arguments: arguments::Plan, now: Timestamp) -> Result<Exit, CommandError> {
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
