//! Confirmation before changes.

use std::io::{IsTerminal, stderr, stdin};
use std::time::Duration;

use steward::cloud::MAX_READING_AGE;

use crate::context::Context;
use crate::outcome::CommandError;

/// The longest wait for confirmation. After that, the plan may be outdated: before each removal,
/// only what keeps the image is verified again, not the order of the images.
const MAX_WAIT: Duration = MAX_READING_AGE;
/// The text that confirms.
const YES: &str = "yes";

/// Whether standard input and standard error are a terminal.
pub fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks for confirmation, and returns whether the user typed `yes`. Ctrl-C ends the process without
/// changes.
pub fn confirm(context: &Context) -> Result<bool, CommandError> {
    // The progress line and the prompt would block each other.
    context.progress.hide();
    let asked = context.elapsed();
    let typed = context.interrupt.asking(|| {
        eprint!("Type {YES} to apply: ");
        let mut line = String::new();
        stdin().read_line(&mut line).map(|_| line)
    })?;
    let is_yes = typed.trim() == YES;
    let waited = context.elapsed().saturating_sub(asked);
    if is_yes && waited > MAX_WAIT {
        context.warn(format_args!(
            "not applied; nothing was changed: confirmation took more than {} minutes, and the account may have changed. \
             Run the command again, or save the plan (`plan --out plan.json`) and apply it",
            MAX_WAIT.as_secs() / 60
        ));
        return Ok(false);
    }
    if !is_yes {
        if !typed.ends_with('\n') {
            eprintln!();
        }
        context.warn("not applied; nothing was changed");
    }
    Ok(is_yes)
}
