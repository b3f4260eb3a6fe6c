//! The arguments of `plan` and `stale`.

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
    /// A table for people, JSON, or JSON Lines: one decision a line.
    #[arg(help_heading = "Output", long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    /// List all images, the kept ones too, each with its reasons.
    #[arg(help_heading = "Output", long)]
    pub all: bool,
    /// List only images that have one of these reasons, for example `in_use,last`; the words are those
    /// of the JSON.
    #[arg(help_heading = "Output", 
        long,
        value_name = "REASONS",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Reason::KINDS),
        hide_possible_values = true,
        conflicts_with = "all"
    )]
    pub why: Vec<String>,
    /// Exit with code 2 if something in the policy or in a tag has no effect. The plan is printed, too.
    #[arg(long)]
    pub strict: bool,
    /// Save the plan for `apply PLAN`, with mode 0600.
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub out: Option<PathBuf>,
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
