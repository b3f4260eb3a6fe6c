//! The speed of a large run against a local account with EC2's token buckets, in which time passes
//! ten times as fast. `make pace` runs these tests and prints the measurements. They take minutes,
//! and mean little on a busy computer.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]
#![expect(clippy::disallowed_methods, reason = "the test measures time")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use steward::apply::{Outcome, StepKind};
use steward::jobs::{Job, Mode};
use steward::model::{AccountRegion, Tags};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_aws::{Aws, Connect, RateLimit, connect};
use steward_tests::fleet::{Fleet, FleetImage, FleetInstance};
use steward_tests::standin::Standin;

/// The factor by which time passes faster.
const SCALE: u32 = 10;
const DOOMED: u32 = 6000;
/// (action, capacity, refill per second), from the EC2 documentation.
const BUCKETS: [(&str, u32, u32); 11] = [
    ("DeregisterImage", 100, 5),
    ("DeleteSnapshot", 100, 5),
    ("CreateTags", 100, 10),
    ("DeleteTags", 100, 10),
    ("DescribeImages", 100, 20),
    ("DescribeSnapshots", 100, 20),
    ("DescribeInstances", 100, 20),
    ("DescribeImageAttribute", 100, 20),
    ("DescribeImageReferences", 100, 20),
    ("DescribeLaunchTemplateVersions", 100, 20),
    ("DescribeSpotFleetRequests", 50, 3),
];

const POLICY: &str = "version = 1\n[[rule]]\nname = \"all\"\nkeep = { last = 1 }\n\
                      [safety]\nmax_per_run = 10000\nmax_fraction = 1.0\n";

/// The seconds that the bucket of DeregisterImage requires for `calls` calls.
fn least(calls: u32) -> f64 {
    let (_, capacity, refill) = BUCKETS[0];
    f64::from(calls - capacity) / f64::from(refill * SCALE)
}

/// Images that are due and not disabled. Their launch permissions are not in the listing.
fn enabled(now: Timestamp, count: u32) -> Fleet {
    let mut fleet = fleet(now);
    fleet.images.drain(..(DOOMED - count) as usize);
    for image in &mut fleet.images {
        image.state = "available".to_owned();
        image.tags = Tags::default();
        image.deprecation_time = None;
    }
    fleet
}

/// Images that were disabled a week ago and are due, each with a snapshot; and a newest image,
/// which an instance uses.
fn fleet(now: Timestamp) -> Fleet {
    let doomed = (1..=DOOMED).map(|n| {
        let id = format!("ami-{n:017x}");
        let mut image =
            FleetImage::new(id.parse().unwrap(), [format!("snap-{n:017x}").parse().unwrap()]);
        image.created_at = now - SignedDuration::from_hours(24 * 100 + i64::from(n));
        image.state = "disabled".to_owned();
        let expired = now - SignedDuration::from_hours(24 * 15);
        image.deprecation_time = Some(expired);
        image.tags = [
            ("image-steward:expired-at", expired.to_string()),
            ("image-steward:deprecation", format!("{id} none disabled {expired}")),
            ("image-steward:launch-permissions", format!("{id} none")),
        ]
        .into_iter()
        .collect();
        image
    });
    let mut newest = FleetImage::new("ami-0000000000000ffff".parse().unwrap(), []);
    newest.created_at = now - SignedDuration::from_hours(24);
    let instance =
        FleetInstance::new("i-00000000000000001".parse().unwrap(), newest.image_id.clone());
    Fleet {
        images: doomed.chain([newest]).collect(),
        instances: vec![instance],
        ..Fleet::default()
    }
}

async fn begin(standin: &Standin, fleet: &Fleet) -> Aws {
    standin.load(fleet).await;
    let buckets: Vec<String> = BUCKETS
        .iter()
        .map(|(action, capacity, refill)| {
            format!(r#""{action}":{{"capacity":{capacity},"per_second":{}}}"#, refill * SCALE)
        })
        .collect();
    standin.switch(&format!(r#"{{"buckets":{{{}}}}}"#, buckets.join(","))).await;
    let rate_limit = RateLimit::Scaled(NonZeroU32::new(SCALE).unwrap());
    let aws = connect(Connect { rate_limit, ..standin.options() }).await.unwrap();
    standin.forget_calls().await;
    aws
}

async fn sweep(aws: &Aws, now: Timestamp, seconds: Option<u64>) -> (Outcome, Duration) {
    let target =
        AccountRegion { account: aws.account().clone(), region: Some(aws.region().clone()) };
    let policy = Policy::parse(POLICY, "pace").unwrap();
    let begun = Instant::now();
    let left = move || match seconds {
        Some(seconds) => Duration::from_secs(seconds).saturating_sub(begun.elapsed()),
        None => Duration::MAX,
    };
    let job = Job {
        cloud: aws,
        instances: aws,
        bus: None,
        target: &target,
        policy: &policy,
        mode: Mode::Apply,
        now,
        context: RunContext { deadline: &left, ..RunContext::UNLIMITED },
    };
    let (plan, permissions) = job.plan_images().await;
    let outcome = job.apply_images(&plan, permissions).await;
    (outcome, begun.elapsed())
}

fn deregistered(outcome: &Outcome) -> usize {
    outcome.images_done(StepKind::Deregister).count()
}

#[tokio::test]
#[ignore = "takes minutes: make pace"]
async fn six_thousand_images_take_as_long_as_their_bucket() {
    let now = Timestamp::now();
    let standin = Standin::start();
    let aws = begin(&standin, &fleet(now)).await;
    let (outcome, took) = sweep(&aws, now, None).await;
    let calls = standin.calls().await;
    let all: u32 = calls.values().sum();
    let throttled = standin.throttled().await;
    let limit = least(DOOMED);
    println!(
        "{DOOMED} images: {:.1} s, the bucket's own limit {limit:.1} s ({:.3} times); {all} calls, {throttled} of them \
         throttled ({:.2} %); deregistered {}, failed {}, not reached {}",
        took.as_secs_f64(),
        took.as_secs_f64() / limit,
        f64::from(throttled) * 100.0 / f64::from(all),
        deregistered(&outcome),
        outcome.failed().count(),
        outcome.not_reached().count()
    );
    println!("calls: {calls:?}");
    assert_eq!(deregistered(&outcome), DOOMED as usize, "{:?}", outcome.failed().next());
    assert_eq!(standin.world().await.images.len(), 1);
    assert!(f64::from(throttled) <= 0.01 * f64::from(all));
    assert!(took.as_secs_f64() <= 1.1 * limit);
}

#[tokio::test]
#[ignore = "takes minutes: make pace"]
async fn a_deadline_stops_a_run_and_the_next_one_takes_up_there() {
    const SECONDS: u64 = 90;
    let now = Timestamp::now();
    let standin = Standin::start();
    let aws = begin(&standin, &fleet(now)).await;
    let (first, took) = sweep(&aws, now, Some(SECONDS)).await;
    println!(
        "{SECONDS} s: stopped after {:.1} s; deregistered {}, not reached {}, failed {}",
        took.as_secs_f64(),
        deregistered(&first),
        first.not_reached().count(),
        first.failed().count()
    );
    assert!(took < Duration::from_secs(SECONDS));
    assert_eq!(first.failed().next(), None);
    assert!(deregistered(&first) > 0 && first.not_reached().next().is_some());
    // A step that is neither done nor reported would be lost.
    assert_eq!(deregistered(&first) + first.not_reached().count(), DOOMED as usize);
    let left = standin.world().await.images.len() - 1;
    assert_eq!(left, first.not_reached().count());
    let (second, took) = sweep(&aws, now, None).await;
    println!(
        "the next run: {:.1} s; deregistered {}, failed {}",
        took.as_secs_f64(),
        deregistered(&second),
        second.failed().count()
    );
    assert_eq!(deregistered(&second), left);
    assert_eq!(standin.world().await.images.len(), 1);
}

#[tokio::test]
#[ignore = "takes minutes: make pace"]
async fn a_plan_takes_as_long_as_reading_who_may_launch_its_images() {
    const IMAGES: u32 = 1000;
    let now = Timestamp::now();
    let standin = Standin::start();
    let aws = begin(&standin, &enabled(now, IMAGES)).await;
    let target =
        AccountRegion { account: aws.account().clone(), region: Some(aws.region().clone()) };
    let policy = Policy::parse(POLICY, "pace").unwrap();
    let job = Job {
        cloud: &aws,
        instances: &aws,
        bus: None,
        target: &target,
        policy: &policy,
        mode: Mode::Plan,
        now,
        context: RunContext::UNLIMITED,
    };
    let begun = Instant::now();
    let (plan, _) = job.plan_images().await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(plan.refusal, None);
    let calls = standin.calls().await;
    let read = calls.iter().find(|(call, _)| call.ends_with("DescribeImageAttribute"));
    assert_eq!(read.map(|(_, made)| *made), Some(IMAGES));
    let (_, capacity, refill) = BUCKETS[7];
    let limit = f64::from(IMAGES - capacity) / f64::from(refill * SCALE);
    println!(
        "a plan of {IMAGES}: {took:.1} s, the bucket's own limit {limit:.1} s; calls: {calls:?}"
    );
    assert!(took <= 1.1 * limit + 1.0);
}
