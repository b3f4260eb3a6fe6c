//! The arguments of `keep` and `unkeep`.

use clap::Args;
use steward::model::ResourceRef;
use steward::time_input::{DurationInput, TimeInput};

use super::{AccountArgs, OutputArgs, PrefixArgs};

/// Arguments of `keep`.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// IDs or names of images, or IDs of snapshots.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ResourceRef>,
    /// Keep them for this long, for example `2w`, `3d` or `6mo` [default: permanently].
    #[arg(
        long = "for",
        value_name = "DURATION",
        conflicts_with = "until",
        allow_hyphen_values = true
    )]
    pub duration: Option<DurationInput>,
    /// Keep them until the end of this date, or until this time [default: permanently].
    #[arg(long, value_name = "DATE")]
    pub until: Option<TimeInput>,
    /// Replace an existing tag even if it keeps the image for longer.
    #[arg(long)]
    pub shorten: bool,
    /// Reason to store in the tag and show in plans.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub prefix: PrefixArgs,
    #[command(flatten)]
    pub place: AccountArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `unkeep`.
#[derive(Debug, Args)]
pub struct UnkeepArgs {
    /// IDs or names of images, or IDs of snapshots.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ResourceRef>,
    #[command(flatten)]
    pub prefix: PrefixArgs,
    #[command(flatten)]
    pub place: AccountArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
