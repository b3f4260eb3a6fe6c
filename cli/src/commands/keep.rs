//! `keep` and `unkeep`: the tag that excludes images and snapshots.

use steward::model::{KeepTag, TagNames};
use steward::opt_out::{self, OptOut};
use steward::report;

use crate::args::{self, Format};
use crate::context::Context;
use crate::files::{prefix_of, print, print_json};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// Runs `keep`.
pub async fn keep(arguments: args::KeepArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::KeepArgs { images, duration, until, shorten, reason, prefix, place, output } =
        arguments;
    let now = context.now;
    let wrong = |option| move |cause| CommandError::Time { option, cause };
    let duration = duration.map(|one| one.as_end(now)).transpose().map_err(wrong("--for"))?;
    let until = until.map(|one| one.as_end(now)).transpose().map_err(wrong("--until"))?;
    let value = KeepTag::value_of(duration.or(until), reason.as_deref())?;
    let names = TagNames::under(&prefix_of(prefix)?);
    let live = live::connect(place, context).await?;
    context.interrupt.begin_changes();
    let ended = opt_out::keep(&images, &value, shorten, &names, now, live.cloud()).await?;
    report(&ended, &names, output.format, context)
}

/// Runs `unkeep`.
pub async fn unkeep(arguments: args::UnkeepArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::UnkeepArgs { images, prefix, place, output } = arguments;
    let names = TagNames::under(&prefix_of(prefix)?);
    let live = live::connect(place, context).await?;
    context.interrupt.begin_changes();
    let ended = opt_out::unkeep(&images, &names, context.now, live.cloud()).await?;
    report(&ended, &names, output.format, context)
}

fn report(
    ended: &[OptOut],
    names: &TagNames,
    format: Format,
    context: &Context,
) -> Result<Exit, CommandError> {
    context.progress.end();
    match format {
        Format::Json => print_json(&ended)?,
        Format::Table => print(&report::opt_out_text(ended, &names.keep))?,
    }
    Ok(match (ended.iter().all(OptOut::is_done), ended.iter().any(OptOut::is_done)) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Part,
        (false, false) => Exit::Failed,
    })
}
