//! `stale`: lists references that seem unused.

use serde::Serialize;
use steward::model::TemplateVersions;
use steward::report::{self, Stale, StaleResource};

use super::plan::exit_of;
use crate::args::{self, ListFormat};
use crate::context::Context;
use crate::files::{at_most_one_standard, print, print_json, print_json_lines, read_policy};
use crate::load::{ExtraReads, load};
use crate::outcome::{CommandError, Exit};

/// References that seem unused.
#[derive(Serialize)]
struct StaleReferences {
    stale: Vec<Stale>,
    /// The resources that keep those images, and how to delete them.
    resources: Vec<StaleResource>,
}

/// Runs `stale`.
pub async fn run(arguments: args::StaleArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::StaleArgs { policy, input, format } = arguments;
    at_most_one_standard([Some(&policy.policy), input.inventory.as_ref()])?;
    let mut policy = read_policy(&policy.policy)?;
    let policy_versions = policy.safety.template_versions;
    // All versions are read only for the list. The command removes nothing.
    policy.safety.template_versions = TemplateVersions::All;
    let mut loaded = load(input, &policy, ExtraReads::default(), context).await?;
    let found = report::stale(&loaded.plan).into_iter().map(|one| one.image_id);
    loaded.read_references_to(&found.collect::<Vec<_>>(), &policy, context).await;
    context.progress.end();
    let stale = report::stale(&loaded.plan);
    match format {
        ListFormat::Json => {
            let resources = report::stale_resources(&stale, &loaded.plan.region);
            print_json(&StaleReferences { stale, resources })?;
        }
        ListFormat::Jsonl => print_json_lines(stale)?,
        ListFormat::Table => {
            print(&report::stale_text(&loaded.plan, policy_versions, context.style))?
        }
    }
    Ok(exit_of(&loaded.plan, context))
}
