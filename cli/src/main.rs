//! `image-steward`: the operator's command.

mod arguments;
mod commands;
mod files;
mod live;
mod migrate;
mod outcome;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the clock comes in here, and only here")]
async fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let filter = EnvFilter::new(if arguments.verbose { "steward=debug,warn" } else { "off" });
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match commands::run(arguments, Timestamp::now()).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("image-steward: {error}");
            error.exit().into()
        }
    }
}
