//! Which failures are sent again, and how long to wait before that.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::reply::Reply;

/// Maximum attempts per call. All calls can be repeated: a second PUT or DELETE changes nothing
/// more, and POST is used for queries and for actions that end in a state.
pub(crate) const MAX_ATTEMPTS: u32 = 4;
/// The longest wait that a response may ask for. The budgets of Compute return within 3 minutes.
/// With a longer wait, the call fails immediately.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(180);
/// The wait before the first retry, if the response does not name one. It doubles each time.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// Returns whether the call may succeed if it is sent again.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The wait that a response asks for. Azure uses seconds, and milliseconds in its own headers. A
/// date, which HTTP also allows, is ignored.
pub(crate) fn retry_after(reply: &Reply) -> Option<Duration> {
    let number = |name| reply.header(name).and_then(|value| value.trim().parse::<u64>().ok());
    let milliseconds = number("retry-after-ms").or_else(|| number("x-ms-retry-after-ms"));
    milliseconds
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The wait after failed attempt `attempt`, which starts at 1: twice as long each time, less up to
/// half of it at random, so that concurrent calls do not return together.
pub(crate) fn backoff(first: Duration, attempt: u32) -> Duration {
    let full = first * 2_u32.saturating_pow(attempt.saturating_sub(1));
    let random = RandomState::new().hash_one(attempt) % 512;
    let random = u32::try_from(random).unwrap_or_default();
    full / 2 + full * random / 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CALL, TestReply};

    #[test]
    fn the_wait_is_read_from_the_headers() {
        for (name, value, wait) in [
            ("retry-after", "0", Some(0)),
            ("retry-after", " 17 ", Some(17_000)),
            ("retry-after-ms", "250", Some(250)),
            ("x-ms-retry-after-ms", "1500", Some(1500)),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let reply = TestReply::new(429, "").with(name, value).reply(CALL);
            assert_eq!(retry_after(&reply), wait.map(Duration::from_millis), "{name}: {value}");
        }
        assert_eq!(retry_after(&TestReply::new(429, "").reply(CALL)), None);
    }

    #[test]
    fn each_wait_is_longer_and_not_the_same_for_all() {
        let second = Duration::from_secs(1);
        let mut found = std::collections::HashSet::new();
        for _ in 0..50 {
            for (attempt, full) in [(1, 1), (2, 2), (3, 4)] {
                let wait = backoff(second, attempt);
                assert!(wait >= second * full / 2 && wait < second * full, "{wait:?}");
                found.insert(wait);
            }
        }
        assert!(found.len() > 10);
    }
}
