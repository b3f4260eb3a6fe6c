//! Policies of theirs for the same images: here the first rule would leave nothing to the second.

use steward::suggest::{Entry, SuggestedRule};

/// A snapshot's time when theirs leaves it: an age that is as good as never.
pub const NEVER: &str = "100y";
pub const AT_ONCE: &str = "Theirs deregisters at once";
pub const ONLY_DEPRECATES: &str = "Theirs only deprecates";

/// The first rule that decides about all images of `rule`, so that none would reach it.
pub fn decides_before<'a>(
    entries: &'a mut [Entry],
    rule: &SuggestedRule,
) -> Option<&'a mut SuggestedRule> {
    entries.iter_mut().find_map(|entry| match entry {
        Entry::Rule(earlier) if earlier.matches.covers(&rule.matches) => Some(earlier),
        _ => None,
    })
}

/// Whether `first` only deprecates the very images that `second` deregisters.
pub fn is_joined(first: &SuggestedRule, second: &SuggestedRule) -> bool {
    first.matches == second.matches
        && first.group_by == second.group_by
        && (first.keep.last, &first.keep.tags) == (second.keep.last, &second.keep.tags)
        && first.retire.deregister_after == NEVER
        && second.retire.deregister_after != NEVER
}

/// Gives a rule that only deprecates the end that a later one has for the same images.
pub fn join(first: &mut SuggestedRule, second: SuggestedRule) {
    let days = |age: &Option<String>| -> u32 {
        age.as_deref().and_then(|age| age.strip_suffix('d')?.parse().ok()).unwrap_or(0)
    };
    let between = days(&second.keep.within).saturating_sub(days(&first.keep.within));
    let steps = days(&Some(second.retire.deregister_after));
    let from_deprecated = days(&Some(first.retire.deprecate_after.clone()));
    let end = between.max(steps).max(from_deprecated);
    first.comments.retain(|said| !said.starts_with(ONLY_DEPRECATES) && !said.starts_with(AT_ONCE));
    first.comments.push(format!(
        "Both are for the same images, so they are one rule: deprecated first, and deregistered {end} days after it was \
         found expired."
    ));
    first.retire.disable_after = format!("{}d", end.saturating_sub(7).max(from_deprecated));
    first.retire.deregister_after = format!("{end}d");
    first.retire.delete_snapshots_after = second.retire.delete_snapshots_after;
}
