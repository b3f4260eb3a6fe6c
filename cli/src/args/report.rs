//! The arguments of `report` and `simulate`.

use std::path::PathBuf;

use clap::Args;
use steward::time_input::DaysInput;

use super::{InputArgs, OutputArgs, PolicyArgs};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub input: InputArgs,
    /// File to write the report to.
    #[arg(
        help_heading = "Report options",
        long,
        value_name = "FILE",
        default_value = "report.html"
    )]
    pub out: PathBuf,
    /// Days to simulate, 0 to 3650, or a duration such as 6mo.
    #[arg(help_heading = "Report options", long, value_name = "N", default_value = "90")]
    pub days: DaysInput,
    /// Compare with a simulation of this policy.
    #[arg(help_heading = "Report options", long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Days to simulate, 1 to 3650, or a duration such as 26w or 6mo.
    #[arg(long, value_name = "N")]
    pub days: DaysInput,
    /// Also simulate this policy with the same future images, and compare.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}
