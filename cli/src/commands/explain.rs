//! `explain`: explains the decision for one image.

use serde::Serialize;
use steward::collect::{Remnants, find_in, read_remnants, remnants_in};
use steward::model::{AccountRegion, ImageId, ImageRef};
use steward::report::explain::{Explanation, explain, explanation_text, gone_text};

use crate::args::{self, Format};
use crate::context::Context;
use crate::files::{at_most_one_standard, print, print_json, read_policy};
use crate::load::{ExtraReads, load};
use crate::outcome::{CommandError, Exit};

/// An existing image, or the remnants of a deregistered one.
#[derive(Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
enum ExplainedImage<'a> {
    Here(Box<Explanation>),
    Gone { image_id: &'a ImageId, remnants: &'a Remnants },
}

/// Runs `explain`.
pub async fn run(arguments: args::ExplainArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::ExplainArgs { image, policy, input, output } = arguments;
    at_most_one_standard([Some(&policy.policy), input.inventory.as_ref()])?;
    let policy = read_policy(&policy.policy)?;
    let extra = match &image {
        ImageRef::Id(id) => ExtraReads { images: std::slice::from_ref(id), sharing: false },
        ImageRef::Name(_) => ExtraReads::default(),
    };
    let mut loaded = load(input, &policy, extra, context).await?;
    let now = loaded.plan.planned_at;
    let image = match image {
        ImageRef::Id(id) => id,
        name @ ImageRef::Name(_) => {
            let found = find_in(&name, &loaded.inventory, now);
            if found.is_err() {
                // The image may exist in a source that could not be read.
                for unread in &loaded.inventory.unread {
                    context.warn(format_args!("not read: {unread}"));
                }
            }
            let id = found?;
            loaded.read_all_about(&id, &policy, context).await;
            id
        }
    };
    if let Some(explanation) = explain(&image, &loaded.inventory, &policy, &loaded.plan) {
        context.progress.end();
        match output.format {
            Format::Json => print_json(&ExplainedImage::Here(Box::new(explanation)))?,
            Format::Table => print(&explanation_text(&explanation, context.style))?,
        }
        return Ok(Exit::Done);
    }
    let remnants = match &loaded.live {
        Some(live) => {
            read_remnants(live.cloud(), &loaded.inventory, &image, &policy.tag_names).await
        }
        None => remnants_in(&loaded.inventory, &image, &policy.tag_names),
    };
    context.progress.end();
    let target = AccountRegion { account: loaded.plan.account, region: loaded.plan.region };
    match output.format {
        Format::Json => {
            print_json(&ExplainedImage::Gone { image_id: &image, remnants: &remnants })?
        }
        Format::Table => print(&gone_text(
            &image,
            &remnants,
            &target,
            &policy.tag_names,
            &loaded.snapshots,
            context.style,
        ))?,
    }
    Ok(if remnants.is_nothing() { Exit::Failed } else { Exit::Done })
}
