//! Times and durations as people type them.
//!
//! Dates, and times without a zone, are in UTC. A duration is counted from the present: back where
//! a past time is expected, and forward where a future one is. Months and years are those of the
//! calendar.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// The text is no time or duration that is accepted here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeInputError {
    /// It is not understood as a time.
    #[error("expected a time such as 2026-11-28, 2026-11-28T22:00:00Z, yesterday or 12h")]
    NotTime,
    /// It is not understood as a duration.
    #[error("expected a duration such as 2w, 12h, 3d, 6mo or 1y")]
    NotDuration,
    /// It is a date or a word where a duration is needed.
    #[error("a date is not a duration; expected a duration such as 2w, 12h, 3d, 6mo or 1y")]
    DateForDuration,
    /// `m` is minutes to some and months to others.
    #[error("`m` may mean minutes or months; write for example 6mo or 30min")]
    AmbiguousUnit,
    /// The result is out of range.
    #[error("too far from now; expected a time such as 2026-11-28, yesterday or 12h")]
    TooFar,
    /// It is later than now, where a past time is needed.
    #[error("{0} is in the future; expected a past time such as 2026-11-28, yesterday or 12h")]
    InFuture(Timestamp),
    /// It is not later than now, where a future time is needed.
    #[error("{0} is in the past; expected a future time such as 2026-12-24, tomorrow or 2w")]
    InPast(String),
    /// It is zero or negative.
    #[error("expected a duration longer than zero, such as 2w, 12h, 3d, 6mo or 1y")]
    NotPositive,
    /// It is no number of whole days, or not one in the range.
    #[error("expected {min} to {max} days, such as 180, 26w or 6mo")]
    NotDays {
        /// The smallest number of days.
        min: u32,
        /// The largest number of days.
        max: u32,
    },
}

use TimeInputError as Error;

/// A time as a person types it: a date, a time, a word such as `yesterday`, or a duration from now.
#[derive(Debug, Clone)]
pub struct TimeInput(TypedTime);

#[derive(Debug, Clone)]
enum TypedTime {
    Moment(Timestamp),
    Day(Date),
    Now,
    /// This many days after today.
    Today(i8),
    /// Not negative, unless it was written with a sign or `ago`.
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
        // Of a text with a time of day, the parser of dates takes the date.
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

/// A time of day on a date, in UTC unless the text has a zone.
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

/// A duration: `2w`, `12h`, `6mo`, `1y 6mo`, `2 weeks`, or one of ISO 8601.
fn span(text: &str) -> Result<Span, Error> {
    let text = text.trim().to_ascii_lowercase();
    let span: Span = text.parse().map_err(|_| Error::NotDuration)?;
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    if span.get_minutes() != 0 && !text.starts_with('p') && words.any(|word| word == "m") {
        return Err(Error::AmbiguousUnit);
    }
    Ok(span)
}

/// When something ends that a person gave an end to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndInput {
    /// At the end of this day.
    Day(Date),
    /// At this time.
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
    /// The time that is taken for the present: a duration counts forward, `2w ago` back, and a date
    /// is its beginning.
    pub fn as_now(&self, now: Timestamp) -> Result<Timestamp, Error> {
        match &self.0 {
            TypedTime::Moment(at) => Ok(*at),
            TypedTime::Now => Ok(now),
            TypedTime::Day(day) => beginning(*day),
            TypedTime::Today(offset) => beginning(day_from(now, *offset)?),
            TypedTime::Duration(span) => after(now, *span),
        }
    }

    /// A past time: a duration counts back, and a date is its beginning.
    pub fn as_past(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let at = match &self.0 {
            // `12h ago` is what `12h` means here; `+12h` cannot be told from it.
            TypedTime::Duration(span) => after(now, -span.abs())?,
            _ => self.as_now(now)?,
        };
        if at > now { Err(Error::InFuture(at)) } else { Ok(at) }
    }

    /// A future end: a duration counts forward, and a date lasts to its end, which for today is the end
    /// of the day in UTC. For a duration in days see [`DurationInput::as_end`].
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
            // In the time zone of a policy, today may be over.
            EndInput::Day(day) if day == today => {
                let tomorrow = day.tomorrow().map_err(|_| Error::TooFar)?;
                Ok(EndInput::Moment(beginning(tomorrow)?))
            }
            _ => Ok(end),
        }
    }
}

/// A duration as a person types it.
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
    /// The end of the duration that begins now. One in days or longer units ends with a day, the first
    /// that is not over in any time zone when the duration is: no policy makes it shorter.
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

/// A number of days as a person types it: `180`, or a duration such as `26w` or `6mo`.
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
    /// How many days that is from now, if it is a whole number from `min` to `max`.
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

/// The date of `now` in UTC, so many days later.
fn day_from(now: Timestamp, days: i8) -> Result<Date, Error> {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.checked_add(Span::new().days(days)).map_err(|_| Error::TooFar)
}

/// Whether it has no unit below the day.
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
