//! Classifies failed calls. AWS error codes are interpreted only here.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use steward::cloud::{CloudError, ErrorKind};

use super::api_call::ApiCall;

const NO_CREDENTIALS: &str = "no AWS credentials; set AWS_PROFILE to a profile with credentials, or \
     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`";
const NO_RESPONSE: &str = "no response; check the Region, the endpoint and the network";
const SIGN_ON_EXPIRED: &str = "the single sign-on session has expired; run `aws sso login`";
/// Appended to errors that a Region returns if it is not enabled. They look like invalid credentials.
const MAYBE_NOT_ENABLED: &str = "if these credentials work in other Regions, this Region is probably not enabled for the account";

/// Converts the error of `call` to the error of the port.
pub(super) fn failed<E>(call: ApiCall, error: &SdkError<E>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, code, message) = match error {
        SdkError::ServiceError(answer) => {
            let details = answer.err();
            let code = details.code().unwrap_or_default();
            let message = details.message().unwrap_or_default();
            // A gateway between the client and AWS may respond without a code.
            let status = answer.raw().status().as_u16();
            let text = match (message.is_empty(), code.is_empty()) {
                (false, _) => one_line(message),
                (true, false) => code.to_owned(),
                // The SDK could not parse a successful response.
                (true, true) if answer.raw().status().is_success() => {
                    let causes = causes(error).replace("unhandled error: ", "");
                    format!("cannot parse the response: {causes}")
                }
                (true, true) => format!("HTTP status {status} without an error code"),
            };
            let kind = kind_of(code, message);
            (kind, code.to_owned(), with_remedy(text, call, kind, code))
        }
        SdkError::TimeoutError(_) => unreachable(&causes(error)),
        SdkError::DispatchFailure(failure) => {
            let causes = causes(error);
            if failure.is_io() || failure.is_timeout() {
                unreachable(&causes)
            } else if causes.to_lowercase().contains("credential") {
                (ErrorKind::Credentials, String::new(), no_credentials(&causes))
            } else {
                (ErrorKind::Other, String::new(), causes)
            }
        }
        SdkError::ResponseError(_) => {
            let message = format!("cannot read the response: {}", causes(error));
            (ErrorKind::Other, String::new(), message)
        }
        _ => (ErrorKind::Other, String::new(), causes(error)),
    };
    CloudError { call: call.name(), kind, code, message }
}

fn unreachable(causes: &str) -> (ErrorKind, String, String) {
    (ErrorKind::Unreachable, String::new(), format!("{NO_RESPONSE} ({causes})"))
}

/// The message of the service, with a remedy if there is one.
fn with_remedy(text: String, call: ApiCall, kind: ErrorKind, code: &str) -> String {
    let is_missing = matches!(
        code,
        "InvalidAction"
            | "UnknownOperationException"
            | "UnsupportedOperation"
            | "UnsupportedOperationException"
    );
    match (kind, call.switched_off_by()) {
        (ErrorKind::Credentials, _) if MAYBE_REGION.contains(&code) => {
            format!("{text}; {MAYBE_NOT_ENABLED}")
        }
        (_, Some(setting)) if is_missing => {
            format!("{text}; if this API call is not available in this Region, set {setting}")
        }
        _ => text,
    }
}

/// Error codes that AWS returns both for a Region that is not enabled and for invalid credentials.
const MAYBE_REGION: [&str; 4] =
    ["AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"];

/// The provider chain always queries the instance metadata service last. If it fails, no other provider
/// had credentials, and the cause of the failure would only mislead.
fn no_credentials(causes: &str) -> String {
    let lower = causes.to_lowercase();
    let is_sign_on = lower.contains("sso") || lower.contains("login token");
    if is_sign_on && lower.contains("expired") {
        SIGN_ON_EXPIRED.to_owned()
    } else if causes.contains("IMDS") {
        NO_CREDENTIALS.to_owned()
    } else {
        format!("{NO_CREDENTIALS} ({causes})")
    }
}

/// The error for a response that contains unexpected data or lacks required data.
pub(super) fn bad_response(call: ApiCall, message: String) -> CloudError {
    CloudError { call: call.name(), kind: ErrorKind::Other, code: String::new(), message }
}

/// The error for one entry of a call that succeeded for other entries.
pub(super) fn entry_failed(call: ApiCall, code: Option<&str>, message: Option<&str>) -> CloudError {
    let code = code.unwrap_or_default();
    let message = message.unwrap_or("the response lacks the result");
    CloudError {
        call: call.name(),
        kind: kind_of(code, message),
        code: code.to_owned(),
        message: one_line(message),
    }
}

/// The error for a call that is not made because its parameters would be invalid.
pub(super) fn bad_request(call: ApiCall, message: String) -> CloudError {
    bad_response(call, message)
}

/// Whether an image uses the snapshot, or did until a moment ago.
pub(super) fn is_in_use(error: &CloudError) -> bool {
    error.code == "InvalidSnapshot.InUse"
}

/// Whether an image cannot be restored from the Recycle Bin because one of its snapshots does not
/// exist. EC2 has two codes for a missing snapshot: DescribeSnapshots returns one, RegisterImage the
/// other. It is not verified which one is returned here.
pub(super) fn lacks_a_snapshot(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound && error.code.starts_with("InvalidSnapshot")
}

fn kind_of(code: &str, message: &str) -> ErrorKind {
    match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => ErrorKind::Denied,
        // EC2 also returns this code for an image or snapshot of another account. Then neither a
        // permission nor another key would help.
        "AuthFailure" if message.contains("credentials") => ErrorKind::Credentials,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Credentials,
        "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        _ if code.starts_with("Throttl") => ErrorKind::Throttled,
        // Returned for some time after an image is deregistered, before `InvalidAMIID.NotFound`.
        "InvalidAMIID.Unavailable" => ErrorKind::NotFound,
        // An image with a malformed ID does not exist.
        "InvalidAMIID.Malformed" => ErrorKind::NotFound,
        _ if code.ends_with("NotFound") || code.ends_with("NotFoundException") => {
            ErrorKind::NotFound
        }
        _ => ErrorKind::Other,
    }
}

/// The message of the service without line breaks, and without the kilobyte of encoded text at the end
/// of some denials.
fn one_line(text: &str) -> String {
    let text = text.split("Encoded authorization failure message").next().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The chain of causes in one line, without the SDK's generic outer errors and without repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        // The SDK prints the whole request, including the session token of the credentials.
        let text = text.split(" to request `Request").next().unwrap_or_default().to_owned();
        let wrapping = text.is_empty()
            || text == "other"
            || text.ends_with("interceptor encountered an error");
        if !wrapping && !texts.iter().any(|other| other.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    if texts.is_empty() { one_line(&error.to_string()) } else { texts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_their_kinds() {
        for (code, kind) in [
            ("UnauthorizedOperation", ErrorKind::Denied),
            ("AccessDenied", ErrorKind::Denied),
            ("AccessDeniedException", ErrorKind::Denied),
            ("InvalidAMIID.NotFound", ErrorKind::NotFound),
            ("InvalidAMIID.Unavailable", ErrorKind::NotFound),
            ("InvalidSnapshot.NotFound", ErrorKind::NotFound),
            ("InvalidSnapshotID.NotFound", ErrorKind::NotFound),
            ("InvalidInstanceID.NotFound", ErrorKind::NotFound),
            ("InvalidLaunchTemplateId.VersionNotFound", ErrorKind::NotFound),
            ("InvalidLaunchTemplateName.NotFoundException", ErrorKind::NotFound),
            ("ParameterNotFound", ErrorKind::NotFound),
            ("ResourceNotFoundException", ErrorKind::NotFound),
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("ThrottlingException", ErrorKind::Throttled),
            ("ExpiredToken", ErrorKind::Credentials),
            ("InvalidClientTokenId", ErrorKind::Credentials),
            ("InvalidSnapshot.InUse", ErrorKind::Other),
            ("InvalidAMIID.Malformed", ErrorKind::NotFound),
            ("OperationNotPermitted", ErrorKind::Other),
            ("ValidationException", ErrorKind::Other),
            ("ClientException", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(kind_of(code, ""), kind, "{code}");
        }
    }

    #[test]
    fn a_missing_snapshot_has_two_codes() {
        let lacks = |code: &str| {
            lacks_a_snapshot(&entry_failed(ApiCall::RestoreImageFromRecycleBin, Some(code), None))
        };
        assert!(lacks("InvalidSnapshot.NotFound") && lacks("InvalidSnapshotID.NotFound"));
        assert!(!lacks("InvalidAMIID.NotFound") && !lacks("InvalidSnapshot.InUse"));
    }

    #[test]
    fn another_accounts_image_is_not_a_credentials_error() {
        let words = "AWS was not able to validate the provided access credentials";
        assert_eq!(kind_of("AuthFailure", words), ErrorKind::Credentials);
        assert_eq!(kind_of("AuthFailure", "Not authorized for image:ami-1"), ErrorKind::Other);
    }

    #[test]
    fn an_error_contains_the_remedy() {
        let message = |call: ApiCall, code: &str| {
            let kind = kind_of(code, "credentials");
            with_remedy("no".to_owned(), call, kind, code)
        };
        for code in ["AuthFailure", "InvalidClientTokenId", "OptInRequired"] {
            let text = message(ApiCall::DescribeImages, code);
            assert!(text.contains("not enabled for the account"), "{code}: {text}");
        }
        for (call, setting) in [
            (ApiCall::DescribeImageReferences, "safety.references_check = \"off\""),
            (ApiCall::DescribeComputeEnvironments, "safety.compute_environments = \"off\""),
            (ApiCall::ListRules, "safety.recycle_bin = \"optional\""),
        ] {
            for code in ["InvalidAction", "UnsupportedOperation"] {
                assert!(message(call, code).contains(setting), "{code}");
            }
        }
        assert_eq!(message(ApiCall::DescribeInstances, "InvalidAction"), "no");
        assert_eq!(message(ApiCall::DescribeImageReferences, "InternalError"), "no");
    }

    #[test]
    fn an_expired_sign_on_differs_from_no_credentials() {
        let sso = "failed to load credentials: the SSO token has expired and cannot be refreshed";
        assert_eq!(no_credentials(sso), SIGN_ON_EXPIRED);
        assert_eq!(no_credentials("cached Login token is expired"), SIGN_ON_EXPIRED);
        assert_eq!(no_credentials("IMDS is not there"), NO_CREDENTIALS);
        assert!(no_credentials("no profile").starts_with(NO_CREDENTIALS));
    }

    #[test]
    fn a_message_is_one_line_without_encoded_noise() {
        let text = "You are not authorized.\n  Encoded authorization failure message: AbCd…";
        assert_eq!(one_line(text), "You are not authorized.");
    }

    #[test]
    fn a_repeated_cause_is_shown_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("dns error: no such host")]
        struct OuterError(#[source] InnerError);
        #[derive(Debug, thiserror::Error)]
        #[error("no such host")]
        struct InnerError;
        #[derive(Debug, thiserror::Error)]
        #[error("dispatch failure")]
        struct Head(#[source] OuterError);
        assert_eq!(causes(&Head(OuterError(InnerError))), "dns error: no such host");
    }
}
