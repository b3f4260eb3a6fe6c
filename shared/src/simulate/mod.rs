//! What a policy would do to an inventory in the days to come.
//!
//! There is one sweep a day. Each is the real [`plan`] (and the real plan for snapshots), carried
//! out on an account in memory ([`SimulatedWorld`]); in between, images go on being made ([`Growth`]). What
//! people do is not foreseen: what is in use stays in use, what is made is not used, and no
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

/// The longest time that is simulated: ten years.
pub const MAX_DAYS: u32 = 3650;
/// The pictures are that far apart.
const DAYS_A_WEEK: u32 = 7;

/// What becomes of an inventory under a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// When it begins: the time of the first sweep.
    pub from: Timestamp,
    /// For how many days it goes on.
    pub days: u32,
    /// How many families go on making images.
    pub growing: usize,
    /// How many do not.
    pub still: usize,
    /// Snapshots whose size is not known: they count as nothing.
    pub sizes_unknown: usize,
    /// Why nothing is removed, if so: what the first sweep that refuses says.
    pub refusal: Option<Refusal>,
    /// A picture a week, the first of them at the beginning, and one at the end.
    pub points: Vec<Point>,
    /// The families, in the order of the plan.
    pub families: Vec<FamilySeries>,
    /// The images that were deregistered, in the order in which they were.
    #[serde(skip)]
    pub gone: Vec<GoneImage>,
    /// What the plan of the last day says about the images that are left.
    #[serde(skip)]
    pub end: Vec<Decision>,
}

/// An image that a sweep deregistered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneImage {
    /// The image.
    pub image_id: ImageId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was created, if that is known.
    pub created_at: Option<Timestamp>,
    /// The size in GiB of its snapshots, if that is known.
    pub size_gib: Option<u32>,
    /// When it was deregistered.
    pub deregistered_at: Timestamp,
    /// Whether the simulation made it.
    pub simulated: bool,
}

/// What there is at a moment, right before the sweep of that day, and what happened since the
/// point before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Point {
    pub at: Timestamp,
    pub images: usize,
    pub in_use: usize,
    /// Images that a cap holds back in the sweep of that day.
    pub deferred: usize,
    /// Snapshots that back images, or backed images that are gone.
    pub snapshots: usize,
    /// Their size in GiB, each snapshot once: an upper bound, because snapshots share blocks.
    pub gib: u64,
    /// Images made since the point before.
    pub made: usize,
    /// What the sweeps did since the point before.
    #[serde(flatten)]
    pub done: Done,
}

/// What becomes of one family: a number for every point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilySeries {
    /// The rule; `None` for images that no rule matches.
    pub rule: Option<Arc<str>>,
    /// The family under that rule; `None` for images that are in none.
    pub family: Option<Arc<str>>,
    /// Its images.
    pub images: Vec<usize>,
    /// The size in GiB of their snapshots; one that several families share counts for the first.
    pub gib: Vec<u64>,
}

/// The curves of a simulation, for a chart.
#[derive(Debug, Serialize)]
pub struct Series<'a> {
    /// The moments, in seconds since 1970.
    pub at: Vec<i64>,
    /// All images.
    pub images: Vec<usize>,
    /// The size in GiB of all snapshots; more than the sum of the families, because those whose
    /// image is gone belong to none.
    pub gib: Vec<u64>,
    /// The families.
    pub families: &'a [FamilySeries],
}

impl Simulation {
    /// Its curves.
    pub fn series(&self) -> Series<'_> {
        Series {
            at: self.points.iter().map(|point| point.at.as_second()).collect(),
            images: self.points.iter().map(|point| point.images).collect(),
            gib: self.points.iter().map(|point| point.gib).collect(),
            families: &self.families,
        }
    }
}

/// Simulates `days` days (at most [`MAX_DAYS`]) from `now` on, with the growth that `policy`'s
/// families show.
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

/// The same with a given growth: two policies are compared over the same images to come.
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
    let sizes_unknown = begin.snapshots.iter().filter(|one| one.size_gib.is_none()).count();
    let mut world = SimulatedWorld::new(begin);
    let (mut history, mut since) = (History::default(), Since::default());
    let total = usize::try_from(days).ok();
    progress.report(ProgressEvent::Stage { name: "simulating, day by day", total });
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

/// The inventory without the snapshots that have nothing to do with images: no plan concerns them.
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

/// What happened since the last picture.
#[derive(Default)]
struct Since {
    made: usize,
    done: Done,
}

type Name = Option<Arc<str>>;

/// The simulation's results so far.
#[derive(Default)]
struct History {
    refusal: Option<Refusal>,
    points: Vec<Point>,
    families: Vec<FamilySeries>,
    /// The place of each family in the list, by rule and group.
    places: HashMap<(Name, Name), usize>,
    gone: Vec<GoneImage>,
    end: Vec<Decision>,
}

impl History {
    /// Notes the images that a sweep with this plan deregisters.
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

    /// Adds a picture of `world`, about which `plan` has just been made.
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
            gib: sizes.values().sum(),
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
                // Taken out of the map, so that a snapshot is counted once.
                *gib += decision.snapshots.iter().filter_map(|id| sizes.remove(id)).sum::<u64>();
            }
        }
    }
}

#[cfg(test)]
mod tests;
