//! The function `prune-images`: the schedule: retire the images that the policy does not keep.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use steward_lambda::{Function, Invocation, FunctionKind};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "clock and environment come in here, and only here")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).init();
    let started = Function::start(FunctionKind::PruneImages, |name| std::env::var(name).ok()).await;
    let function = started.map_err(|error| {
        tracing::error!(%error, "cannot start");
        error.to_string()
    })?;
    let function = &function;
    run(service_fn(async move |event: LambdaEvent<Value>| {
        let (begun, deadline) = (Instant::now(), event.context.deadline());
        let left = || deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let arn = &event.context.invoked_function_arn;
        let invocation = Invocation { event: &event.payload, arn, now: Timestamp::now() };
        let answer = function.answer(invocation, left, || begun.elapsed()).await;
        answer.map_err(|error| Diagnostic {
            error_type: "image-steward".to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}
