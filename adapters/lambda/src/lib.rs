//! Runs `steward` as AWS Lambda functions: reads the settings, processes events, returns responses.
//!
//! The binary of a function only calls [`run`]. Only this crate reads the clock and the environment.

mod function;
mod settings;

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

pub use function::{Function, FunctionError, Invocation};
pub use settings::{PolicySource, Settings, TEMPLATE_VERSION};
pub use steward::jobs::FunctionKind;

/// The environment variable that Lambda sets to the log level in the function's advanced logging controls.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// The log level for Lambda's name of it, `INFO` by default. tracing does not have Lambda's `FATAL`.
/// The subscriber of lambda_runtime also reads this variable. It is not used: its lines lack the time
/// and top-level fields, and it needs a crate for filters.
fn log_level(name: Option<&str>) -> LevelFilter {
    match name {
        Some(level) if level.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        // Parsing a filter would accept an empty text as `ERROR`, and accept `OFF`.
        Some(level) => level.parse::<Level>().map_or(LevelFilter::INFO, LevelFilter::from_level),
        None => LevelFilter::INFO,
    }
}

/// Runs a function until the Lambda runtime stops it.
///
/// # Errors
/// The function cannot start: a setting is invalid, or no Region is set.
#[expect(
    clippy::disallowed_methods,
    reason = "only this function reads the clock and the environment"
)]
pub async fn run(kind: FunctionKind) -> Result<(), Error> {
    let level = log_level(std::env::var(LOG_LEVEL).ok().as_deref());
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    lines.with_max_level(level).init();
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
        // On the heap, because the future of a run is large.
        let answer = Box::pin(function.respond(invocation, left, || begun.elapsed())).await;
        answer.map_err(|error| Diagnostic {
            error_type: "image-steward".to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_level_is_lambdas() {
        for (told, level) in [
            (None, LevelFilter::INFO),
            (Some(""), LevelFilter::INFO),
            (Some("TRACE"), LevelFilter::TRACE),
            (Some("DEBUG"), LevelFilter::DEBUG),
            (Some("INFO"), LevelFilter::INFO),
            (Some("WARN"), LevelFilter::WARN),
            (Some("ERROR"), LevelFilter::ERROR),
            (Some("FATAL"), LevelFilter::ERROR),
            (Some("LOUD"), LevelFilter::INFO),
            (Some("OFF"), LevelFilter::INFO),
        ] {
            assert_eq!(log_level(told), level, "{told:?}");
        }
    }
}
