use jiff::SignedDuration;

use super::*;
use crate::model::{Inventory, SnapshotFate};
use crate::plan::plan;
use crate::plan::snapshots::plan_snapshots;

const NOW: &str = "2026-11-22T12:00:00Z";
const RULE: &str = "[[rule]]\nname = \"web\"\nkeep = { last = 1 }\n";
const AT_ONCE: &str = "retire = { deprecate_after = \"never\", disable_after = \"never\", deregister_after = \"0d\" }\n";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn policy(text: &str) -> (String, Policy) {
    let text =
        format!("version = 1\nsafety.recycle_bin = \"optional\"\nsafety.max_fraction = 1\n{text}");
    let policy = Policy::parse(&text, "test").unwrap();
    (text, policy)
}

/// Images `ami-1` (the newest) to `ami-4`, with the given ages in hours, snapshots and tags.
fn world(images: [(i64, &str, &str); 4]) -> Inventory {
    let images = images.iter().zip(1..).map(|((hours, snapshot, tags), n)| {
        let created = now() - SignedDuration::from_hours(*hours);
        format!(
            r#"{{"image_id":"ami-{n}","name":"web-{n}","owner_id":"123456789012","created_at":"{created}",
                "state":"available","snapshots":["{snapshot}"],"tags":{{{tags}}}}}"#
        )
    });
    let images: Vec<_> = images.collect();
    let text = format!(
        r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"{NOW}","images":[{}],
            "references":[{{"image_id":"ami-9","kind":"instance","arn":"i-1"}}]}}"#,
        images.join(",")
    );
    Inventory::from_json(&text).unwrap()
}

fn ages(hours: [i64; 4]) -> Inventory {
    let [a, b, c, d] = hours;
    world([(a, "snap-1", ""), (b, "snap-2", ""), (c, "snap-3", ""), (d, "snap-4", "")])
}

fn fresh(inventory: &Inventory, policy: &Policy, at: Timestamp) -> FreshPlan {
    FreshPlan {
        images: plan(inventory, policy, at),
        snapshots: plan_snapshots(inventory, policy, at),
    }
}

/// A plan that was computed and saved `ago`.
fn saved(inventory: &Inventory, rules: &str, ago: SignedDuration) -> (SavedPlan, Policy) {
    let (text, policy) = policy(rules);
    let FreshPlan { images, snapshots } = fresh(inventory, &policy, now() - ago);
    (SavedPlan::new(text, "test".to_owned(), images, snapshots), policy)
}

fn compared(saved: &SavedPlan, inventory: &Inventory, policy: &Policy) -> Differences {
    let then = fresh(inventory, policy, saved.plan.planned_at);
    saved.differences(&then, &fresh(inventory, policy, now()))
}

fn actions(plan: &FreshPlan) -> Vec<String> {
    let line = |one: &Decision| format!("{} {}", one.image_id, one.action.kind());
    plan.images.decisions.iter().map(line).collect()
}

#[test]
fn another_format_and_a_field_that_is_not_known_are_refused() {
    let (saved, _) = saved(&ages([1, 2, 3, 4]), RULE, SignedDuration::ZERO);
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(SavedPlan::from_json(&text).unwrap(), saved);
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        SavedPlan::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let reads = "this version of image-steward reads a saved plan with format 1";
    let again = "plan again with this version (`image-steward plan --out FILE`)";
    let format = r#"{"format":1,"#;
    for (number, update) in [(2, "update image-steward, or "), (0, "")] {
        let to = format!(r#"{{"later":1,"format":{number},"#);
        let expected = format!("format {number} is not supported: {reads}; {update}{again}");
        assert_eq!(error(format, &to), expected);
    }
    assert_eq!(error(format, "{"), format!("`format` is missing: {reads}; {again}"));
    for (from, to, path) in [
        (format, r#"{"format":1,"later":1,"#, "unknown field `later`"),
        (r#""summary":{"#, r#""summary":{"later":1,"#, "plan.summary.later: "),
        (r#"{"image_id":"#, r#"{"later":1,"image_id":"#, "plan.decisions[0].later: "),
        (r#"{"reason":"#, r#"{"later":1,"reason":"#, "plan.decisions[0].reasons[0].later: "),
    ] {
        assert!(error(from, to).contains(path), "{}", error(from, to));
    }
}

#[test]
fn it_is_applied_only_under_the_policy_that_the_operator_names() {
    let (saved, _) = saved(&ages([1, 2, 3, 4]), RULE, SignedDuration::ZERO);
    let digest = |text: &str| Policy::parse_with_digest(text, "p").unwrap().1;
    let same = digest(&policy(&format!("# the same\n{RULE}")).0);
    saved.policy(&same, "policy.toml").unwrap();
    let other = digest(&policy(&RULE.replace("last = 1", "last = 2")).0);
    let error = saved.policy(&other, "policy.toml").unwrap_err().to_string();
    for part in [&same.to_string(), &format!("policy.toml has {other}"), "plan again"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_the_file_has_is_done_as_it_is_planned_now() {
    let world = ages([1, 2, 3, 4]);
    let (saved, policy) = saved(&world, &format!("{RULE}{AT_ONCE}"), SignedDuration::from_hours(5));
    let differences = compared(&saved, &world, &policy);
    assert_eq!(differences, Differences::default());
    let now_planned = fresh(&world, &policy, now());
    let agreed = saved.agreed(now_planned.clone());
    let changing = now_planned.images.decisions.iter().filter(|one| one.action.changes());
    assert_eq!(agreed.images.decisions.iter().collect::<Vec<_>>(), changing.collect::<Vec<_>>());
    assert_eq!(agreed.images.planned_at, now());
}

#[test]
fn what_is_not_due_yet_is_not_done_by_a_file_from_the_future() {
    let marked = now() - SignedDuration::from_hours(24) + SignedDuration::from_mins(3);
    let tag = format!(r#""image-steward:expired-at":"{marked}""#);
    let world =
        world([(40, "snap-1", ""), (50, "snap-2", &tag), (60, "snap-3", ""), (70, "snap-4", "")]);
    let retire = "retire = { deprecate_after = \"never\", disable_after = \"never\", deregister_after = \"24h\" }\n";
    let (saved, policy) = saved(&world, &format!("{RULE}{retire}"), SignedDuration::from_mins(-4));
    saved.fits(&place(), now()).unwrap();
    let [early] = &compared(&saved, &world, &policy).changed[..] else { panic!("one differs") };
    assert_eq!((early.resource.to_string().as_str(), early.planned), ("ami-2", "deregister"));
    let Change::Action { action: "wait", .. } = early.change else { panic!("{early:?}") };
}

#[test]
fn what_is_kept_by_now_is_not_removed_by_a_file_from_yesterday() {
    let world = ages([10, 20, 30, 40]);
    // Kept permanently once they are 35 hours old.
    let rule = format!("{RULE}match.not = {{ older_than = \"35h\" }}\n{AT_ONCE}");
    let (saved, policy) = saved(&world, &rule, SignedDuration::from_hours(20));
    let [kept] = &compared(&saved, &world, &policy).changed[..] else { panic!("one differs") };
    assert_eq!((kept.resource.to_string().as_str(), kept.planned), ("ami-4", "deregister"));
    let Change::Action { action: "keep", .. } = kept.change else { panic!("{kept:?}") };
}

#[test]
fn what_a_file_adds_or_says_otherwise_is_a_difference() {
    let world = ages([1, 2, 3, 4]);
    let rule = format!("{RULE}{AT_ONCE}");
    let (honest, policy) = saved(&world, &rule, SignedDuration::ZERO);
    let crafted = |change: &dyn Fn(&mut Decision)| {
        let mut crafted = honest.clone();
        crafted.plan.decisions.iter_mut().for_each(change);
        compared(&crafted, &world, &policy).changed.len()
    };
    assert_eq!(crafted(&|_| {}), 0);
    // Also on the image that is kept.
    let removal = |decision: &Decision| match &decision.action {
        Action::Deregister { removal } => Some(removal.clone()),
        _ => None,
    };
    let some = honest.plan.decisions.iter().find_map(removal).unwrap();
    let count = crafted(&|one| one.action = Action::Deregister { removal: some.clone() });
    // The image that is kept, and the two others, which have another snapshot.
    assert_eq!(count, 3);
    let in_removal = |change: &dyn Fn(&mut Removal)| {
        crafted(&|one| {
            if let Action::Deregister { removal } = &mut one.action {
                change(removal);
            }
        })
    };
    assert_eq!(in_removal(&|one| one.save = Some("ami-2 all".into())), 3);
    assert_eq!(in_removal(&|one| one.delete_after = now()), 3);
    assert_eq!(in_removal(&|one| one.fate = SnapshotFate::DeleteWithImage), 3);
    assert_eq!(in_removal(&|one| one.snapshots = ["snap-1".parse().unwrap()].into()), 3);
    let deprecated = Action::Deprecate { save: "none".into() };
    assert_eq!(crafted(&|one| one.action = deprecated.clone()), 4);
}

#[test]
fn a_file_with_one_of_two_images_does_not_tag_the_snapshot_of_both() {
    let world = world([(1, "snap-1", ""), (2, "snap-2", ""), (3, "snap-3", ""), (4, "snap-3", "")]);
    let (mut saved, policy) = saved(&world, &format!("{RULE}{AT_ONCE}"), SignedDuration::ZERO);
    let both = saved.agreed(fresh(&world, &policy, now()));
    assert_eq!(actions(&both), ["ami-2 deregister", "ami-3 deregister", "ami-4 deregister"]);
    let tagged = |plan: &FreshPlan| {
        let decisions = plan.images.decisions.iter();
        let removed = decisions.filter_map(|one| match &one.action {
            Action::Deregister { removal } => Some(removal.snapshots.to_vec()),
            _ => None,
        });
        let mut all: Vec<String> = removed.flatten().map(|id| id.to_string()).collect();
        all.dedup();
        all
    };
    assert_eq!(tagged(&both), ["snap-2", "snap-3"]);
    saved.plan.decisions.retain(|one| one.image_id != "ami-4".parse().unwrap());
    assert_eq!(compared(&saved, &world, &policy).changed, []);
    let one = saved.agreed(fresh(&world, &policy, now()));
    assert_eq!(actions(&one), ["ami-2 deregister", "ami-3 deregister"]);
    assert_eq!(tagged(&one), ["snap-2"]);
}

/// A snapshot that is due, one that is not due yet, and one that is excluded.
fn snapshots() -> Inventory {
    let snapshot = |n: i64, due_in: i64, more: &str| {
        let due = now() + SignedDuration::from_hours(due_in);
        format!(
            r#"{{"snapshot_id":"snap-{n}","volume_id":"vol-1","locked":false,"shared_with":[],"started_at":"2026-01-01T00:00:00Z",
                "description":"Created by CreateImage(i-1) for ami-{n}","tags":{{"image-steward:image":"ami-{n}",
                "image-steward:delete-after":"{due} marked 2026-11-01T00:00:00Z"{more}}}}}"#
        )
    };
    let all =
        [snapshot(6, -1, ""), snapshot(7, 1, ""), snapshot(8, -1, r#","image-steward:keep":"""#)];
    let mut inventory = ages([1, 2, 3, 4]);
    inventory.snapshots = serde_json::from_str(&format!("[{}]", all.join(","))).unwrap();
    inventory
}

#[test]
fn what_a_file_says_otherwise_about_snapshots_is_a_difference() {
    let world = snapshots();
    let (honest, policy) = saved(&world, RULE, SignedDuration::ZERO);
    let planned = |plan: &SnapshotPlan| {
        let line = |one: &SnapshotDecision| format!("{} {}", one.snapshot_id, one.action);
        plan.decisions.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(planned(&honest.snapshots), ["snap-6 delete", "snap-7 keep", "snap-8 keep"]);
    let changed = |saved: &SavedPlan| compared(saved, &world, &policy).changed;
    let resources = |saved: &SavedPlan| {
        changed(saved).iter().map(|one| one.resource.to_string()).collect::<Vec<_>>()
    };
    let crafted = |change: &dyn Fn(&mut SnapshotDecision)| {
        let mut crafted = honest.clone();
        crafted.snapshots.decisions.iter_mut().for_each(change);
        crafted
    };
    assert_eq!(resources(&honest), [""; 0]);
    let delete = crafted(&|one| one.action = SnapshotAction::Delete);
    assert_eq!(resources(&delete), ["snap-7", "snap-8"]);
    // The parts that are not compared are not applied either.
    let agreed = delete.agreed(fresh(&world, &policy, now()));
    assert_eq!(planned(&agreed.snapshots), planned(&honest.snapshots));
    let tagged = crafted(&|one| one.action = SnapshotAction::Mark);
    assert_eq!(resources(&tagged), ["snap-6", "snap-7", "snap-8"]);
    let sooner = crafted(&|one| one.delete_after = Some(now() - SignedDuration::from_hours(99)));
    assert_eq!(resources(&sooner), ["snap-6"]);
    let other = crafted(&|one| one.image = Some("ami-1".parse().unwrap()));
    assert_eq!(resources(&other), ["snap-6"]);
    let mut fewer = honest.clone();
    fewer.snapshots.decisions.clear();
    assert_eq!(resources(&fewer), [""; 0]);
    let agreed = fewer.agreed(fresh(&world, &policy, now()));
    assert_eq!(planned(&agreed.snapshots), [""; 0]);
}

#[test]
fn it_is_valid_for_a_day_and_until_then() {
    let (inventory, hour) = (ages([1, 2, 3, 4]), SignedDuration::from_hours(1));
    for (ago, validity) in [
        (hour * 24, Validity::Valid),
        (hour * 24 + SignedDuration::from_secs(1), Validity::TooOld),
        (-SignedDuration::from_mins(5), Validity::Valid),
        (-SignedDuration::from_mins(6), Validity::TooSoon),
    ] {
        let (saved, _) = saved(&inventory, RULE, ago);
        assert_eq!(saved.validity(now()), validity, "{ago}");
        assert_eq!(saved.fits(&place(), now()).is_ok(), validity == Validity::Valid, "{ago}");
        assert_eq!(saved.valid_until() >= now(), validity != Validity::TooOld, "{ago}");
    }
}

fn place() -> AccountRegion {
    AccountRegion {
        account: "123456789012".parse().unwrap(),
        region: Some("eu-central-1".parse().unwrap()),
    }
}
