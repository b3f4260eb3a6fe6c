//! Which rule an image falls under: the first one whose conditions all hold.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::Image;
use crate::policy::{Age, Glob, Match, Policy};

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

/// The same, whatever its exceptions except.
pub(super) fn is_match_but_exceptions(matches: &Match, cutoffs: &Cutoffs, image: &Image) -> bool {
    holds_but_exceptions(matches, cutoffs, image) == Some(true)
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

/// One condition of a rule.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// A glob for a field.
    Text(TextField, &'a Glob),
    /// A glob for the value of the tag with this key.
    Tag(&'a str, &'a Glob),
    /// The image is older than this: created before that time.
    OlderThan(Age, Timestamp),
}

/// The fields of an image that a glob can be about, beside its tags.
#[derive(Clone, Copy)]
pub(super) enum TextField {
    Name,
    Architecture,
    Platform,
    OwnerAlias,
}

impl TextField {
    /// Its key in the policy.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Architecture => "architecture",
            Self::Platform => "platform",
            Self::OwnerAlias => "owner_alias",
        }
    }
}

/// The conditions of `matches`, but for its exceptions.
pub(super) fn conditions<'a>(matches: &'a Match, cutoffs: &Cutoffs) -> Vec<Condition<'a>> {
    let Match { name, tags, architecture, platform, owner_alias, older_than, not: _ } = matches;
    let texts = [
        (TextField::Name, name),
        (TextField::Architecture, architecture),
        (TextField::Platform, platform),
        (TextField::OwnerAlias, owner_alias),
    ];
    let texts = texts.into_iter().filter_map(|(field, glob)| Some((field, glob.as_ref()?)));
    let texts = texts.map(|(field, glob)| Condition::Text(field, glob));
    let tags = tags.iter().map(|(key, glob)| Condition::Tag(key, glob));
    let age = older_than.zip(cutoffs.older_than);
    texts.chain(tags).chain(age.map(|(age, cutoff)| Condition::OlderThan(age, cutoff))).collect()
}

impl Condition<'_> {
    /// The text that the glob is about, if the image has it.
    pub(super) fn value<'i>(&self, image: &'i Image) -> Option<&'i str> {
        match self {
            Self::Text(field, _) => {
                let value = match field {
                    TextField::Name => Some(&*image.name),
                    TextField::Architecture => image.architecture.as_deref(),
                    TextField::Platform => image.platform.as_deref(),
                    TextField::OwnerAlias => image.owner_alias.as_deref(),
                };
                value.filter(|value| !value.is_empty())
            }
            Self::Tag(key, _) => image.tags.get(key),
            Self::OlderThan(..) => None,
        }
    }

    /// Whether it surely holds for `image`.
    pub(super) fn is_met(&self, image: &Image) -> bool {
        match self {
            Self::Text(_, glob) | Self::Tag(_, glob) => {
                self.value(image).is_some_and(|value| glob.is_match(value))
            }
            Self::OlderThan(_, cutoff) => image.created_at.is_some_and(|made| made < *cutoff),
        }
    }
}

/// An exception that excepts no image.
pub(super) struct IdleException<'a> {
    /// Where it is in the rule: `match.not`, or `match.not.not` for an exception to an exception.
    pub(super) path: String,
    /// Its conditions.
    pub(super) matches: &'a Match,
    /// The times of its ages.
    pub(super) cutoffs: &'a Cutoffs,
    /// The images that it could except: all conditions around it hold for them.
    pub(super) within: Vec<&'a Image>,
}

/// The exceptions of `matches` that except none of `images`.
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
        // Most exceptions except one of the first images.
        if !images.iter().any(is_excepted) {
            let within = images.iter().filter(is_within).collect();
            idle.push(IdleException { path: path.clone(), matches: not, cutoffs: inner, within });
        }
        outer.push((not, inner));
    }
    idle
}
