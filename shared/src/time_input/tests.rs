use super::*;

fn now() -> Timestamp {
    "2026-11-28T06:30:00Z".parse().unwrap()
}

fn time(text: &str) -> TimeInput {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown<T: ToString>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn past_durations_are_subtracted() {
    for (text, expected) in [
        ("12h", "2026-11-27T18:30:00Z"),
        ("12 hours", "2026-11-27T18:30:00Z"),
        ("12 Hours ago", "2026-11-27T18:30:00Z"),
        ("-12h", "2026-11-27T18:30:00Z"),
        ("30min", "2026-11-28T06:00:00Z"),
        ("3d", "2026-11-25T06:30:00Z"),
        ("2w", "2026-11-14T06:30:00Z"),
        ("2 weeks", "2026-11-14T06:30:00Z"),
        ("6mo", "2026-05-28T06:30:00Z"),
        ("9mo", "2026-02-28T06:30:00Z"),
        ("1y", "2025-11-28T06:30:00Z"),
        ("P2W", "2026-11-14T06:30:00Z"),
        ("2026-11-28", "2026-11-28T00:00:00Z"),
        ("2026-11-27 22:00", "2026-11-27T22:00:00Z"),
        ("2026-11-27T22:00", "2026-11-27T22:00:00Z"),
        ("2026-11-27 22:00Z", "2026-11-27T22:00:00Z"),
        ("2026-11-27T22:00:00+01:00", "2026-11-27T21:00:00Z"),
        ("2026-11-27 22:00[Europe/Berlin]", "2026-11-27T21:00:00Z"),
        (" Yesterday ", "2026-11-27T00:00:00Z"),
        ("today", "2026-11-28T00:00:00Z"),
        ("now", "2026-11-28T06:30:00Z"),
    ] {
        assert_eq!(shown(time(text).as_past(now())), expected, "{text}");
    }
    for text in ["tomorrow", "2026-11-29", "2026-11-28T06:30:01Z"] {
        let error = time(text).as_past(now()).unwrap_err().to_string();
        assert!(error.contains("is in the future; expected a past time"), "{text}: {error}");
    }
}

#[test]
fn future_durations_are_added() {
    for (text, expected) in [
        ("2w", "2026-12-13"),
        ("1mo", "2026-12-29"),
        ("12h", "2026-11-28T18:30:00Z"),
        ("1d 1h", "2026-11-29T07:30:00Z"),
        ("2026-12-24", "2026-12-24"),
        ("2026-11-28", "2026-11-29T00:00:00Z"),
        ("today", "2026-11-29T00:00:00Z"),
        ("tomorrow", "2026-11-29"),
        ("2026-12-24 10:00", "2026-12-24T10:00:00Z"),
    ] {
        assert_eq!(shown(time(text).as_end(now())), expected, "{text}");
    }
    for text in ["yesterday", "2026-11-27", "now", "2026-11-28T06:30:00Z", "2w ago", "0d"] {
        let error = time(text).as_end(now()).unwrap_err().to_string();
        assert!(error.contains("is in the past; expected a future time"), "{text}: {error}");
    }
}

#[test]
fn no_time_zone_shortens_a_duration() {
    use crate::model::KeepTag;
    use jiff::tz::{Offset, TimeZone};
    for hour in 0..24 {
        let now = "2026-11-28T00:30:00Z".parse::<Timestamp>().unwrap()
            + jiff::SignedDuration::from_hours(hour);
        for (text, at_least) in
            [("1d", 24), ("2w", 14 * 24), ("5h", 5), ("today", 0), ("tomorrow", 0)]
        {
            let end = time(text).as_end(now).unwrap().to_string();
            for offset in -12..=14 {
                let zone = TimeZone::fixed(Offset::constant(offset));
                let until = KeepTag::read(&end, &zone).until.unwrap();
                let asked = now + jiff::SignedDuration::from_hours(at_least);
                assert!(until > now && until >= asked, "{text} at {now} in {offset}: {until}");
            }
        }
    }
}

#[test]
fn now_may_be_any_time() {
    for (text, expected) in [
        ("2w", "2026-12-12T06:30:00Z"),
        ("2w ago", "2026-11-14T06:30:00Z"),
        ("-2w", "2026-11-14T06:30:00Z"),
        ("yesterday", "2026-11-27T00:00:00Z"),
        ("tomorrow", "2026-11-29T00:00:00Z"),
        ("2027-01-01", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(shown(time(text).as_now(now())), expected, "{text}");
    }
}

#[test]
fn invalid_times_are_errors_with_examples() {
    for text in ["", "soon", "12", "24.12.2026", "2026-13-45", "2026-11", "2w reason", "1.5"] {
        assert_eq!(text.parse::<TimeInput>().unwrap_err(), Error::NotTime, "{text}");
    }
    assert_eq!("6m".parse::<TimeInput>().unwrap_err(), Error::AmbiguousUnit);
    assert_eq!("1h 6M".parse::<DurationInput>().unwrap_err(), Error::AmbiguousUnit);
    assert!(time("9999y").as_end(now()).is_err());
    // The examples in the error messages must be valid input.
    let errors = [Error::NotTime.to_string(), Error::InPast(String::new()).to_string()];
    for error in errors {
        let (_, examples) = error.split_once("such as ").unwrap();
        for example in examples.split(", ").flat_map(|one| one.split(" or ")) {
            time(example);
        }
    }
}

#[test]
fn a_duration_must_be_positive() {
    let check =
        |text: &str| text.parse::<DurationInput>().and_then(|duration| duration.as_end(now()));
    assert_eq!(shown(check("2w")), "2026-12-13");
    assert_eq!(shown(check("90min")), "2026-11-28T08:00:00Z");
    for text in ["0d", "-2w", "2w ago"] {
        assert_eq!(check(text), Err(Error::NotPositive), "{text}");
    }
    for text in ["2026-12-24", "tomorrow"] {
        assert_eq!(check(text), Err(Error::DateForDuration), "{text}");
    }
    for text in ["", "14", "two weeks", "2w2x"] {
        assert_eq!(check(text), Err(Error::NotDuration), "{text}");
    }
}

#[test]
fn days_are_a_number_or_a_duration() {
    let check =
        |text: &str| text.parse::<DaysInput>().and_then(|days| days.as_days(now(), 1, 3650));
    for (text, expected) in [("180", 180), ("26w", 182), ("6mo", 181), ("1y", 365), ("3d", 3)] {
        assert_eq!(check(text), Ok(expected), "{text}");
    }
    for text in ["0", "3651", "11y", "12h", "-3d", "4294967295", "9999y"] {
        let error = check(text).unwrap_err();
        assert!(matches!(error, Error::NotDays { .. } | Error::TooFar), "{text}: {error}");
    }
    assert!("many".parse::<DaysInput>().is_err());
}

/// Durations in a policy use the same units.
#[test]
fn a_policy_accepts_the_same_units() {
    for text in ["2w", "12h", "3d", "6mo", "1y", "2 weeks", "12 hours", "1y 6mo", "P2W"] {
        assert!(text.parse::<DurationInput>().is_ok(), "{text}");
        assert!(text.parse::<crate::policy::Age>().is_ok(), "{text}");
    }
    for text in ["6m", "14", "soon", "2w ago"] {
        assert!(text.parse::<DurationInput>().is_err(), "{text}");
        assert!(text.parse::<crate::policy::Age>().is_err(), "{text}");
    }
}
