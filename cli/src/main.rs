//! `image-steward`: the operator's command.

mod arguments;
mod commands;
mod files;
mod interrupt;
mod live;
mod outcome;
mod page;
mod progress;
mod seen;
mod session;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use crate::session::Session;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the clock comes in here, and only here")]
async fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let session = Session::begin(&arguments, Timestamp::now());
    let result = commands::run(arguments.command, &session).await;
    session.progress.end();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("image-steward: {error}");
            error.exit().into()
        }
    }
}
