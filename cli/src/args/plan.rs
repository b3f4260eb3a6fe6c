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
    #[command(flatten)]
    pub output: PlanOutputArgs,
    /// List the images whose fate changes from this policy to the policy: kept, removed, or with
    /// another step or date.
    #[arg(help_heading = "Output", long, value_name = "FILE", conflicts_with = "why")]
    pub against: Option<PathBuf>,
    /// Exit with code 2 if something in the policy or in a tag has no effect. The plan is printed, too.
    #[arg(help_heading = "Gate", long)]
    pub strict: bool,
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
        value_name = "REASONS",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Reason::KINDS),
        hide_possible_values = true,
        conflicts_with = "all"
    )]
    pub why: Vec<String>,
}

/// What makes a plan fail in a pipeline.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateArgs {
    /// Exit with 5 if the plan would remove more images than this in the end: all that are expired,
    /// whatever their step, deferred ones too.
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
