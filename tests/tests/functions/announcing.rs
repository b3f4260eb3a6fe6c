//! Notices: a step on an image or an orphan is applied only after the bus accepted its notice.

use std::time::Duration;

use steward::apply::Status;
use steward::jobs::{Pruned, Reaped};
use steward::plan::reason::Reason;
use steward::plan::snapshots::SnapshotReason;
use steward_tests::switches::Switches;

use super::*;

const MARK: &str = "image-steward:expired-at";

/// `count` images of one family, and one that is in use. All but the last are expired.
fn family(count: usize) -> Fake {
    let image = |n: usize| {
        let day = 1 + n;
        json!({
            "image_id": format!("ami-{n:08}"), "created_at": format!("2026-08-{day:02}T00:00:00Z"),
        })
    };
    let used = format!("ami-{count:08}");
    fake(json!({
        "images": (0..=count).map(image).collect::<Vec<_>>(),
        "instances": [{"instance_id": "i-00000001", "image_id": used}],
    }))
}

fn prune(fake: &Fake) -> JobReport {
    run_with_bus(fake, Mode::Apply, FunctionKind::PruneImages, &schedule(), &NoDeadline)
}

fn pruned(report: &JobReport) -> &Pruned {
    let Answer::Pruned(pruned) = &report.answer else { panic!("{report:?}") };
    pruned
}

/// The images with the tag `expired-at`.
fn marked(fake: &Fake) -> Vec<String> {
    let world = fake.world();
    let images = world.images.iter().filter(|one| one.tags.has(MARK));
    images.map(|one| one.image_id.to_string()).collect()
}

/// The images for which the bus accepted an `Image Expired`, in order.
fn announced(fake: &Fake) -> Vec<String> {
    let messages = fake.messages();
    let expired = messages.iter().filter(|one| one.detail_type == "Image Expired");
    let id = |detail: &str| {
        let detail: Value = serde_json::from_str(detail).unwrap();
        detail["image_id"].as_str().unwrap().to_owned()
    };
    expired.map(|one| id(&one.detail)).collect()
}

#[test]
fn come_before_the_first_tag_and_once() {
    let fake = family(2);
    let report = prune(&fake);
    let calls = fake.changing_calls();
    let put = calls.iter().position(|one| matches!(one, Call::Put(..))).unwrap();
    let is_mark = |one: &Call| matches!(one, Call::SetTags(_, tags) if tags.has(MARK));
    assert!(put < calls.iter().position(is_mark).unwrap(), "{calls:?}");
    assert_eq!(announced(&fake), ["ami-00000001", "ami-00000000"]);
    assert_eq!(marked(&fake), ["ami-00000000", "ami-00000001"]);
    let types: Vec<_> = fake.messages().iter().map(|one| one.detail_type).collect();
    let after = ["Sweep Completed", "Image Deprecated", "Image Deprecated"];
    assert_eq!(types, [&["Image Expired"; 2], &after[..]].concat());
    assert_eq!(report.counts.unwrap().events_lost, 0);
    // The next run sends no other notice.
    prune(&fake);
    assert_eq!(announced(&fake).len(), 2);
}

#[test]
fn that_were_not_accepted_hold_back_their_images_and_no_others() {
    let fake = family(2);
    fake.set(Switches { reject_events: 4, ..Switches::default() });
    // First, both are rejected; then both again; then the first is accepted.
    let report = prune(&fake);
    assert_eq!(announced(&fake).len(), 2, "accepted in the third round");
    assert_eq!(report.counts.as_ref().unwrap().events_lost, 0);

    let fake = family(3);
    fake.set(Switches { reject_events: 7, ..Switches::default() });
    // The first is rejected a third time.
    let report = prune(&fake);
    assert_eq!(announced(&fake), ["ami-00000001", "ami-00000000"]);
    assert_eq!(marked(&fake), ["ami-00000000", "ami-00000001"]);
    let held = pruned(&report).decisions.iter().find(|one| one.image_id.as_str() == "ami-00000002");
    let held = held.unwrap();
    assert_eq!((held.action.kind(), held.reasons.last()), ("wait", Some(&Reason::NotAnnounced)));
    let summary = &pruned(&report).summary;
    assert_eq!((summary.wait, summary.deprecate, summary.expire, summary.keep), (1, 2, 0, 1));
    assert_eq!(pruned(&report).outcome.status(), Status::Done);
    assert_eq!((report.counts.as_ref().unwrap().events_lost, &report.failure), (1, &None));
    let deprecated = |fake: &Fake| {
        let world = fake.world();
        world.images.iter().filter(|one| one.deprecation_time.is_some()).count()
    };
    assert_eq!(deprecated(&fake), 2);
    // The next run announces it, and applies the step.
    prune(&fake);
    assert_eq!(announced(&fake).last().map(String::as_str), Some("ami-00000002"));
    assert_eq!((marked(&fake).len(), deprecated(&fake)), (3, 3));
}

#[test]
fn hold_back_everything_while_the_bus_denies_or_does_not_answer() {
    for switches in [
        Switches::deny(&["events:PutEvents"]),
        Switches { reject_events: u32::MAX, ..Switches::default() },
    ] {
        let fake = family(30);
        fake.set(switches);
        let before = fake.world();
        let report = prune(&fake);
        assert!(fake.world().images == before.images, "an image was changed");
        assert_eq!(fake.messages(), []);
        let counts = report.counts.unwrap();
        // All notices, and the events of the sweep itself.
        assert_eq!((counts.events_lost, counts.failed, counts.images_expired), (31, 0, 0));
        assert_eq!(report.failure, None);
    }
}

#[test]
fn are_not_waited_for_without_a_bus_or_in_plan_mode() {
    let fake = family(2);
    fake.set(Switches::deny(&["events:PutEvents"]));
    run(&fake, FunctionKind::PruneImages, &schedule());
    assert_eq!(marked(&fake).len(), 2);
    let fake = family(2);
    run_with_bus(&fake, Mode::Plan, FunctionKind::PruneImages, &schedule(), &NoDeadline);
    let types: Vec<_> = fake.messages().iter().map(|one| one.detail_type).collect();
    assert_eq!(types, ["Sweep Completed"]);
}

#[test]
fn of_an_image_whose_step_fails_are_repeated() {
    let fake = family(1);
    fake.fail("ec2:CreateTags", 1, "InternalError");
    prune(&fake);
    assert_eq!((announced(&fake).len(), marked(&fake).len()), (1, 0));
    prune(&fake);
    assert_eq!((announced(&fake).len(), marked(&fake).len()), (2, 1));
}

#[test]
fn take_no_time_that_the_steps_need() {
    let fake = family(2);
    // After planning, there is enough time for a step or for publishing, but not for both.
    let late = || {
        let calls = fake.calls();
        let read = calls.iter().filter(|one| matches!(one, Call::FindLaunchPermissions(_)));
        Duration::from_secs(if read.count() == 2 { 22 } else { 900 })
    };
    let report = run_with_bus(&fake, Mode::Apply, FunctionKind::PruneImages, &schedule(), &late);
    assert_eq!((announced(&fake).len(), marked(&fake).len()), (0, 0));
    assert_eq!(report.counts.unwrap().events_lost, 2, "the sweep's own event was sent");
}

#[test]
fn cost_one_call_for_ten() {
    let fake = family(27);
    prune(&fake);
    let puts = || {
        let calls = fake.changing_calls();
        let sizes = calls.iter().filter_map(|one| match one {
            Call::Put(_, messages) => Some(messages.len()),
            _ => None,
        });
        sizes.collect::<Vec<_>>()
    };
    let announced = marked(&fake).len();
    assert_eq!(announced, 27);
    // A notice and a deprecation for each image, and the event of the sweep.
    assert_eq!(puts(), [10, 10, 7, 10, 10, 8]);
}

#[test]
fn come_before_the_first_step_whatever_the_tags_say() {
    // Its owner may have deprecated it long ago, so this is not a step.
    for deprecated_at in [None, Some("2026-08-15T00:00:00Z".parse().unwrap())] {
        let forged = || {
            let fake = family(1);
            fake.change(|fleet| {
                let tag = [(MARK, "2026-09-01T00:00:00Z")].into_iter().collect();
                fleet.images[0].tags = fleet.images[0].tags.with(&tag);
                fleet.images[0].deprecation_time = deprecated_at;
            });
            fake
        };
        let fake = forged();
        prune(&fake);
        assert_eq!(announced(&fake), ["ami-00000000"], "{deprecated_at:?}");
        let fake = forged();
        fake.set(Switches { reject_events: u32::MAX, ..Switches::default() });
        let before = fake.world();
        prune(&fake);
        assert!(fake.world() == before, "a step was taken without a notice");
    }
}

/// Snapshots of images that no longer exist.
fn orphans(count: usize) -> Fake {
    let orphan = |n: usize| {
        json!({
            "snapshot_id": format!("snap-{n:08}"), "started_at": "2026-10-01T00:00:00Z", "volume_id": format!("vol-{n:08}"),
            "description": format!("Created by CreateImage(i-00000009) for ami-9{n:07}"),
        })
    };
    fake(json!({
        "images": [{"image_id": "ami-00000001"}],
        "snapshots": (0..count).map(orphan).collect::<Vec<_>>(),
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000001"}],
    }))
}

fn reap(fake: &Fake) -> JobReport {
    let to = NamedBus { bus: fake, name: "default" };
    let policy = format!("{POLICY}[orphans]\ndelete_after = \"1d\"\n");
    let function = FunctionKind::ReapSnapshots;
    let event = schedule();
    let report = run_job(fake, &policy, Mode::Apply, Some(to), function, &event, &NoDeadline);
    let mut report = report.unwrap();
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    block_on(report.publish(to, &target, &NoDeadline));
    report
}

fn reaped(report: &JobReport) -> &Reaped {
    let Answer::Reaped(reaped) = &report.answer else { panic!("{report:?}") };
    reaped
}

/// The snapshots with the tag `delete-after`.
fn waiting(fake: &Fake) -> Vec<String> {
    let world = fake.world();
    let tagged = world.snapshots.iter().filter(|one| one.tags.has("image-steward:delete-after"));
    tagged.map(|one| one.snapshot_id.to_string()).collect()
}

#[test]
fn of_an_orphan_come_before_its_tag_and_once() {
    let fake = orphans(2);
    let report = reap(&fake);
    assert_eq!(waiting(&fake), ["snap-00000000", "snap-00000001"]);
    let types: Vec<_> = fake.messages().iter().map(|one| one.detail_type).collect();
    assert_eq!(types, ["Snapshot Marked", "Snapshot Marked", "Sweep Completed"]);
    let calls = fake.changing_calls();
    assert!(matches!(calls.first(), Some(Call::Put(..))), "{calls:?}");
    assert_eq!(report.counts.unwrap().events_lost, 0);
}

#[test]
fn of_an_orphan_that_were_not_accepted_hold_it_back() {
    let fake = orphans(2);
    fake.set(Switches { reject_events: 5, ..Switches::default() });
    let report = reap(&fake);
    assert_eq!(waiting(&fake), ["snap-00000001"]);
    let [kept] = &reaped(&report).kept[..] else { panic!("{report:?}") };
    assert_eq!(kept.snapshot_id.as_str(), "snap-00000000");
    assert_eq!(kept.reasons.last(), Some(&SnapshotReason::NotAnnounced));
    assert_eq!(report.counts.unwrap().events_lost, 1);
    reap(&fake);
    assert_eq!(waiting(&fake).len(), 2);
}

#[test]
fn of_an_orphan_come_before_it_is_deleted_whoever_tagged_it() {
    let tagged = || {
        let fake = orphans(1);
        fake.change(|fleet| {
            let tags = [
                ("image-steward:delete-after", "2026-11-01T00:00:00Z marked 2026-10-25T00:00:00Z"),
                ("image-steward:image", "ami-90000000"),
            ];
            fleet.snapshots[0].tags = tags.into_iter().collect();
        });
        fake
    };
    let fake = tagged();
    reap(&fake);
    assert_eq!(fake.world().snapshots, []);
    let types: Vec<_> = fake.messages().iter().map(|one| one.detail_type).collect();
    assert_eq!(types, ["Snapshot Marked", "Sweep Completed", "Snapshot Deleted"]);
    let fake = tagged();
    fake.set(Switches { reject_events: u32::MAX, ..Switches::default() });
    let report = reap(&fake);
    assert_eq!(fake.world().snapshots.len(), 1);
    let [kept] = &reaped(&report).kept[..] else { panic!("{report:?}") };
    assert_eq!(kept.reasons.last(), Some(&SnapshotReason::NotAnnounced));
}
