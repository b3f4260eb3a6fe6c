//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use steward::ids::{ImageId, SnapshotId};
use steward::policy::DEFAULT_PREFIX;

/// Retires machine images by policy, deletes their snapshots too, and never touches one in use.
#[derive(Debug, Parser)]
#[command(name = "image-steward", version, after_help = EXITS)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log every call to standard error.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

const EXITS: &str = "Exit codes: 0 done · 1 failed · 2 usage or policy error · 3 done in part · 4 refused.\n\
Credentials, Region and endpoint come from the standard AWS chain (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL …).";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what would be done about every image, and why. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward plan --policy policy.toml --region eu-central-1\n  image-steward plan --policy policy.toml --inventory saved.json --now 2026-12-24T00:00:00Z --format json"
    )]
    Plan(Plan),
    /// Do it: retire images, then delete the snapshots whose time has come.
    #[command(
        after_help = "Example:\n  image-steward apply --policy policy.toml --region eu-central-1"
    )]
    Apply(Apply),
    /// Bring images back from wherever they are: expired, deprecated, disabled, or in the Recycle
    /// Bin with their snapshots.
    #[command(
        after_help = "Examples:\n  image-steward restore ami-0123456789abcdef0 --region eu-central-1\n  image-steward restore --all-since 2026-11-21T22:00:00Z --keep-until 2026-12-24"
    )]
    Restore(Restore),
    /// Read images, snapshots and references, and write them as JSON. Changes nothing.
    #[command(
        after_help = "Example:\n  image-steward inventory --region eu-central-1 > saved.json"
    )]
    Inventory(Inventory),
    /// Check a policy.
    #[command(after_help = "Example:\n  image-steward validate --policy policy.toml")]
    Validate(Validate),
    /// Print the JSON Schema of the policy.
    Schema,
    /// Write a first policy, with comments: from what is in the account, or from the policies of
    /// another tool. Changes nothing there.
    #[command(
        after_help = "Examples:\n  image-steward init --region eu-central-1\n  image-steward init --inventory saved.json --out -\n  image-steward init --from custodian.yml --out policy.toml\n  image-steward init --from crontab.txt --inventory saved.json"
    )]
    Init(Init),
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub policy: PolicyFile,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
    /// Plan for a saved inventory instead of the account.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile"])]
    pub inventory: Option<PathBuf>,
    /// Plan for this time (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub now: Option<Timestamp>,
    /// Instead of the whole plan: everything that keeps this image. May be repeated.
    #[arg(long, value_name = "IMAGE", conflicts_with = "stale")]
    pub pins: Vec<ImageId>,
    /// Instead of the whole plan: the references that nothing seems to need, such as versions of
    /// launch templates that no group uses.
    #[arg(long)]
    pub stale: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
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
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    pub policy: PolicyFile,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `inventory`.
#[derive(Debug, Args)]
pub struct Inventory {
    #[command(flatten)]
    pub place: Place,
    /// Read every version of every launch template, as `template_versions = "all"` does.
    #[arg(long)]
    pub all_template_versions: bool,
    /// Leave out AWS Batch, as `compute_environments = "off"` does.
    #[arg(long)]
    pub no_compute_environments: bool,
    /// Read with whom each image is shared: one call an image.
    #[arg(long)]
    pub launch_permissions: bool,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    pub policy: PolicyFile,
    #[command(flatten)]
    pub output: Output,
}

/// Where the policy is.
#[derive(Debug, Args)]
pub struct PolicyFile {
    /// The policy, TOML or JSON.
    #[arg(long, value_name = "FILE", default_value = "policy.toml")]
    pub policy: PathBuf,
}

/// Which account and Region.
#[derive(Debug, Args)]
pub struct Place {
    /// The Region, instead of AWS_REGION or the profile's.
    #[arg(long)]
    pub region: Option<String>,
    /// The profile, instead of AWS_PROFILE.
    #[arg(long)]
    pub profile: Option<String>,
}

/// How to write the result.
#[derive(Debug, Args)]
pub struct Output {
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

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to write the policy; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "policy.toml")]
    pub out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
    /// Translate this file instead of looking at the account: Cloud Custodian's policies for images
    /// (YAML), or command lines of amicleaner. May be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile"])]
    pub from: Vec<PathBuf>,
    /// Look at a saved inventory instead of the account; with --from, only to say what the policy
    /// finds in it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile"])]
    pub inventory: Option<PathBuf>,
    /// Count ages back from this time (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub now: Option<Timestamp>,
    #[command(flatten)]
    pub place: Place,
}
