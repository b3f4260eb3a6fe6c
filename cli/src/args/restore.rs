//! The arguments of `restore`.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use steward::model::{ImageId, LaunchPermission, SnapshotId};
use steward::policy::DEFAULT_PREFIX;

use super::{AwsArgs, OutputArgs};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The images.
    #[arg(
        value_name = "IMAGE",
        required_unless_present = "all_since",
        conflicts_with = "all_since"
    )]
    pub images: Vec<ImageId>,
    /// All images that were found expired or were deregistered at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME")]
    pub all_since: Option<Timestamp>,
    /// Tag them to be kept until this date, so that the next sweep does not find them expired again.
    #[arg(long, value_name = "DATE")]
    pub keep_until: Option<Date>,
    /// Take this snapshot out of the Recycle Bin too, if the image needs it. May be repeated.
    #[arg(long = "snapshot", value_name = "SNAPSHOT")]
    pub snapshots: Vec<SnapshotId>,
    /// Share images again with this account, organization or organizational unit, or with `all`, if
    /// the image's tag lists it. May be repeated. Without it, the command asks on a terminal, and
    /// otherwise shares nothing.
    #[arg(long, value_name = "ACCOUNT", value_parser = permission)]
    pub share_with: Vec<LaunchPermission>,
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    #[command(flatten)]
    pub place: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn permission(text: &str) -> Result<LaunchPermission, &'static str> {
    match text.into() {
        LaunchPermission::Unknown(_) => Err(
            "write an account id (12 digits), the ARN of an organization or an organizational unit, or all",
        ),
        known => Ok(known),
    }
}
