//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use steward::model::{ImageId, LaunchPermission, ParseIdError, Region, SnapshotId};
use steward::plan::reason::Reason;
use steward::policy::{DEFAULT_PREFIX, PolicyDigest};
use steward::simulate::MAX_DAYS;
use steward_aws::{EndpointError, check_endpoint};

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
pub const EXIT_CODES: [(&str, &str); 6] = [
    ("0", "done"),
    ("1", "failed"),
    ("2", "usage or policy error"),
    ("3", "done in part, or interrupted while something was changed"),
    ("4", "refused: nothing is removed, and the output says why"),
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
        after_help = "Examples:\n  image-steward plan --policy policy.toml --region eu-central-1\n  image-steward plan --policy policy.toml --out plan.json\n  image-steward plan --policy policy.toml --why in_use,last\n  image-steward plan --policy policy.toml --inventory saved.json --now 2026-12-24T00:00:00Z --format json"
    )]
    Plan(PlanArgs),
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
        after_help = "Examples:\n  image-steward apply --policy policy.toml --region eu-central-1\n  image-steward plan --policy policy.toml --out plan.json && image-steward apply plan.json --policy policy.toml"
    )]
    Apply(ApplyArgs),
    /// Bring images back from wherever they are: expired, deprecated, disabled, or in the Recycle
    /// Bin with their snapshots.
    #[command(
        after_help = "Examples:\n  image-steward restore ami-0123456789abcdef0 --region eu-central-1\n  image-steward restore --all-since 2026-11-21T22:00:00Z --keep-until 2026-12-24"
    )]
    Restore(RestoreArgs),
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
    /// Print the IAM policy that a person needs. Needs no account.
    ///
    /// Images and snapshots must belong to the account, and are retired only after they were tagged.
    #[command(
        after_help = "Examples:\n  image-steward permissions\n  image-steward permissions apply restore --region eu-central-1\n  image-steward permissions apply --image-parameter '/golden/*' --shared-images"
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

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    /// A table for people, JSON, or JSON Lines: one decision a line.
    #[arg(help_heading = "Output", long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    /// List all images, the kept ones too, each with its reasons.
    #[arg(help_heading = "Output", long, conflicts_with_all = ["stale", "pins"])]
    pub all: bool,
    /// List only images that have one of these reasons, for example `in_use,last`; the words are those
    /// of the JSON.
    #[arg(help_heading = "Output", 
        long,
        value_name = "REASONS",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Reason::KINDS),
        hide_possible_values = true,
        conflicts_with_all = ["all", "stale", "pins"]
    )]
    pub why: Vec<String>,
    /// Save the plan for `apply PLAN`, with mode 0600.
    #[arg(help_heading = "Output", long, value_name = "FILE", conflicts_with_all = ["stale", "pins"])]
    pub out: Option<PathBuf>,
    /// Instead of the whole plan: everything that keeps this image. May be repeated.
    #[arg(help_heading = "Output", long, value_name = "IMAGE", conflicts_with = "stale")]
    pub pins: Vec<ImageId>,
    /// Instead of the whole plan: the references that nothing seems to need, such as versions of
    /// launch templates that no group uses.
    #[arg(help_heading = "Output", long)]
    pub stale: bool,
}

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

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A plan saved by `plan --out`. It is applied exactly, or not at all if the account has changed.
    /// Name its policy with --policy or --expect-policy.
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Apply PLAN under the policy in it, if this is its digest: `validate` and `plan --out` print it.
    #[arg(long, value_name = "DIGEST", requires = "plan", conflicts_with = "policy")]
    pub expect_policy: Option<PolicyDigest>,
    #[command(flatten)]
    pub place: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

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
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `permissions`.
#[derive(Debug, Args)]
pub struct PermissionsArgs {
    /// Commands to allow. `plan` covers all commands that change nothing, and is part of `apply`.
    #[arg(value_name = "USE", value_enum, default_value = "plan")]
    pub uses: Vec<UseArg>,
    /// Allow it in this Region only.
    #[arg(long, value_parser = |text: &str| text.parse::<Region>())]
    pub region: Option<Region>,
    /// What the names of image-steward's tags begin with: `tagging.prefix` of the policy.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PREFIX)]
    pub prefix: String,
    /// Allow launch permissions to be restored: for `safety.shared_images = "retire"` and
    /// `restore --share-with`.
    #[arg(long)]
    pub shared_images: bool,
    /// Allow this SSM parameter to be read, which launch templates name as their image: a name, a
    /// path such as `/golden/*`, or an ARN. May be repeated. AWS's public parameters can always be read.
    #[arg(long = "image-parameter", value_name = "NAME", value_parser = parameter)]
    pub image_parameters: Vec<String>,
}

/// What a person is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UseArg {
    Plan,
    Apply,
    Restore,
}

/// Where the policy is.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// The policy, TOML or JSON.
    #[arg(long, value_name = "FILE", default_value = "policy.toml")]
    pub policy: PathBuf,
}

/// Which account and Region.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which account")]
pub struct AwsArgs {
    /// The Region, instead of AWS_REGION or the profile's.
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
    /// The profile, instead of AWS_PROFILE.
    #[arg(long)]
    pub profile: Option<String>,
    /// Where the services answer, instead of AWS_ENDPOINT_URL: for a stand-in.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub endpoint_url: Option<String>,
}

fn region(text: &str) -> Result<String, ParseIdError> {
    text.parse().map(|region: Region| region.to_string())
}

fn parameter(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-*?".contains(&byte);
    let is_name = !text.is_empty() && text.bytes().all(is_allowed);
    // An ARN is checked by IAM, which says what is wrong with it.
    let is_arn = text.starts_with("arn:") && text.contains(":parameter/");
    let expected = "expected the name of a parameter, a path such as /golden/*, or an ARN";
    (is_name || is_arn).then(|| text.to_owned()).ok_or(expected)
}

fn endpoint(text: &str) -> Result<String, EndpointError> {
    check_endpoint(text).map(|()| text.to_owned())
}

/// The world that a command is about: an account, or a saved inventory.
#[derive(Debug, Args)]
pub struct WorldArgs {
    #[command(flatten)]
    pub place: AwsArgs,
    /// Look at a saved inventory instead of the account.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile", "endpoint_url"])]
    pub inventory: Option<PathBuf>,
    /// Take this for the time (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub now: Option<Timestamp>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The image.
    #[arg(value_name = "IMAGE")]
    pub image: ImageId,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    /// Where to write the page.
    #[arg(help_heading = "The page", long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// Show for how many days to come what the policy would do, 0 to 3650.
    #[arg(help_heading = "The page", long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// Compare with what this policy would do.
    #[arg(help_heading = "The page", long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// How to write the result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// A table for people, or JSON.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// How to write a long result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
    Jsonl,
}

/// How to write the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// For how many days, 1 to 3650.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// Compare with this policy over the same images to come.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
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
