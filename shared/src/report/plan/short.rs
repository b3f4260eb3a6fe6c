//! Short texts for reasons, for the rows of a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{InWords, ProviderWords};
use crate::plan::reason::{Manager, Reason};
use crate::plan::{Decision, Step};
use crate::policy::Policy;
use crate::text_fmt::{counted, date, excerpt, ordinal, thousands};

/// The maximum number of characters of a text that people wrote in a tag.
const MAX_NOTE: usize = 40;

/// Returns a short text of why the image is kept or expired. It is untrusted, because it contains
/// names.
pub(in crate::report) fn reasons(decision: &Decision, policy: Option<&Policy>) -> String {
    let provider = decision.image_id.provider().words();
    let mut words = Vec::new();
    let mut users = decision.reasons.iter().filter(|one| matches!(one, Reason::InUse { .. }));
    if let Some(first) = users.next() {
        let first = first.in_words(provider).to_string();
        words.push(match users.count() {
            0 => first,
            more => format!("{first} and {more} more"),
        });
    }
    let others = decision.reasons.iter().filter(|one| !matches!(one, Reason::InUse { .. }));
    words.extend(others.map(|reason| of(reason, decision, policy)));
    words.extend(sharing(decision));
    words.join(", ")
}

/// Returns the full text of a reason, except that grantees are only counted.
pub(super) fn in_full(reason: &Reason, decision: &Decision, policy: Option<&Policy>) -> String {
    match reason {
        Reason::Expired { .. } => format!("expired: {}", of(reason, decision, policy)),
        Reason::Shared { with } => format!("shared with {}", counted(with.len(), "grantee")),
        other => other.in_words(decision.image_id.provider().words()).to_string(),
    }
}

/// Returns how many grantees the image is shared with, if that is not a reason to keep it.
pub(super) fn sharing(decision: &Decision) -> Option<String> {
    let is_told = decision.reasons.iter().any(|one| matches!(one, Reason::Shared { .. }));
    let count = decision.shared_with.filter(|count| *count > 0 && !is_told)?;
    Some(format!("shared with {count}"))
}

fn of(reason: &Reason, decision: &Decision, policy: Option<&Policy>) -> String {
    match reason {
        Reason::Expired { rank, of } => {
            let mut rules = policy.iter().flat_map(|policy| &policy.rules);
            let rule = rules.find(|rule| Some(&rule.name) == decision.rule.as_ref());
            match rule.map(|rule| (rule.keep.last, &rule.keep.within)) {
                // With the rank, and with the key as the policy spells it.
                Some((last @ 1.., _)) => format!("{}, last = {last}", ordinal(*rank)),
                Some((0, Some(within))) => format!("older than {within}"),
                _ => format!("{} of {of}", ordinal(*rank)),
            }
        }
        Reason::Last { rank, of } => format!("{} of last {of}", ordinal(*rank)),
        Reason::AtLeast { of, .. } => format!("at least {of}"),
        Reason::Within { until } => format!("kept by age until {}", date(*until)),
        Reason::LaunchedWithin { last_launched_at, .. } => {
            format!("launched {}", date(*last_launched_at))
        }
        Reason::Hourly(_)
        | Reason::Daily(_)
        | Reason::Weekly(_)
        | Reason::Monthly(_)
        | Reason::Yearly(_) => reason.kind().to_owned(),
        Reason::ManagedElsewhere { by: Manager::DataLifecycleManager } => {
            "managed by DLM".to_owned()
        }
        Reason::Shared { with } => format!("shared with {}", with.len()),
        Reason::NoRule => "not covered".to_owned(),
        Reason::OptedOut { until, note } => {
            let until = until.map(|until| format!(" until {}", date(until))).unwrap_or_default();
            let note = note.as_deref().map(|note| format!(" ({})", excerpt(note, MAX_NOTE)));
            format!("excluded{until}{}", note.unwrap_or_default())
        }
        Reason::Deferred { cap, .. } => format!("deferred by {cap}"),
        other => other.in_words(decision.image_id.provider().words()).to_string(),
    }
}

/// Returns the text for the next step, as in `then disable from 2026-12-06`.
pub(super) fn next_step(decision: &Decision, step: Step) -> String {
    use crate::plan::Action;
    match (step, &decision.action) {
        (Step::DeleteSnapshots, Action::Deregister { removal }) => {
            let (all, going) = (decision.snapshots.len(), removal.snapshots.len());
            match going < all {
                true => format!("delete {going} of {}", counted(all, "snapshot")),
                false => "delete snapshots".to_owned(),
            }
        }
        (other, _) => super::step_words(other, decision.image_id.provider().words()).to_owned(),
    }
}

/// Returns the text for planned actions of this kind.
pub(super) fn to_do(kind: &'static str, words: &ProviderWords) -> String {
    match kind {
        "wait" => "waiting".to_owned(),
        "expire" => "to tag as expired".to_owned(),
        other => format!("to {}", words.step(other)),
    }
}

/// Converts the kind of a reason in the JSON output for display.
fn spaced(word: &str, words: &ProviderWords) -> String {
    match word {
        "entry_unknown" => format!("time of entering {} unknown", words.bin),
        "group_unknown" => "in no family".to_owned(),
        "keep_all" => "kept by keep = \"all\"".to_owned(),
        "state" => "in a state that is never changed".to_owned(),
        "image_in_recycle_bin" => format!("image {}", words.in_bin),
        "image_kept_longer" => "image retained for longer".to_owned(),
        "managed_elsewhere" => "managed by another service".to_owned(),
        "named_by" => "referenced".to_owned(),
        "no_rule" => "not covered".to_owned(),
        "not_attributed" => "not attributed to an image".to_owned(),
        "origin_unverified" => "possibly not created for an image".to_owned(),
        "not_before" => "not due yet".to_owned(),
        "not_marked" => "tag removed".to_owned(),
        "not_ours" => format!("owned by another {}", words.account),
        "opted_out" => "excluded by tag".to_owned(),
        "orphaned" => "orphans".to_owned(),
        "orphans_stay" => "without [orphans] in the policy".to_owned(),
        "permissions_unread" => "permissions not read".to_owned(),
        "recycle_bin_unread" => format!("{} not read", words.bin.trim_start_matches("the ")),
        "state_tag_unreadable" => "state tag not understood".to_owned(),
        "state_tag_unknown" => "unknown state tag".to_owned(),
        "too_young" => "too recent".to_owned(),
        "unverified" => "not verified".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Counts the words, most frequent first. Returns only the words if each of them applies to
/// everything.
pub(super) fn in_numbers<'a>(
    said: impl Iterator<Item = BTreeSet<&'a str>>,
    words: &ProviderWords,
) -> String {
    let (mut counts, mut all) = (BTreeMap::new(), 0);
    for kinds in said {
        all += 1;
        for word in kinds {
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    if counts.values().all(|count| *count == all) {
        return counts.keys().map(|word| spaced(word, words)).collect::<Vec<_>>().join(", ");
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let texts: Vec<_> = counts
        .iter()
        .map(|(word, count)| format!("{} {}", thousands(count), spaced(word, words)))
        .collect();
    texts.join(", ")
}
