//! Asking a person before something is changed.

use std::io::{IsTerminal, stderr, stdin};
use std::time::Duration;

use steward::cloud::MAX_READING_AGE;

use crate::context::Context;
use crate::outcome::CommandError;

/// A later answer is about an account that nobody has looked at for too long: the order of images is
/// not looked at again before each removal, only what keeps each of them.
const MAX_ANSWER: Duration = MAX_READING_AGE;
/// What must be typed.
const YES: &str = "yes";

/// Whether a person is at the terminal who can be asked.
pub fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks for `yes`, and returns whether that was the answer. Ctrl-C ends the process, and nothing was
/// changed.
pub fn confirm(context: &Context) -> Result<bool, CommandError> {
    // Drawing and asking would wait for each other.
    context.progress.hide();
    eprint!("Type {YES} to apply: ");
    let asked = context.elapsed();
    let answer = context.interrupt.asking(|| {
        let mut line = String::new();
        stdin().read_line(&mut line).map(|_| line)
    })?;
    let is_yes = answer.trim() == YES;
    let waited = context.elapsed().saturating_sub(asked);
    if is_yes && waited > MAX_ANSWER {
        context.warn(format_args!(
            "not applied; nothing was changed: the answer took more than {} minutes, and the account may have changed. \
             Run the command again, or save the plan (`plan --out plan.json`) and apply that",
            MAX_ANSWER.as_secs() / 60
        ));
        return Ok(false);
    }
    if !is_yes {
        if !answer.ends_with('\n') {
            eprintln!();
        }
        context.warn("not applied; nothing was changed");
    }
    Ok(is_yes)
}
