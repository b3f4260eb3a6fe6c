//! `image-steward`: the operator's command.

mod args;
mod commands;
mod context;
mod files;
mod gate;
mod interrupt;
mod live;
mod load;
mod outcome;
mod page;
mod plan_output;
mod progress;
mod strict;
mod two_policies;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use steward::text_fmt::printable;

use crate::context::Context;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "the clock comes in here, and only here")]
async fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let context = Context::begin(&arguments, Timestamp::now());
    let result = commands::run(arguments.command, &context).await;
    context.progress.end();
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
