//! Their patterns as globs of ours, where that is possible.

use steward::suggest::{any_of, literal};

/// A glob for what any of these matches; `None` when there is none, or when ours would leave out the
/// empty text, which is no choice among several.
pub fn one_of(globs: Vec<String>) -> Option<String> {
    if globs.len() > 1 && globs.iter().any(String::is_empty) {
        return None;
    }
    any_of(globs)
}

/// A glob of ours in the making. Its `?` and its classes with `!` are about one byte, those of
/// theirs about one character; and two stars side by side would be more than one.
#[derive(Default)]
struct Pattern {
    glob: String,
    /// How many of those that are about one byte stand side by side, and whether with a star.
    bytes: usize,
    with_star: bool,
    fewer: bool,
    more: bool,
}

impl Pattern {
    fn push_star(&mut self) {
        if !self.glob.ends_with('*') {
            self.glob.push('*');
        }
        self.with_star = true;
    }

    fn push_one(&mut self, of: &str) {
        self.glob.push_str(of);
        self.bytes += 1;
    }

    fn push_literal(&mut self, character: char) {
        self.push_known(&literal(character.encode_utf8(&mut [0; 4])));
    }

    /// Whole characters: what stands before them is whole characters too.
    fn push_known(&mut self, glob: &str) {
        self.end_wild();
        self.glob.push_str(glob);
    }

    /// One byte alone is fewer than one character, two bytes may be one. With a star beside it, one
    /// byte and one character both mean that something is there.
    fn end_wild(&mut self) {
        self.fewer |= self.bytes == 1 && !self.with_star;
        self.more |= self.bytes > 1;
        (self.bytes, self.with_star) = (0, false);
    }

    /// The glob, and whether it matches all that theirs does; otherwise fewer. `None` when it may
    /// match more.
    fn finish(mut self) -> Option<(String, bool)> {
        self.end_wild();
        (!self.more).then_some((self.glob, !self.fewer))
    }
}

/// A pattern of Python's `fnmatch`, and whether ours matches all that it does; `None` when ours
/// would read it otherwise.
pub fn from_fnmatch(pattern: &str) -> Option<(String, bool)> {
    let mut glob = Pattern::default();
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '*' => glob.push_star(),
            '?' => glob.push_one("?"),
            '[' => {
                let (class, after) = rest.split_once(']')?;
                match class.strip_prefix('!') {
                    Some(inner) if is_plain(inner) => glob.push_one(&format!("[{class}]")),
                    None if is_plain(class) => glob.push_known(&format!("[{class}]")),
                    _ => return None,
                }
                rest = after;
            }
            other => glob.push_literal(other),
        }
    }
    glob.finish()
}

/// Whether theirs and ours read a class in the same way: characters, and ranges in their order.
fn is_plain(class: &str) -> bool {
    let mut characters = class.chars().peekable();
    while let Some(first) = characters.next() {
        let last = match characters.next_if_eq(&'-') {
            Some(_) => characters.next(),
            None => Some(first),
        };
        let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if !last.is_some_and(|last| is_known(first) && is_known(last) && first <= last) {
            return false;
        }
    }
    !class.is_empty()
}

/// A regular expression of Python's `re.match`, which looks at the beginning only, and whether ours
/// matches all that it does; `None` when it is more than literal text, `.`, `.*`, `.+` and anchors.
pub fn from_regex(pattern: &str) -> Option<(String, bool)> {
    let mut glob = Pattern::default();
    let mut characters = pattern.strip_prefix('^').unwrap_or(pattern).chars().peekable();
    let mut is_open = true;
    while let Some(character) = characters.next() {
        match character {
            '$' if characters.peek().is_none() => is_open = false,
            '\\' => {
                let escaped = characters.next().filter(|c| !c.is_ascii_alphanumeric())?;
                if matches!(characters.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                glob.push_literal(escaped);
            }
            '.' => match characters.peek() {
                Some('*') => {
                    characters.next();
                    glob.push_star();
                }
                Some('+') => {
                    characters.next();
                    glob.push_one("?");
                    glob.push_star();
                }
                _ => glob.push_one("?"),
            },
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            other => {
                // `a*` is about the character before.
                if matches!(characters.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                glob.push_literal(other);
            }
        }
    }
    if is_open {
        glob.push_star();
    }
    glob.finish()
}
