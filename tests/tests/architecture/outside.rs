//! What the core does not know: SDKs, runtimes, clock, environment, and the words of AWS.

use steward_tests::source_text::{Masked, line_of, places, product_code};

use super::*;

/// Crates and functions that the core may not name: SDKs, runtimes, clock, environment, threads,
/// and state of the whole process.
const OUTSIDE: [&str; 22] = [
    "aws_config",
    "aws_credential_types",
    "aws_sdk_autoscaling",
    "aws_sdk_batch",
    "aws_sdk_ec2",
    "aws_sdk_eventbridge",
    "aws_sdk_rbin",
    "aws_sdk_ssm",
    "aws_sdk_sts",
    "aws_lambda_events",
    "aws_types",
    "hyper",
    "lambda_runtime",
    "tokio",
    "std::env",
    "std::fs",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "OnceLock",
];

/// The dependencies that the core may not have, by the beginnings of their names.
const OUTSIDE_CRATES: [&str; 8] = [
    "aws_lambda_events",
    "aws-config",
    "aws-sdk-",
    "aws-smithy-",
    "aws-types",
    "hyper",
    "lambda_runtime",
    "tokio",
];

fn outside_violations(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for SourceFile { path, text } in files {
        let code = product_code(text, Masked::CommentsAndLiterals);
        for word in OUTSIDE {
            found.extend(places(&code, word).into_iter().map(|at| Violation {
                path: path.clone(),
                line: line_of(&code, at),
                what: format!("names {word}"),
            }));
        }
    }
    found
}

/// The dependencies of a manifest that the core may not have.
fn outside_dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap().keys();
    let is_outside = |name: &&String| OUTSIDE_CRATES.iter().any(|one| name.starts_with(one));
    dependencies.filter(is_outside).cloned().collect()
}

#[test]
fn the_core_names_no_sdk_no_runtime_no_clock_and_no_environment() {
    assert_none(&outside_violations(&core()));
    let manifest = fs::read_to_string(root().join("shared/Cargo.toml")).unwrap();
    assert_eq!(outside_dependencies(&manifest), [] as [&str; 0]);
    assert!(!manifest.contains("[features]"), "the core has no features");
}

#[test]
fn what_the_core_may_not_name_is_found() {
    let found = |text: &str| shown(&outside_violations(&[file("a.rs", text)]));
    assert_eq!(found("\nuse aws_sdk_ec2::Client;"), ["a.rs:2: names aws_sdk_ec2"]);
    assert_eq!(found("fn f() { tokio::spawn(g()); }"), ["a.rs:1: names tokio"]);
    assert_eq!(found("let home = std::env::var(\"HOME\");"), ["a.rs:1: names std::env"]);
    assert_eq!(found("let now = jiff::Timestamp::now();"), ["a.rs:1: names Timestamp::now"]);
    assert_eq!(found("use std::time::Instant;").len(), 1);
    let harmless = "// tokio\nstruct Instance; let tokio_like = \"hyper\";\n\
                    #[cfg(test)]\nmod tests { fn f() { std::env::vars(); } }";
    assert_eq!(found(harmless), [] as [&str; 0]);
    let manifest =
        "[dependencies]\naws-sdk-ec2 = \"1\"\njiff = \"0\"\ntokio = { workspace = true }";
    assert_eq!(outside_dependencies(manifest), ["aws-sdk-ec2", "tokio"]);
}

/// Beginnings of error codes, and services whose actions are named like `ec2:DescribeImages`.
const ERROR_CODES: [&str; 9] = [
    "AccessDenied",
    "AuthFailure",
    "ExpiredToken",
    "InvalidAMI",
    "InvalidInstanceID",
    "InvalidSnapshot",
    "OperationNotPermitted",
    "RequestLimitExceeded",
    "UnauthorizedOperation",
];
const SERVICES: [&str; 8] =
    ["autoscaling", "batch", "ec2", "events", "imagebuilder", "rbin", "ssm", "sts"];

/// Error codes and actions in the literals of a text.
fn aws_words(files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for SourceFile { path, text } in files {
        // Outside of literals, neither can occur in Rust code: there is no single colon without
        // a space after it, and no such variant in the core.
        let code = product_code(text, Masked::Comments);
        let mut report = |at: usize, word: &str| {
            let what = format!("contains the AWS word {word}");
            found.push(Violation { path: path.clone(), line: line_of(&code, at), what });
        };
        for word in ERROR_CODES {
            code.match_indices(word).for_each(|(at, _)| report(at, word));
        }
        for service in SERVICES {
            let prefix = format!("{service}:");
            for at in places(&code, &prefix) {
                let next = code[at + prefix.len()..].chars().next();
                if next.is_some_and(|c| c.is_ascii_uppercase()) {
                    report(at, &prefix);
                }
            }
        }
    }
    found
}

#[test]
fn the_core_knows_no_error_codes_and_no_actions_of_aws() {
    assert_none(&aws_words(&core()));
}

#[test]
fn aws_words_are_found() {
    let found = |text: &str| shown(&aws_words(&[file("a.rs", text)]));
    let expected = ["a.rs:2: contains the AWS word InvalidAMI"];
    assert_eq!(found("\nif code == \"InvalidAMIID.NotFound\" {}"), expected);
    let expected = ["a.rs:1: contains the AWS word ec2:"];
    assert_eq!(found("const ACTION: &str = \"ec2:DescribeImages\";"), expected);
    for text in [
        "/// For example `ec2:DescribeImages`.",
        "use crate::events::Event;",
        "let arn = \"arn:aws:ec2:eu-central-1:1:instance/i-1\";",
        "#[cfg(test)]\nmod tests { const CODE: &str = \"UnauthorizedOperation\"; }",
    ] {
        assert_eq!(found(text), [] as [&str; 0], "{text}");
    }
}
