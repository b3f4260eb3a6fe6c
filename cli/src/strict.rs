//! `--strict`: whether a command fails because something has no effect.

use steward::plan::notes::Note;
use steward::text_fmt::counted;

use crate::context::Context;
use crate::outcome::Exit;

/// Says on standard error how many of `notes` are warnings, with the first one; `None` if there is
/// none, or if that does not matter.
pub fn failure(is_strict: bool, notes: &[Note], context: &Context) -> Option<Exit> {
    let mut warnings = notes.iter().filter(|note| note.is_warning());
    let first = warnings.next().filter(|_| is_strict)?;
    let count = 1 + warnings.count();
    let (which, others) = match count {
        1 => ("it", String::new()),
        _ => ("them", format!("; and {} more", count - 1)),
    };
    context.warn(format_args!(
        "{} about what has no effect (--strict): {first}{others}. Correct {which}, or run without --strict",
        counted(count, "warning")
    ));
    Some(Exit::Usage)
}

/// The exit code of a command that ends with `exit`, beside its notes.
pub fn exit(is_strict: bool, notes: &[Note], exit: Exit, context: &Context) -> Exit {
    failure(is_strict, notes, context).unwrap_or(exit)
}
