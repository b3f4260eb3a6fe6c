//! The value of the state tag `delete-after`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// By how much our clock may differ from the provider's: what was created less than this before a
/// tag says that it was written may be a copy that was created after.
pub(crate) const MAX_TAG_SKEW: SignedDuration = SignedDuration::from_hours(1);
/// What stands between the two times.
const MARKED: &str = " marked ";

/// From when on a snapshot may be deleted, and when that was written: `TIME marked TIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionMark {
    /// From when on it may be deleted.
    pub due: Timestamp,
    /// When the tag was written.
    pub marked_at: Timestamp,
}

impl DeletionMark {
    /// Whether a snapshot that was begun at `started_at` is younger than the mark: then it is a copy, and
    /// the tag was copied with it. Only one that `may_be_copy` may have been begun a little before, too.
    pub fn is_copied_to(&self, started_at: Timestamp, may_be_copy: bool) -> bool {
        let skew = if may_be_copy { MAX_TAG_SKEW } else { SignedDuration::ZERO };
        self.marked_at.checked_sub(skew).is_ok_and(|latest| started_at > latest)
    }
}

impl fmt::Display for DeletionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, marked_at } = self;
        write!(f, "{due}{MARKED}{marked_at}")
    }
}

/// The text is not a [`DeletionMark`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not `TIME marked TIME`, both in UTC such as 2026-12-24T18:00:00Z")]
pub struct DeletionMarkError;

impl FromStr for DeletionMark {
    type Err = DeletionMarkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (due, marked_at) = text.split_once(MARKED).ok_or(DeletionMarkError)?;
        let time = |text| exact_time(text).ok_or(DeletionMarkError);
        Ok(Self { due: time(due)?, marked_at: time(marked_at)? })
    }
}

/// The time that `text` is, if it is written as the state tags have it: in UTC, and in no other form.
pub(crate) fn exact_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|at: &Timestamp| at.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
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
    fn what_is_younger_than_its_mark_is_a_copy() {
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
