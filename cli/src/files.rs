//! What is read from files and written to standard output.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use steward::inventory::Inventory;
use steward::policy::Policy;

use crate::outcome::CommandError;

pub fn read_policy(file: &Path) -> Result<Policy, CommandError> {
    Ok(Policy::parse(&read(file)?, &file.display().to_string())?)
}

pub fn read_inventory(file: &Path) -> Result<Inventory, CommandError> {
    Inventory::from_json(&read(file)?)
        .map_err(|cause| CommandError::Inventory { file: file.to_owned(), cause })
}

pub fn read(file: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(file)
        .map_err(|cause| CommandError::File { file: file.to_owned(), cause })
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

pub fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
