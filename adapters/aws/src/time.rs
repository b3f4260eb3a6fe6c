//! Times, as the SDK and as the port write them.

use aws_sdk_ec2::primitives::DateTime;
use jiff::Timestamp;

/// `at` as the port has it; a time outside of what can be told is an unknown one.
pub(super) fn timestamp(at: DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), at.subsec_nanos().try_into().ok()?).ok()
}

/// `at` as the SDK takes it, to the second.
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
