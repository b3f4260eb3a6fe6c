//! Globs: patterns for names, tag values and other text.
//!
//! A glob is translated to a regular expression over characters. Crates for path globs do not fit,
//! because they match bytes or treat `/` specially. In image names, `/` is an ordinary character.

use std::fmt::{self, Write as _};
use std::str::Chars;

use regex::Regex;

/// The maximum length of a glob, in characters. Image names have up to 128 characters and tag
/// values up to 256, so the limit allows hundreds of alternatives.
const MAX_LENGTH: usize = 100_000;
/// The maximum nesting depth of braces in a glob.
const MAX_DEPTH: usize = 10;

/// A glob, which must match a whole text. It is case-sensitive.
///
/// - `*` matches any text, including `/`.
/// - `?` matches one character.
/// - `[ab]`, `[a-z]` and `[!a]` match one character of a set.
/// - `{a,b}` matches any of several globs, which may be empty.
/// - `\` makes the next character literal.
#[derive(Debug, Clone)]
pub struct Glob {
    text: Box<str>,
    regex: Regex,
}

/// The text is not a valid glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// The glob has more characters than allowed.
    #[error("longer than {MAX_LENGTH} characters; split the rule")]
    TooLong,
    /// The braces are nested too deeply.
    #[error("braces nested more than {MAX_DEPTH} levels deep; simplify the glob")]
    TooDeep,
    /// A `{` has no matching `}`.
    #[error("`{{` without `}}`; write `[{{]` for a literal brace")]
    UnclosedBrace,
    /// A `}` has no matching `{`.
    #[error("`}}` without `{{`; write `[}}]` for a literal brace")]
    UnopenedBrace,
    /// A `[` has no matching `]`.
    #[error("`[` without `]`; write `[[]` for a literal bracket")]
    UnclosedSet,
    /// The first character of a range comes after its last.
    #[error("empty range `{0}-{1}`: its first character comes after its last; swap them")]
    EmptyRange(char, char),
    /// A `\` is the last character.
    #[error("`\\` at the end; write `[\\]` for a literal backslash")]
    DanglingEscape,
    /// The regular expression of the glob is too large.
    #[error("too complex; use fewer alternatives")]
    TooLarge,
}

impl Glob {
    /// Parses a glob.
    ///
    /// # Errors
    /// [`GlobError`] if the text is not a valid glob or exceeds the limits.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        let regex = Regex::new(&to_regex(text)?).map_err(|_| GlobError::TooLarge)?;
        Ok(Self { text: text.into(), regex })
    }

    /// The length in bytes of the set at the beginning of `text`, from its `[` to its `]`. If the
    /// set is not closed, the length of `text`.
    pub(super) fn end_of_set(text: &str) -> usize {
        let mut rest = text.chars();
        rest.next();
        match push_set(&mut String::new(), &mut rest) {
            Ok(()) => text.len() - rest.as_str().len(),
            Err(_) => text.len(),
        }
    }

    /// Whether the glob matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A glob that matches exactly `text`.
pub fn literal(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        // A comma is special inside braces, where this glob may be used.
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',') {
            glob.extend(['[', character, ']']);
        } else {
            glob.push(character);
        }
    }
    glob
}

fn to_regex(glob: &str) -> Result<String, GlobError> {
    if glob.chars().nth(MAX_LENGTH).is_some() {
        return Err(GlobError::TooLong);
    }
    let mut regex = String::with_capacity(glob.len() + 16);
    regex.push_str(r"(?s)\A");
    let mut depth = 0;
    let mut characters = glob.chars();
    while let Some(character) = characters.next() {
        match character {
            // Consecutive stars are equivalent to one star.
            '*' if regex.ends_with(".*") => {}
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => push_set(&mut regex, &mut characters)?,
            '{' if depth == MAX_DEPTH => return Err(GlobError::TooDeep),
            '{' => {
                depth += 1;
                regex.push_str("(?:");
            }
            '}' if depth == 0 => return Err(GlobError::UnopenedBrace),
            '}' => {
                depth -= 1;
                regex.push(')');
            }
            ',' if depth > 0 => regex.push('|'),
            '\\' => {
                push_literal(&mut regex, characters.next().ok_or(GlobError::DanglingEscape)?);
            }
            other => push_literal(&mut regex, other),
        }
    }
    if depth > 0 {
        return Err(GlobError::UnclosedBrace);
    }
    regex.push_str(r"\z");
    Ok(regex)
}

fn push_literal(regex: &mut String, character: char) {
    regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

/// Translates a set whose `[` has already been read. A `]` in the first position is literal, and so
/// is a `-` in the first or last position.
fn push_set(regex: &mut String, glob: &mut Chars<'_>) -> Result<(), GlobError> {
    let mut inner = glob.clone();
    let negated = matches!(inner.clone().next(), Some('!' | '^'));
    if negated {
        inner.next();
    }
    regex.push_str(if negated { "[^" } else { "[" });
    let mut is_first = true;
    loop {
        let first = inner.next().ok_or(GlobError::UnclosedSet)?;
        if first == ']' && !is_first {
            break;
        }
        is_first = false;
        let mut ahead = inner.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                inner = ahead;
                last
            }
            _ => first,
        };
        if last < first {
            return Err(GlobError::EmptyRange(first, last));
        }
        // Written as code points, no character is special.
        let _ = write!(regex, r"\x{{{:X}}}-\x{{{:X}}}", u32::from(first), u32::from(last));
    }
    regex.push(']');
    *glob = inner;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_text_by_characters() {
        for (glob, matches, others) in [
            (
                "web-*",
                &["web-", "web-1", "web-a/b\n c", "web-ü"][..],
                &["web", "xweb-1", "Web-1"][..],
            ),
            ("Z?rich", &["Zürich", "Zurich", "Z/rich", "Z\u{1F600}rich"], &["Zrich", "Zuurich"]),
            ("?", &["a", "é", "\n"], &["", "ab", "e\u{301}"]),
            ("", &[""], &["a"]),
            ("*", &["", "a", "\n"], &[]),
            ("a**b", &["ab", "a/x/b"], &["a"]),
            ("**/b", &["/b", "a/b"], &["b"]),
            ("[äb-d!]x", &["äx", "cx", "!x"], &["ax", "ex", "x", "\u{C3}x"]),
            ("[!ä-ö]", &["a", "z", "ü"], &["ä", "é", "ö", "ab"]),
            ("[^a]", &["b", "^"], &["a"]),
            ("[]a]", &["]", "a"], &["[", ""]),
            ("[!]]", &["a"], &["]"]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("[a-c-e]", &["b", "-", "e"], &["d"]),
            ("[[]x]", &["[x]"], &["x"]),
            ("[*][?][{][}][\\][,]", &["*?{}\\,"], &["a?{}\\,"]),
            (r"\*\[\{\\\ä", &[r"*[{\ä"], &["x[{"]),
            ("[&&~~^[-]", &["&", "~", "^", "[", "-"], &["%", "\\"]),
            ("a.c+$^|(x)", &["a.c+$^|(x)"], &["abc"]),
            ("{a,b}-{c,d*}", &["a-c", "b-d", "b-d1"], &["a", "{a,b}-c", "ab-c"]),
            ("web{,-prod}-*", &["web-1", "web-prod-1"], &["web", "webx-1"]),
            ("{a,}{,b}", &["", "a", "b", "ab"], &["ba"]),
            ("{}x{,}", &["x"], &[""]),
            ("a,b", &["a,b"], &["a", "b"]),
            ("{a,{b,c{d,e}}}", &["a", "b", "ce"], &["c"]),
            ("{*,x}*", &["", "anything"], &[]),
            (r"{\},\,}", &["}", ","], &["\\"]),
        ] {
            let compiled = Glob::new(glob).unwrap();
            for text in matches {
                assert!(compiled.is_match(text), "{glob} does not match {text:?}");
            }
            for text in others {
                assert!(!compiled.is_match(text), "{glob} matches {text:?}");
            }
        }
    }

    #[test]
    fn invalid_globs_are_errors() {
        for (text, error) in [
            ("[", GlobError::UnclosedSet),
            ("[]", GlobError::UnclosedSet),
            ("[!", GlobError::UnclosedSet),
            ("[a-", GlobError::UnclosedSet),
            ("{a", GlobError::UnclosedBrace),
            ("{a,{b}", GlobError::UnclosedBrace),
            ("a}", GlobError::UnopenedBrace),
            ("[z-a]", GlobError::EmptyRange('z', 'a')),
            ("a\\", GlobError::DanglingEscape),
        ] {
            assert_eq!(Glob::new(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn exceeding_limits_is_an_error_and_never_panics() {
        let nested = |depth: usize| format!("{}{}", "{".repeat(depth), "}".repeat(depth));
        assert!(Glob::new(&nested(MAX_DEPTH)).is_ok());
        for depth in [MAX_DEPTH + 1, 250, 100_000] {
            assert!(Glob::new(&nested(depth)).is_err(), "{depth}");
        }
        assert_eq!(Glob::new(&"a".repeat(MAX_LENGTH + 1)).err(), Some(GlobError::TooLong));
        for part in ["?", "[!a]", "ü", "*?", "{a,b}", "{,?}", "[", "\\", "\u{0}", ")"] {
            let times = MAX_LENGTH / part.chars().count();
            // The result does not matter, as long as this does not panic.
            let _ = Glob::new(&part.repeat(times));
        }
    }
}
