//! Inventories that are small enough to verify by hand.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::model::ImageState;
use crate::progress::NoProgress;

const STEPS: &str = "retire = { deprecate_after = \"0d\", disable_after = \"2d\", deregister_after = \"4d\", \
                     delete_snapshots_after = \"3d\" }";
const NO_CAPS: &str = "[safety]\nmax_fraction = 1.0\nmax_per_run = 1000\n";

fn policy(rule: &str, more: &str) -> Policy {
    let text = format!("version = 1\n[[rule]]\nname = \"web\"\n{rule}\n{STEPS}\n{NO_CAPS}{more}");
    Policy::parse(&text, "test").unwrap()
}

fn last_three() -> Policy {
    policy("match = { name = \"web-*\" }\nkeep = { last = 3 }", "")
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// An image of this age in hours, with a snapshot of 8 GiB. Its ID is its age.
fn image(name: &str, hours: i64) -> Value {
    json!({
        "image_id": format!("ami-{name}-{hours}"), "name": format!("{name}-{hours}"), "owner_id": "123456789012",
        "created_at": (now() - SignedDuration::from_hours(hours)).to_string(), "state": "available",
        "snapshots": [format!("snap-{name}-{hours}")],
    })
}

/// An inventory of these images, one of which is in use.
fn world(images: Vec<Value>, used: &str) -> Inventory {
    let snapshot = |image: &Value| {
        let made_for =
            format!("Created by CreateImage(i-0) for {}", image["image_id"].as_str().unwrap());
        let volume = "vol-0";
        json!({"snapshot_id": image["snapshots"][0], "size_gib": 8, "description": made_for, "volume_id": volume})
    };
    let snapshots: Vec<Value> = images.iter().map(snapshot).collect();
    let text = json!({
        "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": now().to_string(), "images": images,
        "snapshots": snapshots, "references": [{"image_id": used, "kind": "instance", "arn": "i-1"}],
    });
    Inventory::from_json(&text.to_string()).unwrap()
}

/// `count` images, one per day. The newest was created an hour ago.
fn daily(name: &str, count: i64) -> Vec<Value> {
    (0..count).map(|day| image(name, 1 + 24 * day)).collect()
}

#[test]
fn one_image_a_day_is_counted_as_by_hand() {
    let found =
        simulate(&world(daily("web", 5), "ami-elsewhere"), &last_three(), now(), 15, &NoProgress);
    let counts = |point: &Point| {
        let done = point.done;
        let (there, made) = ((point.images, point.snapshots, point.gib), point.made);
        let went = (done.deprecated, done.disabled, done.deregistered, done.snapshots_deleted);
        (there, made, done.expired, went)
    };
    // Before day 0: five images. Two expire on that day, and one on each later day, when a new
    // image enters the newest three. An image that expires on day k is deprecated on k, disabled on
    // k+2 and deregistered on k+4; its snapshot is deleted on k+7.
    assert_eq!(counts(&found.points[0]), ((5, 5, 40), 0, 0, (0, 0, 0, 0)));
    // Before day 7: 7 created. Days 0 to 6: 2+6 expired; of days 0 to 4: 2+4 disabled; of days 0 to
    // 2: 2+2 deregistered, so 5+7-4 images. No snapshot is due before day 7: 5+7 of 8 GiB.
    assert_eq!(counts(&found.points[1]), ((8, 12, 96), 7, 8, (8, 6, 4, 0)));
    // Before day 14: the same every day, except that the snapshots of days 0 to 6 (2+6) are
    // deleted: 12+7-8.
    assert_eq!(counts(&found.points[2]), ((8, 11, 88), 7, 7, (7, 7, 7, 8)));
    // The end, one day later: one of each.
    assert_eq!(counts(&found.points[3]), ((8, 11, 88), 1, 1, (1, 1, 1, 1)));
    assert_eq!(found.points.len(), 4);
    assert_eq!(found.points[3].at, now() + SignedDuration::from_hours(24 * 15));
    // Three of the 11 snapshots belong to removed images.
    let family = FamilySeries {
        rule: Some("web".into()),
        family: Some("all".into()),
        images: vec![5, 8, 8, 8],
        gib: vec![40, 64, 64, 64],
    };
    assert_eq!(found.families, [family]);
    assert_eq!((found.growing, found.still, &found.refusal), (1, 0, &None));
}

#[test]
fn the_inventory_stays_as_it_is_and_the_result_is_the_same_each_time() {
    let inventory = world(daily("web", 5), "ami-elsewhere");
    let (before, policy) = (inventory.clone(), last_three());
    let first = simulate(&inventory, &policy, now(), 30, &NoProgress);
    assert_eq!(first, simulate(&inventory, &policy, now(), 30, &NoProgress));
    assert_eq!(inventory, before);
}

#[test]
fn what_is_in_use_stays_and_what_is_new_is_not_used() {
    // The oldest of five is in use, so only one expires on day 0, and one image more remains.
    let found =
        simulate(&world(daily("web", 5), "ami-web-97"), &last_three(), now(), 14, &NoProgress);
    let there: Vec<_> = found.points.iter().map(|point| (point.images, point.in_use)).collect();
    assert_eq!(there, [(5, 1), (9, 1), (9, 1)]);
}

#[test]
fn an_image_that_is_wanted_again_gets_everything_back() {
    let mut inventory = world(daily("web", 3), "ami-elsewhere");
    let image = &mut inventory.images[2];
    let own = |text: &str| format!("ami-web-49 {text}");
    image.tags = [
        ("image-steward:expired-at", "2026-11-20T12:00:00Z".to_owned()),
        (
            "image-steward:deprecation",
            own(&format!("2027-01-01T00:00:00Z disabled {}", now() - DAY)),
        ),
        ("image-steward:launch-permissions", own("111122223333 all")),
    ]
    .into_iter()
    .collect();
    (image.state, image.deprecation_time) = (ImageState::Disabled, Some(now() - DAY));
    let mut world = SimulatedWorld::new(inventory);
    let policy = policy("keep = { last = 3 }", "share_back = [\"111122223333\"]\n");
    let found = plan(world.inventory(), &policy, now());
    assert_eq!(world.sweep(&found, &policy), Done { rescued: 1, ..Done::default() });
    let image = &world.inventory().images[2];
    let tags: Vec<_> = image.tags.iter().map(|(key, _)| key).collect();
    assert_eq!(tags, ["image-steward:launch-permissions"]);
    assert_eq!((image.state, image.public), (ImageState::Available, false));
    assert_eq!(image.deprecation_time, "2027-01-01T00:00:00Z".parse().ok());
    assert_eq!(image.launch_permissions.as_deref(), Some(&["111122223333".into()][..]));
}

#[test]
fn a_refusal_removes_nothing_and_is_told_once() {
    let policy = policy("keep = { last = 3 }", "min_references = 2\n");
    let found = simulate(&world(daily("web", 5), "ami-elsewhere"), &policy, now(), 14, &NoProgress);
    assert_eq!(found.refusal, Some(Refusal::TooFewReferences { seen: 1, at_least: 2 }));
    assert_eq!(
        found.points.last().map(|last| (last.images, last.done)),
        Some((19, Done::default()))
    );
}

#[test]
fn caps_hold_back_what_they_hold_back_every_day() {
    // A hundred unused images expire at once, but only one is disabled or deregistered per day.
    let capped = "version = 1\n[[rule]]\nname = \"web\"\nkeep = { last = 3 }\n\
                  retire = { disable_after = \"never\", deregister_after = \"0d\" }\n[safety]\nmax_per_run = 1\n";
    let capped = Policy::parse(capped, "test").unwrap();
    let images = (0..100).map(|n| image("web", 24 * 300 + n)).collect();
    let found = simulate(&world(images, "ami-elsewhere"), &capped, now(), 7, &NoProgress);
    let (first, last) = (&found.points[0], &found.points[1]);
    assert_eq!((first.images, first.deferred), (100, 96));
    assert_eq!((last.images, last.deferred, last.done.deregistered), (93, 89, 7));
}

#[test]
fn snapshots_that_no_image_has_to_do_with_are_left_out() {
    let mut inventory = world(daily("web", 3), "ami-elsewhere");
    inventory.snapshots.extend(
        serde_json::from_value::<Vec<Snapshot>>(json!([
            {"snapshot_id": "snap-volume", "size_gib": 500, "description": "before the upgrade"},
            {"snapshot_id": "snap-orphan", "size_gib": 10, "volume_id": "vol-1",
             "started_at": "2026-01-01T00:00:00Z", "description": "Created by CreateImage(i-1) for ami-gone"},
            {"snapshot_id": "snap-tagged", "size_gib": 20, "volume_id": "vol-1",
             "started_at": "2026-01-01T00:00:00Z", "tags": {"image-steward:image": "ami-gone"}},
        ]))
        .unwrap(),
    );
    inventory.recycled_images = Some(Vec::new());
    let policy = policy("keep = { last = 30 }", "[orphans]\ndelete_after = \"2d\"\n");
    let found = simulate(&inventory, &policy, now(), 7, &NoProgress);
    assert_eq!((found.points[0].snapshots, found.points[0].gib), (5, 54));
    // Seven more of 8 GiB. The orphan is deleted; the snapshot that only a tag calls an orphan is
    // not.
    assert_eq!((found.points[1].snapshots, found.points[1].gib), (11, 100));
}

/// Returns how many images the families of these images get in four weeks.
fn made(images: Vec<Value>) -> usize {
    let policy = policy("group_by = [\"name_prefix\"]\nkeep = { last = 1000 }", "");
    let found = simulate(&world(images, "ami-elsewhere"), &policy, now(), 28, &NoProgress);
    found.points.iter().map(|point| point.made).sum()
}

#[test]
fn a_family_goes_on_in_its_rhythm() {
    let at = |days: &[i64]| days.iter().map(|day| image("web", 24 * day + 1)).collect::<Vec<_>>();
    assert_eq!(made(daily("web", 10)), 28);
    assert_eq!(made(at(&[3, 10, 17, 24])), 4, "weekly");
    // Now is a Sunday. 5 per week are one in 1.4 days; the first is overdue and is created on
    // Monday.
    assert_eq!(made(at(&[2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17])), 21, "on working days");
    assert_eq!(
        made(at(&[0, 1, 2, 3, 4, 30, 60, 90])),
        28,
        "what monthly rules kept tells no rhythm"
    );
    assert_eq!(made(at(&[40, 41, 42])), 0, "it has stopped");
    assert_eq!(made(at(&[6, 7, 8])), 28, "nothing is given up within a week");
    assert_eq!(made(at(&[0])), 0, "one image has no rhythm");
    assert_eq!(made(Vec::new()), 0);
}

#[test]
fn as_many_are_made_as_on_the_middle_one_of_three_days() {
    let on = |day: i64, count: i64| (0..count).map(move |n| image("web", 24 * day + n));
    let days = |a, b, c| on(0, a).chain(on(1, b)).chain(on(2, c)).collect::<Vec<_>>();
    assert_eq!(made(days(2, 2, 2)), 56);
    assert_eq!(made(days(20, 1, 1)), 28, "a storm on one day");
    assert_eq!(made(days(1, 20, 20)), 560);
    assert_eq!(made(on(0, 20).collect()), 0, "a single day is no rhythm");
}

#[test]
fn a_new_image_is_like_the_newest_but_for_what_people_and_sweeps_did_to_it() {
    let mut images = daily("web", 4);
    images[0]["tags"] = json!({"Pinned": "yes"});
    images[1]["tags"] = json!({"Team": "web", "image-steward:keep": "", "image-steward:expired-at": "2026-11-21T12:00:00Z"});
    images[1]["architecture"] = json!("arm64");
    images[1]["last_launched_at"] = json!("2026-11-21T12:00:00Z");
    let policy = policy("keep = { last = 1, tags = { Pinned = \"*\" } }", "");
    let mut world = SimulatedWorld::new(world(images, "ami-elsewhere"));
    let mut growth = Growth::of(world.inventory(), &policy, now());
    let tomorrow = now() + DAY;
    assert_eq!(growth.make(&mut world, &policy.tag_names, tomorrow), 1);
    let image = world.inventory().images.last().unwrap();
    assert_eq!(image.image_id.as_str(), "ami-simulated-000001");
    assert_eq!((&*image.name, image.architecture.as_deref()), ("web-25", Some("arm64")));
    assert_eq!(image.tags, [("Team", "web")].into_iter().collect());
    assert_eq!(image.created_at, Some(tomorrow - SignedDuration::from_hours(1)));
    assert_eq!(image.last_launched_at, None);
    let snapshot = world.inventory().snapshots.last().unwrap();
    assert_eq!(*image.snapshots, *std::slice::from_ref(&snapshot.snapshot_id));
    assert_eq!(snapshot.tags.get("image-steward:image"), Some("ami-simulated-000001"));
    assert_eq!(snapshot.size_gib, Some(8));
}

#[test]
fn what_no_rule_matches_grows_by_name_and_what_others_make_does_not() {
    let mut images = daily("other", 3);
    images.extend(daily("backup", 3).into_iter().map(|mut image| {
        image["owner_alias"] = json!("aws-backup-vault");
        image
    }));
    images.extend(daily("theirs", 3).into_iter().map(|mut image| {
        image["owner_id"] = json!("999988887777");
        image
    }));
    let found = simulate(&world(images, "ami-elsewhere"), &last_three(), now(), 7, &NoProgress);
    assert_eq!(found.points[1].images, 9 + 7);
    assert_eq!((found.growing, found.still), (1, 0));
    assert_eq!(found.families.len(), 1);
    assert_eq!((&found.families[0].rule, &found.families[0].family), (&None, &None));
}

#[test]
fn two_policies_see_the_same_images_to_come() {
    let inventory =
        world(daily("web", 5).into_iter().chain(daily("db", 5)).collect(), "ami-elsewhere");
    let by_name = policy("group_by = [\"name_prefix\"]\nkeep = { last = 3 }", "");
    let all_in_one = policy("keep = { last = 6 }", "");
    let growth = Growth::of(&inventory, &by_name, now());
    let made = |policy: &Policy| -> Vec<usize> {
        let found = simulate_with(&inventory, growth.clone(), policy, now(), 60, &NoProgress);
        found.points.iter().map(|point| point.made).collect()
    };
    assert_eq!(made(&by_name), made(&all_in_one));
}

#[test]
fn the_curves_have_a_number_for_every_point() {
    // The rule begins to match on day 3, so that its family appears in the middle.
    let policy = policy("match = { older_than = \"3d\" }\nkeep = { last = 1 }", "");
    let found = simulate(&world(daily("web", 2), "ami-elsewhere"), &policy, now(), 21, &NoProgress);
    let series = serde_json::to_value(found.series()).unwrap();
    let length = |value: &Value| value.as_array().map(Vec::len);
    assert_eq!(found.families.len(), 2);
    for name in ["at", "images", "gib"] {
        assert_eq!(length(&series[name]), Some(4), "{name}");
    }
    for family in series["families"].as_array().unwrap() {
        assert_eq!((length(&family["images"]), length(&family["gib"])), (Some(4), Some(4)));
    }
    assert_eq!(series["at"][1].as_i64(), Some(now().as_second() + 7 * 86_400));
    let sums =
        (0..4).map(|at| found.families.iter().map(|family| family.images[at]).sum::<usize>());
    assert_eq!(
        sums.collect::<Vec<_>>(),
        found.points.iter().map(|point| point.images).collect::<Vec<_>>()
    );
}

#[test]
fn the_end_of_time_is_no_panic() {
    let end = Timestamp::MAX;
    let found =
        simulate(&world(daily("web", 5), "ami-elsewhere"), &last_three(), end, 14, &NoProgress);
    assert_eq!(found.points.len(), 3);
}
