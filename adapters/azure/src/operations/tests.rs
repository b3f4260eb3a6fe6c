use std::sync::Arc;

use serde_json::json;
use steward::model::NoDeadline;

use super::*;
use crate::testing::{HERE, PATH, QUERY, Server, TOKEN, TestReply, run};
use crate::time::Time;

const CALL: &str = "Microsoft.Compute/galleries/images/versions/delete";
const SIGNATURE: &str = "t=638&c=MIIH&s=SIGNED-VALUE&h=x";

fn state_url() -> String {
    format!("{HERE}/subscriptions/s/capsOperations/1?api-version=1&{SIGNATURE}")
}

fn location_url() -> String {
    format!("{HERE}/subscriptions/s/capsOperations/1?api-version=1&monitor=true&{SIGNATURE}")
}

fn accepted() -> TestReply {
    TestReply::new(202, "")
        .with("azure-asyncoperation", state_url())
        .with("location", location_url())
}

fn state(status: &str) -> TestReply {
    TestReply::new(200, json!({"startTime": "2026-09-22T06:56:50Z", "status": status}).to_string())
}

fn started(answer: TestReply) -> Result<Started, CloudError> {
    run(Server::with([answer]).client().delete(CALL, PATH, QUERY))
}

/// Starts an operation with the first answer and waits for it.
fn waited(server: &Arc<Server>, deadline: &dyn Deadline) -> Result<(), CloudError> {
    let client = server.client();
    match run(client.delete(CALL, PATH, QUERY)).unwrap() {
        Started::Running(operation) => run(client.wait(&operation, deadline)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deletion_is_done_or_running_or_not_needed() {
    assert!(matches!(started(TestReply::new(200, "")), Ok(Started::Done)));
    assert!(matches!(started(TestReply::new(204, "")), Ok(Started::NotFound)));
    assert!(matches!(started(accepted()), Ok(Started::Running(_))));
    for code in ["ResourceNotFound", "NotFound", "ResourceGroupNotFound", "ParentResourceNotFound"]
    {
        assert!(matches!(started(TestReply::error(404, code)), Ok(Started::NotFound)), "{code}");
    }
    for (status, code) in [
        (404, "SubscriptionNotFound"),
        (404, "InvalidResourceType"),
        (409, "ScopeLocked"),
        (403, "AuthorizationFailed"),
    ] {
        assert_eq!(started(TestReply::error(status, code)).unwrap_err().code, code);
    }
    assert!(started(TestReply::new(404, "<html>")).is_err());
    assert!(started(TestReply::new(302, "")).is_err());
}

#[test]
fn a_change_is_done_running_or_failed() {
    let put = |answer: TestReply| {
        run(Server::with([answer]).client().put(CALL, PATH, QUERY, &json!({"location": "westus"})))
    };
    let resource = |status, state: &str| {
        TestReply::new(
            status,
            json!({"id": "x", "properties": {"provisioningState": state}}).to_string(),
        )
    };
    for done in [
        resource(200, "Succeeded"),
        resource(201, "succeeded"),
        TestReply::new(200, r#"{"id": "x"}"#),
        TestReply::new(200, r#"{"properties": {"tags": {}}}"#),
        TestReply::new(200, ""),
        TestReply::new(204, ""),
    ] {
        assert!(matches!(put(done.clone()), Ok(Started::Done)), "{done:?}");
    }
    for status in [200, 201] {
        let running = resource(status, "Updating").with("azure-asyncoperation", state_url());
        assert!(matches!(put(running), Ok(Started::Running(_))));
        assert!(matches!(put(resource(status, "Creating")), Ok(Started::Running(_))));
        let error = put(resource(status, "Failed")).unwrap_err();
        assert_eq!(error.message, "the resource is Failed after the change");
    }
    for bad in ["{", "[]", r#"{"properties": {"provisioningState": 1}}"#] {
        assert!(
            put(TestReply::new(200, bad)).unwrap_err().message.starts_with("unusable response")
        );
    }
    assert_eq!(
        put(TestReply::error(404, "ResourceNotFound")).unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[test]
fn an_operation_is_polled_until_it_ends() {
    let server = Server::with([
        accepted().with("retry-after", "60"),
        state("InProgress").with("retry-after", "30"),
        state("Replicating"),
        state("Succeeded"),
    ]);
    assert_eq!(waited(&server, &NoDeadline), Ok(()));
    let seconds: Vec<u64> = server.waits().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [60, 30, 10]);
    let received = server.received();
    assert!(received[1..].iter().all(|one| one.url == state_url() && one.method == "GET"));
    let token = format!("Bearer {TOKEN}");
    assert!(received[1..].iter().all(|one| one.header("authorization") == Some(&token)));
}

#[test]
fn the_interval_has_limits() {
    for (asked, seconds) in [("0", 1), ("1", 1), ("86400", 300)] {
        let server = Server::with([accepted().with("retry-after", asked), state("Succeeded")]);
        assert_eq!(waited(&server, &NoDeadline), Ok(()));
        assert_eq!(server.waits(), [Duration::from_secs(seconds)]);
    }
}

#[test]
fn a_location_is_polled_while_it_is_accepted() {
    let to = |name: &str| format!("{HERE}/{name}?{SIGNATURE}");
    let server = Server::with([
        TestReply::new(202, "").with("location", to("1")),
        TestReply::new(202, ""),
        TestReply::new(202, "").with("location", to("2")),
        TestReply::new(200, ""),
    ]);
    assert_eq!(waited(&server, &NoDeadline), Ok(()));
    assert_eq!(server.urls()[1..], [to("1"), to("1"), to("2")]);
    let server = Server::with([
        TestReply::new(202, "").with("location", to("1")),
        TestReply::error(409, "Conflict"),
    ]);
    assert_eq!(waited(&server, &NoDeadline).unwrap_err().code, "Conflict");
}

#[test]
fn a_failed_operation_has_the_code_of_its_cause() {
    let failed = json!({"status": "Failed", "error": {
        "code": "GalleryImageVersionInUse", "message": "It is\nin use.", "details": []}});
    let server = Server::with([accepted(), TestReply::new(200, failed.to_string())]);
    let error = waited(&server, &NoDeadline).unwrap_err();
    assert_eq!(
        (error.call, error.kind, &*error.code),
        (CALL, ErrorKind::Other, "GalleryImageVersionInUse")
    );
    assert_eq!(error.message, "the operation failed: It is in use.");
    for status in ["Failed", "failed", "Canceled", "Cancelled"] {
        let server = Server::with([accepted(), state(status)]);
        let error = waited(&server, &NoDeadline).unwrap_err();
        assert_eq!(&*error.code, status);
        assert_eq!(error.message, format!("the operation failed: {status}"));
    }
}

#[test]
fn an_operation_that_cannot_be_read_is_an_error() {
    for (answer, problem) in [
        (TestReply::new(200, "{}"), "missing field `status`"),
        (TestReply::new(200, r#"{"status": null}"#), "in `status`"),
        (TestReply::new(200, ""), "empty"),
        (TestReply::new(204, ""), "unexpected HTTP status 204"),
        (TestReply::error(404, "NotFound"), "NotFound."),
    ] {
        let server = Server::with([accepted(), answer]);
        let error = waited(&server, &NoDeadline).unwrap_err();
        assert!(error.message.contains(problem), "{error}");
    }
}

#[test]
fn waiting_ends_at_the_deadline() {
    let server = Server::answering(|request| match request.method.as_str() {
        "DELETE" => accepted(),
        _ => state("Replicating"),
    });
    let time = server.time.clone();
    let deadline = move || Duration::from_secs(65).saturating_sub(time.now());
    let error = waited(&server, &deadline).unwrap_err();
    assert_eq!(error.message, "the operation is still Replicating");
    // 60 seconds have passed, and another poll would be at the 70th.
    assert_eq!(server.urls().len(), 1 + 6);
}

#[test]
fn an_operation_elsewhere_was_started_but_is_not_read() {
    for answer in [
        TestReply::new(202, ""),
        TestReply::new(202, "").with("location", "https://example.com/1?s=SIGNED-VALUE"),
        TestReply::new(202, "").with("azure-asyncoperation", "https://127.0.0.1:8444/1"),
        TestReply::new(202, "").with("azure-asyncoperation", "/1"),
        accepted().with("azure-asyncoperation", "http://127.0.0.1:8443/1"),
    ] {
        let server = Server::with([answer]);
        let error = waited(&server, &NoDeadline).unwrap_err();
        assert!(error.message.starts_with("the operation was started, but not waited for: "));
        assert!(!error.message.contains("SIGNED"));
    }
    let server = Server::with([
        TestReply::new(202, "").with("location", location_url()),
        TestReply::new(202, "").with("location", "https://example.com/1?s=SIGNED-VALUE"),
    ]);
    let error = waited(&server, &NoDeadline).unwrap_err();
    assert!(error.message.contains("another host") && !error.message.contains("SIGNED"));
}

#[test]
fn the_signed_url_is_never_shown() {
    let Ok(Started::Running(operation)) = started(accepted()) else { panic!("not running") };
    assert!(!format!("{operation:?}").contains("SIGNED"));
    for answer in [
        TestReply::error(403, "AuthorizationFailed"),
        TestReply::new(500, "<html>"),
        TestReply::Hang,
    ] {
        let server = Server::answering(move |request| match request.method.as_str() {
            "DELETE" => accepted(),
            _ => answer.clone(),
        });
        let error = waited(&server, &NoDeadline).unwrap_err();
        assert!(!format!("{error:?}").contains("SIGNED"), "{error}");
    }
}

#[test]
fn polls_do_not_take_from_the_budget_of_the_call() {
    let budget = |name: &str| format!("Microsoft.Compute/{name}3Min;0");
    let header = "x-ms-ratelimit-remaining-resource";
    let server = Server::answering(move |request| match request.method.as_str() {
        "DELETE" => accepted().with(header, budget("DeleteGalleryImageVersion")),
        _ => state("Succeeded").with(header, budget("GetOperationStatus")),
    });
    let client = server.client();
    let delete = || run(client.delete(CALL, PATH, QUERY)).unwrap();
    let Started::Running(operation) = delete() else { panic!("not running") };
    for _ in 0..2 {
        run(client.wait(&operation, &NoDeadline)).unwrap();
    }
    delete();
    delete();
    // Two intervals between polls, and one call for which nothing remains after the last one.
    let seconds: Vec<u64> = server.waits().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [10, 10, 15]);
}
