//! New images that were announced, and those that were not to be seen yet.

use steward_tests::fleet::Fleet;

use super::*;

/// An `available` event of that time.
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
    for time in [Some("2026-11-22T11:45:00Z"), Some("2026-11-20T12:00:00Z"), None] {
        let report = answer(time).unwrap();
        let Answer::Ignored { reason } = &report.answer else { panic!("{time:?}: {report:?}") };
        assert_eq!(reason, "ami-00000001 is gone");
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
    // Nobody waits: nothing to be retried.
    answer(young, |fleet| fleet.instances.clear()).unwrap();
    answer(young, |fleet| fleet.instances[0].state = "stopped".into()).unwrap();
}
