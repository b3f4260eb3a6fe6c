//! The arguments of `plan`, `show` and `stale`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use steward::plan::reason::Reason;

use super::{PolicyArgs, WorldArgs};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    /// Read with whom every image is shared, not only those that would change: one call an image.
    #[arg(long, conflicts_with = "inventory")]
    pub sharing: bool,
    #[command(flatten)]
    pub output: PlanOutputArgs,
    /// List the images whose fate changes from this policy to the policy: kept, removed, or with
    /// another step or date.
    #[arg(help_heading = "Output", long, value_name = "FILE", conflicts_with = "reason")]
    pub against: Option<PathBuf>,
    /// Save the plan for `apply PLAN`, with mode 0600.
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A plan saved by `plan --out`.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    #[command(flatten)]
    pub output: PlanOutputArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// How to write a plan.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct PlanOutputArgs {
    /// A table for people, JSON, JSON Lines (one decision a line), or Markdown for a pull request.
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub format: PlanFormat,
    /// List all images, the kept ones too, each with its reasons.
    #[arg(long)]
    pub all: bool,
    /// List only images that have one of these reasons, for example `in_use,last`; the words are those
    /// of the JSON.
    #[arg(
        long,
        alias = "why",
        value_name = "REASONS",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Reason::KINDS),
        hide_possible_values = true,
        conflicts_with = "all"
    )]
    pub reason: Vec<String>,
    /// List all images of these families: a name as the plan prints it, or a part of it. May be
    /// repeated.
    #[arg(long, alias = "group", value_name = "FAMILY", conflicts_with_all = ["all", "reason"])]
    pub family: Vec<String>,
    /// List images in this order instead of by family: the largest, the most expensive or the oldest
    /// first.
    #[arg(long, value_enum, value_name = "ORDER", conflicts_with_all = ["reason", "family"])]
    pub sort: Option<SortArg>,
    /// Print a table of images and costs by `rule`, `family` or `tag:KEY`.
    #[arg(long, value_name = "BY", value_parser = by, conflicts_with_all = ["all", "reason", "family"])]
    pub by: Option<ByArg>,
}

/// The order of images, or of what they are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    Size,
    Cost,
    Age,
}

/// By what images are added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByArg {
    Rule,
    Family,
    Tag(String),
}

fn by(text: &str) -> Result<ByArg, &'static str> {
    match text {
        "rule" => Ok(ByArg::Rule),
        "family" => Ok(ByArg::Family),
        _ => match text.strip_prefix("tag:").filter(|key| !key.is_empty()) {
            Some(key) => Ok(ByArg::Tag(key.to_owned())),
            None => Err("expected rule, family or tag:KEY, for example tag:Team"),
        },
    }
}

/// What makes a plan fail in a pipeline.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateArgs {
    /// Exit with 2 if something in the policy or in a tag has no effect. The plan is printed, too.
    #[arg(long)]
    pub strict: bool,
    /// Exit with 5 if the plan would remove more images than this in the end (all that are expired,
    /// whatever their step, deferred ones too), or more snapshots of images that are gone.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_removals: Option<usize>,
}

/// How to write a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    Table,
    Json,
    Jsonl,
    Markdown,
}

/// Arguments of `stale`.
#[derive(Debug, Args)]
pub struct StaleArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub world: WorldArgs,
    /// A table for people, JSON, or JSON Lines: one image a line.
    #[arg(help_heading = "Output", long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// How to write a long result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
    Jsonl,
}
