//! Clauses about launch sources other than Auto Scaling groups: fleets, Spot requests, AWS Batch.

use serde_json::{Value, json};
use steward::cloud::{ErrorKind, SourceAnswer};
use steward::model::{ComputeEnvironments, ReferenceScope, Source, TemplateVersions};
use steward_tests::switches::Switches;

use crate::Account;
use crate::references::{EC2, answer, ask, failed, five_versions, said};

const BATCH: &str = "arn:aws:batch:eu-central-1:123456789012:compute-environment";

fn version(number: &str) -> Value {
    json!({"launch_template_id": "lt-00000001", "version": number})
}

/// A fleet and a Spot fleet, and the references expected from both.
struct CapacityCase {
    section: &'static str,
    id: &'static str,
    source: Source,
    /// The kind, and the ARN before the ID.
    holder: String,
    over: [&'static str; 4],
}

fn fleets() -> [CapacityCase; 2] {
    [
        CapacityCase {
            section: "fleets",
            id: "fleet_id",
            source: Source::Fleets,
            holder: format!("fleet {EC2}:fleet"),
            over: ["deleted", "deleted_running", "deleted_terminating", "failed"],
        },
        CapacityCase {
            section: "spot_fleets",
            id: "spot_fleet_request_id",
            source: Source::SpotFleets,
            holder: format!("spot_fleet {EC2}:spot-fleet-request"),
            over: ["cancelled", "cancelled_running", "cancelled_terminating", "failed"],
        },
    ]
}

impl CapacityCase {
    fn name(&self, end: &str) -> String {
        let prefix = if self.section == "fleets" { "fleet" } else { "sfr" };
        format!("{prefix}-{end}")
    }

    fn one(&self, end: &str, rest: Value) -> Value {
        let mut one = rest;
        one[self.id] = self.name(end).into();
        one
    }
}

pub async fn fleets_hold_the_images_of_their_templates_and_their_own<A: Account>() {
    for case in fleets() {
        let mut content = json!({
            "launch_templates": [five_versions("lt-00000001")],
            "ssm_parameters": [{"name": "/golden", "value": "ami-00000008"}],
        });
        content[case.section] = json!([
            // Versions 1 and 2 are neither default nor latest.
            case.one("0001", json!({"launch_templates": [version("1"), version("2")]})),
            case.one("0002", json!({"launch_templates": [version("$Latest")]})),
            case.one("0003", json!({"launch_templates": [version("$Default")]})),
            case.one("0004", json!({"images": ["ami-00000009", "resolve:ssm:/golden"]})),
            case.one(
                "0005",
                json!({"launch_templates": [version("$Default")], "images": ["ami-00000007"]})
            ),
        ]);
        let account = A::with(content).await;
        let answers = ask(&account).await;
        let held =
            |image: u8, end: &str| format!("ami-0000000{image} {}/{}", case.holder, case.name(end));
        let expected = [
            held(1, "0001"),
            held(2, "0001"),
            held(4, "0003"),
            held(4, "0005"),
            held(5, "0002"),
            held(7, "0005"),
            held(8, "0004"),
            held(9, "0004"),
        ];
        assert_eq!(said(&answers, case.source), expected);
        // Nothing refers to version 3.
        let templates = said(&answers, Source::LaunchTemplates).join(" ");
        assert!(templates.contains("version 1") && templates.contains("version 2"));
        assert!(!templates.contains("version 3"), "{templates}");
    }
}

pub async fn fleets_hold_nothing_once_they_are_over<A: Account>() {
    for case in fleets() {
        let over = case.over.iter().enumerate().map(|(n, state)| {
            case.one(&format!("000{n}"), json!({"state": state, "images": ["ami-00000001"]}))
        });
        let mut content = json!({"launch_templates": [five_versions("lt-00000001")]});
        let mut held: Vec<Value> = over.collect();
        held.push(case.one(
            "0005",
            json!({
                "state": case.over[0], "launch_templates": [version("3")],
            }),
        ));
        // A source that is being created, or has an unknown state, may still launch instances.
        held.push(case.one("0006", json!({"state": "submitted", "images": ["ami-00000002"]})));
        held.push(case.one("0007", json!({"state": "modifying", "images": ["ami-00000003"]})));
        held.push(case.one("0008", json!({"state": "dreaming", "images": ["ami-00000004"]})));
        content[case.section] = held.into();
        let account = A::with(content).await;
        let answers = ask(&account).await;
        let expected = [(2, "0006"), (3, "0007"), (4, "0008")]
            .map(|(n, end)| format!("ami-0000000{n} {}/{}", case.holder, case.name(end)));
        assert_eq!(said(&answers, case.source), expected);
        // They do not count as references to the version either.
        assert_eq!(said(&answers, Source::LaunchTemplates).len(), 2);
    }
}

pub async fn spot_requests_hold_their_images_while_they_may_launch_instances<A: Account>() {
    let one = |n: u8, state: &str| {
        json!({
            "spot_instance_request_id": format!("sir-{n}"), "state": state,
            "image_id": format!("ami-0000000{n}"),
        })
    };
    let account = A::with(json!({
        "spot_requests": [
            one(1, "open"), one(2, "active"), one(3, "closed"), one(4, "cancelled"),
            one(5, "failed"), one(6, "disabled"),
        ],
    }))
    .await;
    let held = |n: u8| format!("ami-0000000{n} spot_request {EC2}:spot-instances-request/sir-{n}");
    assert_eq!(said(&ask(&account).await, Source::SpotRequests), [held(1), held(2)]);
}

/// Compute environments that refer to images in every way, and two finished ones.
fn environments() -> Value {
    json!({
        "launch_templates": [five_versions("lt-00000001")],
        "compute_environments": [
            {"name": "plain", "image_id": "ami-00000006"},
            {"name": "overriding", "image_id_overrides": ["ami-00000007", "ami-00000008"]},
            {"name": "templated", "launch_templates": [version("$Latest"), version("1")]},
            {"name": "invalid", "status": "INVALID", "image_id": "ami-00000009"},
            {"name": "going", "status": "DELETING", "image_id": "ami-00000001"},
            {"name": "gone", "status": "DELETED", "launch_templates": [version("2")]},
        ],
    })
}

pub async fn compute_environments_hold_their_images<A: Account>() {
    let account = A::with(environments()).await;
    let answers = ask(&account).await;
    let held =
        |image: u8, name: &str| format!("ami-0000000{image} compute_environment {BATCH}/{name}");
    let expected = [
        held(1, "templated"),
        held(5, "templated"),
        held(6, "plain"),
        held(7, "overriding"),
        held(8, "overriding"),
        held(9, "invalid"),
    ];
    assert_eq!(said(&answers, Source::ComputeEnvironments), expected);
    let templates = said(&answers, Source::LaunchTemplates).join(" ");
    assert!(templates.contains("version 1"), "the override's version: {templates}");
    assert!(!templates.contains("version 2"), "{templates}");
}

pub async fn compute_environments_can_be_left_out<A: Account>() {
    let account = A::with(environments()).await;
    account.set(Switches::deny(&["batch:DescribeComputeEnvironments"])).await;
    let scope = ReferenceScope {
        versions: TemplateVersions::DefaultAndLatest,
        compute_environments: ComputeEnvironments::LeaveOut,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    };
    let answers = account.port().list_references(&scope).await;
    assert_eq!(failed(&answers), []);
    let sources: Vec<Source> = answers.iter().map(|answer| answer.source).collect();
    let expected = [
        Source::Instances,
        Source::LaunchTemplates,
        Source::LaunchConfigurations,
        Source::AutoScalingGroups,
        Source::Fleets,
        Source::SpotFleets,
        Source::SpotRequests,
    ];
    assert_eq!(sources, expected);
    // Versions to which only they refer are not read.
    assert_eq!(said(&answers, Source::LaunchTemplates).len(), 2);
}

pub async fn a_denied_starter_is_named_and_hides_no_other<A: Account>() {
    let mut content = environments();
    content["fleets"] = json!([{"fleet_id": "fleet-1", "images": ["ami-00000001"]}]);
    content["spot_fleets"] =
        json!([{"spot_fleet_request_id": "sfr-1", "images": ["ami-00000001"]}]);
    content["spot_requests"] =
        json!([{"spot_instance_request_id": "sir-1", "image_id": "ami-00000001"}]);
    let account = A::with(content).await;
    for (action, source) in [
        ("ec2:DescribeFleets", Source::Fleets),
        ("ec2:DescribeSpotFleetRequests", Source::SpotFleets),
        ("ec2:DescribeSpotInstanceRequests", Source::SpotRequests),
        ("batch:DescribeComputeEnvironments", Source::ComputeEnvironments),
    ] {
        account.set(Switches::deny(&[action])).await;
        let answers = ask(&account).await;
        assert_eq!(failed(&answers), [source]);
        let error = answer(&answers, source).as_ref().unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
        let code = match action {
            "batch:DescribeComputeEnvironments" => "AccessDeniedException",
            _ => "UnauthorizedOperation",
        };
        assert_eq!(error.code, code);
    }
}

pub async fn starters_are_unread_where_their_templates_are<A: Account>() {
    let content = |starts_from: &str, with: Value| {
        let mut content = json!({
            "launch_templates": [five_versions("lt-00000001")],
            "fleets": [{"fleet_id": "fleet-1"}],
            "spot_fleets": [{"spot_fleet_request_id": "sfr-1"}],
            "spot_requests":
                [{"spot_instance_request_id": "sir-1", "image_id": "ami-00000001"}],
            "compute_environments": [{"name": "batch"}],
        });
        for section in ["fleets", "spot_fleets", "compute_environments"] {
            let place = match (section, starts_from) {
                ("compute_environments", "images") => "image_id_overrides",
                _ => starts_from,
            };
            content[section][0][place] = json!([with]);
        }
        content
    };
    let denied = Switches::deny(&["ec2:DescribeLaunchTemplateVersions"]);
    let account = A::with(content("launch_templates", version("1"))).await;
    account.set(denied.clone()).await;
    let expected =
        [Source::LaunchTemplates, Source::Fleets, Source::SpotFleets, Source::ComputeEnvironments];
    assert_eq!(failed(&ask(&account).await), expected);
    drop(account);
    let account = A::with(content("images", json!("ami-00000001"))).await;
    account.set(denied).await;
    assert_eq!(failed(&ask(&account).await), [Source::LaunchTemplates]);
}

pub async fn a_parameter_that_leads_nowhere_fails_the_starter_that_names_it<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [five_versions("lt-00000001")],
        "fleets": [{"fleet_id": "fleet-1", "images": ["resolve:ssm:/nowhere"]}],
    }))
    .await;
    let answers = ask(&account).await;
    assert_eq!(failed(&answers), [Source::Fleets]);
    let error = answer(&answers, Source::Fleets).as_ref().unwrap_err();
    assert_eq!((error.call, error.kind), ("ssm:GetParameter", ErrorKind::NotFound));
    assert!(error.message.contains("/nowhere"), "{error}");
    assert!(error.message.contains("fleet-1"), "{error}");
}

/// This many of each kind, each with an image.
fn many(count: usize) -> Value {
    let of = |one: &dyn Fn(usize) -> Value| (0..count).map(one).collect::<Vec<_>>();
    let images = json!(["ami-00000001"]);
    json!({
        "fleets": of(&|n| json!({"fleet_id": format!("fleet-{n}"), "images": images})),
        "spot_fleets":
            of(&|n| json!({"spot_fleet_request_id": format!("sfr-{n}"), "images": images})),
        "spot_requests": of(&|n| {
            json!({"spot_instance_request_id": format!("sir-{n}"), "image_id": "ami-00000001"})
        }),
        "compute_environments":
            of(&|n| json!({"name": format!("batch-{n}"), "image_id": "ami-00000001"})),
    })
}

pub async fn every_page_of_starters_is_read<A: Account>() {
    let account = A::with(many(1001)).await;
    let count = |answers: &[SourceAnswer], source| said(answers, source).len();
    let sources = [
        (Source::Fleets, "ec2:DescribeFleets"),
        (Source::SpotFleets, "ec2:DescribeSpotFleetRequests"),
        (Source::SpotRequests, "ec2:DescribeSpotInstanceRequests"),
        (Source::ComputeEnvironments, "batch:DescribeComputeEnvironments"),
    ];
    let answers = ask(&account).await;
    for (source, action) in sources {
        assert_eq!(count(&answers, source), 1001);
        account.set(Switches::default().and_fail_page(action, 2)).await;
        assert_eq!(failed(&ask(&account).await), [source]);
    }
}
