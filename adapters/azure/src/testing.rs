//! A server and a clock for tests: no sockets, and no real time.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use futures_util::stream;

use crate::client::{Client, ClientSettings};
use crate::credentials::{CredentialChoice, FixedToken, Variables};
use crate::reply::Reply;
use crate::time::Time;

/// The endpoint of the server.
pub(crate) const HERE: &str = "https://127.0.0.1:8443";
pub(crate) const TOKEN: &str = "a-token";
pub(crate) const CALL: &str = "Microsoft.Compute/images/read";
pub(crate) const PATH: &str = "/subscriptions/S/providers/Microsoft.Compute/images";
pub(crate) const QUERY: &[(&str, &str)] = &[("api-version", "2026-04-01")];

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum TestReply {
    /// Responds with status, headers and body.
    With(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection before or in the response.
    Fail(ErrorKind),
    /// Announces a response and closes the connection in its body.
    Break,
    /// Never responds.
    Hang,
    /// Sends this many mebibytes.
    Flood(usize),
}

impl TestReply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::With(status, Vec::new(), body.into())
    }

    /// An error with a code, as Azure Resource Manager returns it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"error": {"code": code, "message": format!("{code}.")}});
        Self::new(status, body.to_string())
    }

    /// The same response with another header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::With(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub(crate) fn reply(self, call: &'static str) -> Reply {
        let Self::With(status, named, body) = self else { panic!("not a response") };
        Reply { call, status, headers: headers(named), body: Bytes::from(body) }
    }
}

fn headers(named: Vec<(&'static str, String)>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in named {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    headers
}

/// A request that the server received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Behavior = Box<dyn FnMut(&Received) -> TestReply + Send>;

/// The server: a function returns its responses, and it records all requests.
pub(crate) struct Server {
    behavior: Mutex<Behavior>,
    received: Mutex<Vec<Received>>,
    pub(crate) time: Arc<StoppedTime>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    pub(crate) fn answering(
        behavior: impl FnMut(&Received) -> TestReply + Send + 'static,
    ) -> Arc<Self> {
        let behavior: Behavior = Box::new(behavior);
        let time = Arc::new(StoppedTime::default());
        Arc::new(Self { behavior: Mutex::new(behavior), received: Mutex::default(), time })
    }

    /// A server with these responses, one after the other. The test fails if it needs more.
    pub(crate) fn with(answers: impl IntoIterator<Item = TestReply>) -> Arc<Self> {
        let mut answers: VecDeque<TestReply> = answers.into_iter().collect();
        Self::answering(move |_| answers.pop_front().expect("another response"))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.received().into_iter().map(|one| one.url).collect()
    }

    /// The waits of the client, in order.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.time.waits.lock().unwrap().clone()
    }

    /// A client of this server with a fixed token.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        let settings = ClientSettings {
            endpoint: Some(HERE.to_owned()),
            credentials: CredentialChoice::Token(FixedToken::new(TOKEN)),
            ..ClientSettings::default()
        };
        self.client_with(settings, &Variables::default())
    }

    pub(crate) fn client_with(
        self: &Arc<Self>,
        settings: ClientSettings,
        variables: &Variables,
    ) -> Client {
        let transport: Arc<dyn HttpClient> = self.clone();
        Client::with(settings, variables, |_| Ok(transport), self.time.clone()).unwrap()
    }
}

#[async_trait]
impl HttpClient for Server {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Body::SeekableStream(_) => panic!("no call sends a stream"),
        };
        let headers = request.headers().iter();
        let received = Received {
            method: request.method().to_string(),
            url: request.url().to_string(),
            headers: headers.map(|(k, v)| (k.as_str().to_owned(), v.as_str().to_owned())).collect(),
            body,
        };
        let answer = (self.behavior.lock().unwrap())(&received);
        self.received.lock().unwrap().push(received);
        let broken = |kind| azure_core::Error::with_message(kind, "connection reset by peer");
        match answer {
            TestReply::With(status, named, body) => {
                let status = StatusCode::from(status);
                Ok(AsyncRawResponse::from_bytes(status, crate::testing::headers(named), body))
            }
            TestReply::Fail(kind) => Err(broken(kind)),
            TestReply::Break => {
                let parts = [Ok(Bytes::from("{\"value\": [")), Err(broken(ErrorKind::Io))];
                Ok(AsyncRawResponse::new(
                    StatusCode::Ok,
                    Headers::new(),
                    Box::pin(stream::iter(parts)),
                ))
            }
            TestReply::Hang => std::future::pending().await,
            TestReply::Flood(mebibytes) => {
                let part = Bytes::from(vec![b' '; 1024 * 1024]);
                let parts = stream::iter((0..mebibytes).map(move |_| Ok(part.clone())));
                Ok(AsyncRawResponse::new(StatusCode::Ok, Headers::new(), Box::pin(parts)))
            }
        }
    }
}

/// A clock that only waits move. Waits take no real time.
#[derive(Debug, Default)]
pub(crate) struct StoppedTime {
    nanoseconds: AtomicU64,
    waits: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Time for StoppedTime {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap();
        self.nanoseconds.fetch_add(nanoseconds, Ordering::SeqCst);
        self.waits.lock().unwrap().push(duration);
    }
}

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
