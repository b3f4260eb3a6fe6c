//! What a failed call means.

use crate::model::{Source, Unread};

/// A call that failed for good, after the adapter's own retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct CloudError {
    /// The call, for example `ec2:DescribeImages`.
    pub call: &'static str,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The provider's error code; empty when the call never got an answer.
    pub code: String,
    /// One line for people.
    pub message: String,
}

impl CloudError {
    /// The permission to grant, when its absence is what failed.
    pub fn missing_permission(&self) -> Option<&'static str> {
        (self.kind == ErrorKind::Denied).then_some(self.call)
    }

    /// Whether the failure may be about one of several resources of the call, so that the call may succeed
    /// for the others.
    pub fn is_about_one_resource(&self) -> bool {
        match self.kind {
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Other => true,
            ErrorKind::Credentials | ErrorKind::Throttled | ErrorKind::Unreachable => false,
        }
    }

    /// The source `source` as unread for this reason.
    pub fn unread(&self, source: Source) -> Unread {
        Unread {
            source: source.to_string().into(),
            error: self.to_string().into(),
            permission: self.missing_permission().map(Into::into),
        }
    }
}

/// The kinds of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The credentials are good, but may not do this.
    Denied,
    /// No credentials, or bad or expired ones; or no Region to use them in.
    Credentials,
    /// The provider asks for fewer calls.
    Throttled,
    /// No answer: name resolution, connection or time-out.
    Unreachable,
    /// Anything else.
    Other,
}
