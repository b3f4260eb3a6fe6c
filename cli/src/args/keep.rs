//! The arguments of `keep` and `unkeep`.

use clap::Args;
use steward::model::ResourceRef;
use steward::policy::DEFAULT_PREFIX;
use steward::time_input::{DurationInput, TimeInput};

use super::{AwsArgs, OutputArgs};

/// Arguments of `keep`.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// The images, by id or name, or the ids of snapshots.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ResourceRef>,
    /// Keep them for this long, for example `2w`, `3d` or `6mo`; permanently without it.
    #[arg(
        long = "for",
        value_name = "DURATION",
        conflicts_with = "until",
        allow_hyphen_values = true
    )]
    pub duration: Option<DurationInput>,
    /// Keep them until the end of this date, or until this time; permanently without it.
    #[arg(long, value_name = "DATE")]
    pub until: Option<TimeInput>,
    /// Why, for whoever reads the tag or a plan.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    #[command(flatten)]
    pub place: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `unkeep`.
#[derive(Debug, Args)]
pub struct UnkeepArgs {
    /// The images, by id or name, or the ids of snapshots.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ResourceRef>,
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    #[command(flatten)]
    pub place: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
