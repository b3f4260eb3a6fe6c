//! What the core must not use: SDKs, runtimes, clock, environment, and AWS names.

use std::process::Command;

use steward_tests::source_text::{Masked, line_of, places, product_code};

use super::*;

/// Names that must not occur in the core: clock, environment, files, threads, and global state.
const OUTSIDE: [&str; 13] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "LazyLock",
    "OnceLock",
    "thread_local",
    "static",
];

/// Prefixes of crates that must not be direct or transitive dependencies of the core.
const OUTSIDE_CRATES: [&str; 5] = ["aws", "azure", "hyper", "lambda", "tokio"];

fn outside_violations(files: &[RustFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for RustFile { path, text } in files {
        let code = product_code(text, Masked::CommentsAndLiterals);
        for word in OUTSIDE {
            let free = places(&code, word).into_iter().filter(|at| !is_lifetime(&code, *at));
            found.extend(free.map(|at| Violation {
                path: path.clone(),
                line: line_of(&code, at),
                what: format!("names {word}"),
            }));
        }
    }
    found
}

fn is_lifetime(code: &str, at: usize) -> bool {
    code[..at].ends_with('\'')
}

/// The forbidden crates in the output of `cargo tree --prefix none`.
fn outside_crates(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| OUTSIDE_CRATES.iter().any(|one| name.starts_with(one))).collect()
}

#[test]
fn the_core_has_no_clock_no_environment_and_no_state_of_the_process() {
    assert_none(&outside_violations(&core()));
}

#[test]
fn the_core_depends_on_no_sdk_and_no_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "steward", "--edges", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().count() > 20, "{tree}");
    assert_eq!(outside_crates(&tree), [] as [&str; 0]);
    let manifest = fs::read_to_string(root().join("shared/Cargo.toml")).unwrap();
    assert!(!manifest.contains("[features]"), "the core has no features");
}

#[test]
fn what_the_core_may_not_name_is_found() {
    let found = |text: &str| shown(&outside_violations(&[file("a.rs", text)]));
    assert_eq!(found("\nstatic COUNT: AtomicUsize = zero();"), ["a.rs:2: names static"]);
    assert_eq!(found("thread_local! { }"), ["a.rs:1: names thread_local"]);
    assert_eq!(found("let home = std::env::var(\"HOME\");"), ["a.rs:1: names std::env"]);
    assert_eq!(found("let now = jiff::Timestamp::now();"), ["a.rs:1: names Timestamp::now"]);
    assert_eq!(found("use std::time::Instant;").len(), 1);
    let harmless = "// Instant\nstruct Instance; let text: &'static str = \"std::fs\";\n\
                    #[cfg(test)]\nmod tests { fn f() { std::env::vars(); } }";
    assert_eq!(found(harmless), [] as [&str; 0]);
    let tree = "steward v0.1.0 (/x)\naws-sdk-ec2 v1.0.0\njiff v0.2.0\ntokio-util v0.7.0 (*)\n";
    assert_eq!(outside_crates(tree), ["aws-sdk-ec2", "tokio-util"]);
}

/// Prefixes of error codes, and services with actions like `ec2:DescribeImages`.
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
fn aws_words(files: &[RustFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for RustFile { path, text } in files {
        // Outside literals, neither can occur in Rust code: every single colon is followed by a
        // space, and the core has no such variant.
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
