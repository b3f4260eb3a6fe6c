//! How a command ends: exit codes and errors.

use std::process::ExitCode;

use steward::apply::Status;
use steward::cloud::CloudError;
use steward::model::InventoryError;
use steward::policy::PolicyError;
use steward::saved_plan::SavedPlanError;
use steward_aws::AbsentListError;

use steward_migrate::MigrateError;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Part,
    Refused,
    Gate,
}

/// The exit code after Ctrl-C, unless what was done is in the report: 128 and the signal's number.
pub const INTERRUPTED: i32 = 130;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Part => 3,
            Exit::Refused => 4,
            Exit::Gate => 5,
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
    #[error("reading {file}: {cause}")]
    File { file: String, cause: std::io::Error },
    #[error(
        "{file} not found: name the policy with --policy, or let `image-steward init` write a first one"
    )]
    NoPolicy { file: String },
    #[error(
        "{file} not found: a saved plan is applied under a policy that you name, with --policy FILE or \
         --expect-policy DIGEST"
    )]
    NoPolicyForPlan { file: String },
    #[error("writing {file}: {cause}")]
    Write { file: String, cause: std::io::Error },
    #[error("{file} is there already; name another file with --out, or write over it with --force")]
    Exists { file: String },
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("the policy is not valid:\n{0}")]
    Policy(#[from] PolicyError),
    #[error("{file}: {cause}")]
    Inventory { file: String, cause: InventoryError },
    #[error("{file}: {cause}")]
    Plan { file: String, cause: SavedPlanError },
    #[error("only one of the files can be standard input")]
    TwoStandardInputs,
    #[error(transparent)]
    AbsentList(#[from] AbsentListError),
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
            | Self::NoPolicy { .. }
            | Self::NoPolicyForPlan { .. }
            | Self::Exists { .. }
            | Self::Migrate(_)
            | Self::Policy(_)
            | Self::Inventory { .. }
            | Self::Plan { .. }
            | Self::AbsentList(_)
            | Self::TwoStandardInputs => Exit::Usage,
            Self::Write { .. } | Self::Cloud(_) | Self::Output(_) | Self::Json(_) => Exit::Failed,
        }
    }
}
