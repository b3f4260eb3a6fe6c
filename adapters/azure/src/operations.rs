//! Long-running operations.
//!
//! A call that starts an operation returns the URL at which its state is read:
//! `Azure-AsyncOperation`, else `Location`. The URL is signed. It is called as it is, and never
//! logged. A run does not wait for the end, because a later run sees what became of it;
//! [`Client::wait`] is for a person who waits.

use std::fmt;
use std::time::Duration;

use azure_core::http::{Method, Url};
use serde::Deserialize;
use steward::cloud::{CloudError, ErrorKind};
use steward::model::Deadline;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{ErrorDetail, bad_response, one_line, operation_failed};
use crate::reply::Reply;
use crate::response_check::parse;
use crate::retry::retry_after;
use crate::send::Outgoing;

/// The interval between two polls, if no response names one. The deletion of a gallery image version
/// takes some minutes.
const POLL_EVERY: Duration = Duration::from_secs(10);
/// The name of polls. They have another budget than the call that started the operation.
const POLL: &str = "operation status";
/// The shortest and the longest interval that a response can ask for.
const POLL_AT_LEAST: Duration = Duration::from_secs(1);
const POLL_AT_MOST: Duration = Duration::from_secs(300);

/// What a change did.
#[derive(Debug)]
pub enum Started {
    /// The change is complete.
    Done,
    /// Azure accepted the change and continues it.
    Running(Operation),
    /// The resource to delete does not exist.
    NotFound,
}

/// A running operation.
pub struct Operation {
    call: &'static str,
    /// Where to read its state, or why it cannot be read. The operation runs in any case.
    at: Result<PollUrl, String>,
    interval: Option<Duration>,
}

/// Omits the URL, which is signed.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("call", &self.call).finish_non_exhaustive()
    }
}

/// The two protocols of polling.
#[derive(Clone)]
enum PollUrl {
    /// The response has a `status`.
    State(Url),
    /// The response has HTTP status 202 until the operation ends.
    Location(Url),
}

/// The state of an operation.
#[derive(Deserialize)]
struct OperationState {
    status: String,
    error: Option<ErrorDetail>,
}

/// The part of a resource that shows whether a change of it is complete.
#[derive(Deserialize)]
struct ResourceState {
    properties: Option<ProvisioningState>,
}

#[derive(Deserialize)]
struct ProvisioningState {
    #[serde(rename = "provisioningState")]
    state: Option<String>,
}

impl Started {
    /// The result of a PUT, PATCH or POST.
    ///
    /// # Errors
    /// The response is an error, or shows the resource as failed.
    pub(crate) fn of(reply: Reply, endpoint: &Endpoint) -> Result<Self, CloudError> {
        let reply = reply.expect(&[200, 201, 202, 204])?;
        if let Some(operation) = Operation::of(&reply, endpoint) {
            return Ok(Self::Running(operation));
        }
        if matches!(reply.status, 204) || reply.body.trim_ascii().is_empty() {
            return Ok(Self::Done);
        }
        let resource: ResourceState = parse(&reply)?;
        let Some(state) = resource.properties.and_then(|properties| properties.state) else {
            return Ok(Self::Done);
        };
        match Ending::of(&state) {
            Some(Ending::Succeeded) => Ok(Self::Done),
            Some(Ending::Failed) => {
                Err(bad_response(reply.call, format!("the resource is {state} after the change")))
            }
            None => Ok(Self::Running(Operation {
                call: reply.call,
                at: Err(format!("the resource is {state}, and no operation was named")),
                interval: None,
            })),
        }
    }

    /// The result of a DELETE. A resource that does not exist has status 204 or 404.
    ///
    /// # Errors
    /// The response is another error.
    pub(crate) fn of_delete(reply: Reply, endpoint: &Endpoint) -> Result<Self, CloudError> {
        match reply.expect(&[200, 202, 204]) {
            Ok(reply) if reply.status == 204 => Ok(Self::NotFound),
            Ok(reply) => Ok(Operation::of(&reply, endpoint).map_or(Self::Done, Self::Running)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Self::NotFound),
            Err(error) => Err(error),
        }
    }
}

/// How an operation can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Succeeded,
    Failed,
}

impl Ending {
    /// `None` for any other state: by the documentation of Azure Resource Manager ("Track
    /// asynchronous Azure operations"), only these three mean that the operation has ended. So an
    /// unknown state is polled until the deadline.
    fn of(state: &str) -> Option<Self> {
        if state.eq_ignore_ascii_case("Succeeded") {
            Some(Self::Succeeded)
        } else if ["Failed", "Canceled", "Cancelled"]
            .iter()
            .any(|end| end.eq_ignore_ascii_case(state))
        {
            Some(Self::Failed)
        } else {
            None
        }
    }
}

impl Operation {
    /// The operation that a response names. A response with status 202 always has one.
    fn of(reply: &Reply, endpoint: &Endpoint) -> Option<Self> {
        let state = reply.header("azure-asyncoperation").map(|link| (link, true));
        let named = state.or_else(|| reply.header("location").map(|link| (link, false)));
        let at = match named {
            Some((link, is_state)) => match endpoint.link(link) {
                Ok(url) if is_state => Ok(PollUrl::State(url)),
                Ok(url) => Ok(PollUrl::Location(url)),
                Err(problem) => Err(format!("its URL is not called: {problem}")),
            },
            None if reply.status == 202 => Err("the response contains no URL for it".to_owned()),
            None => return None,
        };
        Some(Self { call: reply.call, at, interval: retry_after(reply) })
    }
}

impl Client {
    /// Waits until `operation` has ended.
    ///
    /// # Errors
    /// The operation failed, its state cannot be read, or the next poll would be after the deadline.
    pub async fn wait(
        &self,
        operation: &Operation,
        deadline: &dyn Deadline,
    ) -> Result<(), CloudError> {
        let Operation { call, at, interval } = operation;
        let call = *call;
        let mut at = match at {
            Ok(at) => at.clone(),
            Err(problem) => {
                let message = format!("the operation was started, but not waited for: {problem}");
                return Err(bad_response(call, message));
            }
        };
        let mut interval = *interval;
        let mut state = "running".to_owned();
        loop {
            let wait = interval.unwrap_or(POLL_EVERY).clamp(POLL_AT_LEAST, POLL_AT_MOST);
            if deadline.left() <= wait {
                return Err(bad_response(call, format!("the operation is still {state}")));
            }
            self.inner.time.sleep(wait).await;
            let (PollUrl::State(url) | PollUrl::Location(url)) = &at;
            let poll = Outgoing::new(call, Method::Get, url.clone());
            let reply = self.send(Outgoing { counted_as: POLL, ..poll }).await?;
            interval = retry_after(&reply);
            match at {
                PollUrl::State(_) => {
                    let found: OperationState = parse(&reply.expect(&[200, 202])?)?;
                    match Ending::of(&found.status) {
                        Some(Ending::Succeeded) => return Ok(()),
                        Some(Ending::Failed) => {
                            let mut error = found.error.unwrap_or_default();
                            if error.code.is_empty() {
                                error.code = found.status;
                            }
                            return Err(operation_failed(call, &error));
                        }
                        None => state = one_line(&found.status),
                    }
                }
                PollUrl::Location(_) => {
                    let reply = reply.expect(&[200, 201, 202, 204])?;
                    if reply.status != 202 {
                        return Ok(());
                    }
                    if let Some(link) = reply.header("location") {
                        let url = self.inner.endpoint.link(link).map_err(|problem| {
                            let message =
                                format!("the URL of the operation is not called: {problem}");
                            bad_response(call, message)
                        })?;
                        at = PollUrl::Location(url);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
