//! `init --from`: translates the policy of another tool, and reports what is not translated.

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

/// How many days to simulate a policy under which no image expires today.
const DAYS: u32 = 90;

/// Translates the policies of another tool.
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
    let policy = Policy::parse(&document.to_toml(), "the generated policy")?;
    let mut what = counted(rules, "rule");
    let warnings = match inventory {
        None => keeps_all(&document),
        Some(file) => {
            let inventory = read_inventory(file)?;
            let outlook = suggest::outlook(&inventory, &policy, now);
            let Outlook { images, in_use, matched, expired, .. } = outlook;
            let found = format!(
                "{matched} of {images} images ({in_use} in use); at most {expired} of them are expired today"
            );
            document.head.push(format!("In {}, the rules match {found}.", shown(&name_of(file))));
            what += &format!(" for {found}");
            let warnings = no_effect(&inventory, &policy, &outlook, now, context);
            context.progress.end();
            warnings
        }
    };
    document.head.extend(warnings.iter().map(|warning| format!("Warning: {warning}.")));
    let text = document.to_toml();
    Policy::parse(&text, "the generated policy")?;
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
            "unlike in other tools, only the first rule that matches an image applies to it; to list rules that apply to \
             no image, use --inventory FILE",
        );
    }
    Ok(if left_out.is_empty() { Exit::Done } else { Exit::Part })
}

/// A warning if the rules alone show that no image expires under the policy in any account.
fn keeps_all(document: &SuggestedPolicy) -> Vec<String> {
    let rules = document.entries.iter().filter_map(|entry| match entry {
        Entry::Rule(rule) => Some(rule),
        Entry::Note(_) | Entry::Suggestion(_) => None,
    });
    let kept_by =
        |rule: &suggest::SuggestedRule| Some(format!("{} by {}", rule.name, rule.keeps_all_by()?));
    let all: Option<Vec<String>> = rules.map(kept_by).collect();
    let warning = |kept_by: Vec<String>| {
        format!(
            "no image expires under this policy: its rules keep every image that they match ({})",
            kept_by.join("; ")
        )
    };
    all.map(warning).into_iter().collect()
}

/// Warnings if the policy, or part of it, has no effect in this inventory.
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
            (None, later) => format!("; {} will expire in the next {DAYS} days", thousands(later)),
        };
        warnings.push(format!(
            "with this inventory, no image expires today ({}){later}",
            kept.join(", ")
        ));
    }
    let notes = outlook.notes.iter().filter(|note| note.is_warning());
    warnings.extend(notes.map(ToString::to_string));
    warnings
}
