//! The Functions host in these tests sends the requests that the documentation and the host's source
//! code show, over a socket.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::jobs::{JobFailure, JobInput, JobOutput, Jobs};

const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";

/// Counts its runs, which wait for the test if `waits` is set.
#[derive(Default)]
struct Counter {
    started: AtomicUsize,
    ended: AtomicUsize,
    waits: bool,
    gate: Notify,
    panics: bool,
}

impl Counter {
    async fn wait_for(&self, started: usize) {
        for _ in 0..1000 {
            if self.started.load(Ordering::SeqCst) == started {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{started} runs did not start");
    }

    async fn run(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.started.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "a run that panics");
        if self.waits {
            self.gate.notified().await;
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        let response = json!({"answer": "done", "invocation": call.invocation_id});
        Ok(JobOutput { response, logs: Vec::new() })
    }
}

#[async_trait]
impl Jobs for Counter {
    async fn prune_images(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(call).await
    }
    async fn reap_snapshots(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(call).await
    }
    async fn tag_image(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(call).await
    }
    async fn retire_instances(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run(call).await
    }
}

/// Starts the server, and returns its address.
async fn start(jobs: Counter) -> (String, Arc<Counter>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let jobs = Arc::new(jobs);
    let handler = Arc::new(Handler::new(jobs.clone(), SUBSCRIPTION.parse().unwrap()));
    tokio::spawn(serve(listener, handler));
    (address, jobs)
}

/// A connection of the host, which it uses for several requests.
struct Host(TcpStream);

impl Host {
    async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends a POST request as .NET's client does: the length of the body is not known in advance.
    async fn post(&mut self, path: &str, body: &[u8]) -> (u16, Value) {
        self.begin(path, body).await;
        self.response().await
    }

    async fn begin(&mut self, path: &str, body: &[u8]) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Azure-Functions-HostVersion: 4.1036.3.0\r\n\
             X-Azure-Functions-InvocationId: 3b2ce6f7\r\nUser-Agent: Azure-Functions-Host/4.1036.3.0\r\n\
             Transfer-Encoding: chunked\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        for chunk in body.chunks(1000) {
            self.0.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
            self.0.write_all(chunk).await.unwrap();
            self.0.write_all(b"\r\n").await.unwrap();
        }
        self.0.write_all(b"0\r\n\r\n").await.unwrap();
    }

    async fn response(&mut self) -> (u16, Value) {
        let response = tokio::time::timeout(Duration::from_secs(5), self.read_response()).await;
        response.expect("a response within 5 s")
    }

    async fn read_response(&mut self) -> (u16, Value) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.strip_prefix("http/1.1 ").unwrap()[..3].parse().unwrap();
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn timer() -> Vec<u8> {
    json!({"Data": {"timer": {"IsPastDue": false}}, "Metadata": {}}).to_string().into_bytes()
}

/// An event of a new gallery image version, as text in JSON, like the documented request.
fn event() -> Vec<u8> {
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/golden/providers/Microsoft.Compute/galleries/corp/images/web/versions/1.2.3"
    );
    let event = json!({
        "topic": format!("/subscriptions/{SUBSCRIPTION}"),
        "subject": id,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-11-19T12:00:00.6117357Z",
        "id": "4db48cba-50a2-455a-93b4-de41a3b5b7f6",
        "data": {
            "operationName": "Microsoft.Compute/galleries/images/versions/write",
            "resourceUri": id,
            "subscriptionId": SUBSCRIPTION,
        },
        "dataVersion": "2",
        "metadataVersion": "1",
    });
    json!({"Data": {"event": event.to_string()}, "Metadata": {}}).to_string().into_bytes()
}

#[tokio::test]
async fn the_host_waits_for_the_server_and_sends_invocations_over_one_connection() {
    let (address, jobs) = start(Counter::default()).await;
    let mut host = Host::connect(&address).await;
    host.0.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    assert_eq!(host.response().await.0, 200);
    for (path, body) in [
        ("/prune-images", timer()),
        ("/tag-image", event()),
        ("/retire-instance", event()),
        ("/reap-snapshots", timer()),
    ] {
        let (status, body) = host.post(path, &body).await;
        assert_eq!(status, 200, "{path}: {body}");
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["Logs", "Outputs", "ReturnValue"]);
        let log = body["Logs"][0].as_str().unwrap();
        assert_eq!(log, r#"{"answer":"done","invocation":"3b2ce6f7"}"#);
    }
    assert_eq!(jobs.ended.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_large_event_is_read_and_a_too_large_one_is_not() {
    let (address, jobs) = start(Counter::default()).await;
    let padded = |length: usize| {
        let mut body = event();
        body.pop();
        body.extend_from_slice(br#","Padding":""#);
        body.resize(length, b'x');
        body.extend_from_slice(br#""}"#);
        body
    };
    let mut host = Host::connect(&address).await;
    assert_eq!(host.post("/tag-image", &padded(2_000_000)).await.0, 200);
    assert_eq!(jobs.ended.load(Ordering::SeqCst), 1);
    // One byte too many, so that the server has read everything before it responds.
    let mut host = Host::connect(&address).await;
    let head = format!(
        "POST /tag-image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY + 1
    );
    host.0.write_all(head.as_bytes()).await.unwrap();
    host.0.write_all(&vec![b' '; MAX_BODY + 1]).await.unwrap();
    let (status, body) = host.response().await;
    assert_eq!(status, 413, "{body}");
    assert_eq!(jobs.started.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn garbage_is_rejected_and_the_server_continues() {
    let (address, jobs) = start(Counter::default()).await;
    for garbage in [&b"\0\0\0\0\r\n\r\n"[..], b"POST\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let mut host = Host::connect(&address).await;
        host.0.write_all(garbage).await.unwrap();
        host.0.shutdown().await.unwrap();
        let mut response = Vec::new();
        // An error response or a closed connection.
        let _ = host.0.read_to_end(&mut response).await;
        assert!(!response.starts_with(b"HTTP/1.1 2"), "{response:?}");
    }
    let mut host = Host::connect(&address).await;
    assert_eq!(host.post("/prune-images", b"{").await.0, 400);
    assert_eq!(host.post("/prune-images", &timer()).await.0, 200);
    assert_eq!(jobs.started.load(Ordering::SeqCst), 1);
}

/// A deletion that was announced must be sent, and its result recorded.
#[tokio::test]
async fn a_run_continues_if_the_host_closes_the_connection() {
    let (address, jobs) = start(Counter { waits: true, ..Counter::default() }).await;
    let mut host = Host::connect(&address).await;
    host.begin("/prune-images", &timer()).await;
    jobs.wait_for(1).await;
    drop(host);
    // Enough for the server to notice.
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The function still runs, so it is not started again.
    let mut second = Host::connect(&address).await;
    assert_eq!(second.post("/prune-images", &timer()).await.0, 503);
    jobs.gate.notify_one();
    for _ in 0..400 {
        if jobs.ended.load(Ordering::SeqCst) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(jobs.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn events_are_processed_at_the_same_time_up_to_a_limit() {
    let (address, jobs) = start(Counter { waits: true, ..Counter::default() }).await;
    let mut hosts = Vec::new();
    for _ in 0..8 {
        let mut host = Host::connect(&address).await;
        host.begin("/tag-image", &event()).await;
        hosts.push(host);
    }
    jobs.wait_for(8).await;
    let mut ninth = Host::connect(&address).await;
    assert_eq!(ninth.post("/tag-image", &event()).await.0, 503);
    jobs.gate.notify_waiters();
    for host in &mut hosts {
        assert_eq!(host.response().await.0, 200);
    }
    assert_eq!(jobs.ended.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn a_panic_fails_the_invocation_only() {
    let (address, jobs) = start(Counter { panics: true, ..Counter::default() }).await;
    let mut host = Host::connect(&address).await;
    for _ in 0..2 {
        let (status, body) = host.post("/tag-image", &event()).await;
        assert_eq!((status, &body["Logs"][0]), (500, &json!("the run ended unexpectedly")));
    }
    assert_eq!(jobs.started.load(Ordering::SeqCst), 2);
}
