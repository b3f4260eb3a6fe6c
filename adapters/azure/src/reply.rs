//! The response to a call, read to its end.

use azure_core::Bytes;
use azure_core::http::headers::{HeaderName, Headers};
use steward::cloud::CloudError;

use crate::error::{bad_response, failed};

/// A response and its call.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The permission that the call needs.
    pub(crate) call: &'static str,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The value of a header, whose `name` is in lower case.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name))
    }

    /// Checks that the status is one of `expected`.
    ///
    /// # Errors
    /// The error that the response describes, or the unexpected status. A redirect is unexpected.
    pub(crate) fn expect(self, expected: &[u16]) -> Result<Self, CloudError> {
        match self.status {
            status if expected.contains(&status) => Ok(self),
            status @ 200..400 => {
                Err(bad_response(self.call, format!("unexpected HTTP status {status}")))
            }
            _ => Err(failed(&self)),
        }
    }
}
