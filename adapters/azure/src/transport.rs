//! The HTTP client: one connection pool for all calls and for requesting tokens.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::HttpClient;
use steward::cloud::{CloudError, ErrorKind};

use crate::endpoint::Endpoint;
use crate::error::{causes, configuration};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The longest pause in a response.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Creates the HTTP client. It never follows a redirect, which could lead to another host. It trusts
/// the certificate authorities of the operating system, or those in the file that `SSL_CERT_FILE`
/// names. It uses the proxy that `HTTPS_PROXY` names, except for a loopback endpoint.
///
/// # Errors
/// No certificate could be read. The default client of `azure_core` would panic.
pub(crate) fn new_transport(endpoint: &Endpoint) -> Result<Arc<dyn HttpClient>, CloudError> {
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(READ_WITHIN)
        .redirect(reqwest::redirect::Policy::none());
    if endpoint.is_loopback() {
        client = client.no_proxy();
    }
    match client.build() {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => {
            let message = format!("cannot create the HTTP client: {}", causes(&error));
            Err(configuration(ErrorKind::Other, message))
        }
    }
}
