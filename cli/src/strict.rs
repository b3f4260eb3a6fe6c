//! `--strict`: fails a command if part of the policy or a tag has no effect.

use steward::plan::notes::Note;
use steward::text_fmt::counted;

use crate::context::Context;
use crate::outcome::Exit;

/// Prints the number of warnings in `notes` and the first one on standard error. Returns `None` if
/// there are none, or without `--strict`.
pub fn failure(is_strict: bool, notes: &[Note], context: &Context) -> Option<Exit> {
    let mut warnings = notes.iter().filter(|note| note.is_warning());
    let first = warnings.next().filter(|_| is_strict)?;
    let count = 1 + warnings.count();
    let (which, others) = match count {
        1 => ("it", String::new()),
        _ => ("them", format!("; and {} more", count - 1)),
    };
    context.warn(format_args!(
        "{} about entries without effect (--strict): {first}{others}. Fix {which}, or run without --strict",
        counted(count, "warning")
    ));
    Some(Exit::Usage)
}

/// The exit code of a command whose exit code without its notes is `exit`.
pub fn exit(is_strict: bool, notes: &[Note], exit: Exit, context: &Context) -> Exit {
    failure(is_strict, notes, context).unwrap_or(exit)
}
