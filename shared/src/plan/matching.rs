//! Selects the rule of an image: the first one whose conditions it meets.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::Image;
use crate::policy::{Age, Glob, Match, Policy};

/// The points in time to which the ages in a rule's conditions correspond in this run.
pub(super) struct Cutoffs {
    older_than: Option<Timestamp>,
    not: Option<Box<Cutoffs>>,
}

impl Cutoffs {
    /// The cutoffs of each rule, in the order of the policy.
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

/// The index of the first rule that matches `image`.
pub(super) fn rule_of(image: &Image, policy: &Policy, cutoffs: &[Cutoffs]) -> Option<usize> {
    let mut rules = policy.rules.iter().zip(cutoffs);
    rules.position(|(rule, cutoffs)| is_match(&rule.matches, cutoffs, image))
}

/// Whether `image` certainly meets all conditions.
pub(super) fn is_match(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> bool {
    holds(matches, cutoffs, image) == Some(true)
}

/// Whether `image` certainly meets all conditions, without considering exceptions.
pub(super) fn is_match_but_exceptions(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> bool {
    holds_but_exceptions(matches, cutoffs, image) == Some(true)
}

/// Whether `image` meets all conditions. `None` if this depends on a value that the image lacks:
/// then no rule matches the image, and an exception excludes it.
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

/// The same as [`holds`], without considering `not`.
fn holds_but_exceptions(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> Option<bool> {
    let Match { name, tags, architecture, platform, os_state, owner_alias, older_than: _, not: _ } =
        matches;
    // If one condition is not met, unknown values do not matter.
    let mut is_known = true;
    for (glob, value) in [
        (name, Some(&*image.name)),
        (architecture, image.architecture.as_deref()),
        (platform, image.platform.as_deref()),
        (os_state, image.os_state.as_deref()),
        (owner_alias, image.owner_alias.as_deref()),
    ] {
        match (glob, value.filter(|value| !value.is_empty())) {
            (None, _) => {}
            (Some(_), None) => is_known = false,
            (Some(glob), Some(value)) if glob.is_match(value) => {}
            (Some(_), Some(_)) => return Some(false),
        }
    }
    // The absence of a tag is not an unknown value.
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

/// A condition of a rule.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// The field must match the glob.
    Text(TextField, &'a Glob),
    /// The value of the tag with this key must match the glob.
    Tag(&'a str, &'a Glob),
    /// The image must be older than this, which means that it was created before this time.
    OlderThan(Age, Timestamp),
}

/// The fields of an image, other than tags, that a glob can apply to.
#[derive(Clone, Copy)]
pub(super) enum TextField {
    Name,
    Architecture,
    Platform,
    OsState,
    OwnerAlias,
}

impl TextField {
    /// The key of the field in the policy.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Architecture => "architecture",
            Self::Platform => "platform",
            Self::OsState => "os_state",
            Self::OwnerAlias => "owner_alias",
        }
    }
}

/// The conditions in `matches`, without its exceptions.
pub(super) fn conditions<'a>(matches: &'a Match, cutoffs: &Cutoffs) -> Vec<Condition<'a>> {
    let Match { name, tags, architecture, platform, os_state, owner_alias, older_than, not: _ } =
        matches;
    let texts = [
        (TextField::Name, name),
        (TextField::Architecture, architecture),
        (TextField::Platform, platform),
        (TextField::OsState, os_state),
        (TextField::OwnerAlias, owner_alias),
    ];
    let texts = texts.into_iter().filter_map(|(field, glob)| Some((field, glob.as_ref()?)));
    let texts = texts.map(|(field, glob)| Condition::Text(field, glob));
    let tags = tags.iter().map(|(key, glob)| Condition::Tag(key, glob));
    let age = older_than.zip(cutoffs.older_than);
    texts.chain(tags).chain(age.map(|(age, cutoff)| Condition::OlderThan(age, cutoff))).collect()
}

impl Condition<'_> {
    /// The value that the glob applies to, if the image has it.
    pub(super) fn value<'i>(&self, image: &'i Image) -> Option<&'i str> {
        match self {
            Self::Text(field, _) => {
                let value = match field {
                    TextField::Name => Some(&*image.name),
                    TextField::Architecture => image.architecture.as_deref(),
                    TextField::Platform => image.platform.as_deref(),
                    TextField::OsState => image.os_state.as_deref(),
                    TextField::OwnerAlias => image.owner_alias.as_deref(),
                };
                value.filter(|value| !value.is_empty())
            }
            Self::Tag(key, _) => image.tags.get(key),
            Self::OlderThan(..) => None,
        }
    }

    /// Whether `image` certainly meets the condition.
    pub(super) fn is_met(&self, image: &Image) -> bool {
        match self {
            Self::Text(_, glob) | Self::Tag(_, glob) => {
                self.value(image).is_some_and(|value| glob.is_match(value))
            }
            Self::OlderThan(_, cutoff) => image.created_at.is_some_and(|made| made < *cutoff),
        }
    }
}

/// An exception that excludes no image.
pub(super) struct IdleException<'a> {
    /// The path of the exception in the rule: `match.not`, or `match.not.not` for an exception to
    /// an exception.
    pub(super) path: String,
    /// The conditions of the exception.
    pub(super) matches: &'a Match,
    /// The cutoffs of the exception.
    pub(super) cutoffs: &'a Cutoffs,
    /// The images that the exception could exclude, because they meet all conditions around it.
    pub(super) within: Vec<&'a Image>,
}

/// The exceptions in `matches` that exclude none of `images`.
pub(super) fn idle_exceptions<'a>(
    matches: &'a Match,
    cutoffs: &'a Cutoffs,
    images: &'a [Image],
) -> Vec<IdleException<'a>> {
    let mut idle = Vec::new();
    let mut path = String::from("match");
    let mut outer = vec![(matches, cutoffs)];
    while let Some((Match { not: Some(not), .. }, Cutoffs { not: Some(inner), .. })) = outer.last()
    {
        path.push_str(".not");
        let is_within = |image: &&Image| {
            outer.iter().all(|(matches, cutoffs)| is_match_but_exceptions(matches, cutoffs, image))
        };
        let is_excepted =
            |image: &Image| is_within(&image) && holds(not, inner, image) != Some(false);
        // Fast path: most exceptions exclude one of the first images.
        if !images.iter().any(is_excepted) {
            let within = images.iter().filter(is_within).collect();
            idle.push(IdleException { path: path.clone(), matches: not, cutoffs: inner, within });
        }
        outer.push((not, inner));
    }
    idle
}
