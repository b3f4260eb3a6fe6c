//! The arguments of `restore`.

use clap::Args;
use steward::model::{ImageRef, LaunchPermission, SnapshotId};
use steward::time_input::TimeInput;

use super::{AwsArgs, OutputArgs, PrefixArgs};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The images, by id or name; also those in the Recycle Bin.
    #[arg(
        value_name = "IMAGE",
        required_unless_present = "all_since",
        conflicts_with = "all_since"
    )]
    pub images: Vec<ImageRef>,
    /// All images that were found expired or were deregistered at this time or later: a date, a time
    /// (UTC unless it has a zone), a word such as `yesterday`, or a duration before now, such as `12h`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub all_since: Option<TimeInput>,
    /// Tag them to be kept until the end of this date, or for a duration such as `2w`, so that the next
    /// sweep does not find them expired again.
    #[arg(long, value_name = "DATE")]
    pub keep_until: Option<TimeInput>,
    /// List what would be restored, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Take this snapshot out of the Recycle Bin too, if the image needs it. May be repeated.
    #[arg(long = "snapshot", value_name = "SNAPSHOT")]
    pub snapshots: Vec<SnapshotId>,
    /// Share images again with this account, organization or organizational unit, or with `all`, if
    /// the image's tag lists it. May be repeated. Without it, the command asks on a terminal, and
    /// otherwise shares nothing.
    #[arg(long, value_name = "ACCOUNT", value_parser = permission)]
    pub share_with: Vec<LaunchPermission>,
    #[command(flatten)]
    pub prefix: PrefixArgs,
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
