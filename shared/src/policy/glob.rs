//! Globs: patterns for names, tag values and other texts.
//!
//! A glob becomes a regular expression over characters. The crates for globs of paths match bytes,
//! or stop at `/`, which is a character like others in the name of an image.

use std::fmt::{self, Write as _};
use std::str::Chars;

use regex::Regex;

/// The maximum length of a glob, in characters. Names of images have up to 128 characters and tag
/// values up to 256, so that this is room for hundreds of alternatives.
const MAX_LENGTH: usize = 100_000;
/// How deep the braces of a glob may be nested.
const MAX_DEPTH: usize = 10;

/// A glob over the characters of a whole text: `*` matches any text (a `/` too), `?` one character,
/// `[ab]`, `[a-z]` and `[!a]` one character of a set, `{a,b}` a choice of globs, one of which may be
/// empty, and `\` the character after it. It is case-sensitive.
#[derive(Debug, Clone)]
pub struct Glob {
    text: Box<str>,
    regex: Regex,
}

/// Why a text is not a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It is longer than the limit.
    #[error("longer than {MAX_LENGTH} characters; split the rule")]
    TooLong,
    /// Its braces are nested deeper than the limit.
    #[error("braces nested more than {MAX_DEPTH} deep; write fewer")]
    TooDeep,
    /// A `{` without its `}`.
    #[error("`{{` without `}}`; write `[{{]` for the character itself")]
    UnclosedBrace,
    /// A `}` without its `{`.
    #[error("`}}` without `{{`; write `[}}]` for the character itself")]
    UnopenedBrace,
    /// A `[` without its `]`.
    #[error("`[` without `]`; write `[[]` for the character itself")]
    UnclosedSet,
    /// A range whose end comes before its beginning.
    #[error("the range `{0}-{1}` is empty; its first character comes after its last")]
    EmptyRange(char, char),
    /// A `\` at the end.
    #[error("`\\` at the end; write `[\\]` for the character itself")]
    DanglingEscape,
    /// Too large as a regular expression.
    #[error("too large; write fewer alternatives")]
    TooLarge,
}

impl Glob {
    /// The glob `text`.
    ///
    /// # Errors
    /// [`GlobError`] when it is not one, or beyond the limits.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        let regex = Regex::new(&to_regex(text)?).map_err(|_| GlobError::TooLarge)?;
        Ok(Self { text: text.into(), regex })
    }

    /// How long the set is that `text` begins with, from its `[` to its `]`, in bytes; all of `text`
    /// if it does not end.
    pub(super) fn end_of_set(text: &str) -> usize {
        let mut rest = text.chars();
        rest.next();
        match push_set(&mut String::new(), &mut rest) {
            Ok(()) => text.len() - rest.as_str().len(),
            Err(_) => text.len(),
        }
    }

    /// Whether it matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A glob that matches only this text.
pub fn literal(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        // A comma is special within braces, where the glob may be used.
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
            // Several stars are as one.
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

/// Reads a set, whose `[` has been read, and writes it. A `]` that comes first, and a `-` that comes
/// first or last, are the characters themselves.
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
        // By their numbers no character is special.
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
    fn a_glob_matches_the_characters_of_the_whole_text() {
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
    fn what_is_no_glob_is_an_error() {
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
    fn the_limits_are_errors_and_never_panics() {
        let nested = |depth: usize| format!("{}{}", "{".repeat(depth), "}".repeat(depth));
        assert!(Glob::new(&nested(MAX_DEPTH)).is_ok());
        for depth in [MAX_DEPTH + 1, 250, 100_000] {
            assert!(Glob::new(&nested(depth)).is_err(), "{depth}");
        }
        assert_eq!(Glob::new(&"a".repeat(MAX_LENGTH + 1)).err(), Some(GlobError::TooLong));
        for part in ["?", "[!a]", "ü", "*?", "{a,b}", "{,?}", "[", "\\", "\u{0}", ")"] {
            let times = MAX_LENGTH / part.chars().count();
            // Whatever becomes of it, it is a value.
            let _ = Glob::new(&part.repeat(times));
        }
    }
}
