//! Recording who created an image.

use super::*;

fn new_image() -> Value {
    json!({
        "images": [{"image_id": "ami-00000001", "snapshots": ["snap-00000001", "snap-00000002"]}],
    })
}

/// The creator, from the tags of the image and of its snapshots.
fn creators(fake: &Fake) -> Vec<Option<String>> {
    let world = fake.world();
    let images = world.images.iter().map(|one| &one.tags);
    let all: Vec<&Tags> = images.chain(world.snapshots.iter().map(|one| &one.tags)).collect();
    all.iter().map(|tags| tags.get("image-steward:created-by").map(Into::into)).collect()
}

fn all_by_alice() -> Vec<Option<String>> {
    vec![Some(ALICE.to_owned()); 3]
}

#[test]
fn is_written_down_when_the_image_is_available_already() {
    let fake = fake(new_image());
    let report = run(&fake, FunctionKind::TagImage, &image_event("ami-00000001", "available"));
    assert_eq!(creators(&fake), [None, None, None]);
    assert_eq!(report.counts.unwrap().images_tagged, 1);
    let report = run(&fake, FunctionKind::TagImage, &made("ami-00000001", "CreateImage"));
    assert_eq!(creators(&fake), all_by_alice());
    assert_eq!(report.counts.as_ref().unwrap().images_tagged, 0, "it is no new image");
    let [Event::ImageTagged(tagged)] = report.events.as_slice() else { panic!("{report:?}") };
    assert_eq!(tagged.tags.len(), 3);
}

#[test]
fn is_written_down_when_the_call_is_heard_of_first() {
    let fake = fake(new_image());
    fake.change(|fleet| {
        fleet.images[0].state = "pending".into();
        fleet.images[0].snapshots.clear();
    });
    run(&fake, FunctionKind::TagImage, &made("ami-00000001", "CopyImage"));
    assert_eq!(creators(&fake), [Some(ALICE.to_owned()), None, None]);
    fake.change(|fleet| {
        fleet.images[0].state = "available".into();
        fleet.images[0].snapshots =
            ["snap-00000001", "snap-00000002"].map(|id| id.parse().unwrap()).into();
    });
    run(&fake, FunctionKind::TagImage, &image_event("ami-00000001", "available"));
    assert_eq!(creators(&fake), all_by_alice());
}

#[test]
fn is_written_once() {
    let fake = fake(new_image());
    run(&fake, FunctionKind::TagImage, &made("ami-00000001", "RegisterImage"));
    fake.forget_calls();
    let mut again = made("ami-00000001", "RegisterImage");
    run(&fake, FunctionKind::TagImage, &again);
    again["detail"]["userIdentity"]["arn"] = json!("arn:aws:iam::123456789012:user/mallory");
    run(&fake, FunctionKind::TagImage, &again);
    assert_eq!(fake.changing_calls(), []);
    assert_eq!(creators(&fake), all_by_alice());
}

#[test]
fn who_is_named_by_the_image_itself_is_believed_and_its_snapshots_say_the_same() {
    let fake = fake(new_image());
    fake.change(|fleet| {
        fleet.images[0].tags = [("image-steward:created-by", "team-web")].into_iter().collect();
    });
    run(&fake, FunctionKind::TagImage, &made("ami-00000001", "CreateImage"));
    assert_eq!(creators(&fake), vec![Some("team-web".to_owned()); 3]);
}

#[test]
fn is_cut_to_what_a_tag_holds_whichever_event_comes_first() {
    let long = format!("arn:aws:iam::123456789012:user/{}/alice", "x".repeat(300));
    let mut event = made("ami-00000001", "CreateImage");
    event["detail"]["userIdentity"]["arn"] = json!(long);
    for first in [None, Some(image_event("ami-00000001", "available"))] {
        let fake = fake(new_image());
        if let Some(first) = first {
            run(&fake, FunctionKind::TagImage, &first);
        }
        let report = run(&fake, FunctionKind::TagImage, &event);
        let Answer::Tagged(tagged) = report.answer else { panic!() };
        assert_eq!(tagged.dropped, []);
        assert_eq!(creators(&fake), vec![Some(long[..256].to_owned()); 3]);
    }
}

#[test]
fn is_written_in_one_line_of_what_can_be_seen() {
    let fake = fake(new_image());
    let mut event = made("ami-00000001", "CreateImage");
    event["detail"]["userIdentity"]["arn"] = json!("arn:alice\nTeam=red\u{202e}");
    run(&fake, FunctionKind::TagImage, &event);
    let shown = "arn:alice\\u{a}Team=red\\u{202e}".to_owned();
    assert_eq!(creators(&fake), vec![Some(shown); 3]);
}

#[test]
fn is_asked_for_again_while_the_image_is_not_to_be_seen_yet() {
    let fake = fake(json!({}));
    let event_of = |time: &str| {
        let mut event = made("ami-00000001", "CreateImage");
        event["detail"]["eventTime"] = json!(time);
        run_within(&fake, POLICY, Mode::Apply, FunctionKind::TagImage, &event, &NoDeadline)
    };
    let error = event_of("2026-11-22T11:45:30Z").unwrap_err();
    assert_eq!(error, JobError::NotVisibleYet("ami-00000001".parse().unwrap()));
    let report = event_of("2026-11-22T11:44:30Z").unwrap();
    assert!(matches!(report.answer, Answer::Ignored { .. }), "it is gone by now");
}

#[test]
fn is_only_said_in_plan_mode() {
    let fake = fake(new_image());
    let event = made("ami-00000001", "CreateImage");
    let report = run_under(&fake, POLICY, Mode::Plan, FunctionKind::TagImage, &event);
    let Answer::Tagged(tagged) = report.answer else { panic!() };
    assert_eq!(tagged.tagged.len(), 3, "{tagged:?}");
    assert_eq!((fake.changing_calls(), report.events), (vec![], vec![]));
}

#[test]
fn needs_a_call_that_made_an_image_of_ours() {
    let fake = fake(json!({
        "images": [{"image_id": "ami-00000001", "owner_id": "999999999999"}],
    }));
    let mut failed = made("ami-00000001", "CreateImage");
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let mut old = made("ami-0000ffff", "CreateImage");
    old["time"] = json!("2026-11-22T11:00:00Z");
    let mut elsewhere = made("ami-00000001", "CreateImage");
    elsewhere["detail"]["awsRegion"] = json!("us-east-1");
    for (event, why) in [
        (made("ami-00000001", "CreateImage"), "belongs to another account"),
        (old, "no longer exists"),
        (made("ami-00000001", "RunInstances"), "call RunInstances in CloudTrail"),
        (made("i-1", "CreateImage"), "detail.responseElements.imageId"),
        (failed, "failed call CreateImage: Client.UnauthorizedOperation"),
        (elsewhere, "from the Region \"us-east-1\""),
    ] {
        let report = run(&fake, FunctionKind::TagImage, &event);
        let Answer::Ignored { reason: found } = &report.answer else { panic!("{report:?}") };
        assert!(found.contains(why), "{found}");
        assert_eq!(report.counts, None);
    }
    assert_eq!(fake.changing_calls(), []);
}

#[test]
fn is_not_written_when_nobody_is_named_and_the_image_is_tagged_all_the_same() {
    for identity in [json!({"type": "Unknown"}), json!({}), json!(null)] {
        for call in ["CreateImage", "CreateRestoreImageTask"] {
            let mut event = made("ami-00000001", call);
            event["detail"]["userIdentity"] = identity.clone();
            let fake = fake(new_image());
            run(&fake, FunctionKind::TagImage, &event);
            assert_eq!(creators(&fake), [None, None, None], "{identity}");
            assert!(fake.world().images[0].tags.has("ManagedBy"), "{identity}");
            // The image's own event changes nothing else.
            let after = fake.world();
            run(&fake, FunctionKind::TagImage, &image_event("ami-00000001", "available"));
            assert_eq!(fake.world(), after);

            // Too early for tagging. The event that the image is available does that.
            fake.change(|fleet| *fleet = serde_json::from_value(new_image()).unwrap());
            fake.change(|fleet| fleet.images[0].state = "pending".into());
            let report = run(&fake, FunctionKind::TagImage, &event);
            assert!(matches!(report.answer, Answer::Ignored { .. }), "{report:?}");
        }
    }
}
