//! Checks endpoints: only TLS or a loopback address is allowed.
//!
//! An attacker who responds instead of AWS could report images as unused. Also, the SDK ignores a
//! general endpoint that is not a URL, and calls AWS instead. A typing error in the address of a
//! stand-in would then change a real account.

use std::net::IpAddr;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::Uri;
use steward::cloud::{CloudError, ErrorKind};

/// The SDK's names of the services whose endpoints can be set individually: the services that are
/// called, and the services that provide credentials.
const SERVICES: [&str; 9] =
    ["EC2", "Auto Scaling", "Batch", "EventBridge", "rbin", "SSM", "STS", "SSO", "SSO OIDC"];
/// The environment variable and the profile setting for the endpoint. For one service, its name is
/// appended to the variable, and the setting is in the section of the service.
const VARIABLE: &str = "AWS_ENDPOINT_URL";
const SETTING: &str = "endpoint_url";

/// Why an endpoint is not allowed. The message does not contain the URL, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The text is not a URL with a host.
    #[error(
        "not a URL; expected for example https://ec2.eu-central-1.amazonaws.com or http://127.0.0.1:4566"
    )]
    NoUrl,
    /// The connection is not encrypted, so others could read and change the calls and responses.
    #[error(
        "http://{host} is not encrypted; use https://, or a loopback address (127.0.0.1, [::1] or localhost)"
    )]
    NotEncrypted {
        /// The host name or address in the URL.
        host: String,
    },
}

/// Checks that `url` is `https://`, or `http://` with a loopback address.
///
/// # Errors
/// The reason why the endpoint is not allowed.
pub fn check_endpoint(url: &str) -> Result<(), EndpointError> {
    let url: Uri = url.parse().map_err(|_| EndpointError::NoUrl)?;
    let host = url.host().filter(|host| !host.is_empty()).ok_or(EndpointError::NoUrl)?;
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host) => Ok(()),
        Some("http") => Err(EndpointError::NotEncrypted { host: host.to_owned() }),
        _ => Err(EndpointError::NoUrl),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Checks all endpoints in `config`, from the environment, the profile and the options.
pub(super) fn check_endpoints(config: &SdkConfig) -> Result<(), CloudError> {
    let failed = |of: &str, error: EndpointError| CloudError {
        call: "AWS configuration",
        kind: ErrorKind::Other,
        code: String::new(),
        message: format!("invalid endpoint {of}: {error}"),
    };
    if let Some(url) = config.endpoint_url() {
        let of = format!("of --endpoint-url, {VARIABLE} or the profile's {SETTING}");
        check_endpoint(url).map_err(|error| failed(&of, error))?;
    }
    let Some(settings) = config.service_config() else { return Ok(()) };
    for service in SERVICES {
        let key = ServiceConfigKey::builder().service_id(service).env(VARIABLE).profile(SETTING);
        let Ok(key) = key.build() else { continue };
        // The service's setting, or the general one, which has not been checked yet.
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
    fn only_a_loopback_address_is_called_without_encryption() {
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
