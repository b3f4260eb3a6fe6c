//! Which endpoints are called: with TLS, or on this machine.
//!
//! Whoever answers instead of AWS decides what is in use. And the SDK takes no notice of a general
//! endpoint that is no URL, and calls AWS itself: a typing error in the address of a stand-in would
//! change a real account.

use std::net::IpAddr;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::Uri;
use steward::cloud::{CloudError, ErrorKind};

/// The services whose endpoints can be set one by one, as the SDK calls them: those that are called,
/// and those that credentials may come from.
const SERVICES: [&str; 9] =
    ["EC2", "Auto Scaling", "Batch", "EventBridge", "rbin", "SSM", "STS", "SSO", "SSO OIDC"];
/// The variable and the setting of a profile that have the endpoint. For one service, its name is at
/// the end of the variable, and the setting in a section of its own.
const VARIABLE: &str = "AWS_ENDPOINT_URL";
const SETTING: &str = "endpoint_url";

/// Why an endpoint is not called. The URL may hold a password, and is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL with a host.
    #[error("it is no URL such as https://ec2.eu-central-1.amazonaws.com or http://127.0.0.1:4566")]
    NoUrl,
    /// Anybody in between can read the calls, and answer them.
    #[error(
        "http://{host} is not encrypted: use https://, or an address of this machine (127.0.0.1, [::1] or localhost)"
    )]
    NotEncrypted {
        /// The host.
        host: String,
    },
}

/// Whether `url` may be called: `https://`, or `http://` and an address of this machine.
///
/// # Errors
/// Why not.
pub fn check_endpoint(url: &str) -> Result<(), EndpointError> {
    let url: Uri = url.parse().map_err(|_| EndpointError::NoUrl)?;
    let host = url.host().filter(|host| !host.is_empty()).ok_or(EndpointError::NoUrl)?;
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_this_machine(host) => Ok(()),
        Some("http") => Err(EndpointError::NotEncrypted { host: host.to_owned() }),
        _ => Err(EndpointError::NoUrl),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Checks every endpoint that `config` has, wherever it comes from.
pub(super) fn check_endpoints(config: &SdkConfig) -> Result<(), CloudError> {
    let failed = |of: &str, error: EndpointError| CloudError {
        call: "aws configuration",
        kind: ErrorKind::Other,
        code: String::new(),
        message: format!("the endpoint {of}: {error}"),
    };
    if let Some(url) = config.endpoint_url() {
        let of = format!("of --endpoint-url, {VARIABLE} or the profile's {SETTING}");
        check_endpoint(url).map_err(|error| failed(&of, error))?;
    }
    let Some(settings) = config.service_config() else { return Ok(()) };
    for service in SERVICES {
        let key = ServiceConfigKey::builder().service_id(service).env(VARIABLE).profile(SETTING);
        let Ok(key) = key.build() else { continue };
        // The general setting where the service has none of its own, read by nobody yet.
        let Some(url) = settings.load_config(key) else { continue };
        let variable = service.to_uppercase().replace(' ', "_");
        let of = format!(
            "of {service} ({VARIABLE}_{variable}, {VARIABLE}, or {SETTING} in the profile)"
        );
        check_endpoint(&url).map_err(|error| failed(&of, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called_without_encryption() {
        for url in [
            "https://ec2.eu-central-1.amazonaws.com",
            "https://vpce-1-a.ec2.eu-central-1.vpce.amazonaws.com/path",
            "https://10.0.0.1:8443",
            "http://127.0.0.1:4566",
            "http://127.9.9.9/",
            "http://[::1]:4566",
            "HTTP://LOCALHOST:4566",
        ] {
            assert_eq!(check_endpoint(url), Ok(()), "{url}");
        }
        for (url, host) in [
            ("http://ec2.eu-central-1.amazonaws.com", "ec2.eu-central-1.amazonaws.com"),
            ("http://10.0.0.1:4566", "10.0.0.1"),
            ("http://0.0.0.0:4566", "0.0.0.0"),
            ("http://localhost.example.com", "localhost.example.com"),
            ("http://127.0.0.1.example.com", "127.0.0.1.example.com"),
            ("http://127.0.0.1@example.com", "example.com"),
            ("http://localhost:secret@example.com", "example.com"),
            ("http://[fe80::1]:80", "[fe80::1]"),
            ("http://[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]"),
        ] {
            let error = check_endpoint(url).unwrap_err();
            assert_eq!(error, EndpointError::NotEncrypted { host: host.to_owned() }, "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        for url in [
            "",
            "http://[bad",
            "http://",
            "127.0.0.1:4566",
            "localhost",
            "ftp://127.0.0.1",
            "http:/x",
            "/",
        ] {
            assert_eq!(check_endpoint(url), Err(EndpointError::NoUrl), "{url}");
        }
    }
}
