//! Clauses about the template versions that are read, and about stale versions.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use steward::cloud::{ErrorKind, SourceAnswer};
use steward::model::{ComputeEnvironments, ReferenceScope, Source, TemplateVersions};
use steward_tests::switches::Switches;

use crate::Account;
use crate::references::{answer, failed, five_versions, said, scope};

async fn all<A: Account>(account: &A) -> Vec<SourceAnswer> {
    account.port().list_references(&scope(TemplateVersions::All)).await
}

/// The images of the source's stale references.
fn stale(answers: &[SourceAnswer], source: Source) -> Vec<&str> {
    let found = answer(answers, source).as_ref().unwrap();
    found.iter().filter(|held| held.stale).map(|held| held.image_id.as_str()).collect()
}

/// An account with one template of five versions, the fourth being the default, and one launch
/// source of each kind that refers to the given versions.
fn named(group: &str, fleet: &str, spot_fleet: &str, environment: &str) -> Value {
    let version = |number: &str| json!({"launch_template_id": "lt-00000001", "version": number});
    json!({
        "launch_templates": [five_versions("lt-00000001")],
        "auto_scaling_groups": [{"name": "web", "launch_template": version(group)}],
        "fleets": [{"fleet_id": "fleet-1", "launch_templates": [version(fleet)]}],
        "spot_fleets": [
            {"spot_fleet_request_id": "sfr-1", "launch_templates": [version(spot_fleet)]},
        ],
        "compute_environments":
            [{"name": "batch", "launch_templates": [version(environment)]}],
    })
}

pub async fn versions_that_nothing_names_are_stale<A: Account>() {
    for (versions, expected) in [
        (["1", "2", "3", "4"], vec!["ami-00000005"]),
        (["4", "1", "2", "3"], vec!["ami-00000005"]),
        (["3", "4", "1", "2"], vec!["ami-00000005"]),
        (["2", "3", "4", "1"], vec!["ami-00000005"]),
        (["$Latest", "$Default", "1", "2"], vec!["ami-00000003"]),
        (
            ["1", "1", "1", "1"],
            vec!["ami-00000002", "ami-00000003", "ami-00000004", "ami-00000005"],
        ),
    ] {
        let [group, fleet, spot_fleet, environment] = versions;
        let account = A::with(named(group, fleet, spot_fleet, environment)).await;
        let answers = all(&account).await;
        assert_eq!(stale(&answers, Source::LaunchTemplates), expected, "{versions:?}");
        for source in [Source::AutoScalingGroups, Source::Fleets, Source::ComputeEnvironments] {
            assert_eq!(stale(&answers, source), Vec::<&str>::new());
        }
    }
}

pub async fn a_version_of_another_template_is_another_version<A: Account>() {
    let mut content = named("1", "1", "1", "1");
    content["launch_templates"] = json!([
        {"launch_template_id": "lt-00000001", "versions": [{"version": 1, "image_id": "ami-00000001"}]},
        {"launch_template_id": "lt-00000002", "versions": [{"version": 1, "image_id": "ami-00000002"}]},
    ]);
    let account = A::with(content).await;
    assert_eq!(stale(&all(&account).await, Source::LaunchTemplates), ["ami-00000002"]);
}

pub async fn what_is_over_keeps_no_version_from_being_stale<A: Account>() {
    let mut content = named("4", "5", "1", "2");
    content["fleets"][0]["state"] = "deleted".into();
    content["spot_fleets"][0]["state"] = "cancelled".into();
    content["compute_environments"][0]["status"] = "DELETED".into();
    let account = A::with(content).await;
    let expected = ["ami-00000001", "ami-00000002", "ami-00000003", "ami-00000005"];
    assert_eq!(stale(&all(&account).await, Source::LaunchTemplates), expected);
}

pub async fn nothing_is_stale_where_a_starter_was_not_read<A: Account>() {
    let account = A::with(named("1", "2", "4", "5")).await;
    for action in [
        "autoscaling:DescribeAutoScalingGroups",
        "ec2:DescribeFleets",
        "ec2:DescribeSpotFleetRequests",
        "batch:DescribeComputeEnvironments",
    ] {
        account.set(Switches::deny(&[action])).await;
        let answers = all(&account).await;
        assert_eq!(failed(&answers).len(), 1);
        assert_eq!(stale(&answers, Source::LaunchTemplates), Vec::<&str>::new(), "{action}");
    }
    // A Spot request refers to no template.
    account.set(Switches::deny(&["ec2:DescribeSpotInstanceRequests"])).await;
    assert_eq!(stale(&all(&account).await, Source::LaunchTemplates), ["ami-00000003"]);
    // A source that is excluded counts neither as unread nor as referring to anything.
    account.set(Switches::deny(&["batch:DescribeComputeEnvironments"])).await;
    let scope = ReferenceScope {
        versions: TemplateVersions::All,
        compute_environments: ComputeEnvironments::LeaveOut,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    };
    let answers = account.port().list_references(&scope).await;
    assert_eq!(stale(&answers, Source::LaunchTemplates), ["ami-00000003", "ami-00000005"]);
}

pub async fn launch_configurations_without_a_group_are_stale<A: Account>() {
    let account = A::with(json!({
        "launch_configurations": [
            {"name": "used", "image_id": "ami-00000001"},
            {"name": "left", "image_id": "ami-00000002"},
        ],
        "auto_scaling_groups": [{"name": "old", "launch_configuration": "used"}],
    }))
    .await;
    assert_eq!(stale(&all(&account).await, Source::LaunchConfigurations), ["ami-00000002"]);
    // Only Auto Scaling groups use them.
    account.set(Switches::deny(&["ec2:DescribeFleets"])).await;
    assert_eq!(stale(&all(&account).await, Source::LaunchConfigurations), ["ami-00000002"]);
    account.set(Switches::deny(&["autoscaling:DescribeAutoScalingGroups"])).await;
    let answers = all(&account).await;
    assert_eq!(stale(&answers, Source::LaunchConfigurations), Vec::<&str>::new());
}

fn newest(count: u32) -> TemplateVersions {
    TemplateVersions::Newest(NonZeroU32::new(count).unwrap())
}

pub async fn so_many_of_the_newest_versions_are_read<A: Account>() {
    let versions: Vec<Value> = [1, 2, 3, 6, 8, 9]
        .map(|n| json!({"version": n, "image_id": format!("ami-0000000{n}")}))
        .into();
    let account = A::with(json!({
        "launch_templates": [
            {"launch_template_id": "lt-00000001", "default_version": 1, "versions": versions},
        ],
        "auto_scaling_groups": [{
            "name": "web",
            "launch_template": {"launch_template_id": "lt-00000001", "version": "3"},
        }],
    }))
    .await;
    for (versions, expected) in [
        (TemplateVersions::DefaultAndLatest, vec![1, 3, 9]),
        (newest(1), vec![1, 3, 9]),
        (newest(2), vec![1, 3, 8, 9]),
        // The newest existing versions, whatever their numbers are.
        (newest(3), vec![1, 3, 6, 8, 9]),
        (newest(5), vec![1, 2, 3, 6, 8, 9]),
        (newest(100), vec![1, 2, 3, 6, 8, 9]),
        (TemplateVersions::All, vec![1, 2, 3, 6, 8, 9]),
    ] {
        let answers = account.port().list_references(&scope(versions)).await;
        let found = said(&answers, Source::LaunchTemplates);
        let expected: Vec<String> =
            expected.into_iter().map(|n| format!("ami-0000000{n} ")).collect();
        assert_eq!(found.len(), expected.len(), "{versions:?}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(&expected), "{versions:?}: {found}");
        }
    }
}

pub async fn more_than_two_versions_take_a_list_of_the_templates<A: Account>() {
    let account = A::with(json!({"launch_templates": [five_versions("lt-00000001")]})).await;
    let action = "ec2:DescribeLaunchTemplates";
    account.set(Switches::deny(&[action])).await;
    for versions in [newest(2), TemplateVersions::All] {
        let answers = account.port().list_references(&scope(versions)).await;
        assert_eq!(failed(&answers), [Source::LaunchTemplates]);
        let error = answer(&answers, Source::LaunchTemplates).as_ref().unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
    let answers = account.port().list_references(&scope(TemplateVersions::DefaultAndLatest)).await;
    assert_eq!(failed(&answers), []);
}
