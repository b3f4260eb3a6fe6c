//! Converts times between the SDK and the port.

use aws_sdk_ec2::primitives::DateTime;
use jiff::Timestamp;

/// Converts `at` to the port's type. `None` if it is out of range.
pub(super) fn timestamp(at: DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), at.subsec_nanos().try_into().ok()?).ok()
}

/// Converts `at` to the SDK's type, in whole seconds.
pub(super) fn date_time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_there_and_back() {
        let at: Timestamp = "2026-11-22T12:00:01Z".parse().unwrap();
        assert_eq!(timestamp(date_time(at)), Some(at));
        assert_eq!(timestamp(DateTime::from_secs(i64::MAX)), None);
    }
}
