//! Parses times and durations that people type.
//!
//! Dates, and times without a time zone, are in UTC. A duration is relative to the present: into
//! the past where a past time is expected, and into the future where a future time is expected.
//! Months and years are calendar months and years.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// The text is not a valid time or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeInputError {
    /// The text is not a time.
    #[error("expected a time such as 2026-11-28, 2026-11-28T22:00:00Z, yesterday or 12h")]
    NotTime,
    /// The text is not a duration.
    #[error("expected a duration such as 2w, 12h, 3d, 6mo or 1y")]
    NotDuration,
    /// The text is a date or a word, but a duration is required.
    #[error("a date is not a duration; expected a duration such as 2w, 12h, 3d, 6mo or 1y")]
    DateForDuration,
    /// The unit `m` could mean minutes or months.
    #[error("`m` could mean minutes or months; use min or mo, for example 30min or 6mo")]
    AmbiguousUnit,
    /// The resulting time is out of range.
    #[error("out of range; expected a time such as 2026-11-28, yesterday or 12h")]
    TooFar,
    /// The time is in the future, but a past time is required.
    #[error("{0} is in the future; expected a past time such as 2026-11-28, yesterday or 12h")]
    InFuture(Timestamp),
    /// The time is not in the future, but a future time is required.
    #[error("{0} is in the past; expected a future time such as 2026-12-24, tomorrow or 2w")]
    InPast(String),
    /// The duration is zero or negative.
    #[error("expected a duration longer than zero, such as 2w, 12h, 3d, 6mo or 1y")]
    NotPositive,
    /// The text is not a whole number of days, or is outside the range.
    #[error("expected {min} to {max} days, such as 180, 26w or 6mo")]
    NotDays {
        /// The minimum number of days.
        min: u32,
        /// The maximum number of days.
        max: u32,
    },
}

use TimeInputError as Error;

/// A time that a person typed: a date, a time, a word such as `yesterday`, or a duration relative
/// to now.
#[derive(Debug, Clone)]
pub struct TimeInput(TypedTime);

#[derive(Debug, Clone)]
enum TypedTime {
    Moment(Timestamp),
    Day(Date),
    Now,
    /// The day this many days after today; negative for past days.
    Today(i8),
    /// Negative only if it was written with a minus sign or `ago`.
    Duration(Span),
}

impl FromStr for TimeInput {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let kind = match text.to_ascii_lowercase().as_str() {
            "now" => Some(TypedTime::Now),
            "yesterday" => Some(TypedTime::Today(-1)),
            "today" => Some(TypedTime::Today(0)),
            "tomorrow" => Some(TypedTime::Today(1)),
            _ => None,
        };
        let moment = || moment(text).map(TypedTime::Moment);
        // Parsing a time of day as a date would drop the time, so this parser comes last.
        let day = || text.parse::<Date>().ok().map(TypedTime::Day);
        if let Some(kind) = kind.or_else(moment).or_else(day) {
            return Ok(Self(kind));
        }
        match span(text) {
            Err(Error::NotDuration) => Err(Error::NotTime),
            other => other.map(TypedTime::Duration).map(Self),
        }
    }
}

/// Parses a date with a time of day. It is in UTC unless the text has a time zone.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Some(at.timestamp());
    }
    let has_time = text.contains([':', ' ', 't', 'T']);
    let at = text.parse::<DateTime>().ok().filter(|_| has_time)?;
    at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Parses a duration: `2w`, `12h`, `6mo`, `1y 6mo`, `2 weeks`, or ISO 8601.
fn span(text: &str) -> Result<Span, Error> {
    let text = text.trim().to_ascii_lowercase();
    let span: Span = text.parse().map_err(|_| Error::NotDuration)?;
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    if span.get_minutes() != 0 && !text.starts_with('p') && words.any(|word| word == "m") {
        return Err(Error::AmbiguousUnit);
    }
    Ok(span)
}

/// The end that a person set for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndInput {
    /// The end of this day.
    Day(Date),
    /// This exact time.
    Moment(Timestamp),
}

impl fmt::Display for EndInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Moment(at) => write!(f, "{at}"),
        }
    }
}

impl TimeInput {
    /// The time to use as the present. A duration is added to `now`, `2w ago` is subtracted, and a
    /// date means the beginning of that day.
    pub fn as_now(&self, now: Timestamp) -> Result<Timestamp, Error> {
        match &self.0 {
            TypedTime::Moment(at) => Ok(*at),
            TypedTime::Now => Ok(now),
            TypedTime::Day(day) => beginning(*day),
            TypedTime::Today(offset) => beginning(day_from(now, *offset)?),
            TypedTime::Duration(span) => after(now, *span),
        }
    }

    /// A past time. A duration is subtracted from `now`, and a date means the beginning of that
    /// day.
    pub fn as_past(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let at = match &self.0 {
            // `12h ago` means the same as `12h` here. `+12h` does too, because the parser does not
            // distinguish it.
            TypedTime::Duration(span) => after(now, -span.abs())?,
            _ => self.as_now(now)?,
        };
        if at > now { Err(Error::InFuture(at)) } else { Ok(at) }
    }

    /// A future end. A duration is added to `now`. A date includes the whole day; today ends at
    /// midnight UTC. For durations in days, see [`DurationInput::as_end`].
    pub fn as_end(&self, now: Timestamp) -> Result<EndInput, Error> {
        let today = day_from(now, 0)?;
        let end = match &self.0 {
            TypedTime::Day(day) => EndInput::Day(*day),
            TypedTime::Today(offset) => EndInput::Day(day_from(now, *offset)?),
            TypedTime::Duration(span) => return DurationInput(*span).as_end(now),
            TypedTime::Moment(_) | TypedTime::Now => EndInput::Moment(self.as_now(now)?),
        };
        let is_past = match end {
            EndInput::Day(day) => day < today,
            EndInput::Moment(at) => at <= now,
        };
        match end {
            _ if is_past => Err(Error::InPast(end.to_string())),
            // In the time zone of a policy, today may already be over.
            EndInput::Day(day) if day == today => {
                let tomorrow = day.tomorrow().map_err(|_| Error::TooFar)?;
                Ok(EndInput::Moment(beginning(tomorrow)?))
            }
            _ => Ok(end),
        }
    }
}

/// A duration that a person typed.
#[derive(Debug, Clone)]
pub struct DurationInput(Span);

impl FromStr for DurationInput {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match (span(text), text.parse::<TimeInput>()) {
            (Ok(span), _) if span.signum() > 0 => Ok(Self(span)),
            (Ok(_), _) => Err(Error::NotPositive),
            (Err(_), Ok(_)) => Err(Error::DateForDuration),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

impl DurationInput {
    /// The end of this duration if it begins now. A duration in days or longer units ends at the
    /// end of a day: the first day that is not over in any time zone when the duration ends.
    /// Therefore no policy time zone shortens it.
    pub fn as_end(&self, now: Timestamp) -> Result<EndInput, Error> {
        let at = after(now, self.0)?;
        if at <= now {
            return Err(Error::InPast(at.to_string()));
        }
        Ok(match is_in_days(self.0) {
            true => EndInput::Day(day_from(at, 1)?),
            false => EndInput::Moment(at),
        })
    }
}

/// A number of days that a person typed: `180`, or a duration such as `26w` or `6mo`.
#[derive(Debug, Clone)]
pub struct DaysInput(Span);

impl FromStr for DaysInput {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(days) = text.trim().parse::<u32>() {
            let days = Span::new().try_days(days);
            return days.map(Self).map_err(|_| Error::TooFar);
        }
        span(text).map(Self)
    }
}

impl DaysInput {
    /// The number of days from now.
    ///
    /// # Errors
    /// If it is not a whole number of days from `min` to `max`.
    pub fn as_days(&self, now: Timestamp, min: u32, max: u32) -> Result<u32, Error> {
        let wrong = Error::NotDays { min, max };
        let from = day_from(now, 0)?;
        let to = from.checked_add(self.0).map_err(|_| wrong.clone())?;
        let days = (to - from).get_days();
        let days = u32::try_from(days).ok().filter(|days| (min..=max).contains(days));
        days.filter(|_| is_in_days(self.0)).ok_or(wrong)
    }
}

fn after(now: Timestamp, span: Span) -> Result<Timestamp, Error> {
    let later = now.to_zoned(TimeZone::UTC).checked_add(span);
    later.map(|zoned| zoned.timestamp()).map_err(|_| Error::TooFar)
}

fn beginning(day: Date) -> Result<Timestamp, Error> {
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| Error::TooFar)
}

/// The date in UTC, `days` days after `now`.
fn day_from(now: Timestamp, days: i8) -> Result<Date, Error> {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.checked_add(Span::new().days(days)).map_err(|_| Error::TooFar)
}

/// Whether the duration has no unit smaller than a day.
fn is_in_days(span: Span) -> bool {
    span.get_hours() == 0
        && span.get_minutes() == 0
        && span.get_seconds() == 0
        && span.get_milliseconds() == 0
        && span.get_microseconds() == 0
        && span.get_nanoseconds() == 0
}

#[cfg(test)]
mod tests;
