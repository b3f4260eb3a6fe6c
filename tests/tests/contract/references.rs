//! Clauses about references to images.

use serde_json::{Value, json};
use steward::cloud::{CloudError, ErrorKind, SourceAnswer};
use steward::model::{ComputeEnvironments, Reference, ReferenceScope, Source, TemplateVersions};
use steward_tests::switches::Switches;

use crate::Account;

pub(crate) const EC2: &str = "arn:aws:ec2:eu-central-1:123456789012";
const GROUP: &str =
    "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:0:autoScalingGroupName";
const CONFIGURATION: &str =
    "arn:aws:autoscaling:eu-central-1:123456789012:launchConfiguration:0:launchConfigurationName";

const SECRET: &str = "correct-horse-battery";

/// A reference, as `IMAGE KIND ARN`, and ` version VERSION` if it has one.
pub(crate) fn line(reference: &Reference) -> String {
    let Reference { image_id, kind, arn, version, stale: _, name: _ } = reference;
    let version = version.as_ref().map(|version| format!(" version {version}"));
    format!("{image_id} {kind} {arn}{}", version.unwrap_or_default())
}

/// The references of one source, each as a [`line`].
pub(crate) fn said(answers: &[SourceAnswer], source: Source) -> Vec<String> {
    let found = answer(answers, source).as_ref().unwrap();
    found.iter().map(line).collect()
}

pub(crate) fn answer(
    answers: &[SourceAnswer],
    source: Source,
) -> &Result<Vec<Reference>, CloudError> {
    let mut of_source = answers.iter().filter(|answer| answer.source == source);
    let answer = of_source.next().expect("every source answers");
    assert!(of_source.next().is_none(), "{source} answers once");
    &answer.found
}

pub(crate) fn scope(versions: TemplateVersions) -> ReferenceScope {
    ReferenceScope {
        versions,
        compute_environments: ComputeEnvironments::Read,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    }
}

pub(crate) async fn ask<A: Account>(account: &A) -> Vec<SourceAnswer> {
    let answers = account.port().list_references(&scope(TemplateVersions::DefaultAndLatest)).await;
    assert_eq!(answers.len(), 8);
    answers
}

/// The sources that could not be read.
pub(crate) fn failed(answers: &[SourceAnswer]) -> Vec<Source> {
    answers.iter().filter(|answer| answer.found.is_err()).map(|answer| answer.source).collect()
}

pub async fn instances_hold_images_unless_terminated<A: Account>() {
    let account = A::with(json!({
        "instances": [
            {"instance_id": "i-00000001", "image_id": "ami-00000001"},
            {"instance_id": "i-00000002", "image_id": "ami-00000002", "state": "stopped"},
            {"instance_id": "i-00000003", "image_id": "ami-00000003", "state": "terminated"},
            {"instance_id": "i-00000004", "image_id": "ami-00000004", "state": "shutting-down"},
        ],
    }))
    .await;
    let expected = [
        format!("ami-00000001 instance {EC2}:instance/i-00000001"),
        format!("ami-00000002 instance {EC2}:instance/i-00000002"),
        format!("ami-00000004 instance {EC2}:instance/i-00000004"),
    ];
    assert_eq!(said(&ask(&account).await, Source::Instances), expected);
}

pub async fn templates_hold_the_images_of_their_default_and_latest_version<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [
            {"launch_template_id": "lt-00000001", "default_version": 2, "versions": [
                {"version": 1, "image_id": "ami-00000001"},
                {"version": 2, "image_id": "ami-00000002"},
                {"version": 3, "image_id": "ami-00000003"},
                {"version": 4, "image_id": "ami-00000004"},
            ]},
            {"launch_template_id": "lt-00000002", "versions": [{"version": 1, "image_id": "ami-00000005"}]},
            {"launch_template_id": "lt-00000003", "versions": [{"version": 1}]},
        ],
    }))
    .await;
    let template = |image: u8, rest: &str| {
        format!("ami-0000000{image} launch_template {EC2}:launch-template/{rest}")
    };
    let ends = [
        template(2, "lt-00000001 version 2 ($Default)"),
        template(4, "lt-00000001 version 4 ($Latest)"),
        template(5, "lt-00000002 version 1 ($Default, $Latest)"),
    ];
    assert_eq!(said(&ask(&account).await, Source::LaunchTemplates), ends);
    let between = [template(1, "lt-00000001 version 1"), template(3, "lt-00000001 version 3")];
    let mut all = [ends.as_slice(), between.as_slice()].concat();
    all.sort();
    let answers = account.port().list_references(&scope(TemplateVersions::All)).await;
    assert_eq!(said(&answers, Source::LaunchTemplates), all);
}

pub async fn launch_configurations_hold_their_images<A: Account>() {
    let account = A::with(json!({
        "launch_configurations": [{"name": "legacy", "image_id": "ami-00000001"}],
        "auto_scaling_groups": [{"name": "old", "launch_configuration": "legacy"}],
    }))
    .await;
    let answers = ask(&account).await;
    let expected = [format!("ami-00000001 launch_configuration {CONFIGURATION}/legacy")];
    assert_eq!(said(&answers, Source::LaunchConfigurations), expected);
    assert_eq!(said(&answers, Source::AutoScalingGroups), Vec::<String>::new());
}

/// A template with versions 1 to 5, which have the images 1 to 5. Its default is 4.
pub(crate) fn five_versions(id: &str) -> Value {
    let versions: Vec<Value> =
        (1..=5).map(|n| json!({"version": n, "image_id": format!("ami-0000000{n}")})).collect();
    json!({"launch_template_id": id, "default_version": 4, "versions": versions})
}

pub async fn groups_hold_the_images_of_the_versions_they_pin<A: Account>() {
    let pin = |version: &str| json!({"launch_template_id": "lt-00000001", "version": version});
    let account = A::with(json!({
        "launch_templates": [five_versions("lt-00000001")],
        "auto_scaling_groups": [
            {"name": "pinned", "launch_template": pin("1")},
            {"name": "following", "launch_template": pin("$Latest")},
            {"name": "standing", "launch_template": pin("$Default")},
            {"name": "mixed", "mixed": {"launch_template": pin("$Default"), "overrides": [
                {"instance_type": "m7g.large", "launch_template": pin("2")},
                {"instance_type": "m7a.large", "image_id": "ami-00000009"},
            ]}},
        ],
    }))
    .await;
    let answers = ask(&account).await;
    let group =
        |image: u8, name: &str| format!("ami-0000000{image} auto_scaling_group {GROUP}/{name}");
    let expected = [
        group(1, "pinned"),
        group(2, "mixed"),
        group(4, "mixed"),
        group(4, "standing"),
        group(5, "following"),
        group(9, "mixed"),
    ];
    assert_eq!(said(&answers, Source::AutoScalingGroups), expected);
    let template = |image: u8, version: &str| {
        format!("ami-0000000{image} launch_template {EC2}:launch-template/lt-00000001 {version}")
    };
    // Nothing refers to version 3.
    let expected = [
        template(1, "version 1"),
        template(2, "version 2"),
        template(4, "version 4 ($Default)"),
        template(5, "version 5 ($Latest)"),
    ];
    assert_eq!(said(&answers, Source::LaunchTemplates), expected);
}

pub async fn what_a_group_pins_and_is_gone_holds_nothing<A: Account>() {
    let pin = |id: &str, version: &str| json!({"launch_template_id": id, "version": version});
    let account = A::with(json!({
        "launch_templates": [five_versions("lt-00000001")],
        "auto_scaling_groups": [
            {"name": "template-gone", "launch_template": pin("lt-0000000f", "$Latest")},
            {"name": "version-gone", "launch_template": pin("lt-00000001", "9")},
            {"name": "version-there", "launch_template": pin("lt-00000001", "1")},
        ],
    }))
    .await;
    let answers = ask(&account).await;
    // A missing version does not hide an existing one.
    let expected = [format!("ami-00000001 auto_scaling_group {GROUP}/version-there")];
    assert_eq!(said(&answers, Source::AutoScalingGroups), expected);
    assert_eq!(said(&answers, Source::LaunchTemplates).len(), 3);
}

pub async fn parameters_are_followed<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [
            {"launch_template_id": "lt-00000001", "versions": [
                {"version": 1, "image_id": "resolve:ssm:/golden/latest"},
            ]},
            {"launch_template_id": "lt-00000002", "versions": [
                {"version": 1, "image_id": "resolve:ssm:/golden/latest"},
            ]},
        ],
        "auto_scaling_groups": [{
            "name": "web",
            "launch_template": {"launch_template_id": "lt-00000001", "version": "$Default"},
        }],
        "ssm_parameters": [{"name": "/golden/latest", "value": "ami-00000007"}],
    }))
    .await;
    let answers = ask(&account).await;
    let template = |id: &str| {
        let version = "version 1 ($Default, $Latest)";
        format!("ami-00000007 launch_template {EC2}:launch-template/{id} {version}")
    };
    let expected = [template("lt-00000001"), template("lt-00000002")];
    assert_eq!(said(&answers, Source::LaunchTemplates), expected);
    let expected = [format!("ami-00000007 auto_scaling_group {GROUP}/web")];
    assert_eq!(said(&answers, Source::AutoScalingGroups), expected);
}

pub async fn a_parameter_that_leads_nowhere_fails_the_templates<A: Account>() {
    let parameter =
        |kind: &str, value: &str| json!({"name": "/golden", "type": kind, "value": value});
    for (parameters, kind) in [
        (vec![], ErrorKind::NotFound),
        (vec![parameter("String", SECRET)], ErrorKind::Other),
        (vec![parameter("StringList", SECRET)], ErrorKind::Other),
        (vec![parameter("SecureString", SECRET)], ErrorKind::Other),
        (vec![parameter("SecureString", "ami-00000001")], ErrorKind::Other),
    ] {
        let is_secure = parameters.iter().any(|one| one["type"] == "SecureString");
        let account = A::with(json!({
            "launch_templates": [{"launch_template_id": "lt-00000001", "versions": [
                {"version": 1, "image_id": "resolve:ssm:/golden"},
            ]}],
            "ssm_parameters": parameters,
        }))
        .await;
        let answers = ask(&account).await;
        assert_eq!(failed(&answers), [Source::LaunchTemplates]);
        let error = answer(&answers, Source::LaunchTemplates).as_ref().unwrap_err();
        assert_eq!((error.call, error.kind), ("ssm:GetParameter", kind));
        // The message names the owner of the parameter, which a person needs.
        for word in ["/golden", "lt-00000001 version 1"] {
            assert!(error.message.contains(word), "{error}");
        }
        assert_eq!(error.message.contains("SecureString"), is_secure, "{error}");
        assert!(!format!("{answers:?}").contains(SECRET), "{answers:?}");
    }
}

/// A launch template can refer to any parameter that the credentials may read.
pub async fn a_parameter_that_may_not_be_read_is_named_with_its_template<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [{"launch_template_id": "lt-00000001", "versions": [
            {"version": 1, "image_id": "resolve:ssm:/golden"},
        ]}],
        "ssm_parameters": [{"name": "/golden", "value": "ami-00000001"}],
    }))
    .await;
    account.set(Switches::deny(&["ssm:GetParameter"])).await;
    let answers = ask(&account).await;
    assert_eq!(failed(&answers), [Source::LaunchTemplates]);
    let error = answer(&answers, Source::LaunchTemplates).as_ref().unwrap_err();
    assert_eq!(error.missing_permission(), Some("ssm:GetParameter"));
    for word in ["parameter /golden", "lt-00000001 version 1"] {
        assert!(error.message.contains(word), "{error}");
    }
    assert!(!error.message.contains("ignore_templates"), "{error}");
}

pub async fn a_text_that_names_no_image_is_not_repeated<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [{"launch_template_id": "lt-00000001", "versions": [
            {"version": 1, "image_id": SECRET},
        ]}],
    }))
    .await;
    let answers = ask(&account).await;
    let error = answer(&answers, Source::LaunchTemplates).as_ref().unwrap_err();
    assert!(error.message.contains("lt-00000001 version 1"), "{error}");
    assert!(!format!("{answers:?}").contains(SECRET), "{answers:?}");
}

pub async fn more_templates_than_a_page_are_read<A: Account>() {
    let account = A::with(two_versions_each(220)).await;
    assert_eq!(said(&ask(&account).await, Source::LaunchTemplates).len(), 440);
    let answers = account.port().list_references(&scope(TemplateVersions::All)).await;
    assert_eq!(said(&answers, Source::LaunchTemplates).len(), 440);
}

/// This many templates with different default and latest versions.
fn two_versions_each(templates: u32) -> Value {
    let templates: Vec<Value> = (0..templates)
        .map(|n| {
            json!({"launch_template_id": format!("lt-{n:08x}"), "versions": [
                {"version": 1, "image_id": "ami-00000001"},
                {"version": 2, "image_id": "ami-00000002"},
            ]})
        })
        .collect();
    json!({"launch_templates": templates})
}

pub async fn a_denied_source_is_named_and_hides_no_other<A: Account>() {
    let account = A::with(json!({
        "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000001"}],
        "launch_templates": [five_versions("lt-00000001")],
        "launch_configurations": [{"name": "legacy", "image_id": "ami-00000001"}],
        "auto_scaling_groups": [{"name": "old", "launch_configuration": "legacy"}],
    }))
    .await;
    for (action, source) in [
        ("ec2:DescribeInstances", Source::Instances),
        ("ec2:DescribeLaunchTemplateVersions", Source::LaunchTemplates),
        ("autoscaling:DescribeLaunchConfigurations", Source::LaunchConfigurations),
        ("autoscaling:DescribeAutoScalingGroups", Source::AutoScalingGroups),
    ] {
        account.set(Switches::deny(&[action])).await;
        let answers = ask(&account).await;
        assert_eq!(failed(&answers), [source]);
        let error = answer(&answers, source).as_ref().unwrap_err();
        assert_eq!((error.kind, error.missing_permission()), (ErrorKind::Denied, Some(action)));
    }
}

pub async fn groups_are_unread_where_their_templates_are<A: Account>() {
    let account = A::with(json!({
        "launch_templates": [five_versions("lt-00000001")],
        "auto_scaling_groups": [{
            "name": "web",
            "launch_template": {"launch_template_id": "lt-00000001", "version": "1"},
        }],
    }))
    .await;
    account.set(Switches::deny(&["ec2:DescribeLaunchTemplateVersions"])).await;
    let answers = ask(&account).await;
    assert_eq!(failed(&answers), [Source::LaunchTemplates, Source::AutoScalingGroups]);
}

pub async fn a_failing_page_fails_its_source<A: Account>() {
    let mut fleet = two_versions_each(101);
    let groups: Vec<Value> = (0..101)
        .map(|n| json!({"name": format!("group-{n}"), "launch_configuration": "legacy"}))
        .collect();
    fleet["auto_scaling_groups"] = groups.into();
    let account = A::with(fleet).await;
    for (action, source) in [
        ("ec2:DescribeLaunchTemplateVersions", Source::LaunchTemplates),
        ("autoscaling:DescribeAutoScalingGroups", Source::AutoScalingGroups),
    ] {
        account.set(Switches::default().and_fail_page(action, 2)).await;
        assert_eq!(failed(&ask(&account).await), [source]);
    }
}

/// Two templates whose images cannot be resolved for different reasons, and one with an unusual
/// image field.
fn unreadable() -> Value {
    let template = |n: u32, image: &str| json!({"launch_template_id": format!("lt-0000000{n}"), "versions": [{"version": 1, "image_id": image}]});
    json!({
        "launch_templates": [
            template(1, "to be filled in"),
            template(2, "resolve:ssm:/gone"),
            template(3, "arn:aws:ec2:eu-central-1::image/AMI-00000003"),
        ],
        "auto_scaling_groups": [{
            "name": "web",
            "launch_template": {"launch_template_id": "lt-00000001", "version": "1"},
        }],
    })
}

pub async fn an_image_that_cannot_be_read_is_unread_unless_its_template_is_ignored<A: Account>() {
    let account = A::with(unreadable()).await;
    let ignoring = |ids: &[&str]| ReferenceScope {
        ignore_templates: ids.iter().map(|id| (*id).into()).collect(),
        accounts: Vec::new(),
        ..scope(TemplateVersions::DefaultAndLatest)
    };
    let both = [Source::LaunchTemplates, Source::AutoScalingGroups];
    for ids in [&[][..], &["lt-00000001"], &["lt-00000002"], &["lt-00000003"]] {
        assert_eq!(failed(&account.port().list_references(&ignoring(ids)).await), both, "{ids:?}");
    }
    let scope = ignoring(&["lt-00000001", "lt-00000002"]);
    let answers = account.port().list_references(&scope).await;
    assert_eq!(failed(&answers), []);
    let [held] = &said(&answers, Source::LaunchTemplates)[..] else { panic!("{answers:?}") };
    assert!(held.starts_with("ami-00000003 launch_template"), "{held}");
    let ignored = answers.iter().flat_map(|answer| &answer.ignored);
    let ignored: Vec<_> = ignored.map(|one| (&*one.launch_template, &*one.image)).collect();
    let expected = [("lt-00000001", "to be filled in"), ("lt-00000002", "resolve:ssm:/gone")];
    assert_eq!(ignored, expected);
    // A failed call is not ignored.
    account.set(Switches::deny(&["ssm:GetParameter"])).await;
    assert_eq!(failed(&account.port().list_references(&scope).await), both);
}
