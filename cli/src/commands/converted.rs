//! `init --from`: write the policy of another tool as one of ours, and say what it does not do.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use steward::model::Inventory;
use steward::policy::Policy;
use steward::simulate::simulate;
use steward::suggest::{self, Entry, Outlook, SuggestedPolicy, shown};
use steward::text_fmt::{counted, thousands};
use steward_migrate::{Migrated, migrate};

use super::init::{say, write_policy};
use crate::context::Context;
use crate::files::{name_of, read, read_inventory};
use crate::outcome::{CommandError, Exit};

/// How far ahead a policy is looked at that expires nothing today.
const DAYS: u32 = 90;

/// Translates what another tool was told.
pub fn run(
    from: &[PathBuf],
    inventory: Option<&Path>,
    out: &PathBuf,
    force: bool,
    now: Timestamp,
    context: &Context,
) -> Result<Exit, CommandError> {
    let read = |file: &PathBuf| Ok((name_of(file).into(), read(file)?));
    let files = from.iter().map(read).collect::<Result<Vec<_>, CommandError>>()?;
    let Migrated { mut document, rules, left_out } = migrate(&files)?;
    let policy = Policy::parse(&document.to_toml(), "the draft")?;
    let mut what = counted(rules, "rule");
    let warnings = match inventory {
        None => keeps_all(&document),
        Some(file) => {
            let inventory = read_inventory(file)?;
            let outlook = suggest::outlook(&inventory, &policy, now);
            let Outlook { images, in_use, matched, expired, .. } = outlook;
            let found = format!(
                "for {matched} of {images} images ({in_use} in use); at most {expired} of them are expired today"
            );
            document.head.push(format!("In {}: {found}.", shown(&name_of(file))));
            what += &format!(" {found}");
            let warnings = no_effect(&inventory, &policy, &outlook, now, context);
            context.progress.end();
            warnings
        }
    };
    document.head.extend(warnings.iter().map(|warning| format!("Warning: {warning}.")));
    let text = document.to_toml();
    Policy::parse(&text, "the draft")?;
    write_policy(out, &text, force)?;
    for left_out in &left_out {
        context.warn(format_args!("not translated: {left_out}"));
    }
    for warning in &warnings {
        context.warn(format_args!("warning: {warning}"));
    }
    say(context, out, &what);
    if inventory.is_none() && rules > 1 {
        context.hint(
            "the first rule that matches an image decides about it alone, which other tools do differently: with \
             --inventory FILE this command says which rules that leaves without images",
        );
    }
    Ok(if left_out.is_empty() { Exit::Done } else { Exit::Part })
}

/// Whether the policy expires nothing in any account, as far as its rules by themselves tell.
fn keeps_all(document: &SuggestedPolicy) -> Vec<String> {
    let rules = document.entries.iter().filter_map(|entry| match entry {
        Entry::Rule(rule) => Some(rule),
        Entry::Note(_) | Entry::Suggestion(_) => None,
    });
    let why =
        |rule: &suggest::SuggestedRule| Some(format!("{} by {}", rule.name, rule.keeps_all_by()?));
    let all: Option<Vec<String>> = rules.map(why).collect();
    let said = |why: Vec<String>| {
        format!(
            "the policy expires no image: its rules keep all that they match ({})",
            why.join("; ")
        )
    };
    all.map(said).into_iter().collect()
}

/// What has no effect in this inventory: all of it, or parts.
fn no_effect(
    inventory: &Inventory,
    policy: &Policy,
    outlook: &Outlook,
    now: Timestamp,
    context: &Context,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if outlook.expired == 0 && outlook.images > 0 {
        let kept =
            outlook.kept.iter().map(|(kind, images)| format!("{} {kind}", thousands(*images)));
        let kept: Vec<_> = kept.collect();
        let simulation = simulate(inventory, policy, now, DAYS, &context.progress);
        let later: usize = simulation.points.iter().map(|point| point.done.expired).sum();
        let later = match (simulation.refusal, later) {
            (Some(_), _) => String::new(),
            (None, 0) => format!(", and none in the next {DAYS} days"),
            (None, later) => format!(", and {} in the next {DAYS} days", thousands(later)),
        };
        warnings.push(format!(
            "under this inventory the policy expires no image today ({}){later}",
            kept.join(", ")
        ));
    }
    let notes = outlook.notes.iter().filter(|note| note.is_warning());
    warnings.extend(notes.map(ToString::to_string));
    warnings
}
