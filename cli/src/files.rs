//! Reading and writing files; `-` is standard input or output.

use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use steward::model::Inventory;
use steward::policy::{DEFAULT_PREFIX, Policy};

use crate::args::PrefixArgs;
use crate::outcome::CommandError;

/// The default policy file.
pub const DEFAULT_POLICY: &str = "policy.toml";
/// The file name for standard input or output.
const STANDARD: &str = "-";

/// The mode of a file that only its owner can read.
const PRIVATE: u32 = 0o600;
/// The mode of any other file, before the umask.
const DEFAULT: u32 = 0o666;

/// Reads the text of a policy.
pub fn read_policy_text(file: &Path) -> Result<String, CommandError> {
    read(file).map_err(|error| match error {
        CommandError::File { file, cause } if cause.kind() == ErrorKind::NotFound => {
            CommandError::NoPolicy { file }
        }
        other => other,
    })
}

pub fn read_policy(file: &Path) -> Result<Policy, CommandError> {
    Ok(Policy::parse(&read_policy_text(file)?, &name_of(file))?)
}

/// The prefix of our tag names: from --prefix, from the policy if there is one, or the default.
pub fn prefix_of(arguments: PrefixArgs) -> Result<String, CommandError> {
    let PrefixArgs { prefix, policy } = arguments;
    let default = Path::new(DEFAULT_POLICY);
    let policy = match (prefix, policy) {
        (Some(prefix), _) => return Ok(prefix),
        (None, Some(file)) => read_policy(&file)?,
        (None, None) if default.exists() => read_policy(default)?,
        (None, None) => return Ok(DEFAULT_PREFIX.to_owned()),
    };
    Ok(policy.tag_names.prefix().to_owned())
}

pub fn read_inventory(file: &Path) -> Result<Inventory, CommandError> {
    Inventory::from_json(&read(file)?)
        .map_err(|cause| CommandError::Inventory { file: name_of(file), cause })
}

pub fn read(file: &Path) -> Result<String, CommandError> {
    let text = if is_standard(file) {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|cause| CommandError::File { file: name_of(file), cause })?;
    // Some editors on Windows write a byte order mark.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Writes a file atomically, or writes to standard output. It keeps an existing link, and the mode
/// of an existing file.
pub fn write(file: &Path, text: &str) -> Result<(), CommandError> {
    write_with(file, text, None)
}

/// Writes a file that describes an account. Only the owner can read it at any time, whatever the
/// mode of the file it replaces. On Windows, the permissions of the directory apply.
pub fn write_private(file: &Path, text: &str) -> Result<(), CommandError> {
    write_with(file, text, Some(PRIVATE))
}

fn write_with(file: &Path, text: &str, mode: Option<u32>) -> Result<(), CommandError> {
    if is_standard(file) {
        return print(text);
    }
    write_file(file, text, mode).map_err(|cause| CommandError::Write { file: name_of(file), cause })
}

/// Without `mode`, the mode is that of the replaced file, or the default limited by the umask.
fn write_file(file: &Path, text: &str, mode: Option<u32>) -> std::io::Result<()> {
    let exists = file.symlink_metadata().is_ok();
    let target = match file.canonicalize() {
        Ok(target) if target.is_file() => target,
        Err(_) if !exists => file.to_owned(),
        // A pipe, a device, or a link to a missing file is opened and written directly.
        _ => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            options.mode(mode.unwrap_or(DEFAULT));
            return options.open(file)?.write_all(text.as_bytes());
        }
    };
    let permissions = match (mode, target.metadata()) {
        (Some(mode), _) => permissions(mode),
        (None, Ok(metadata)) => Some(metadata.permissions()),
        (None, Err(_)) => permissions(DEFAULT),
    };
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    let mut part = builder.tempfile_in(directory.unwrap_or(Path::new(".")))?;
    part.write_all(text.as_bytes())?;
    part.persist(&target)?;
    Ok(())
}

#[cfg(unix)]
fn permissions(mode: u32) -> Option<Permissions> {
    Some(Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permissions(_mode: u32) -> Option<Permissions> {
    None
}

pub fn is_standard(file: &Path) -> bool {
    file == Path::new(STANDARD)
}

/// Fails if more than one of the files is standard input.
pub fn at_most_one_standard<'a>(
    files: impl IntoIterator<Item = Option<&'a PathBuf>>,
) -> Result<(), CommandError> {
    match files.into_iter().flatten().filter(|file| is_standard(file)).count() {
        0 | 1 => Ok(()),
        _ => Err(CommandError::TwoStandardInputs),
    }
}

/// The name of the file in messages.
pub fn name_of(file: &Path) -> String {
    if is_standard(file) { "standard input".to_owned() } else { file.display().to_string() }
}

/// Writes to standard output. A closed pipe (`| head`) is not an error.
pub fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

pub fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints one JSON value per line.
pub fn print_json_lines<T: Serialize>(
    values: impl IntoIterator<Item = T>,
) -> Result<(), CommandError> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(&value)?);
        text.push('\n');
    }
    print(&text)
}
