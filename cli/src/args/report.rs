//! The arguments of `report` and `simulate`.

use std::path::PathBuf;

use clap::Args;
use steward::simulate::MAX_DAYS;

use super::{OutputArgs, PolicyArgs, WorldArgs};

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
