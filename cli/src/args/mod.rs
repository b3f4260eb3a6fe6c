//! The command line.

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
pub use shared::{AwsArgs, Format, OutputArgs, PolicyArgs, PrefixArgs, WorldArgs};

/// Retires machine images by policy, deletes their snapshots too, and never touches one in use.
#[derive(Debug, Parser)]
#[command(name = "image-steward", version = VERSION, after_help = more_help())]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log what is done to standard error.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Nothing on standard error but errors: no progress, no hints.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours: `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

/// The version, with the commit that it was built from where that is known.
pub const VERSION: &str = env!("STEWARD_VERSION");

/// What the program's exit codes mean.
pub const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "done"),
    ("1", "failed"),
    ("2", "usage or policy error"),
    ("3", "done in part, or interrupted while something was changed"),
    ("4", "refused: no image is removed, and the output says why"),
    ("5", "a gate was exceeded: the plan removes more than --max-removals"),
    ("130", "interrupted before anything was changed"),
];

/// Behind every help.
fn more_help() -> String {
    let codes: Vec<_> =
        EXIT_CODES.iter().map(|(code, meaning)| format!("  {code:>3}  {meaning}\n")).collect();
    format!(
        "Exit codes:\n{}\nFILE may be `-`: standard input, or standard output. Credentials, Region and endpoint come \
         from the standard AWS chain (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and so on).",
        codes.concat()
    )
}

/// What to do.
#[derive(Debug, Subcommand, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Command {
    /// Write a first policy, with comments: from what is in the account, or from the policies of
    /// another tool. Changes nothing there.
    #[command(
        after_help = "Examples:\n  image-steward init --region eu-central-1\n  image-steward init --inventory saved.json --out -\n  image-steward init --from custodian.yml --out policy.toml\n  image-steward init --from crontab.txt --inventory saved.json"
    )]
    Init(InitArgs),
    /// Say what would be done about every image, and why. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward plan --policy policy.toml --region eu-central-1\n  image-steward plan --policy policy.toml --out plan.json\n  image-steward plan --policy policy.toml --reason in_use,last\n  image-steward plan --policy new.toml --against old.toml\n  image-steward plan --policy policy.toml --max-removals 20 --format markdown\n  image-steward plan --policy policy.toml --inventory saved.json --now 2026-12-24T00:00:00Z --format json"
    )]
    Plan(PlanArgs),
    /// Print a saved plan. Needs no account.
    #[command(
        after_help = "Examples:\n  image-steward show plan.json\n  image-steward show plan.json --format markdown --max-removals 20"
    )]
    Show(ShowArgs),
    /// List the references that nothing seems to need, such as versions of launch templates that no
    /// group uses, and the images that they keep. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward stale --policy policy.toml --region eu-central-1\n  image-steward stale --policy policy.toml --inventory saved.json --format json"
    )]
    Stale(StaleArgs),
    /// Explain one image: what refers to it, what keeps it, where it stands, and
    /// what comes next. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward explain ami-0123456789abcdef0 --policy policy.toml --region eu-central-1\n  image-steward explain ami-0123456789abcdef0 --policy policy.toml --inventory saved.json"
    )]
    Explain(ExplainArgs),
    /// Write a page for people: storage and cost, every family, what goes next month, what pins
    /// old images. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward report --policy policy.toml --out report.html\n  image-steward report --policy new.toml --against old.toml --days 180 --inventory saved.json --out report.html"
    )]
    Report(ReportArgs),
    /// Say what a policy would do in the weeks to come, or two policies side by side. Changes nothing.
    #[command(
        after_help = "Examples:\n  image-steward simulate --policy new.toml --days 180 --region eu-central-1\n  image-steward simulate --policy new.toml --against old.toml --days 90 --inventory saved.json"
    )]
    Simulate(SimulateArgs),
    /// Do it: retire images, then delete the snapshots whose time has come.
    #[command(
        after_help = "Examples:\n  image-steward apply --policy policy.toml --region eu-central-1\n  image-steward apply --policy policy.toml --region eu-central-1 --yes\n  image-steward plan --policy policy.toml --out plan.json && image-steward apply plan.json --policy policy.toml"
    )]
    Apply(ApplyArgs),
    /// Bring images back from wherever they are: expired, deprecated, disabled, or in the Recycle
    /// Bin with their snapshots.
    #[command(
        after_help = "Examples:\n  image-steward restore ami-0123456789abcdef0 --region eu-central-1\n  image-steward restore golden-2026-11-28 --keep-until 2w\n  image-steward restore --all-since yesterday --dry-run"
    )]
    Restore(RestoreArgs),
    /// Exclude images or snapshots from every step, permanently or until a date, by a tag on them.
    ///
    /// A value that the tag has already is replaced, and printed. An image that is already expired is
    /// restored by the next run.
    #[command(
        after_help = "Examples:\n  image-steward keep ami-0123456789abcdef0 --for 2w --reason 'release candidate'\n  image-steward keep golden-2026-11-28 --until 2027-06-30 --region eu-central-1"
    )]
    Keep(KeepArgs),
    /// Remove the tag that `keep` writes, so that the policy decides again.
    #[command(
        after_help = "Example:\n  image-steward unkeep ami-0123456789abcdef0 --region eu-central-1"
    )]
    Unkeep(UnkeepArgs),
    /// Read images, snapshots and references, and write them as JSON. Changes nothing.
    #[command(
        after_help = "Example:\n  image-steward inventory --region eu-central-1 --out saved.json"
    )]
    Inventory(InventoryArgs),
    /// Check a policy.
    #[command(
        after_help = "Examples:\n  image-steward validate --policy policy.toml\n  image-steward validate --policy policy.toml --inventory saved.json"
    )]
    Validate(ValidateArgs),
    /// Print the IAM policy that a person or a pipeline needs, or a role with it. Needs no account.
    ///
    /// Images and snapshots must belong to the account, and are retired only after they were tagged.
    #[command(
        after_help = "Examples:\n  image-steward permissions\n  image-steward permissions apply restore keep --region eu-central-1\n  image-steward permissions apply --image-parameter '/golden/*' --shared-images\n  image-steward permissions plan --format terraform --trust github > role.tf"
    )]
    Permissions(PermissionsArgs),
    /// Print the JSON Schema of the policy.
    #[command(after_help = "Example:\n  image-steward schema > policy.schema.json")]
    Schema,
    /// Print what makes a shell complete this command.
    #[command(
        after_help = "Example:\n  image-steward completions bash > ~/.local/share/bash-completion/completions/image-steward"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(
        after_help = "Examples:\n  image-steward man | man -l -\n  image-steward man --out ~/.local/share/man/man1"
    )]
    Man {
        /// Write all pages into this directory, instead of the first to standard output.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
}
