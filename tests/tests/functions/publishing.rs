//! Published events.

use std::collections::BTreeMap;

use steward::cloud::MAX_BATCH_BYTES;
use steward::events::{EventHeader, ImageTagged};

use super::*;

/// Two expired images of one family, one of which expired long ago, and an instance.
fn family() -> Fake {
    fake(json!({
        "images": [
            {"image_id": "ami-00000001", "created_at": "2026-10-01T00:00:00Z",
             "snapshots": ["snap-00000001"],
             "state": "disabled", "deprecation_time": "2026-11-08T00:00:00Z",
             "tags": {"image-steward:expired-at": "2026-11-01T00:00:00Z",
                      "image-steward:deprecation": "ami-00000001 none disabled 2026-11-08T00:00:00Z",
                      "image-steward:launch-permissions": "ami-00000001 none"}},
            {"image_id": "ami-00000002", "created_at": "2026-10-02T00:00:00Z"},
            {"image_id": "ami-00000003", "created_at": "2026-10-03T00:00:00Z"},
        ],
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000003"}],
    }))
}

#[test]
fn says_what_happened_to_each_image_and_what_comes_next() {
    let fake = family();
    let report = run(&fake, FunctionKind::PruneImages, &schedule());
    let types: Vec<_> = report.events.iter().map(Event::detail_type).collect();
    assert_eq!(
        types,
        [
            "Sweep Completed",
            "Image Expired",
            "Image Deprecated",
            "Image Deregistered",
            "Snapshot Deleted",
        ]
    );
    let Event::ImageExpired(step) = &report.events[1] else { panic!() };
    let next = step.next.as_ref().unwrap();
    assert_eq!((next.action.as_str(), next.at.as_str()), ("deprecate", "2026-11-22T12:00:00Z"));
    let Event::ImageDeprecated(step) = &report.events[2] else { panic!() };
    assert_eq!((step.image_id.as_str(), step.rule.as_deref()), ("ami-00000002", Some("all")));
    let [reason] = &step.reasons[..] else { panic!("{step:?}") };
    assert_eq!((reason.reason.as_str(), reason.text.as_str()), ("expired", "expired: 2nd of 2"));
    let json = json!({"reason": "expired", "text": "expired: 2nd of 2", "rank": 2, "of": 2});
    assert_eq!(serde_json::to_value(reason).unwrap(), json);
    let next = step.next.as_ref().unwrap();
    assert_eq!((next.action.as_str(), next.at.as_str()), ("disable", "2026-11-29T12:00:00Z"));
    assert_eq!(step.opt_out_tag, "image-steward:keep");
    let Event::SnapshotDeleted(gone) = &report.events[4] else { panic!() };
    assert_eq!(
        (gone.snapshot_id.as_str(), gone.image_id.as_deref(), gone.size_gib),
        ("snap-00000001", Some("ami-00000001"), Some(8))
    );
    let counts = report.counts.unwrap();
    assert_eq!((counts.images_seen, counts.images_in_use, counts.images_kept), (3, 1, 1));
    assert_eq!((counts.images_deregistered, counts.gib_freed), (1, 8));
}

#[test]
fn says_nothing_of_images_in_plan_mode() {
    let fake = family();
    let report = run_under(&fake, POLICY, Mode::Plan, FunctionKind::PruneImages, &schedule());
    let [Event::SweepCompleted(sweep)] = report.events.as_slice() else { panic!() };
    assert_eq!((sweep.mode.as_str(), sweep.status.as_str()), ("plan", "done"));
}

#[test]
fn says_what_has_no_effect() {
    let pins: Vec<_> = (0..30).map(|number| format!("\"ami-1{number:07}\"")).collect();
    let pins = format!("[safety]\nmin_references = 0\npinned = [{}]\n", pins.join(", "));
    let rule =
        "[[rule]]\nname = \"payments\"\nmatch = { tags = { team = \"*\" } }\nkeep = { last = 1 }\n";
    let policy = POLICY.replace("[[rule]]", &format!("{rule}[[rule]]"));
    let policy = policy.replace("[safety]\n", &pins);
    let fake = fake(json!({"images": [{"image_id": "ami-00000001", "tags": {"Team": "a\nb"}}]}));
    let report = run_under(&fake, &policy, Mode::Plan, FunctionKind::PruneImages, &schedule());
    let [Event::SweepCompleted(sweep)] = report.events.as_slice() else { panic!("{report:?}") };
    assert_eq!((sweep.notes.len(), sweep.header.omitted), (20, 11));
    let first = &sweep.notes[0];
    assert_eq!((first.note.as_str(), first.warning), ("rule_matches_nothing", true));
    let said = "rule payments: no image matches; 1 image has the tag `Team`, but none has `team`";
    assert_eq!(first.text, said);
    // A run without snapshots has no such field.
    let report = run_under(&fake, POLICY, Mode::Plan, FunctionKind::PruneImages, &schedule());
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let completed = report.events.last().unwrap().message(&target).unwrap();
    assert!(!completed.detail.contains("notes"), "{}", completed.detail);
}

#[test]
fn says_why_a_sweep_refused_in_both_modes() {
    for mode in [Mode::Plan, Mode::Apply] {
        let fake = family();
        fake.change(|fleet| fleet.instances.clear());
        let report = run_under(&fake, POLICY, mode, FunctionKind::PruneImages, &schedule());
        let [Event::SweepRefused(refused), Event::SweepCompleted(sweep), ..] =
            report.events.as_slice()
        else {
            panic!("{:?}", report.events)
        };
        assert_eq!(refused.refusal.reason, "too_few_references");
        assert!(refused.refusal.text.contains("reference"), "{:?}", refused.refusal);
        assert_eq!((sweep.status.as_str(), sweep.counts.refused), ("refused", 1));
    }
}

#[test]
fn says_nothing_of_a_sweep_when_it_looks_at_one_image_only() {
    let fake = fake(json!({
        "images": [{"image_id": "ami-00000003"}],
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000003"}],
    }));
    let event = image_event("ami-00000001", "deregistered");
    let report = run(&fake, FunctionKind::ReapSnapshots, &event);
    assert_eq!(report.events, []);
    let report = run(&fake, FunctionKind::ReapSnapshots, &schedule());
    assert!(matches!(report.events[..], [Event::SweepCompleted(_)]), "{report:?}");
}

#[test]
fn counts_what_nobody_took() {
    let fake = family();
    let report = run(&fake, FunctionKind::PruneImages, &schedule());
    fake.set(steward_tests::switches::Switches::deny(&["events:PutEvents"]));
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let published =
        runtime.block_on(publish(&fake, "default", &target, &report.events, &NoDeadline));
    assert_eq!((published.sent, published.lost), (0, 5));
    assert_eq!(fake.messages(), []);
}

#[test]
fn names_what_each_message_is_about() {
    let fake = family();
    let report = run(&fake, FunctionKind::PruneImages, &schedule());
    fake.forget_calls();
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(publish(&fake, "desk", &target, &report.events, &NoDeadline));
    let [Call::Put(bus, messages)] = &fake.calls()[..] else { panic!() };
    assert_eq!(bus, "desk");
    let arns: Vec<_> = messages.iter().flat_map(|one| &one.resources).collect();
    assert_eq!(
        arns,
        [
            "arn:aws:ec2:eu-central-1::image/ami-00000002",
            "arn:aws:ec2:eu-central-1::image/ami-00000002",
            "arn:aws:ec2:eu-central-1::image/ami-00000001",
            "arn:aws:ec2:eu-central-1::snapshot/snap-00000001",
        ]
    );
}

/// Names and tags are written by others, and may be long.
#[test]
fn is_within_the_limits_of_a_bus_and_shows_every_character() {
    let header = EventHeader { version: 1, account: "1".into(), region: "r".into(), omitted: 0 };
    let tags = BTreeMap::from([("Team".to_owned(), "a\nb".to_owned() + &"x".repeat(250))]);
    let tags: BTreeMap<_, _> = (0..2_000).map(|n| (format!("snap-{n}"), tags.clone())).collect();
    let event = Event::ImageTagged(ImageTagged { header, image_id: "ami-1".into(), tags });
    let target = AccountRegion {
        account: "123456789012".parse().unwrap(),
        region: Some("eu-central-1".parse().unwrap()),
    };
    let message = event.message(&target).unwrap();
    assert!(message.bytes() <= MAX_BATCH_BYTES, "{}", message.bytes());
    let detail: Value = serde_json::from_str(&message.detail).unwrap();
    let left = detail["tags"].as_object().unwrap();
    assert_eq!(detail["omitted"], json!(2_000 - left.len()));
    let shown = left["snap-0"]["Team"].as_str().unwrap();
    assert!(shown.starts_with("a\\u{a}bx"), "{shown}");
}
