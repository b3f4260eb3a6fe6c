//! How the adapter connects: finding the account, and errors without credentials or Region.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use steward::cloud::ErrorKind;
use steward_aws::{Connect, connect};
use steward_tests::standin::options;
use steward_tests::switches::Switches;

use crate::{Account, OverTheWire};

#[tokio::test]
async fn connecting_tells_whose_account_it_is() {
    let account = OverTheWire::with(json!({"account": "210987654321"})).await;
    assert_eq!(account.aws.account().as_str(), "210987654321");
    assert_eq!(account.aws.region().as_str(), "eu-central-1");
}

#[tokio::test]
async fn expired_credentials_are_named_as_such() {
    let account = OverTheWire::with(json!({})).await;
    account.set(Switches::default().and_fail("sts:GetCallerIdentity", "ExpiredToken")).await;
    let error = connect(account.standin.options()).await.unwrap_err();
    assert_eq!((error.call, error.kind), ("sts:GetCallerIdentity", ErrorKind::Credentials));
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    // A port that was free until now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = Some(format!("http://127.0.0.1:{port}"));
    let error = connect(Connect { endpoint, ..options() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.starts_with("no response; check the Region"), "{error}");
}

#[tokio::test]
async fn a_region_that_is_none_is_named() {
    let region = Some("Frankfurt".into());
    let error = connect(Connect { region, ..options() }).await.unwrap_err();
    assert!(error.to_string().contains("`Frankfurt` is not a Region"), "{error}");
}

/// Runs the ignored test below in a separate process without credentials. The instance metadata
/// service, if requested, accepts connections and does not respond.
#[expect(clippy::disallowed_methods, reason = "the test measures how long a person waits")]
fn in_a_bare_process(settings: &[(&str, &str)]) -> (String, Duration) {
    let test = "connecting::bare_process_connects";
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", silent.local_addr().unwrap());
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", "/nowhere")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    (text, began.elapsed())
}

#[test]
fn without_credentials_the_error_is_quick_and_says_what_to_do() {
    let (text, took) = in_a_bare_process(&[("AWS_REGION", "eu-central-1")]);
    let expected = "Credentials: sts:GetCallerIdentity: no AWS credentials; set AWS_PROFILE to";
    assert!(text.contains(expected), "{text}");
    // The failure of the metadata service would only mislead.
    assert!(!text.contains("IMDS"), "{text}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
}

#[test]
fn without_a_region_the_error_is_quick_and_says_what_to_do() {
    let (text, took) = in_a_bare_process(&[]);
    assert!(text.contains("no Region; pass --region, or set AWS_REGION"), "{text}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
}

/// The SDK ignores a general endpoint that is not a URL, and would call AWS instead.
#[test]
fn an_endpoint_without_encryption_or_host_is_refused_wherever_it_is_set() {
    let away = "http://192.0.2.1:4566";
    let refused = |settings: &[(&str, &str)], expected: &str| {
        let region = [("AWS_REGION", "eu-central-1")];
        let (text, _) = in_a_bare_process(&[&region, settings].concat());
        assert!(text.contains(expected), "{settings:?}: {text}");
    };
    let plain = "http://192.0.2.1 is not encrypted; use https://";
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_AUTO_SCALING"] {
        refused(&[(variable, away)], plain);
        refused(&[(variable, "http://[bad")], "not a URL; expected for example https://");
    }
    // Services that provide credentials.
    for variable in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO_OIDC"] {
        refused(&[(variable, away)], plain);
    }
    refused(&[("AWS_ENDPOINT_URL", "https://192.0.2.1"), ("AWS_ENDPOINT_URL_EC2", away)], plain);
    let profile = concat!(env!("CARGO_TARGET_TMPDIR"), "/endpoints.ini");
    for (content, expected) in [
        ("[default]\nendpoint_url = http://192.0.2.1", plain),
        ("[default]\nendpoint_url = http://[bad", "not a URL; expected for example https://"),
        ("[default]\nservices = s\n[services s]\nssm =\n  endpoint_url = http://192.0.2.1", plain),
    ] {
        std::fs::write(profile, content).unwrap();
        refused(&[("AWS_CONFIG_FILE", profile)], expected);
    }
}

#[tokio::test]
#[ignore = "the process that the tests above start"]
async fn bare_process_connects() {
    let error = connect(Connect::default()).await.unwrap_err();
    println!("{:?}: {error}", error.kind);
}
