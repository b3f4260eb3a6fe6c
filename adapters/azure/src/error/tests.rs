use azure_core::error::ErrorKind as SdkErrorKind;

use super::*;
use crate::testing::{CALL, TestReply};

#[test]
fn statuses_and_codes_fall_into_their_kinds() {
    for (status, code, kind) in [
        (404, "ResourceNotFound", ErrorKind::NotFound),
        (404, "NotFound", ErrorKind::NotFound),
        (404, "ResourceGroupNotFound", ErrorKind::NotFound),
        (404, "ParentResourceNotFound", ErrorKind::NotFound),
        // Nothing says that the resource does not exist.
        (404, "SubscriptionNotFound", ErrorKind::Credentials),
        (404, "InvalidResourceNamespace", ErrorKind::Other),
        (404, "InvalidResourceType", ErrorKind::Other),
        (404, "NoRegisteredProviderFound", ErrorKind::Other),
        (404, "SomethingNotFound", ErrorKind::Other),
        (404, "", ErrorKind::Other),
        (400, "ResourceNotFound", ErrorKind::Other),
        (409, "NotFound", ErrorKind::Other),
        (410, "NotFound", ErrorKind::Other),
        (401, "ExpiredAuthenticationToken", ErrorKind::Credentials),
        (401, "InvalidAuthenticationToken", ErrorKind::Credentials),
        (401, "InvalidAuthenticationTokenTenant", ErrorKind::Credentials),
        (401, "AuthenticationFailed", ErrorKind::Credentials),
        (401, "", ErrorKind::Credentials),
        (403, "ExpiredAuthenticationToken", ErrorKind::Credentials),
        (403, "AuthorizationFailed", ErrorKind::Denied),
        (403, "LinkedAuthorizationFailed", ErrorKind::Denied),
        (400, "LinkedAuthorizationFailed", ErrorKind::Denied),
        (403, "DenyAssignmentAuthorizationFailed", ErrorKind::Denied),
        (403, "Forbidden", ErrorKind::Denied),
        (403, "RequestDisallowedByPolicy", ErrorKind::Other),
        (403, "", ErrorKind::Other),
        (429, "", ErrorKind::Throttled),
        (429, "TooManyRequests", ErrorKind::Throttled),
        (429, "SubscriptionRequestsThrottled", ErrorKind::Throttled),
        (429, "OperationNotAllowed", ErrorKind::Throttled),
        (503, "TooManyRequests", ErrorKind::Throttled),
        (409, "OperationNotAllowed", ErrorKind::Other),
        (409, "ScopeLocked", ErrorKind::Other),
        (409, "CannotDeleteResource", ErrorKind::Other),
        (409, "ReadOnlyDisabledSubscription", ErrorKind::Other),
        (409, "MissingSubscriptionRegistration", ErrorKind::Other),
        (400, "InvalidApiVersionParameter", ErrorKind::Other),
        (500, "InternalServerError", ErrorKind::Other),
        (502, "", ErrorKind::Unreachable),
        (503, "ServiceUnavailable", ErrorKind::Unreachable),
        (504, "GatewayTimeout", ErrorKind::Unreachable),
    ] {
        let answer = match code {
            "" => TestReply::new(status, "<html>proxy</html>"),
            code => TestReply::error(status, code),
        };
        let error = failed(&answer.reply(CALL));
        assert_eq!((error.kind, &*error.code), (kind, code), "{status} {code}");
        assert_eq!(error.call, CALL);
    }
}

#[test]
fn an_error_without_a_code_names_its_status() {
    for body in
        ["", "{}", "[]", "<html/>", r#"{"error": null}"#, r#"{"error": {}}"#, r#"{"message": "x"}"#]
    {
        let error = failed(&TestReply::new(404, body).reply(CALL));
        assert_eq!(error.kind, ErrorKind::Other, "{body}");
        assert_eq!(error.message, "HTTP status 404 without an error code", "{body}");
    }
}

#[test]
fn both_forms_of_a_body_are_read() {
    let flat = r#"{"code": "AuthorizationFailed", "message": "no"}"#;
    let error = failed(&TestReply::new(403, flat).reply(CALL));
    assert_eq!((error.kind, &*error.message), (ErrorKind::Denied, "no"));
    let nested = r#"{"error": {"code": "BadRequest", "message": "Provide the\n timestamp.", "target": null,
        "details": [{"code": "InvalidQuery", "message": "Query is invalid."}, {"code": "x"}]}}"#;
    let error = failed(&TestReply::new(400, nested).reply(CALL));
    assert_eq!(error.message, "Provide the timestamp.; InvalidQuery: Query is invalid.");
    let error = failed(&TestReply::new(409, r#"{"error": {"code": "ScopeLocked"}}"#).reply(CALL));
    assert_eq!((&*error.code, &*error.message), ("ScopeLocked", "ScopeLocked"));
}

#[test]
fn an_invisible_subscription_has_a_remedy() {
    let error = failed(&TestReply::error(404, "SubscriptionNotFound").reply(CALL));
    assert!(error.message.contains("belong to its tenant"), "{error}");
}

#[test]
fn a_failed_operation_never_says_that_a_resource_does_not_exist() {
    let of = |code: &str| {
        let detail = ErrorDetail { code: code.into(), message: "m".into(), details: vec![] };
        operation_failed(CALL, &detail)
    };
    assert_eq!(of("ResourceNotFound").kind, ErrorKind::Other);
    assert_eq!(of("AuthorizationFailed").kind, ErrorKind::Denied);
    assert_eq!(of("Conflict").message, "the operation failed: m");
}

#[test]
fn messages_are_one_line_without_secrets() {
    let token = format!("eyJ0eXAi{}", "a".repeat(60));
    for (text, shown) in [
        ("a\n  b\tc", "a b c".to_owned()),
        ("see https://a.b/c?api-version=1&s=SIGNED.", "see https://a.b/c?….".to_owned()),
        ("(https://a.b/c?s=SIGNED): x", "(https://a.b/c?…): x".to_owned()),
        ("what? yes", "what? yes".to_owned()),
        (&format!("token={token}"), "token=…".to_owned()),
        ("monkeyJar eyJ", "monkeyJar eyJ".to_owned()),
    ] {
        assert_eq!(one_line(text), shown);
    }
    let long = one_line(&"é".repeat(5000));
    assert_eq!(long.chars().count(), MAX_MESSAGE + 1);
}

#[test]
fn an_error_of_the_http_client_is_its_cause() {
    let cause = azure_core::Error::with_message(SdkErrorKind::Io, "connection refused");
    let with_url = azure_core::Error::with_error(
        SdkErrorKind::Io,
        cause,
        "error sending request for url (https://a.b/c?s=1)",
    );
    let outer = azure_core::Error::with_error(
        SdkErrorKind::Io,
        with_url,
        "failed to execute `reqwest` request",
    );
    assert_eq!(causes(&outer), "connection refused");
    let only = azure_core::Error::with_message(SdkErrorKind::Io, "client error (Connect)");
    assert_eq!(causes(&only), "client error (Connect)");
}

#[test]
fn a_repeated_cause_is_shown_once() {
    let inner = azure_core::Error::with_message(SdkErrorKind::Io, "no such host");
    let outer =
        azure_core::Error::with_error(SdkErrorKind::Credential, inner, "dns error: no such host");
    assert_eq!(causes(&outer), "dns error: no such host");
    assert_eq!(no_token(CALL, &outer).kind, ErrorKind::Unreachable);
    let refused = azure_core::Error::with_message(SdkErrorKind::Credential, "refused");
    assert_eq!(no_token(CALL, &refused).kind, ErrorKind::Credentials);
}
