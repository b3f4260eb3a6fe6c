use serde_json::{Value, json};

use super::*;

fn permissions(uses: &[Use]) -> Permissions {
    Permissions {
        uses: uses.to_vec(),
        region: None,
        prefix: "image-steward:".to_owned(),
        shared_images: false,
        image_parameters: vec![],
    }
}

fn statements(permissions: &Permissions) -> Vec<Value> {
    let Value::Array(statements) =
        serde_json::to_value(permissions.document()).unwrap()["Statement"].take()
    else {
        panic!("a list")
    };
    statements
}

fn actions(permissions: &Permissions) -> BTreeSet<String> {
    let lists = statements(permissions).into_iter().map(|mut one| one["Action"].take());
    lists.flat_map(|one| serde_json::from_value::<Vec<String>>(one).unwrap()).collect()
}

#[test]
fn who_plans_changes_nothing() {
    let plan = actions(&permissions(&[Use::Plan]));
    assert!(plan.contains("ec2:DescribeImages"));
    for action in &plan {
        let (_, call) = action.split_once(':').unwrap();
        assert!(["Describe", "Get", "List"].iter().any(|one| call.starts_with(one)), "{action}");
    }
    assert!(plan.is_subset(&actions(&permissions(&[Use::Apply]))));
}

#[test]
fn launch_permissions_may_be_changed_only_if_that_is_asked_for() {
    for uses in [&[Use::Apply][..], &[Use::Restore], &[Use::Apply, Use::Restore]] {
        let mut asked = permissions(uses);
        let without = actions(&asked);
        asked.shared_images = true;
        let mut with = actions(&asked);
        assert!(with.remove("ec2:ModifyImageAttribute"), "{uses:?}");
        assert_eq!(with, without);
    }
}

#[test]
fn what_changes_anything_is_narrowed_to_what_the_tags_announce() {
    let mut asked = permissions(&[Use::Apply, Use::Restore]);
    asked.shared_images = true;
    asked.region = Some("cn-north-1".parse().unwrap());
    asked.prefix = "fl?et:".to_owned();
    let image = "arn:aws-cn:ec2:cn-north-1::image/*";
    let snapshot = "arn:aws-cn:ec2:cn-north-1::snapshot/*";
    let own = || json!({"ec2:Owner": "${aws:PrincipalAccount}"});
    let tagged = |tag: &str| {
        let key = format!("aws:ResourceTag/fl?et:{tag}");
        json!({"StringEquals": own(), "Null": {key: "false"}})
    };
    let mut expected = vec![
        (
            "WriteStateTags",
            json!([image, snapshot]),
            json!({
                "StringEquals": own(),
                "ForAllValues:StringLike": {"aws:TagKeys": "fl${?}et:*"},
                "Null": {"aws:TagKeys": "false"},
            }),
        ),
        ("Retire", json!([image]), tagged("expired-at")),
        ("DeleteSnapshots", json!([snapshot]), tagged("delete-after")),
        ("ShareAgain", json!([image]), tagged("expired-at")),
        ("Enable", json!([image]), tagged("launch-permissions")),
        ("Share", json!([image]), tagged("launch-permissions")),
        ("RestoreDeprecation", json!([image]), tagged("deprecation")),
        ("Recover", json!([image, snapshot]), json!(null)),
    ];
    let reads = ["Describe", "Get", "List"];
    for statement in statements(&asked) {
        let changes = |action: &Value| {
            let action = action.as_str().unwrap().split(':').next_back().unwrap();
            !reads.iter().any(|one| action.starts_with(one))
        };
        if statement["Action"].as_array().unwrap().iter().any(changes) {
            let (sid, resources, conditions) = expected.remove(0);
            assert_eq!(statement["Sid"], sid);
            assert_eq!(statement["Resource"], resources, "{sid}");
            assert_eq!(statement["Condition"], conditions, "{sid}");
        }
    }
    assert!(expected.is_empty(), "{expected:?}");
}

#[test]
fn who_keeps_writes_one_tag_and_nothing_else() {
    let mut asked = permissions(&[Use::Keep]);
    asked.prefix = "fl?et:".to_owned();
    let [read, write] = &statements(&asked)[..] else { panic!("two statements") };
    assert_eq!(read["Action"], json!(["ec2:DescribeImages", "ec2:DescribeSnapshots"]));
    assert_eq!(write["Action"], json!(["ec2:CreateTags", "ec2:DeleteTags"]));
    assert_eq!(
        write["Condition"],
        json!({
            "StringEquals": {"ec2:Owner": "${aws:PrincipalAccount}"},
            "ForAllValues:StringLike": {"aws:TagKeys": "fl${?}et:keep"},
            "Null": {"aws:TagKeys": "false"},
        })
    );
}

#[test]
fn a_region_is_the_only_one() {
    let mut asked = permissions(&[Use::Plan]);
    let read = |asked: &Permissions| statements(asked).remove(0);
    assert_eq!(read(&asked)["Condition"], json!(null));
    asked.region = Some("eu-central-1".parse().unwrap());
    let conditions = json!({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}});
    assert_eq!(read(&asked)["Condition"], conditions);
    for statement in statements(&asked) {
        for resource in statement["Resource"].as_array().unwrap() {
            let resource = resource.as_str().unwrap();
            assert!(resource == "*" || resource.contains(":eu-central-1:"), "{resource}");
        }
    }
}

#[test]
fn only_the_parameters_that_were_named_can_be_read() {
    let mut asked = permissions(&[Use::Plan]);
    let other = "arn:aws:ssm:eu-west-1:123456789012:parameter/golden";
    asked.image_parameters = ["/golden/*", "flat", other].map(str::to_owned).to_vec();
    let found = statements(&asked);
    let found = found.iter().find(|one| one["Sid"] == "ReadParameters").unwrap();
    assert_eq!(found["Action"], json!(["ssm:GetParameter"]));
    let public = "arn:aws:ssm:*::parameter/aws/service/*";
    let (path, flat) = ("arn:aws:ssm:*:*:parameter/golden/*", "arn:aws:ssm:*:*:parameter/flat");
    assert_eq!(found["Resource"], json!([public, path, flat, other]));
}

/// A managed policy holds 6,144 characters, not counting white space.
#[test]
fn everything_together_fits_into_a_managed_policy() {
    let mut asked = permissions(&[Use::Plan, Use::Apply, Use::Restore, Use::Keep]);
    asked.shared_images = true;
    asked.prefix = "p".repeat(100);
    asked.region = Some("ap-southeast-1".parse().unwrap());
    let text = serde_json::to_string(&asked.document()).unwrap();
    assert!(text.len() < 6144, "{}", text.len());
}
