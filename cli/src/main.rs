//! `image-steward`: the operator's command.

mod arguments;
mod commands;
mod files;
mod interrupt;
mod live;
mod migrate;
mod outcome;
mod page;
mod progress;
mod seen;
mod session;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use steward::text_fmt::printable;

use crate::context::Context;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the clock comes in here, and only here")]
async fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let session = Context::begin(&arguments, Timestamp::now());
    let result = commands::run(arguments.command, &session).await;
    session.progress.end();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // What was read stands in some of them, and may hold anything.
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(printable).collect();
            eprintln!("image-steward: {}", lines.join("\n"));
            error.exit().into()
        }
    }
}
