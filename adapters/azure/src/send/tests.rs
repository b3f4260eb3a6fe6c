use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::error::ErrorKind as SdkErrorKind;
use azure_core::http::{HttpClient, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use steward::cloud::ErrorKind;
use steward::progress::Progress;

use super::*;
use crate::client::ClientSettings;
use crate::credentials::{CredentialChoice, FixedToken, Variables};
use crate::rate_limit::MAX_CONCURRENT;
use crate::testing::{CALL, HERE, PATH, QUERY, Server, TOKEN, TestReply, run};
use crate::time::SystemTime;

const DELETE: &str = "Microsoft.Compute/images/delete";
const OK: &str = "{}";

fn get(server: &Arc<Server>) -> Result<Value, CloudError> {
    run(server.client().get(CALL, PATH, QUERY))
}

fn seconds(server: &Server) -> Vec<f64> {
    server.waits().iter().map(Duration::as_secs_f64).collect()
}

#[test]
fn a_request_has_a_token_and_a_user_agent() {
    let server = Server::with([TestReply::new(200, OK), TestReply::new(200, OK)]);
    let client = server.client();
    let _: Value = run(client.get(CALL, PATH, QUERY)).unwrap();
    let body = json!({"a": [1]});
    let _: Value = run(client.post(CALL, PATH, QUERY, &body)).unwrap();
    let [read, posted] = &server.received()[..] else { panic!("two requests") };
    assert_eq!(read.method, "GET");
    assert_eq!(read.url, format!("{HERE}{PATH}?api-version=2026-04-01"));
    assert_eq!(read.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let user_agent = format!("image-steward/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(read.header("user-agent"), Some(user_agent.as_str()));
    assert_eq!((read.body.as_str(), read.header("content-type")), ("", None));
    assert_eq!(posted.method, "POST");
    assert_eq!(
        (&*posted.body, posted.header("content-type")),
        (r#"{"a":[1]}"#, Some("application/json"))
    );
}

#[test]
fn transient_failures_are_repeated_with_longer_waits() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = Server::answering(move |_| TestReply::error(status, "x"));
        assert!(get(&server).is_err());
        assert_eq!(server.urls().len(), 4, "{status}");
        let waits = seconds(&server);
        assert!(waits.len() == 3 && waits[0] < 1.0 && waits[0] >= 0.5, "{waits:?}");
        assert!(waits[1] >= 1.0 && waits[1] < 2.0 && waits[2] >= 2.0 && waits[2] < 4.0);
    }
    for status in [400, 403, 404, 405, 409, 410, 412, 501] {
        let server = Server::with([TestReply::error(status, "x")]);
        assert!(get(&server).is_err());
        assert!(server.waits().is_empty(), "{status}");
    }
}

#[test]
fn lost_connections_are_repeated() {
    for lost in [
        TestReply::Fail(SdkErrorKind::Connection),
        TestReply::Fail(SdkErrorKind::Io),
        TestReply::Break,
        TestReply::Hang,
    ] {
        let server = Server::with([lost.clone(), TestReply::new(200, OK)]);
        assert_eq!(get(&server), Ok(json!({})));
        let server = Server::answering(move |_| lost.clone());
        let error = get(&server).unwrap_err();
        assert_eq!((error.kind, server.urls().len()), (ErrorKind::Unreachable, 4));
    }
    let server = Server::answering(|_| TestReply::Hang);
    let message = get(&server).unwrap_err().message;
    assert!(message.ends_with("(no complete response within 90 seconds)"), "{message}");
    assert_eq!(server.waits()[0], ANSWER_WITHIN);
}

#[test]
fn the_wait_of_a_response_is_kept() {
    let throttled = TestReply::error(429, "TooManyRequests").with("retry-after", "17");
    let server = Server::with([throttled, TestReply::new(200, OK)]);
    assert_eq!(get(&server), Ok(json!({})));
    assert_eq!(seconds(&server), [17.0]);
    // A shorter wait than the backoff does not make the client hurry.
    let hurried = TestReply::error(503, "x").with("retry-after", "0");
    let server = Server::with([hurried, TestReply::new(200, OK)]);
    assert_eq!(get(&server), Ok(json!({})));
    assert!(seconds(&server)[0] >= 0.5);
}

#[test]
fn too_long_a_wait_is_an_error() {
    let server =
        Server::with([TestReply::error(429, "TooManyRequests").with("retry-after", "1801")]);
    let error = get(&server).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(error.message, "TooManyRequests.; retry after 1,801 seconds");
    assert!(server.waits().is_empty());
}

#[test]
fn other_calls_of_a_throttled_kind_are_not_sent() {
    let throttled = TestReply::error(429, "TooManyRequests").with("retry-after", "500");
    let server = Server::with([throttled, TestReply::new(200, OK), TestReply::new(200, OK)]);
    let client = server.client();
    let get = |call| run(client.get::<Value>(call, PATH, QUERY));
    assert_eq!(get(CALL).unwrap_err().code, "TooManyRequests");
    let error = get(CALL).unwrap_err();
    assert_eq!((error.kind, &*error.code), (ErrorKind::Throttled, ""));
    assert_eq!(error.message, "throttled; retry after 500 seconds");
    assert_eq!(server.urls().len(), 1);
    assert!(get("Microsoft.Compute/disks/read").is_ok());
    // With less than the longest wait left, the call waits.
    run(crate::time::Time::sleep(&*server.time, Duration::from_secs(400)));
    assert!(get(CALL).is_ok());
    assert_eq!(seconds(&server), [400.0, 100.0]);
}

#[test]
fn a_rejected_token_is_replaced_once() {
    let rejected = || TestReply::error(401, "ExpiredAuthenticationToken");
    let server = Server::with([rejected(), TestReply::new(200, OK)]);
    assert_eq!(get(&server), Ok(json!({})));
    let server = Server::with([rejected(), rejected()]);
    assert_eq!(get(&server).unwrap_err().kind, ErrorKind::Credentials);
    assert!(server.waits().is_empty());
}

#[test]
fn a_redirect_is_not_followed() {
    let answer = TestReply::new(307, "").with("location", "https://example.com/");
    let server = Server::with([answer]);
    assert_eq!(get(&server).unwrap_err().message, "unexpected HTTP status 307");
}

#[test]
fn a_response_has_a_maximum_size() {
    let server = Server::with([TestReply::Flood(33)]);
    let message = get(&server).unwrap_err().message;
    assert_eq!(message, "unusable response: more than 33,554,432 bytes");
    // All of it is white space.
    let message = get(&Server::with([TestReply::Flood(32)])).unwrap_err().message;
    assert_eq!(message, "unusable response (33,554,432 bytes): empty");
}

#[test]
fn nothing_is_sent_for_invalid_parameters() {
    let server = Server::with([]);
    let client = server.client();
    for (path, query) in [("/a/../b", QUERY), ("/a?b", QUERY), (PATH, &[][..])] {
        let error = run(client.get::<Value>(CALL, path, query)).unwrap_err();
        assert_eq!((error.call, error.kind), (CALL, ErrorKind::Other));
        assert!(run(client.delete(DELETE, path, query)).is_err());
        assert!(run(client.list::<Value>(CALL, path, query)).is_err());
    }
}

#[test]
fn nothing_is_sent_with_an_expired_check() {
    let server = Server::with([]);
    let client = server.client();
    let found = run(client.delete_if_fresh(DELETE, PATH, QUERY, &|| false));
    assert!(matches!(found, Ok(None)));
    let found = run(client.put_if_fresh(DELETE, PATH, QUERY, &json!({}), &|| false));
    assert!(matches!(found, Ok(None)));
}

#[test]
fn the_check_is_repeated_after_waiting_for_the_rate_limit() {
    let low = "Microsoft.Compute/DeleteImages3Min;0";
    let answer = || TestReply::new(200, "").with("x-ms-ratelimit-remaining-resource", low);
    let server = Server::with([answer(), answer()]);
    let client = server.client();
    let time = server.time.clone();
    let delete =
        |check: Freshness<'_>| run(client.delete_if_fresh(DELETE, PATH, QUERY, check)).unwrap();
    assert!(delete(&|| true).is_some());
    assert!(delete(&|| true).is_some());
    // The next call has to wait for 15 seconds.
    let began = crate::time::Time::now(&*time);
    assert!(delete(&|| crate::time::Time::now(&*time) < began + Duration::from_secs(5)).is_none());
    assert_eq!(seconds(&server), [15.0]);
    assert_eq!(server.urls().len(), 2);
}

#[test]
fn the_check_is_repeated_before_another_attempt() {
    let server = Server::with([TestReply::error(503, "ServiceUnavailable")]);
    let client = server.client();
    let calls = AtomicUsize::new(0);
    // Recent when the first attempt begins and is sent, but not later.
    let check = || calls.fetch_add(1, Ordering::SeqCst) < 2;
    // Something was sent, and may have had an effect. So the result is not `None`.
    let error = run(client.delete_if_fresh(DELETE, PATH, QUERY, &check)).unwrap_err();
    assert_eq!((error.kind, &*error.code), (ErrorKind::Unreachable, "ServiceUnavailable"));
}

#[derive(Debug, Default)]
struct Reports(Mutex<Vec<ProgressEvent>>);

impl Progress for Reports {
    fn report(&self, event: ProgressEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn calls_and_throttling_are_reported() {
    let server = Server::with([TestReply::error(429, "TooManyRequests"), TestReply::new(200, OK)]);
    let reports = Arc::new(Reports::default());
    let settings = ClientSettings {
        endpoint: Some(HERE.to_owned()),
        credentials: CredentialChoice::Token(FixedToken::new(TOKEN)),
        app: Some("image-steward.prune images\n".to_owned()),
        progress: Some(reports.clone()),
        ..ClientSettings::default()
    };
    let client = server.client_with(settings, &Variables::default());
    assert!(run(client.get::<Value>(CALL, PATH, QUERY)).is_ok());
    let call = ProgressEvent::Call { name: CALL, pacing: Pacing::Immediate };
    assert_eq!(*reports.0.lock().unwrap(), [call, ProgressEvent::Throttled]);
    let user_agent = server.received()[0].header("user-agent").map(str::to_owned).unwrap();
    assert!(user_agent.starts_with("image-steward.pruneimages/"), "{user_agent}");
}

/// A server that is slow, and counts the requests that it has not answered.
#[derive(Debug, Default)]
struct SlowServer {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl HttpClient for SlowServer {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, headers::Headers::new(), OK))
    }
}

#[test]
fn few_calls_are_sent_at_once() {
    let server = Arc::new(SlowServer::default());
    let settings = ClientSettings {
        endpoint: Some(HERE.to_owned()),
        credentials: CredentialChoice::Token(FixedToken::new(TOKEN)),
        ..ClientSettings::default()
    };
    let transport: Arc<dyn HttpClient> = server.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let time = Arc::new(SystemTime::start());
        let client =
            Client::with(settings, &Variables::default(), |_| Ok(transport), time).unwrap();
        let calls = (0..50).map(|_| client.get::<Value>(CALL, PATH, QUERY));
        let found = futures_util::future::join_all(calls).await;
        assert!(found.iter().all(Result::is_ok));
    });
    assert_eq!(server.most.load(Ordering::SeqCst), MAX_CONCURRENT);
}

/// Any behavior of a server.
fn answer() -> impl Strategy<Value = TestReply> {
    let code = prop_oneof![
        Just("ResourceNotFound"),
        Just("SubscriptionNotFound"),
        Just("AuthorizationFailed"),
        Just("TooManyRequests"),
        Just("Unknown"),
    ];
    prop_oneof![
        Just(TestReply::new(200, OK)),
        Just(TestReply::Hang),
        Just(TestReply::Break),
        Just(TestReply::Fail(SdkErrorKind::Io)),
        (200..600u16, code, "[0-9]{0,4}").prop_map(|(status, code, wait)| {
            TestReply::error(status, code).with("retry-after", wait)
        }),
        (200..600u16, "[ -~]{0,20}").prop_map(|(status, body)| TestReply::new(status, body)),
    ]
}

proptest! {
    #[test]
    fn any_call_ends_and_only_a_missing_resource_is_none(answers in prop::collection::vec(answer(), 4)) {
        let server = Server::with(answers.clone());
        let found = run(server.client().find::<Value>(CALL, PATH, QUERY));
        let sent = server.urls().len();
        prop_assert!((1..=4).contains(&sent));
        if let Ok(None) = found {
            // The last response said so.
            let TestReply::With(status, _, body) = &answers[sent - 1] else { panic!("no response") };
            prop_assert_eq!(*status, 404);
            prop_assert!(body.contains("\"ResourceNotFound\""), "{}", body);
        }
        let longest = MAX_RETRY_AFTER.max(ANSWER_WITHIN);
        prop_assert!(server.waits().iter().all(|wait| *wait <= longest));
    }
}
