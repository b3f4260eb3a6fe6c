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

/// Whether all conditions hold for `image`. What an image lacks matches no glob.
fn is_match(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> bool {
    let Match { name, tags, architecture, platform, owner_alias, older_than: _, not } = matches;
    let holds = |glob: &Option<globset::GlobMatcher>, value: Option<&str>| match glob {
        None => true,
        Some(glob) => value.is_some_and(|value| glob.is_match(value)),
    };
    holds(name, Some(&image.name))
        && holds(architecture, image.architecture.as_deref())
        && holds(platform, image.platform.as_deref())
        && holds(owner_alias, image.owner_alias.as_deref())
        && tags
            .iter()
            .all(|(key, glob)| image.tags.get(key).is_some_and(|value| glob.is_match(value)))
        && cutoffs
            .older_than
            .is_none_or(|cutoff| image.created_at.is_some_and(|made| made < cutoff))
        && match (not, &cutoffs.not) {
            (Some(not), Some(cutoffs)) => !is_match(not, cutoffs, image),
            _ => true,
        }
}
