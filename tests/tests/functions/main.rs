//! The functions from event to response, on the fake: who created an image, retiring instances, and
//! published events.

#![expect(clippy::unwrap_used, reason = "tests")]

mod announcing;
mod creator;
mod publishing;
mod retiring;
mod tagging;

use jiff::Timestamp;
use serde_json::{Value, json};
use steward::apply::StepResult;
use steward::cloud::NamedBus;
use steward::events::{Event, publish};
use steward::jobs::{Answer, FunctionKind, Job, JobError, JobReport, Mode};
use steward::model::{AccountRegion, Deadline, InWords, NoDeadline, Provider, Tags};
use steward::policy::Policy;
use steward::progress::RunContext;
use steward_eventbridge::{EC2_SOURCE, EventOrigin};
use steward_tests::fake::{Call, Fake};

const ALICE: &str = "arn:aws:sts::123456789012:assumed-role/Packer/alice";
const POLICY: &str = r#"
version = 1
[[rule]]
name = "all"
keep = { last = 1 }
retire = { deprecate_after = "0d", disable_after = "7d", deregister_after = "14d", delete_snapshots_after = "0d" }
[safety]
max_fraction = 1.0
[tagging]
set = { ManagedBy = "image-steward" }
[instances]
retire = "stop"
"#;

fn fake(fleet: Value) -> Fake {
    Fake::new(&serde_json::from_value(fleet).unwrap())
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Runs it with a bus, to which the run's own events are published too, as in a function.
fn run_with_bus(
    fake: &Fake,
    mode: Mode,
    function: FunctionKind,
    event: &Value,
    deadline: &dyn Deadline,
) -> JobReport {
    let to = NamedBus { bus: fake, name: "default" };
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let mut report = run_job(fake, POLICY, mode, Some(to), function, event, deadline).unwrap();
    block_on(report.publish(to, &target, deadline));
    report
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn run_within(
    fake: &Fake,
    policy: &str,
    mode: Mode,
    function: FunctionKind,
    event: &Value,
    deadline: &dyn Deadline,
) -> Result<JobReport, JobError> {
    run_job(fake, policy, mode, None, function, event, deadline)
}

fn run_job(
    fake: &Fake,
    policy: &str,
    mode: Mode,
    bus: Option<NamedBus<'_>>,
    function: FunctionKind,
    event: &Value,
    deadline: &dyn Deadline,
) -> Result<JobReport, JobError> {
    let policy = Policy::parse(policy, "test").unwrap();
    let target =
        AccountRegion { account: fake.account().clone(), region: Some(fake.region().clone()) };
    let job = Job {
        cloud: fake,
        instances: fake,
        bus,
        target: &target,
        policy: &policy,
        mode,
        now: now(),
        context: RunContext { deadline, ..RunContext::UNLIMITED },
    };
    let origin = EventOrigin { source: EC2_SOURCE, target: &target };
    block_on(job.run(function, &steward_eventbridge::parse(event, origin)))
}

fn run_under(
    fake: &Fake,
    policy: &str,
    mode: Mode,
    function: FunctionKind,
    event: &Value,
) -> JobReport {
    run_within(fake, policy, mode, function, event, &NoDeadline).unwrap()
}

fn run(fake: &Fake, function: FunctionKind, event: &Value) -> JobReport {
    run_under(fake, POLICY, Mode::Apply, function, event)
}

fn image_event(image: &str, state: &str) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": "EC2 AMI State Change", "source": "aws.ec2",
        "account": "123456789012", "region": "eu-central-1", "time": "2026-11-22T12:00:00Z",
        "resources": [], "detail": {"ImageId": image, "State": state},
    })
}

fn schedule() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}})
}

fn made(image: &str, call: &str) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": "123456789012", "region": "eu-central-1", "time": "2026-11-22T12:00:00Z",
        "resources": [],
        "detail": {
            "eventSource": "ec2.amazonaws.com", "eventName": call, "awsRegion": "eu-central-1",
            "userIdentity": {"type": "AssumedRole", "principalId": "AROA:alice", "arn": ALICE},
            "requestParameters": {"instanceId": "i-00000001", "name": "web"},
            "responseElements": {"imageId": image},
        },
    })
}
