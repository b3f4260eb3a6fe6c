//! The rules of the source tree: which module may use which others, checked in the source text.
//!
//! Each check is a function from source texts to violations, and has a test with a sample that
//! violates the rule. For the repository, the result must be empty.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod functions;
mod names;
mod order;
mod outside;
mod versions;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use steward_tests::source_text::test_modules;

/// A file of the repository.
struct RustFile {
    /// Relative to the root of the repository, or to the sources of a crate.
    path: String,
    text: String,
}

/// A line that violates a rule.
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

/// All Rust files below `folder`, sorted, with paths relative to `folder`. Output of cargo and of
/// Python's tools is skipped.
fn rust_files(folder: &Path) -> Vec<RustFile> {
    fn collect(base: &Path, folder: &Path, found: &mut Vec<RustFile>) {
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
                found.push(RustFile { path, text });
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no Rust file in {}", folder.display());
    found
}

/// The sources of the core, without files that are compiled only for tests.
fn core() -> Vec<RustFile> {
    let mut files = rust_files(&root().join("shared/src"));
    let tests: Vec<String> =
        files.iter().flat_map(|file| test_modules(&file.path, &file.text)).collect();
    files.retain(|file| !tests.contains(&file.path));
    files
}

fn file(path: &str, text: &str) -> RustFile {
    RustFile { path: path.to_owned(), text: text.to_owned() }
}

fn shown(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}
