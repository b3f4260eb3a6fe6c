//! `restore`: restores images and their snapshots.

use std::collections::BTreeSet;
use std::io::stdin;

use steward::cloud::Cloud;
use steward::collect::find_named;
use steward::model::{LaunchPermission, TagNames, join_permissions};
use steward::policy::DEFAULT_PREFIX;
use steward::restore::{RestoreOptions, RestorePreview, RestoreStatus, Restored};
use steward::text_fmt::printable;
use steward::{report, restore};

use crate::args::{self, Format};
use crate::confirm::can_ask;
use crate::context::Context;
use crate::files::{prefix_of, print, print_json};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// Runs `restore`.
pub async fn run(arguments: args::RestoreArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::RestoreArgs {
        images,
        all_since,
        keep_until,
        dry_run,
        snapshots,
        share_with,
        prefix,
        place,
        output,
    } = arguments;
    let prefix = prefix_of(prefix)?;
    let names = TagNames::under(&prefix);
    let wrong = |option| move |cause| CommandError::Time { option, cause };
    let since = all_since.map(|at| at.as_past(context.now)).transpose();
    let since = since.map_err(wrong("--all-since"))?;
    let keep_until = keep_until.map(|at| at.as_end(context.now)).transpose();
    let keep_until = keep_until.map_err(wrong("--keep-until"))?;
    let mut again = String::new();
    let profile = place.profile.clone();
    let endpoint = place.endpoint_url.as_ref().map(ToString::to_string);
    let region = place.region.as_ref().map(ToString::to_string);
    for (option, value) in [("region", region), ("profile", profile), ("endpoint-url", endpoint)] {
        if let Some(value) = value {
            again.push_str(&format!(" --{option} {value}"));
        }
    }
    if prefix != DEFAULT_PREFIX {
        again.push_str(&format!(" --prefix {prefix}"));
    }
    let live = live::connect(place, context).await?;
    let images = match since {
        Some(since) => restore::images_since(since, &names, live.cloud()).await?,
        None => find_named(&images, true, context.now, live.cloud()).await?,
    };
    let options = RestoreOptions {
        keep: keep_until.map(|end| end.to_string()),
        snapshots,
        found_by_tags: since.is_some(),
    };
    if dry_run {
        let images = restore::preview(&images, &options, &names, context.now, live.cloud()).await?;
        return report_preview(&images, output.format, context);
    }
    let lists_all = report::is_listed(images.len(), context.ids());
    let mut all = Vec::new();
    context.interrupt.begin_changes();
    for image in &images {
        if context.interrupt.has_come() {
            break;
        }
        let mut restored =
            restore::restore(image, &options, &names, context.now, live.cloud()).await;
        if !share_with.is_empty() {
            restore::share_again(&mut restored, &share_with, &names, live.cloud()).await;
        }
        let is_listed = lists_all || restored.problem.is_some();
        if output.format == Format::Table && is_listed {
            let text = report::restored_text(std::slice::from_ref(&restored));
            context.progress.pause(|| print(&text))?;
        }
        all.push(restored);
    }
    context.progress.end();
    let stopped = context.interrupt.has_come();
    if let [first, ..] = images.get(all.len()..).unwrap_or_default() {
        context.warn(format_args!(
            "interrupted after {} of {} images; {first} and later images were not processed. Run the same command \
             again to continue",
            all.len(),
            images.len()
        ));
    }
    let shared = match share_with.is_empty() && output.format == Format::Table && !stopped {
        true => ask_and_share(&mut all, &names, live.cloud(), &again, context).await?,
        false => hint_at_sharing(&all, &again, context),
    };
    match output.format {
        Format::Json => print_json(&all)?,
        Format::Table if images.is_empty() => {
            print("No image has expired or been deregistered since then.\n")?
        }
        Format::Table => {
            if since.is_some() || !lists_all {
                print(&report::restored_summary(&all))?;
            }
            if !lists_all {
                context.hint("use -v to list every image");
            }
            let restored = all.iter().any(|one| one.status == RestoreStatus::Restored);
            if restored && options.keep.is_none() {
                print(
                    "Under the same policy, the next run finds these images expired again. Change the policy, or \
                     restore with --keep-until.\n",
                )?;
            }
        }
    }
    let good = |one: &Restored| {
        one.problem.is_none()
            && matches!(one.status, RestoreStatus::Restored | RestoreStatus::Untouched)
    };
    Ok(match (all.iter().all(good), all.iter().any(good)) {
        _ if stopped => Exit::Part,
        (true, _) if shared == Sharing::Open => Exit::Part,
        (true, _) => Exit::Done,
        (false, true) => Exit::Part,
        (false, false) => Exit::Failed,
    })
}

/// Prints what would be restored.
fn report_preview(
    images: &[RestorePreview],
    format: Format,
    context: &Context,
) -> Result<Exit, CommandError> {
    context.progress.end();
    match format {
        Format::Json => print_json(&images)?,
        Format::Table if images.is_empty() => {
            print("No image has expired or been deregistered since then.\n")?
        }
        Format::Table => print(&report::preview_text(images, context.ids()))?,
    }
    let is_good = |one: &RestorePreview| one.problem.is_none();
    Ok(match (images.iter().all(is_good), images.iter().any(is_good)) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Part,
        (false, false) => Exit::Failed,
    })
}

/// Whether sharing is decided for all restored images.
#[derive(PartialEq, Eq)]
enum Sharing {
    Decided,
    Open,
}

/// Asks for confirmation before images are shared again, because anyone with permission to tag
/// images can change the tags that list the accounts.
async fn ask_and_share(
    all: &mut [Restored],
    names: &TagNames,
    cloud: &dyn Cloud,
    again: &str,
    context: &Context,
) -> Result<Sharing, CommandError> {
    let open: Vec<&mut Restored> = all.iter_mut().filter(|one| is_open(one)).collect();
    if open.is_empty() || !can_ask() {
        return Ok(hint_at_sharing(all, again, context));
    }
    eprintln!(
        "\nAccording to their tags, these images were shared before they were disabled. Anyone with permission to \
         tag images can set such a tag."
    );
    for one in &open {
        eprintln!("  {}: {}", one.image_id, printable(&join_permissions(&one.not_shared, ", ")));
    }
    let typed = context.interrupt.asking(|| {
        eprint!("Share them again? [y/N] ");
        let mut line = String::new();
        stdin().read_line(&mut line).map(|_| line)
    })?;
    if !matches!(typed.trim(), "y" | "Y" | "yes") {
        eprintln!("No image was shared. The tags still contain the launch permissions.");
        return Ok(Sharing::Decided);
    }
    for restored in open {
        let approved = restored.not_shared.clone();
        restore::share_again(restored, &approved, names, cloud).await;
        print(&report::restored_text(std::slice::from_ref(restored)))?;
    }
    Ok(Sharing::Decided)
}

/// Prints the command that shares the images again, if any are not shared. `again` are the options
/// of this command that it needs too.
fn hint_at_sharing(all: &[Restored], again: &str, context: &Context) -> Sharing {
    let open: Vec<&Restored> = all.iter().filter(|one| is_open(one)).collect();
    let [first, ..] = open.as_slice() else { return Sharing::Decided };
    let images: Vec<_> = open.iter().map(|one| one.image_id.as_str()).collect();
    let known = |with: &&LaunchPermission| !matches!(with, LaunchPermission::Unknown(_));
    let with: BTreeSet<_> = open
        .iter()
        .flat_map(|one| &one.not_shared)
        .filter(known)
        .map(ToString::to_string)
        .collect();
    let which = match open.len() {
        1 => format!("{} is", first.image_id),
        count => format!("{count} images are"),
    };
    let how = match with.is_empty() {
        true => "the tag lists no account, organization or organizational unit; remove the tag"
            .to_owned(),
        false => format!(
            "to share, run: image-steward restore {} --share-with {}{again}",
            images.join(" "),
            Vec::from_iter(with).join(" --share-with "),
        ),
    };
    context.warn(format_args!(
        "{which} not shared again, because anyone with permission to tag images can change the tag that lists the \
         accounts; {how}"
    ));
    Sharing::Open
}

fn is_open(restored: &Restored) -> bool {
    !restored.not_shared.is_empty() && restored.problem.is_none()
}
