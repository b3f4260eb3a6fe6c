//! Copies: an image or a snapshot that was copied with all tags is treated like a new one without
//! state tags, and not like its original.
//!
//! The same account is run twice for 40 days. In one run the copies have all tags of their
//! originals, in the other they have no state tags. The clock of the runs is up to an hour ahead of
//! EC2's clock or behind it. `STEWARD_CASES` is the number of random accounts.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use steward::jobs::FunctionKind;
use steward::model::{ImageId, SnapshotId, Tags};
use steward_tests::fleet::{Fleet, FleetImage, FleetSnapshot};

use super::accounts::{
    AccountPolicy, IMAGES, describe, ours_removed, some_fleet, some_policy, told_about,
};
use super::harm::{Harm, HarmKind, compare};
use super::history::{
    AccountHistory, Moment, day, find_image, find_snapshot, image_event, our_tags,
};
use super::people::{People, some_people};
use super::search::search;
use super::worlds::image_id;

const DAYS: usize = 40;

/// The original of a copy, by its current index in the account's list.
#[derive(Debug, Clone, Copy)]
enum Copied {
    /// An image with its snapshots, by CopyImage.
    Image(usize),
    /// An image that is created from an instance of this image, with its tags.
    Recreated(usize),
    /// A snapshot. Its description is copied, or becomes a copy's description.
    Snapshot(usize, bool),
}

/// The day, the time of day, and the minutes before or after the image sweep.
type CopyTime = (usize, bool, i64);
type Copies = Vec<(CopyTime, Copied)>;

fn some_copies() -> impl Strategy<Value = Copies> {
    let image = || prop_oneof![0..IMAGES, 0_usize..3];
    let copied = prop_oneof![
        3 => image().prop_map(Copied::Image),
        1 => image().prop_map(Copied::Recreated),
        2 => (0_usize..24, any::<bool>()).prop_map(|(place, same)| Copied::Snapshot(place, same)),
    ];
    let minutes = prop_oneof![1 => Just(1_i64), 2 => 1_i64..60];
    prop::collection::vec(((0..DAYS / 2, any::<bool>(), minutes), copied), 1..8)
}

/// The `number`th copy. `tags` selects the tags of the original that it gets.
fn copy(
    history: &mut AccountHistory<'_>,
    (today, number): (usize, usize),
    at: Timestamp,
    what: Copied,
    tags: fn(&Tags) -> Tags,
) {
    let world = history.world.clone();
    match what {
        Copied::Image(place) | Copied::Recreated(place) => {
            let Some(original) = nth(&world.images, place) else { return };
            let recreated = matches!(what, Copied::Recreated(_));
            let (image, snapshots) = copy_image(&world, original, number, recreated, at, tags);
            let id = image.image_id.clone();
            history.note(|| format!("day {today:2} {at}: {id} is a copy of {}", original.image_id));
            history.change(|fleet| {
                fleet.images.push(image);
                fleet.snapshots.extend(snapshots);
            });
            let event = image_event(id.as_str(), "available", "aws.ec2", at);
            history.run(today, at, FunctionKind::TagImage, &event);
        }
        Copied::Snapshot(place, same) => {
            let Some(original) = nth(&world.snapshots, place) else { return };
            let id: SnapshotId = format!("snap-copy{number}").parse().unwrap();
            history
                .note(|| format!("day {today:2} {at}: {id} is a copy of {}", original.snapshot_id));
            let mut new = FleetSnapshot::new(id, at);
            new.description = match same {
                true => original.description.clone(),
                false => format!("[Copied {} from eu-central-1]", original.snapshot_id),
            };
            new.tags = tags(&original.tags);
            history.change(|fleet| fleet.snapshots.push(new));
        }
    }
}

fn nth<T>(all: &[T], place: usize) -> Option<&T> {
    all.get(place.checked_rem(all.len())?)
}

/// Copies are the images whose numbers are above those of the fleet. The people use the fleet's
/// numbers.
fn copied_image(number: usize) -> ImageId {
    image_id(IMAGES + number)
}

fn copy_image(
    world: &Fleet,
    original: &FleetImage,
    number: usize,
    recreated: bool,
    at: Timestamp,
    tags: fn(&Tags) -> Tags,
) -> (FleetImage, Vec<FleetSnapshot>) {
    let id = copied_image(number);
    let originals = original.snapshots.iter().filter_map(|one| find_snapshot(world, one));
    let snapshots: Vec<FleetSnapshot> = originals
        .zip(0..)
        .map(|(from, place)| {
            let new: SnapshotId = format!("snap-of{number}-{place}").parse().unwrap();
            let mut new = match recreated {
                true => FleetSnapshot::made_for(new, &id, at),
                false => FleetSnapshot::new(new, at),
            };
            if !recreated {
                let (source, snapshot) = (&original.image_id, &from.snapshot_id);
                new.description = format!(
                    "Copied for DestinationAmi {id} from SourceAmi {source} for SourceSnapshot {snapshot}."
                );
            }
            new.tags = tags(&from.tags);
            new
        })
        .collect();
    let mut image =
        FleetImage::new(id, snapshots.iter().map(|snapshot| snapshot.snapshot_id.clone()));
    image.created_at = at;
    image.tags = tags(&original.tags);
    image.architecture.clone_from(&original.architecture);
    image.source_image = Some(original.image_id.clone());
    (image, snapshots)
}

type CopyCase = (Copies, Vec<(usize, People)>, Fleet, AccountPolicy, i64);

fn cases() -> impl Strategy<Value = CopyCase> {
    let skew = prop_oneof![Just(0_i64), Just(60), Just(-60), -60_i64..=60];
    (some_copies(), some_people(DAYS, 4), some_fleet(), some_policy(), skew)
}

/// Runs the account with copies without state tags, and with copies with all tags.
fn run_both<T>(
    case: &CopyCase,
    log: bool,
    then: impl for<'a> FnOnce(&'a AccountHistory<'a>, &'a AccountHistory<'a>) -> T,
) -> T {
    let (copies, people, fleet, account, skew) = case;
    let policy = account.policy();
    let begin = copies.iter().map(|((day, ..), _)| *day).min().unwrap_or(DAYS);
    let mut plain = AccountHistory::new(account, &policy, fleet);
    plain.skew = SignedDuration::from_mins(*skew);
    plain.log = log.then(Vec::new);
    for today in 0..begin {
        plain.day(today, people, |_, _| {});
    }
    let mut tagged = plain.fork();
    for today in begin..DAYS {
        let others = |tags: fn(&Tags) -> Tags| {
            move |history: &mut AccountHistory<'_>, moment: Moment| {
                let late = moment == Moment::BetweenSweeps;
                for (number, ((on, is_late, minutes), what)) in copies.iter().enumerate() {
                    if (*on, *is_late) == (today, late) {
                        let sign = if late { 1 } else { -1 };
                        let at = day(today) + SignedDuration::from_mins(sign * minutes);
                        copy(history, (today, number), at, *what, tags);
                    }
                }
            }
        };
        plain.day(today, people, others(ours_removed));
        tagged.day(today, people, others(Tags::clone));
    }
    then(&plain, &tagged)
}

fn harms(case: &CopyCase) -> Vec<Harm> {
    run_both(case, false, compare_copies)
}

/// No excuse applies to an action that is caused by the tags of a copy.
fn compare_copies<'a>(plain: &'a AccountHistory<'a>, tagged: &'a AccountHistory<'a>) -> Vec<Harm> {
    let mut found = compare(plain, tagged);
    for harm in &mut found {
        if let HarmKind::Excused(what, _) = harm.kind {
            harm.kind = HarmKind::Sooner(what);
        }
    }
    found
}

fn tell(case: &CopyCase, kind: &HarmKind) -> String {
    let (_, _, fleet, account, skew) = case;
    run_both(case, true, |plain, tagged| {
        let harm = compare_copies(plain, tagged).into_iter().find(|one| one.kind == *kind);
        let harm = harm.map(|one| one.text).unwrap_or_default();
        let [without, with] = [plain, tagged]
            .map(|one| told_about(&harm, one, one.log.as_deref().unwrap_or_default()));
        let lines: Vec<String> = describe(fleet).lines().map(str::to_owned).collect();
        let last: Vec<String> = tagged.copies().map(describe_copy).collect();
        format!(
            "{account:?}-- account, noon of day 0 is {}, the runs' clock is {skew} minutes ahead\n{}\n\
             -- copies without tags\n{without}\n-- with\n{with}\n{}\n-- harm: {harm}",
            day(0),
            told_about(&harm, tagged, &lines),
            last.join("\n"),
        )
    })
}

impl AccountHistory<'_> {
    /// The copies of images, as they were on the evening of their first day.
    fn copies(&self) -> impl Iterator<Item = &FleetImage> {
        let found =
            |number| self.days.iter().find_map(|day| find_image(day, &copied_image(number)));
        (0..8).filter_map(found)
    }
}

fn describe_copy(image: &FleetImage) -> String {
    let tags: Vec<_> = our_tags(&image.tags).collect();
    format!("{} created {}, tags {tags:?}", image.image_id, image.created_at)
}

#[test]
fn a_copy_is_never_treated_as_its_original() {
    search("copies", cases, harms, tell);
}
