//! Retiring tagged instances.

use super::*;

const TAG: &str = "image-steward:retire-when-imaged";

/// An instance with the tag value `asked`, and the image that was created from it.
fn imaged(asked: &str) -> Fake {
    fake(json!({
        "images": [{
            "image_id": "ami-00000002", "name": "web-2", "created_at": "2026-11-22T11:00:00Z",
            "source_instance": "i-00000001", "snapshots": ["snap-00000001"],
        }],
        "instances": [
            {"instance_id": "i-00000001", "image_id": "ami-00000001", "tags": {TAG: asked}},
            {"instance_id": "i-00000002", "image_id": "ami-00000001"},
        ],
    }))
}

fn states(fake: &Fake) -> Vec<String> {
    fake.world().instances.iter().map(|one| one.state.clone()).collect()
}

fn kept(report: &JobReport) -> Vec<String> {
    let Answer::Retired(retired) = &report.answer else { panic!("{report:?}") };
    assert!(retired.retired.is_empty() && retired.not_retired.is_empty(), "{retired:?}");
    let reasons = retired.kept.iter().flat_map(|one| &one.reasons);
    reasons.map(|one| one.in_words(Provider::Aws.words()).to_string()).collect()
}

#[test]
fn stops_the_instance_that_asked_for_it() {
    for (asked, event) in [
        ("ami-00000002", image_event("ami-00000002", "available")),
        ("web-2", image_event("ami-00000002", "available")),
        ("web-2", schedule()),
    ] {
        let fake = imaged(asked);
        let report = run(&fake, FunctionKind::RetireInstance, &event);
        assert_eq!(states(&fake), ["stopped", "running"], "{asked}");
        assert!(matches!(report.events.last(), Some(Event::InstanceRetired(one))
            if one.instance_id == "i-00000001" && one.action == "stop"));
        assert_eq!(report.counts.unwrap().instances_retired, 1);
        // A second run does nothing, because the instance is stopped.
        fake.forget_calls();
        let report = run(&fake, FunctionKind::RetireInstance, &schedule());
        assert_eq!((kept(&report), fake.calls().len()), (vec![], 2), "two listings");
    }
}

#[test]
fn terminates_if_the_policy_says_so() {
    let fake = imaged("web-2");
    let policy = POLICY.replace("\"stop\"", "\"terminate\"");
    let event = image_event("ami-00000002", "available");
    run_under(&fake, &policy, Mode::Apply, FunctionKind::RetireInstance, &event);
    assert_eq!(states(&fake), ["terminated", "running"]);
}

#[test]
fn retires_nothing_unless_the_policy_says_so() {
    let policy = POLICY.replace("[instances]\nretire = \"stop\"\n", "");
    let fake = imaged("web-2");
    let report = run_under(&fake, &policy, Mode::Apply, FunctionKind::RetireInstance, &schedule());
    let [reason] = &kept(&report)[..] else { panic!("{report:?}") };
    assert!(reason.starts_with("the policy does not retire instances"), "{reason}");
    assert_eq!((fake.calls().len(), states(&fake)[0].as_str()), (1, "running"), "one listing");
    assert!(report.counts.is_some(), "a sweep is counted all the same");
    fake.forget_calls();
    let event = image_event("ami-00000002", "available");
    let report = run_under(&fake, &policy, Mode::Apply, FunctionKind::RetireInstance, &event);
    assert!(matches!(&report.answer, Answer::Ignored { reason: found } if found == reason));
    assert_eq!(fake.calls(), []);
}

#[test]
fn only_says_so_in_plan_mode() {
    let fake = imaged("web-2");
    let report = run_under(&fake, POLICY, Mode::Plan, FunctionKind::RetireInstance, &schedule());
    let Answer::Retired(retired) = &report.answer else { panic!() };
    assert_eq!(retired.retired.len(), 1);
    assert_eq!((fake.changing_calls(), states(&fake)[0].as_str()), (vec![], "running"));
    assert_eq!(report.counts.unwrap().instances_retired, 0);
    let [Event::SweepCompleted(_)] = report.events.as_slice() else { panic!() };
}

#[test]
fn leaves_an_instance_whose_image_is_not_really_there() {
    let event = image_event("ami-00000002", "available");
    let retire = |change: fn(&mut steward_tests::fleet::Fleet)| {
        let fake = imaged("web-2");
        fake.change(change);
        let report = run(&fake, FunctionKind::RetireInstance, &event);
        assert_eq!((fake.changing_calls(), states(&fake)[1].as_str()), (vec![], "running"));
        kept(&report)
    };
    assert_eq!(retire(|fleet| fleet.images[0].state = "pending".into()), ["the image is pending"]);
    assert_eq!(
        retire(|fleet| fleet.snapshots[0].state = "pending".into()),
        ["snapshots are incomplete or missing: snap-00000001"]
    );
}

#[test]
fn leaves_an_instance_that_is_protected_or_in_a_group() {
    for (change, reason) in [
        (
            (|one| one.protected = true) as fn(&mut steward_tests::fleet::FleetInstance),
            "termination protection",
        ),
        (|one| one.stop_protected = true, "stop protection"),
        (|one| one.group = Some("web".into()), "part of the Auto Scaling group web"),
        (|one| one.spot_request = Some("sir-1".into()), "part of the Spot request sir-1"),
        (
            |one| one.launched_at = "2026-11-22T11:30:00Z".parse().unwrap(),
            "started at 2026-11-22T11:30:00Z, after the image was created",
        ),
        (|one| one.state = "pending".into(), "the instance is pending"),
    ] {
        let fake = imaged("web-2");
        fake.change(|fleet| change(&mut fleet.instances[0]));
        let report = run(&fake, FunctionKind::RetireInstance, &schedule());
        assert_eq!((kept(&report), fake.changing_calls()), (vec![reason.to_owned()], vec![]));
    }
}

#[test]
fn leaves_an_instance_that_asked_for_another_image() {
    // The image was enabled again long after. The instance did not request retiring for this image.
    for asked in ["ami-00000009", "", "yes", "web"] {
        let fake = imaged(asked);
        let report =
            run(&fake, FunctionKind::RetireInstance, &image_event("ami-00000002", "available"));
        assert_eq!(kept(&report), [] as [&str; 0]);
        let report = run(&fake, FunctionKind::RetireInstance, &schedule());
        assert_eq!(kept(&report), [format!("image `{asked}` not found")]);
        assert_eq!(fake.changing_calls(), []);
    }
    let fake = imaged("web-2");
    fake.change(|fleet| fleet.images[0].source_instance = Some("i-00000002".parse().unwrap()));
    let report = run(&fake, FunctionKind::RetireInstance, &schedule());
    assert_eq!(kept(&report), ["the image was created from i-00000002"]);
}

type InstanceChange = fn(&mut steward_tests::fleet::Fleet);

/// A change between the listing and the step.
#[test]
fn looks_again_right_before_the_step() {
    let changes: [(InstanceChange, &str); 7] = [
        (|fleet| fleet.images.clear(), "image `web-2` not found"),
        (|fleet| fleet.images[0].state = "disabled".into(), "the image is disabled"),
        (|fleet| set(fleet, "image-steward:keep", ""), "excluded by tag"),
        (|fleet| set(fleet, TAG, "web-3"), "image `web-3` not found"),
        (
            |fleet| fleet.instances[0].tags = Tags::default(),
            "the tag that requests retirement was removed",
        ),
        (
            |fleet| fleet.instances[0].launched_at = "2026-11-22T11:59:00Z".parse().unwrap(),
            "started at 2026-11-22T11:59:00Z, after the image was created",
        ),
        (
            |fleet| fleet.instances[0].volumes = vec!["vol-00000009".into()],
            "volumes would be deleted but are not in the image: vol-00000009",
        ),
    ];
    let policy = POLICY.replace("\"stop\"", "\"terminate\"");
    for (change, reason) in changes {
        let fake = imaged("web-2");
        fake.freeze_listings();
        fake.change(change);
        let report =
            run_under(&fake, &policy, Mode::Apply, FunctionKind::RetireInstance, &schedule());
        assert_eq!((kept(&report), fake.changing_calls()), (vec![reason.to_owned()], vec![]));
    }
    let fake = imaged("web-2");
    fake.freeze_listings();
    fake.change(|fleet| fleet.instances.clear());
    let report = run(&fake, FunctionKind::RetireInstance, &schedule());
    assert_eq!((kept(&report), fake.changing_calls()), (vec![], vec![]));
}

fn set(fleet: &mut steward_tests::fleet::Fleet, key: &str, value: &str) {
    let tags = &mut fleet.instances[0].tags;
    *tags = tags.with(&[(key, value)].into_iter().collect());
}

#[test]
fn says_that_a_sweep_succeeded_in_part() {
    let fake = imaged("web-2");
    fake.change(|fleet| {
        let mut other = fleet.instances[0].clone();
        other.instance_id = "i-00000003".parse().unwrap();
        fleet.instances.push(other);
        let mut image = fleet.images[0].clone();
        image.image_id = "ami-00000003".parse().unwrap();
        image.name = Some("web-3".into());
        image.source_instance = Some("i-00000003".parse().unwrap());
        fleet.images.push(image);
        set(fleet, TAG, "web-2");
        fleet.instances[2].tags = [(TAG, "web-3")].into_iter().collect();
    });
    fake.fail("ec2:StopInstances", 1, "InternalError");
    let report = run(&fake, FunctionKind::RetireInstance, &schedule());
    let Event::SweepCompleted(sweep) = &report.events[0] else { panic!("{report:?}") };
    let counts = (sweep.counts.instances_retired, sweep.counts.failed);
    assert_eq!((sweep.status.as_str(), counts), ("part", (1, 1)));
    assert_eq!(report.failure, None, "the next sweep completes it");
}

/// After the event, no other may arrive for a long time.
#[test]
fn an_event_that_succeeded_in_part_is_retried() {
    let fake = imaged("web-2");
    fake.change(|fleet| {
        let mut other = fleet.instances[0].clone();
        other.instance_id = "i-00000003".parse().unwrap();
        fleet.instances.push(other);
    });
    let event = image_event("ami-00000002", "available");
    let failing = "ec2:DescribeInstanceAttribute";
    fake.set(steward_tests::switches::Switches::default().and_fail_about(
        failing,
        "InternalError",
        "i-00000003",
    ));
    let report = run(&fake, FunctionKind::RetireInstance, &event);
    assert_eq!(states(&fake), ["stopped", "running", "running"]);
    let error = report.failure.unwrap().to_string();
    assert!(error.starts_with("1 step failed, 1 succeeded; first error: "), "{error}");
}

#[test]
fn leaves_the_rest_to_the_next_run_when_the_time_is_over() {
    let fake = imaged("web-2");
    let late = || std::time::Duration::from_secs(14);
    let report =
        run_within(&fake, POLICY, Mode::Apply, FunctionKind::RetireInstance, &schedule(), &late);
    let Ok(JobReport { answer: Answer::Retired(retired), .. }) = report else { panic!() };
    let results: Vec<_> = retired.not_retired.iter().map(|one| &one.result).collect();
    assert_eq!(results, [&StepResult::NotReached]);
    assert_eq!(fake.changing_calls(), []);
}

#[test]
fn keeps_what_it_could_not_look_at() {
    for action in [
        "ec2:DescribeInstanceAttribute",
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:DescribeSnapshots",
    ] {
        let fake = imaged("web-2");
        fake.fail(action, 1, "InternalError");
        let report = run(&fake, FunctionKind::RetireInstance, &schedule());
        let Answer::Retired(retired) = &report.answer else { panic!() };
        let failed = retired.not_retired.iter().filter(|one| one.failure().is_some()).count();
        assert_eq!((failed, retired.not_retired.len()), (1, 1), "{action}");
        assert_eq!(fake.changing_calls(), [], "{action}");
        assert!(report.failure.is_some(), "nothing succeeded: the runtime tries again");
    }
}
