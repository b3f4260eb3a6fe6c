//! `validate`: whether a policy makes sense.

use serde::Serialize;

use crate::args::{self, Format, PolicyArgs};
use crate::files::{print, print_json, read_policy};
use crate::outcome::{CommandError, Exit};

/// A policy in which no mistake was found.
#[derive(Serialize)]
struct Valid<'a> {
    rules: Vec<&'a str>,
    tag_prefix: &'a str,
}

/// Runs `validate`.
pub fn run(arguments: args::ValidateArgs) -> Result<Exit, CommandError> {
    let args::ValidateArgs { policy: PolicyArgs { policy: file }, output } = arguments;
    let policy = read_policy(&file)?;
    let rules: Vec<_> = policy.rules.iter().map(|rule| rule.name.as_ref()).collect();
    match output.format {
        Format::Json => print_json(&Valid { rules, tag_prefix: policy.tag_names.prefix() })?,
        Format::Table => {
            print(&format!("{}: valid; rules: {}\n", file.display(), rules.join(", ")))?
        }
    }
    Ok(Exit::Done)
}
