//! The arguments of `inventory`, `validate`, `explain` and `init`.

use std::path::PathBuf;

use clap::Args;
use steward::model::ImageRef;

use super::{AwsArgs, OutputArgs, PolicyArgs, WorldArgs};

/// Arguments of `inventory`.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    #[command(flatten)]
    pub place: AwsArgs,
    /// Read every version of every launch template, as `template_versions = "all"` does.
    #[arg(help_heading = "What to read", long)]
    pub all_template_versions: bool,
    /// Leave out AWS Batch, as `compute_environments = "off"` does.
    #[arg(help_heading = "What to read", long)]
    pub no_compute_environments: bool,
    /// Read with whom each image is shared: one call an image.
    #[arg(help_heading = "What to read", long)]
    pub launch_permissions: bool,
    /// File to write, with mode 0600.
    #[arg(help_heading = "What to read", long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Report what has no effect in this saved inventory: rules, exceptions, pins and tags.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Exit with code 2 if something has no effect in the inventory.
    #[arg(long, requires = "inventory")]
    pub strict: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The image, by id or name.
    #[arg(value_name = "IMAGE")]
    pub image: ImageRef,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write the policy; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "policy.toml")]
    pub out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
    /// Translate this file instead of looking at the account: Cloud Custodian's policies for images
    /// (YAML), or command lines of amicleaner. May be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile", "endpoint_url"])]
    pub from: Vec<PathBuf>,
    #[command(flatten)]
    pub world: WorldArgs,
}
