//! What each command does, one file each.

mod apply;
mod explain;
mod inventory;
mod plan;
mod report;
mod restore;
mod simulate;
mod validate;

use clap::CommandFactory;
use steward::policy::Policy;

use crate::arguments::{Arguments, Command};
use crate::files::{print, print_json};
use crate::outcome::{CommandError, Exit};
use crate::session::Session;

/// Runs a command.
pub async fn run(command: Command, session: &Session) -> Result<Exit, CommandError> {
    match command {
        Command::Plan(arguments) => plan::run(arguments, session).await,
        Command::Apply(arguments) => apply::run(arguments, session).await,
        Command::Explain(arguments) => explain::run(arguments, session).await,
        Command::Report(arguments) => report::run(arguments, session).await,
        Command::Restore(arguments) => restore::run(arguments, session).await,
        Command::Inventory(arguments) => inventory::run(arguments, session).await,
        Command::Simulate(arguments) => simulate::run(arguments, session).await,
        Command::Validate(arguments) => validate::run(arguments),
        Command::Schema => {
            print_json(&Policy::schema())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            for command in manual(Arguments::command()) {
                clap_mangen::Man::new(command).render(&mut page)?;
            }
            print(&String::from_utf8_lossy(&page))?;
            Ok(Exit::Done)
        }
    }
}

/// What the program is called.
const NAME: &str = "image-steward";

/// The command, and after it each of its subcommands with all options.
fn manual(mut command: clap::Command) -> Vec<clap::Command> {
    command.build();
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
        .map(|one| one.clone().display_name(format!("{NAME} {}", one.get_name())))
        .collect();
    std::iter::once(command).chain(subcommands).collect()
}
