//! The address of Azure Resource Manager: which URLs are called, and for which audience a token is
//! requested.
//!
//! Only `https://` is allowed, also for a loopback address: an attacker who responds instead of
//! Azure could report images as unused. The audience of the token is the endpoint itself, so that a
//! wrong endpoint never receives a token that is valid for Azure.

use std::net::IpAddr;
use std::sync::Arc;

use azure_core::cloud::CloudConfiguration;
use azure_core::http::Url;

/// The endpoint of the public cloud.
pub const PUBLIC_ENDPOINT: &str = "https://management.azure.com";
const US_GOVERNMENT_HOST: &str = "management.usgovcloudapi.net";
const CHINA_HOST: &str = "management.chinacloudapi.cn";

/// Why an endpoint is not allowed. The message does not contain the URL, which may have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// The text is not a URL with a host.
    #[error("not a URL; expected for example {PUBLIC_ENDPOINT} or https://127.0.0.1:8443")]
    NoUrl,
    /// The connection would not be encrypted.
    #[error("only https:// is allowed, also for a loopback address")]
    NotEncrypted,
    /// The URL has more than a scheme, a host and a port.
    #[error("a user name, a path, a query or a fragment is not allowed")]
    NotOnlyHost,
}

/// Why a link in a response is not followed. The message does not contain the link, whose query may
/// be a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidLink {
    #[error("it is not an absolute URL")]
    NoUrl,
    #[error("it leads to another host, port or protocol, which would receive the access token")]
    OtherHost,
}

/// The path or query of a call is not one that Azure Resource Manager has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPath {
    #[error("invalid path `{0}`")]
    Path(String),
    #[error("the query contains no api-version")]
    NoApiVersion,
}

/// The endpoint of Azure Resource Manager: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Returns whether the host is `localhost` or a loopback address, as of a stand-in.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The scope of the access token, for example `https://management.azure.com/.default`.
    pub(crate) fn scope(&self) -> String {
        format!("{}.default", self.0)
    }

    /// The cloud whose authority issues the token. `None` is the authority in the variable
    /// `AZURE_AUTHORITY_HOST`, and without it the one of the public cloud.
    pub(crate) fn cloud(&self) -> Option<Arc<CloudConfiguration>> {
        match self.0.host_str() {
            Some(US_GOVERNMENT_HOST) => Some(Arc::new(CloudConfiguration::AzureGovernment)),
            Some(CHINA_HOST) => Some(Arc::new(CloudConfiguration::AzureChina)),
            _ => None,
        }
    }

    /// The URL of a call. `path` begins with `/` and is not encoded.
    pub(crate) fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, InvalidPath> {
        let is_valid = path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment));
        if !is_valid {
            return Err(InvalidPath::Path(path.to_owned()));
        }
        if !query.iter().any(|(name, value)| *name == "api-version" && !value.is_empty()) {
            return Err(InvalidPath::NoApiVersion);
        }
        let mut url = self.0.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    /// The URL of a link in a response, unchanged. It must lead to this endpoint.
    pub(crate) fn link(&self, link: &str) -> Result<Url, InvalidLink> {
        let url = Url::parse(link).map_err(|_| InvalidLink::NoUrl)?;
        let is_here = url.origin() == self.0.origin()
            && url.username().is_empty()
            && url.password().is_none();
        if is_here { Ok(url) } else { Err(InvalidLink::OtherHost) }
    }
}

/// Whether `text` is a path segment that means the same before and after encoding.
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && !text.contains(['?', '#', '%', '\\'])
        && !text.contains(char::is_control)
}

impl std::str::FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(text).map_err(|_| InvalidEndpoint::NoUrl)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidEndpoint::NoUrl);
        }
        if url.scheme() != "https" {
            return Err(InvalidEndpoint::NotEncrypted);
        }
        let is_only_host = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_only_host { Ok(Self(url)) } else { Err(InvalidEndpoint::NotOnlyHost) }
    }
}

/// The subscription in the path of `url`, in lower case. Empty if the call is not about one.
pub(crate) fn subscription_of(url: &Url) -> String {
    let mut segments = url.path_segments().into_iter().flatten();
    match (segments.next(), segments.next()) {
        (Some(first), Some(id)) if first.eq_ignore_ascii_case("subscriptions") => {
            id.to_ascii_lowercase()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn only_an_encrypted_host_is_an_endpoint() {
        for url in [
            PUBLIC_ENDPOINT,
            "https://management.azure.com/",
            "https://127.0.0.1:8443",
            "HTTPS://LOCALHOST:8443",
        ] {
            assert!(url.parse::<Endpoint>().is_ok(), "{url}");
        }
        for (url, error) in [
            ("", InvalidEndpoint::NoUrl),
            ("management.azure.com", InvalidEndpoint::NoUrl),
            ("https://", InvalidEndpoint::NoUrl),
            ("http://management.azure.com", InvalidEndpoint::NotEncrypted),
            ("http://127.0.0.1:8443", InvalidEndpoint::NotEncrypted),
            ("ftp://127.0.0.1", InvalidEndpoint::NotEncrypted),
            ("https://me:secret@management.azure.com", InvalidEndpoint::NotOnlyHost),
            ("https://management.azure.com/subscriptions", InvalidEndpoint::NotOnlyHost),
            ("https://management.azure.com/?a=b", InvalidEndpoint::NotOnlyHost),
            ("https://management.azure.com/#a", InvalidEndpoint::NotOnlyHost),
        ] {
            let found = url.parse::<Endpoint>().unwrap_err();
            assert_eq!(found, error, "{url}");
            assert!(!found.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_host_that_only_looks_like_loopback_is_not() {
        for url in
            ["https://127.0.0.1:1", "https://127.9.9.9", "https://[::1]", "https://localhost"]
        {
            assert!(endpoint(url).is_loopback(), "{url}");
        }
        for url in [
            PUBLIC_ENDPOINT,
            "https://10.0.0.1",
            "https://0.0.0.0",
            "https://localhost.example.com",
            "https://127.0.0.1.example.com",
            "https://[fe80::1]",
            "https://[::ffff:10.0.0.1]",
        ] {
            assert!(!endpoint(url).is_loopback(), "{url}");
        }
    }

    #[test]
    fn the_token_is_for_the_endpoint_only() {
        assert_eq!(endpoint(PUBLIC_ENDPOINT).scope(), "https://management.azure.com/.default");
        let other = endpoint("https://management.usgovcloudapi.net");
        assert_eq!(other.scope(), "https://management.usgovcloudapi.net/.default");
        assert_eq!(other.cloud().as_deref(), Some(&CloudConfiguration::AzureGovernment));
        let china = endpoint("https://management.chinacloudapi.cn");
        assert_eq!(china.cloud().as_deref(), Some(&CloudConfiguration::AzureChina));
        assert_eq!(endpoint(PUBLIC_ENDPOINT).cloud(), None);
        assert_eq!(endpoint("https://127.0.0.1:8443").scope(), "https://127.0.0.1:8443/.default");
    }

    #[test]
    fn a_path_cannot_name_another_resource() {
        let here = endpoint("https://127.0.0.1:8443");
        let query = [("api-version", "2026-03-03"), ("$expand", "ReplicationStatus")];
        let url = here.url("/subscriptions/A/providers/x", &query).unwrap();
        assert_eq!(
            url.as_str(),
            "https://127.0.0.1:8443/subscriptions/A/providers/x?api-version=2026-03-03&%24expand=ReplicationStatus"
        );
        for path in [
            "",
            "subscriptions",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a?b",
            "/a#b",
            "/a%2fb",
            "/a\\b",
            "/a\n",
            "/",
        ] {
            assert_eq!(here.url(path, &query), Err(InvalidPath::Path(path.into())), "{path}");
        }
        for query in [&[][..], &[("api-version", "")], &[("Api-Version", "1")]] {
            assert_eq!(here.url("/a", query), Err(InvalidPath::NoApiVersion));
        }
    }

    #[test]
    fn only_links_to_the_same_host_are_followed() {
        let here = endpoint("https://management.azure.com");
        let same =
            "https://management.azure.com:443/subscriptions/1?api-version=1&$skiptoken=a%2Fb+c";
        let followed = here.link(same).unwrap();
        assert_eq!(followed.query(), Some("api-version=1&$skiptoken=a%2Fb+c"));
        for link in
            ["", "/subscriptions/1?$skiptoken=a", "?$skiptoken=a", "//management.azure.com/a"]
        {
            assert_eq!(here.link(link), Err(InvalidLink::NoUrl), "{link}");
        }
        for link in [
            "http://management.azure.com/a",
            "https://management.azure.com:8443/a",
            "https://management.azure.com.example.com/a",
            "https://management.azure.com@example.com/a",
            "https://a:b@management.azure.com/a",
            "https://a@management.azure.com/a",
            "file:///management.azure.com/a",
            "data:text/plain,a",
        ] {
            assert_eq!(here.link(link), Err(InvalidLink::OtherHost), "{link}");
        }
    }

    #[test]
    fn the_subscription_is_read_from_the_path() {
        let of = |path: &str| subscription_of(&Url::parse(&format!("https://a{path}")).unwrap());
        assert_eq!(of("/subscriptions/AbC/providers"), "abc");
        assert_eq!(of("/Subscriptions/1"), "1");
        assert_eq!(of("/providers/Microsoft.ResourceGraph/resources"), "");
        assert_eq!(of("/"), "");
    }
}
