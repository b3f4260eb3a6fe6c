//! Combines source policies for the same images, because only the first matching rule applies.

use steward::suggest::{Entry, SuggestedRule};

/// The waiting time for steps that the source does not have: practically never.
pub const NEVER: &str = "100y";
pub const AT_ONCE: &str = "Custodian deregisters images immediately";
pub const ONLY_DEPRECATES: &str = "Custodian only deprecates images";

/// The first rule that matches all images of `rule`, so that no image reaches `rule`.
pub fn decides_before<'a>(
    entries: &'a mut [Entry],
    rule: &SuggestedRule,
) -> Option<&'a mut SuggestedRule> {
    entries.iter_mut().find_map(|entry| match entry {
        Entry::Rule(earlier) if earlier.matches.covers(&rule.matches) => Some(earlier),
        _ => None,
    })
}

/// Whether `first` only deprecates exactly the images that `second` deregisters.
pub fn is_joined(first: &SuggestedRule, second: &SuggestedRule) -> bool {
    first.matches == second.matches
        && first.group_by == second.group_by
        && (first.keep.last, &first.keep.tags) == (second.keep.last, &second.keep.tags)
        && first.retire.deregister_after == NEVER
        && second.retire.deregister_after != NEVER
}

/// Adds the final steps of `second` to `first`, which only deprecates the same images.
pub fn join(first: &mut SuggestedRule, second: SuggestedRule) {
    let days = |age: &Option<String>| -> u32 {
        age.as_deref().and_then(|age| age.strip_suffix('d')?.parse().ok()).unwrap_or(0)
    };
    let between = days(&second.keep.within).saturating_sub(days(&first.keep.within));
    let steps = days(&Some(second.retire.deregister_after));
    let from_deprecated = days(&Some(first.retire.deprecate_after.clone()));
    let end = between.max(steps).max(from_deprecated);
    first.comments.retain(|one| !one.starts_with(ONLY_DEPRECATES) && !one.starts_with(AT_ONCE));
    first.comments.push(format!(
        "Both policies select the same images, so they are one rule: images are deprecated first, and deregistered {end} \
         days after they were found expired."
    ));
    first.retire.disable_after = format!("{}d", end.saturating_sub(7).max(from_deprecated));
    first.retire.deregister_after = format!("{end}d");
    first.retire.delete_snapshots_after = second.retire.delete_snapshots_after;
}
