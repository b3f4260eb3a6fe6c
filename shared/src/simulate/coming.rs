//! The steps that daily sweeps would apply in the coming days if nothing changes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{DAY, SimulatedWorld, of_images};
use crate::model::{ImageId, Inventory, SnapshotId};
use crate::plan::snapshots::SnapshotAction;
use crate::plan::{Action, plan};
use crate::policy::Policy;

/// A step that a future sweep would apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// The image that is changed, or whose snapshots are; `None` if it is unknown.
    pub image: Option<ImageId>,
    /// The step.
    pub step: ComingStep,
    /// The time of the sweep.
    pub at: Timestamp,
    /// The snapshots that are deleted.
    pub snapshots: Vec<SnapshotId>,
}

/// The kind of a future step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are sufficient")]
pub enum ComingStep {
    Rescue,
    Mark,
    Deprecate,
    Disable,
    Deregister,
    DeleteSnapshots,
}

/// Returns the steps that daily sweeps would apply from `now` for `days` days, under the limits of
/// the policy and without new images.
pub fn coming(inventory: &Inventory, policy: &Policy, now: Timestamp, days: u32) -> Vec<Coming> {
    let mut world = SimulatedWorld::new(of_images(inventory, policy));
    let mut all = Vec::new();
    for day in 0..=days {
        let at = now.checked_add(DAY * i32::try_from(day).unwrap_or(i32::MAX));
        let at = at.unwrap_or(Timestamp::MAX);
        world.let_time_pass(at);
        let found = plan(world.inventory(), policy, at);
        let steps = found.decisions.iter().filter_map(|decision| {
            let step = match decision.action {
                Action::Keep | Action::Wait => return None,
                Action::Rescue(_) => ComingStep::Rescue,
                Action::Expire => ComingStep::Mark,
                Action::Deprecate { .. } => ComingStep::Deprecate,
                Action::Disable { .. } => ComingStep::Disable,
                Action::Deregister { .. } => ComingStep::Deregister,
            };
            let image = Some(decision.image_id.clone());
            Some(Coming { image, step, at, snapshots: Vec::new() })
        });
        let mut steps: Vec<Coming> = steps.collect();
        steps.sort_by_key(|one| one.step);
        all.extend(steps);
        let (_, reaping) = world.sweep_both(&found, policy);
        let mut gone: BTreeMap<Option<ImageId>, Vec<SnapshotId>> = BTreeMap::new();
        for decision in reaping.decisions {
            if decision.action == SnapshotAction::Delete {
                gone.entry(decision.image).or_default().push(decision.snapshot_id);
            }
        }
        let step = ComingStep::DeleteSnapshots;
        all.extend(gone.into_iter().map(|(image, snapshots)| Coming {
            image,
            step,
            at,
            snapshots,
        }));
    }
    all
}
