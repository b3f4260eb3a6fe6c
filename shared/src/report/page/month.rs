//! The steps of daily sweeps in the next month, for the HTML report.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{ImageId, Inventory, SnapshotId};
use crate::plan::{Decision, Plan};
use crate::policy::Policy;
use crate::simulate::{Coming, ComingStep, coming};

/// Returns the steps of the month: `[step, at, [places]]` for images all of whose snapshots are
/// deleted, and `[place, step, at, [snapshots], gib]` for all other steps.
pub(super) fn month(inventory: &Inventory, policy: &Policy, plan: &Plan) -> Vec<Value> {
    const DAYS: u32 = 31;
    let images = plan.decisions.iter().enumerate();
    let images: HashMap<&ImageId, (usize, &Decision)> =
        images.map(|(place, one)| (&one.image_id, (place, one))).collect();
    let sizes: HashMap<&SnapshotId, u32> = inventory
        .snapshots
        .iter()
        .filter_map(|one| Some((&one.snapshot_id, one.size_gib?)))
        .collect();
    let mut month = Vec::new();
    let mut together: Option<(ComingStep, Timestamp, Vec<usize>)> = None;
    for Coming { image, step, at, snapshots } in coming(inventory, policy, plan.planned_at, DAYS) {
        let found = image.as_ref().and_then(|image| images.get(image));
        let whole = |one: &Decision| {
            step != ComingStep::DeleteSnapshots
                || snapshots.iter().collect::<BTreeSet<_>>() == one.snapshots.iter().collect()
        };
        if let Some((place, _)) = found.filter(|(_, decision)| whole(decision)) {
            match &mut together {
                Some((same, then, places)) if (*same, *then) == (step, at) => places.push(*place),
                _ => {
                    month.extend(together.take().map(row_of_many));
                    together = Some((step, at, vec![*place]));
                }
            }
            continue;
        }
        let known = snapshots.iter().filter_map(|id| sizes.get(id)).copied().map(u64::from);
        let known: Vec<u64> = known.collect();
        let gib = (!known.is_empty()).then(|| known.iter().sum::<u64>());
        let place = found.map(|(place, _)| place);
        month.extend(together.take().map(row_of_many));
        let snapshots: Vec<_> = snapshots.iter().map(SnapshotId::short).collect();
        month.push(json!([place, step, at.as_second(), snapshots, gib]));
    }
    month.extend(together.take().map(row_of_many));
    month
}

fn row_of_many((step, at, places): (ComingStep, Timestamp, Vec<usize>)) -> Value {
    json!([step, at.as_second(), places])
}
