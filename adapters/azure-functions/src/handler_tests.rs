use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use steward::model::ImageState;
use tokio::sync::Notify;

use super::*;

const SUBSCRIPTION: &str = "0f0e0d0c-1234-5678-9abc-def012345678";

/// Records its calls, and returns a fixed result.
#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<(&'static str, JobInput)>>,
    failure: Option<JobFailure>,
    /// If set, a run waits for it.
    gate: Option<Notify>,
}

impl Recorder {
    async fn run(&self, name: &'static str, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.calls.lock().unwrap().push((name, call));
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => {
                Ok(JobOutput { response: json!({"answer": name}), logs: vec!["line".to_owned()] })
            }
        }
    }

    fn names(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().iter().map(|(name, _)| *name).collect()
    }
}

#[async_trait]
impl Jobs for Recorder {
    async fn prune_images(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run("pruned", call).await
    }
    async fn reap_snapshots(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run("reaped", call).await
    }
    async fn tag_image(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run("tagged", call).await
    }
    async fn retire_instances(&self, call: JobInput) -> Result<JobOutput, JobFailure> {
        self.run("retired", call).await
    }
}

fn handler(recorder: Recorder) -> (Arc<Recorder>, Arc<Handler>) {
    let jobs = Arc::new(recorder);
    (jobs.clone(), Arc::new(Handler::new(jobs, SUBSCRIPTION.parse().unwrap())))
}

#[expect(clippy::disallowed_methods, reason = "tests read the clock")]
fn now() -> Instant {
    Instant::now()
}

async fn post(handler: &Handler, path: &str, body: &Value) -> (u16, Value) {
    send(handler, &Method::POST, path, body.to_string().as_bytes()).await
}

async fn send(handler: &Handler, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
    let deadline = now() + Duration::from_secs(600);
    let request = Request { method, path, body, invocation_id: Some("i1"), deadline };
    let response = tokio::time::timeout(Duration::from_secs(5), handler.respond(request)).await;
    let response = response.expect("a response within 5 s");
    let body: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(body["Outputs"], json!({}));
    assert_eq!(body["ReturnValue"], json!(null));
    (response.status.as_u16(), body["Logs"].clone())
}

/// The data of a timer, as the Functions host serializes its `TimerInfo`.
fn timer() -> Value {
    json!({
        "Data": {"timer": {
            "Schedule": {"AdjustForDST": true},
            "ScheduleStatus": {
                "Last": "2026-11-19T00:00:00+00:00",
                "LastUpdated": "2026-11-19T00:00:00+00:00",
                "Next": "2026-11-19T12:00:00+00:00",
            },
            "IsPastDue": false,
        }},
        "Metadata": {"sys": {
            "MethodName": "prune-images",
            "UtcNow": "2026-11-19T12:00:00.0022Z",
            "RandGuid": "24ad4c06-24ad-4e5b-8294-3da9714877e9",
        }},
    })
}

fn image_id() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/golden/providers/Microsoft.Compute/images/web-1"
    )
}

fn event() -> Value {
    json!({
        "topic": format!("/subscriptions/{SUBSCRIPTION}"),
        "subject": image_id(),
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-11-19T12:00:00Z",
        "data": {
            "operationName": "Microsoft.Compute/images/write",
            "resourceUri": image_id(),
            "subscriptionId": SUBSCRIPTION,
        },
    })
}

fn invocation(event: &Value) -> Value {
    json!({"Data": {"event": event}, "Metadata": {}})
}

#[tokio::test]
async fn each_function_starts_with_its_trigger() {
    let (jobs, handler) = handler(Recorder::default());
    for (path, body, result) in [
        ("/prune-images", timer(), "pruned"),
        ("/reap-snapshots", timer(), "reaped"),
        ("/tag-image", invocation(&event()), "tagged"),
        ("/retire-instance", invocation(&event()), "retired"),
        ("/retire-instance-sweep", timer(), "retired"),
    ] {
        let (status, logs) = post(&handler, path, &body).await;
        assert_eq!(status, 200, "{path}: {logs}");
        assert_eq!(logs, json!(["line", json!({"answer": result}).to_string()]));
    }
    let calls = jobs.calls.lock().unwrap();
    let image = Trigger::Image {
        image: image_id().parse().unwrap(),
        state: ImageState::Available,
        message: String::new(),
        at: Some("2026-11-19T12:00:00Z".parse().unwrap()),
    };
    let expected = [
        ("pruned", Trigger::Schedule),
        ("reaped", Trigger::Schedule),
        ("tagged", image.clone()),
        ("retired", image),
        ("retired", Trigger::Schedule),
    ];
    assert_eq!(calls.len(), expected.len());
    for ((name, call), (job, trigger)) in calls.iter().zip(expected) {
        assert_eq!((*name, &call.trigger), (job, &trigger));
        assert_eq!(call.invocation_id.as_deref(), Some("i1"));
        let left = call.left(now());
        assert!(left < Duration::from_secs(581) && left > Duration::from_secs(500), "{left:?}");
    }
}

/// Event Grid delivers an event again if the invocation failed.
#[tokio::test]
async fn a_failed_run_fails_the_invocation() {
    let failure =
        JobFailure { message: "the image is still pending".to_owned(), logs: vec!["a".into()] };
    let (jobs, handler) = handler(Recorder { failure: Some(failure), ..Recorder::default() });
    for (path, body) in [("/tag-image", invocation(&event())), ("/prune-images", timer())] {
        let (status, logs) = post(&handler, path, &body).await;
        assert_eq!((status, logs), (500, json!(["a", "the image is still pending"])));
    }
    assert_eq!(jobs.names(), ["tagged", "pruned"]);
}

#[tokio::test]
async fn other_events_succeed_and_start_nothing() {
    let (jobs, handler) = handler(Recorder::default());
    for (key, value, expected) in [
        (
            "eventType",
            "Microsoft.Resources.ResourceDeleteSuccess",
            "event ignored: unsupported event",
        ),
        ("topic", "/subscriptions/x", "event ignored: rejected: the event is about"),
    ] {
        let mut event = event();
        event[key] = json!(value);
        let (status, logs) = post(&handler, "/tag-image", &invocation(&event)).await;
        assert_eq!(status, 200);
        assert!(logs[0].as_str().unwrap().starts_with(expected), "{logs}");
    }
    assert!(jobs.names().is_empty());
}

#[tokio::test]
async fn malformed_requests_and_events_fail() {
    let (jobs, handler) = handler(Recorder::default());
    let mut without_subject = event();
    without_subject.as_object_mut().unwrap().remove("subject");
    for (path, body, expected) in [
        ("/tag-image", invocation(&without_subject), "malformed event: subject: missing"),
        ("/tag-image", invocation(&json!({})), "malformed event: neither an Event Grid event"),
        ("/tag-image", timer(), "the request has no Data.event, but timer"),
        ("/prune-images", invocation(&event()), "the request has no Data.timer, but event"),
        ("/prune-images", json!({"Data": {"timer": []}}), "Data.timer is not an object"),
        ("/prune-images", json!({}), "the request is not an invocation"),
    ] {
        let (status, logs) = post(&handler, path, &body).await;
        assert_eq!(status, 400, "{path}: {logs}");
        assert!(logs[0].as_str().unwrap().starts_with(expected), "{logs}");
    }
    assert!(jobs.names().is_empty());
}

#[tokio::test]
async fn only_functions_are_served() {
    let (jobs, handler) = handler(Recorder::default());
    let body = timer().to_string();
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::POST, "/", 404),
        (Method::POST, "/prune", 404),
        (Method::POST, "/prune-images/", 404),
        (Method::POST, "/admin/warmup", 404),
        (Method::POST, "prune-images", 404),
        (Method::GET, "/prune-images", 405),
        (Method::PUT, "/tag-image", 405),
    ] {
        let (found, logs) = send(&handler, &method, path, body.as_bytes()).await;
        assert_eq!(found, status, "{method} {path}: {logs}");
    }
    assert!(jobs.names().is_empty());
}

#[tokio::test]
async fn a_sweep_does_not_run_twice_at_the_same_time() {
    let (jobs, handler) = handler(Recorder { gate: Some(Notify::new()), ..Recorder::default() });
    let first = tokio::spawn({
        let handler = handler.clone();
        async move { post(&handler, "/prune-images", &timer()).await }
    });
    while jobs.names().is_empty() {
        tokio::task::yield_now().await;
    }
    let (status, logs) = post(&handler, "/prune-images", &timer()).await;
    assert_eq!(status, 503);
    assert!(logs[0].as_str().unwrap().starts_with("this function runs already"), "{logs}");
    // Another function is not affected.
    let other = tokio::spawn({
        let handler = handler.clone();
        async move { post(&handler, "/tag-image", &invocation(&event())).await }
    });
    while jobs.names().len() < 2 {
        tokio::task::yield_now().await;
    }
    jobs.gate.as_ref().unwrap().notify_waiters();
    assert_eq!(first.await.unwrap().0, 200);
    assert_eq!(other.await.unwrap().0, 200);
    // The slot is free again.
    jobs.gate.as_ref().unwrap().notify_one();
    assert_eq!(post(&handler, "/prune-images", &timer()).await.0, 200);
    assert_eq!(jobs.names(), ["pruned", "tagged", "pruned"]);
}
