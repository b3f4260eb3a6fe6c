//! Clauses about references that the provider reports, and snapshots in launch templates.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{Reference, SnapshotReference, TemplateVersions};
use steward_tests::switches::Switches;

use crate::references::scope;
use crate::references::{EC2, line};
use crate::{Account, image};

const FIND: &str = "ec2:DescribeImageReferences";
const TWO: TemplateVersions = TemplateVersions::DefaultAndLatest;

fn newest(count: u32) -> TemplateVersions {
    TemplateVersions::Newest(NonZeroU32::new(count).unwrap())
}

async fn find<A: Account>(
    account: &A,
    images: &[&str],
    versions: TemplateVersions,
) -> Result<Vec<Reference>, CloudError> {
    let images: Vec<_> = images.iter().map(|id| image(id)).collect();
    account.port().find_references_to(&images, versions).await
}

fn lines(found: &[Reference]) -> Vec<String> {
    found.iter().map(line).collect()
}

pub async fn the_provider_knows_what_refers_to_an_image<A: Account>() {
    let account = A::with(json!({
        "images": [{"image_id": "ami-00000001"}, {"image_id": "ami-00000002"}],
        "instances": [
            {"instance_id": "i-00000001", "image_id": "ami-00000001"},
            {"instance_id": "i-00000002", "image_id": "ami-00000001", "state": "terminated"},
            {"instance_id": "i-00000003", "image_id": "ami-00000002", "state": "stopped"},
            {"instance_id": "i-00000004", "image_id": "ami-00000003"},
        ],
        "launch_templates": [{"launch_template_id": "lt-00000001", "default_version": 3, "versions": [
            {"version": 1, "image_id": "ami-00000001"},
            {"version": 2, "image_id": "ami-00000001"},
            {"version": 3, "image_id": "ami-00000003"},
            {"version": 4},
        ]}],
        "launch_configurations": [{"name": "legacy", "image_id": "ami-00000001"}],
        "ssm_parameters": [
            {"name": "/golden/latest", "value": "ami-00000001"},
            {"name": "plain", "value": "ami-00000002"},
            {"name": "/more", "value": "ami-00000001,ami-00000002"},
        ],
        "image_recipes": [
            {"name": "web", "version": "1.2.3", "image_id": "ami-00000001"},
            {"name": "web", "version": "1.2.3", "kind": "container", "image_id": "ami-00000001"},
            {"name": "db", "version": "1.0.0", "image_id": "ami-00000003"},
        ],
    }))
    .await;
    let builder = "arn:aws:imagebuilder:eu-central-1:123456789012";
    let ssm = "arn:aws:ssm:eu-central-1:123456789012:parameter";
    let expected = [
        format!("ami-00000001 container_recipe {builder}:container-recipe/web/1.2.3"),
        format!("ami-00000001 image_recipe {builder}:image-recipe/web/1.2.3"),
        format!("ami-00000001 instance {EC2}:instance/i-00000001"),
        format!("ami-00000001 launch_template {EC2}:launch-template/lt-00000001"),
        format!("ami-00000001 ssm_parameter {ssm}/golden/latest"),
        format!("ami-00000002 instance {EC2}:instance/i-00000003"),
        format!("ami-00000002 ssm_parameter {ssm}/plain"),
    ];
    let asked = ["ami-00000002", "ami-00000001", "ami-00000002", "ami-0000000f"];
    let found = find(&account, &asked, TWO).await.unwrap();
    assert_eq!(lines(&found), expected);
    // The response does not show that no source uses the version.
    assert!(found.iter().all(|held| !held.stale));
}

pub async fn the_provider_looks_at_the_newest_versions<A: Account>() {
    let versions: Vec<Value> =
        (1..=12).map(|n| json!({"version": n, "image_id": format!("ami-{n:08x}")})).collect();
    let account = A::with(json!({
        "launch_templates": [
            {"launch_template_id": "lt-00000001", "default_version": 1, "versions": versions},
        ],
    }))
    .await;
    let [first, second, third] = ["ami-00000001", "ami-00000002", "ami-00000003"];
    for (versions, expected) in [
        (TWO, vec![third]),
        (newest(2), vec![third]),
        (newest(10), vec![third]),
        (newest(11), vec![second, third]),
        (newest(12), vec![first, second, third]),
        (TemplateVersions::All, vec![first, second, third]),
    ] {
        let found = find(&account, &[first, second, third], versions).await.unwrap();
        let found: Vec<&str> = found.iter().map(|held| held.image_id.as_str()).collect();
        assert_eq!(found, expected, "{versions:?}");
    }
}

/// This many images, each with an instance.
fn running(count: usize) -> (Vec<String>, Value) {
    let ids: Vec<String> = (0..count).map(|n| format!("ami-{n:08x}")).collect();
    let instance =
        |(n, id): (usize, &String)| json!({"instance_id": format!("i-{n:08x}"), "image_id": id});
    let instances: Vec<Value> = ids.iter().enumerate().map(instance).collect();
    (ids, json!({"instances": instances}))
}

pub async fn more_images_than_a_call_takes_are_asked_about<A: Account>() {
    let (ids, content) = running(25);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let account = A::with(content).await;
    let found = find(&account, &ids, TWO).await.unwrap();
    let found: Vec<&str> = found.iter().map(|held| held.image_id.as_str()).collect();
    assert_eq!(found, ids);
    // A partial response is an error.
    account.set(Switches::default().and_fail_about(FIND, "Strange", ids[24])).await;
    let error = find(&account, &ids, TWO).await.unwrap_err();
    assert_eq!((error.call, error.kind, error.code.as_str()), (FIND, ErrorKind::Other, "Strange"));
    assert_eq!(find(&account, &ids[..20], TWO).await.unwrap().len(), 20);
    account.set(Switches::deny(&[FIND])).await;
    let error = find(&account, &ids, TWO).await.unwrap_err();
    assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(FIND)));
    assert_eq!(find(&account, &[], TWO).await.unwrap(), []);
}

/// It is not documented whether EC2 fails the call for an image that does not exist.
pub async fn an_image_that_is_gone_hides_no_reference_to_another<A: Account>() {
    let (ids, content) = running(3);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let account = A::with(content).await;
    account.set(Switches::default().and_fail_about(FIND, "InvalidAMIID.NotFound", ids[1])).await;
    let found = find(&account, &ids, TWO).await.unwrap();
    let found: Vec<&str> = found.iter().map(|held| held.image_id.as_str()).collect();
    assert_eq!(found, [ids[0], ids[2]]);
    assert_eq!(find(&account, &ids[1..2], TWO).await.unwrap(), []);
}

pub async fn templates_and_configurations_name_snapshots_themselves<A: Account>() {
    let account = A::with(json!({
        "snapshots": [{"snapshot_id": "snap-00000001"}],
        "launch_configurations": [
            {"name": "legacy", "image_id": "ami-00000001", "snapshots": ["snap-00000008"]},
            {"name": "plain", "image_id": "ami-00000001"},
        ],
        "launch_templates": [
            {"launch_template_id": "lt-00000001", "default_version": 2, "versions": [
                {"version": 1, "snapshots": ["snap-00000001"]},
                {"version": 2, "image_id": "ami-00000001",
                 "snapshots": ["snap-00000002", "snap-00000001"]},
                {"version": 3, "snapshots": ["snap-00000003"]},
                {"version": 4, "image_id": "ami-00000001"},
            ]},
            {"launch_template_id": "lt-00000002", "versions": [
                {"version": 1, "snapshots": ["snap-00000009"]},
            ]},
        ],
    }))
    .await;
    let configuration =
        "snap-00000008 launch_configuration arn:aws:autoscaling:eu-central-1:123456789012:\
         launchConfiguration:0:launchConfigurationName/legacy version -"
            .to_owned();
    let template = |snapshot: u8, rest: &str| {
        format!("snap-0000000{snapshot} launch_template {EC2}:launch-template/{rest}")
    };
    let found = async |versions| {
        let found = account.port().list_snapshot_references(&scope(versions)).await.unwrap();
        let line = |one: &SnapshotReference| {
            let SnapshotReference { snapshot_id, kind, arn, version } = one;
            format!("{snapshot_id} {kind} {arn} version {}", version.as_deref().unwrap_or("-"))
        };
        found.iter().map(line).collect::<Vec<_>>()
    };
    let two = [
        template(1, "lt-00000001 version 2 ($Default)"),
        template(2, "lt-00000001 version 2 ($Default)"),
        configuration,
        template(9, "lt-00000002 version 1 ($Default, $Latest)"),
    ];
    assert_eq!(found(TWO).await, two);
    assert_eq!(found(newest(1)).await, two);
    let mut more = two.to_vec();
    more.insert(2, template(3, "lt-00000001 version 3"));
    assert_eq!(found(newest(2)).await, more);
    let mut all = more.clone();
    all.insert(0, template(1, "lt-00000001 version 1"));
    assert_eq!(found(TemplateVersions::All).await, all);
    for (action, versions) in [
        ("ec2:DescribeLaunchTemplateVersions", TWO),
        ("ec2:DescribeLaunchTemplateVersions", newest(1)),
        ("ec2:DescribeLaunchTemplateVersions", TemplateVersions::All),
        ("autoscaling:DescribeLaunchConfigurations", TWO),
    ] {
        account.set(Switches::deny(&[action])).await;
        let error = account.port().list_snapshot_references(&scope(versions)).await.unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
}
