//! Simulates the effect of a policy on an inventory over time.
//!
//! There is one sweep per day. Each uses the real [`plan`] (and the real snapshot plan), applied to
//! an account in memory ([`SimulatedWorld`]). Between sweeps, new images are created ([`Growth`]).
//! Human activity is not simulated: images in use stay in use, new images are not used, and no
//! sweep fails.

mod coming;
mod growth;
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use coming::{Coming, ComingStep, coming};
use growth::DAY;
pub use growth::Growth;
use jiff::Timestamp;
use serde::Serialize;
pub use world::{Done, SimulatedWorld};

use crate::model::{AccountId, FormatNumber, ImageId, Inventory, Region, Snapshot, SnapshotId};
use crate::plan::snapshots::made_for;
use crate::plan::{Action, Decision, Plan, Refusal, plan};
use crate::policy::Policy;
use crate::progress::{Progress, ProgressEvent};

/// The maximum length of a simulation: ten years.
pub const MAX_DAYS: u32 = 3650;
/// The interval between points.
const DAYS_A_WEEK: u32 = 7;

/// The effect of a policy on an inventory over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// The account of the inventory.
    pub account: AccountId,
    /// The Region of the inventory.
    pub region: Option<Region>,
    /// The time of the first sweep.
    pub from: Timestamp,
    /// The length of the simulation, in days.
    pub days: u32,
    /// The number of families that get new images.
    pub growing: usize,
    /// The number of families that get no new images.
    pub still: usize,
    /// The number of snapshots of unknown size. They count as 0.
    pub sizes_unknown: usize,
    /// The refusal of the first sweep that refused to remove anything, if any.
    pub refusal: Option<Refusal>,
    /// One point per week, starting at the beginning, and one at the end.
    pub points: Vec<Point>,
    /// The families, in plan order.
    pub families: Vec<FamilySeries>,
    /// The deregistered images, in the order of deregistration.
    #[serde(skip)]
    pub gone: Vec<GoneImage>,
    /// The decisions of the last day's plan on the remaining images.
    #[serde(skip)]
    pub end: Vec<Decision>,
}

/// An image that a sweep deregistered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneImage {
    /// The ID of the image.
    pub image_id: ImageId,
    /// The name of the image.
    pub name: Arc<str>,
    /// When the image was created, if known.
    pub created_at: Option<Timestamp>,
    /// The size of its snapshots in GiB, if known.
    pub size_gib: Option<u32>,
    /// The time of the sweep that deregistered the image.
    pub deregistered_at: Timestamp,
    /// Whether the simulation created the image.
    pub simulated: bool,
}

/// The state right before the sweep of a day, and the changes since the previous point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are sufficient")]
pub struct Point {
    pub at: Timestamp,
    pub images: usize,
    pub in_use: usize,
    /// Images whose step a limit defers in the sweep of that day.
    pub deferred: usize,
    /// Snapshots of images, including images that no longer exist.
    pub snapshots: usize,
    /// The total size in GiB, with each snapshot counted once, and of images without snapshots. An
    /// upper bound, because snapshots
    /// share blocks.
    pub gib: u64,
    /// Images that were created since the previous point.
    pub made: usize,
    /// The steps that sweeps applied since the previous point.
    #[serde(flatten)]
    pub done: Done,
}

/// The numbers of one family, one for each point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilySeries {
    /// The rule; `None` for images that no rule matches.
    pub rule: Option<Arc<str>>,
    /// The family under that rule; `None` for images without a family.
    pub family: Option<Arc<str>>,
    /// The number of images.
    pub images: Vec<usize>,
    /// The size of their snapshots, in GiB. A snapshot that several families share counts for the
    /// first.
    pub gib: Vec<u64>,
}

/// The results of a simulation as series for a chart.
#[derive(Debug, Serialize)]
pub struct Series<'a> {
    /// The times of the points, in Unix seconds.
    pub at: Vec<i64>,
    /// The number of all images.
    pub images: Vec<usize>,
    /// The size of all snapshots, in GiB. It exceeds the sum of the families, because orphaned
    /// snapshots belong to no family.
    pub gib: Vec<u64>,
    /// The series of each family.
    pub families: &'a [FamilySeries],
}

impl Simulation {
    /// Returns the results as series.
    pub fn series(&self) -> Series<'_> {
        Series {
            at: self.points.iter().map(|point| point.at.as_second()).collect(),
            images: self.points.iter().map(|point| point.images).collect(),
            gib: self.points.iter().map(|point| point.gib).collect(),
            families: &self.families,
        }
    }
}

/// Simulates `days` days (at most [`MAX_DAYS`]) from `now`, with the growth of the families that
/// `policy` defines.
pub fn simulate(
    inventory: &Inventory,
    policy: &Policy,
    now: Timestamp,
    days: u32,
    progress: &dyn Progress,
) -> Simulation {
    let growth = Growth::of(inventory, policy, now);
    simulate_with(inventory, growth, policy, now, days, progress)
}

/// Simulates with a given growth, so that two policies can be compared on the same future images.
pub fn simulate_with(
    inventory: &Inventory,
    mut growth: Growth,
    policy: &Policy,
    now: Timestamp,
    days: u32,
    progress: &dyn Progress,
) -> Simulation {
    let days = days.min(MAX_DAYS);
    let begin = of_images(inventory, policy);
    let sizes_unknown = begin.snapshots.iter().filter(|one| one.size_gib.is_none()).count()
        + begin.images.iter().map(|image| image.disk_sizes().1).sum::<usize>();
    let mut world = SimulatedWorld::new(begin);
    let (mut history, mut since) = (History::default(), Since::default());
    let total = usize::try_from(days).ok();
    progress.report(ProgressEvent::Stage { name: "simulating days", total });
    for day in 0..=days {
        progress.report(ProgressEvent::Done(1));
        let at = now.checked_add(DAY * i32::try_from(day).unwrap_or(i32::MAX));
        let at = at.unwrap_or(Timestamp::MAX);
        if day > 0 {
            since.made += growth.make(&mut world, &policy.tag_names, at);
            world.let_time_pass(at);
        }
        let found = plan(world.inventory(), policy, at);
        if history.refusal.is_none() {
            history.refusal.clone_from(&found.refusal);
        }
        if day.is_multiple_of(DAYS_A_WEEK) || day == days {
            history.picture(&found, world.inventory(), std::mem::take(&mut since));
        }
        if day < days {
            since.done += world.sweep(&found, policy);
            history.note_gone(&found);
        } else {
            history.end = found.decisions;
        }
    }
    Simulation {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        from: now,
        days,
        growing: growth.growing(),
        still: growth.still(),
        sizes_unknown,
        refusal: history.refusal,
        points: history.points,
        families: history.families,
        gone: history.gone,
        end: history.end,
    }
}

/// Returns the inventory without snapshots that are unrelated to images, which no plan concerns.
fn of_images(inventory: &Inventory, policy: &Policy) -> Inventory {
    let used: HashSet<&SnapshotId> =
        inventory.images.iter().flat_map(|image| &image.snapshots).collect();
    let concerns_images = |snapshot: &&Snapshot| {
        let (names, tags) = (&policy.tag_names, &snapshot.tags);
        used.contains(&snapshot.snapshot_id)
            || tags.has(&names.image)
            || tags.has(&names.delete_after)
            || snapshot.description.as_deref().and_then(made_for).is_some()
    };
    Inventory {
        format: FormatNumber,
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        taken_at: inventory.taken_at,
        unread: inventory.unread.clone(),
        images: inventory.images.clone(),
        other_image_types: inventory.other_image_types,
        snapshots: inventory.snapshots.iter().filter(concerns_images).cloned().collect(),
        references: inventory.references.clone(),
        ignored_templates: inventory.ignored_templates.clone(),
        snapshot_references: inventory.snapshot_references.clone(),
        retention_rules: inventory.retention_rules.clone(),
        recycled_images: inventory.recycled_images.clone(),
    }
}

/// The changes since the last point.
#[derive(Default)]
struct Since {
    made: usize,
    done: Done,
}

type Name = Option<Arc<str>>;

/// The results so far.
#[derive(Default)]
struct History {
    refusal: Option<Refusal>,
    points: Vec<Point>,
    families: Vec<FamilySeries>,
    /// The index of each family in the list, by rule and family.
    places: HashMap<(Name, Name), usize>,
    gone: Vec<GoneImage>,
    end: Vec<Decision>,
}

/// The size of an image that no snapshot backs, in GiB.
fn own_gib(decision: &Decision) -> u64 {
    match decision.snapshots.is_empty() {
        true => decision.size_gib.map_or(0, u64::from),
        false => 0,
    }
}

impl History {
    /// Records the images that a sweep with this plan deregisters.
    fn note_gone(&mut self, plan: &Plan) {
        let gone =
            plan.decisions.iter().filter(|one| matches!(one.action, Action::Deregister { .. }));
        self.gone.extend(gone.map(|decision| GoneImage {
            image_id: decision.image_id.clone(),
            name: decision.name.clone(),
            created_at: decision.created_at,
            size_gib: decision.size_gib,
            deregistered_at: plan.planned_at,
            simulated: growth::is_simulated(&decision.image_id),
        }));
    }

    /// Adds a point for `world` and the `plan` that was just computed from it.
    fn picture(&mut self, plan: &Plan, world: &Inventory, since: Since) {
        let mut sizes: HashMap<&SnapshotId, u64> = world
            .snapshots
            .iter()
            .map(|one| (&one.snapshot_id, one.size_gib.unwrap_or(0).into()))
            .collect();
        self.points.push(Point {
            at: plan.planned_at,
            images: plan.summary.images,
            in_use: plan.summary.in_use,
            deferred: plan.summary.deferred,
            snapshots: sizes.len(),
            gib: sizes.values().sum::<u64>() + plan.decisions.iter().map(own_gib).sum::<u64>(),
            made: since.made,
            done: since.done,
        });
        let length = self.points.len();
        for family in &mut self.families {
            family.images.push(0);
            family.gib.push(0);
        }
        for decision in &plan.decisions {
            let key = (decision.rule.clone(), decision.family.clone());
            let place = *self.places.entry(key).or_insert_with_key(|(rule, family)| {
                self.families.push(FamilySeries {
                    rule: rule.clone(),
                    family: family.clone(),
                    images: vec![0; length],
                    gib: vec![0; length],
                });
                self.families.len() - 1
            });
            let Some(family) = self.families.get_mut(place) else { continue };
            if let (Some(images), Some(gib)) = (family.images.last_mut(), family.gib.last_mut()) {
                *images += 1;
                // Remove the sizes, so that each snapshot is counted once.
                *gib += decision.snapshots.iter().filter_map(|id| sizes.remove(id)).sum::<u64>();
                *gib += own_gib(decision);
            }
        }
    }
}

#[cfg(test)]
mod azure_tests;
#[cfg(test)]
mod tests;
