//! Asking a person before something is changed.

use std::io::{IsTerminal, stderr, stdin};

use crate::context::Context;
use crate::outcome::CommandError;

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
    let answer = context.interrupt.asking(|| {
        let mut line = String::new();
        stdin().read_line(&mut line).map(|_| line)
    })?;
    let is_yes = answer.trim() == YES;
    if !is_yes {
        if !answer.ends_with('\n') {
            eprintln!();
        }
        context.warn("not applied; nothing was changed");
    }
    Ok(is_yes)
}
