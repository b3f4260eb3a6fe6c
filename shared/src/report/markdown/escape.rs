//! Escaping untrusted text for GitHub-flavoured Markdown.
//!
//! GitHub turns `@user`, `#123`, `GH-123`, addresses, commit hashes and `:emoji:` into links and
//! pictures after it has rendered Markdown, so escaping characters does not prevent this. GitHub
//! does not change code, so everything that could have a meaning is written as code.

use std::fmt::Write as _;

use crate::text_fmt::printable;

/// Formats `text` as code without changing a character, except that [`printable`] escapes invisible
/// ones. The result can be used in a paragraph and in a table cell.
pub(in crate::report) fn code(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() {
        return String::new();
    }
    // Renderers strip a space at both ends of a code span, and `|` ends a table cell.
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if !spaced && !text.contains(['`', '|', '\\', '$']) {
        return format!("`{text}`");
    }
    let mut html = "<code>".to_owned();
    for character in text.chars() {
        if character == '@' {
            // GitHub finds mail addresses in decoded text, but not across elements.
            html.push_str("<wbr>&#64;<wbr>");
        } else if character.is_ascii_punctuation() || character == ' ' {
            let _ = write!(html, "&#{};", u32::from(character));
        } else {
            html.push(character);
        }
    }
    html.push_str("</code>");
    html
}

/// Formats `text` as prose. Words that could have a meaning in Markdown or for GitHub are formatted
/// as code, and white space is collapsed.
pub(in crate::report) fn prose(text: &str) -> String {
    let text = printable(text);
    let mut shown = String::new();
    // Consecutive words that are formatted as code together.
    let mut unsafe_words = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let ProseWord { before, core, after } = ProseWord::of(word);
        let is_plain = is_plain(core, after);
        if is_plain || !before.is_empty() {
            push_code(&mut shown, &mut unsafe_words);
        }
        let space = if shown.is_empty() { "" } else { " " };
        if is_plain {
            shown.push_str(space);
            shown.push_str(word);
            continue;
        }
        if unsafe_words.is_empty() {
            shown.push_str(space);
            shown.push_str(before);
        } else {
            unsafe_words.push(' ');
        }
        unsafe_words.push_str(core);
        if !after.is_empty() {
            push_code(&mut shown, &mut unsafe_words);
            shown.push_str(after);
        }
    }
    push_code(&mut shown, &mut unsafe_words);
    shown
}

fn push_code(shown: &mut String, words: &mut String) {
    shown.push_str(&code(words));
    words.clear();
}

/// A word with its punctuation.
struct ProseWord<'a> {
    before: &'a str,
    core: &'a str,
    after: &'a str,
}

impl<'a> ProseWord<'a> {
    fn of(word: &'a str) -> Self {
        let inner = word.strip_prefix('(').unwrap_or(word);
        let core = inner.trim_end_matches(['.', ',', ';', ':', ')', '%', '?']);
        let before = word.strip_suffix(inner).unwrap_or_default();
        let after = inner.strip_prefix(core).unwrap_or_default();
        Self { before, core, after }
    }
}

/// Returns whether the word `core`, followed by the punctuation `after`, has no special meaning for
/// Markdown or GitHub.
fn is_plain(core: &str, after: &str) -> bool {
    if core.is_empty() {
        return true;
    }
    let has_plain_characters = core.chars().all(|one| match one {
        '-' | '\'' | ',' => true,
        one if one.is_ascii() => one.is_ascii_alphanumeric(),
        one => one.is_alphabetic(),
    });
    let mut runs = core.split(|one: char| !one.is_ascii_alphanumeric());
    // `1.` and `1)` start a list.
    let is_number = core.bytes().all(|byte| byte.is_ascii_digit());
    let is_item = is_number && after.starts_with(['.', ')']);
    let is_word = core.contains(char::is_alphanumeric) && !is_item;
    is_word && has_plain_characters && !is_reference(core) && !runs.any(looks_like_a_hash)
}

/// Returns whether the word has the form `GH-123` or `JIRA-123`, which repositories can link.
fn is_reference(word: &str) -> bool {
    let after_dash = word.split('-').skip(1);
    after_dash.filter_map(|part| part.chars().next()).any(|first| first.is_ascii_digit())
}

/// GitHub links seven or more hexadecimal digits to the commit with this hash.
fn looks_like_a_hash(run: &str) -> bool {
    run.len() >= 7 && run.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_is_a_code_span_and_the_rest_is_code_of_entities() {
        assert_eq!(code("golden-web @team #1 <b>"), "`golden-web @team #1 <b>`");
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert_eq!(code(" a"), "<code>&#32;a</code>");
        assert_eq!(code("a\nb"), "<code>a&#92;u&#123;a&#125;b</code>");
        assert_eq!(code("|a@b"), "<code>&#124;a<wbr>&#64;<wbr>b</code>");
        assert_eq!(code(""), "");
    }

    #[test]
    fn words_with_a_meaning_are_code_in_prose() {
        let same = "rule web matches no image: 1,000 images (see the docs), at least 30%.";
        assert_eq!(prose(same), same);
        assert_eq!(prose("the tag @team  #1 is gone"), "the tag `@team #1` is gone");
        assert_eq!(prose(":smile: 1. 1)"), "`:smile`: `1`. `1`)");
        assert_eq!(prose("it (digest 0123456789), and"), "it (digest `0123456789`), and");
        for word in ["GH-12", "deadbeef0", "www.example.com", "a_b_", "1.5", "---"] {
            assert_eq!(prose(&format!("see {word} there")), format!("see `{word}` there"));
        }
        assert_eq!(prose("`payments`"), "<code>&#96;payments&#96;</code>");
    }
}
