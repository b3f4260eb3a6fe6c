//! One invocation: request → trigger → run → response.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode};
use serde_json::Value;
use steward::events::Trigger;
use steward::jobs::FunctionKind;
use steward::model::AccountId;
use tokio::sync::Semaphore;

use crate::functions::{AppFunction, Binding, FUNCTIONS, MARGIN};
use crate::invocation::{InvocationResponse, decode};
use crate::jobs::{JobFailure, JobInput, JobOutput, Jobs};
use crate::parse_event::parse;

/// A request of the Functions host.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// The path, which is `/` and the name of a function.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The host's ID of the invocation.
    pub invocation_id: Option<&'a str>,
    /// When the host stops the program if it has not responded.
    pub deadline: Instant,
}

/// The response to a request. The host treats every status other than 2xx as a failed invocation, and
/// fails the delivery of an event then, so that Event Grid delivers it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body: JSON.
    pub body: String,
}

/// Handles the invocations of all functions of the app.
pub struct Handler {
    jobs: Arc<dyn Jobs>,
    subscription: AccountId,
    /// The invocations that may run at the same time, for each of [`FUNCTIONS`].
    slots: [Semaphore; FUNCTIONS.len()],
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

impl Handler {
    /// A handler for events about images of `subscription`.
    pub fn new(jobs: Arc<dyn Jobs>, subscription: AccountId) -> Self {
        let slots = FUNCTIONS.map(|function| Semaphore::new(function.binding.max_concurrent()));
        Self { jobs, subscription, slots }
    }

    /// Runs the function of a request.
    ///
    /// | status | when |
    /// |---|---|
    /// | 200 | The run succeeded, or the event does not concern this function. |
    /// | 400 | The request or the event is malformed. |
    /// | 404, 405 | Not an invocation of a function. |
    /// | 500 | The run failed; also if the image is not complete yet. |
    /// | 503 | The function runs already. |
    pub async fn respond(&self, request: Request<'_>) -> HandlerResponse {
        // The host asks for this path until it gets any response, before the first invocation.
        if *request.method == Method::GET && request.path == "/" {
            return HandlerResponse::new(StatusCode::OK, vec!["ready".to_owned()]);
        }
        let named = |function: &AppFunction| request.path.strip_prefix('/') == Some(function.name);
        let Some((function, slots)) =
            FUNCTIONS.iter().zip(&self.slots).find(|(function, _)| named(function))
        else {
            let known = FUNCTIONS.map(|function| function.name).join(", ");
            let why = format!("there is no such function; the functions are {known}");
            return HandlerResponse::failed(StatusCode::NOT_FOUND, "", request, why, Vec::new());
        };
        if *request.method != Method::POST {
            let why = format!("the method is {}, not POST", request.method);
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return HandlerResponse::failed(status, function.name, request, why, Vec::new());
        }
        let trigger = match self.trigger(function, request.body) {
            Ok(trigger) => trigger,
            Err(Skip::Ignored(why)) => {
                tracing::warn!(function = function.name, reason = why, "event ignored");
                return HandlerResponse::new(StatusCode::OK, vec![format!("event ignored: {why}")]);
            }
            Err(Skip::Malformed(why)) => {
                let status = StatusCode::BAD_REQUEST;
                return HandlerResponse::failed(status, function.name, request, why, Vec::new());
            }
        };
        let Ok(_slot) = slots.try_acquire() else {
            let why = "this function runs already; the host or Event Grid repeats the invocation";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return HandlerResponse::failed(
                status,
                function.name,
                request,
                why.to_owned(),
                Vec::new(),
            );
        };
        let call = JobInput {
            trigger,
            invocation_id: request.invocation_id.map(str::to_owned),
            deadline: request.deadline.checked_sub(MARGIN).unwrap_or(request.deadline),
        };
        let result = match function.kind {
            FunctionKind::PruneImages => self.jobs.prune_images(call).await,
            FunctionKind::ReapSnapshots => self.jobs.reap_snapshots(call).await,
            FunctionKind::TagImage => self.jobs.tag_image(call).await,
            FunctionKind::RetireInstance => self.jobs.retire_instances(call).await,
        };
        match result {
            Ok(JobOutput { response, mut logs }) => {
                let answer = response["answer"].as_str();
                tracing::info!(function = function.name, answer, "invocation processed");
                logs.push(response.to_string());
                HandlerResponse::new(StatusCode::OK, logs)
            }
            Err(JobFailure { message, logs }) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                HandlerResponse::failed(status, function.name, request, message, logs)
            }
        }
    }

    fn trigger(&self, function: &AppFunction, body: &[u8]) -> Result<Trigger, Skip> {
        let data = decode(body, function.binding.name())
            .map_err(|error| Skip::Malformed(error.to_string()))?;
        match function.binding {
            Binding::Timer => {
                let Value::Object(timer) = data else {
                    return Err(Skip::Malformed("Data.timer is not an object".to_owned()));
                };
                // A missed schedule is made up for by this run.
                if timer.get("IsPastDue") == Some(&Value::Bool(true)) {
                    tracing::warn!(function = function.name, "the scheduled run is late");
                }
                Ok(Trigger::Schedule)
            }
            Binding::Event => match parse(&data, &self.subscription) {
                Trigger::Ignored { what } => Err(Skip::Ignored(format!("unsupported {what}"))),
                Trigger::Rejected { why } => Err(Skip::Ignored(format!("rejected: {why}"))),
                Trigger::Malformed { why } => {
                    Err(Skip::Malformed(format!("malformed event: {why}")))
                }
                trigger => Ok(trigger),
            },
        }
    }
}

/// Why a request starts no run.
enum Skip {
    /// Another delivery would change nothing.
    Ignored(String),
    /// The event is delivered again, and stored as a dead letter in the end.
    Malformed(String),
}

impl HandlerResponse {
    pub(crate) fn new(status: StatusCode, logs: Vec<String>) -> Self {
        let body = serde_json::to_string(&InvocationResponse::new(logs));
        // Texts and lists can always be serialized.
        Self { status, body: body.unwrap_or_default() }
    }

    /// A failed invocation. The host does not read the lines of its response, so they are logged here.
    fn failed(
        status: StatusCode,
        function: &str,
        request: Request<'_>,
        why: String,
        mut logs: Vec<String>,
    ) -> Self {
        for line in &logs {
            tracing::info!(function, invocation_id = request.invocation_id, "{line}");
        }
        tracing::error!(function, invocation_id = request.invocation_id, error = why, "failed");
        logs.push(why);
        Self::new(status, logs)
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
