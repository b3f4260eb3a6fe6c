//! `image-steward`: the command-line interface.

mod args;
mod commands;
mod confirm;
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
mod role_template;
mod strict;
mod two_policies;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use steward::text_fmt::printable;

use crate::context::Context;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "the only place that reads the time of day")]
async fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let context = Context::begin(&arguments, Timestamp::now());
    let result = commands::run(arguments.command, &context).await;
    context.progress.end();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Some errors quote input, which may contain control characters.
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(printable).collect();
            eprintln!("image-steward: {}", lines.join("\n"));
            error.exit().into()
        }
    }
}
