//! Growth: the recent rate of new images in every family, and the images that it will create.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::world::SimulatedWorld;
use crate::model::{
    Image, ImageId, ImageState, Inventory, Provider, Snapshot, SnapshotId, TagNames, Tags,
};
use crate::plan::reason::Reason;
use crate::plan::snapshots::made_for;
use crate::plan::{Decision, name_prefix, plan};
use crate::policy::Policy;

/// A day of 24 hours, which is the interval between sweeps.
pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The number of most recent days with new images that determine the interval of a family. These
/// are ten intervals, or two weeks of a family that gets new images on working days.
const DAYS_THAT_COUNT: usize = 11;
/// The number of these days that determine how many images are created per day.
const DAYS_THAT_COUNT_FOR_NUMBER: usize = 3;
/// A gap of more than this many intervals is a pause. It is not part of the average. A family that
/// has paused for this long gets no more images.
const PAUSE: i64 = 3;
/// A family is considered active for at least this long.
const NEVER_GIVEN_UP_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The prefix of the IDs of simulated images. AWS IDs are hexadecimal, so these IDs cannot exist
/// and are recognizable.
const SIMULATED: &str = "ami-simulated-";
/// The prefix of the names of simulated images on Azure. Versions there are numbers, and the names of
/// managed images begin with a letter or a digit, so these names cannot exist either.
const SIMULATED_NAME: &str = "_simulated-";

/// The rule and the family under it; or no rule, and the name prefix.
type FamilyGrowth = (Option<Arc<str>>, Arc<str>);

/// The images that will be created, whatever the policy.
#[derive(Debug, Clone)]
pub struct Growth {
    lines: Vec<Cadence>,
    still: usize,
    made: usize,
}

/// A series of future images of one family.
#[derive(Debug, Clone)]
struct Cadence {
    /// The newest images, as many as are created per day.
    templates: Vec<ImageTemplate>,
    every: SignedDuration,
    next: Timestamp,
}

/// The properties of a future image.
#[derive(Debug, Clone)]
struct ImageTemplate {
    image: Image,
    snapshots: Vec<Snapshot>,
    /// The time from the creation of the image to the sweep.
    before: SignedDuration,
}

impl Growth {
    /// Computes the rates of `inventory` at `now`. Families are defined by the rules and `group_by`
    /// of `policy`. Images without a family are grouped by name prefix.
    pub fn of(inventory: &Inventory, policy: &Policy, now: Timestamp) -> Self {
        let found = plan(inventory, policy, now);
        let mut families: BTreeMap<FamilyGrowth, Vec<&Decision>> = BTreeMap::new();
        let images: HashMap<_, _> =
            inventory.images.iter().map(|image| (&image.image_id, image)).collect();
        let is_made = |decision: &&Decision| {
            let image = images.get(&decision.image_id);
            let alive = |image: &&Image| {
                matches!(image.state, ImageState::Available | ImageState::Disabled)
            };
            image.is_some_and(alive) && !decision.reasons.iter().any(is_others_affair)
        };
        for decision in found.decisions.iter().filter(is_made) {
            let key = match (&decision.rule, &decision.family) {
                (Some(rule), Some(family)) => (Some(rule.clone()), family.clone()),
                _ => (None, (&*name_prefix(&decision.name)).into()),
            };
            families.entry(key).or_default().push(decision);
        }
        let sources = Sources {
            images,
            snapshots: inventory.snapshots.iter().map(|one| (&one.snapshot_id, one)).collect(),
            names: &policy.tag_names,
            now,
        };
        let all = families.len();
        let lines: Vec<Cadence> =
            families.into_values().filter_map(|family| sources.line(family)).collect();
        Self { still: all - lines.len(), lines, made: 0 }
    }

    /// Creates a growth without new images.
    pub fn none() -> Self {
        Self { lines: Vec::new(), still: 0, made: 0 }
    }

    /// Returns the number of families that get new images.
    pub fn growing(&self) -> usize {
        self.lines.len()
    }

    /// Returns the number of families without new images: the last image is too old, or one image
    /// is not enough to compute a rate.
    pub fn still(&self) -> usize {
        self.still
    }

    /// Creates the images of the day that ends at `now`. Returns their number.
    pub(super) fn make(
        &mut self,
        world: &mut SimulatedWorld,
        names: &TagNames,
        now: Timestamp,
    ) -> usize {
        let before = self.made;
        for line in self.lines.iter_mut().filter(|line| line.next <= now) {
            // An overdue image is created once. Missed ones are not made up for.
            let due = line.next.max(now - DAY);
            line.next = due.checked_add(line.every).unwrap_or(Timestamp::MAX);
            for template in &line.templates {
                self.made += 1;
                template.make(self.made, world, names, now);
            }
        }
        self.made - before
    }
}

/// Returns whether a simulation created this image.
pub(super) fn is_simulated(image: &ImageId) -> bool {
    match image.provider() {
        Provider::Aws => image.as_str().starts_with(SIMULATED),
        Provider::Azure => {
            image.as_str().rsplit('/').next().is_some_and(|name| name.starts_with(SIMULATED_NAME))
        }
    }
}

/// Returns the ID of a simulated image like `template`: on Azure, another version of its definition,
/// or another managed image in its resource group.
fn simulated_id(template: &ImageId, number: usize) -> Option<ImageId> {
    let id = match template.provider() {
        Provider::Aws => format!("{SIMULATED}{number:06}"),
        Provider::Azure => sibling(template.as_str(), &format!("{number:06}"))?,
    };
    id.parse().ok()
}

/// Returns the ID of a simulated snapshot like `template`.
fn simulated_snapshot_id(template: &SnapshotId, number: usize, part: usize) -> Option<SnapshotId> {
    let id = match template.provider() {
        Provider::Aws => format!("snap-simulated-{number:06}-{part}"),
        Provider::Azure => sibling(template.as_str(), &format!("{number:06}-{part}"))?,
    };
    id.parse().ok()
}

/// Returns the ARM ID of a simulated resource that differs from `id` in its name only.
fn sibling(id: &str, number: &str) -> Option<String> {
    let (parent, _) = id.rsplit_once('/')?;
    Some(format!("{parent}/{SIMULATED_NAME}{number}"))
}

/// Other accounts and services also remove the images that they create, regardless of this policy.
fn is_others_affair(reason: &Reason) -> bool {
    matches!(reason, Reason::NotOurs { .. } | Reason::ManagedElsewhere { .. })
}

/// The data that templates are created from.
struct Sources<'a> {
    images: HashMap<&'a ImageId, &'a Image>,
    snapshots: HashMap<&'a SnapshotId, &'a Snapshot>,
    names: &'a TagNames,
    now: Timestamp,
}

impl Sources<'_> {
    /// Returns the future images of a family; `None` if there are none.
    fn line(&self, mut family: Vec<&Decision>) -> Option<Cadence> {
        family.retain(|decision| decision.created_at.is_some());
        family.sort_by(|a, b| {
            b.created_at.cmp(&a.created_at).then_with(|| a.image_id.cmp(&b.image_id))
        });
        let mut days: BTreeMap<i64, usize> = BTreeMap::new();
        for decision in &family {
            *days.entry(self.days_ago(decision.created_at?)).or_default() += 1;
        }
        let every = interval(&days)?;
        let newest = SignedDuration::from_hours(24 * days.keys().next()?);
        if newest > (every * i32::try_from(PAUSE).ok()?).max(NEVER_GIVEN_UP_WITHIN) {
            return None;
        }
        // Prefer images that no tag treats specially as examples.
        let usual = |one: &&&Decision| !one.reasons.iter().any(is_singled_out);
        let usual: Vec<&Decision> = family.iter().filter(usual).copied().collect();
        let examples = if usual.is_empty() { &family } else { &usual };
        // If there are fewer examples than images per day, repeat them.
        let examples = examples.iter().cycle().take(number_a_day(&days));
        let templates = examples.filter_map(|decision| self.template(decision)).collect();
        let next = self.now.checked_sub(newest).ok()?.checked_add(every).ok()?;
        Some(Cadence { templates, every, next })
    }

    /// Returns how many days ago `time` is: 0 for the last 24 hours.
    fn days_ago(&self, time: Timestamp) -> i64 {
        (self.now.duration_since(time).as_secs() / DAY.as_secs()).max(0)
    }

    fn template(&self, decision: &Decision) -> Option<ImageTemplate> {
        let image = *self.images.get(&decision.image_id)?;
        let age = self.now.duration_since(image.created_at?).as_secs().max(0);
        let snapshot = |id: &SnapshotId| {
            let known = self.snapshots.get(id).copied();
            Snapshot {
                size_gib: known.and_then(|one| one.size_gib),
                tags: known.map(|one| self.foreign(&one.tags)).unwrap_or_default(),
                description: known.and_then(|one| one.description.clone()),
                volume_id: known.and_then(|one| one.volume_id.clone()),
                completed: Some(true),
                locked: Some(false),
                shared_with: Some(Box::default()),
                shared_with_unread: None,
                ..Snapshot::new(id.clone())
            }
        };
        Some(ImageTemplate {
            snapshots: image.snapshots.iter().map(snapshot).collect(),
            before: SignedDuration::from_secs(age % DAY.as_secs()),
            image: Image {
                state: ImageState::Available,
                tags: self.foreign(&image.tags),
                last_launched_at: None,
                deprecation_time: None,
                protected: false,
                public: false,
                launch_permissions: Some(Box::default()),
                launch_permissions_unread: None,
                source_instance: None,
                source_image: None,
                // They are not simulated, and the image does not need them.
                sources: Box::default(),
                protected_by: None,
                unconfirmed: false,
                ..image.clone()
            },
        })
    }

    /// Returns the tags that image-steward did not write.
    fn foreign(&self, tags: &Tags) -> Tags {
        tags.without_prefix(self.names.prefix())
    }
}

fn is_singled_out(reason: &Reason) -> bool {
    matches!(reason, Reason::Tag { .. } | Reason::KeepTag { .. })
}

/// Returns the usual interval between days with new images. `days` has the number of images by days
/// ago. `None` if there is only one such day.
fn interval(days: &BTreeMap<i64, usize>) -> Option<SignedDuration> {
    let recent: Vec<i64> = days.keys().take(DAYS_THAT_COUNT).copied().collect();
    let mut gaps: Vec<i64> =
        recent.iter().zip(recent.iter().skip(1)).map(|(later, earlier)| earlier - later).collect();
    gaps.sort_unstable();
    let longest = PAUSE * middle(&gaps)?;
    gaps.retain(|gap| *gap <= longest);
    let seconds = gaps.iter().sum::<i64>() * DAY.as_secs() / i64::try_from(gaps.len()).ok()?;
    Some(SignedDuration::from_secs(seconds))
}

/// Returns the number of images that are created on a day with new images.
fn number_a_day(days: &BTreeMap<i64, usize>) -> usize {
    let mut numbers: Vec<usize> = days.values().take(DAYS_THAT_COUNT_FOR_NUMBER).copied().collect();
    numbers.sort_unstable();
    middle(&numbers).unwrap_or_default()
}

/// Returns the median; of two middle values, the smaller one.
fn middle<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// Returns the description that EC2 writes for `image`, if it wrote the previous image's
/// description.
fn made_as_before(snapshot: &Snapshot, image: &ImageId) -> Option<Arc<str>> {
    let description = snapshot.description.clone()?;
    match made_for(&description) {
        Some(before) => Some(description.replacen(before.as_str(), image.as_str(), 1).into()),
        None => Some(description),
    }
}

impl ImageTemplate {
    fn make(&self, number: usize, world: &mut SimulatedWorld, names: &TagNames, now: Timestamp) {
        let Some(image_id) = simulated_id(&self.image.image_id, number) else { return };
        let created_at = now - self.before;
        let backs: Tags = [(names.image.as_str(), image_id.as_str())].into_iter().collect();
        let snapshots: Vec<Snapshot> = (1..)
            .zip(&self.snapshots)
            .filter_map(|(part, snapshot)| {
                Some(Snapshot {
                    snapshot_id: simulated_snapshot_id(&snapshot.snapshot_id, number, part)?,
                    started_at: Some(created_at),
                    tags: snapshot.tags.with(&backs),
                    description: made_as_before(snapshot, &image_id),
                    ..snapshot.clone()
                })
            })
            .collect();
        let image = Image {
            image_id,
            created_at: Some(created_at),
            snapshots: snapshots.iter().map(|one| one.snapshot_id.clone()).collect(),
            ..self.image.clone()
        };
        world.add(image, snapshots);
    }
}
