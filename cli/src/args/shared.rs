//! Arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use steward::model::{ParseIdError, Region};
use steward::time_input::TimeInput;
use steward_aws::{EndpointError, check_endpoint};

use crate::files::DEFAULT_POLICY;

/// The file of the policy.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Policy file, TOML or JSON.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_POLICY)]
    pub policy: PathBuf,
}

/// The prefix of the names of our tags.
#[derive(Debug, Args)]
pub struct PrefixArgs {
    /// Prefix of image-steward's tag names; overrides `tagging.prefix` in the policy.
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// Policy file that sets `tagging.prefix` [default: policy.toml, if it exists].
    #[arg(long, value_name = "FILE", conflicts_with = "prefix")]
    pub policy: Option<PathBuf>,
}

/// Region, credentials and endpoint for AWS.
#[derive(Debug, Args)]
#[command(next_help_heading = "AWS options")]
pub struct AwsArgs {
    /// AWS Region; overrides AWS_REGION and the profile.
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
    /// AWS profile; overrides AWS_PROFILE.
    #[arg(long)]
    pub profile: Option<String>,
    /// Endpoint URL of a test server; overrides AWS_ENDPOINT_URL.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint_url: Option<String>,
}

fn region(text: &str) -> Result<String, ParseIdError> {
    text.parse().map(|region: Region| region.to_string())
}

fn endpoint(text: &str) -> Result<String, EndpointError> {
    check_endpoint(text).map(|()| text.to_owned())
}

/// What a command reads: an account, or a saved inventory.
#[derive(Debug, Args)]
pub struct InputArgs {
    #[command(flatten)]
    pub place: AwsArgs,
    /// Read a saved inventory instead of the account.
    #[arg(
        help_heading = "Input options",
        long,
        value_name = "FILE",
        conflicts_with_all = ["region", "profile", "endpoint_url"]
    )]
    pub inventory: Option<PathBuf>,
    /// Plan for this time instead of now
    ///
    /// A date, a time (UTC unless it has a zone), a word such as `tomorrow`, or a duration from now
    /// such as `2w` or `2w ago`.
    #[arg(help_heading = "Input options", long, value_name = "TIME", allow_hyphen_values = true)]
    pub now: Option<TimeInput>,
}

/// Output options of a command with a short result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub struct OutputArgs {
    /// Table or JSON.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// The output format of a short result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}
