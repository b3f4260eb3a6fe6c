//! `report`: a page for people.

use crate::arguments;
use crate::outcome::{CommandError, Exit};
use crate::session::Session;

/// Runs `report`.
pub async fn run(_: arguments::Report, _: &Session) -> Result<Exit, CommandError> {
    Ok(Exit::Done)
}
