//! `init`: generates a policy from the account, from an inventory, or from another tool's policies.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use steward::collect;
use steward::model::{ComputeEnvironments, Inventory, ReferenceScope, TemplateVersions};
use steward::suggest::{self, FirstPolicy};
use steward::text_fmt::counted;

use super::converted;
use crate::args::{self, AccountArgs, InputArgs};
use crate::context::Context;
use crate::files::{at_most_one_standard, is_standard, name_of, print, read_inventory};
use crate::live;
use crate::outcome::{CommandError, Exit};

/// Runs `init`.
pub async fn run(arguments: args::InitArgs, context: &Context) -> Result<Exit, CommandError> {
    let args::InitArgs { out, force, from, input } = arguments;
    let InputArgs { inventory, now, place } = input;
    let now = context.planned_for(now.as_ref())?;
    at_most_one_standard(from.iter().map(Some).chain([inventory.as_ref()]))?;
    // Checked first, because reading the account can take a minute.
    refuse_to_overwrite(&out, force)?;
    if !from.is_empty() {
        return converted::run(&from, inventory.as_deref(), &out, force, now, context);
    }
    let inventory = match inventory {
        Some(file) => read_inventory(&file)?,
        None => read_account(place, now, context).await?,
    };
    context.progress.end();
    for unread in &inventory.unread {
        context.warn(format_args!("not read: {unread}"));
    }
    let FirstPolicy { text, rules, outlook } = suggest::first_policy(&inventory, now)?;
    write_policy(&out, &text, force)?;
    let suggest::Outlook { images, matched, expired, .. } = outlook;
    say(
        context,
        &out,
        &format!(
            "{} for {matched} of {images} images; at most {expired} of them are expired today",
            counted(rules, "rule")
        ),
    );
    Ok(if inventory.unread.is_empty() { Exit::Done } else { Exit::Part })
}

async fn read_account(
    place: AccountArgs,
    now: Timestamp,
    context: &Context,
) -> Result<Inventory, CommandError> {
    let scope = ReferenceScope {
        versions: TemplateVersions::DefaultAndLatest,
        compute_environments: ComputeEnvironments::Read,
        ignore_templates: Vec::new(),
        accounts: Vec::new(),
    };
    let live = live::connect(place, context).await?;
    Ok(collect::collect_inventory(live.cloud(), &live.target, &scope, now, context.reading()).await)
}

fn refuse_to_overwrite(out: &Path, force: bool) -> Result<(), CommandError> {
    // A dangling link counts as an existing file.
    if force || is_standard(out) || out.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(CommandError::Exists { file: name_of(out) })
}

pub(super) fn write_policy(out: &PathBuf, text: &str, force: bool) -> Result<(), CommandError> {
    if is_standard(out) {
        return print(text);
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(out).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|cause| {
        match cause.kind() {
            std::io::ErrorKind::AlreadyExists => CommandError::Exists { file: name_of(out) },
            _ => CommandError::Write { file: name_of(out), cause },
        }
    })
}

/// Prints a summary of the policy, and the next command to run.
pub(super) fn say(context: &Context, out: &Path, what: &str) {
    if is_standard(out) {
        context.hint(what);
        return;
    }
    let file = out.display();
    context.hint(format_args!(
        "wrote {file}: {what}. No image is retired yet. Review the policy, then run: image-steward plan --policy {file}"
    ));
}
