//! The HTTP server to which the Functions host sends invocations.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::functions::FUNCTION_TIMEOUT;
use crate::handler::{Handler, HandlerResponse, Request};

/// The maximum length of a request, in bytes. An event of Event Grid has at most 1 MB, and the host
/// may send it as text in JSON, with two escapes for each quote.
pub const MAX_BODY: usize = 8 * 1024 * 1024;
/// The time within which the host must send a request. It is on the same computer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, for example because no more files can be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The header with the host's ID of the invocation.
const INVOCATION_ID: &str = "X-Azure-Functions-InvocationId";

/// Serves invocations until the program ends. The listener must be on the loopback interface: requests
/// are not authenticated, because the host does not send anything by which it could be recognized.
///
/// A run continues if the host closes the connection, so that it is not interrupted between two calls.
pub async fn serve(listener: TcpListener, handler: Arc<Handler>) -> Infallible {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(handler.clone(), request));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(READ_TIMEOUT);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "only the server reads the clock")]
async fn answer(
    handler: Arc<Handler>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let deadline = Instant::now() + FUNCTION_TIMEOUT;
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY).collect());
    let response = match read.await {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            // A task of its own, because the future of the connection is dropped with the connection.
            let job = tokio::spawn(async move {
                let id = parts.headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok());
                let request = Request {
                    method: &parts.method,
                    path: parts.uri.path(),
                    body: &body,
                    invocation_id: id,
                    deadline,
                };
                handler.respond(request).await
            });
            job.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the run ended unexpectedly");
                failed(StatusCode::INTERNAL_SERVER_ERROR, "the run ended unexpectedly")
            })
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            failed(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large")
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot read the request");
            failed(StatusCode::BAD_REQUEST, "the request is incomplete")
        }
        Err(_) => failed(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    };
    let mut answer = http::Response::new(Full::from(response.body));
    *answer.status_mut() = response.status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

fn failed(status: StatusCode, why: &str) -> HandlerResponse {
    HandlerResponse::new(status, vec![why.to_owned()])
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
