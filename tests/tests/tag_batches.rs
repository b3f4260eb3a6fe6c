//! If one resource cannot be tagged, the others in its batch are still tagged.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use steward::apply::{self, MAX_DENIED_CALLS, Outcome, StepKind};
use steward::jobs::Mode;
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_tests::fake::{Call, Fake};
use steward_tests::jobs::with_job;
use steward_tests::switches::Switches;

const TAGS: &str = "ec2:CreateTags";
const MARK: &str = "image-steward:expired-at";

/// `count` expired images, and one that is kept.
fn expiring(count: usize) -> Fake {
    let image =
        |n: usize| json!({"image_id": format!("ami-{n:04}"), "created_at": "2026-01-01T00:00:00Z"});
    let mut images: Vec<Value> = (0..count).map(image).collect();
    images.push(json!({"image_id": "ami-newest", "created_at": "2026-11-01T00:00:00Z"}));
    Fake::new(&serde_json::from_value(json!({ "images": images })).unwrap())
}

/// One run, a day after the previous one for each `day`.
fn sweep(fake: &Fake, day: i64) -> Outcome {
    let text = "version = 1\n[[rule]]\nname = \"all\"\nkeep = { last = 1 }\n\
        retire = { deprecate_after = \"never\", disable_after = \"never\", deregister_after = \"1y\" }\n\
        [safety]\nmin_references = 0\n";
    let policy = Policy::parse(text, "test").unwrap();
    let now = "2026-11-22T12:00:01Z".parse::<Timestamp>().unwrap();
    let now = now + SignedDuration::from_hours(24 * day);
    with_job(fake, &policy, Mode::Apply, now, async |job| {
        let (plan, permissions) = job.plan_images().await;
        apply::apply(&plan, permissions, &policy, fake, RunContext::UNLIMITED).await
    })
}

fn denying(ids: impl IntoIterator<Item = usize>) -> Switches {
    ids.into_iter().fold(Switches::default(), |switches, n| {
        switches.and_fail_about(TAGS, "UnauthorizedOperation", &format!("ami-{n:04}"))
    })
}

fn tagged(fake: &Fake) -> usize {
    fake.world().images.iter().filter(|image| image.tags.has(MARK)).count()
}

fn calls(fake: &Fake) -> usize {
    fake.calls().iter().filter(|call| matches!(call, Call::SetTags(..))).count()
}

#[test]
fn a_denied_resource_fails_alone_wherever_it_is_in_the_batch() {
    for count in [2, 3, 7, 1000] {
        for denied in BTreeSet::from([0, 1, count / 2, count - 1]) {
            let fake = expiring(count);
            fake.set(denying([denied]));
            let outcome = sweep(&fake, 0);
            let failed: Vec<_> = outcome.failed().collect();
            let [record] = &failed[..] else { panic!("{denied} of {count}: {failed:?}") };
            assert_eq!(record.resource.as_str(), format!("ami-{denied:04}"));
            assert_eq!(record.step, StepKind::Expire);
            assert_eq!(record.failure().unwrap().code, "UnauthorizedOperation");
            assert_eq!(tagged(&fake), count - 1, "{denied} of {count}");
            assert!(calls(&fake) <= 1 + 20, "{denied} of {count}");
        }
    }
}

#[test]
fn where_all_are_denied_few_calls_are_added_and_each_failure_has_its_reason() {
    for count in [1, 2, 50, 1000] {
        let fake = expiring(count);
        fake.set(Switches::deny(&[TAGS]));
        let outcome = sweep(&fake, 0);
        assert!(calls(&fake) <= 1 + MAX_DENIED_CALLS, "{count}: {} calls", calls(&fake));
        assert_eq!(outcome.failed().count(), count);
        let text = |one: &steward::apply::StepRecord| one.failure().unwrap().message.clone();
        assert!(outcome.failed().all(|one| text(one).contains("not authorized")));
        let untried = outcome.failed().filter(|one| text(one).contains("not tried individually"));
        assert_eq!(untried.count() > 0, count > MAX_DENIED_CALLS, "{count}");
        assert_eq!(tagged(&fake), 0);
    }
}

/// Whatever the positions of the denied resources are, later runs tag the others.
#[test]
fn many_denied_resources_do_not_keep_the_others_waiting_for_ever() {
    let every_tenth: Vec<usize> = (0..400).step_by(10).collect();
    for denied in [(0..150).collect(), (250..400).collect(), every_tenth] {
        let fake = expiring(400);
        fake.set(denying(denied.iter().copied()));
        for day in 0..100 {
            fake.forget_calls();
            sweep(&fake, day);
            assert!(calls(&fake) <= 1 + 2 * MAX_DENIED_CALLS);
        }
        assert_eq!(tagged(&fake), 400 - denied.len(), "{denied:?}");
    }
}

#[test]
fn what_is_gone_or_full_fails_alone_too() {
    for code in ["InvalidAMIID.NotFound", "TagLimitExceeded"] {
        let fake = expiring(100);
        let bad = (0..100).step_by(7);
        let switches = bad.clone().fold(Switches::default(), |switches, n| {
            switches.and_fail_about(TAGS, code, &format!("ami-{n:04}"))
        });
        fake.set(switches);
        sweep(&fake, 0);
        assert_eq!(tagged(&fake), 100 - bad.count(), "{code}");
    }
}

#[test]
fn a_call_that_would_fail_again_is_not_repeated() {
    for code in ["RequestLimitExceeded", "ExpiredToken"] {
        let fake = expiring(100);
        fake.set(Switches::default().and_fail(TAGS, code));
        sweep(&fake, 0);
        assert_eq!(calls(&fake), 1, "{code}");
    }
}
