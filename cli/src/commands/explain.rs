//! `explain`: the whole story of one image.

use serde::Serialize;
use steward::ids::ImageId;
use steward::report::explain::{Story, gone_text, story, story_text};
use steward::survey::{Home, Traces, read_traces, traces_in};

use crate::arguments::{self, Format};
use crate::files::{at_most_one_standard, print, print_json, read_policy};
use crate::outcome::{CommandError, Exit};
use crate::seen::see;
use crate::session::Session;

/// The story of an image, or what is left of it.
#[derive(Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
enum Told<'a> {
    Here(Box<Story>),
    Gone { image_id: &'a ImageId, traces: &'a Traces },
}

/// Runs `explain`.
pub async fn run(arguments: arguments::Explain, session: &Session) -> Result<Exit, CommandError> {
    let arguments::Explain { image, policy, world, output } = arguments;
    at_most_one_standard([Some(&policy.policy), world.inventory.as_ref()])?;
    let policy = read_policy(&policy.policy)?;
    let seen = see(world, &policy, std::slice::from_ref(&image), session).await?;
    if let Some(story) = story(&image, &seen.inventory, &policy, &seen.plan) {
        session.progress.end();
        match output.format {
            Format::Json => print_json(&Told::Here(Box::new(story)))?,
            Format::Table => print(&story_text(&story, session.look))?,
        }
        return Ok(Exit::Done);
    }
    let traces = match &seen.live {
        Some(live) => read_traces(&live.aws, &seen.inventory, &image, &policy.names).await,
        None => traces_in(&seen.inventory, &image, &policy.names),
    };
    session.progress.end();
    let home = Home { account: seen.plan.account, region: seen.plan.region };
    match output.format {
        Format::Json => print_json(&Told::Gone { image_id: &image, traces: &traces })?,
        Format::Table => {
            print(&gone_text(&image, &traces, &home, &policy.names, &seen.snapshots, session.look))?
        }
    }
    Ok(if traces.is_nothing() { Exit::Failed } else { Exit::Done })
}
