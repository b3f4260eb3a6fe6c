//! The value of the state tag `delete-after`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// By how much our clock may differ from the provider's: what was created less than this before a
/// tag says that it was written may be a copy that was created after.
pub(crate) const MAX_TAG_SKEW: SignedDuration = SignedDuration::from_hours(1);
/// What stands between the two times.
const MARKED: &str = " marked ";

/// From when on a snapshot may be deleted, and when that was written: `TIME marked TIME`. Earlier versions
/// wrote the first time only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionMark {
    /// From when on it may be deleted.
    pub due: Timestamp,
    /// When the tag was written.
    pub marked_at: Option<Timestamp>,
}

impl DeletionMark {
    /// Whether a snapshot that was begun at `started_at` is younger than the mark: then it is a copy, and
    /// the tag was copied with it. Only one that `may_be_copy` may have been begun a little before, too.
    pub fn is_copied_to(&self, started_at: Timestamp, may_be_copy: bool) -> bool {
        let skew = if may_be_copy { MAX_TAG_SKEW } else { SignedDuration::ZERO };
        match self.marked_at {
            Some(marked_at) => marked_at.checked_sub(skew).is_ok_and(|latest| started_at > latest),
            None => started_at > self.due,
        }
    }
}

impl fmt::Display for DeletionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, marked_at } = self;
        write!(f, "{due}")?;
        marked_at.map_or(Ok(()), |at| write!(f, "{MARKED}{at}"))
    }
}

impl FromStr for DeletionMark {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (due, marked_at) = match text.split_once(MARKED) {
            Some((due, marked_at)) => (due, Some(marked_at.parse()?)),
            None => (text, None),
        };
        Ok(Self { due: due.parse()?, marked_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for text in ["2026-12-08T12:00:00Z marked 2026-12-01T12:00:00Z", "2026-12-08T12:00:00Z"] {
            assert_eq!(text.parse::<DeletionMark>().unwrap().to_string(), text);
        }
        for text in ["", "soon", "2026-12-08T12:00:00Z marked", "2026-12-08T12:00:00Z marked soon"]
        {
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
        assert!(!mark("2026-12-08T12:00:00Z").is_copied_to(at("2026-12-02T00:00:00Z"), true));
        assert!(mark("2026-12-08T12:00:00Z").is_copied_to(at("2026-12-09T00:00:00Z"), false));
    }
}
