//! How a command ends: exit codes and errors.

use std::path::PathBuf;
use std::process::ExitCode;

use steward::apply::Status;
use steward::cloud::CloudError;
use steward::inventory::InventoryError;
use steward::policy::PolicyError;

use crate::migrate::MigrateError;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Part,
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Part => 3,
            Exit::Refused => 4,
        })
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::Done,
            Status::Part => Self::Part,
            Status::Failed => Self::Failed,
            Status::Refused => Self::Refused,
        }
    }
}

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("reading {}: {cause}", file.display())]
    File { file: PathBuf, cause: std::io::Error },
    #[error("{} is there already; name another file with --out, or write over it with --force", .0.display())]
    Exists(PathBuf),
    #[error("writing {}: {cause}", file.display())]
    Write { file: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("the policy is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    #[error("{}: {cause}", file.display())]
    Inventory { file: PathBuf, cause: InventoryError },
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("writing the result: {0}")]
    Output(#[from] std::io::Error),
    #[error("writing the result: {0}")]
    Json(#[from] serde_json::Error),
}

impl CommandError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. }
            | Self::Exists(_)
            | Self::Migrate(_)
            | Self::Policy(_)
            | Self::Inventory { .. } => Exit::Usage,
            Self::Cloud(_) | Self::Write { .. } | Self::Output(_) | Self::Json(_) => Exit::Failed,
        }
    }
}
