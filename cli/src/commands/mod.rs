//! What each command does, one file each.

mod apply;
mod init;
mod inventory;
mod plan;
mod restore;
mod validate;

use jiff::Timestamp;
use steward::policy::Policy;

use crate::arguments::{Arguments, Command};
use crate::files::print_json;
use crate::outcome::{CommandError, Exit};

/// Runs a command at the time `now`.
pub async fn run(arguments: Arguments, now: Timestamp) -> Result<Exit, CommandError> {
    match arguments.command {
        Command::Plan(arguments) => plan::run(arguments, now).await,
        Command::Apply(arguments) => apply::run(arguments, now).await,
        Command::Restore(arguments) => restore::run(arguments, now).await,
        Command::Inventory(arguments) => inventory::run(arguments, now).await,
        Command::Validate(arguments) => validate::run(arguments),
        Command::Init(arguments) => init::run(arguments, now).await,
        Command::Schema => {
            print_json(&Policy::schema())?;
            Ok(Exit::Done)
        }
    }
}
