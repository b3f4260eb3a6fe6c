//! `stale`: the references that nothing seems to need.

use serde::Serialize;
use steward::report;

use super::plan::exit_of;
use crate::args::{self, ListFormat};
use crate::context::Context;
use crate::files::{at_most_one_standard, print, print_json, print_json_lines, read_policy};
use crate::load::load;
use crate::outcome::{CommandError, Exit};

/// The references that nothing seems to need.
#[derive(Serialize)]
struct StaleReferences {
    stale: Vec<report::Stale>,
}

/// Runs `stale`.
pub async fn run(arguments: args::StaleArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::StaleArgs { policy, world, format } = arguments;
    at_most_one_standard([Some(&policy.policy), world.inventory.as_ref()])?;
    let policy = read_policy(&policy.policy)?;
    let mut loaded = load(world, &policy, &[], context).await?;
    let found = report::stale(&loaded.plan).into_iter().map(|one| one.image_id);
    loaded.ask_about(&found.collect::<Vec<_>>(), &policy, context).await;
    context.progress.end();
    let stale = report::stale(&loaded.plan);
    match format {
        ListFormat::Json => print_json(&StaleReferences { stale })?,
        ListFormat::Jsonl => print_json_lines(stale)?,
        ListFormat::Table => print(&context.style.wrapped(&report::stale_text(&loaded.plan)))?,
    }
    Ok(exit_of(&loaded.plan, context))
}
