//! The functions are wiring only.

use steward_tests::source_text::{is_word, places};

use super::*;

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
