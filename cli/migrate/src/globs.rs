//! Translates patterns of other tools into globs, where possible.

use steward::suggest::{any_of, is_glob, literal};

/// A glob that matches whatever any of `globs` matches; `None` if there are none, or if the result
/// exceeds the limits of globs.
pub fn one_of(globs: Vec<String>) -> Option<String> {
    any_of(globs).filter(|glob| is_glob(glob))
}

/// Adds a star, unless the glob already ends with one.
fn push_star(glob: &mut String) {
    if !glob.ends_with('*') {
        glob.push('*');
    }
}

fn push_literal(glob: &mut String, character: char) {
    glob.push_str(&literal(character.encode_utf8(&mut [0; 4])));
}

/// Translates a pattern of Python's `fnmatch`; `None` if a glob would have another meaning.
pub fn from_fnmatch(pattern: &str) -> Option<String> {
    let mut glob = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '*' => push_star(&mut glob),
            '?' => glob.push('?'),
            '[' => {
                let (class, after) = rest.split_once(']')?;
                if !is_plain(class.strip_prefix('!').unwrap_or(class)) {
                    return None;
                }
                glob.extend(["[", class, "]"]);
                rest = after;
            }
            other => push_literal(&mut glob, other),
        }
    }
    Some(glob)
}

/// Whether a character class has the same meaning in both syntaxes: characters and ascending
/// ranges.
fn is_plain(class: &str) -> bool {
    let mut characters = class.chars().peekable();
    while let Some(first) = characters.next() {
        let last = match characters.next_if_eq(&'-') {
            Some(_) => characters.next(),
            None => Some(first),
        };
        let is_known = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        if !last.is_some_and(|last| is_known(first) && is_known(last) && first <= last) {
            return false;
        }
    }
    !class.is_empty()
}

/// Translates a regular expression of Python's `re.match`, which matches at the beginning only;
/// `None` unless it consists of literal text, `.`, `.*`, `.+` and anchors.
pub fn from_regex(pattern: &str) -> Option<String> {
    let mut glob = String::with_capacity(pattern.len());
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
                push_literal(&mut glob, escaped);
            }
            '.' => match characters.peek() {
                Some('*') => {
                    characters.next();
                    push_star(&mut glob);
                }
                Some('+') => {
                    characters.next();
                    glob.push('?');
                    push_star(&mut glob);
                }
                // `.?` and `.{2}` change the meaning of the dot.
                Some('?' | '{') => return None,
                _ => glob.push('?'),
            },
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            other => {
                // `a*` changes the meaning of the literal.
                if matches!(characters.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                push_literal(&mut glob, other);
            }
        }
    }
    if is_open {
        push_star(&mut glob);
    }
    Some(glob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_fnmatch_is_the_glob_for_the_same_texts() {
        for (pattern, glob) in [
            ("web-??", Some("web-??")),
            ("[!a]x-**", Some("[!a]x-*")),
            ("[ä-ü]{a,b}", Some("[ä-ü][{]a[,]b[}]")),
            ("a\\b", Some("a[\\]b")),
            ("[!]x]", None),
            ("[z-a]", None),
            ("[a-c-e]", None),
            ("[^a]", None),
            ("[a", None),
        ] {
            assert_eq!(from_fnmatch(pattern).as_deref(), glob, "{pattern}");
            assert!(glob.is_none_or(is_glob), "{pattern}");
        }
    }

    #[test]
    fn a_regular_expression_is_the_glob_for_the_same_texts() {
        for (pattern, glob) in [
            ("^web-..$", Some("web-??")),
            ("web-.+", Some("web-?*")),
            ("web\\.x.*y$", Some("web.x*y")),
            ("a.?b", None),
            ("a{2}", None),
            ("(a|b)", None),
        ] {
            assert_eq!(from_regex(pattern).as_deref(), glob, "{pattern}");
        }
    }

    #[test]
    fn the_empty_text_is_a_choice_and_the_limits_hold() {
        assert_eq!(one_of(vec![String::new(), "a".to_owned()]).as_deref(), Some("{,a}"));
        assert_eq!(one_of(Vec::new()), None);
        assert_eq!(one_of(vec!["a".repeat(200_000)]), None);
    }
}
