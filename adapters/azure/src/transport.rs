//! The HTTP client: one connection pool for all calls and for requesting tokens.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::HttpClient;
use steward::cloud::{CloudError, ErrorKind};

use crate::error::{causes, configuration};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Creates the HTTP client. It never follows a redirect, which could lead to another host. It reads
/// the certificates of the operating system, or those that `SSL_CERT_FILE` names.
///
/// # Errors
/// No certificate could be read. The default client of `azure_core` would panic.
pub(crate) fn new_transport() -> Result<Arc<dyn HttpClient>, CloudError> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    match client {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => {
            let message = format!("cannot create the HTTP client: {}", causes(&error));
            Err(configuration(ErrorKind::Other, message))
        }
    }
}
