//! `simulate`: what a policy would do in the weeks to come, and how it compares with another.

use serde::Serialize;
use steward::collect;
use steward::model::{ImageState, Inventory};
use steward::policy::{Check, Policy, SharedImages};
use steward::report::{
    PricedSimulation, SimulationComparison, compare_simulations, compared_text, simulation_text,
};
use steward::simulate::{Growth, simulate_with};

use crate::args::{self, AwsArgs, Format, WorldArgs};
use crate::context::Context;
use crate::files::{at_most_one_standard, print, print_json, read_inventory, read_policy};
use crate::live;
use crate::load::unknown_bin;
use crate::outcome::{CommandError, Exit};
use crate::two_policies::{look_in_the_same_places, read_for};

/// What `simulate` found.
#[derive(Serialize)]
struct Simulated<'a> {
    simulation: PricedSimulation<'a>,
    against: Option<PricedSimulation<'a>>,
    /// Which images are gone under one policy only; `null` without another policy.
    comparison: Option<SimulationComparison>,
}

/// A policy and the account as it is read for it.
struct ComparedPolicy {
    policy: Policy,
    inventory: Inventory,
}

/// Runs `simulate`.
pub async fn run(arguments: args::SimulateArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::SimulateArgs { policy, days, against, world, output } = arguments;
    let WorldArgs { inventory, now, place } = world;
    at_most_one_standard([Some(&policy.policy), against.as_ref(), inventory.as_ref()])?;
    let new = read_policy(&policy.policy)?;
    let old = against.as_deref().map(read_policy).transpose()?;
    let now = now.unwrap_or(context.now);
    let (new, old) = match inventory {
        Some(file) => {
            let inventory = read_inventory(&file)?;
            let old = old.map(|policy| ComparedPolicy { policy, inventory: inventory.clone() });
            (ComparedPolicy { policy: new, inventory }, old)
        }
        None => read_account(place, new, old, now, context).await?,
    };
    context.progress.end();
    for note in not_known(&new) {
        context.hint(format_args!("not known here: {note}"));
    }
    let growth = Growth::of(&new.inventory, &new.policy, now);
    let simulate = |case: &ComparedPolicy| {
        simulate_with(&case.inventory, growth.clone(), &case.policy, now, days, &context.progress)
    };
    let (simulation, against) = (simulate(&new), old.as_ref().map(simulate));
    match (output.format, &against) {
        (Format::Json, against) => {
            print_json(&Simulated {
                simulation: PricedSimulation::of(&simulation),
                against: against.as_ref().map(PricedSimulation::of),
                comparison: against.as_ref().map(|one| compare_simulations(&simulation, one)),
            })?;
        }
        (Format::Table, None) => print(&simulation_text(&simulation, context.style))?,
        (Format::Table, Some(against)) => {
            let comparison = compare_simulations(&simulation, against);
            print(&compared_text(&simulation, against, &comparison, context.style))?;
        }
    }
    let refused = [("", Some(&simulation)), ("the other policy: ", against.as_ref())];
    let refused = refused.map(|(who, one)| (who, one.and_then(|one| one.refusal.as_ref())));
    for (who, refusal) in refused {
        if let Some(refusal) = refusal {
            context.warn(format_args!("{who}refused, so that nothing is removed: {refusal}"));
        }
    }
    let any = refused.iter().any(|(_, refusal)| refusal.is_some());
    Ok(if any { Exit::Refused } else { Exit::Done })
}

/// What a run would read before it does anything, and is not known of images that expire later.
fn not_known(case: &ComparedPolicy) -> Vec<String> {
    let ComparedPolicy { policy, inventory } = case;
    let mut notes = Vec::new();
    let unknown = |image: &&steward::model::Image| {
        image.owner_id.as_ref() == Some(&inventory.account)
            && image.state == ImageState::Available
            && image.launch_permissions.is_none()
    };
    let unshared = inventory.images.iter().filter(unknown).count();
    if unshared > 0 && policy.safety.shared_images == SharedImages::Keep {
        notes.push(format!(
            "with whom {unshared} images are shared; they count as not shared. A live run reads that of each image \
             before it is expired, and keeps those that are (see `inventory --launch-permissions`)"
        ));
    }
    if policy.safety.references_check == Check::Required {
        notes.push(
            "whether SSM parameters or image recipes refer to images that expire later; a live run asks EC2 first, \
             and keeps those"
                .to_owned(),
        );
    }
    notes.extend(unknown_bin(inventory, policy));
    notes
}

/// Reads the account as `plan` does; once for both policies, unless they look for references in
/// different places.
async fn read_account(
    place: AwsArgs,
    new: Policy,
    old: Option<Policy>,
    now: jiff::Timestamp,
    context: &Context,
) -> Result<(ComparedPolicy, Option<ComparedPolicy>), CommandError> {
    let live = live::connect(place, context).await?.under(&new)?;
    let read = async |policy: &Policy, known: Option<Inventory>| {
        let (mut inventory, _) = read_for(&live, policy, known, now, context).await;
        collect::read_snapshot_references(&live.aws, &mut inventory, policy, context.reading())
            .await;
        inventory
    };
    let inventory = read(&new, None).await;
    let Some(policy) = old else { return Ok((ComparedPolicy { policy: new, inventory }, None)) };
    if !look_in_the_same_places(&policy, &new) {
        let theirs = read(&policy, None).await;
        return Ok((
            ComparedPolicy { policy: new, inventory },
            Some(ComparedPolicy { policy, inventory: theirs }),
        ));
    }
    // What was read for either policy is true for both.
    let inventory = read(&policy, Some(inventory)).await;
    let old = ComparedPolicy { policy, inventory: inventory.clone() };
    Ok((ComparedPolicy { policy: new, inventory }, Some(old)))
}
