//! The arguments of `inventory`, `validate`, `explain` and `init`.

use std::path::PathBuf;

use clap::Args;
use steward::model::ImageRef;

use super::{AccountArgs, InputArgs, OutputArgs, PolicyArgs};

/// Arguments of `inventory`.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    #[command(flatten)]
    pub place: AccountArgs,
    /// Read all launch template versions, like `template_versions = "all"`.
    #[arg(help_heading = "Inventory options", long)]
    pub all_template_versions: bool,
    /// Skip AWS Batch, like `compute_environments = "off"`.
    #[arg(help_heading = "Inventory options", long)]
    pub no_compute_environments: bool,
    /// Read the launch permissions of every image (one call per image).
    #[arg(help_heading = "Inventory options", long)]
    pub launch_permissions: bool,
    /// File to write, with mode 0600.
    #[arg(help_heading = "Inventory options", long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Report rules, `match.not` conditions, pinned IDs and tags that have no effect in this
    /// inventory.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Exit with code 2 if part of the policy or a tag has no effect in the inventory.
    #[arg(long, requires = "inventory")]
    pub strict: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// ID or name of the image.
    #[arg(value_name = "IMAGE")]
    pub image: ImageRef,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// File to write the policy to; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "policy.toml")]
    pub out: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
    /// Translate this file instead of reading the account; repeatable
    ///
    /// The file contains Cloud Custodian policies for images (YAML), or amicleaner command lines.
    #[arg(long, value_name = "FILE", conflicts_with_all = super::shared::ACCOUNT_OPTIONS)]
    pub from: Vec<PathBuf>,
    #[command(flatten)]
    pub input: InputArgs,
}
