//! Starting the program.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

use crate::azure_jobs::AzureJobs;
use crate::handler::Handler;
use crate::server::serve;
use crate::settings::{AppSettings, SettingsError};

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    AppSettings(#[from] SettingsError),
    #[error("cannot listen on port {port}: {message}")]
    Port { port: u16, message: std::io::Error },
}

/// Runs the functions until the Functions host stops the program. Writes its log to standard output,
/// as JSON, which the host passes on.
///
/// Returns only if the program cannot start: a setting is invalid, or the port is in use.
pub async fn run() -> ExitCode {
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    lines.with_max_level(LevelFilter::INFO).init();
    match start().await {
        Ok(never) => match never {},
        Err(error) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only the start of the program reads the environment"
)]
async fn start() -> Result<Infallible, StartError> {
    let settings = AppSettings::from_vars(|name| std::env::var(name).ok())?;
    let (port, mode, subscription) = (settings.port, settings.mode, settings.subscription.clone());
    // The host connects to 127.0.0.1.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|message| StartError::Port { port, message })?;
    let handler = Handler::new(Arc::new(AzureJobs::new(settings)), subscription.clone());
    tracing::info!(port, ?mode, %subscription, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(serve(listener, Arc::new(handler)).await)
}
