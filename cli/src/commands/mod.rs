//! The commands, one file each.

mod apply;
mod converted;
mod explain;
mod init;
mod inventory;
mod keep;
mod man;
mod permissions;
mod plan;
mod report;
mod restore;
mod show;
mod simulate;
mod stale;
mod validate;

use clap::CommandFactory;
use clap_complete::Shell;
use steward::policy::Policy;

use crate::args::{Arguments, Command};
use crate::context::Context;
use crate::files::{print, print_json};
use crate::outcome::{CommandError, Exit};

/// Runs a command.
pub async fn run(command: Command, context: &Context) -> Result<Exit, CommandError> {
    match command {
        Command::Plan(arguments) => plan::run(arguments, context).await,
        Command::Show(arguments) => show::run(arguments, context),
        Command::Stale(arguments) => stale::run(arguments, context).await,
        Command::Apply(arguments) => apply::run(arguments, context).await,
        Command::Explain(arguments) => explain::run(arguments, context).await,
        Command::Report(arguments) => report::run(arguments, context).await,
        Command::Restore(arguments) => restore::run(arguments, context).await,
        Command::Keep(arguments) => keep::keep(arguments, context).await,
        Command::Unkeep(arguments) => keep::unkeep(arguments, context).await,
        Command::Inventory(arguments) => inventory::run(arguments, context).await,
        Command::Simulate(arguments) => simulate::run(arguments, context).await,
        Command::Validate(arguments) => validate::run(arguments, context),
        Command::Init(arguments) => init::run(arguments, context).await,
        Command::Permissions(arguments) => permissions::run(arguments, context),
        Command::Schema => {
            print_json(&Policy::schema())?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
            let script = String::from_utf8_lossy(&script);
            // clap_complete 4.6 writes a name with a dash in two inconsistent ways, which breaks
            // bash.
            print(&match shell {
                Shell::Bash => script.replace("image__subcmd__steward", "image__steward"),
                _ => script.into_owned(),
            })?;
            Ok(Exit::Done)
        }
        Command::Man { out } => man::run(out.as_deref()),
    }
}

/// The name of the program.
const NAME: &str = "image-steward";
