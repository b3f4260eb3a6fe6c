//! An attacker who writes, removes or copies tags with our prefix, in any case. The runs must not
//! remove anything that they would not remove without these tags, nor remove it sooner.
//!
//! The same subscription is run twice for 40 days, with and without the attacker. [`AzureExcuse`] has the
//! cases in which tags alone decide, and each is documented. `STEWARD_CASES` is the number of random
//! subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use steward::model::{ImageId, Tags};
use steward_tests::azure_fake::{AzureFake, AzureFleet, FleetVersion};

use super::cases::check_all;
use super::days::run_day;
use super::fleets::{
    a_fleet, day, disk_id, folded_tag, hours, image_id, managed_id, spelled, version_id,
};
use super::in_use::held_disks;
use super::policies::{AzurePolicy, some_policy};

const DAYS: usize = 40;
const VERSIONS: usize = 8;
const PREFIX: &str = "image-steward:";

/// Why tags alone were enough to remove something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AzureExcuse {
    /// Azure records no time from which the wait before the first step could count. The first step
    /// of an image that can be neither deprecated nor disabled is its deletion.
    FirstStep,
    /// The image had an end of life in the past when it expired. The wait after the deprecation then
    /// depends on the tag.
    DeprecatedBefore,
    /// The owner excluded the version from `latest`, and it has an end of life in the past. Tags may
    /// be forged to match it.
    ExcludedByOwner,
    /// Forged tags of that kind made a run include a version in `latest` again. It then takes the
    /// place of another version.
    Included,
    /// The policy deletes orphans, and does not require that they can be recovered. Only a tag
    /// attributes a disk or a snapshot to an image.
    Orphan,
}

/// What the attacker does.
#[derive(Debug, Clone)]
enum Forgery {
    Write(Victims, Vec<(&'static str, Vec<TagWord>)>),
    Remove(Victims, Option<&'static str>),
    /// Copies the state tags of one resource to another. With `true`, IDs in them are replaced.
    Copy(usize, Victims, bool),
}

/// The resources that are attacked.
#[derive(Debug, Clone, Copy)]
enum Victims {
    Version(usize),
    Managed(usize),
    Disk(usize),
    Images,
    Disks,
}

/// A part of a tag's value.
#[derive(Debug, Clone)]
enum TagWord {
    /// The text with which the state tags of the image begin.
    Own,
    /// The ID of a version, which may not exist.
    Version(usize),
    /// This many hours ago.
    Ago(i64),
    /// The end of life of the version.
    EndOfLife,
    Text(&'static str),
}

const KEYS: [&str; 9] = [
    "expired-at",
    "deprecation",
    "launch-permissions",
    "image",
    "delete-after",
    "created-by",
    "retire-when-imaged",
    "source-image",
    "unknown",
];

fn time() -> impl Strategy<Value = TagWord> {
    let ago =
        prop_oneof![Just(0_i64), Just(24 * 7), Just(24 * 400), Just(-24 * 30), 0_i64..24 * 40];
    prop_oneof![4 => ago.prop_map(TagWord::Ago), 2 => Just(TagWord::EndOfLife), 1 => Just(TagWord::Text("never"))]
}

fn value_of(key: &'static str) -> BoxedStrategy<Vec<TagWord>> {
    let image =
        || prop_oneof![(0..VERSIONS).prop_map(TagWord::Version), Just(TagWord::Version(90))];
    match key {
        "expired-at" => vec(time(), 1).boxed(),
        "deprecation" => {
            let what = prop_oneof![Just("deprecated"), Just("disabled")].prop_map(TagWord::Text);
            let before = prop_oneof![2 => Just(TagWord::Text("none")), 1 => time()];
            (before, what, time())
                .prop_map(|(before, what, at)| vec![TagWord::Own, before, what, at])
                .boxed()
        }
        "launch-permissions" => Just(vec![TagWord::Own, TagWord::Text("none")]).boxed(),
        "delete-after" => {
            (time(), time()).prop_map(|(due, at)| vec![due, TagWord::Text("marked"), at]).boxed()
        }
        "image" => vec(image(), 1).boxed(),
        _ => vec(prop_oneof![image(), time()], 1).boxed(),
    }
}

fn tag(key: &'static str) -> impl Strategy<Value = (&'static str, Vec<TagWord>)> {
    value_of(key).prop_map(move |value| (key, value))
}

fn victims() -> impl Strategy<Value = Victims> {
    prop_oneof![
        4 => (0..VERSIONS).prop_map(Victims::Version),
        2 => (0_usize..3).prop_map(Victims::Managed),
        3 => (0_usize..6).prop_map(Victims::Disk),
        2 => Just(Victims::Images),
        1 => Just(Victims::Disks),
    ]
}

fn a_forgery() -> impl Strategy<Value = Forgery> {
    let images = (tag("expired-at"), tag("deprecation"), tag("launch-permissions"));
    let images = images.prop_map(|(one, two, three)| vec![one, two, three]);
    let disks = (tag("image"), tag("delete-after")).prop_map(|(one, two)| vec![one, two]);
    let one_of_all = proptest::strategy::Union::new(KEYS.map(|key| tag(key).boxed()));
    let keep = Just(vec![("keep", vec![TagWord::Text("attacker")])]);
    let tags = prop_oneof![
        3 => vec(tag("expired-at"), 1), 4 => images, 4 => disks, 2 => vec(one_of_all, 1..3), 1 => keep
    ];
    prop_oneof![
        8 => (victims(), tags).prop_map(|(on, tags)| Forgery::Write(on, tags)),
        2 => (victims(), proptest::option::of(prop::sample::select(&KEYS[..])))
            .prop_map(|(on, key)| Forgery::Remove(on, key)),
        2 => (0..VERSIONS, victims(), any::<bool>())
            .prop_map(|(from, on, own)| Forgery::Copy(from, on, own)),
    ]
}

/// The tags that are changed, with their resource and the end of life of a version.
fn each_tagged(
    fleet: &mut AzureFleet,
    on: Victims,
    mut change: impl FnMut(&str, Option<Timestamp>, &mut Tags),
) {
    let is = |id: &str, one: String| id.to_lowercase() == one.to_lowercase();
    for one in &mut fleet.versions {
        let is_meant = match on {
            Victims::Version(n) => is(&one.id, version_id(n)),
            other => matches!(other, Victims::Images),
        };
        if is_meant {
            change(&one.id, one.end_of_life, &mut one.tags);
        }
    }
    for one in &mut fleet.images {
        let is_meant = match on {
            Victims::Managed(n) => is(&one.id, managed_id(n)),
            other => matches!(other, Victims::Images),
        };
        if is_meant {
            change(&one.id, None, &mut one.tags);
        }
    }
    for one in &mut fleet.disks {
        let is_meant = match on {
            Victims::Disk(n) => is(&one.id, disk_id(n)),
            other => matches!(other, Victims::Disks),
        };
        if is_meant {
            change(&one.id, None, &mut one.tags);
        }
    }
}

fn is_ours(key: &str) -> bool {
    key.to_lowercase().starts_with(PREFIX)
}

/// The text with which the state tags of an image begin.
fn own(id: &str) -> String {
    id.parse::<ImageId>()
        .map_or_else(|_| "0123456789abcdef".to_owned(), |id| id.in_tags().to_string())
}

impl Forgery {
    fn apply(&self, fleet: &mut AzureFleet, now: Timestamp, how: u8) {
        let set = |tags: &mut Tags, key: &str, value: String| {
            tags.ignore_case();
            let is_kept = key == "keep" && folded_tag(tags, "image-steward:keep").is_some();
            if !is_kept {
                let key = spelled(&format!("{PREFIX}{key}"), how);
                *tags = tags.with(&[(key, value)].into_iter().collect());
            }
        };
        match self {
            Self::Write(on, new) => each_tagged(fleet, *on, |id, end_of_life, tags| {
                for (key, words) in new {
                    let words = words.iter().map(|word| match word {
                        TagWord::Own => own(id),
                        TagWord::Version(n) => version_id(*n),
                        TagWord::Ago(ago) => (now - hours(*ago)).to_string(),
                        TagWord::EndOfLife => end_of_life.unwrap_or(now).to_string(),
                        TagWord::Text(text) => (*text).to_owned(),
                    });
                    set(tags, key, words.collect::<Vec<_>>().join(" "));
                }
            }),
            Self::Remove(on, only) => each_tagged(fleet, *on, |_, _, tags| {
                let is_removed = |key: &str| {
                    let key = key.to_lowercase();
                    let name = key.strip_prefix(PREFIX);
                    name.is_some_and(|name| name != "keep" && only.is_none_or(|only| only == name))
                };
                *tags = tags.iter().filter(|(key, _)| !is_removed(key)).collect();
            }),
            Self::Copy(from, on, replace) => {
                let from = version_id(*from).to_lowercase();
                let found = fleet.versions.iter().find(|one| one.id.to_lowercase() == from);
                let Some(copied) = found.map(|one| one.tags.clone()) else { return };
                each_tagged(fleet, *on, |id, _, tags| {
                    for (key, value) in copied.iter().filter(|(key, _)| is_ours(key)) {
                        let value = match replace {
                            true => value.replace(&own(&from), &own(id)),
                            false => value.to_owned(),
                        };
                        let key = key.to_lowercase();
                        set(tags, key.strip_prefix(PREFIX).unwrap(), value);
                    }
                });
            }
        }
    }
}

/// The subscription over the days.
struct RunHistory {
    /// Before the runs of each day.
    mornings: Vec<AzureFleet>,
    /// The images with the tag `expired-at` after the runs of each day.
    expired: Vec<BTreeSet<ImageId>>,
    /// What the runs deleted, with the day.
    removed: BTreeMap<String, usize>,
    /// The images that a run included in `latest` again.
    included: BTreeSet<ImageId>,
    evenings: Vec<AzureFleet>,
}

type Forgeries = Vec<(usize, u8, Forgery)>;

fn live(fleet: &AzureFleet, account: &AzurePolicy, forgeries: &Forgeries) -> RunHistory {
    let (fake, policy) = (AzureFake::new(fleet), account.policy());
    let mut history = RunHistory {
        mornings: Vec::new(),
        expired: Vec::new(),
        removed: BTreeMap::new(),
        included: BTreeSet::new(),
        evenings: Vec::new(),
    };
    for today in 0..DAYS {
        let noon = day(i64::try_from(today).unwrap());
        fake.set_clock(noon);
        for (_, how, forgery) in forgeries.iter().filter(|(on, ..)| *on == today) {
            fake.change(|fleet| forgery.apply(fleet, noon, *how));
        }
        let changes = run_day(&fake, &policy, noon);
        for id in changes.removed() {
            history.removed.entry(id.to_owned()).or_insert(today);
        }
        let was = |is: &FleetVersion| {
            changes.before.versions.iter().any(|was| was.id == is.id && was.excluded)
        };
        let included = changes.after.versions.iter().filter(|is| !is.excluded && was(is));
        history.included.extend(included.map(|one| image_id(&one.id)));
        let tagged = |tags: &Tags| folded_tag(tags, "image-steward:expired-at").is_some();
        let versions = changes.after.versions.iter().map(|one| (&one.id, &one.tags));
        let all = versions.chain(changes.after.images.iter().map(|one| (&one.id, &one.tags)));
        let expired = all.filter(|(_, tags)| tagged(tags)).map(|(id, _)| image_id(id));
        history.expired.push(expired.collect());
        history.mornings.push(changes.before);
        history.evenings.push(changes.after);
    }
    history
}

/// The excuses, and how often each was needed.
type Excuses = Mutex<BTreeMap<AzureExcuse, usize>>;

fn compare(
    account: &AzurePolicy,
    honest: &RunHistory,
    attacked: &RunHistory,
    excuses: &Excuses,
) -> Result<(), TestCaseError> {
    for (id, on) in &attacked.removed {
        if honest.removed.get(id).is_some_and(|day| day <= on) {
            continue;
        }
        let excuse = match id.parse::<ImageId>() {
            Ok(image) => excuse_for_image(account, honest, attacked, &image, *on),
            Err(_) => excuse_for_disk(account, attacked, id, *on),
        };
        match excuse {
            Ok(excuse) => *excuses.lock().unwrap().entry(excuse).or_default() += 1,
            Err(text) => {
                return Err(TestCaseError::fail(format!("day {on}: {id} was removed, {text}")));
            }
        }
    }
    Ok(())
}

fn find<'f>(fleet: &'f AzureFleet, image: &ImageId) -> Option<&'f FleetVersion> {
    fleet.versions.iter().find(|one| image_id(&one.id) == *image)
}

fn excuse_for_image(
    account: &AzurePolicy,
    honest: &RunHistory,
    attacked: &RunHistory,
    image: &ImageId,
    on: usize,
) -> Result<AzureExcuse, String> {
    if !attacked.included.is_empty() {
        return Ok(AzureExcuse::Included);
    }
    if !honest.expired[on].contains(image) && !honest.removed.contains_key(image.as_str()) {
        return Err("and is not expired without the attacker".to_owned());
    }
    // ChangedSince when it has been expired without the attacker.
    let since = (0..=on).rev().take_while(|day| honest.expired[*day].contains(image)).last();
    let since = since.unwrap_or(on);
    let (deprecate, disable, deregister) = account.waits;
    let days = |days: i64| usize::try_from(days).unwrap();
    let is_version = image.definition().is_some();
    let first = match is_version {
        true => deprecate.or(disable).unwrap_or(deregister),
        false => deregister,
    };
    let due = since + days(deregister);
    if on + days(first) >= due {
        return Ok(AzureExcuse::FirstStep);
    }
    let before = find(&attacked.mornings[since], image).ok_or("and was not there")?;
    let has_passed = before.end_of_life.is_some_and(|at| at <= day(i64::try_from(since).unwrap()));
    let next = disable.unwrap_or(deregister);
    if has_passed && before.excluded {
        return Ok(AzureExcuse::ExcludedByOwner);
    }
    if has_passed && on + days(next) >= due {
        return Ok(AzureExcuse::DeprecatedBefore);
    }
    Err(format!("{} days too early", due - on))
}

fn excuse_for_disk(
    account: &AzurePolicy,
    attacked: &RunHistory,
    id: &str,
    on: usize,
) -> Result<AzureExcuse, String> {
    if account.orphans.is_none() || account.recycle_bin_days.is_some() {
        return Err("although the policy deletes no orphans that cannot be recovered".to_owned());
    }
    let (before, after) = (&attacked.mornings[on], &attacked.evenings[on]);
    let (versions, images) = (after.versions.clone(), after.images.clone());
    let left = AzureFleet { versions, images, ..before.clone() };
    let held = held_disks(&left, &account.named(), day(i64::try_from(on).unwrap()));
    if held.contains(&id.parse().unwrap()) {
        return Err("although it is in use".to_owned());
    }
    let disk = before.disks.iter().find(|one| one.id.to_lowercase() == id).unwrap();
    match folded_tag(&disk.tags, "image-steward:keep") {
        Some(value) if value != "2026-11-01" => Err("although a tag keeps it".to_owned()),
        _ => Ok(AzureExcuse::Orphan),
    }
}

/// Without tags of earlier runs.
fn as_first_seen(mut fleet: AzureFleet) -> AzureFleet {
    let others = |tags: &mut Tags| {
        let is_others = |key: &str| !is_ours(key) || key.to_lowercase().ends_with(":keep");
        *tags = tags.iter().filter(|(key, _)| is_others(key)).collect();
    };
    for one in &mut fleet.versions {
        if folded_tag(&one.tags, "image-steward:deprecation").is_some() {
            (one.excluded, one.end_of_life) = (false, None);
        }
        others(&mut one.tags);
        // The removal of a version would let its source expire.
        one.shallow = false;
    }
    fleet.images.iter_mut().for_each(|one| others(&mut one.tags));
    fleet.disks.iter_mut().for_each(|one| others(&mut one.tags));
    fleet.habits.fail_every = 0;
    fleet.habits.tags_update = false;
    fleet
}

#[test]
fn an_attacker_gets_nothing_removed_and_nothing_sooner() {
    let cases = || {
        let forgeries = vec((0..DAYS / 2, any::<u8>(), a_forgery()), 1..12);
        let forgeries = forgeries.prop_map(|mut all| {
            all.sort_by_key(|(day, ..)| *day);
            all
        });
        (a_fleet(VERSIONS).prop_map(as_first_seen), some_policy(), forgeries)
    };
    let excuses = Excuses::default();
    check_all("attacker", 30, cases, |(fleet, mut account, forgeries)| {
        // A limit defers other images if some are expired sooner.
        account.lift_caps();
        let honest = live(&fleet, &account, &Vec::new());
        let attacked = live(&fleet, &account, &forgeries);
        compare(&account, &honest, &attacked, &excuses)
    });
    println!("documented exceptions: {:?}", excuses.into_inner().unwrap());
}
