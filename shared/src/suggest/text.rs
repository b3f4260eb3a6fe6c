//! Writing strings, keys, globs and comments in TOML.

use std::fmt::Write;

use crate::policy::Glob;
use crate::text_fmt::printable;

/// The maximum line width of comments.
const WIDTH: usize = 100;

/// Writes a basic TOML string, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn bare_or_quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// Returns whether this is a valid glob in a policy.
pub fn is_glob(text: &str) -> bool {
    Glob::new(text).is_ok()
}

/// Returns a glob that matches whatever any of these globs matches; `None` if there are none.
pub fn any_of(globs: impl IntoIterator<Item = String>) -> Option<String> {
    let globs: Vec<String> = globs.into_iter().collect();
    match globs.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("{{{}}}", several.join(","))),
    }
}

/// Formats a name or tag for a comment or a terminal: on one line, at most 60 characters, with
/// control characters escaped.
pub fn shown(text: &str) -> String {
    const MAX_LENGTH: usize = 60;
    let mut shown = printable(&text.chars().take(MAX_LENGTH).collect::<String>());
    if text.chars().nth(MAX_LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

/// Writes paragraphs as wrapped comments, separated by empty comment lines. A paragraph that begins
/// with `- ` is a list item. One that begins with a space is a line that is not wrapped. Neither is
/// separated by an empty line.
pub(super) fn comment(text: &mut String, paragraphs: &[String]) {
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 && !paragraph.starts_with([' ', '-']) {
            text.push_str("#\n");
        }
        if paragraph.starts_with(' ') {
            let line: String = paragraph.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(text, "#{line}");
        } else {
            wrap(text, paragraph, if paragraph.starts_with("- ") { "\n#   " } else { "\n# " });
        }
    }
}

/// Writes one paragraph. `turn` separates its lines.
fn wrap(text: &mut String, paragraph: &str, turn: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let length = word.chars().count() + 1;
        if column == 0 {
            text.push_str("# ");
            column = 1;
        } else if column + length > WIDTH {
            text.push_str(turn);
            column = turn.len() - 2;
        } else {
            text.push(' ');
        }
        text.push_str(&word);
        column += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_wrapped_and_hold_no_line_of_their_own() {
        let mut text = String::new();
        comment(&mut text, &["- ".to_owned() + &"word ".repeat(60), "a\nb".to_owned()]);
        assert!(text.lines().all(|line| line.starts_with('#') && line.len() <= WIDTH), "{text}");
        assert!(text.ends_with("#\n# a b\n"), "{text}");
    }
}
