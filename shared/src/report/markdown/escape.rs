//! Untrusted text in GitHub-flavoured Markdown.
//!
//! GitHub turns `@user`, `#123`, `GH-123`, addresses, commit hashes and `:emoji:` into links and
//! pictures after it has rendered Markdown, so that escaping a character does not prevent it. It
//! leaves code alone: whatever could have a meaning is written as code.

use std::fmt::Write as _;

use crate::text_fmt::printable;

/// `text` as code, the same to the character, but that [`printable`] shows what is invisible. It
/// can stand in a paragraph and in a cell of a table.
pub(in crate::report) fn code(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() {
        return String::new();
    }
    // A space at both ends of a code span is taken away, and a table ends its cell at any `|`.
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if !spaced && !text.contains(['`', '|', '\\', '$']) {
        return format!("`{text}`");
    }
    let mut html = "<code>".to_owned();
    for character in text.chars() {
        if character == '@' {
            // Addresses of mail are found in text that is decoded, but not across elements.
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

/// `text` as prose in the middle of a line: words that could have a meaning in Markdown or for
/// GitHub are written as code, and white space is one space.
pub(in crate::report) fn prose(text: &str) -> String {
    let text = printable(text);
    let mut shown: Vec<String> = Vec::new();
    let mut unsafe_words: Vec<&str> = Vec::new();
    let flush = |words: &mut Vec<&str>, shown: &mut Vec<String>| {
        if !words.is_empty() {
            shown.push(code(&words.join(" ")));
            words.clear();
        }
    };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if is_plain(word) {
            flush(&mut unsafe_words, &mut shown);
            shown.push(word.to_owned());
        } else {
            unsafe_words.push(word);
        }
    }
    flush(&mut unsafe_words, &mut shown);
    shown.join(" ")
}

/// Whether neither Markdown nor GitHub sees more than letters in `word`.
fn is_plain(word: &str) -> bool {
    let core = word.strip_prefix('(').unwrap_or(word);
    let core = core.trim_end_matches(['.', ',', ';', ':', ')', '%', '?']);
    let has_plain_characters = core.chars().all(|one| {
        one.is_ascii_alphanumeric()
            || matches!(one, '-' | '\'' | ',')
            || (one.is_alphabetic() && !one.is_ascii())
    });
    let mut runs = core.split(|one: char| !one.is_ascii_alphanumeric());
    // `1.` and `1)` begin a list.
    let is_number = core.bytes().all(|byte| byte.is_ascii_digit());
    let is_item = is_number && word.ends_with(['.', ')']);
    let is_word = core.contains(char::is_alphanumeric) && !is_item;
    is_word && has_plain_characters && !is_reference(core) && !runs.any(looks_like_a_hash)
}

/// Whether it is like `GH-123` or `JIRA-123`, which repositories may link.
fn is_reference(word: &str) -> bool {
    let after_dash = word.split('-').skip(1);
    after_dash.filter_map(|part| part.chars().next()).any(|first| first.is_ascii_digit())
}

/// GitHub links seven or more hexadecimal digits to the commit that they are the hash of.
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
        for word in ["GH-12", "deadbeef0", "www.example.com", ":smile:", "a_b_", "1.5", "---", "1."]
        {
            assert_eq!(prose(&format!("see {word} there")), format!("see `{word}` there"));
        }
        assert_eq!(prose("`payments`"), "<code>&#96;payments&#96;</code>");
    }
}
