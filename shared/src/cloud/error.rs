//! The error of a failed call.

use crate::model::{Source, Unread};

/// A call that failed after the adapter's own retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message}")]
pub struct CloudError {
    /// The call, for example `ec2:DescribeImages`.
    pub call: &'static str,
    /// The kind of failure, on which callers base their handling.
    pub kind: ErrorKind,
    /// The provider's error code. Empty if there was no response.
    pub code: String,
    /// The provider's message, on one line.
    pub message: String,
}

impl CloudError {
    /// Returns the permission to grant, if the call failed because it is missing.
    pub fn missing_permission(&self) -> Option<&'static str> {
        (self.kind == ErrorKind::Denied).then_some(self.call)
    }

    /// Returns whether the failure may concern only one of the call's resources, so that the call
    /// may succeed for the others.
    pub fn is_about_one_resource(&self) -> bool {
        match self.kind {
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Busy | ErrorKind::Other => true,
            ErrorKind::Credentials | ErrorKind::Throttled | ErrorKind::Unreachable => false,
        }
    }

    /// Returns `source` as unread because of this error.
    pub fn unread(&self, source: Source) -> Unread {
        Unread {
            source: source.to_string().into(),
            error: self.to_string().into(),
            permission: self.missing_permission().map(Into::into),
        }
    }
}

/// The kinds of failure that callers distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The resource does not exist.
    NotFound,
    /// The credentials are valid but lack a permission.
    Denied,
    /// The credentials are missing, invalid or expired, or no Region is set.
    Credentials,
    /// The provider's rate limit was exceeded.
    Throttled,
    /// No response: name resolution, the connection or a timeout failed.
    Unreachable,
    /// Another operation on the resource is still running. A later run continues.
    Busy,
    /// Any other failure.
    Other,
}
