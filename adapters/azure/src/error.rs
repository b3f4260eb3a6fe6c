//! Classifies failed calls. HTTP status codes and Azure's error codes are interpreted only here.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use steward::cloud::{CloudError, ErrorKind};
use steward::text_fmt::thousands;

use crate::reply::Reply;

const NO_RESPONSE: &str = "no response; check the endpoint and the network";
const NOT_VISIBLE: &str =
    "check the subscription ID, and whether the credentials belong to its tenant";
/// The maximum length of a message, in characters. Some messages quote whole requests.
const MAX_MESSAGE: usize = 800;

/// The error that Azure Resource Manager and the resource providers return.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorDetail {
    pub(crate) code: String,
    pub(crate) message: String,
    /// More specific errors. Resource Graph reports what is wrong with a query only here.
    pub(crate) details: Vec<ErrorDetail>,
}

/// The two forms of a body that describes an error.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Nested { error: ErrorDetail },
    Flat { code: String, message: String },
}

/// The error for a response that is not a success.
pub(crate) fn failed(reply: &Reply) -> CloudError {
    let found = match serde_json::from_slice(&reply.body) {
        Ok(ErrorBody::Nested { error }) => Some(error),
        Ok(ErrorBody::Flat { code, message }) => {
            Some(ErrorDetail { code, message, details: Vec::new() })
        }
        Err(_) => None,
    };
    let status = reply.status;
    match found.filter(|error| !error.code.is_empty()) {
        Some(error) => classified(reply.call, Some(status), &error),
        // A gateway between the client and Azure may respond without a code.
        None => CloudError {
            call: reply.call,
            kind: kind_of(Some(status), ""),
            code: String::new(),
            message: format!("HTTP status {status} without an error code"),
        },
    }
}

/// The error for a long-running operation that reports `error`.
pub(crate) fn operation_failed(call: &'static str, error: &ErrorDetail) -> CloudError {
    let found = classified(call, None, error);
    CloudError { message: format!("the operation failed: {}", found.message), ..found }
}

fn classified(call: &'static str, status: Option<u16>, error: &ErrorDetail) -> CloudError {
    let ErrorDetail { code, message, details } = error;
    let kind = kind_of(status, code);
    let mut texts = vec![one_line(if message.is_empty() { code } else { message })];
    let reasons = details.iter().filter(|detail| !detail.message.is_empty());
    texts.extend(reasons.map(|detail| one_line(&format!("{}: {}", detail.code, detail.message))));
    if code == "SubscriptionNotFound" {
        texts.push(NOT_VISIBLE.to_owned());
    }
    CloudError { call, kind, code: code.clone(), message: shortened(texts.join("; ")) }
}

/// The kind of a failure with this HTTP status and error code. `None` is the status of an operation
/// that was accepted and failed later.
fn kind_of(status: Option<u16>, code: &str) -> ErrorKind {
    match (code, status) {
        (_, Some(429)) => ErrorKind::Throttled,
        (
            "RateLimiting"
            | "ResourceCollectionRequestsThrottled"
            | "ResourceRequestsThrottled"
            | "SubscriptionRequestsThrottled"
            | "TenantRequestsThrottled"
            | "TooManyRequests",
            _,
        ) => ErrorKind::Throttled,
        (_, Some(401)) => ErrorKind::Credentials,
        // Azure Resource Manager also reports a subscription as not found if the credentials
        // belong to another tenant. It never means that a resource is gone.
        (
            "AuthenticationFailed"
            | "AuthenticationFailedMissingToken"
            | "ExpiredAuthenticationToken"
            | "InvalidAuthenticationToken"
            | "InvalidAuthenticationTokenAudience"
            | "InvalidAuthenticationTokenTenant"
            | "SubscriptionNotFound",
            _,
        ) => ErrorKind::Credentials,
        (
            "AuthorizationFailed"
            | "AuthorizationPermissionMismatch"
            | "DenyAssignmentAuthorizationFailed"
            | "LinkedAuthorizationFailed",
            _,
        ) => ErrorKind::Denied,
        // Denied by Azure Policy, which no permission changes.
        ("RequestDisallowedByAzure" | "RequestDisallowedByPolicy", _) => ErrorKind::Other,
        // Disabled or warned subscriptions.
        ("ReadOnlyDisabledSubscription", _) => ErrorKind::Other,
        // A proxy may respond with 403 and without a code.
        ("", Some(403)) => ErrorKind::Other,
        (_, Some(403)) => ErrorKind::Denied,
        // Only with these codes does the status mean that the resource does not exist. It is also
        // the status for an unknown provider, type or api-version.
        (
            "NotFound" | "ParentResourceNotFound" | "ResourceGroupNotFound" | "ResourceNotFound",
            Some(404),
        ) => ErrorKind::NotFound,
        // No response from the provider, or from Azure Resource Manager.
        (_, Some(502..=504)) => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

/// The error for a response that contains unexpected data or lacks required data.
pub(crate) fn bad_response(call: &'static str, message: String) -> CloudError {
    CloudError { call, kind: ErrorKind::Other, code: String::new(), message }
}

/// The error for a call that is not made because its parameters would be invalid.
pub(crate) fn bad_request(call: &'static str, problem: &dyn Error) -> CloudError {
    bad_response(call, one_line(&problem.to_string()))
}

/// The error for settings that do not allow any call.
pub(crate) fn configuration(kind: ErrorKind, message: String) -> CloudError {
    CloudError { call: "Azure configuration", kind, code: String::new(), message }
}

/// The error for a request without a response.
pub(crate) fn not_reached(call: &'static str, cause: &str) -> CloudError {
    CloudError {
        call,
        kind: ErrorKind::Unreachable,
        code: String::new(),
        message: format!("{NO_RESPONSE} ({cause})"),
    }
}

/// The error for a call that is not sent, because Azure throttled an earlier one for that long.
pub(crate) fn throttled(call: &'static str, wait: Duration) -> CloudError {
    let seconds = thousands(wait.as_secs());
    CloudError {
        call,
        kind: ErrorKind::Throttled,
        code: String::new(),
        message: format!("throttled; retry after {seconds} seconds"),
    }
}

/// The error for a token that could not be requested.
pub(crate) fn no_token(call: &'static str, error: &azure_core::Error) -> CloudError {
    let text = causes(error);
    // The link to a troubleshooting guide, on a line of its own.
    let text = text.replace("To troubleshoot, visit ", "see ");
    if is_connection(error) {
        not_reached(call, &text)
    } else {
        let message = format!("no access token: {text}");
        CloudError { call, kind: ErrorKind::Credentials, code: String::new(), message }
    }
}

/// Whether the connection failed, and not what was sent on it.
fn is_connection(error: &azure_core::Error) -> bool {
    use azure_core::error::ErrorKind::{Connection, Io};
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let kind = cause.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind);
        if matches!(kind, Some(Connection | Io)) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Errors of the HTTP client that only wrap their causes. The second one contains the URL.
const WRAPPING: [&str; 6] = [
    "failed to execute `reqwest` request",
    "error sending request for url (",
    "client error (",
    "error converting `reqwest` request into a byte stream",
    "error decoding response body",
    "request or response body error",
];

/// The chain of causes in one line, without wrapping errors and repetitions.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        next = cause.source();
        let is_wrapping =
            next.is_some() && WRAPPING.iter().any(|wrapping| text.starts_with(wrapping));
        if !is_wrapping && !text.is_empty() && !texts.iter().any(|other| other.contains(&text)) {
            texts.push(text);
        }
    }
    shortened(texts.join(": "))
}

/// `text` in one line, without secrets: the query of a URL may be a signature, and a word that
/// begins as a token does may be one.
pub(crate) fn one_line(text: &str) -> String {
    shortened(text.split_whitespace().map(without_secret).collect::<Vec<_>>().join(" "))
}

fn without_secret(word: &str) -> String {
    if let Some((address, query)) = word.split_once('?')
        && address.contains("://")
    {
        let kept = query.trim_end_matches([')', ']', '"', '\'', '`', ':', ',', '.']).len();
        return format!("{address}?…{}", &query[kept..]);
    }
    // A JSON Web Token begins with the encoded `{"`.
    match word.find("eyJ") {
        Some(at) if word.len() - at > 32 => format!("{}…", &word[..at]),
        _ => word.to_owned(),
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
