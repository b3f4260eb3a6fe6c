//! steward as AWS Lambda functions: settings, event in, answer out.
//!
//! A function's binary is one call of [`run`]. This is the only place where clock and environment
//! come in.

mod function;
mod settings;

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;

pub use function::{Function, FunctionError, Invocation};
pub use settings::{PolicySource, Settings};
pub use steward::jobs::FunctionKind;

/// Runs a function until the Lambda runtime ends it.
///
/// # Errors
/// When the function cannot start: settings without a meaning, or no Region.
#[expect(clippy::disallowed_methods, reason = "clock and environment come in here, and only here")]
pub async fn run(kind: FunctionKind) -> Result<(), Error> {
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).init();
    let started = Function::start(kind, |name| std::env::var(name).ok()).await;
    let function = started.map_err(|error| {
        tracing::error!(%error, "cannot start");
        error.to_string()
    })?;
    let function = &function;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let (begun, deadline) = (Instant::now(), event.context.deadline());
        let left = || deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let arn = &event.context.invoked_function_arn;
        let invocation = Invocation { event: &event.payload, arn, now: Timestamp::now() };
        // On the heap: the future of a whole run is large.
        let answer = Box::pin(function.answer(invocation, left, || begun.elapsed())).await;
        answer.map_err(|error| Diagnostic {
            error_type: "image-steward".to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}
