//! Applying a plan after the account has changed, or while calls fail.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use jiff::Timestamp;
use steward::apply::{self, Change, Outcome, Status, StepKind, StepRecord};
use steward::cloud::{PermissionReadings, SnapshotScope};
use steward::jobs::{Job, Mode};
use steward::model::{AccountRegion, ReferenceKind, ResourceId, TagNames, Tags};
use steward::plan::reason::Reason;
use steward::plan::{Action, Plan};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward::restore::{RestoreOptions, restore};
use steward_tests::fake::Fake;
use steward_tests::fleet::{Fleet, FleetInstance, LaunchTemplate, TemplateVersion};
use steward_tests::jobs::{run, with_job};
use steward_tests::switches::Switches;

const POLICY: &str = "version = 1\n[[rule]]\nname = \"all\"\nkeep = { last = 1 }\n\
    retire = { deregister_after = \"0d\", delete_snapshots_after = \"7d\" }\n\
    [safety]\nmax_fraction = 1.0\nmin_references = 0\nkeep_tags = { Hold = \"*\" }\n";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// `ami-1` is the newest and is kept; `ami-2` and `ami-3` are due.
fn fake() -> Fake {
    Fake::new(&Fleet::from_json(
        r#"{"images":[
            {"image_id":"ami-1","created_at":"2026-11-03T00:00:00Z","snapshots":["snap-1"]},
            {"image_id":"ami-2","created_at":"2026-11-02T00:00:00Z","snapshots":["snap-2"]},
            {"image_id":"ami-3","created_at":"2026-11-01T00:00:00Z","snapshots":["snap-3"]}]}"#,
    ))
}

fn policy() -> Policy {
    Policy::parse(POLICY, "test").unwrap()
}

fn planned(fake: &Fake) -> Plan {
    planned_by(&policy(), fake)
}

fn applied(fake: &Fake, plan: &Plan) -> Outcome {
    applied_by(&policy(), fake, plan)
}

fn applied_by(policy: &Policy, fake: &Fake, plan: &Plan) -> Outcome {
    run(apply::apply(plan, PermissionReadings::default(), policy, fake, RunContext::UNLIMITED))
}

fn names<'a>(ids: impl Iterator<Item = &'a ResourceId>) -> Vec<String> {
    ids.map(ToString::to_string).collect()
}

fn images(fake: &Fake) -> Vec<String> {
    fake.world().images.iter().map(|image| image.image_id.to_string()).collect()
}

#[test]
fn an_image_whose_snapshots_cannot_be_marked_stays() {
    for code in ["TagLimitExceeded", "InternalError", "UnauthorizedOperation"] {
        let fake = fake();
        let plan = planned(&fake);
        fake.set(Switches::default().and_fail_about("ec2:CreateTags", code, "snap-2"));
        let outcome = applied(&fake, &plan);
        assert_eq!(images(&fake), ["ami-1", "ami-2"], "{code}");
        let failed: Vec<_> = outcome
            .failed()
            .map(|one| (one.resource.as_str(), one.step, one.failure().unwrap().code.as_str()))
            .collect();
        assert_eq!(failed, [("ami-2", StepKind::WriteStateTags, code)]);
        assert_eq!(outcome.status(), Status::Part);
    }
}

/// A change to `ami-2` between the plan and its step.
fn after_the_plan(change: impl FnOnce(&mut Fleet)) -> Outcome {
    let fake = fake();
    let plan = planned(&fake);
    assert_eq!(plan.summary.deregister, 2);
    fake.change(change);
    let outcome = applied(&fake, &plan);
    assert!(images(&fake).contains(&"ami-2".to_owned()), "ami-2 is gone");
    assert!(!images(&fake).contains(&"ami-3".to_owned()), "ami-3 is still there");
    outcome
}

#[test]
fn what_was_wanted_since_the_plan_is_left_alone() {
    let reasons = |outcome: Outcome| {
        let changed: Vec<_> = outcome.changed().collect();
        let [record] = &changed[..] else { panic!("{changed:?}") };
        assert_eq!(record.resource.as_str(), "ami-2");
        let Some(Change::Kept { reasons }) = record.change() else { panic!("{record:?}") };
        reasons.clone()
    };
    let kinds_of_use = |reasons: &[Reason]| {
        let kind = |reason: &Reason| match reason {
            Reason::InUse { kind, .. } => kind.clone(),
            other => panic!("{other:?}"),
        };
        reasons.iter().map(kind).collect::<Vec<_>>()
    };
    let started = after_the_plan(|fleet| {
        fleet.instances.push(FleetInstance {
            state: "pending".to_owned(),
            ..FleetInstance::new("i-1".parse().unwrap(), "ami-2".parse().unwrap())
        });
    });
    assert_eq!(kinds_of_use(&reasons(started))[0], ReferenceKind::Instance);
    let named = after_the_plan(|fleet| {
        fleet.launch_templates.push(LaunchTemplate {
            launch_template_id: "lt-1".to_owned(),
            name: None,
            default_version: 1,
            versions: vec![TemplateVersion {
                version: 1,
                image_id: Some("ami-2".to_owned()),
                snapshots: Vec::new(),
            }],
        });
    });
    assert_eq!(kinds_of_use(&reasons(named))[0], ReferenceKind::LaunchTemplate);
    let shared = after_the_plan(|fleet| {
        fleet.images[1].launch_permissions = vec!["111122223333".to_owned()];
    });
    assert_eq!(reasons(shared), [Reason::Shared { with: ["111122223333".into()].into() }]);
    let kept = after_the_plan(|fleet| {
        fleet.images[1].tags = [("image-steward:keep", "")].into_iter().collect();
    });
    assert_eq!(reasons(kept), [Reason::OptedOut { until: None, note: None }]);
    let tagged = after_the_plan(|fleet| {
        fleet.images[1].tags = [("Hold", "audit")].into_iter().collect();
    });
    let hold = Reason::KeepTag { key: "Hold".into(), value: "audit".into() };
    assert_eq!(reasons(tagged), [hold]);
    let protected = after_the_plan(|fleet| {
        fleet.images[1].protected = "enabled-with-cooldown".to_owned();
    });
    assert_eq!(reasons(protected), [Reason::Protected { by: None }]);
}

/// On Azure, an image that was deleted and created again has the same ID.
#[test]
fn an_image_that_was_created_again_since_the_plan_stays() {
    let outcome = after_the_plan(|fleet| {
        fleet.images[1].created_at = "2026-11-22T11:59:00Z".parse().unwrap();
    });
    let changed: Vec<_> = outcome.changed().collect();
    let [record] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!((record.resource.as_str(), record.change()), ("ami-2", Some(&Change::Gone)));
}

/// Two images that are removed share `snap-9`. With `"0d"` the provider would delete it with the
/// last one.
fn sharing(keep: &str) -> (Fake, Policy) {
    let text = r#"{"images":[
            {"image_id":"ami-1","created_at":"2026-11-03T00:00:00Z","snapshots":["snap-1"]},
            {"image_id":"ami-2","created_at":"2026-11-02T00:00:00Z","snapshots":["snap-2","snap-9"]},
            {"image_id":"ami-3","created_at":"2026-11-01T00:00:00Z","snapshots":["snap-3","snap-9"]}],
        "snapshots":[{"snapshot_id":"snap-9","tags":{KEEP}}]}"#;
    let policy = POLICY.replace("\"7d\"", "\"0d\"");
    (
        Fake::new(&Fleet::from_json(&text.replace("KEEP", keep))),
        Policy::parse(&policy, "p").unwrap(),
    )
}

fn snapshots(fake: &Fake) -> Vec<String> {
    fake.world().snapshots.iter().map(|snapshot| snapshot.snapshot_id.to_string()).collect()
}

fn planned_by(policy: &Policy, fake: &Fake) -> Plan {
    with_job(fake, policy, Mode::Plan, now(), async |job| job.plan_images().await.0)
}

fn reaped(policy: &Policy, fake: &Fake) {
    with_job(fake, policy, Mode::Apply, now(), async |job| job.reap(&SnapshotScope::Own).await);
}

#[test]
fn a_shared_snapshot_that_people_keep_stays_whichever_image_goes_last() {
    for late in ["ami-2", "ami-3"] {
        let (fake, policy) = sharing(r#""image-steward:keep":"yes""#);
        fake.set(Switches::default().and_fail_about("ec2:DeregisterImage", "InternalError", late));
        applied_by(&policy, &fake, &planned_by(&policy, &fake));
        fake.set(Switches::default());
        applied_by(&policy, &fake, &planned_by(&policy, &fake));
        assert_eq!(images(&fake), ["ami-1"], "{late}");
        reaped(&policy, &fake);
        assert_eq!(snapshots(&fake), ["snap-1", "snap-9"], "{late}");
    }
}

#[test]
fn a_shared_snapshot_is_not_lost_when_another_hand_removes_the_second_image() {
    for other in ["ami-2", "ami-3"] {
        let (fake, policy) = sharing("");
        let plan = planned_by(&policy, &fake);
        fake.change(|fleet| fleet.images.retain(|image| image.image_id.as_str() != other));
        applied_by(&policy, &fake, &plan);
        assert_eq!(images(&fake), ["ami-1"], "{other}");
        let world = fake.world();
        let snapshots =
            world.snapshots.iter().chain(world.recycled_snapshots.iter().map(|one| &one.snapshot));
        let shared = { snapshots }.find(|one| one.snapshot_id.as_str() == "snap-9");
        assert!(shared.unwrap().tags.has("image-steward:delete-after"), "{other}");
    }
}

#[test]
fn a_snapshot_that_is_kept_since_the_plan_stays_when_its_image_goes() {
    let (fake, policy) = sharing("");
    fake.change(|fleet| fleet.images.truncate(2));
    let plan = planned_by(&policy, &fake);
    fake.change(|fleet| {
        for snapshot in &mut fleet.snapshots {
            if snapshot.snapshot_id.as_str() == "snap-2" {
                snapshot.tags = [("image-steward:keep", "")].into_iter().collect();
            }
        }
    });
    applied_by(&policy, &fake, &plan);
    assert_eq!(images(&fake), ["ami-1"]);
    assert!(snapshots(&fake).contains(&"snap-2".to_owned()));
}

#[test]
fn a_look_that_fails_removes_nothing() {
    for action in ["ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeImageAttribute"] {
        let fake = fake();
        let mark = [("image-steward:expired-at", "2026-11-20T00:00:00Z")].into_iter().collect();
        fake.change(|fleet| {
            fleet.images[1..].iter_mut().for_each(|one| one.tags = Tags::clone(&mark))
        });
        let plan = planned(&fake);
        fake.set(Switches::deny(&[action]));
        let outcome = applied(&fake, &plan);
        assert_eq!(images(&fake).len(), 3, "{action}");
        assert_eq!(outcome.failed().count(), 2, "{action}");
        assert!(outcome.failed().all(|record| record.step == StepKind::Recheck));
        assert_eq!(outcome.status(), Status::Failed);
    }
}

#[test]
fn a_deadline_leaves_the_rest_to_the_next_run() {
    let fake = fake();
    let plan = planned(&fake);
    let deadline = || Duration::from_secs(10);
    let context = RunContext { deadline: &deadline, ..RunContext::UNLIMITED };
    let outcome =
        run(apply::apply(&plan, PermissionReadings::default(), &policy(), &fake, context));
    assert_eq!(names(outcome.not_reached()), ["ami-2", "ami-3"]);
    assert_eq!(outcome.status(), Status::Part);
    assert_eq!(images(&fake).len(), 3);
    assert_eq!(applied(&fake, &planned(&fake)).images_done(StepKind::Deregister).count(), 2);
}

#[test]
fn stopped_after_any_call_nothing_is_changed_any_more_and_the_next_run_ends_the_same() {
    let marks = "deprecate_after = \"0d\", disable_after = \"1d\"";
    let steps =
        [("deregister_after = \"0d\", delete_snapshots_after = \"7d\"", 0), (marks, 0), (marks, 2)];
    for (retire, days) in steps {
        let text =
            POLICY.replace("deregister_after = \"0d\", delete_snapshots_after = \"7d\"", retire);
        let policy = Policy::parse(&text, "test").unwrap();
        let begin = || {
            let fake = fake();
            fake.change(|fleet| {
                if days > 0 {
                    for image in &mut fleet.images[1..] {
                        let mark = ("image-steward:expired-at", "2026-11-20T12:00:00Z");
                        image.tags = [mark].into_iter().collect();
                    }
                }
            });
            let plan = planned_by(&policy, &fake);
            fake.forget_calls();
            (fake, plan)
        };
        let (whole, plan) = begin();
        applied_by(&policy, &whole, &plan);
        let calls = whole.calls().len();
        assert!(whole.changing_calls().len() >= 2, "{retire}");
        for stop in 0..calls {
            let (fake, plan) = begin();
            let stopped = || match fake.calls().len() < stop {
                true => Duration::MAX,
                false => Duration::ZERO,
            };
            let context = RunContext { deadline: &stopped, ..RunContext::UNLIMITED };
            let outcome =
                run(apply::apply(&plan, PermissionReadings::default(), &policy, &fake, context));
            let changed: Vec<_> =
                fake.calls().into_iter().skip(stop).filter(|c| c.changes()).collect();
            assert!(changed.is_empty(), "{retire}, stopped after {stop}: {changed:?}");
            assert_eq!(outcome.failed().collect::<Vec<_>>(), [] as [&StepRecord; 0]);
            let plan = planned_by(&policy, &fake);
            applied_by(&policy, &fake, &plan);
            assert_eq!(fake.world(), whole.world(), "{retire}, stopped after {stop}");
        }
    }
}

#[test]
fn a_snapshot_that_is_in_use_a_moment_longer_goes_in_a_later_run() {
    let fake = fake();
    applied(&fake, &planned(&fake));
    fake.set(Switches::default().and_race(2, 1));
    let later = "2026-12-01T00:00:00Z".parse().unwrap();
    let (first, second) = with_job(&fake, &policy(), Mode::Apply, later, async |job| {
        let (_, first) = job.reap(&SnapshotScope::Own).await;
        let (_, second) = job.reap(&SnapshotScope::Own).await;
        (first, second)
    });
    assert_eq!(names(first.in_use()), ["snap-2", "snap-3"]);
    assert_eq!(first.status(), Status::Done);
    assert_eq!(names(second.done(StepKind::DeleteSnapshot)), ["snap-2", "snap-3"]);
    assert_eq!(fake.world().snapshots.len(), 1);
}

#[test]
fn what_there_was_no_time_to_look_at_is_neither_marked_nor_removed() {
    for deregister_after in ["0d", "7d"] {
        let fake = fake();
        let text = POLICY.replace(
            "deregister_after = \"0d\"",
            &format!("deregister_after = \"{deregister_after}\""),
        );
        let policy = Policy::parse(&text, "test").unwrap();
        let target =
            AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
        // Enough time to remove images, but not to read their launch permissions.
        let deadline = || Duration::from_secs(20);
        let job = Job {
            cloud: &fake,
            instances: &fake,
            bus: None,
            target: &target,
            policy: &policy,
            mode: Mode::Apply,
            now: now(),
            context: RunContext { deadline: &deadline, ..RunContext::UNLIMITED },
        };
        let (plan, outcome) = run(async {
            let (plan, permissions) = job.plan_images().await;
            let outcome = job.apply_images(&plan, permissions).await;
            (plan, outcome)
        });
        assert_eq!((plan.summary.deregister, plan.summary.expire, plan.summary.wait), (0, 0, 2));
        assert_eq!(names(outcome.not_reached()), ["ami-2", "ami-3"]);
        assert_eq!(images(&fake).len(), 3);
        assert!(fake.calls().iter().all(|call| !call.changes()), "{deregister_after}");
    }
}

/// A newer version may have tagged the snapshot after the plan was computed.
#[test]
fn a_mark_that_is_not_understood_is_not_written_over() {
    let fake = fake();
    let plan = planned(&fake);
    let theirs: Tags =
        [("image-steward:delete-after", "2 hold forever"), ("image-steward:image", "2 ami-2")]
            .into_iter()
            .collect();
    fake.change(|fleet| {
        for snapshot in &mut fleet.snapshots {
            if snapshot.snapshot_id.as_str() == "snap-2" {
                snapshot.tags = theirs.clone();
            }
        }
    });
    applied(&fake, &plan);
    let world = fake.world();
    let snapshot = world.snapshots.iter().find(|one| one.snapshot_id.as_str() == "snap-2");
    assert_eq!(snapshot.map(|one| &one.tags), Some(&theirs));
}

/// If a person then follows the advice and removes the tag, the next sweep does not delete the
/// snapshot.
#[test]
fn what_restore_does_not_understand_is_kept_all_the_same() {
    let fake = fake();
    let plan = planned(&fake);
    applied(&fake, &plan);
    let deprecation = "image-steward:deprecation";
    fake.change(|fleet| {
        assert!(!fleet.recycled_images.is_empty());
        for one in &mut fleet.recycled_images {
            let tag = [(deprecation, "2 whatever")].into_iter().collect();
            one.image.tags = one.image.tags.with(&tag);
        }
    });
    let names = TagNames::under("image-steward:");
    let keep = Some("2027-01-31T00:00:00Z".to_owned());
    let options = RestoreOptions { keep: keep.clone(), ..RestoreOptions::default() };
    run(restore(&"ami-2".parse().unwrap(), &options, &names, now(), &fake));
    let image = fake.world().images.into_iter().find(|one| one.image_id.as_str() == "ami-2");
    let tags = image.map(|one| one.tags).unwrap();
    assert_eq!(tags.get("image-steward:keep"), keep.as_deref());
    fake.change(|fleet| {
        for one in &mut fleet.images {
            one.tags = one.tags.without(&[deprecation.to_owned()]);
        }
    });
    let kept = planned(&fake);
    let decision = kept.decisions.iter().find(|one| one.image_id.as_str() == "ami-2").unwrap();
    assert!(matches!(decision.action, Action::Keep | Action::Rescue(_)), "{:?}", decision.action);
}
