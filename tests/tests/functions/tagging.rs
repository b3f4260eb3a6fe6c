//! Tagging new images: images whose event came too early, and images whose event was lost.

use jiff::SignedDuration;
use steward::apply::{Status, StepKind};
use steward::jobs::Pruned;
use steward::tagging::MAX_TAG_SETS;
use steward_tests::fleet::Fleet;
use steward_tests::switches::Switches;

use super::*;

/// An `available` event from that time.
fn available(time: Option<&str>) -> Value {
    let mut event = image_event("ami-00000001", "available");
    match time {
        Some(time) => event["time"] = json!(time),
        None => drop(event.as_object_mut().unwrap().remove("time")),
    }
    event
}

fn new_image() -> Value {
    json!({"images": [{"image_id": "ami-00000001", "snapshots": ["snap-00000001"]}]})
}

#[test]
fn an_event_before_the_listing_shows_the_image_is_retried_for_a_quarter_of_an_hour() {
    let not_yet = JobError::NotVisibleYet("ami-00000001".parse().unwrap());
    let answer = |time: Option<&str>| {
        let fake = fake(json!({}));
        let event = available(time);
        run_within(&fake, POLICY, Mode::Apply, FunctionKind::TagImage, &event, &NoDeadline)
    };
    for time in ["2026-11-22T12:00:00Z", "2026-11-22T11:45:01Z", "2026-11-22T12:00:30Z"] {
        assert_eq!(answer(Some(time)).unwrap_err(), not_yet, "{time}");
    }
    assert_eq!(answer(None).unwrap_err(), not_yet, "nobody knows when");
    for time in ["2026-11-22T11:45:00Z", "2026-11-20T12:00:00Z"] {
        let report = answer(Some(time)).unwrap();
        let Answer::Ignored { reason } = &report.answer else { panic!("{time:?}: {report:?}") };
        assert_eq!(reason, "ami-00000001 no longer exists");
    }
}

#[test]
fn the_retried_event_tags_the_image() {
    let fake = fake(new_image());
    fake.fail("ec2:DescribeImages", 1, "InvalidAMIID.NotFound");
    let event = available(Some("2026-11-22T11:59:30Z"));
    let once =
        || run_within(&fake, POLICY, Mode::Apply, FunctionKind::TagImage, &event, &NoDeadline);
    let not_yet = JobError::NotVisibleYet("ami-00000001".parse().unwrap());
    assert_eq!(once().unwrap_err(), not_yet);
    once().unwrap();
    assert!(fake.world().images[0].tags.has("ManagedBy"));
    assert!(fake.world().snapshots[0].tags.has("image-steward:image"));
}

/// Otherwise it would remain untagged until a sweep, which may not run.
#[test]
fn an_event_that_succeeded_in_part_is_retried_and_writes_the_rest() {
    let fake = fake(new_image());
    let failing = Switches::default().and_fail_about("ec2:CreateTags", "InternalError", "snap-");
    fake.set(failing);
    let event = available(Some("2026-11-22T11:59:30Z"));
    let report = run(&fake, FunctionKind::TagImage, &event);
    let error = report.failure.unwrap();
    assert!(matches!(&error, JobError::PartFailed { count: 1, done: 1, .. }), "{error}");
    assert!(error.to_string().starts_with("1 step failed, 1 succeeded; first error: tag of snap-"));
    assert!(matches!(&report.events[..], [Event::ImageTagged(one)] if one.tags.len() == 1));
    fake.set(Switches::default());
    let report = run(&fake, FunctionKind::TagImage, &event);
    assert_eq!(report.failure, None);
    assert!(matches!(&report.events[..], [Event::ImageTagged(one)] if one.tags.len() == 1));
    assert!(fake.world().snapshots[0].tags.has("image-steward:image"));
}

#[test]
fn an_image_whose_snapshots_could_be_deleted_in_part_only_is_retried() {
    let old = |n: usize| {
        json!({
            "snapshot_id": format!("snap-{n:08}"), "volume_id": format!("vol-{n:08}"),
            "description": "Created by CreateImage(i-00000009) for ami-00000009",
            "tags": {"image-steward:image": "ami-00000009",
                     "image-steward:delete-after": "2026-11-20T00:00:00Z marked 2026-11-13T00:00:00Z"},
        })
    };
    let fake = fake(json!({
        "images": [{"image_id": "ami-00000001"}], "snapshots": [old(1), old(2)],
        "recycled_images": [{
            "image": {"image_id": "ami-00000009"},
            "entered_at": "2026-11-10T00:00:00Z", "leaves_at": "2026-11-24T00:00:00Z",
        }],
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000001"}],
    }));
    let failing = Switches::default();
    fake.set(failing.and_fail_about("ec2:DeleteSnapshot", "InternalError", "snap-00000002"));
    let report = run(&fake, FunctionKind::ReapSnapshots, &schedule());
    assert_eq!((report.failure, fake.world().snapshots.len()), (None, 1));
    fake.change(|fleet| fleet.snapshots.push(serde_json::from_value(old(3)).unwrap()));
    let event = image_event("ami-00000009", "deregistered");
    let report = run(&fake, FunctionKind::ReapSnapshots, &event);
    let error = report.failure.unwrap();
    assert!(matches!(error, JobError::PartFailed { count: 1, done: 1, .. }), "{error}");
}

#[test]
fn an_instance_that_waits_for_an_image_that_does_not_show_yet_is_not_forgotten() {
    let waiting: Fleet = serde_json::from_value(json!({
        "instances": [{
            "instance_id": "i-00000001", "image_id": "ami-00000009",
            "tags": {"image-steward:retire-when-imaged": "web-2"},
        }],
    }))
    .unwrap();
    let answer = |time: &str, change: fn(&mut Fleet)| {
        let fake = Fake::new(&waiting);
        fake.change(change);
        let event = available(Some(time));
        run_within(&fake, POLICY, Mode::Apply, FunctionKind::RetireInstance, &event, &NoDeadline)
    };
    let not_yet = JobError::NotVisibleYet("ami-00000001".parse().unwrap());
    let (young, old) = ("2026-11-22T11:50:00Z", "2026-11-22T11:40:00Z");
    assert_eq!(answer(young, |_| {}).unwrap_err(), not_yet);
    answer(old, |_| {}).unwrap();
    // Nothing waits for it, so a retry is not needed.
    answer(young, |fleet| fleet.instances.clear()).unwrap();
    answer(young, |fleet| fleet.instances[0].state = "stopped".into()).unwrap();
}

/// `count` images of the last days, oldest first, each with a snapshot. The event of each was lost.
fn unannounced(count: usize) -> Fake {
    let image = |n: usize| {
        json!({
            "image_id": format!("ami-{n:08}"), "name": format!("web-{n}"),
            "created_at": now() - SignedDuration::from_hours(700) + SignedDuration::from_mins(n as i64),
            "snapshots": [format!("snap-{n:08}")], "source_instance": "i-00000001",
        })
    };
    fake(json!({
        "images": (0..count).map(image).collect::<Vec<_>>(),
        "instances": [{
            "instance_id": "i-00000001", "image_id": "ami-00000000", "tags": {"Team": "web"},
        }],
    }))
}

/// Keeps everything, and copies a tag.
const KEEPING: &str = r#"
version = 1
[[rule]]
name = "all"
keep = { last = 100000 }
[tagging]
set = { ManagedBy = "image-steward" }
copy_from_instance = ["Team"]
"#;

fn swept(fake: &Fake) -> JobReport {
    run_under(fake, KEEPING, Mode::Apply, FunctionKind::PruneImages, &schedule())
}

fn pruned(report: &JobReport) -> &Pruned {
    let Answer::Pruned(pruned) = &report.answer else { panic!("{report:?}") };
    pruned
}

fn has_all_tags(tags: &Tags) -> bool {
    let team = tags.get("Team") == Some("web") && tags.has("ManagedBy");
    team && tags.get("image-steward:source-instance") == Some("i-00000001")
}

fn untagged(fake: &Fake) -> Vec<String> {
    let world = fake.world();
    let images = world.images.iter().filter(|one| !has_all_tags(&one.tags));
    let has_image = |tags: &Tags| tags.has("image-steward:image");
    let snapshots =
        world.snapshots.iter().filter(|one| !has_all_tags(&one.tags) || !has_image(&one.tags));
    images
        .map(|one| one.image_id.to_string())
        .chain(snapshots.map(|one| one.snapshot_id.to_string()))
        .collect()
}

fn calls_beyond_a_plan(fake: &Fake) -> Vec<Call> {
    let calls = fake.calls();
    let begin = calls.iter().rposition(|call| matches!(call, Call::ListReferences(_))).unwrap();
    let rest = calls[begin + 1..].iter();
    rest.filter(|call| !matches!(call, Call::ListRetentionRules)).cloned().collect()
}

#[test]
fn a_sweep_tags_what_no_event_announced_and_reports_it() {
    let fake = unannounced(2);
    let report = swept(&fake);
    assert_eq!(untagged(&fake), [] as [&str; 0]);
    let counts = report.counts.as_ref().unwrap();
    assert_eq!((counts.images_tagged, counts.failed), (2, 0));
    let outcome = &pruned(&report).outcome;
    let done: Vec<_> = outcome.done(StepKind::Tag).map(ToString::to_string).collect();
    assert_eq!(done, ["ami-00000000", "ami-00000001", "snap-00000000", "snap-00000001"]);
    assert_eq!(outcome.status(), Status::Done);
    let types: Vec<_> = report.events.iter().map(Event::detail_type).collect();
    assert_eq!(types, ["Sweep Completed", "Image Tagged", "Image Tagged"]);
    let Event::ImageTagged(tagged) = &report.events[1] else { panic!() };
    assert_eq!((tagged.image_id.as_str(), tagged.tags.len()), ("ami-00000000", 2));
    assert_eq!(pruned(&report).tagged.len(), 4);
}

/// Equal tag sets share a call. The instance is read once, and the snapshots together.
#[test]
fn a_sweep_takes_few_calls_to_tag_and_none_when_nothing_is_lacking() {
    let fake = unannounced(3);
    swept(&fake);
    let kinds: Vec<_> = calls_beyond_a_plan(&fake)
        .iter()
        .map(|call| match call {
            Call::FindImages(_) => "images",
            Call::FindSnapshots(_) => "snapshots",
            Call::FindInstanceTags(_) => "instance",
            Call::SetTags(..) => "set",
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = ["images", "snapshots", "instance", "set", "set", "set", "set"];
    assert_eq!(kinds, expected);
    fake.forget_calls();
    let report = swept(&fake);
    assert_eq!(calls_beyond_a_plan(&fake), []);
    assert_eq!(report.counts.unwrap().images_tagged, 0);
    let fake = unannounced(50);
    swept(&fake);
    assert_eq!(calls_beyond_a_plan(&fake).len(), 1 + 1 + 1 + 51);
}

#[test]
fn a_sweep_in_plan_mode_shows_what_it_would_tag() {
    let fake = unannounced(2);
    let report = run_under(&fake, KEEPING, Mode::Plan, FunctionKind::PruneImages, &schedule());
    assert_eq!(fake.changing_calls(), []);
    let planned = pruned(&report);
    assert_eq!(planned.outcome.steps, []);
    assert!(planned.tagged.iter().all(|one| has_all_tags(&one.tags)), "{:?}", planned.tagged);
    let done = swept(&unannounced(2));
    assert_eq!(planned.tagged, pruned(&done).tagged);
    assert_eq!(report.counts.unwrap().images_tagged, 0);
    assert!(matches!(report.events[..], [Event::SweepCompleted(_)]), "{:?}", report.events);
}

#[test]
fn a_sweep_tags_the_oldest_first_and_leaves_the_rest_to_the_next() {
    let fake = unannounced(250);
    let sets = || {
        let calls = fake.calls();
        calls.iter().filter(|call| matches!(call, Call::SetTags(..))).count()
    };
    let report = swept(&fake);
    assert!(sets() <= MAX_TAG_SETS, "{} calls", sets());
    // All images share one tag set. Each snapshot has its own.
    let left = 250 - (MAX_TAG_SETS - 1);
    let counts = report.counts.as_ref().unwrap();
    assert_eq!((counts.images_tagged, counts.images_deferred), (250 - left, left));
    let later: Vec<_> = pruned(&report).outcome.deferred().map(ToString::to_string).collect();
    assert_eq!(later.first().map(String::as_str), Some("ami-00000199"));
    assert_eq!(later.len(), left);
    assert_eq!(pruned(&report).outcome.status(), Status::Done);
    swept(&fake);
    assert_eq!(untagged(&fake), [] as [&str; 0]);
}

#[test]
fn a_sweep_leaves_images_that_are_old_or_not_ours_or_not_complete() {
    let changes: [fn(&mut steward_tests::fleet::FleetImage); 5] = [
        |image| image.created_at = now() - SignedDuration::from_hours(24 * 30 + 1),
        |image| image.owner_id = Some("999999999999".parse().unwrap()),
        |image| image.state = "pending".into(),
        |image| image.state = "failed".into(),
        |image| image.state = "invalid".into(),
    ];
    for change in changes {
        let fake = unannounced(1);
        fake.change(|fleet| change(&mut fleet.images[0]));
        swept(&fake);
        assert_eq!(untagged(&fake).len(), 2, "{:?}", fake.world().images);
    }
    // An image that was disabled after its event was lost is tagged.
    let fake = unannounced(1);
    fake.change(|fleet| fleet.images[0].state = "disabled".into());
    swept(&fake);
    assert_eq!(untagged(&fake), [] as [&str; 0]);
}

#[test]
fn an_image_that_another_service_manages_gets_provenance_only_from_event_and_sweep() {
    for event in [schedule(), image_event("ami-00000000", "available")] {
        let fake = unannounced(1);
        let managed = [("aws:backup:source-resource", "i-1")];
        fake.change(|fleet| fleet.images[0].tags = managed.into_iter().collect());
        let function = match event["detail-type"] == "Scheduled Event" {
            true => FunctionKind::PruneImages,
            false => FunctionKind::TagImage,
        };
        run_under(&fake, KEEPING, Mode::Apply, function, &event);
        let world = fake.world();
        for tags in [&world.images[0].tags, &world.snapshots[0].tags] {
            assert!(tags.has("image-steward:source-instance"), "{tags:?}");
            assert!(!tags.has("ManagedBy") && !tags.has("Team"), "{tags:?}");
        }
        assert!(world.snapshots[0].tags.has("image-steward:image"));
        let reads = fake.calls();
        assert!(!reads.iter().any(|call| matches!(call, Call::FindInstanceTags(_))));
    }
}

/// The listing of a sweep may be minutes old when tagging begins.
#[test]
fn a_value_that_was_written_since_the_listing_stays() {
    let fake = unannounced(1);
    fake.freeze_listings();
    fake.change(|fleet| fleet.images[0].tags = [("Team", "theirs")].into_iter().collect());
    swept(&fake);
    assert_eq!(fake.world().images[0].tags.get("Team"), Some("theirs"));
    assert!(fake.world().images[0].tags.has("ManagedBy"));
    // Deleted after the listing: not tagged, and no failure.
    let fake = unannounced(2);
    fake.freeze_listings();
    fake.change(|fleet| drop(fleet.images.remove(0)));
    let report = swept(&fake);
    assert_eq!(report.counts.unwrap().failed, 0);
    assert!(has_all_tags(&fake.world().images[0].tags));
}

/// A rule that depends on these tags sees them in the next sweep, not in this one.
#[test]
fn tagging_does_not_change_what_the_same_sweep_plans() {
    let policy = KEEPING.replace(
        "keep = { last = 100000 }",
        "match = { tags = { Team = \"web\" } }\nkeep = { last = 1 }",
    );
    let fake = unannounced(3);
    let sweep = || {
        let report = run_under(&fake, &policy, Mode::Apply, FunctionKind::PruneImages, &schedule());
        let summary = pruned(&report).summary.clone();
        (summary.keep, summary.images)
    };
    assert_eq!(sweep(), (3, 3));
    assert_eq!(untagged(&fake), [] as [&str; 0]);
    // Of the three, one is the newest and one is in use.
    assert_eq!(sweep(), (2, 3));
}

#[test]
fn removal_comes_first_when_time_is_short() {
    let fake = unannounced(3);
    // Enough time for the plan and its steps, which ends after an image is tagged as expired.
    let deadline = || {
        let expired = fake.changing_calls().iter().any(|call| match call {
            Call::SetTags(_, tags) => tags.has("image-steward:expired-at"),
            _ => false,
        });
        std::time::Duration::from_secs(if expired { 10 } else { 900 })
    };
    let policy = POLICY.replace("deprecate_after = \"0d\"", "deprecate_after = \"never\"");
    let report =
        run_within(&fake, &policy, Mode::Apply, FunctionKind::PruneImages, &schedule(), &deadline);
    let report = report.unwrap();
    let outcome = &pruned(&report).outcome;
    assert_eq!(outcome.done(StepKind::Expire).count(), 1);
    let late: Vec<_> = outcome.not_reached().map(ToString::to_string).collect();
    assert_eq!(late, ["ami-00000000", "ami-00000001", "ami-00000002"]);
    assert_eq!(outcome.done(StepKind::Tag).count(), 0);
}

#[test]
fn what_could_not_be_tagged_is_reported_and_fails_no_sweep() {
    for (action, steps) in [
        ("ec2:CreateTags", vec!["ami-00000000", "ami-00000001", "snap-00000000", "snap-00000001"]),
        ("ec2:DescribeInstances", vec!["ami-00000000", "ami-00000001"]),
    ] {
        let fake = unannounced(2);
        // After the listings, which a sweep needs for its plan.
        fake.freeze_listings();
        fake.set(Switches::default().and_fail_about(action, "UnauthorizedOperation", "-0000000"));
        let report = swept(&fake);
        let outcome = &pruned(&report).outcome;
        let failed: Vec<_> = outcome.failed().map(|one| one.resource.to_string()).collect();
        assert_eq!(failed, steps, "{action}");
        assert_eq!(outcome.status(), Status::Failed);
        assert_eq!(report.failure, None, "the sweep itself succeeded");
        fake.set(Switches::default());
        swept(&fake);
        assert_eq!(untagged(&fake), [] as [&str; 0]);
    }
    // If all are denied, a few calls find that out.
    let fake = unannounced(150);
    fake.set(Switches::deny(&["ec2:CreateTags"]));
    let report = swept(&fake);
    assert!(fake.changing_calls().len() <= 21, "{}", fake.changing_calls().len());
    assert_eq!(report.counts.unwrap().failed, 300);
}
