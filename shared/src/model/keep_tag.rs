//! The value of the tag `keep`.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::MAX_VALUE;
use crate::text_fmt::printable;
use crate::time_input::EndInput;

/// The content of a tag `keep`: a date or time followed by a reason, or text without a date.
///
/// A date includes the whole day. A value that is not understood excludes the resource permanently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepTag {
    /// When the exclusion ends; `None` if it is permanent.
    pub until: Option<Timestamp>,
    /// The reason. Without a date, it is the whole value, unless that is empty, `true` or `yes`.
    pub note: Option<Arc<str>>,
}

/// Why a `keep` tag cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepTagError {
    /// The value is longer than EC2 allows, by this many characters.
    #[error(
        "the reason is too long: a tag value has at most {MAX_VALUE} characters, including the date; shorten the reason by {0}"
    )]
    TooLong(usize),
    /// The reason contains invisible characters.
    #[error(
        "the reason contains a control character or an invisible character; write it on one line"
    )]
    Unprintable,
    /// The reason looks like a date.
    #[error(
        "the reason begins like a date or a duration; pass the end with --until or --for, and begin the \
         reason with a word"
    )]
    LooksLikeDate,
    /// The reason contains another date or a word such as "until", so that the value would be
    /// ambiguous.
    #[error(
        "the reason contains a later date, or a word such as \"until\", \"keep\" or \"extended\", which makes the \
         end ambiguous; remove it"
    )]
    LaterDate,
}

impl KeepTag {
    /// Parses the value of a tag. Dates are in `zone`.
    pub fn read(value: &str, zone: &TimeZone) -> Self {
        let value = value.trim();
        dated(value, zone).unwrap_or_else(|| {
            let has_no_note =
                ["", "true", "yes"].iter().any(|word| value.eq_ignore_ascii_case(word));
            Self { until: None, note: (!has_no_note).then(|| value.into()) }
        })
    }

    /// The tag value for `until` and `reason`.
    pub fn value_of(until: Option<EndInput>, reason: Option<&str>) -> Result<String, KeepTagError> {
        let reason = reason.map(str::trim).unwrap_or_default();
        if printable(reason) != reason {
            return Err(KeepTagError::Unprintable);
        }
        let value = match (until, reason) {
            (Some(until), "") => until.to_string(),
            (Some(until), reason) => format!("{until} {reason}"),
            (None, "") => "true".to_owned(),
            (None, reason) => reason.to_owned(),
        };
        let length = value.chars().count();
        if length > MAX_VALUE {
            return Err(KeepTagError::TooLong(length - MAX_VALUE));
        }
        let is_dated = Self::read(&value, &TimeZone::UTC).until.is_some();
        match until {
            None if is_dated || looks_like_date(&value) => Err(KeepTagError::LooksLikeDate),
            Some(_) if !is_dated => Err(KeepTagError::LaterDate),
            _ => Ok(value),
        }
    }

    /// Whether `value` excludes a resource for less time than `other`. Dates are compared in UTC.
    pub fn is_shorter(value: &str, other: &str) -> bool {
        let end = |value: &str| Self::read(value, &TimeZone::UTC).until.unwrap_or(Timestamp::MAX);
        end(value) < end(other)
    }

    /// Whether `value` looks as if it had an end, but has none: it begins like a date or a
    /// duration, or contains a second date. Such a value excludes the resource permanently, which
    /// is probably unintended.
    pub fn is_invalid_date(value: &str) -> bool {
        Self::read(value, &TimeZone::UTC).until.is_none() && looks_like_date(value)
    }
}

/// Parses `value` if it begins with a valid date or time and does not name a later one.
fn dated(value: &str, zone: &TimeZone) -> Option<KeepTag> {
    if let Some(until) = end_of(value, zone) {
        return Some(KeepTag { until: Some(until), note: None });
    }
    let (first, rest) = value.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (second, others) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let has_time = second.starts_with(|c: char| c.is_ascii_digit()) && second.contains(':');
    let (until, note) = match has_time {
        true => (end_of(&format!("{first} {second}"), zone)?, others.trim_start()),
        false => (end_of(first, zone)?, rest),
    };
    let is_zone = |word: &str| {
        let offset = word.strip_prefix(['+', '-']);
        offset.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            || ["z", "utc", "gmt"].iter().any(|zone| word.eq_ignore_ascii_case(zone))
    };
    // A time zone after the time, or a later date, could mean a later end. Such a value is
    // ambiguous.
    let mut words = note.split_whitespace();
    let is_unclear = (has_time && words.clone().next().is_some_and(is_zone))
        || words.any(|word| may_mean_later(bare(word), until, zone));
    let note = (!note.is_empty()).then(|| note.into());
    (!is_unclear).then_some(KeepTag { until: Some(until), note })
}

/// Whether a word of the reason could mean that the exclusion lasts beyond `until`: a later date, a
/// number or duration, or a word such as "extended".
fn may_mean_later(word: &str, until: Timestamp, zone: &TimeZone) -> bool {
    if let Some(other) = end_of(word, zone) {
        return other > until;
    }
    let lower = word.to_lowercase();
    let mut parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    let from = until.to_zoned(zone.clone()).year();
    let is_year = |part: &str| part.parse().is_ok_and(|year: i16| (from..=2999).contains(&year));
    word.starts_with('+')
        || looks_like_date(word)
        || parts.any(|part| is_year(part) || LONGER.iter().any(|begin| part.starts_with(begin)))
}

/// Prefixes of words with which people state that something is kept for longer, or forever.
const LONGER: [&str; 13] = [
    "always",
    "extend",
    "ewig",
    "forever",
    "hold",
    "indefinit",
    "keep",
    "never",
    "permanent",
    "prolong",
    "renew",
    "till",
    "until",
];

/// The end that `text` specifies; `None` if `text` is not exactly one date or time.
fn end_of(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        // A date includes the whole day. A time of day without a time zone is treated like its
        // date.
        let next = text.parse::<Date>().ok()?.tomorrow().ok()?;
        Some(next.to_zoned(zone.clone()).ok()?.timestamp())
    })
}

/// Whether text begins like a date or a duration, well-formed or not.
fn looks_like_date(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let text =
        ["until ", "till "].iter().find_map(|word| lower.strip_prefix(word)).unwrap_or(&lower);
    let mut words = text.split_whitespace();
    let first = bare(words.next().unwrap_or_default());
    let second = bare(words.next().unwrap_or_default());
    let is_duration = |text: &str| text.parse::<Span>().is_ok();
    let digits = first.chars().filter(char::is_ascii_digit).count();
    let separators = first.chars().filter(|c| matches!(c, '-' | '/' | '.')).count();
    let others = first
        .chars()
        .any(|c| !c.is_ascii_digit() && !matches!(c, '-' | '/' | '.' | ':' | '+' | 't' | 'z'));
    // A year with a month or a week, as in `2026-11` and `2026-w48`.
    let is_month_or_week = first.split_once(['-', '/']).is_some_and(|(year, part)| {
        let part = part.strip_prefix('w').unwrap_or(part);
        year.len() == 4
            && year.starts_with(['1', '2'])
            && matches!(part.len(), 1 | 2)
            && [year, part].iter().all(|text| text.bytes().all(|b| b.is_ascii_digit()))
    });
    let like_date = first.starts_with(|c: char| c.is_ascii_digit())
        && !others
        && (separators >= 2 && digits >= 3 || digits >= 8)
        || is_month_or_week;
    like_date
        || is_duration(first)
        || is_duration(&format!("{first} {second}"))
        || ["yesterday", "today", "tomorrow"].contains(&first)
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches(['(', ')', ',', ';', ':', '.', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (Option<String>, Option<String>) {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let KeepTag { until, note } = KeepTag::read(value, &zone);
        (until.map(|at| at.to_string()), note.map(|note| note.to_string()))
    }

    #[test]
    fn a_date_includes_the_whole_day_and_is_followed_by_the_reason() {
        for (value, until, note) in [
            ("2026-12-12", "2026-12-12T23:00:00Z", None),
            (" 2026-12-12 ", "2026-12-12T23:00:00Z", None),
            ("2026-12-12 release candidate", "2026-12-12T23:00:00Z", Some("release candidate")),
            ("2026-12-12\trc", "2026-12-12T23:00:00Z", Some("rc")),
            ("2026-12-12T10:00:00Z rc 2", "2026-12-12T10:00:00Z", Some("rc 2")),
            ("2026-12-12 10:00Z rc", "2026-12-12T10:00:00Z", Some("rc")),
            // A time without a time zone could be in any zone, so the whole day is kept.
            ("2026-12-12 10:00 rc", "2026-12-12T23:00:00Z", Some("rc")),
            ("2026-12-12T10:00:00 rc", "2026-12-12T23:00:00Z", Some("rc")),
            ("2026-12-12 replaces 2026-10-01", "2026-12-12T23:00:00Z", Some("replaces 2026-10-01")),
        ] {
            assert_eq!(read(value), (Some(until.to_owned()), note.map(str::to_owned)), "{value}");
            assert!(!KeepTag::is_invalid_date(value), "{value}");
        }
    }

    #[test]
    fn values_that_are_not_understood_exclude_permanently() {
        for value in ["", "true", "True", "yes", " "] {
            assert_eq!(read(value), (None, None), "{value}");
            assert!(!KeepTag::is_invalid_date(value), "{value}");
        }
        for value in [
            "2026-13-45",
            "24.12.2026",
            "12/24/26",
            "2026/12/24",
            "20261332",
            "2026-12-24T25:00:00Z",
            "2026-12-24, for the audit",
            "2026-12-24: audit",
            "2026-12-24 25:00 audit",
            "2026-12-24 10:00 +01:00 audit",
            "2026-12-24 10:00 UTC",
            "2026-12-24 to 2027-01-15",
            "2026-12-24 or (2027-01-15)",
            "2026-01-15 made for the audit, never delete",
            "2026-11-01 extended to 2027/01/15",
            "2026-11-01 until 15.01.2027",
            "2026-11-01 to Jan 2027",
            "2026-11-01 +90d",
            "2026-11-01 extended-to=2027-01-15",
            "2026-11-01 (forever)",
            "2026-11-01 + 2w",
            "2026-11-01 please keep it",
            "2026-11 audit",
            "2026-W48 release",
            "until 2026-12-24",
            "2w",
            "2W audit",
            "2 weeks",
            "14 days of tests",
            "6mo",
            "P2W",
            "tomorrow",
        ] {
            assert_eq!(read(value), (None, Some(value.to_owned())), "{value}");
            assert!(KeepTag::is_invalid_date(value), "{value}");
        }
        for value in [
            "1",
            "2026",
            "1.2",
            "v1.2.3",
            "TICKET-2026-12-24",
            "false",
            "until the audit is over",
            "audit 2026-12-24",
            "no date",
            "3 images",
        ] {
            assert_eq!(read(value), (None, Some(value.to_owned())), "{value}");
            assert!(!KeepTag::is_invalid_date(value), "{value}");
        }
    }

    #[test]
    fn written_reasons_are_parsed() {
        let day = EndInput::Day(jiff::civil::date(2026, 12, 12));
        let moment = EndInput::Moment("2026-12-12T10:00:00Z".parse().unwrap());
        for (until, reason, expected) in [
            (None, None, "true"),
            (None, Some(" legal hold "), "legal hold"),
            (Some(day), None, "2026-12-12"),
            (Some(day), Some("2nd candidate"), "2026-12-12 2nd candidate"),
            (Some(moment), Some("rc"), "2026-12-12T10:00:00Z rc"),
        ] {
            let value = KeepTag::value_of(until, reason).unwrap();
            assert_eq!(value, expected);
            let (end, note) = read(&value);
            assert_eq!(end.is_some(), until.is_some(), "{value}");
            assert_eq!(note.as_deref(), reason.map(str::trim), "{value}");
        }
    }

    #[test]
    fn an_ambiguous_reason_is_rejected() {
        let day = Some(EndInput::Day(jiff::civil::date(2026, 12, 12)));
        for reason in ["2026-12-24", "2026-12-24 audit", "24.12.2026", "2w", "2 weeks of tests"] {
            assert_eq!(KeepTag::value_of(None, Some(reason)), Err(KeepTagError::LooksLikeDate));
        }
        let later = KeepTag::value_of(day, Some("or 2027-01-01"));
        assert_eq!(later, Err(KeepTagError::LaterDate));
        assert_eq!(KeepTag::value_of(day, Some("10:00 +01:00")), Err(KeepTagError::LaterDate));
        for reason in ["a\nb", "a\u{202e}b"] {
            assert_eq!(KeepTag::value_of(None, Some(reason)), Err(KeepTagError::Unprintable));
        }
        let long = "ä".repeat(MAX_VALUE);
        assert_eq!(KeepTag::value_of(None, Some(&long)), Ok(long.clone()));
        assert_eq!(KeepTag::value_of(day, Some(&long)), Err(KeepTagError::TooLong(11)));
    }
}
