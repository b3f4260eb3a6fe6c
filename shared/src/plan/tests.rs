use super::reason::Cap;
use super::*;

fn policy(text: &str) -> Policy {
    Policy::parse(&format!("version = 1\n{text}"), "test").unwrap()
}

/// An inventory with the images `ami-1` (the newest) to `ami-N`, one day apart, and one reference.
fn world(images: u32) -> Inventory {
    let images = (1..=images).map(|n| {
        format!(
            r#"{{"image_id":"ami-{n}","name":"web-{n}","owner_id":"123456789012","created_at":"{}",
                "state":"available","architecture":"x86_64","snapshots":["snap-{n}"]}}"#,
            now() - jiff::SignedDuration::from_hours(24 * i64::from(n))
        )
    });
    let images: Vec<_> = images.collect();
    let text = format!(
        r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"{}","images":[{}],
            "references":[{{"image_id":"ami-elsewhere","kind":"instance","arn":"i-1"}}]}}"#,
        now(),
        images.join(",")
    );
    Inventory::from_json(&text).unwrap()
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn words(plan: &Plan) -> Vec<String> {
    let word = |decision: &Decision| format!("{} {}", decision.image_id, decision.action.kind());
    plan.decisions.iter().map(word).collect()
}

const AT_ONCE: &str =
    "[[rule]]\nname = \"all\"\nkeep = { last = 2 }\nretire = { deregister_after = \"0d\" }\n";

#[test]
fn caps_defer_the_newest_and_name_the_cap() {
    let policy = policy(&format!("{AT_ONCE}[safety]\nmax_per_run = 2\nmax_fraction = 1.0\n"));
    let found = plan(&world(6), &policy, now());
    let expected = [
        "ami-1 keep",
        "ami-2 keep",
        "ami-3 deprecate",
        "ami-4 deprecate",
        "ami-5 deregister",
        "ami-6 deregister",
    ];
    assert_eq!(words(&found), expected);
    assert_eq!(found.decisions[2].reasons[1], Reason::Deferred { cap: Cap::MaxPerRun, limit: 2 });
    assert_eq!(found.summary.deferred, 2);
}

#[test]
fn the_fraction_is_rounded_up_and_named_if_it_is_lower() {
    let policy = policy(&format!("{AT_ONCE}[safety]\nmax_fraction = 0.2\n"));
    let found = plan(&world(6), &policy, now());
    assert_eq!(found.summary.deregister, 2);
    assert_eq!(found.decisions[2].reasons[1], Reason::Deferred { cap: Cap::MaxFraction, limit: 2 });
}

#[test]
fn unread_sources_and_too_few_references_cause_a_refusal() {
    let policy = policy(AT_ONCE);
    let mut unread = world(6);
    unread.unread.push(serde_json::from_str(r#""instances""#).unwrap());
    let mut alone = world(6);
    alone.references.clear();
    for (world, refusal) in [
        (&unread, Refusal::Unread { sources: unread.unread.clone() }),
        (&alone, Refusal::TooFewReferences { seen: 0, at_least: 1 }),
    ] {
        let found = plan(world, &policy, now());
        assert_eq!(found.refusal, Some(refusal));
        let removing = |d: &&Decision| !matches!(d.action, Action::Keep | Action::Wait);
        assert_eq!(found.decisions.iter().find(removing), None);
        assert_eq!(found.decisions[2].reasons.last(), Some(&Reason::Refused));
    }
    assert_eq!(plan(&world(0), &policy, now()).refusal, None);
}

#[test]
fn a_shared_snapshot_is_deleted_with_its_last_image() {
    let policy = policy(&format!("{AT_ONCE}[safety]\nmax_fraction = 1.0\n"));
    let mut world = world(5);
    let shared =
        |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect::<Box<[SnapshotId]>>();
    world.images[1].snapshots = shared(&["snap-kept"]);
    world.images[2].snapshots = shared(&["snap-kept", "snap-3"]);
    world.images[3].snapshots = shared(&["snap-both"]);
    world.images[4].snapshots = shared(&["snap-both"]);
    let found = plan(&world, &policy, now());
    let tagged: Vec<_> = found
        .decisions
        .iter()
        .filter_map(|decision| match &decision.action {
            Action::Deregister { removal } => {
                Some(removal.snapshots.iter().map(SnapshotId::as_str).collect::<Vec<_>>())
            }
            _ => None,
        })
        .collect();
    assert_eq!(tagged, [vec!["snap-3"], vec!["snap-both"], vec!["snap-both"]]);
}

#[test]
fn an_excluded_snapshot_is_not_deleted_with_its_image() {
    let policy = policy(
        "[[rule]]\nname = \"all\"\nkeep = { last = 1 }\nretire = { deregister_after = \"0d\", delete_snapshots_after = \"0d\" }\n[safety]\nmax_fraction = 1.0\n",
    );
    let mut world = world(3);
    world.snapshots = serde_json::from_str(
        r#"[{"snapshot_id":"snap-2","tags":{"image-steward:keep":"yes"}},{"snapshot_id":"snap-3"}]"#,
    )
    .unwrap();
    let fates: Vec<_> = plan(&world, &policy, now())
        .decisions
        .iter()
        .filter_map(|decision| match &decision.action {
            Action::Deregister { removal } => Some(removal.fate),
            _ => None,
        })
        .collect();
    assert_eq!(fates, [SnapshotFate::DeleteLater, SnapshotFate::DeleteWithImage]);
}

#[test]
fn a_shared_snapshot_is_kept_for_the_longest_time() {
    let policy = policy(
        "[[rule]]\nname = \"a\"\nmatch = { name = \"web-[12]\" }\nkeep = { last = 1 }\nretire = { deregister_after = \"0d\", delete_snapshots_after = \"0d\" }\n\
         [[rule]]\nname = \"b\"\nkeep = { last = 1 }\nretire = { deregister_after = \"0d\", delete_snapshots_after = \"30d\" }\n[safety]\nmax_fraction = 1.0\n",
    );
    let mut world = world(4);
    for image in &mut world.images {
        image.snapshots = ["snap-all".parse().unwrap()].into();
    }
    world.images[0].snapshots = Box::default();
    world.images[2].snapshots = Box::default();
    let removals: Vec<_> = plan(&world, &policy, now())
        .decisions
        .into_iter()
        .filter_map(|decision| match decision.action {
            Action::Deregister { removal } => Some(removal),
            _ => None,
        })
        .collect();
    assert_eq!(removals.len(), 2);
    for removal in removals {
        assert_eq!(removal.delete_after.to_string(), "2026-12-22T12:00:00Z");
        assert_eq!(removal.fate, SnapshotFate::DeleteLater);
        assert_eq!(removal.snapshots.len(), 1);
    }
}

#[test]
fn snapshots_of_other_services_are_not_changed() {
    let policy = policy(
        "[[rule]]\nname = \"all\"\nkeep = { last = 1 }\nretire = { deregister_after = \"0d\", delete_snapshots_after = \"0d\" }\n[safety]\nmax_fraction = 1.0\n",
    );
    let mut world = world(2);
    world.snapshots = serde_json::from_str(
        r#"[{"snapshot_id":"snap-2","tags":{"dlm:managed":"true","image-steward:image":"ami-gone","image-steward:delete-after":"2026-01-01T00:00:00Z marked 2025-12-25T00:00:00Z"}}]"#,
    )
    .unwrap();
    let found = plan(&world, &policy, now());
    let Action::Deregister { removal } = &found.decisions[1].action else { panic!("{found:?}") };
    assert_eq!(removal.fate, SnapshotFate::DeleteLater);
    assert_eq!(removal.snapshots, Box::default());
    world.images.clear();
    let reaping = snapshots::plan_snapshots(&world, &policy, now());
    let by = reason::Manager::DataLifecycleManager;
    assert_eq!(reaping.decisions[0].reasons, [snapshots::SnapshotReason::ManagedElsewhere { by }]);
}

#[test]
fn a_copied_snapshot_with_copied_tags_is_kept() {
    let mut world = world(0);
    world.recycled_images = Some(Vec::new());
    world.snapshots = serde_json::from_str(
        r#"[{"snapshot_id":"snap-2","started_at":"2026-01-01T00:00:00Z","volume_id":"vol-ffffffff",
            "description":"Created by CreateImage(i-1) for ami-gone",
            "tags":{"image-steward:image":"ami-gone","image-steward:delete-after":"2026-01-09T00:00:00Z marked 2026-01-02T00:00:00Z"}}]"#,
    )
    .unwrap();
    let orphans = format!("{AT_ONCE}[orphans]\ndelete_after = \"1d\"\n");
    let reasons = |world: &Inventory| {
        let plan = snapshots::plan_snapshots(world, &policy(&orphans), now());
        let decision = plan.decisions.into_iter().next().unwrap();
        (decision.action, decision.reasons)
    };
    let image = "ami-gone".parse().unwrap();
    let unverified = snapshots::SnapshotReason::OriginUnverified { image };
    assert_eq!(reasons(&world), (snapshots::SnapshotAction::Keep, vec![unverified]));
    world.snapshots[0].volume_id = Some("vol-1".into());
    assert_eq!(reasons(&world).0, snapshots::SnapshotAction::Delete);
}

#[test]
fn a_rescue_removes_delete_after_from_snapshots() {
    let policy = policy(AT_ONCE);
    let mut world = world(2);
    world.images[0].tags =
        [("image-steward:expired-at", "2026-11-01T00:00:00Z")].into_iter().collect();
    world.snapshots = serde_json::from_str(
        r#"[{"snapshot_id":"snap-2","tags":{"image-steward:delete-after":"2026-11-01T00:00:00Z marked 2026-10-25T00:00:00Z"}}]"#,
    )
    .unwrap();
    let found = plan(&world, &policy, now());
    assert_eq!(found.decisions[0].action, Action::Rescue(Undo::default()));
    assert_eq!(
        found.decisions[1].action,
        Action::Rescue(Undo { unmark: ["snap-2".parse().unwrap()].into(), ..Undo::default() })
    );
}

#[test]
fn a_state_tag_of_an_unknown_form_prevents_steps() {
    let policy = policy(AT_ONCE);
    let world = world(20);
    let found = plan(&world, &policy, now());
    let mut goes = found.decisions.iter().filter(|one| one.action.kind() == "deregister");
    let goes = goes.next().unwrap();
    let checked = |tags: &[(&str, &str)]| {
        let image = world.images.iter().find(|one| one.image_id == goes.image_id).unwrap();
        let image = Image { tags: tags.iter().copied().collect(), ..image.clone() };
        let kept = recheck(goes, &image, &world.account, &[], &policy, now());
        kept.iter().map(Reason::kind).collect::<Vec<_>>()
    };
    assert_eq!(checked(&[]), [""; 0]);
    assert_eq!(checked(&[("image-steward:held-by", "a scan")]), ["state_tag_unknown"]);
    assert_eq!(checked(&[("image-steward:expired-at", "2")]), ["state_tag_unreadable"]);
}

#[test]
fn a_plan_round_trips_through_json() {
    let found = plan(&world(6), &policy(AT_ONCE), now());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), found);
}

#[test]
fn sizes_exclude_snapshots_of_kept_images() {
    let policy = policy(
        "[[rule]]\nname = \"all\"\nkeep = { last = 2 }\nretire = { deregister_after = \"9d\" }\n",
    );
    let mut world = world(4);
    // Image 3 shares a snapshot with image 1, which is kept. Image 4 shares one with image 3.
    world.images[2].snapshots = ["snap-1", "snap-3"].map(|id| id.parse().unwrap()).into();
    world.images[3].snapshots = ["snap-3", "snap-4"].map(|id| id.parse().unwrap()).into();
    for (id, size) in [("snap-1", 100), ("snap-2", 50), ("snap-3", 8), ("snap-4", 1)] {
        let mut snapshot = crate::model::Snapshot::new(id.parse().unwrap());
        snapshot.size_gib = Some(size);
        world.snapshots.push(snapshot);
    }
    let summary = plan(&world, &policy, now()).summary;
    assert_eq!((summary.keep, summary.deregister, summary.snapshots_gib), (2, 0, 0));
    assert_eq!(summary.expired_gib, 9);
}
