//! Random accounts over a long time: policies, and fleets without state tags.

use std::collections::BTreeSet;
use std::fmt;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use steward::model::{Recyclable, Tags};
use steward::policy::{Policy, RetireAction};
use steward_tests::fleet::{Fleet, FleetImage, FleetInstance, FleetRule};

use super::history::{AccountHistory, our_tags};
use super::people::end_uses;
use super::worlds::{fleet_of, image_id, now};

pub const PREFIX: &str = "image-steward:";
/// An account with which images may be shared again. No policy contains the second one.
pub const FRIEND: &str = "111122223333";
pub const STRANGER: &str = "666666666666";
/// Fewer images than elsewhere, because there are many days.
pub const IMAGES: usize = 14;

/// The waits of the steps, in days.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    pub deprecate: Option<i64>,
    pub disable: Option<i64>,
    pub deregister: i64,
}

/// A random policy, with the values that a test needs.
#[derive(Clone)]
pub struct AccountPolicy {
    pub waits: Waits,
    /// Whether images are kept by rank.
    pub ranked: bool,
    pub orphans: Option<i64>,
    /// How many days snapshots are kept.
    pub delete_snapshots: i64,
    pub recycle_bin_optional: bool,
    text: String,
}

impl AccountPolicy {
    /// Whether the policy retires tagged instances.
    pub fn retires_instances(&self) -> bool {
        matches!(self.policy().instances.retire, RetireAction::Stop | RetireAction::Terminate)
    }

    pub fn policy(&self) -> Policy {
        Policy::parse(&self.text, "random").unwrap_or_else(|error| panic!("{error}"))
    }
}

impl fmt::Debug for AccountPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const WAITS: [(Option<i64>, Option<i64>, i64); 17] = [
    (Some(0), Some(7), 14),
    (Some(0), Some(1), 7),
    (Some(2), Some(5), 9),
    (Some(0), None, 5),
    (Some(1), None, 7),
    (Some(0), Some(3), 3),
    (Some(3), Some(3), 6),
    (Some(3), Some(3), 3),
    (Some(0), Some(0), 0),
    (None, Some(1), 7),
    (None, Some(7), 14),
    (None, Some(5), 5),
    (Some(7), Some(14), 21),
    (None, Some(0), 7),
    (None, None, 7),
    (None, None, 0),
    (Some(0), Some(0), 7),
];

fn never(days: Option<i64>) -> String {
    days.map_or("never".to_owned(), |days| format!("{days}d"))
}

pub fn some_policy() -> impl Strategy<Value = AccountPolicy> {
    let keep = prop_oneof![
        (0_u32..2, 0_u32..2)
            .prop_map(|(last, least)| (true, format!("last = {last}, at_least = {least}"))),
        (1_u32..3).prop_map(|daily| (true, format!("daily = {daily}, at_least = 1"))),
        prop_oneof![Just(1), Just(20), Just(40)]
            .prop_map(|within| (false, format!("within = \"{within}d\", at_least = 0"))),
    ];
    let shape = (
        prop::sample::select(&WAITS[..]),
        prop_oneof![Just(7_i64), Just(1), Just(0)],
        prop_oneof![Just("keep"), Just("retire")],
        option::of(prop_oneof![Just(1_i64), Just(7)]),
        prop::bool::weighted(0.3),
        option::weighted(0.4, prop_oneof![Just("stop"), Just("terminate")]),
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    (keep, shape).prop_map(|((ranked, keep), shape)| {
        let (waits, delete, shared, orphans, optional, instances, grouped, some, asked) = shape;
        let (deprecate, disable, deregister) = waits;
        let only = if some { "match = { tags = { Family = \"web\" } }\n" } else { "" };
        let group_by = if grouped { "[\"tag:Family\"]" } else { "[]" };
        let bin = if optional { "optional" } else { "required" };
        let check = if asked { "required" } else { "off" };
        let mut text = format!(
            "version = 1\n[[rule]]\nname = \"random\"\n{only}group_by = {group_by}\n\
             keep = {{ {keep}, tags = {{ Pinned = \"*\" }} }}\n\
             retire = {{ deprecate_after = \"{}\", disable_after = \"{}\", deregister_after = \"{deregister}d\", delete_snapshots_after = \"{delete}d\" }}\n\
             [safety]\nmax_per_run = 1000\nmax_fraction = 1.0\nmin_references = 0\n\
             shared_images = \"{shared}\"\nshared_snapshots = \"{shared}\"\nrecycle_bin = \"{bin}\"\nreferences_check = \"{check}\"\nshare_back = [\"{FRIEND}\"]\n",
            never(deprecate),
            never(disable),
        );
        if let Some(days) = orphans {
            text.push_str(&format!("[orphans]\ndelete_after = \"{days}d\"\n"));
        }
        if let Some(how) = instances {
            text.push_str(&format!("[instances]\nretire = \"{how}\"\n"));
        }
        AccountPolicy {
            waits: Waits { deprecate, disable, deregister },
            ranked,
            orphans,
            delete_snapshots: delete,
            recycle_bin_optional: optional,
            text,
        }
    })
}

/// The tags without state tags, but with `keep`.
pub fn ours_removed(tags: &Tags) -> Tags {
    let ours: Vec<String> = our_tags(tags)
        .map(|(key, _)| key.to_owned())
        .filter(|key| !key.ends_with(":keep"))
        .collect();
    tags.without(&ours)
}

/// A fleet without state tags, in which EC2 wrote the descriptions of the snapshots.
pub fn some_fleet() -> impl Strategy<Value = Fleet> {
    let rules = prop_oneof![6 => Just(Some(14_u32)), 2 => Just(Some(7)), 1 => Just(None)];
    let instances = vec((0..IMAGES, any::<bool>(), prop::bool::weighted(0.2)), 0..2);
    let made = vec(prop_oneof![4 => Just(Made::ByImage), 1 => Just(Made::ByPeople)], 24);
    let used = prop::bool::weighted(0.3);
    (instances, fleet_of(IMAGES), made, rules, used).prop_map(
        |(instances, mut fleet, made, rules, used)| {
            if !used {
                end_uses(&mut fleet);
            }
            for image in &mut fleet.images {
                as_first_seen(image);
            }
            describe_snapshots(&mut fleet, &made);
            for (number, (image, asks, later)) in instances.into_iter().enumerate() {
                add_source(&mut fleet, number, image, asks, later);
            }
            let rules = rules.into_iter().flat_map(|days| {
                [Recyclable::Images, Recyclable::Snapshots]
                    .map(|what| FleetRule::of_all(what, days))
            });
            fleet.retention_rules = Some(rules.collect());
            fleet
        },
    )
}

/// The author of a snapshot's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    ByImage,
    ByPeople,
}

/// Removes the steps that [`super::worlds::an_image`] applied to the image, and makes it younger,
/// so that it may expire within the days of a test.
fn as_first_seen(image: &mut FleetImage) {
    let age = now().duration_since(image.created_at) / 8;
    image.created_at = now() - SignedDuration::from_hours(age.as_hours());
    if image.tags.has(&format!("{PREFIX}deprecation")) {
        image.state = "available".to_owned();
        image.deprecation_time = None;
    }
    image.tags = ours_removed(&image.tags);
}

fn describe_snapshots(fleet: &mut Fleet, made: &[Made]) {
    let images = &fleet.images;
    let mut backups = 0;
    fleet.snapshots.retain_mut(|snapshot| {
        snapshot.tags = ours_removed(&snapshot.tags);
        let number = snapshot.snapshot_id.as_str().bytes().map(usize::from).sum::<usize>();
        let by_image = made.get(number % made.len()) == Some(&Made::ByImage);
        let user = images.iter().find(|image| image.snapshots.contains(&snapshot.snapshot_id));
        match user {
            Some(image) if by_image => {
                snapshot.description =
                    format!("Created by CreateImage(i-1) for {}", image.image_id);
                snapshot.volume_id = "vol-1".to_owned();
                snapshot.started_at = image.created_at - SignedDuration::from_mins(1);
            }
            None if snapshot.description.is_empty() => {
                snapshot.description = "nightly backup".to_owned();
                snapshot.volume_id = "vol-1".to_owned();
            }
            _ => {}
        }
        backups += usize::from(user.is_none());
        user.is_some() || backups <= 4
    });
}

/// Sets an instance as the source of the image. The instance may be tagged to be retired.
fn add_source(fleet: &mut Fleet, number: usize, image: usize, asks: bool, later: bool) {
    let Some(image) = fleet.images.iter_mut().find(|one| one.image_id == image_id(image)) else {
        return;
    };
    let id = format!("i-source{number}");
    let mut instance = FleetInstance::new(id.parse().unwrap(), "ami-elsewhere".parse().unwrap());
    let hours = if later { 24 } else { -24 };
    instance.launched_at = image.created_at + SignedDuration::from_hours(hours);
    if asks {
        let tag = (format!("{PREFIX}retire-when-imaged"), image.image_id.to_string());
        instance.tags = [tag].into_iter().collect();
    }
    image.source_instance = Some(instance.instance_id.clone());
    fleet.instances.push(instance);
}

/// A short description of the fleet.
pub fn describe(fleet: &Fleet) -> String {
    let mut lines = Vec::new();
    let tags =
        |tags: &Tags| tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    for one in &fleet.images {
        let mut line = format!("{} {} created {}", one.image_id, one.state, one.created_at);
        if let Some(at) = one.deprecation_time {
            line.push_str(&format!(", deprecated {at}"));
        }
        if one.protected != "disabled" {
            line.push_str(", protected");
        }
        let with: BTreeSet<_> = super::history::shared_with(one);
        let of = one.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>();
        lines
            .push(format!("{line}, shared {with:?}, tags {:?}, snapshots {of:?}", tags(&one.tags)));
    }
    for one in &fleet.snapshots {
        let held = if one.locked { ", locked" } else { "" };
        let (at, tags) = (one.started_at, tags(&one.tags));
        lines.push(format!("{} {at} `{}`{held}, tags {tags:?}", one.snapshot_id, one.description));
    }
    for one in &fleet.instances {
        let (id, image, tags) = (&one.instance_id, &one.image_id, tags(&one.tags));
        lines.push(format!("{id} {} from {image}, tags {tags:?}", one.state));
    }
    for one in &fleet.launch_templates {
        lines.push(format!("{one:?}"));
    }
    let days = fleet.retention_rules.iter().flatten().map(|rule| rule.days);
    lines.push(format!("Recycle Bin rules of {:?} days", days.collect::<Vec<_>>()));
    lines.join("\n")
}

/// The lines that contain no resource, or one in `harm`, or an image of that snapshot.
pub fn told_about(harm: &str, history: &AccountHistory<'_>, lines: &[String]) -> String {
    let is_id = |word: &str| ["ami-", "snap-", "i-"].iter().any(|prefix| word.starts_with(prefix));
    let ids = |line: &str| -> BTreeSet<String> {
        let words = line.split(|c: char| !(c.is_alphanumeric() || c == '-'));
        words.filter(|word| is_id(word)).map(str::to_owned).collect()
    };
    let mut about = ids(harm);
    let snapshots: Vec<_> = about.iter().filter_map(|id| id.parse().ok()).collect();
    about.extend(snapshots.iter().flat_map(|id| history.users_of(id)));
    let is_meant = |line: &&String| {
        let named = ids(line);
        named.is_empty() || about.is_empty() || !named.is_disjoint(&about)
    };
    lines.iter().filter(is_meant).map(String::as_str).collect::<Vec<_>>().join("\n")
}
