//! The command-line arguments.

mod apply;
mod inventory;
mod keep;
mod permissions;
mod plan;
mod report;
mod restore;
mod shared;

use std::path::PathBuf;

pub use apply::ApplyArgs;
use clap::{Parser, Subcommand, ValueEnum};
pub use inventory::{ExplainArgs, InitArgs, InventoryArgs, ValidateArgs};
pub use keep::{KeepArgs, UnkeepArgs};
pub use permissions::{PermissionsArgs, PermissionsFormat, TrustArg, UseArg};
pub use plan::{
    ByArg, GateArgs, ListFormat, PlanArgs, PlanFormat, PlanOutputArgs, ShowArgs, SortArg, StaleArgs,
};
pub use report::{ReportArgs, SimulateArgs};
pub use restore::RestoreArgs;
pub use shared::{AccountArgs, AzureArgs, Format, InputArgs, OutputArgs, PolicyArgs, PrefixArgs};

/// Clean up machine images and their snapshots by policy
///
/// The rules of a policy define which images they keep. Other images that a rule matches are
/// expired, unless they are protected, for example because they are in use. image-steward retires
/// expired images: it deprecates, disables and deregisters them step by step, and then deletes their
/// snapshots. Only `apply`, `restore`, `keep` and `unkeep` change the account; all other commands only
/// read.
#[derive(Debug, Parser)]
#[command(name = "image-steward", version = VERSION, after_help = more_help())]
pub struct Arguments {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// Log to standard error, and list all IDs in results.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Suppress progress and hints.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colors; with `auto`, on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// The version, with the commit it was built from if that is known.
pub const VERSION: &str = env!("STEWARD_VERSION");

/// The exit codes of the program and their meanings.
pub const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "done"),
    ("1", "failed"),
    ("2", "usage or policy error"),
    ("3", "partly done, or interrupted during changes"),
    ("4", "refused to remove images or snapshots; the output shows the reason"),
    ("5", "limit exceeded: the plan removes more than --max-removals allows"),
    ("130", "interrupted before any change"),
];

/// The text after the top-level help.
fn more_help() -> String {
    let codes: Vec<_> =
        EXIT_CODES.iter().map(|(code, meaning)| format!("  {code:>3}  {meaning}\n")).collect();
    format!(
        "Exit codes:\n{}\nFor a FILE, `-` means standard input or standard output. Credentials, Region and endpoint come \
         from the standard AWS configuration (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and so on). With --subscription, \
         credentials come from the environment, a workload identity, a managed identity or the Azure CLI.",
        codes.concat()
    )
}

/// The commands.
#[derive(Debug, Subcommand, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Command {
    /// Generate a policy from the account or from another tool's policies
    ///
    /// Comments in the policy explain its rules. The command only reads the account.
    #[command(
        after_help = "Examples:\n  image-steward init --region eu-central-1\n  image-steward init --inventory saved.json --out -\n  image-steward init --from custodian.yml --out policy.toml\n  image-steward init --from crontab.txt --inventory saved.json"
    )]
    Init(InitArgs),
    /// Show what a run would do with each image, and why.
    #[command(
        after_help = "Examples:\n  image-steward plan --policy policy.toml --region eu-central-1\n  image-steward plan --policy policy.toml --out plan.json\n  image-steward plan --policy policy.toml --reason in_use,last\n  image-steward plan --policy new.toml --against old.toml\n  image-steward plan --policy policy.toml --max-removals 20 --format markdown\n  image-steward plan --policy policy.toml --inventory saved.json --now 2026-12-24T00:00:00Z --format json"
    )]
    Plan(PlanArgs),
    /// Print a saved plan
    ///
    /// The command does not need access to the account.
    #[command(
        after_help = "Examples:\n  image-steward show plan.json\n  image-steward show plan.json --format markdown --max-removals 20"
    )]
    Show(ShowArgs),
    /// List references that seem unused, and the images they keep
    ///
    /// A reference is a resource that uses an image. For example, a launch template version that no
    /// Auto Scaling group uses seems unused.
    #[command(
        after_help = "Examples:\n  image-steward stale --policy policy.toml --region eu-central-1\n  image-steward stale --policy policy.toml --inventory saved.json --format json"
    )]
    Stale(StaleArgs),
    /// Explain the decision for one image
    ///
    /// Shows what refers to the image, what keeps it, its current state, and its next step.
    #[command(
        after_help = "Examples:\n  image-steward explain ami-0123456789abcdef0 --policy policy.toml --region eu-central-1\n  image-steward explain ami-0123456789abcdef0 --policy policy.toml --inventory saved.json"
    )]
    Explain(ExplainArgs),
    /// Generate an HTML report
    ///
    /// The report shows storage and cost, every family, the steps of the next month, and what keeps
    /// old images.
    #[command(
        after_help = "Examples:\n  image-steward report --policy policy.toml --out report.html\n  image-steward report --policy new.toml --against old.toml --days 180 --inventory saved.json --out report.html"
    )]
    Report(ReportArgs),
    /// Simulate a policy over the coming weeks, or compare two policies.
    #[command(
        after_help = "Examples:\n  image-steward simulate --policy new.toml --days 180 --region eu-central-1\n  image-steward simulate --policy new.toml --against old.toml --days 90 --inventory saved.json"
    )]
    Simulate(SimulateArgs),
    /// Retire expired images, then delete the snapshots that are due.
    #[command(
        after_help = "Examples:\n  image-steward apply --policy policy.toml --region eu-central-1\n  image-steward apply --policy policy.toml --region eu-central-1 --yes\n  image-steward plan --policy policy.toml --out plan.json && image-steward apply plan.json --policy policy.toml"
    )]
    Apply(ApplyArgs),
    /// Restore images and their snapshots
    ///
    /// Undoes every step: the image can be expired, deprecated or disabled, or it can be in the
    /// Recycle Bin with its snapshots.
    #[command(
        after_help = "Examples:\n  image-steward restore ami-0123456789abcdef0 --region eu-central-1\n  image-steward restore golden-2026-11-28 --keep-until 2w\n  image-steward restore --all-since yesterday --dry-run"
    )]
    Restore(RestoreArgs),
    /// Exclude images or snapshots from all steps
    ///
    /// Sets a tag that excludes them permanently or until a date. If the tag already exists, the
    /// command replaces its value, unless that shortens the exclusion (see --shorten), and prints
    /// the old value. If an image is already expired, the next run rescues the image, that is,
    /// undoes all steps.
    #[command(
        after_help = "Examples:\n  image-steward keep ami-0123456789abcdef0 --for 2w --reason 'release candidate'\n  image-steward keep golden-2026-11-28 --until 2027-06-30 --region eu-central-1"
    )]
    Keep(KeepArgs),
    /// Remove the tag that `keep` sets
    ///
    /// The policy then applies to the images and snapshots again.
    #[command(
        after_help = "Example:\n  image-steward unkeep ami-0123456789abcdef0 --region eu-central-1"
    )]
    Unkeep(UnkeepArgs),
    /// Save an inventory of images, snapshots and references as JSON.
    #[command(
        after_help = "Example:\n  image-steward inventory --region eu-central-1 --out saved.json"
    )]
    Inventory(InventoryArgs),
    /// Check a policy for errors.
    #[command(
        after_help = "Examples:\n  image-steward validate --policy policy.toml\n  image-steward validate --policy policy.toml --inventory saved.json"
    )]
    Validate(ValidateArgs),
    /// Print the IAM policy for a user or pipeline, or a role with that policy
    ///
    /// With the policy, only images and snapshots that belong to the account and have the state tags
    /// (the tags in which image-steward stores its steps and dates) can be retired. The command does not need access to the account.
    #[command(
        after_help = "Examples:\n  image-steward permissions\n  image-steward permissions apply restore keep --region eu-central-1\n  image-steward permissions apply --image-parameter '/golden/*' --shared-images\n  image-steward permissions plan --format terraform --trust github > role.tf"
    )]
    Permissions(PermissionsArgs),
    /// Print the JSON Schema of the policy.
    #[command(after_help = "Example:\n  image-steward schema > policy.schema.json")]
    Schema,
    /// Generate shell completions.
    #[command(
        after_help = "Example:\n  image-steward completions bash > ~/.local/share/bash-completion/completions/image-steward"
    )]
    Completions {
        /// Shell to generate completions for.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(
        after_help = "Examples:\n  image-steward man | man -l -\n  image-steward man --out ~/.local/share/man/man1"
    )]
    Man {
        /// Write the pages of all commands to this directory
        ///
        /// Without this option, only the main page is written, to standard output.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
}
