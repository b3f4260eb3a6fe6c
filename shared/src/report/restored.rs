//! Formats the results of restoring images.

use std::fmt::Write as _;

use strum::IntoEnumIterator;

use super::Ids;
use crate::apply::RestoreStep;
use crate::model::{ImageId, InWords, Provider, ProviderWords, join_permissions};
use crate::restore::{RestorableState, RestorePreview, RestoreProblem, RestoreStatus, Restored};
use crate::text_fmt::{counted, printable, thousands};

/// Returns whether this many images are listed individually.
pub fn is_listed(count: usize, ids: Ids) -> bool {
    ids == Ids::All || count <= super::MAX_LISTED
}

/// Lists the results for the images that were to be restored.
pub fn restored_text(all: &[Restored]) -> String {
    let mut text = String::new();
    for Restored { image_id, status, done, not_shared, problem } in all {
        let word = match status {
            RestoreStatus::Restored => "restored",
            RestoreStatus::Untouched if !not_shared.is_empty() => {
                "already restored, but not shared"
            }
            RestoreStatus::Untouched if problem.is_some() => "not restored",
            RestoreStatus::Untouched => "nothing to do: not expired",
            RestoreStatus::Gone => "not found",
            RestoreStatus::Failed => "failed",
        };
        let words = image_id.provider().words();
        let _ = writeln!(text, "{}: {word}", image_id.short());
        for done in done {
            let _ = writeln!(text, "  {}", printable(&done.in_words(words).to_string()));
        }
        if !not_shared.is_empty() {
            let with = join_permissions(not_shared, ", ");
            let _ = writeln!(text, "  not shared again with {}", printable(&with));
        }
        if let Some(problem) = problem {
            let _ = writeln!(text, "  {}", printable(&problem.in_words(words).to_string()));
        }
    }
    text
}

/// The last of the steps that were undone for an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RestoredFrom {
    RecycleBin,
    Disabled,
    Deprecated,
    Expired,
}

impl RestoredFrom {
    fn of(restored: &Restored) -> Self {
        let did = |is_it: fn(&RestoreStep) -> bool| restored.done.iter().any(is_it);
        if did(|step| matches!(step, RestoreStep::ImageRecovered)) {
            return Self::RecycleBin;
        }
        if did(|step| matches!(step, RestoreStep::Enabled)) {
            return Self::Disabled;
        }
        let is_date = |step: &RestoreStep| {
            matches!(
                step,
                RestoreStep::DeprecationCancelled | RestoreStep::DeprecationRestored { .. }
            )
        };
        if did(is_date) { Self::Deprecated } else { Self::Expired }
    }
}

/// Summarizes the results in one sentence.
pub fn restored_summary(all: &[Restored]) -> String {
    let with = |status| all.iter().filter(move |one| one.status == status);
    let from = |wanted: RestoredFrom| {
        with(RestoreStatus::Restored).filter(|one| RestoredFrom::of(one) == wanted).count()
    };
    let not_enabled =
        |one: &&Restored| matches!(one.problem, Some(RestoreProblem::NotEnabled { .. }));
    let not_understood =
        |one: &&Restored| matches!(one.problem, Some(RestoreProblem::StateTagUnreadable { .. }));
    let is_untouched = |one: &&Restored| one.problem.is_none() && one.not_shared.is_empty();
    let words = words_of(all.first().map(|one| &one.image_id));
    let no_longer_deprecated = format!("no longer {}", words.deprecated);
    let still_disabled = format!("still {}", words.disabled);
    let parts = [
        (from(RestoredFrom::RecycleBin), words.from_bin),
        (from(RestoredFrom::Disabled), "enabled"),
        (from(RestoredFrom::Deprecated), no_longer_deprecated.as_str()),
        (from(RestoredFrom::Expired), "no longer expired"),
        (all.iter().filter(not_enabled).count(), still_disabled.as_str()),
        (
            all.iter().filter(not_understood).count(),
            "with a state tag that this version does not understand",
        ),
        (all.iter().filter(|one| !one.not_shared.is_empty()).count(), "not shared again"),
        (with(RestoreStatus::Untouched).filter(is_untouched).count(), "not expired"),
        (with(RestoreStatus::Gone).count(), "not found"),
        (with(RestoreStatus::Failed).count(), "failed"),
    ];
    let restored = with(RestoreStatus::Restored).count();
    let done = format!("{} of {} restored", thousands(restored), counted(all.len(), "image"));
    sentence(&done, parts)
}

/// Lists the images that would be restored, or only those with a problem, and a summary.
pub fn preview_text(all: &[RestorePreview], ids: Ids) -> String {
    let mut text = String::new();
    let lists_all = is_listed(all.len(), ids);
    for RestorePreview { image_id, name, state, not_shared, problem } in all {
        if !lists_all && problem.is_none() {
            continue;
        }
        let words = image_id.provider().words();
        let name = name.as_ref().filter(|name| !image_id.contains_name(name));
        let name = name.map_or(String::new(), |name| format!(" {name}"));
        let state = state.in_words(words);
        let id = image_id.short();
        let _ = writeln!(text, "{}", printable(&format!("{id}{name}: {state}")));
        if !not_shared.is_empty() {
            let with = join_permissions(not_shared, ", ");
            let _ = writeln!(text, "  was shared with {}", printable(&with));
        }
        if let Some(problem) = problem {
            let _ = writeln!(text, "  {}", printable(&problem.in_words(words).to_string()));
        }
    }
    let words = words_of(all.first().map(|one| &one.image_id));
    let would =
        |one: &&RestorePreview| one.problem.is_none() && one.state != RestorableState::Untouched;
    let count = all.iter().filter(would).count();
    let of = |state| all.iter().filter(|one| one.state == state).count();
    let states: Vec<(usize, String)> = RestorableState::iter()
        .map(|state| (of(state), state.in_words(words).to_string()))
        .collect();
    let done = format!("{} of {} would be restored", thousands(count), counted(all.len(), "image"));
    let parts = states.iter().map(|(count, what)| (*count, what.as_str()));
    let hint = if lists_all { "" } else { " -v lists all of them." };
    text + sentence(&done, parts).trim_end() + hint + "\n"
}

/// Returns the words of the provider that has the image. A list of images has one provider.
fn words_of(image: Option<&ImageId>) -> &'static ProviderWords {
    image.map_or_else(Provider::default, ImageId::provider).words()
}

/// Formats the result and the number of images of each kind.
fn sentence<'a>(done: &str, parts: impl IntoIterator<Item = (usize, &'a str)>) -> String {
    let said = parts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<_> = said.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    if said.is_empty() { format!("{done}.\n") } else { format!("{done}: {}.\n", said.join(", ")) }
}
