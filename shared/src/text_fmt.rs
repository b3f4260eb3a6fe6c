//! Formats numbers, times and untrusted text for people.

use jiff::Timestamp;

/// Formats a whole number with a comma before every three digits: `1,234,567`.
pub fn thousands(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its unit: `1 image`, `2,000 images`. `unit` is a singular noun whose plural
/// ends in `s`.
pub fn counted(count: impl ToString, unit: &str) -> String {
    let count = thousands(count);
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Formats a rank: `1st`, `2nd`, `3rd`, `11th`.
pub fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{}{ending}", thousands(number))
}

/// Quotes a word for a POSIX shell, if it needs quotes.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/')
    };
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The number of terminal columns that `text` occupies.
pub(crate) fn width(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// Shortens `text` to at most `max` terminal columns by replacing its middle with an ellipsis. The
/// middle is replaced because names usually differ at their ends.
pub(crate) fn excerpt_middle(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(1);
    let fitting = |characters: &mut dyn Iterator<Item = char>, room: usize| {
        let mut part = String::new();
        for character in characters {
            if width(&part) + width(character.encode_utf8(&mut [0; 4])) > room {
                break;
            }
            part.push(character);
        }
        part
    };
    let end = fitting(&mut text.chars().rev(), room.div_ceil(2));
    let begin = fitting(&mut text.chars(), room - width(&end));
    format!("{begin}…{}", end.chars().rev().collect::<String>())
}

/// The time from `from` to `to` in whole days, or in whole hours if it is less than two days: `36
/// hours`, `12 days`.
pub fn hours_or_days(from: Timestamp, to: Timestamp) -> String {
    match hours(from, to) {
        hours if hours < 48 => counted(hours, "hour"),
        hours => counted(hours / 24, "day"),
    }
}

/// Whole hours; 0 if `from` is in the future, for a resource created after the time of the plan.
fn hours(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_hours().max(0)
}

/// The same as [`hours_or_days`], abbreviated for tables: `36h`, `12d`.
pub fn short_age(from: Timestamp, to: Timestamp) -> String {
    match hours(from, to) {
        hours if hours < 48 => format!("{hours}h"),
        hours => format!("{}d", hours / 24),
    }
}

/// The date in UTC: `2026-12-24`.
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The time in UTC, to the minute: `2026-12-24 18:00Z`.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Escapes control characters and characters that are invisible or change the writing direction, as
/// in `\u{1b}`. Use it for untrusted text such as names and tags.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The beginning of untrusted text, escaped as in [`printable`]. The result has at most `max`
/// characters, followed by an ellipsis if the text was cut.
pub fn excerpt(text: &str, max: usize) -> String {
    // Escaping never shortens a character, so at most `max` characters of the text can be shown.
    let begin: String = text.chars().take(max).collect();
    let mut shown = printable(&begin);
    let is_cut = begin.len() < text.len();
    match shown.char_indices().nth(max) {
        Some((at, _)) => shown.truncate(at),
        None if !is_cut => return shown,
        None => {}
    }
    shown.push('…');
    shown
}

/// Characters that are invisible, end a line, or change the writing direction. They could make text
/// look like something else.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_the_future_has_no_negative_age() {
        let (now, later): (Timestamp, Timestamp) =
            ("2026-11-22T12:00:00Z".parse().unwrap(), "2026-11-24T12:00:00Z".parse().unwrap());
        assert_eq!(
            (hours_or_days(now, later), short_age(now, later)),
            ("2 days".into(), "2d".into())
        );
        assert_eq!(
            (hours_or_days(later, now), short_age(later, now)),
            ("0 hours".into(), "0h".into())
        );
    }

    #[test]
    fn numbers_have_thousands_separators() {
        let found = [0, 12, 999, 1_000, 1_234_567].map(thousands);
        assert_eq!(found, ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (counted(1, "image"), counted(2_000, "image")),
            ("1 image".into(), "2,000 images".into())
        );
    }

    #[test]
    fn ranks_have_ordinal_suffixes() {
        let found = [1, 2, 3, 4, 11, 12, 13, 21, 101, 112, 1_003].map(ordinal);
        assert_eq!(
            found,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "112th",
                "1,003rd"
            ]
        );
    }

    #[test]
    fn a_name_is_shortened_in_the_middle() {
        assert_eq!(excerpt_middle("golden-web-arm64", 16), "golden-web-arm64");
        assert_eq!(excerpt_middle("golden-web-arm64", 11), "golde…arm64");
        assert_eq!(excerpt_middle("golden-web-arm64", 1), "…");
        for max in 1..12 {
            assert!(width(&excerpt_middle("漢字漢字漢字-é́x", max)) <= max, "{max}");
        }
    }

    #[test]
    fn an_excerpt_is_the_beginning() {
        assert_eq!(excerpt("abc", 3), "abc");
        assert_eq!(excerpt("abcd", 3), "abc…");
        assert_eq!(excerpt("äöü", 2), "äö…");
        assert_eq!(excerpt("a\nb", 4), "a\\u{…");
        assert_eq!(excerpt("", 0), "");
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            printable("web-\u{1b}[2J\u{202e}x\u{200b}é"),
            "web-\\u{1b}[2J\\u{202e}x\\u{200b}é"
        );
    }
}
