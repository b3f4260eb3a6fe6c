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
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

pub use function::{Function, FunctionError, Invocation};
pub use settings::{PolicySource, Settings, TEMPLATE_VERSION};
pub use steward::jobs::FunctionKind;

/// The variable that Lambda sets to the log level that a function's advanced logging controls have.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// The level of the log: Lambda's words, of which tracing does not know `FATAL`; by default `INFO`.
/// lambda_runtime has a subscriber that reads the same variable, but its lines have neither the time
/// nor the fields at the top, and it needs a crate for filters.
fn log_level(told: Option<&str>) -> LevelFilter {
    match told {
        Some(level) if level.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        // Not as a filter, which would take an empty text for `ERROR`, and know `OFF`.
        Some(level) => level.parse::<Level>().map_or(LevelFilter::INFO, LevelFilter::from_level),
        None => LevelFilter::INFO,
    }
}

/// Runs a function until the Lambda runtime ends it.
///
/// # Errors
/// When the function cannot start: settings without a meaning, or no Region.
#[expect(clippy::disallowed_methods, reason = "clock and environment come in here, and only here")]
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
        // On the heap: the future of a whole run is large.
        let answer = Box::pin(function.answer(invocation, left, || begun.elapsed())).await;
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
