//! The arguments that several commands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use steward::model::{ParseIdError, Region};
use steward::time_input::TimeInput;
use steward_aws::{EndpointError, check_endpoint};

use crate::files::DEFAULT_POLICY;

/// Where the policy is.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// The policy, TOML or JSON.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_POLICY)]
    pub policy: PathBuf,
}

/// What the names of our tags begin with.
#[derive(Debug, Args)]
pub struct PrefixArgs {
    /// What the names of image-steward's tags begin with, instead of `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// The policy that has `tagging.prefix`; without it `policy.toml`, if there is one.
    #[arg(long, value_name = "FILE", conflicts_with = "prefix")]
    pub policy: Option<PathBuf>,
}

/// Which account and Region.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which account")]
pub struct AwsArgs {
    /// The Region, instead of AWS_REGION or the profile's.
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
    /// The profile, instead of AWS_PROFILE.
    #[arg(long)]
    pub profile: Option<String>,
    /// Where the services answer, instead of AWS_ENDPOINT_URL: for a stand-in.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint_url: Option<String>,
}

fn region(text: &str) -> Result<String, ParseIdError> {
    text.parse().map(|region: Region| region.to_string())
}

fn endpoint(text: &str) -> Result<String, EndpointError> {
    check_endpoint(text).map(|()| text.to_owned())
}

/// The world that a command is about: an account, or a saved inventory.
#[derive(Debug, Args)]
pub struct WorldArgs {
    #[command(flatten)]
    pub place: AwsArgs,
    /// Look at a saved inventory instead of the account.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile", "endpoint_url"])]
    pub inventory: Option<PathBuf>,
    /// Plan for this time instead of now: a date, a time (UTC unless it has a zone), a word such as
    /// `tomorrow`, or a duration from now, such as `2w` or `2w ago`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub now: Option<TimeInput>,
}

/// How to write the result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// A table for people, or JSON.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// How to write the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}
