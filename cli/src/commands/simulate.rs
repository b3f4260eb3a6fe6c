//! `simulate`: simulates a policy over the coming weeks, or compares two policies.

use serde::Serialize;
use steward::collect;
use steward::model::{ImageState, InWords, Inventory, ProviderWords};
use steward::plan::rule_of;
use steward::policy::{Check, Policy, SharedImages};
use steward::report::{
    PricedSimulation, SimulationComparison, compare_simulations, compared_text, simulation_text,
};
use steward::simulate::{Growth, simulate_with};

use crate::args::{self, AccountArgs, Format, InputArgs};
use crate::context::{Context, days_from};
use crate::files::{at_most_one_standard, print, print_json, read_inventory, read_policy};
use crate::live;
use crate::load::unknown_bin;
use crate::outcome::{CommandError, Exit};
use crate::two_policies::{have_same_references, read_for};

/// The result of `simulate`.
#[derive(Serialize)]
struct Simulated<'a> {
    simulation: PricedSimulation<'a>,
    against: Option<PricedSimulation<'a>>,
    /// The images that only one policy removes; `null` without another policy.
    comparison: Option<SimulationComparison>,
}

/// A policy and the inventory that was read for it.
struct ComparedPolicy {
    policy: Policy,
    inventory: Inventory,
}

/// Runs `simulate`.
pub async fn run(arguments: args::SimulateArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::SimulateArgs { policy, days, against, input, output } = arguments;
    let InputArgs { inventory, now, place } = input;
    at_most_one_standard([Some(&policy.policy), against.as_ref(), inventory.as_ref()])?;
    let new = read_policy(&policy.policy)?;
    let old = against.as_deref().map(read_policy).transpose()?;
    let now = context.planned_for(now.as_ref())?;
    let days = days_from(&days, now, 1)?;
    let (new, old) = match inventory {
        Some(file) => {
            let inventory = read_inventory(&file)?;
            let old = old.map(|policy| ComparedPolicy { policy, inventory: inventory.clone() });
            (ComparedPolicy { policy: new, inventory }, old)
        }
        None => read_account(place, new, old, now, context).await?,
    };
    context.progress.end();
    for note in not_known(&new, now) {
        context.hint(format_args!("unknown: {note}"));
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
            let refusal = refusal.in_words(simulation.account.provider().words());
            context.warn(format_args!("{who}refused, nothing is removed: {refusal}"));
        }
    }
    let any = refused.iter().any(|(_, refusal)| refusal.is_some());
    Ok(if any { Exit::Refused } else { Exit::Done })
}

/// What a run reads before it changes anything, but is unknown for images that expire later.
fn not_known(case: &ComparedPolicy, now: jiff::Timestamp) -> Vec<String> {
    let ComparedPolicy { policy, inventory } = case;
    let ProviderWords { account, permissions, reported_references, .. } =
        inventory.account.provider().words();
    let mut notes = Vec::new();
    let unknown = |image: &&steward::model::Image| {
        image.owner_id.as_ref() == Some(&inventory.account)
            && image.state == ImageState::Available
            && image.launch_permissions.is_none()
            && rule_of(image, policy, now)
                .is_none_or(|rule| rule.shared_images == SharedImages::Keep)
    };
    let unshared = inventory.images.iter().filter(unknown).count();
    if unshared > 0 {
        notes.push(format!(
            "{permissions} of {unshared} images; the simulation treats these images as not shared. A run with \
             access to the {account} reads the permissions of each image before it retires the image, and keeps shared \
             images (see `inventory --launch-permissions`)"
        ));
    }
    if policy.safety.references_check == Check::Required {
        notes.push(format!(
            "{reported_references} to images that expire later; a run with access to the {account} reads them first, \
             and keeps images with references"
        ));
    }
    notes.extend(unknown_bin(inventory, policy));
    notes
}

/// Reads the account as `plan` does: once for both policies, unless they read references from
/// different sources.
async fn read_account(
    place: AccountArgs,
    new: Policy,
    old: Option<Policy>,
    now: jiff::Timestamp,
    context: &Context,
) -> Result<(ComparedPolicy, Option<ComparedPolicy>), CommandError> {
    let live = live::connect(place, context).await?.under(&new)?;
    let read = async |policy: &Policy, known: Option<Inventory>| {
        let (mut inventory, _) = read_for(&live, policy, known, now, context).await;
        collect::read_snapshot_references(live.cloud(), &mut inventory, policy, context.reading())
            .await;
        inventory
    };
    let inventory = read(&new, None).await;
    let Some(policy) = old else { return Ok((ComparedPolicy { policy: new, inventory }, None)) };
    if !have_same_references(&policy, &new) {
        let theirs = read(&policy, None).await;
        return Ok((
            ComparedPolicy { policy: new, inventory },
            Some(ComparedPolicy { policy, inventory: theirs }),
        ));
    }
    // The inventory contains what was read for either policy, and is valid for both.
    let inventory = read(&policy, Some(inventory)).await;
    let old = ComparedPolicy { policy, inventory: inventory.clone() };
    Ok((ComparedPolicy { policy: new, inventory }, Some(old)))
}
