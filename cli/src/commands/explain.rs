//! `explain`: the whole story of one image.

use serde::Serialize;
use steward::collect::{Remnants, read_remnants, remnants_in};
use steward::model::{AccountRegion, ImageId};
use steward::report::explain::{Explanation, gone_text, story, story_text};

use crate::args::{self, Format};
use crate::context::Context;
use crate::files::{at_most_one_standard, print, print_json, read_policy};
use crate::load::see;
use crate::outcome::{CommandError, Exit};

/// The story of an image, or what is left of it.
#[derive(Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
enum ExplainedImage<'a> {
    Here(Box<Explanation>),
    Gone { image_id: &'a ImageId, remnants: &'a Remnants },
}

/// Runs `explain`.
pub async fn run(arguments: args::ExplainArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ExplainArgs { image, policy, world, output } = arguments;
    at_most_one_standard([Some(&policy.policy), world.inventory.as_ref()])?;
    let policy = read_policy(&policy.policy)?;
    let seen = see(world, &policy, std::slice::from_ref(&image), context).await?;
    if let Some(story) = story(&image, &seen.inventory, &policy, &seen.plan) {
        context.progress.end();
        match output.format {
            Format::Json => print_json(&ExplainedImage::Here(Box::new(story)))?,
            Format::Table => print(&story_text(&story, context.style))?,
        }
        return Ok(Exit::Done);
    }
    let remnants = match &seen.live {
        Some(live) => read_remnants(&live.aws, &seen.inventory, &image, &policy.tag_names).await,
        None => remnants_in(&seen.inventory, &image, &policy.tag_names),
    };
    context.progress.end();
    let target = AccountRegion { account: seen.plan.account, region: seen.plan.region };
    match output.format {
        Format::Json => {
            print_json(&ExplainedImage::Gone { image_id: &image, remnants: &remnants })?
        }
        Format::Table => print(&gone_text(
            &image,
            &remnants,
            &target,
            &policy.tag_names,
            &seen.snapshots,
            context.style,
        ))?,
    }
    Ok(if remnants.is_nothing() { Exit::Failed } else { Exit::Done })
}
