//! What each command does, one file each.

mod apply;
mod explain;
mod init;
mod inventory;
mod man;
mod plan;
mod report;
mod restore;
mod simulate;
mod validate;

use clap::CommandFactory;
use clap_complete::Shell;
use steward::policy::Policy;

use crate::args::{Arguments, Command};
use crate::files::{print, print_json};
use crate::outcome::{CommandError, Exit};
use crate::context::Context;

/// Runs a command.
pub async fn run(command: Command, session: &Context) -> Result<Exit, CommandError> {
    match command {
        Command::Plan(arguments) => plan::run(arguments, session).await,
        Command::Apply(arguments) => apply::run(arguments, session).await,
        Command::Explain(arguments) => explain::run(arguments, session).await,
        Command::Report(arguments) => report::run(arguments, session).await,
        Command::Restore(arguments) => restore::run(arguments, session).await,
        Command::Inventory(arguments) => inventory::run(arguments, session).await,
        Command::Simulate(arguments) => simulate::run(arguments, session).await,
        Command::Validate(arguments) => validate::run(arguments),
        Command::Init(arguments) => init::run(arguments, session).await,
        Command::Schema => {
            print_json(&Policy::schema())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
            let script = String::from_utf8_lossy(&script);
            // clap_complete 4.6 writes a name with a dash in two ways, of which bash finds neither.
            print(&match shell {
                Shell::Bash => script.replace("image__subcmd__steward", "image__steward"),
                _ => script.into_owned(),
            })?;
            Ok(Exit::Done)
        }
        Command::Man { out } => man::run(out.as_deref()),
    }
}

/// What the program is called.
const NAME: &str = "image-steward";
