//! The arguments of `plan`, `show` and `stale`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use steward::plan::reason::Reason;

use super::{InputArgs, PolicyArgs};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub input: InputArgs,
    /// Read the launch permissions of every image, not only of images that would change
    ///
    /// Makes one API call per image.
    #[arg(help_heading = "Input options", long, conflicts_with = "inventory")]
    pub sharing: bool,
    #[command(flatten)]
    pub output: PlanOutputArgs,
    /// List only images for which this policy leads to a different decision
    ///
    /// An image differs if only one of the two policies keeps it, or if its step or date differs.
    #[arg(help_heading = "Output options", long, value_name = "FILE", conflicts_with = "reason")]
    pub against: Option<PathBuf>,
    /// Save the plan for `apply PLAN`, with mode 0600.
    #[arg(help_heading = "Output options", long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Plan saved by `plan --out`.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    #[command(flatten)]
    pub output: PlanOutputArgs,
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Output options of a plan.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub struct PlanOutputArgs {
    /// Table, JSON, JSON Lines (one decision per line), or Markdown for a pull request.
    #[arg(long, value_enum, default_value_t = PlanFormat::Table)]
    pub format: PlanFormat,
    /// List all images with their reasons, including kept images.
    #[arg(long)]
    pub all: bool,
    /// List only images with one of these reasons, for example `in_use,last`
    ///
    /// The values are the reason kinds of the JSON output.
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
    /// List all images of the family with this name; repeatable
    ///
    /// If no family has exactly this name, lists all families whose name contains it.
    #[arg(long, alias = "group", value_name = "FAMILY", conflicts_with_all = ["all", "reason"])]
    pub family: Vec<String>,
    /// List the largest, most expensive or oldest images first, instead of by family.
    #[arg(long, value_enum, value_name = "ORDER", conflicts_with_all = ["reason", "family"])]
    pub sort: Option<SortArg>,
    /// Print the number and cost of images by `rule`, `family` or `tag:KEY`.
    #[arg(long, value_name = "BY", value_parser = by, conflicts_with_all = ["all", "reason", "family"])]
    pub by: Option<ByArg>,
}

/// The order of images, or of the totals of `--by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    Size,
    Cost,
    Age,
}

/// What the totals of images are grouped by.
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

/// Conditions on which a plan fails, for use in a pipeline.
#[derive(Debug, Args)]
#[command(next_help_heading = "CI options")]
pub struct GateArgs {
    /// Print the plan, and exit with code 2 if part of the policy or a tag has no effect.
    #[arg(long)]
    pub strict: bool,
    /// Exit with code 5 if the plan removes more images or snapshots than this
    ///
    /// Counts all expired images, at every step, including images that a limit in the policy defers
    /// to a later run. Snapshots are counted separately, and only if their image no longer exists.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_removals: Option<usize>,
}

/// The output format of a plan.
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
    pub input: InputArgs,
    /// Table, JSON, or JSON Lines (one image per line).
    #[arg(help_heading = "Output options", long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// The output format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
    Jsonl,
}
