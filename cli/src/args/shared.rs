//! Arguments that several commands share.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use steward::model::{AccountId, ParseIdError, Provider, Region};
use steward::time_input::TimeInput;
use steward_aws::{EndpointError, check_endpoint};
use steward_azure::CredentialKind;
use strum::VariantNames;

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

/// The account: an AWS account and Region, or an Azure subscription.
#[derive(Debug, Args)]
#[command(next_help_heading = "AWS options")]
pub struct AccountArgs {
    /// AWS Region; overrides AWS_REGION and the profile.
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
    /// AWS profile; overrides AWS_PROFILE.
    #[arg(long)]
    pub profile: Option<String>,
    /// Endpoint URL of a test server; overrides AWS_ENDPOINT_URL. With --subscription: the URL of
    /// Azure Resource Manager in a sovereign cloud, or of a test server.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint_url: Option<String>,
    #[command(flatten)]
    pub azure: AzureArgs,
}

/// The options that every command with an account accepts, by which a saved inventory excludes them.
pub const ACCOUNT_OPTIONS: [&str; 5] =
    ["region", "profile", "endpoint_url", "subscription", "credentials"];

/// Subscription and credentials for Azure.
#[derive(Debug, Args)]
#[command(next_help_heading = "Azure options")]
pub struct AzureArgs {
    /// ID of an Azure subscription. Selects Azure instead of AWS.
    #[arg(long, value_name = "ID", value_parser = subscription, conflicts_with_all = ["region", "profile"])]
    pub subscription: Option<AccountId>,
    /// Credentials for Azure [default: the first that is configured, in this order].
    #[arg(long, value_name = "KIND", value_parser = credentials(), requires = "subscription")]
    pub credentials: Option<CredentialKind>,
}

fn subscription(text: &str) -> Result<AccountId, String> {
    match text.parse::<AccountId>() {
        Ok(account) if account.provider() == Provider::Azure => Ok(account),
        _ => Err("expected the ID of a subscription, as `az account show` prints it".to_owned()),
    }
}

fn credentials() -> impl TypedValueParser<Value = CredentialKind> {
    let kinds = PossibleValuesParser::new(<CredentialKind as VariantNames>::VARIANTS);
    kinds.try_map(|name| name.parse::<CredentialKind>())
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
    pub place: AccountArgs,
    /// Read a saved inventory instead of the account.
    #[arg(
        help_heading = "Input options",
        long,
        value_name = "FILE",
        conflicts_with_all = ACCOUNT_OPTIONS
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
