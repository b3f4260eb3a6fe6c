//! The functions contain no logic.

use super::*;

const MAX_LINES_OF_MAIN: usize = 15;

/// The text of a function's `main.rs` with its name replaced, both the folder name and the enum
/// variant.
fn without_its_name(folder: &str, text: &str) -> String {
    let words = folder.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    let kind = format!("FunctionKind::{}", words.collect::<String>());
    text.replace(folder, "NAME").replace(&kind, "KIND")
}

/// `files` are the `main.rs` files of the functions, with the folder name as path.
fn function_violations(files: &[RustFile]) -> Vec<Violation> {
    let violation = |path: &String, line, what: &str| Violation {
        path: path.clone(),
        line,
        what: what.to_owned(),
    };
    let mut found = Vec::new();
    let first = files.first().map(|file| without_its_name(&file.path, &file.text));
    for RustFile { path, text } in files {
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
    for file in &mut files {
        file.path = file.path.trim_end_matches("/src/main.rs").to_owned();
    }
    // On Azure, one program contains all functions.
    let (azure, lambda): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.path.starts_with("azure"));
    assert_eq!((azure.len(), lambda.len()), (1, 4));
    assert_none(&function_violations(&azure));
    assert_none(&function_violations(&lambda));
}

#[test]
fn a_function_that_is_long_or_differs_is_found() {
    let main = |folder: &str, text: &str| file(folder, text);
    let run = |folder: &str, kind: &str| {
        format!("//! The function `{folder}`.\nrun(FunctionKind::{kind});\n")
    };
    let first = || main("tag-image", &run("tag-image", "TagImage"));
    let good = [first(), main("prune-images", &run("prune-images", "PruneImages"))];
    assert_eq!(function_violations(&good), []);
    let expected = ["prune-images:1: differs from the first in more than the name"];
    for other in [
        run("prune-images", "TagImage"),
        run("prune-images", "PruneImages").replace("run(", "check();\nrun("),
    ] {
        let found = function_violations(&[first(), main("prune-images", &other)]);
        assert_eq!(shown(&found), expected, "{other}");
    }
    let long = run("tag-image", "TagImage") + &"\n".repeat(MAX_LINES_OF_MAIN - 1);
    let expected = ["tag-image:16: main.rs is too long"];
    assert_eq!(shown(&function_violations(&[main("tag-image", &long)])), expected);
}
