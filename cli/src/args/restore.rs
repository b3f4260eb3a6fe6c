//! The arguments of `restore`.

use clap::Args;
use steward::model::{ImageRef, LaunchPermission, SnapshotId};
use steward::time_input::TimeInput;

use super::{AccountArgs, OutputArgs, PrefixArgs};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// IDs or names of images, including images in the Recycle Bin.
    #[arg(
        value_name = "IMAGE",
        required_unless_present = "all_since",
        conflicts_with = "all_since"
    )]
    pub images: Vec<ImageRef>,
    /// Restore all images that expired or were deregistered since this time
    ///
    /// A date, a time (UTC unless it has a zone), a word such as `yesterday`, or a duration before
    /// now such as `12h`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub all_since: Option<TimeInput>,
    /// Keep the images until the end of this date, or for a duration such as `2w`
    ///
    /// Sets the keep tag. Otherwise, the next run finds the images expired again.
    #[arg(long, value_name = "DATE")]
    pub keep_until: Option<TimeInput>,
    /// List what would be restored, without changes.
    #[arg(long)]
    pub dry_run: bool,
    /// Also restore this snapshot from the Recycle Bin if the image needs it; repeatable.
    #[arg(long = "snapshot", value_name = "SNAPSHOT")]
    pub snapshots: Vec<SnapshotId>,
    /// Share images again with this account, organization, OU or `all`; repeatable
    ///
    /// Only launch permissions that the image's tag lists are restored. Without this option, the command
    /// asks for confirmation on a terminal; without a terminal, it shares nothing.
    #[arg(long, value_name = "ACCOUNT", value_parser = permission)]
    pub share_with: Vec<LaunchPermission>,
    #[command(flatten)]
    pub prefix: PrefixArgs,
    #[command(flatten)]
    pub place: AccountArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn permission(text: &str) -> Result<LaunchPermission, &'static str> {
    match text.into() {
        LaunchPermission::Unknown(_) => Err(
            "expected an account ID (12 digits), the ARN of an organization or an organizational unit, or all",
        ),
        known => Ok(known),
    }
}
