//! Starts a stand-in: a program in Python that prints its address.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts the program in this directory of the repository, with a free port. It ends with this
/// process. Returns it with its URL when it listens, which takes a second.
///
/// # Panics
/// If it does not start.
pub(crate) fn start<T: AsRef<OsStr>>(
    directory: &str,
    options: impl IntoIterator<Item = T>,
) -> (Child, String) {
    let (python, program) = (python(), root().join(directory));
    assert!(python.exists(), "{} does not exist: run `make venv`", python.display());
    let mut process = Command::new(python)
        .arg(program)
        .args(["--port", "0", "--exit-with-parent"])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("its output is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it prints text");
    let url = line.trim_end().strip_prefix("listening on ");
    let url = url.expect("the stand-in did not start: its message stands above").to_owned();
    (process, url)
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `STEWARD_PYTHON`, or the project's virtual environment.
#[expect(clippy::disallowed_methods, reason = "the location of Python differs between computers")]
fn python() -> PathBuf {
    match std::env::var_os("STEWARD_PYTHON") {
        Some(path) => path.into(),
        None => root().join(".venv/bin/python"),
    }
}
