//! Exit codes and errors of the commands.

use std::process::ExitCode;

use steward::apply::Status;
use steward::cloud::CloudError;
use steward::collect::{FindError, NameError};
use steward::model::{InventoryError, KeepTagError};
use steward::policy::{PolicyError, UnsupportedPolicy};
use steward::saved_plan::SavedPlanError;
use steward::time_input::TimeInputError;
use steward_aws::{AbsentListError, MAX_INLINE_POLICY};

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

/// The exit code after Ctrl-C, unless the command reports its changes: 128 plus the signal number.
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

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("cannot read {file}: {cause}")]
    File { file: String, cause: std::io::Error },
    #[error("{file} not found; pass --policy, or run `image-steward init`")]
    NoPolicy { file: String },
    #[error(
        "{file} not found; a saved plan needs its policy: pass --policy FILE or --expect-policy DIGEST"
    )]
    NoPolicyForPlan { file: String },
    #[error("cannot write {file}: {cause}")]
    Write { file: String, cause: std::io::Error },
    #[error("{file} already exists; use --out or --force")]
    Exists { file: String },
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("invalid policy:\n{0}")]
    Policy(#[from] PolicyError),
    #[error("{file}: {cause}")]
    Inventory { file: String, cause: InventoryError },
    #[error("{file}: {cause}")]
    Plan { file: String, cause: SavedPlanError },
    #[error("no family matches {family}; some families in the plan: {known}")]
    NoFamily { family: String, known: String },
    #[error(
        "--by tag:KEY: a saved plan contains no tags; use `plan --by tag:KEY`, --by rule or --by family"
    )]
    NoTags,
    #[error(
        "--sort and --by cannot be used with --format markdown; use --format table or --format json"
    )]
    NotInMarkdown,
    #[error("{option}: {cause}")]
    Time { option: &'static str, cause: TimeInputError },
    #[error(
        "cannot ask for confirmation without a terminal; pass --yes, or save and apply a plan \
         (`plan --out plan.json`, then `apply plan.json`)"
    )]
    NotConfirmed,
    #[error("--reason: {0}")]
    Reason(#[from] KeepTagError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("only one file can be read from standard input")]
    TwoStandardInputs,
    #[error("--trust requires a role; add --format cloudformation or --format terraform")]
    TrustWithoutRole,
    #[error(
        "the IAM policy is too large: {size} characters, but a role allows only {MAX_INLINE_POLICY}; \
         combine parameters, for example --image-parameter '/golden/*'"
    )]
    PolicyTooLarge { size: usize },
    #[error(transparent)]
    UnsupportedPolicy(#[from] UnsupportedPolicy),
    #[error(transparent)]
    AbsentList(#[from] AbsentListError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot write the result: {0}")]
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
            | Self::NoFamily { .. }
            | Self::NoTags
            | Self::NotInMarkdown
            | Self::Plan { .. }
            | Self::Time { .. }
            | Self::NotConfirmed
            | Self::Reason(_)
            | Self::Name(NameError::Ambiguous { .. })
            | Self::UnsupportedPolicy(_)
            | Self::AbsentList(_)
            | Self::TwoStandardInputs
            | Self::TrustWithoutRole
            | Self::PolicyTooLarge { .. } => Exit::Usage,
            Self::Name(NameError::Unknown { .. }) => Exit::Failed,
            Self::Write { .. } | Self::Cloud(_) | Self::Output(_) | Self::Json(_) => Exit::Failed,
        }
    }
}

impl From<FindError> for CommandError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Name(error) => Self::Name(error),
            FindError::Cloud(error) => Self::Cloud(error),
        }
    }
}
