//! Their patterns as globs of ours, where that is possible.

use steward::draft::literal;

/// A pattern of Python's `fnmatch`; `None` when ours would read it otherwise.
pub fn from_fnmatch(pattern: &str) -> Option<String> {
    let mut glob = String::new();
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '*' | '?' => glob.push(character),
            '[' => {
                let (class, after) = rest.split_once(']')?;
                let inner = class.strip_prefix('!').unwrap_or(class);
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if inner.is_empty() || !inner.chars().all(plain) {
                    return None;
                }
                glob.push_str(&format!("[{class}]"));
                rest = after;
            }
            other => glob.push_str(&literal(other.encode_utf8(&mut [0; 4]))),
        }
    }
    Some(glob)
}

/// A regular expression of Python's `re.match`, which looks at the beginning only; `None` when it
/// is more than literal text, `.`, `.*`, `.+` and anchors.
pub fn from_regex(pattern: &str) -> Option<String> {
    let mut glob = String::new();
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
                glob.push_str(&literal(escaped.encode_utf8(&mut [0; 4])));
            }
            '.' => match characters.peek() {
                Some('*') => {
                    characters.next();
                    glob.push('*');
                }
                Some('+') => {
                    characters.next();
                    glob.push_str("?*");
                }
                _ => glob.push('?'),
            },
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            other => {
                // `a*` is about the character before.
                if matches!(characters.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                glob.push_str(&literal(other.encode_utf8(&mut [0; 4])));
            }
        }
    }
    // Two stars side by side are one.
    if is_open && !glob.ends_with('*') {
        glob.push('*');
    }
    Some(glob)
}
