//! Calendar periods in a time zone, and their names.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An hour, day, ISO week, month or year.
///
/// Written as `2026-10-25T02+02:00`, `2026-11-21`, `2026-W47`, `2026-11` and `2026`. An hour
/// includes its offset from UTC, because one hour occurs twice when daylight saving time ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// An hour: the date, the hour, and the offset from UTC in seconds.
    Hour(Date, i8, i32),
    /// A day.
    Day(Date),
    /// A week: the ISO year, which differs from the calendar year around New Year, and the week
    /// number.
    Week(i16, i8),
    /// A month.
    Month(i16, i8),
    /// A year.
    Year(i16),
}

/// A local date and time in a time zone.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    clock: DateTime,
    offset: Offset,
}

impl Local {
    /// Converts `time` to local time in `zone`.
    pub fn of(time: Timestamp, zone: &TimeZone) -> Self {
        let offset = zone.to_offset(time);
        Self { clock: offset.to_datetime(time), offset }
    }

    /// The hour that contains this time.
    pub fn hour(self) -> Period {
        Period::Hour(self.clock.date(), self.clock.hour(), self.offset.seconds())
    }

    /// The day that contains this time.
    pub fn day(self) -> Period {
        Period::Day(self.clock.date())
    }

    /// The ISO week that contains this time.
    pub fn week(self) -> Period {
        let week = self.clock.date().iso_week_date();
        Period::Week(week.year(), week.week())
    }

    /// The month that contains this time.
    pub fn month(self) -> Period {
        Period::Month(self.clock.year(), self.clock.month())
    }

    /// The year that contains this time.
    pub fn year(self) -> Period {
        Period::Year(self.clock.year())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(date, hour, seconds) => {
                let (sign, minutes) = (if *seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                write!(f, "{date}T{hour:02}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Day(date) => write!(f, "{date}"),
            Self::Week(year, week) => write!(f, "{year}-W{week:02}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a period")))
    }
}

fn parse(text: &str) -> Option<Period> {
    if let Some((date, clock)) = text.split_once('T') {
        let (hour, offset) = (clock.get(..2)?, clock.get(2..)?);
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let seconds = sign * (hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?) * 60;
        return Some(Period::Hour(date.parse().ok()?, hour.parse().ok()?, seconds));
    }
    if let Some((year, week)) = text.split_once("-W") {
        let (year, week) = (year.parse().ok()?, week.parse().ok()?);
        jiff::civil::ISOWeekDate::new(year, week, Weekday::Monday).ok()?;
        return Some(Period::Week(year, week));
    }
    match text.matches('-').count() {
        0 => Some(Period::Year(text.parse().ok()?)),
        1 => {
            let first = Date::from_str(&format!("{text}-01")).ok()?;
            Some(Period::Month(first.year(), first.month()))
        }
        _ => Some(Period::Day(text.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(time: &str, zone: &str) -> Local {
        Local::of(time.parse().unwrap(), &TimeZone::get(zone).unwrap())
    }

    #[test]
    fn a_repeated_hour_counts_as_two_hours() {
        let first = local("2026-10-25T00:30:00Z", "Europe/Berlin").hour();
        let second = local("2026-10-25T01:30:00Z", "Europe/Berlin").hour();
        assert_eq!(first.to_string(), "2026-10-25T02+02:00");
        assert_eq!(second.to_string(), "2026-10-25T02+01:00");
        assert_ne!(first, second);
    }

    #[test]
    fn days_begin_at_midnight_of_the_time_zone() {
        assert_eq!(local("2026-03-28T22:59:59Z", "Europe/Berlin").day().to_string(), "2026-03-28");
        assert_eq!(local("2026-03-28T23:00:00Z", "Europe/Berlin").day().to_string(), "2026-03-29");
        assert_eq!(local("2026-03-29T22:00:00Z", "Europe/Berlin").day().to_string(), "2026-03-30");
        assert_eq!(local("2026-01-01T04:59:59Z", "America/New_York").year().to_string(), "2025");
    }

    #[test]
    fn weeks_are_iso_weeks_across_the_year_end() {
        for (time, week) in [
            ("2024-12-29T12:00:00Z", "2024-W52"),
            ("2024-12-30T12:00:00Z", "2025-W01"),
            ("2026-12-31T12:00:00Z", "2026-W53"),
            ("2027-01-03T12:00:00Z", "2026-W53"),
            ("2027-01-04T12:00:00Z", "2027-W01"),
        ] {
            assert_eq!(local(time, "UTC").week().to_string(), week, "{time}");
        }
    }

    #[test]
    fn period_names_are_parsed() {
        for zone in ["UTC", "Asia/Kolkata", "America/St_Johns"] {
            let local = local("2026-10-25T00:30:00Z", zone);
            for period in [local.hour(), local.day(), local.week(), local.month(), local.year()] {
                assert_eq!(parse(&period.to_string()), Some(period));
            }
        }
        for bad in ["", "x", "2026-13", "2026-W60", "2026-02-30", "2026-01-01Tx"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
