//! The value of the state tag `delete-after`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// The maximum difference between our clock and the provider's. A resource that was created up to
/// this long before the time recorded in a tag may be a copy that was created after it.
pub(crate) const MAX_TAG_SKEW: SignedDuration = SignedDuration::from_hours(1);
/// The separator between the two times.
const SEPARATOR: &str = " marked ";

/// When a snapshot may be deleted, and when the tag was written: `TIME marked TIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionMark {
    /// The earliest time at which the snapshot may be deleted.
    pub due: Timestamp,
    /// When the tag was written.
    pub marked_at: Timestamp,
}

impl DeletionMark {
    /// Whether a snapshot that was started at `started_at` is newer than the tag, and therefore is
    /// a copy that inherited the tag. If `may_be_copy`, a snapshot up to one hour older than the tag
    /// counts as newer too.
    pub fn is_copied_to(&self, started_at: Timestamp, may_be_copy: bool) -> bool {
        let skew = if may_be_copy { MAX_TAG_SKEW } else { SignedDuration::ZERO };
        self.marked_at.checked_sub(skew).is_ok_and(|latest| started_at > latest)
    }
}

impl fmt::Display for DeletionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, marked_at } = self;
        write!(f, "{due}{SEPARATOR}{marked_at}")
    }
}

/// The tag value is not a [`DeletionMark`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `TIME marked TIME`, both in UTC, for example 2026-12-24T18:00:00Z")]
pub struct DeletionMarkError;

impl FromStr for DeletionMark {
    type Err = DeletionMarkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (due, marked_at) = text.split_once(SEPARATOR).ok_or(DeletionMarkError)?;
        let time = |text| exact_time(text).ok_or(DeletionMarkError);
        Ok(Self { due: time(due)?, marked_at: time(marked_at)? })
    }
}

/// Parses a time in the exact form that state tags use: UTC, with no other notation allowed.
pub(crate) fn exact_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|at: &Timestamp| at.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_value_is_parsed() {
        let text = "2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z";
        assert_eq!(text.parse::<DeletionMark>().unwrap().to_string(), text);
        for text in [
            "",
            "soon",
            "2026-12-08T12:00:00Z",
            "2026-12-08T12:00:00Z marked",
            "2026-12-08T12:00:00Z marked soon",
            "2 2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z",
            "2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z held",
            "2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z[UTC]",
            "2026-12-08T12:00:00+00:00 marked 2026-12-01T12:00:00Z",
            "2026-12-08 marked 2026-12-01",
        ] {
            assert!(text.parse::<DeletionMark>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_snapshot_newer_than_its_tag_is_a_copy() {
        let mark = |text: &str| text.parse::<DeletionMark>().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let dated = mark("2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z");
        for (started_at, is_younger, may_be_younger) in [
            ("2026-12-01T11:00:00Z", false, false),
            ("2026-12-01T11:00:01Z", false, true),
            ("2026-12-01T12:00:00Z", false, true),
            ("2026-12-01T12:00:01Z", true, true),
        ] {
            assert_eq!(dated.is_copied_to(at(started_at), false), is_younger, "{started_at}");
            assert_eq!(dated.is_copied_to(at(started_at), true), may_be_younger, "{started_at}");
        }
    }
}
