//! Tests of the adapter alone: its calls, its retries, and the responses that it accepts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use steward::cloud::{
    ErrorKind, ImageReader, ImageWriter, ReferenceReader, SnapshotReader, SnapshotScope, TagWriter,
};
use steward::model::{ComputeEnvironments, ReferenceScope, SnapshotFate, Source, TemplateVersions};
use steward_aws::{Aws, Connect, connect};
use steward_tests::FRESH;
use steward_tests::standin::options;
use steward_tests::switches::Switches;

use crate::{Account, OverTheWire, image, image_ids, resources, snapshot_ids, tags};

const SCOPE: ReferenceScope = ReferenceScope {
    versions: TemplateVersions::DefaultAndLatest,
    compute_environments: ComputeEnvironments::Read,
    ignore_templates: Vec::new(),
    accounts: Vec::new(),
};

async fn calls(account: &OverTheWire) -> BTreeMap<String, u32> {
    account.standin.calls().await
}

fn counts(expected: &[(&str, u32)]) -> BTreeMap<String, u32> {
    expected.iter().map(|(action, times)| ((*action).to_owned(), *times)).collect()
}

/// 1,050 images and snapshots, 1,050 instances, 120 templates with two versions, 101 Auto Scaling
/// groups, of which two refer to three versions of two templates, 101 launch configurations, and a
/// parameter that two templates use.
fn big() -> Value {
    let of = |count: u32, one: &dyn Fn(u32) -> Value| (0..count).map(one).collect::<Vec<_>>();
    let pin = |template: u32, version: &str| json!({"launch_template_id": format!("lt-{template:08x}"), "version": version});
    json!({
        "images": of(1050, &|n| {
            json!({"image_id": format!("ami-{n:08x}"), "snapshots": [format!("snap-{n:08x}")]})
        }),
        "instances": of(1050, &|n| {
            json!({"instance_id": format!("i-{n:08x}"), "image_id": "ami-00000001"})
        }),
        "launch_templates": of(120, &|n| {
            let last = if n < 2 { "resolve:ssm:/golden" } else { "ami-00000003" };
            json!({"launch_template_id": format!("lt-{n:08x}"), "default_version": 3, "versions": [
                {"version": 1, "image_id": "ami-00000001"},
                {"version": 2, "image_id": "ami-00000002"},
                {"version": 3, "image_id": "ami-00000003"},
                {"version": 4, "image_id": last},
            ]})
        }),
        "launch_configurations": of(101, &|n| {
            json!({"name": format!("legacy-{n}"), "image_id": "ami-00000001"})
        }),
        "auto_scaling_groups": of(101, &|n| match n {
            0 => json!({"name": "web-0", "launch_template": pin(0, "1")}),
            1 => json!({"name": "web-1", "mixed": {"launch_template": pin(0, "2"), "overrides": [
                {"launch_template": pin(1, "2")}, {"launch_template": pin(1, "3")},
            ]}}),
            n => json!({"name": format!("web-{n}"), "launch_template": pin(n, "$Latest")}),
        }),
        "ssm_parameters": [{"name": "/golden", "value": "ami-00000004"}],
    })
}

#[tokio::test]
async fn an_inventory_costs_no_more_calls_than_there_are_pages() {
    let account = OverTheWire::with(big()).await;
    account.aws.list_images().await.unwrap();
    account.aws.list_snapshots(&SnapshotScope::Own).await.unwrap();
    let answers = account.aws.list_references(&SCOPE).await;
    assert!(answers.iter().all(|answer| answer.found.is_ok()), "{answers:?}");
    let expected = counts(&[
        ("DescribeFleets", 1),
        ("DescribeImages", 2),
        ("DescribeInstances", 2),
        // 240 versions need two pages, then one call for each of the two templates with other
        // versions that Auto Scaling groups refer to, and one parameter.
        ("DescribeLaunchTemplateVersions", 4),
        ("DescribeSnapshots", 2),
        ("DescribeSpotFleetRequests", 1),
        ("DescribeSpotInstanceRequests", 1),
        ("autoscaling:DescribeAutoScalingGroups", 2),
        ("autoscaling:DescribeLaunchConfigurations", 2),
        ("batch:DescribeComputeEnvironments", 1),
        ("ssm:GetParameter", 1),
    ]);
    assert_eq!(calls(&account).await, expected);
}

#[tokio::test]
async fn nothing_to_do_costs_no_call() {
    let account = OverTheWire::with(json!({})).await;
    let one = resources(&["ami-00000001"]);
    account.aws.set_tags(&[], &tags(&[("a", "b")])).await.unwrap();
    account.aws.set_tags(&one, &tags(&[])).await.unwrap();
    account.aws.remove_tags(&[], &["a".into()]).await.unwrap();
    account.aws.remove_tags(&one, &[]).await.unwrap();
    account.aws.find_snapshots(&[]).await.unwrap();
    assert_eq!(calls(&account).await, counts(&[]));
}

#[tokio::test]
async fn a_throttled_call_is_repeated() {
    let account = OverTheWire::with(json!({"images": [{"image_id": "ami-00000001"}]})).await;
    let (action, code) = ("ec2:DeregisterImage", "RequestLimitExceeded");
    account.set(Switches::default().and_fail_times(action, code, 3)).await;
    let first = image("ami-00000001");
    account.aws.deregister(&first, SnapshotFate::DeleteLater, FRESH).await.unwrap();
    assert_eq!(image_ids(&account.world().await), Vec::<&str>::new());
    assert_eq!(calls(&account).await, counts(&[("DeregisterImage", 4)]));
}

#[tokio::test]
async fn throttling_that_does_not_end_is_named() {
    let account = OverTheWire::with(json!({"images": [{"image_id": "ami-00000001"}]})).await;
    account.set(Switches::default().and_fail("ec2:DescribeImages", "RequestLimitExceeded")).await;
    let error = account.aws.list_images().await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "RequestLimitExceeded"));
    assert_eq!(calls(&account).await, counts(&[("DescribeImages", 4)]));
}

/// The response is lost, and the retry does not find the image. That counts as done, and the state
/// of the snapshots is unknown.
#[tokio::test]
async fn a_lost_answer_is_done_and_claims_no_snapshots() {
    let fleet = json!({"images": [{"image_id": "ami-00000001", "snapshots": ["snap-00000001"]}]});
    let account = OverTheWire::with(fleet).await;
    account.set(Switches::default().and_lose_answers("ec2:DeregisterImage", 1)).await;
    let first = image("ami-00000001");
    let done = account
        .aws
        .deregister(&first, SnapshotFate::DeleteWithImage, FRESH)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.deleted, []);
    let world = account.world().await;
    assert_eq!((image_ids(&world), snapshot_ids(&world)), (vec![], vec![]));
}

fn parameter(name: &str, kind: &str, value: &str) -> Value {
    json!({"name": name, "type": kind, "value": value})
}

fn parts(numbers: impl IntoIterator<Item = u8>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("/policy/{number}")).collect()
}

#[tokio::test]
async fn the_parts_of_a_policy_are_read_in_order_by_one_call() {
    let names = parts(1..=10);
    let parameters: Vec<_> = names.iter().map(|name| parameter(name, "String", name)).collect();
    let account = OverTheWire::with(json!({"ssm_parameters": parameters})).await;
    assert_eq!(account.aws.policy_parameters(&names).await.unwrap(), names);
    let asked = json!({"Names": names, "WithDecryption": false});
    assert_eq!(account.standin.parameters_of("ssm:GetParameters").await, [asked]);
    // Somebody has rewritten only some of the parts. Readers compare the digest.
    let again = parameter("/policy/3", "String", "changed");
    account.standin.patch(&json!({"ssm_parameters": [again]})).await;
    let mut expected = names.clone();
    expected[2] = "changed".to_owned();
    assert_eq!(account.aws.policy_parameters(&names).await.unwrap(), expected);
    let one = parts([3]);
    assert_eq!(account.aws.policy_parameters(&one).await.unwrap(), ["changed"]);
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_named() {
    let there = [parameter("/policy/2", "String", "version = 1")];
    let account = OverTheWire::with(json!({"ssm_parameters": there})).await;
    let error = account.aws.policy_parameters(&parts(1..=3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let missing =
        "parameters /policy/1, /policy/3 do not exist in this account and Region; create them";
    assert_eq!(error.message, missing);
    account.set(Switches::deny(&["ssm:GetParameters"])).await;
    let error = account.aws.policy_parameters(&parts(1..=3)).await.unwrap_err();
    assert_eq!(error.missing_permission(), Some("ssm:GetParameters"));
    assert!(error.message.starts_with("parameters /policy/1, /policy/2, /policy/3: "), "{error}");
}

#[tokio::test]
async fn no_parameter_is_decrypted() {
    let account = OverTheWire::with(json!({
        "ssm_parameters": [
            parameter("/policy/1", "SecureString", "version = 1"),
            parameter("/golden", "SecureString", "ami-00000001"),
        ],
        "launch_templates": [{"launch_template_id": "lt-00000001", "versions": [
            {"version": 1, "image_id": "resolve:ssm:/golden"},
        ]}],
    }))
    .await;
    let error = account.aws.policy_parameters(&parts([1])).await.unwrap_err();
    let expected =
        "parameter /policy/1 is of type SecureString; a policy is read only from type String";
    assert_eq!(error.message, expected);
    let message = async || {
        let answers = account.aws.list_references(&SCOPE).await;
        let found = answers.into_iter().find(|one| one.source == Source::LaunchTemplates);
        found.unwrap().found.unwrap_err().message
    };
    let expected = "launch template lt-00000001 version 1 ($Default, $Latest): parameter /golden is of type \
                    SecureString; image IDs are read only from type String or StringList; to ignore the \
                    template, set safety.ignore_templates = [\"lt-00000001\"]";
    assert_eq!(message().await, expected);
    let asked = account.standin.parameters_of("ssm:GetParameter").await;
    assert_eq!(asked, [json!({"Name": "/golden", "WithDecryption": false})]);
    account.set(Switches::deny(&["ssm:GetParameter"])).await;
    let denied = message().await;
    let start = "launch template lt-00000001 version 1 ($Default, $Latest): parameter /golden: ";
    let end = "; grant ssm:GetParameter on the parameter";
    assert!(denied.starts_with(start) && denied.ends_with(end), "{denied}");
}

#[tokio::test]
async fn groups_that_cannot_be_read_do_not_cost_the_templates() {
    let account = OverTheWire::with(big()).await;
    account.set(Switches::deny(&["autoscaling:DescribeAutoScalingGroups"])).await;
    let answers = account.aws.list_references(&SCOPE).await;
    let failed: Vec<Source> =
        answers.iter().filter(|answer| answer.found.is_err()).map(|one| one.source).collect();
    assert_eq!(failed, [Source::AutoScalingGroups]);
}

/// A server that returns its account, and responds to all other requests with `body`.
fn answering_only(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer_once(stream.unwrap(), body);
        }
    });
    url
}

fn answer_once(mut stream: TcpStream, body: &str) {
    const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
        <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.parse().unwrap();
        }
    }
    let mut request = vec![0; length];
    reader.read_exact(&mut request).unwrap();
    let whose = String::from_utf8_lossy(&request).contains("GetCallerIdentity");
    let body = if whose { CALLER } else { body };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", body.len());
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
}

/// A truncated listing, or a page of something else, must not be accepted as an account with few or
/// no resources.
#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for body in [
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>\
         <instanceId>i-00000001</instanceId></item></instancesSet></item>",
        "<html><body>Please sign in to the guest network</body></html>",
        "<DescribeInstancesResponse><requestId>1</requestId></DescribeInstancesResponse>",
        "<DescribeInstancesResponse><reservationSet><!-- --></reservationSet></DescribeInstancesResponse>",
        "<DescribeInstancesResponse><Errors/><reservationSet/></DescribeInstancesResponse>",
        "",
    ] {
        let endpoint = Some(answering_only(body));
        let aws = connect(Connect { endpoint, ..options() }).await.unwrap();
        let answers = aws.list_references(&SCOPE).await;
        for answer in &answers {
            assert!(answer.found.is_err(), "{} took {body:?} for an answer", answer.source);
        }
        assert!(aws.list_images().await.is_err(), "{body:?}");
        assert!(aws.list_snapshots(&SnapshotScope::Own).await.is_err(), "{body:?}");
    }
}

#[tokio::test]
async fn an_absent_list_names_the_setting_that_accepts_it() {
    let body = "<DescribeFleetsResponse><requestId>1</requestId></DescribeFleetsResponse>";
    let endpoint = Some(answering_only(body));
    let aws = connect(Connect { endpoint, ..options() }).await.unwrap();
    let fleets = async |aws: &Aws| {
        let answers = aws.list_references(&SCOPE).await;
        answers.into_iter().find(|answer| answer.source == Source::Fleets).unwrap().found
    };
    let error = fleets(&aws).await.unwrap_err().to_string();
    assert!(error.starts_with("ec2:DescribeFleets: the response contains no list"), "{error}");
    assert!(error.ends_with(r#"safety.absent_is_empty = ["ec2:DescribeFleets"]"#), "{error}");
    let accepting = aws.accepting_absent_lists(&["ec2:DescribeFleets".to_owned()]).unwrap();
    assert_eq!(fleets(&accepting).await.unwrap(), []);
    let error = accepting.list_images().await.unwrap_err().to_string();
    assert!(!error.contains("absent_is_empty"), "{error}");
}

#[tokio::test]
async fn kernels_and_ramdisks_are_counted_and_left_out() {
    let image = |kind: &str, id: &str| {
        format!(
            "<item><imageId>{id}</imageId><imageType>{kind}</imageType><imageState>available</imageState>\
             <blockDeviceMapping/></item>"
        )
    };
    let all =
        [("machine", "ami-1"), ("kernel", "aki-1"), ("ramdisk", "ari-1"), ("tomorrow", "x-1")]
            .map(|(kind, id)| image(kind, id));
    let body = format!(
        "<DescribeImagesResponse><imagesSet>{}</imagesSet></DescribeImagesResponse>",
        all.concat()
    );
    let endpoint = Some(answering_only(body.leak()));
    let aws = connect(Connect { endpoint, ..options() }).await.unwrap();
    let found = aws.list_images().await.unwrap();
    let ids: Vec<&str> = found.images.iter().map(|image| image.image_id.as_str()).collect();
    assert_eq!((ids, found.other_types), (vec!["ami-1"], 3));
}

#[tokio::test]
async fn a_response_that_the_sdk_cannot_parse_names_call_and_element() {
    let body = "<DescribeImagesResponse><imagesSet><item><imageId><b>ami-1</b></imageId></item>\
                </imagesSet></DescribeImagesResponse>";
    let endpoint = Some(answering_only(body));
    let aws = connect(Connect { endpoint, ..options() }).await.unwrap();
    let error = aws.list_images().await.unwrap_err().to_string();
    let place =
        "DescribeImagesResponse/imagesSet/item/imageId contains the element b instead of a value";
    assert!(error.starts_with("ec2:DescribeImages: ") && error.ends_with(place), "{error}");
}
