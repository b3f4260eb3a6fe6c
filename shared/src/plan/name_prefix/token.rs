//! Splits a name into parts, and classifies them.

use super::words;

/// The separators between the parts of a name. A full stop before a number is a separator too.
pub(super) const SEPARATORS: [char; 10] = ['-', '_', ' ', '/', '@', '+', '(', ')', '[', ']'];

/// A part of a name.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// The offset of the part in the name, in bytes.
    pub(super) start: usize,
    pub(super) part: Part,
}

/// The class of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Any other text.
    Word,
    /// A number of up to seven digits, or a time of day.
    Number,
    /// A longer number, such as a date or the seconds since 1970, or a date with a time.
    Time,
    /// The last part of a date with dashes, followed by a time.
    DayAndTime,
    /// Two numbers: `1.2`.
    Series,
    /// Three or more numbers: `1.2.3`.
    Version,
    /// A commit ID in hexadecimal digits.
    Commit,
}

impl<'a> Token<'a> {
    pub(super) fn all(name: &'a str) -> Vec<Self> {
        let mut tokens: Vec<Self> = Vec::new();
        let mut start = 0;
        while start <= name.len() {
            let end = end_of_token(name, start);
            let text = name.get(start..end).unwrap_or_default().trim_end_matches('.');
            if is_uuid(text) {
                tokens.push(Self { text, start, part: Part::Word });
            } else if !text.is_empty() {
                Self::push(&mut tokens, text, start);
            }
            // Every separator is one byte long.
            start = end + 1;
        }
        tokens
    }

    /// Splits text at full stops: `web.20261121.arm64` has three parts. The text after a full stop
    /// is a separate part if it is a number, a commit ID, an architecture, or one of the words that
    /// always belong to the family name.
    fn push(tokens: &mut Vec<Self>, text: &'a str, start: usize) {
        const MAX_TAILS: usize = 4;
        let mut head = text;
        let mut tails = Vec::new();
        while Part::of(head) == Part::Word && tails.len() < MAX_TAILS {
            let is_part = |tail: &str| {
                Part::of(tail) != Part::Word
                    || words::architecture(tail).is_some()
                    || words::kind(tail) == Some(tail.len())
            };
            let mut dots = head.match_indices('.').map(|(dot, _)| dot);
            let Some(dot) = dots.find(|dot| head.get(dot + 1..).is_some_and(is_part)) else {
                break;
            };
            let text = head.get(dot + 1..).unwrap_or_default();
            tails.push(Self { text, start: start + dot + 1, part: Part::of(text) });
            head = head.get(..dot).unwrap_or_default();
        }
        if !head.is_empty() {
            tails.push(Self { text: head, start, part: Part::of(head) });
        }
        tokens.extend(tails.into_iter().rev());
    }

    /// The offset of the end of the part in the name, in bytes.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether the part is a date, with or without a time.
    pub(super) fn is_date(&self) -> bool {
        match self.part {
            Part::Time => {
                let number = self.text.trim_start_matches(['v', 'V']);
                match number.split_once(['t', 'T']) {
                    Some((day, _)) => is_day(day),
                    None => is_date_number(number),
                }
            }
            // `20240101.1`, and `2026.11.21`.
            Part::Series => {
                self.text.split('.').next().is_some_and(|first| first.len() == 8 && is_day(first))
            }
            Part::Version => {
                let mut numbers = self.text.split('.');
                let mut next = || numbers.next().unwrap_or_default();
                let (year, month, day) = (next(), next(), next());
                let is_first = is_year(year) && is_from_one(month, 12) && is_from_one(day, 31);
                is_first || (year.len() == 8 && is_day(year))
            }
            _ => false,
        }
    }

    /// Whether the part is a number of seconds or milliseconds since 1970, for a time between 2001
    /// and 2099.
    pub(super) fn is_epoch(&self) -> bool {
        let seconds = self.text.get(..10).unwrap_or_default().parse();
        matches!(self.text.len(), 10 | 13)
            && seconds.is_ok_and(|seconds: u64| (1_000_000_000..4_102_444_800).contains(&seconds))
    }

    /// The length in bytes of the version before the date in the part: `9.3` in `9.3.20231123`.
    pub(super) fn before_date(&self) -> Option<usize> {
        let mut dots = self.text.match_indices('.').map(|(dot, _)| dot);
        dots.find(|dot| {
            let after = self.text.get(dot + 1..).unwrap_or_default();
            let number = after.split('.').next().unwrap_or_default();
            number.len() == 8 && is_day(number)
        })
    }
}

/// The offset of the end of the part of `name` that begins at `start`.
fn end_of_token(name: &str, start: usize) -> usize {
    const UUID_LENGTH: usize = 36;
    let rest = name.get(start..).unwrap_or_default();
    if rest.get(..UUID_LENGTH).is_some_and(is_uuid)
        && !rest.get(UUID_LENGTH..).unwrap_or_default().starts_with(char::is_alphanumeric)
    {
        return start + UUID_LENGTH;
    }
    let mut separators = rest.match_indices(SEPARATORS).map(|(at, _)| at);
    let end = separators.find(|at| {
        // The two halves of `x86_64` are not separated.
        let before = rest.get(..*at).unwrap_or_default();
        let after = rest.get(at + 1..).unwrap_or_default();
        let is_x86 = before.len() >= 3
            && before.get(before.len() - 3..).is_some_and(|word| word.eq_ignore_ascii_case("x86"))
            && !before.get(..before.len() - 3).unwrap_or_default().ends_with(char::is_alphanumeric);
        let is_64 =
            after.strip_prefix("64").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        !(is_x86 && is_64 && rest.get(*at..at + 1).is_some_and(|one| matches!(one, "_" | "-")))
    });
    end.map_or(name.len(), |end| start + end)
}

fn is_uuid(text: &str) -> bool {
    if text.len() != 36 || text.as_bytes().get(8) != Some(&b'-') {
        return false;
    }
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12].iter().all(|length| {
        groups.next().is_some_and(|group| {
            group.len() == *length && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
    })
}

/// Whether the last three parts are a date (year, month, day, or with the year last), and are not
/// the whole name.
pub(super) fn ends_in_date(tokens: &[&Token<'_>]) -> bool {
    let [_, .., first, second, third] = tokens else { return false };
    is_date_of_three(first, second, third)
}

/// Whether the parts are a year, a month and a day, or a day, a month and a year. With the year
/// last, the month may also be first.
pub(super) fn is_date_of_three(first: &Token<'_>, second: &Token<'_>, third: &Token<'_>) -> bool {
    let is_last_day = third.part == Part::DayAndTime || is_within(third.text, 31);
    let year_first =
        is_year(first.text) && first.text.len() == 4 && is_within(second.text, 12) && is_last_day;
    let (one, two) = (first.text, second.text);
    let year_last = is_year(third.text)
        && third.text.len() == 4
        && (is_within(one, 12) && is_within(two, 31) || is_within(one, 31) && is_within(two, 12));
    year_first || year_last
}

/// How many of the parts after a date are a time of day.
pub(super) fn time_of_day(date: &Token<'_>, after: &[&Token<'_>]) -> usize {
    let is_two = |token: &Token<'_>, most: u32| {
        let number = token.text.trim_end_matches(['z', 'Z']);
        token.part == Part::Number && number.len() == 2 && number_up_to(number, most)
    };
    if date.text.contains(['t', 'T']) {
        // The date already contains the hour.
        return after.iter().take(2).take_while(|token| is_two(token, 59)).count();
    }
    match after {
        [time, ..] if time.part == Part::Number && is_time_of_day(time.text) => 1,
        [hour, minute, second, ..]
            if is_two(hour, 23) && is_two(minute, 59) && is_two(second, 59) =>
        {
            3
        }
        [hour, minute, ..] if is_two(hour, 23) && is_two(minute, 59) => 2,
        _ => 0,
    }
}

fn is_time_of_day(text: &str) -> bool {
    let text = text.trim_end_matches(['z', 'Z']);
    if text.contains(':') {
        return true;
    }
    let two = |at: usize, most: u32| text.get(at..at + 2).is_some_and(|n| number_up_to(n, most));
    match text.len() {
        4 => two(0, 23) && two(2, 59),
        6 => two(0, 23) && two(2, 59) && two(4, 59),
        _ => false,
    }
}

/// Whether the number is a date without separators, with or without a time.
fn is_date_number(number: &str) -> bool {
    let (day, time) = number.split_at_checked(8).unwrap_or_default();
    is_day(day) && (time.is_empty() || matches!(time.len(), 4 | 6) && is_time_of_day(time))
}

/// Whether eight digits are a year, a month and a day.
fn is_day(number: &str) -> bool {
    let at = |range: std::ops::Range<usize>| number.get(range).unwrap_or_default();
    number.len() == 8 && is_year(at(0..4)) && is_within(at(4..6), 12) && is_within(at(6..8), 31)
}

fn is_within(text: &str, most: u32) -> bool {
    text.len() == 2 && is_from_one(text, most)
}

fn is_from_one(text: &str, most: u32) -> bool {
    !text.bytes().all(|b| b == b'0') && number_up_to(text, most)
}

fn number_up_to(text: &str, most: u32) -> bool {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits && text.parse().is_ok_and(|number: u32| number <= most)
}

/// Whether the text begins with a year, followed only by dots and digits.
pub(super) fn is_year(text: &str) -> bool {
    let year = text.split('.').next().unwrap_or_default();
    year.len() == 4 && year.parse().is_ok_and(|year: u32| (1980..=2099).contains(&year))
}

impl Part {
    fn of(text: &str) -> Self {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_time = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
        };
        let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if is_digits(number) {
            return if number.len() >= 8 { Self::Time } else { Self::Number };
        }
        if number.split('.').all(is_digits) {
            return if number.matches('.').count() == 1 { Self::Series } else { Self::Version };
        }
        let time = text.strip_suffix(['z', 'Z']).unwrap_or(text);
        if let Some((date, time)) = time.split_once(['t', 'T']) {
            return match date.len() {
                8 if is_digits(date) && is_time(time) => Self::Time,
                2 if is_digits(date) && is_time(time) => Self::DayAndTime,
                _ => Self::Word,
            };
        }
        if time.len() >= 2 && is_time(time) {
            return Self::Number;
        }
        if is_commit(text.strip_prefix('g').unwrap_or(text)) { Self::Commit } else { Self::Word }
    }
}

/// Whether the text is a short or full commit ID. A word followed by a number, such as `facade12`,
/// is not one. AWS IDs, which have 8 or 17 digits after a prefix, are not commit IDs either.
fn is_commit(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_word_and_number = letters.bytes().all(|b| b.is_ascii_lowercase());
    matches!(text.len(), 7..=12 | 40)
        && !is_word_and_number
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
