//! Which rule an image falls under: the first one whose conditions all hold.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::Image;
use crate::policy::{Match, Policy};

/// The times that the ages of a rule's conditions mean in this run.
pub(super) struct Cutoffs {
    older_than: Option<Timestamp>,
    not: Option<Box<Cutoffs>>,
}

impl Cutoffs {
    /// One for each rule, in the policy's order.
    pub(super) fn of_rules(policy: &Policy, now: Timestamp) -> Vec<Self> {
        policy.rules.iter().map(|rule| Self::of(&rule.matches, now, &policy.timezone)).collect()
    }

    fn of(matches: &Match, now: Timestamp, zone: &TimeZone) -> Self {
        Self {
            older_than: matches.older_than.map(|age| age.before(now, zone)),
            not: matches.not.as_ref().map(|not| Box::new(Self::of(not, now, zone))),
        }
    }
}

/// The position of the first rule that matches `image`.
pub(super) fn rule_of(image: &Image, policy: &Policy, cutoffs: &[Cutoffs]) -> Option<usize> {
    let mut rules = policy.rules.iter().zip(cutoffs);
    rules.position(|(rule, cutoffs)| is_match(&rule.matches, cutoffs, image))
}

/// Whether all conditions surely hold for `image`.
pub(super) fn is_match(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> bool {
    holds(matches, cutoffs, image) == Some(true)
}

/// Whether all conditions hold for `image`; `None` when that depends on a value that it lacks: then
/// no rule matches it, and an exception does not let it pass.
fn holds(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> Option<bool> {
    let but_exceptions = holds_but_exceptions(matches, cutoffs, image);
    let (Some(not), Some(cutoffs)) = (&matches.not, &cutoffs.not) else { return but_exceptions };
    if but_exceptions == Some(false) {
        return Some(false);
    }
    match holds(not, cutoffs, image) {
        Some(true) => Some(false),
        Some(false) => but_exceptions,
        None => None,
    }
}

/// The same, whatever `not` excepts.
fn holds_but_exceptions(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> Option<bool> {
    let Match { name, tags, architecture, platform, owner_alias, older_than: _, not: _ } = matches;
    // One condition that does not hold settles it, whatever is unknown.
    let mut is_known = true;
    for (glob, value) in [
        (name, Some(&*image.name)),
        (architecture, image.architecture.as_deref()),
        (platform, image.platform.as_deref()),
        (owner_alias, image.owner_alias.as_deref()),
    ] {
        match (glob, value.filter(|value| !value.is_empty())) {
            (None, _) => {}
            (Some(_), None) => is_known = false,
            (Some(glob), Some(value)) if glob.is_match(value) => {}
            (Some(_), Some(_)) => return Some(false),
        }
    }
    // That an image does not have a tag is known.
    for (key, glob) in tags {
        if !image.tags.get(key).is_some_and(|value| glob.is_match(value)) {
            return Some(false);
        }
    }
    match (cutoffs.older_than, image.created_at) {
        (None, _) => {}
        (Some(_), None) => is_known = false,
        (Some(cutoff), Some(made)) if made < cutoff => {}
        (Some(_), Some(_)) => return Some(false),
    }
    is_known.then_some(true)
}

/// The paths of the exceptions of `matches` that except none of `images`: `match.not`, or
/// `match.not.not` for an exception to an exception.
pub(super) fn idle_exceptions(matches: &Match, cutoffs: &Cutoffs, images: &[Image]) -> Vec<String> {
    let mut idle = Vec::new();
    let mut path = String::from("match");
    let mut outer = vec![(matches, cutoffs)];
    while let Some((Match { not: Some(not), .. }, Cutoffs { not: Some(inner), .. })) = outer.last()
    {
        path.push_str(".not");
        let is_excepted = |image: &Image| {
            outer.iter().all(|(matches, cutoffs)| {
                holds_but_exceptions(matches, cutoffs, image) == Some(true)
            }) && holds(not, inner, image) != Some(false)
        };
        if !images.iter().any(is_excepted) {
            idle.push(path.clone());
        }
        outer.push((not, inner));
    }
    idle
}
