//! The rules of the source tree: which part may use which, read from the source text itself.
//!
//! Each check is a function from source texts to violations, and each has a test that feeds it a
//! sample with a violation. What a check says of the repository itself is asserted to be nothing.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a verdict")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use steward_tests::source_text::{
    Masked, is_word, line_of, mask, places, product_code, test_modules,
};

/// A file of the repository.
struct SourceFile {
    /// Relative to the root of the repository, or to that of a crate's sources.
    path: String,
    text: String,
}

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what } = self;
        write!(f, "{path}:{line}: {what}")
    }
}

fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below `folder`, in order, with its path relative to `folder`. What cargo and
/// Python's tools write is left out.
fn rust_files(folder: &Path) -> Vec<SourceFile> {
    fn collect(base: &Path, folder: &Path, found: &mut Vec<SourceFile>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    collect(base, &path, found);
                }
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
                found.push(SourceFile { path, text });
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no Rust file in {}", folder.display());
    found
}

/// The sources of the core, without files that are compiled for tests only.
fn core() -> Vec<SourceFile> {
    let mut files = rust_files(&root().join("shared/src"));
    let tests: Vec<String> =
        files.iter().flat_map(|file| test_modules(&file.path, &file.text)).collect();
    files.retain(|file| !tests.contains(&file.path));
    files
}

/// The order of the core's modules, from the lowest to the highest.
fn core_order() -> Vec<String> {
    modules_of(&fs::read_to_string(root().join("shared/src/lib.rs")).unwrap())
}

// The order of modules.

/// The names that `pub mod` declares, in their order.
fn modules_of(lib: &str) -> Vec<String> {
    let code = mask(lib, Masked::CommentsAndLiterals);
    let names = code.lines().filter_map(|line| line.trim().strip_prefix("pub mod "));
    names.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect()
}

/// The first segments of the path, or of the group of paths, that begins at `at`.
fn first_segments(code: &str, at: usize) -> Vec<String> {
    let segment = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect();
    let rest = code[at..].trim_start();
    let Some(group) = rest.strip_prefix('{') else { return vec![segment(rest)] };
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                found.push(segment(&group[start..place]));
                start = place + 1;
            }
            '}' if depth == 0 => {
                found.push(segment(&group[start..place]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|name: &String| !name.is_empty());
    found
}

/// The modules at the root of the crate that a file names, each with its line.
fn mentions(path: &str, text: &str) -> Vec<(usize, String)> {
    let code = product_code(text, Masked::CommentsAndLiterals);
    let mut found = Vec::new();
    for at in places(&code, "crate::") {
        let names = first_segments(&code, at + "crate::".len());
        found.extend(names.into_iter().map(|name| (line_of(&code, at), name)));
    }
    // `super::` as often as the module is deep leads to the root too.
    let depth = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let climb = "super::".repeat(depth);
    for at in places(&code, &climb) {
        let names = first_segments(&code, at + climb.len());
        found.extend(names.into_iter().map(|name| (line_of(&code, at), name)));
    }
    found
}

/// The mentions of modules that do not stand above the mentioning one.
fn order_violations(order: &[String], files: &[SourceFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for SourceFile { path, text } in files.iter().filter(|file| file.path != "lib.rs") {
        let own = path.split('/').next().unwrap().trim_end_matches(".rs");
        let violation = |line, what: String| Violation {
            path: path.clone(),
            line,
            what: format!("{own} {what}"),
        };
        let Some(place) = order.iter().position(|name| name == own) else {
            found.push(violation(1, "is no `pub mod` of lib.rs".to_owned()));
            continue;
        };
        for (line, name) in mentions(path, text) {
            match order.iter().position(|one| *one == name) {
                Some(other) if other <= place => {}
                Some(_) => found.push(violation(line, format!("uses {name}, which is above it"))),
                None => found.push(violation(line, format!("uses {name}, which is no module"))),
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_modules_of_the_core_use_only_those_above_them() {
    let order = core_order();
    assert!(order.len() > 10, "{order:?}");
    assert_none(&order_violations(&order, &core()));
}

#[test]
fn policy_and_plan_know_nothing_of_the_ports() {
    let order = core_order();
    let place = |name: &str| order.iter().position(|one| one == name).unwrap();
    let files = core();
    for module in ["policy", "plan"] {
        assert!(place(module) < place("cloud"), "{order:?}");
        let own = files.iter().filter(|file| {
            file.path.starts_with(&format!("{module}/")) || file.path == format!("{module}.rs")
        });
        let mut count = 0;
        for SourceFile { path, text } in own {
            let names: Vec<_> = mentions(path, text).into_iter().map(|(_, name)| name).collect();
            assert!(!names.contains(&"cloud".to_owned()), "{path}: {names:?}");
            count += 1;
        }
        assert!(count > 2, "{module} has {count} files");
    }
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn shown(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

#[test]
fn a_module_that_uses_a_higher_one_is_found() {
    let order = modules_of("pub mod model;\n// pub mod never;\npub mod plan;\n\npub mod cloud;\n");
    assert_eq!(order, ["model", "plan", "cloud"]);
    let found = |path: &str, text: &str| shown(&order_violations(&order, &[file(path, text)]));
    let cloud = ["plan/mod.rs:2: plan uses cloud, which is above it"];
    for text in [
        "\nuse crate::cloud::View;",
        "\nuse crate::{model::Image, cloud::{View, Cloud}};",
        "\nuse crate::{\n    model::{Image, Tags},\n    cloud,\n};",
        "\nfn f(view: &dyn crate::cloud::View) {}",
        "\nuse super::cloud::View;",
        "\npub(in crate::cloud) fn f() {}",
        "\nuse crate::cloud::View;\n#[cfg(test)]\nmod tests {}",
    ] {
        assert_eq!(found("plan/mod.rs", text), cloud, "{text}");
    }
    assert_eq!(found("plan/a/b.rs", "use super::super::super::cloud;").len(), 1);
    for text in [
        "use crate::model::Image;\nuse crate::plan::Plan;",
        "// crate::cloud\n/// [View](crate::cloud::View)\n/* crate::cloud */",
        "const TEXT: &str = \"crate::cloud\";\nconst RAW: &str = r#\"\"crate::cloud\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::cloud::View;\n    fn f() { let _ = '}'; }\n}",
        "#[cfg(test)]\nuse crate::cloud::View;",
        "fn f<'a>(a: &'a str) -> &'a str { a } // crate::cloud",
    ] {
        assert_eq!(found("plan/mod.rs", text), [] as [&str; 0], "{text}");
    }
    assert_eq!(found("plan/reason.rs", "use super::super::plan;"), [] as [&str; 0]);
    assert_eq!(found("other.rs", ""), ["other.rs:1: other is no `pub mod` of lib.rs"]);
    assert_eq!(found("plan.rs", "use crate::Plan;").len(), 1);
}

#[test]
fn modules_for_tests_are_recognized() {
    assert_eq!(test_modules("plan/mod.rs", "mod a;\n#[cfg(test)]\nmod tests;"), ["plan/tests.rs"]);
    assert_eq!(test_modules("plan/a.rs", "#[cfg(test)]\nmod tests;\nmod b;"), ["plan/a/tests.rs"]);
    assert_eq!(test_modules("plan/a.rs", "#[cfg(test)]\nmod tests { mod c; }"), [] as [&str; 0]);
}

// What the core does not know.

/// Crates and functions that the core may not name: SDKs, runtimes, clock, environment, threads,
/// and state of the whole process.
const OUTSIDE: [&str; 21] = [
    "aws_config",
    "aws_credential_types",
    "aws_sdk_autoscaling",
    "aws_sdk_batch",
    "aws_sdk_ec2",
    "aws_sdk_eventbridge",
    "aws_sdk_rbin",
    "aws_sdk_ssm",
    "aws_sdk_sts",
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
const OUTSIDE_CRATES: [&str; 7] =
    ["aws-config", "aws-sdk-", "aws-smithy-", "aws-types", "hyper", "lambda_runtime", "tokio"];

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

// One name per type.

/// The names of types that a text defines, each with its line. Aliases count at the top level
/// only: in an `impl` they are associated types.
fn types_of(text: &str) -> Vec<(usize, String)> {
    let code = mask(text, Masked::CommentsAndLiterals);
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let indented = line.starts_with(' ');
        let mut rest = line.trim_start();
        if let Some(after) = rest.strip_prefix("pub") {
            rest = match after.strip_prefix('(') {
                Some(scope) => scope.split_once(')').map_or("", |(_, rest)| rest),
                None => after,
            };
        }
        let words = ["struct ", "enum ", "trait ", "union ", "type "];
        let word = words.into_iter().find(|word| rest.trim_start().starts_with(word));
        let Some(word) = word.filter(|word| !(indented && *word == "type ")) else { continue };
        let name: String =
            rest.trim_start()[word.len()..].chars().take_while(|c| is_word(*c)).collect();
        if !name.is_empty() {
            found.push((number, name));
        }
    }
    found
}

/// The types whose name is another one's too.
fn name_violations(files: &[SourceFile]) -> Vec<Violation> {
    let mut defined: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for SourceFile { path, text } in files {
        for (line, name) in types_of(text) {
            defined.entry(name).or_default().push((path.clone(), line));
        }
    }
    let several = defined.into_iter().filter(|(_, places)| places.len() > 1);
    let violations = several.flat_map(|(name, places)| {
        let what = format!("{name} is defined {} times", places.len());
        places.into_iter().map(move |(path, line)| Violation { path, line, what: what.clone() })
    });
    violations.collect()
}

#[test]
fn no_type_name_is_defined_twice() {
    assert_none(&name_violations(&rust_files(&root())));
}

#[test]
fn a_type_name_that_is_defined_twice_is_found() {
    let found = |texts: &[&str]| {
        let files: Vec<_> =
            (1..).zip(texts).map(|(n, text)| file(&format!("{n}.rs"), text)).collect();
        shown(&name_violations(&files))
    };
    let twice = ["1.rs:1: Port is defined 2 times", "2.rs:2: Port is defined 2 times"];
    assert_eq!(found(&["pub struct Port;", "\nenum Port { A }"]), twice);
    assert_eq!(found(&["pub(super) trait Port {}", "\ntype Port = u8;"]), twice);
    assert_eq!(found(&["struct Port<'a>(&'a str);", "\n    struct Port {"]), twice);
    let harmless = [
        "struct Port;\nimpl FromStr for Port {\n    type Err = Error;\n}",
        "struct PortNumber;\nimpl FromStr for PortNumber {\n    type Err = Error;\n}",
        "// struct Port;\nconst TEXT: &str = \"struct Port;\";\nmacro_rules! id { () => { struct $name; } }",
    ];
    assert_eq!(found(&harmless), [] as [&str; 0]);
}

// The functions.

const MAX_LINES_OF_MAIN: usize = 15;

/// The text of a function's `main.rs` with what may differ replaced.
fn without_its_name(folder: &str, text: &str) -> String {
    const KIND: &str = "FunctionKind::";
    let mut shown = text.replace(folder, "NAME");
    for at in places(text, KIND) {
        let kind: String = text[at + KIND.len()..].chars().take_while(|c| is_word(*c)).collect();
        shown = shown.replace(&format!("{KIND}{kind}"), "KIND");
    }
    shown
}

/// `files` are the functions' `main.rs`, each with the name of its folder as path.
fn function_violations(files: &[SourceFile]) -> Vec<Violation> {
    let violation = |path: &String, line, what: &str| Violation {
        path: path.clone(),
        line,
        what: what.to_owned(),
    };
    let mut found = Vec::new();
    let first = files.first().map(|file| without_its_name(&file.path, &file.text));
    for SourceFile { path, text } in files {
        if text.lines().count() > MAX_LINES_OF_MAIN {
            found.push(violation(path, MAX_LINES_OF_MAIN + 1, "main.rs is too long"));
        }
        if first != Some(without_its_name(path, text)) {
            found.push(violation(path, 1, "differs from the first in more than the name"));
        }
    }
    found
}

#[test]
fn the_functions_differ_in_their_names_only() {
    let mut files = rust_files(&root().join("functions"));
    files.retain(|file| file.path.ends_with("/src/main.rs"));
    assert_eq!(files.len(), 4);
    for file in &mut files {
        file.path = file.path.trim_end_matches("/src/main.rs").to_owned();
    }
    assert_none(&function_violations(&files));
}

#[test]
fn a_function_that_is_long_or_differs_is_found() {
    let main = |folder: &str, text: &str| file(folder, text);
    let run = |kind: &str| format!("//! The function `{kind}`.\nrun(FunctionKind::{kind});\n");
    let good = [main("tag", &run("tag")), main("prune", &run("prune"))];
    assert_eq!(function_violations(&good), []);
    let other = [main("tag", &run("tag")), main("prune", "check();\nrun(FunctionKind::prune);\n")];
    let expected = ["prune:1: differs from the first in more than the name"];
    assert_eq!(shown(&function_violations(&other)), expected);
    let long = run("tag") + &"\n".repeat(MAX_LINES_OF_MAIN - 1);
    let expected = ["tag:16: main.rs is too long"];
    assert_eq!(shown(&function_violations(&[main("tag", &long)])), expected);
}

// AWS's own words.

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
