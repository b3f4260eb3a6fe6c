//! `restore`: bring images back.

use steward::model::TagNames;
use steward::restore::{RestoreOptions, RestoreStatus, Restored};
use steward::{report, restore};

use crate::args::{self, Format};
use crate::context::Context;
use crate::files::{print, print_json};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// Runs `restore`.
pub async fn run(arguments: args::RestoreArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::RestoreArgs { images, all_since, keep_until, snapshots, prefix, place, output } =
        arguments;
    let names = TagNames::under(&prefix);
    let live = live::connect(place, context).await?;
    let images = match all_since {
        Some(since) => restore::images_since(since, &names, &live.aws).await?,
        None => images,
    };
    let options = RestoreOptions { keep: keep_until.map(|date| date.to_string()), snapshots };
    let mut all = Vec::new();
    context.interrupt.begin_changes();
    for image in &images {
        if context.interrupt.has_come() {
            break;
        }
        let restored = restore::restore(image, &options, &names, context.now, &live.aws).await;
        if output.format == Format::Table {
            let text = report::restored_text(std::slice::from_ref(&restored));
            context.progress.pause(|| print(&text))?;
        }
        all.push(restored);
    }
    context.progress.end();
    let stopped = context.interrupt.has_come();
    if let [first, ..] = images.get(all.len()..).unwrap_or_default() {
        context.warn(format_args!(
            "interrupted: {} of {} images were looked at; {first} and those after it were not. The same command \
             goes on from there",
            all.len(),
            images.len()
        ));
    }
    match output.format {
        Format::Json => print_json(&all)?,
        Format::Table if images.is_empty() => print("No image was on its way out.\n")?,
        Format::Table => {
            let restored = all.iter().any(|one| one.status == RestoreStatus::Restored);
            if restored && options.keep.is_none() {
                print(
                    "Under the same policy the next sweep finds them expired again: change it, or restore \
                     with --keep-until.\n",
                )?;
            }
        }
    }
    let good =
        |one: &Restored| matches!(one.status, RestoreStatus::Restored | RestoreStatus::Untouched);
    Ok(match (all.iter().all(good), all.iter().any(good)) {
        _ if stopped => Exit::Part,
        (true, _) => Exit::Done,
        (false, true) => Exit::Part,
        (false, false) => Exit::Failed,
    })
}
