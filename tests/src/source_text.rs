//! Reading Rust source text: which parts are code, and which code is compiled only for tests.
//!
//! This recognizes comments, literals and braces. That is enough to find a word in code without a
//! parser.

use std::ops::Range;

/// The parts of a source text that are replaced by spaces, so that positions do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masked {
    /// Only comments.
    Comments,
    /// Comments, and string and character literals.
    CommentsAndLiterals,
}

/// The text with each character of a comment, and optionally of a literal, replaced by a space.
pub fn mask(text: &str, masked: Masked) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut output = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, is_code) = if rest.starts_with(&['/', '/']) {
            (rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with(&['/', '*']) {
            (block_comment(rest), false)
        } else if let Some(length) = literal(rest, at.checked_sub(1).map(|before| chars[before])) {
            (length, masked == Masked::Comments)
        } else {
            (1, true)
        };
        for c in &rest[..length] {
            // The number of bytes does not change, so positions in both texts are the same.
            let spaces = if *c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
            output.push_str(&if is_code { c.to_string() } else { spaces });
        }
        at += length;
    }
    output
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match &rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                2
            }
            ['*', '/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of the string or character literal that starts here, if there is one.
fn literal(rest: &[char], before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = match rest {
        ['b', 'r', ..] if !in_word => 2,
        ['r' | 'b', ..] if !in_word => 1,
        _ => 0,
    };
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let is_raw = rest[..prefix].contains(&'r');
    let open = prefix + if is_raw { hashes } else { 0 };
    match rest.get(open)? {
        '"' if is_raw => {
            let close: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            let body = &rest[open + 1..];
            let end = body.windows(close.len()).position(|some| some == close)?;
            Some(open + 1 + end + close.len())
        }
        '"' => quoted(rest, open, '"'),
        // A lifetime has no second apostrophe.
        '\'' if rest.get(open + 1) == Some(&'\\') || rest.get(open + 2) == Some(&'\'') => {
            quoted(rest, open, '\'')
        }
        _ => None,
    }
}

fn quoted(rest: &[char], open: usize, quote: char) -> Option<usize> {
    let mut at = open + 1;
    while *rest.get(at)? != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

const TEST_ONLY: &str = "#[cfg(test)]";

/// The ranges of items that are compiled only for tests, in a text without literals.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find(TEST_ONLY).map(|at| from + at) {
        let mut depth = 0_u32;
        let mut end = code.len();
        for (at, c) in code[start + TEST_ONLY.len()..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == '}' || c == ';') && depth == 0 {
                end = start + TEST_ONLY.len() + at + 1;
                break;
            }
        }
        found.push(start..end);
        from = end;
    }
    found
}

/// The code that is not only compiled for tests, with line numbers unchanged.
pub fn product_code(text: &str, masked: Masked) -> String {
    let mut code = mask(text, masked);
    for range in test_items(&mask(text, Masked::CommentsAndLiterals)) {
        let blank: String =
            code[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        code.replace_range(range, &blank);
    }
    code
}

/// The files of the modules that the file at `path` declares only for tests.
pub fn test_modules(path: &str, text: &str) -> Vec<String> {
    let code = mask(text, Masked::CommentsAndLiterals);
    let path = path.trim_end_matches(".rs");
    let folder = match path.strip_suffix("/mod") {
        Some(folder) => folder,
        None => path,
    };
    let declared = test_items(&code).into_iter().filter_map(|range| {
        let item = code[range].trim_start_matches(TEST_ONLY).trim();
        let name = item.strip_prefix("mod ")?.strip_suffix(';')?;
        Some(format!("{folder}/{}.rs", name.trim()))
    });
    declared.collect()
}

/// Whether the character can be part of an identifier.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The byte offsets at which `word` occurs as a whole word or path.
pub fn places(code: &str, word: &str) -> Vec<usize> {
    let is_free = |at: usize| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && (word.ends_with(':') || !after.is_some_and(is_word))
    };
    code.match_indices(word).map(|(at, _)| at).filter(|at| is_free(*at)).collect()
}

/// The line number of the byte offset `at`, starting at 1.
pub fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
