//! An account over many days: the actions of its people and of the functions, and what a test does
//! in between. It records the changes of the functions as EC2 shows them, and not as the functions
//! report them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use steward::jobs::{FunctionKind, Mode};
use steward::model::{ImageId, InstanceId, SnapshotId, Tags};
use steward::policy::Policy;
use steward_eventbridge::{EC2_SOURCE, EventOrigin};
use steward_tests::fake::{Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage, FleetInstance, FleetSnapshot};

use super::accounts::{AccountPolicy, PREFIX};
use super::people::People;
use super::runs::{job, run, target};
use super::worlds::now;

/// An action of the functions on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TakenStep {
    /// The deprecation time was set, or moved to an earlier time.
    Deprecated,
    /// The image was disabled.
    Disabled,
    /// The image was deregistered.
    Deregistered,
    /// The snapshot was deleted.
    SnapshotDeleted,
    /// The instance was stopped or terminated.
    InstanceEnded(&'static str),
    /// The image was enabled.
    Enabled,
    /// The deprecation time was removed, or moved to a later time.
    Undeprecated,
    /// The image was shared with this account, organization or group.
    Shared(String),
}

/// One change by a function.
#[derive(Debug, Clone)]
pub struct Taken {
    pub at: Timestamp,
    pub day: usize,
    pub resource: String,
    pub step: TakenStep,
    /// The account before the run.
    pub world: Arc<Fleet>,
    /// The deprecation time after the run.
    pub deprecation_time: Option<Timestamp>,
    /// The decisions of people about the image.
    pub will: Will,
}

/// The decisions of people about one image.
#[derive(Debug, Clone, Default)]
pub struct Will {
    pub disabled: bool,
    pub deprecated: Option<Timestamp>,
    pub shared: BTreeSet<String>,
}

/// The decisions of people, which EC2 does not show: the state of an image does not contain who
/// changed it.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// The images that an administrator disabled.
    pub disabled: BTreeSet<ImageId>,
    /// The deprecation times that an administrator set.
    pub deprecated: BTreeMap<ImageId, Timestamp>,
    /// With whom the owner shares each image.
    pub shared: BTreeMap<ImageId, BTreeSet<String>>,
}

impl Decided {
    fn at_first(fleet: &Fleet) -> Self {
        let mut decided = Self::default();
        for image in &fleet.images {
            decided.take_over(image);
        }
        decided
    }

    fn about(&self, image: &ImageId) -> Will {
        Will {
            disabled: self.disabled.contains(image),
            deprecated: self.deprecated.get(image).copied(),
            shared: self.shared.get(image).cloned().unwrap_or_default(),
        }
    }

    /// Whether the image is in the state that people want.
    pub fn take_over(&mut self, image: &FleetImage) {
        let id = &image.image_id;
        if image.state == "disabled" {
            self.disabled.insert(id.clone());
        }
        if let Some(at) = image.deprecation_time {
            self.deprecated.insert(id.clone(), at);
        }
        self.shared.insert(id.clone(), shared_with(image));
    }
}

pub fn shared_with(image: &FleetImage) -> BTreeSet<String> {
    let everyone = image.public.then(|| "all".to_owned());
    image.launch_permissions.iter().cloned().chain(everyone).collect()
}

/// The time of day of an event. The image sweep is at noon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeSweep,
    BetweenSweeps,
}

/// An account and its history.
pub struct AccountHistory<'a> {
    pub account: &'a AccountPolicy,
    pub policy: &'a Policy,
    pub fake: Fake,
    /// How far the clock of the runs is ahead of EC2's clock, or behind it.
    pub skew: SignedDuration,
    pub decided: Decided,
    /// The images that people enabled or disabled, with the day.
    pub by_hand: Vec<(usize, ImageId)>,
    /// The current account.
    pub world: Arc<Fleet>,
    /// The account before the first day.
    pub first: Arc<Fleet>,
    /// The account at the end of each day so far.
    pub days: Vec<Arc<Fleet>>,
    /// The images with the tag `expired-at` after the sweep of each day.
    pub expired: Vec<BTreeSet<ImageId>>,
    pub taken: Vec<Taken>,
    /// A log of all events; `None` if it is not needed.
    pub log: Option<Vec<String>>,
    /// A text that no output may contain, and the outputs that contain it.
    pub secret: Option<&'static str>,
    pub leaks: Vec<(Timestamp, String)>,
}

pub fn day(days: usize) -> Timestamp {
    now() + SignedDuration::from_hours(24 * i64::try_from(days).unwrap())
}

impl<'a> AccountHistory<'a> {
    pub fn new(account: &'a AccountPolicy, policy: &'a Policy, fleet: &Fleet) -> Self {
        let fake = Fake::new(fleet);
        let world = Arc::new(fake.world());
        Self {
            account,
            policy,
            fake,
            skew: SignedDuration::ZERO,
            decided: Decided::at_first(&world),
            by_hand: Vec::new(),
            first: world.clone(),
            world,
            days: Vec::new(),
            expired: Vec::new(),
            taken: Vec::new(),
            log: None,
            secret: None,
            leaks: Vec::new(),
        }
    }

    /// A copy of the account with the same history, for different actions from now on.
    pub fn fork(&self) -> Self {
        Self {
            account: self.account,
            policy: self.policy,
            fake: Fake::new(&self.fake.world()),
            skew: self.skew,
            decided: self.decided.clone(),
            by_hand: self.by_hand.clone(),
            first: self.first.clone(),
            world: self.world.clone(),
            days: self.days.clone(),
            expired: self.expired.clone(),
            taken: self.taken.clone(),
            log: self.log.clone(),
            secret: self.secret,
            leaks: Vec::new(),
        }
    }

    /// Runs a day: the people first, then the sweeps, with `others` before each sweep.
    pub fn day(
        &mut self,
        today: usize,
        people: &[(usize, People)],
        mut others: impl FnMut(&mut Self, Moment),
    ) {
        let noon = day(today);
        self.set_clock(noon - SignedDuration::from_hours(6));
        for (_, action) in people.iter().filter(|(on, _)| *on == today) {
            action.apply(self, today);
        }
        self.set_clock(noon - SignedDuration::from_hours(1));
        others(self, Moment::BeforeSweep);
        self.run(today, noon, FunctionKind::PruneImages, &schedule());
        let key = format!("{PREFIX}expired-at");
        let expired = self.world.images.iter().filter(|image| image.tags.has(&key));
        self.expired.push(expired.map(|image| image.image_id.clone()).collect());
        self.set_clock(noon + SignedDuration::from_mins(30));
        others(self, Moment::BetweenSweeps);
        let later = noon + SignedDuration::from_hours(1);
        self.run(today, later, FunctionKind::ReapSnapshots, &schedule());
        self.run(today, later, FunctionKind::RetireInstance, &schedule());
        self.days.push(self.world.clone());
    }

    pub fn set_clock(&self, at: Timestamp) {
        self.fake.set_clock(at);
    }

    /// Changes the account like somebody else.
    pub fn change(&mut self, change: impl FnOnce(&mut Fleet)) {
        self.fake.change(change);
        self.world = Arc::new(self.fake.world());
    }

    /// These images, as they were on each day.
    pub fn images_of<'s>(
        &'s self,
        ids: &'s BTreeSet<String>,
    ) -> impl Iterator<Item = &'s FleetImage> {
        let images = std::iter::once(&self.first).chain(&self.days).flat_map(|one| &one.images);
        images.filter(|image| ids.contains(image.image_id.as_str()))
    }

    /// The images that used this snapshot on any day.
    pub fn users_of(&self, snapshot: &SnapshotId) -> BTreeSet<String> {
        let images = std::iter::once(&self.first).chain(&self.days).flat_map(|one| &one.images);
        let users = images.filter(|image| image.snapshots.contains(snapshot));
        users.map(|image| image.image_id.to_string()).collect()
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    /// Runs one function at `at` by EC2's clock, and records its changes.
    pub fn run(&mut self, today: usize, at: Timestamp, kind: FunctionKind, event: &Value) {
        self.set_clock(at);
        self.fake.forget_calls();
        let (target, policy) = (target(&self.fake), self.policy);
        let trigger =
            steward_eventbridge::parse(event, EventOrigin { source: EC2_SOURCE, target: &target });
        let job = job(&self.fake, &target, policy, Mode::Apply, at + self.skew);
        let report = run(job.run(kind, &trigger));
        if let Some(secret) = self.secret {
            let mut texts = vec![format!("{report:?}")];
            if let Ok(report) = &report {
                texts.push(serde_json::to_string(&report.answer).unwrap());
                let messages = report.events.iter().filter_map(|event| event.message(&target).ok());
                texts.extend(messages.map(|message| format!("{message:?}")));
                texts.extend(report.failure.as_ref().map(ToString::to_string));
            }
            texts.extend(report.err().map(|error| error.to_string()));
            texts.extend(self.fake.messages().iter().map(|message| format!("{message:?}")));
            let leak = texts.iter().find_map(|text| Some((text, text.find(secret)?)));
            if let Some((text, place)) = leak {
                let part = text.get(place.saturating_sub(60)..place + secret.len() + 20);
                self.leaks.push((at, format!("{kind}: {}", part.unwrap_or(secret))));
            }
        }
        let changes = |call: &Call| {
            call.changes() && !matches!(call, Call::SetTags(..) | Call::RemoveTags(..))
        };
        let calls = self.fake.changing_calls();
        if calls.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut self.world, Arc::new(self.fake.world()));
        if calls.iter().any(changes) {
            self.write_down(&before, today, at);
        }
    }

    fn write_down(&mut self, before: &Arc<Fleet>, day: usize, at: Timestamp) {
        let after = self.world.clone();
        let mut taken = Vec::new();
        let decided = &self.decided;
        let mut add = |resource: &str, step, deprecation_time| {
            let will = resource.parse().map(|image| decided.about(&image)).unwrap_or_default();
            let (resource, world) = (resource.to_owned(), before.clone());
            taken.push(Taken { at, day, resource, step, world, deprecation_time, will });
        };
        for was in &before.images {
            let id = was.image_id.as_str();
            let Some(is) = find_image(&after, &was.image_id) else {
                add(id, TakenStep::Deregistered, None);
                continue;
            };
            let disabled = is.state == "disabled";
            if disabled != (was.state == "disabled") {
                let step = if disabled { TakenStep::Disabled } else { TakenStep::Enabled };
                add(id, step, is.deprecation_time);
            }
            let dated = match (was.deprecation_time, is.deprecation_time) {
                (Some(old), Some(new)) if new < old && old > at => Some(TakenStep::Deprecated),
                // From one past time to another past time: the image is still deprecated.
                (Some(_), Some(new)) if new <= at + SignedDuration::from_mins(5) => None,
                (Some(old), Some(new)) if new == old => None,
                (None, None) => None,
                (None, Some(_)) => Some(TakenStep::Deprecated),
                (Some(_), _) => Some(TakenStep::Undeprecated),
            };
            if let Some(step) = dated.filter(|step| !(disabled && *step == TakenStep::Deprecated)) {
                add(id, step, is.deprecation_time);
            }
            for with in shared_with(is).difference(&shared_with(was)) {
                add(id, TakenStep::Shared(with.clone()), is.deprecation_time);
            }
        }
        for was in &before.instances {
            let is = find_instance(&after, &was.instance_id).map_or("", |one| &one.state);
            let ended = ["stopped", "terminated"].into_iter().find(|word| *word == is);
            if let Some(word) = ended.filter(|_| was.state != is) {
                add(was.instance_id.as_str(), TakenStep::InstanceEnded(word), None);
            }
        }
        for was in &before.snapshots {
            if find_snapshot(&after, &was.snapshot_id).is_none() {
                add(was.snapshot_id.as_str(), TakenStep::SnapshotDeleted, None);
            }
        }
        for one in taken {
            self.note(|| one.to_string());
            self.taken.push(one);
        }
    }
}

impl Taken {
    /// The image before the run.
    pub fn image(&self) -> Option<&FleetImage> {
        find_image(&self.world, &self.resource.parse().ok()?)
    }

    /// The snapshot before the run.
    pub fn snapshot(&self) -> Option<&FleetSnapshot> {
        find_snapshot(&self.world, &self.resource.parse().ok()?)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { day, resource, step, deprecation_time, .. } = self;
        write!(f, "day {day:2} image-steward: {resource} {step:?}")?;
        match deprecation_time {
            Some(at) => write!(f, " (deprecation time {at})"),
            None => Ok(()),
        }
    }
}

pub fn schedule() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}})
}

/// The event for an image that changed to a state.
pub fn image_event(image: &str, state: &str, source: &str, at: Timestamp) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": "EC2 AMI State Change", "source": source,
        "account": "123456789012", "region": "eu-central-1", "time": at.to_string(),
        "resources": [], "detail": {"ImageId": image, "State": state},
    })
}

pub fn find_image<'f>(fleet: &'f Fleet, id: &ImageId) -> Option<&'f FleetImage> {
    fleet.images.iter().find(|one| one.image_id == *id)
}

pub fn find_snapshot<'f>(fleet: &'f Fleet, id: &SnapshotId) -> Option<&'f FleetSnapshot> {
    fleet.snapshots.iter().find(|one| one.snapshot_id == *id)
}

pub fn find_instance<'f>(fleet: &'f Fleet, id: &InstanceId) -> Option<&'f FleetInstance> {
    fleet.instances.iter().find(|one| one.instance_id == *id)
}

/// The tags with our prefix.
pub fn our_tags(tags: &Tags) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter(|(key, _)| key.starts_with(PREFIX))
}
