//! Finds the commit that `--version` prints.

use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let git = |arguments: &[&str]| {
        let done = Command::new("git").args(arguments).output().ok()?;
        let output = String::from_utf8(done.stdout).ok()?;
        done.status.success().then(|| output.trim().to_owned())
    };
    // An unpacked archive may be inside an unrelated repository, whose commit is not ours.
    let is_ours = git(&["ls-files", "--error-unmatch", "build.rs"]).is_some();
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| is_ours);
    let version = match commit {
        Some(commit) => format!("{version} ({commit})"),
        None => format!("{version} (commit unknown)"),
    };
    println!("cargo::rustc-env=STEWARD_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}
