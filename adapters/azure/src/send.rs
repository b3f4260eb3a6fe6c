//! Sending a call: token, rate limit, attempts and time limits.

use std::pin::pin;
use std::time::Duration;

use azure_core::Bytes;
use azure_core::http::headers::{self, HeaderName};
use azure_core::http::{AsyncRawResponse, Method, Request, Url};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use steward::cloud::{CloudError, Freshness};
use steward::progress::{Pacing, ProgressEvent};
use steward::text_fmt::thousands;

use crate::client::{Client, Inner};
use crate::endpoint::subscription_of;
use crate::error::{bad_response, causes, failed, no_token, not_reached, throttled};
use crate::rate_limit::BlockedFor;
use crate::reply::Reply;
use crate::response_check::MAX_BODY;
use crate::retry::{MAX_ATTEMPTS, MAX_RETRY_AFTER, backoff, is_transient, retry_after};

/// Time limit for one attempt, with its response. Azure Resource Manager itself gives a resource
/// provider about a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);
const TIMED_OUT: &str = "no complete response within 90 seconds";

/// A call that was not sent yet. Its URL may be signed, so it is never logged.
pub(crate) struct Outgoing {
    pub(crate) call: &'static str,
    /// The name under which its rate limit is kept and it is counted: `call`, unless it is a poll.
    pub(crate) counted_as: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Bytes>,
}

impl Outgoing {
    pub(crate) fn new(call: &'static str, method: Method, url: Url) -> Self {
        Self { call, counted_as: call, method, url, body: None }
    }
}

impl Client {
    /// Sends a call until there is a response, at most [`MAX_ATTEMPTS`] times. The response may have any
    /// status that another attempt would not change.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Reply, CloudError> {
        let call = outgoing.call;
        match self.send_if_fresh(outgoing, &|| true).await? {
            Some(reply) => Ok(reply),
            None => Err(bad_response(call, "the call was not sent".to_owned())),
        }
    }

    /// Like `send`, but asks `check` right before each attempt. Returns `None` if nothing was sent.
    /// If only another attempt was not sent, returns the error of the last one.
    pub(crate) async fn send_if_fresh(
        &self,
        outgoing: Outgoing,
        check: Freshness<'_>,
    ) -> Result<Option<Reply>, CloudError> {
        let Inner { limits, time, progress, tokens, .. } = &*self.inner;
        let Outgoing { call, counted_as, .. } = outgoing;
        let subscription = subscription_of(&outgoing.url);
        let mut last_error = None;
        let mut token_was_rejected = false;
        for attempt in 1..=MAX_ATTEMPTS {
            // Do not use the budget if the check is already too old.
            if !check() {
                return last_error.map_or(Ok(None), Err);
            }
            let token = tokens.get().await.map_err(|error| no_token(call, &error))?;
            let delay = match limits.delay(&subscription, counted_as, time.now()) {
                Ok(delay) => delay,
                Err(BlockedFor(wait)) => {
                    return Err(last_error.unwrap_or_else(|| throttled(call, wait)));
                }
            };
            if !delay.is_zero() {
                time.sleep(delay).await;
            }
            let permit = self.inner.concurrent.acquire().await;
            if !check() {
                return last_error.map_or(Ok(None), Err);
            }
            if attempt == 1 {
                let pacing = if delay.is_zero() { Pacing::Immediate } else { Pacing::Delayed };
                progress.report(ProgressEvent::Call { name: counted_as, pacing });
            }
            tracing::debug!(call, attempt, "calling");
            let request = self.request(&outgoing, token.secret());
            let answer = self.attempt(call, &request).await;
            drop(permit);
            let wait = match answer {
                Ok(reply) => {
                    limits.observe(&subscription, counted_as, &reply, time.now());
                    if reply.status == 401 && !token_was_rejected {
                        // The token may have been revoked. Another one is requested once.
                        token_was_rejected = true;
                        tokens.reject(&token).await;
                        last_error = Some(failed(&reply));
                        continue;
                    }
                    if !is_transient(reply.status) {
                        return Ok(Some(reply));
                    }
                    progress.report(ProgressEvent::Throttled);
                    let error = failed(&reply);
                    let asked = retry_after(&reply);
                    if let Some(asked) = asked.filter(|_| reply.status == 429) {
                        // Concurrent calls of the same kind would be throttled, too.
                        limits.block(&subscription, counted_as, time.now(), asked);
                    }
                    if let Some(asked) = asked.filter(|asked| *asked > MAX_RETRY_AFTER) {
                        let seconds = thousands(asked.as_secs());
                        let message = format!("{}; retry after {seconds} seconds", error.message);
                        return Err(CloudError { message, ..error });
                    }
                    last_error = Some(error);
                    asked
                }
                Err(AttemptError::NotReached(cause)) => {
                    last_error = Some(not_reached(call, &cause));
                    None
                }
                Err(AttemptError::TooLarge) => {
                    let limit = thousands(MAX_BODY);
                    let message = format!("unusable response: more than {limit} bytes");
                    return Err(bad_response(call, message));
                }
            };
            if attempt < MAX_ATTEMPTS {
                let least = backoff(self.inner.first_backoff, attempt);
                time.sleep(wait.unwrap_or_default().max(least)).await;
            }
        }
        Err(last_error.unwrap_or_else(|| bad_response(call, "the call was not sent".to_owned())))
    }

    fn request(&self, outgoing: &Outgoing, token: &str) -> Request {
        let mut request = Request::new(outgoing.url.clone(), outgoing.method);
        request.insert_header(headers::AUTHORIZATION, format!("Bearer {token}"));
        request.insert_header(headers::ACCEPT, "application/json");
        request.insert_header(headers::USER_AGENT, self.inner.user_agent.clone());
        match &outgoing.body {
            Some(body) => {
                request.insert_header(headers::CONTENT_TYPE, "application/json");
                request.set_body(body.clone());
            }
            // Some servers require the length of a POST without a body.
            None if outgoing.method == Method::Post => {
                request.insert_header(HeaderName::from_static("content-length"), "0");
            }
            None => {}
        }
        request
    }

    /// Sends a request once and reads its response to the end.
    async fn attempt(&self, call: &'static str, request: &Request) -> Result<Reply, AttemptError> {
        let answer = pin!(async {
            let response = self.inner.transport.execute_request(request).await?;
            read(call, response).await
        });
        match select(answer, self.inner.time.sleep(ANSWER_WITHIN)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(AttemptError::NotReached(TIMED_OUT.to_owned())),
        }
    }
}

/// Why an attempt has no response.
enum AttemptError {
    /// The connection failed, or its response did not end.
    NotReached(String),
    /// The response exceeds [`MAX_BODY`].
    TooLarge,
}

impl From<azure_core::Error> for AttemptError {
    fn from(error: azure_core::Error) -> Self {
        Self::NotReached(causes(&error))
    }
}

async fn read(call: &'static str, response: AsyncRawResponse) -> Result<Reply, AttemptError> {
    let (status, headers, mut stream) = response.deconstruct();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(AttemptError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { call, status: status.into(), headers, body: body.into() })
}

#[cfg(test)]
mod tests;
