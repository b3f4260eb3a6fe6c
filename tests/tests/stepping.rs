//! Applying and undoing steps while the account changes, or while calls fail.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use jiff::{SignedDuration, Timestamp};
use steward::apply::{self, Change, Outcome, Status, StepKind};
use steward::cloud::{PermissionReadings, SnapshotScope};
use steward::jobs::{Job, Mode};
use steward::model::{
    ImageState, InWords, Provider, ReferenceKind, SnapshotFate, TagNames, Tags, join_permissions,
};
use steward::plan::reason::Reason;
use steward::plan::snapshots::SnapshotReason;
use steward::plan::{Action, Plan, Refusal};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward::restore::{RestoreOptions, RestoreStatus, Restored, restore, share_again};
use steward_tests::fake::{CLOSED_ACCOUNT, Call, Fake};
use steward_tests::fleet::{Fleet, FleetImage, Parameter};
use steward_tests::jobs::{run, with_job};
use steward_tests::switches::Switches;

/// The steps of a policy, after the part that all of these tests share.
fn policy(retire: &str) -> Policy {
    let text = format!(
        "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\nretire = {{ {retire} }}\n\
         [safety]\nmax_fraction = 1.0\nmin_references = 0\nshared_images = \"retire\"\nshare_back = [\"111122223333\"]\n\
         [orphans]\ndelete_after = \"2d\"\n"
    );
    Policy::parse(&text, "test").unwrap()
}

const DEPRECATE: &str = "deprecate_after = \"0d\", disable_after = \"7d\"";
const DISABLE: &str = "deprecate_after = \"never\", disable_after = \"0d\"";
const AT_ONCE: &str = "deregister_after = \"0d\", delete_snapshots_after = \"0d\"";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// `ami-1` is the newest and is kept. `ami-2`, which an account and the public may launch, is
/// removed.
fn fake() -> Fake {
    Fake::new(&Fleet::from_json(
        r#"{"images":[
            {"image_id":"ami-1","created_at":"2026-11-03T00:00:00Z","snapshots":["snap-1"]},
            {"image_id":"ami-2","created_at":"2026-11-02T00:00:00Z","snapshots":["snap-2"],
             "launch_permissions":["111122223333"],"public":true,"deprecation_time":"2027-01-01T00:00:00Z"}]}"#,
    ))
}

/// A change to an account by somebody else.
type FleetChange = fn(&mut Fleet);

/// Runs `work` in apply mode at `at`, with the fake's clock set to the same time.
fn applying<T>(
    fake: &Fake,
    policy: &Policy,
    at: Timestamp,
    work: impl AsyncFnOnce(&Job<'_>) -> T,
) -> T {
    fake.set_clock(at);
    with_job(fake, policy, Mode::Apply, at, work)
}

fn planned(fake: &Fake, policy: &Policy) -> Plan {
    applying(fake, policy, now(), async |job| job.plan_images().await.0)
}

fn applied(fake: &Fake, policy: &Policy, plan: &Plan) -> Outcome {
    fake.forget_calls();
    run(apply::apply(plan, PermissionReadings::default(), policy, fake, RunContext::UNLIMITED))
}

fn reaped(fake: &Fake, policy: &Policy, at: Timestamp) -> Outcome {
    applying(fake, policy, at, async |job| job.reap(&SnapshotScope::Own).await).1
}

/// The change because of which the only skipped resource was skipped.
fn only_change(outcome: &Outcome) -> &Change {
    let changed: Vec<_> = outcome.changed().collect();
    let [record] = &changed[..] else { panic!("{outcome:?}") };
    record.change().unwrap()
}

fn image(fake: &Fake, id: &str) -> FleetImage {
    fake.world().images.into_iter().find(|image| image.image_id.as_str() == id).unwrap()
}

/// The names of the changing calls.
fn changes(fake: &Fake) -> Vec<String> {
    let word = |call: &Call| match call {
        Call::SetTags(_, tags) => {
            let keys: Vec<_> =
                tags.iter().map(|(key, _)| key.replace("image-steward:", "")).collect();
            format!("tag {}", keys.join(","))
        }
        other => format!("{other:?}").split('(').next().unwrap().to_lowercase(),
    };
    fake.changing_calls().iter().map(word).collect()
}

#[test]
fn what_a_step_destroys_is_written_down_before_it() {
    for (retire, expected) in [
        (DEPRECATE, vec!["tag expired-at", "tag deprecation", "deprecate"]),
        (
            DISABLE,
            vec![
                "tag expired-at",
                "tag deprecation,launch-permissions",
                // EC2 has no other time of disabling.
                "deprecate",
                "disable",
            ],
        ),
        (
            AT_ONCE,
            vec![
                "tag expired-at",
                "tag launch-permissions",
                "tag delete-after,image",
                "deregister",
            ],
        ),
    ] {
        let (fake, policy) = (fake(), policy(retire));
        let plan = planned(&fake, &policy);
        applied(&fake, &policy, &plan);
        assert_eq!(changes(&fake), expected, "{retire}");
    }
}

#[test]
fn what_cannot_be_written_down_is_not_destroyed() {
    for retire in [DEPRECATE, DISABLE, AT_ONCE] {
        let (fake, policy) = (fake(), policy(retire));
        let plan = planned(&fake, &policy);
        fake.set(Switches::deny(&["ec2:CreateTags"]));
        let outcome = applied(&fake, &policy, &plan);
        assert_eq!(outcome.failed().count(), 1, "{retire}: {outcome:?}");
        let (is, was) = (image(&fake, "ami-2"), image(&self::fake(), "ami-2"));
        assert_eq!(is, was, "{retire}");
    }
}

#[test]
fn a_rescue_gives_everything_back_and_takes_the_tags_off_last() {
    let (fake, policy) = (fake(), policy("deprecate_after = \"0d\", disable_after = \"1d\""));
    let before = image(&fake, "ami-2");
    let day = |days: i64| now() + SignedDuration::from_hours(24 * days);
    for days in [0, 1] {
        applying(&fake, &policy, day(days), async |job| {
            let (plan, permissions) = job.plan_images().await;
            job.apply_images(&plan, permissions).await
        });
    }
    let taken = image(&fake, "ami-2");
    assert_eq!((taken.state.as_str(), taken.public), ("disabled", false));
    assert_ne!(taken.deprecation_time, before.deprecation_time);
    fake.change(|fleet| use_by_parameter(fleet, "ami-2"));
    fake.forget_calls();
    let outcome = applying(&fake, &policy, day(2), async |job| {
        let (plan, permissions) = job.plan_images().await;
        job.apply_images(&plan, permissions).await
    });
    assert_eq!(outcome.images_done(StepKind::Rescue).count(), 1);
    assert_eq!(changes(&fake), ["enable", "share", "deprecate", "removetags"]);
    let key = "image-steward:launch-permissions";
    let rescued = image(&fake, "ami-2");
    assert_eq!(rescued.tags.get(key), Some("ami-2 111122223333 all"));
    let tags = before.tags.with(&[(key, "ami-2 111122223333 all")].into_iter().collect());
    assert_eq!(
        rescued,
        FleetImage { public: false, tags, ..before.clone() },
        "no run shares with everybody"
    );
    assert_eq!(share_by_hand(&fake).problem, None);
    assert_eq!(image(&fake, "ami-2"), before);
}

/// Like `restore`, if a person agrees to everything in the tag.
fn share_by_hand(fake: &Fake) -> Restored {
    let names = TagNames::under("image-steward:");
    let options = RestoreOptions::default();
    let mut restored = run(restore(&"ami-2".parse().unwrap(), &options, &names, now(), fake));
    let with = restored.not_shared.clone();
    run(share_again(&mut restored, &with, &names, fake));
    restored
}

#[test]
fn a_person_may_agree_to_some_of_the_accounts() {
    let (fake, policy, names) = (fake(), policy(DISABLE), TagNames::under("image-steward:"));
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    let bring_back = || {
        run(restore(&"ami-2".parse().unwrap(), &RestoreOptions::default(), &names, now(), &fake))
    };
    let mut restored = bring_back();
    assert_eq!(join_permissions(&restored.not_shared, " "), "111122223333 all");
    assert_eq!(
        (image(&fake, "ami-2").public, image(&fake, "ami-2").launch_permissions.len()),
        (false, 0)
    );
    run(share_again(&mut restored, &["111122223333".into(), "999988887777".into()], &names, &fake));
    assert_eq!(join_permissions(&restored.not_shared, " "), "all");
    let is = image(&fake, "ami-2");
    assert_eq!((is.public, is.launch_permissions), (false, vec!["111122223333".to_owned()]));
    assert!(is.tags.has("image-steward:launch-permissions"));
    let mut again = bring_back();
    assert_eq!(join_permissions(&again.not_shared, " "), "all");
    run(share_again(&mut again, &["all".into()], &names, &fake));
    assert_eq!(image(&fake, "ami-2"), image(&self::fake(), "ami-2"));
}

#[test]
fn a_rescue_shares_with_nobody_whom_the_policy_does_not_name() {
    let policy = |with: &str| {
        let text = format!(
            "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\nretire = {{ {DISABLE} }}\n\
             [safety]\nmax_fraction = 1.0\nmin_references = 0\nshared_images = \"retire\"\nshare_back = [{with}]\n"
        );
        Policy::parse(&text, "test").unwrap()
    };
    for (with, shared) in
        [("", vec![]), ("\"444455556666\"", vec![]), ("\"111122223333\"", vec!["111122223333"])]
    {
        let (fake, policy) = (fake(), policy(with));
        let plan = planned(&fake, &policy);
        applied(&fake, &policy, &plan);
        fake.change(|fleet| use_by_parameter(fleet, "ami-2"));
        let plan = planned(&fake, &policy);
        applied(&fake, &policy, &plan);
        let is = image(&fake, "ami-2");
        assert_eq!((is.state.as_str(), is.public), ("available", false), "{with}");
        assert_eq!(is.launch_permissions, shared, "{with}");
        assert!(is.tags.has("image-steward:launch-permissions"), "{with}");
    }
}

#[test]
fn what_the_owner_shares_while_a_rescue_begins_is_left_to_the_owner() {
    let (fake, policy) = (fake(), policy(DISABLE));
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    fake.change(|fleet| use_by_parameter(fleet, "ami-2"));
    let rescue = planned(&fake, &policy);
    assert!(rescue.decisions.iter().any(|one| matches!(one.action, Action::Rescue(_))));
    fake.change(|fleet| {
        fleet.images[1].state = "available".to_owned();
        fleet.images[1].launch_permissions = vec!["444455556666".to_owned()];
    });
    let outcome = applied(&fake, &policy, &rescue);
    assert_eq!(image(&fake, "ami-2").launch_permissions, ["444455556666"], "{outcome:?}");
    assert!(image(&fake, "ami-2").tags.has("image-steward:launch-permissions"));
}

/// An image that an administrator disabled, with the tags of a step.
#[test]
fn what_was_found_by_tags_is_enabled_only_if_ec2_agrees() {
    for (deprecated_at, protected, enabled) in [
        ("2026-11-01T12:01:00Z", "disabled", true),
        ("2026-10-01T12:00:00Z", "disabled", false),
        ("2026-11-01T12:01:00Z", "enabled-without-cooldown", false),
    ] {
        let fake = Fake::new(&Fleet::from_json(&format!(
            r#"{{"images":[{{"image_id":"ami-2","created_at":"2026-08-02T00:00:00Z","state":"disabled",
                "deprecation_time":"{deprecated_at}","protected":"{protected}","snapshots":["snap-2"],
                "tags":{{"image-steward:expired-at":"2026-11-01T12:00:00Z",
                        "image-steward:launch-permissions":"ami-2 111122223333",
                        "image-steward:deprecation":"ami-2 none disabled 2026-11-01T12:00:00Z"}}}}]}}"#
        )));
        let bring_back = |found_by_tags| {
            let names = TagNames::under("image-steward:");
            let options = RestoreOptions { found_by_tags, ..RestoreOptions::default() };
            run(restore(&"ami-2".parse().unwrap(), &options, &names, now(), &fake))
        };
        let before = image(&fake, "ami-2");
        let restored = bring_back(true);
        assert_eq!(image(&fake, "ami-2").state == "available", enabled, "{restored:?}");
        assert_eq!(restored.problem.is_none(), enabled, "{restored:?}");
        if !enabled {
            assert_eq!(image(&fake, "ami-2"), before, "{restored:?}");
            let said = restored.problem.unwrap();
            let said = said.in_words(Provider::Aws.words()).to_string();
            assert!(said.contains("image-steward restore ami-2"), "{said}");
            // A request by name means that the image is wanted.
            assert_eq!(bring_back(false).problem, None);
            assert_eq!(image(&fake, "ami-2").state, "available");
        }
    }
}

#[test]
fn what_the_owner_shared_since_is_left_to_the_owner() {
    let (fake, policy) = (fake(), policy(DISABLE));
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    fake.change(|fleet| {
        fleet.images[1].state = "available".to_owned();
        fleet.images[1].launch_permissions = vec!["444455556666".to_owned()];
    });
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    let is = image(&fake, "ami-2");
    assert_eq!((is.public, is.launch_permissions), (false, vec!["444455556666".to_owned()]));
    let refused = share_by_hand(&fake).problem.unwrap();
    let refused = refused.in_words(Provider::Aws.words()).to_string();
    assert!(refused.contains("its owner has shared it since"), "{refused}");
    assert_eq!(image(&fake, "ami-2").launch_permissions, ["444455556666"]);
}

/// A reference that only DescribeImageReferences reports.
fn use_by_parameter(fleet: &mut Fleet, image: &str) {
    fleet.ssm_parameters.push(Parameter::string("/golden", image));
}

#[test]
fn what_changed_since_the_plan_stops_a_step() {
    type IsExpected = fn(&Change) -> bool;
    let is_use: IsExpected = |change| {
        let Change::Kept { reasons } = change else { return false };
        matches!(&reasons[0], Reason::InUse { kind: ReferenceKind::SsmParameter, .. })
    };
    let is_opted_out: IsExpected = |change| {
        let Change::Kept { reasons } = change else { return false };
        matches!(reasons[0], Reason::OptedOut { .. })
    };
    let is_disabled: IsExpected = |change| *change == Change::State { state: ImageState::Disabled };
    let changes: [(IsExpected, FleetChange); 4] = [
        (is_use, |fleet| use_by_parameter(fleet, "ami-2")),
        (
            |change| *change == Change::LaunchPermissions,
            |fleet| {
                fleet.images[1].launch_permissions.push("999988887777".to_owned());
            },
        ),
        (is_opted_out, |fleet| {
            fleet.images[1].tags = [("image-steward:keep", "")].into_iter().collect();
        }),
        (is_disabled, |fleet| {
            fleet.images[1].state = "disabled".to_owned();
            fleet.images[1].launch_permissions.clear();
            fleet.images[1].public = false;
        }),
    ];
    for retire in [DISABLE, AT_ONCE] {
        for (is_expected, change) in changes {
            let (fake, policy) = (fake(), policy(retire));
            let plan = planned(&fake, &policy);
            fake.change(change);
            let outcome = applied(&fake, &policy, &plan);
            assert!(is_expected(only_change(&outcome)), "{outcome:?}");
            for step in [StepKind::Disable, StepKind::Deregister] {
                assert_eq!(outcome.done(step).next(), None, "{outcome:?}");
            }
        }
    }
}

#[test]
fn an_image_that_somebody_enabled_is_not_deregistered() {
    let (fake, policy) = (fake(), policy(AT_ONCE));
    fake.change(|fleet| {
        fleet.images[1].state = "disabled".to_owned();
        fleet.images[1].launch_permissions.clear();
        fleet.images[1].public = false;
    });
    let plan = planned(&fake, &policy);
    assert_eq!(plan.summary.deregister, 1);
    fake.change(|fleet| fleet.images[1].state = "available".to_owned());
    let outcome = applied(&fake, &policy, &plan);
    assert_eq!(*only_change(&outcome), Change::State { state: ImageState::Available });
}

#[test]
fn without_the_last_look_nothing_irreversible_is_done() {
    for retire in [DISABLE, AT_ONCE] {
        for action in [
            "ec2:DescribeImageReferences",
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeImageAttribute",
            "ec2:DescribeFleets",
        ] {
            let (fake, policy) = (fake(), policy(retire));
            let plan = planned(&fake, &policy);
            fake.set(Switches::deny(&[action]));
            let outcome = applied(&fake, &policy, &plan);
            assert_eq!(outcome.failed().count(), 1, "{action}: {outcome:?}");
            assert_eq!(image(&fake, "ami-2").state, "available", "{action}");
        }
    }
}

#[test]
fn evidence_that_cannot_be_read_refuses_all_removals() {
    for (action, source) in [
        ("ec2:DescribeImageReferences", "image_references"),
        ("rbin:ListRules", "retention_rules"),
        ("rbin:GetRule", "retention_rules"),
    ] {
        let (fake, policy) = (fake(), policy(AT_ONCE));
        fake.set(Switches::deny(&[action]));
        let plan = planned(&fake, &policy);
        let Some(Refusal::Unread { sources }) = &plan.refusal else { panic!("{action}: {plan:?}") };
        assert_eq!(sources.len(), 1);
        assert_eq!(&*sources[0].source, source);
        assert_eq!(sources[0].permission.as_deref(), Some(action));
        assert!(plan.decisions.iter().all(|one| matches!(one.action, Action::Keep | Action::Wait)));
    }
}

/// Sweeps every third day for two months.
fn sweep_for_two_months(fake: &Fake, policy: &Policy) {
    for day in (0..60).step_by(3) {
        let at = now() + SignedDuration::from_hours(24 * day);
        applying(fake, policy, at, async |job| {
            let (plan, permissions) = job.plan_images().await;
            job.apply_images(&plan, permissions).await;
        });
    }
}

#[test]
fn no_step_is_skipped_because_the_one_before_cannot_be_taken() {
    let all_steps =
        policy("deprecate_after = \"0d\", disable_after = \"7d\", deregister_after = \"14d\"");
    let free = fake();
    sweep_for_two_months(&free, &all_steps);
    assert!(free.world().images.iter().all(|image| image.image_id.as_str() != "ami-2"));
    for action in ["ec2:EnableImageDeprecation", "ec2:DisableImage"] {
        let fake = fake();
        fake.set(Switches::deny(&[action]));
        sweep_for_two_months(&fake, &all_steps);
        assert_eq!(image(&fake, "ami-2").state, "available", "{action}");
    }
    // There is no space for the tags that a step saves first.
    let full = fake();
    full.change(|fleet| {
        let tags = (0..49).map(|n| (format!("own-{n}"), String::new()));
        fleet.images[1].tags = tags.collect();
    });
    sweep_for_two_months(&full, &all_steps);
    assert_eq!(image(&full, "ami-2").state, "available");
}

/// The plan's actions for `ami-2` and `ami-3`, and whether it is refused.
fn actions(plan: &Plan) -> (Vec<&'static str>, bool) {
    let of = |id: &str| plan.decisions.iter().find(|one| one.image_id.as_str() == id).unwrap();
    (["ami-2", "ami-3"].map(|id| of(id).action.kind()).to_vec(), plan.refusal.is_some())
}

#[test]
fn an_image_whose_permissions_cannot_be_read_stays_and_the_others_go_on() {
    for code in ["UnauthorizedOperation", "InternalError"] {
        let (fake, policy) = (fake(), policy(AT_ONCE));
        fake.change(|fleet| {
            let mut third = fleet.images[1].clone();
            third.image_id = "ami-3".parse().unwrap();
            third.snapshots = vec!["snap-3".parse().unwrap()];
            fleet.images.push(third);
        });
        assert_eq!(actions(&planned(&fake, &policy)), (vec!["deregister", "deregister"], false));
        let attribute = "ec2:DescribeImageAttribute";
        fake.set(Switches::default().and_fail_about(attribute, code, "ami-2"));
        let plan = planned(&fake, &policy);
        assert_eq!(actions(&plan), (vec!["wait", "deregister"], false), "{code}");
        let outcome = applied(&fake, &policy, &plan);
        assert_eq!(outcome.status(), Status::Part);
        assert_eq!(image(&fake, "ami-2").state, "available");
        assert!(fake.world().images.iter().all(|image| image.image_id.as_str() != "ami-3"));
    }
}

/// A limit allows two images, and the first two are denied.
#[test]
fn denied_permissions_of_the_first_do_not_hold_back_the_next() {
    let fake = fake();
    fake.change(|fleet| {
        for n in 3..5 {
            let mut other = fleet.images[1].clone();
            other.image_id = format!("ami-{n}").parse().unwrap();
            other.snapshots = vec![format!("snap-{n}").parse().unwrap()];
            other.created_at -= SignedDuration::from_hours(n);
            fleet.images.push(other);
        }
    });
    let text = format!(
        "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\nretire = {{ {AT_ONCE} }}\n\
         [safety]\nmax_per_run = 2\nmax_fraction = 1.0\nmin_references = 0\nshared_images = \"retire\"\n"
    );
    let policy = Policy::parse(&text, "p").unwrap();
    let attribute = "ec2:DescribeImageAttribute";
    let code = "UnauthorizedOperation";
    let denied = Switches::default().and_fail_about(attribute, code, "ami-3");
    fake.set(denied.and_fail_about(attribute, code, "ami-4"));
    let plan = planned(&fake, &policy);
    assert_eq!(actions(&plan), (vec!["deregister", "wait"], false));
}

#[test]
fn where_all_permissions_are_denied_the_permission_is_missing() {
    let (fake, policy) = (fake(), policy(AT_ONCE));
    fake.change(|fleet| {
        let mut third = fleet.images[1].clone();
        third.image_id = "ami-3".parse().unwrap();
        fleet.images.push(third);
    });
    let attribute = "ec2:DescribeImageAttribute";
    fake.set(Switches::deny(&[attribute]));
    let plan = planned(&fake, &policy);
    let Some(Refusal::Unread { sources }) = &plan.refusal else { panic!("{plan:?}") };
    assert_eq!(sources[0].permission.as_deref(), Some(attribute));
    assert_eq!(actions(&plan), (vec!["wait", "wait"], true));
}

#[test]
fn a_snapshot_that_something_else_holds_is_not_deleted_with_its_image() {
    let holds: [(&str, FleetChange); 3] = [
        ("locked", |fleet| fleet.snapshots[1].locked = true),
        ("shared", |fleet| {
            fleet.snapshots[1].create_volume_permissions = vec!["111122223333".parse().unwrap()];
        }),
        ("named", |fleet| {
            let text = r#"{"launch_templates":[{"launch_template_id":"lt-1",
                           "versions":[{"version":1,"snapshots":["snap-2"]}]}]}"#;
            fleet.launch_templates = Fleet::from_json(text).launch_templates;
        }),
    ];
    for (hold, change) in holds {
        let (fake, policy) = (fake(), policy(AT_ONCE));
        fake.change(change);
        let plan = planned(&fake, &policy);
        applied(&fake, &policy, &plan);
        let fate = fake.calls().into_iter().find_map(|call| match call {
            Call::Deregister(_, fate) => Some(fate),
            _ => None,
        });
        assert_eq!(fate, Some(SnapshotFate::DeleteLater), "{hold}");
        assert!(fake.world().snapshots.iter().any(|one| one.snapshot_id.as_str() == "snap-2"));
    }
}

/// Also with a snapshot whose image does not exist.
fn fake_with_orphan() -> Fake {
    let fake = fake();
    fake.change(|fleet| {
        let text = r#"{"snapshots":[{"snapshot_id":"snap-9","volume_id":"vol-9","started_at":"2026-01-01T00:00:00Z",
                       "description":"Created by CreateImage(i-9) for ami-9"}]}"#;
        fleet.snapshots.extend(Fleet::from_json(text).snapshots);
    });
    fake
}

#[test]
fn a_snapshot_that_is_shared_since_the_plan_is_not_deleted() {
    let text = "version = 1\n[[rule]]\nname = \"all\"\nkeep = { last = 1 }\n[safety]\nmin_references = 0\n\
                [orphans]\ndelete_after = \"2d\"\n";
    let policy = Policy::parse(text, "test").unwrap();
    for shared in [false, true] {
        let fake = fake_with_orphan();
        assert_eq!(reaped(&fake, &policy, now()).done(StepKind::MarkOrphan).count(), 1);
        let later = now() + SignedDuration::from_hours(72);
        fake.set_clock(later);
        let (plan, _) = with_job(&fake, &policy, Mode::Plan, later, async |job| {
            job.reap(&SnapshotScope::Own).await
        });
        fake.change(|fleet| {
            let with = shared.then(|| "999988887777".parse().unwrap());
            let snapshot =
                fleet.snapshots.iter_mut().find(|one| one.snapshot_id.as_str() == "snap-9");
            snapshot.unwrap().create_volume_permissions = with.into_iter().collect();
        });
        let outcome = run(apply::apply_snapshots(
            &plan,
            PermissionReadings::default(),
            &policy,
            &fake,
            RunContext::UNLIMITED,
        ));
        let left = fake.world().snapshots.iter().any(|one| one.snapshot_id.as_str() == "snap-9");
        assert_eq!(left, shared, "{outcome:?}");
    }
}

#[test]
fn an_orphan_is_looked_at_again_before_it_is_marked() {
    let policy = policy(DISABLE);
    let fake = fake_with_orphan();
    let outcome = reaped(&fake, &policy, now());
    assert_eq!(outcome.snapshots_done(StepKind::MarkOrphan).count(), 1, "{outcome:?}");
    // A slightly outdated listing does not contain the image yet.
    let fake = fake_with_orphan();
    fake.freeze_listings();
    fake.change(|fleet| fleet.images.push(FleetImage::new("ami-9".parse().unwrap(), [])));
    let outcome = reaped(&fake, &policy, now());
    assert_eq!(*only_change(&outcome), Change::ImageExists { image: "ami-9".parse().unwrap() });
    // Somebody has used it since.
    let fake = fake_with_orphan();
    fake.freeze_listings();
    fake.change(|fleet| {
        let orphan = fleet.snapshots.iter_mut().find(|one| one.snapshot_id.as_str() == "snap-9");
        orphan.unwrap().tags = [("image-steward:keep", "")].into_iter().collect();
    });
    let outcome = reaped(&fake, &policy, now());
    let reasons = vec![SnapshotReason::OptedOut { until: None, note: None }];
    assert_eq!(*only_change(&outcome), Change::SnapshotKept { reasons });
    assert!(!fake.changing_calls().iter().any(|call| matches!(call, Call::SetTags(..))));
}

#[test]
fn without_evidence_no_snapshot_is_marked_or_deleted() {
    for action in [
        "ec2:DescribeSnapshots",
        "ec2:DescribeImages",
        "ec2:DescribeLockedSnapshots",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:ListImagesInRecycleBin",
        "rbin:ListRules",
    ] {
        let policy = policy(DISABLE);
        let fake = fake_with_orphan();
        fake.set(Switches::deny(&[action]));
        let outcome = reaped(&fake, &policy, now());
        let refusal = outcome.refusal.unwrap();
        let refusal = refusal.in_words(Provider::Aws.words()).to_string();
        assert!(refusal.contains(action), "{action}: {refusal}");
        assert!(fake.changing_calls().is_empty(), "{action}");
    }
}

#[test]
fn a_snapshot_whose_permissions_cannot_be_read_is_neither_marked_nor_deleted() {
    let (fake, policy) = (fake_with_orphan(), policy(DISABLE));
    fake.set(Switches::deny(&["ec2:DescribeSnapshotAttribute"]));
    let outcome = reaped(&fake, &policy, now());
    assert_eq!((outcome.refusal.as_ref(), outcome.status()), (None, Status::Part));
    assert!(fake.changing_calls().is_empty());
}

#[test]
fn a_restore_that_stopped_in_the_middle_goes_on() {
    let names = TagNames::under("image-steward:");
    let bring_back = |fake: &Fake| {
        let image = "ami-2".parse().unwrap();
        let mut restored = run(restore(&image, &RestoreOptions::default(), &names, now(), fake));
        let with = restored.not_shared.clone();
        if !with.is_empty() && restored.problem.is_none() {
            run(share_again(&mut restored, &with, &names, fake));
        }
        restored
    };
    for action in [
        "ec2:RestoreSnapshotFromRecycleBin",
        "ec2:RestoreImageFromRecycleBin",
        "ec2:ModifyImageAttribute",
        "ec2:DeleteTags",
    ] {
        for lost in [false, true] {
            let (fake, policy) = (fake(), policy(AT_ONCE));
            let before = image(&fake, "ami-2");
            let plan = planned(&fake, &policy);
            applied(&fake, &policy, &plan);
            assert!(!fake.world().images.iter().any(|one| one.image_id.as_str() == "ami-2"));
            fake.set(match lost {
                true => Switches::default().and_lose_answers(action, 1),
                false => Switches::default().and_fail_times(action, "InternalError", 1),
            });
            let first = bring_back(&fake);
            // If sharing with all accounts fails, it is tried for each account.
            let goes_on = action == "ec2:ModifyImageAttribute";
            assert_eq!(
                first.status == RestoreStatus::Failed,
                !goes_on,
                "{action} {lost}: {first:?}"
            );
            let second = bring_back(&fake);
            let is_done =
                matches!(second.status, RestoreStatus::Restored | RestoreStatus::Untouched);
            assert!(is_done, "{action}: {second:?}");
            assert_eq!(image(&fake, "ami-2"), before, "{action} {lost}");
            assert_eq!(bring_back(&fake).status, RestoreStatus::Untouched);
        }
    }
}

#[test]
fn one_account_that_is_closed_does_not_keep_the_others_away() {
    let (fake, policy) = (fake(), policy(DISABLE));
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    fake.change(|fleet| use_by_parameter(fleet, "ami-2"));
    let write = |fake: &Fake, text: &str| {
        fake.change(|fleet| {
            let tag: Tags = [("image-steward:launch-permissions", text)].into_iter().collect();
            fleet.images[1].tags = fleet.images[1].tags.with(&tag);
        });
    };
    write(&fake, &format!("ami-2 111122223333 {CLOSED_ACCOUNT} all"));
    let plan = planned(&fake, &policy);
    applied(&fake, &policy, &plan);
    assert_eq!(image(&fake, "ami-2").state, "available");
    assert!(share_by_hand(&fake).problem.is_some());
    let now = image(&fake, "ami-2");
    assert_eq!((now.state.as_str(), now.public), ("available", true));
    assert!(now.tags.has("image-steward:launch-permissions"), "what is owed is still known");
    write(&fake, "ami-2 111122223333 all");
    assert_eq!(share_by_hand(&fake).problem, None);
    assert_eq!(image(&fake, "ami-2"), image(&self::fake(), "ami-2"));
}
