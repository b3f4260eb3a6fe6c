//! Families: which rule an image falls under, which images replace one another, and which of
//! them the rule keeps.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::period::{Local, Period};
use super::reason::{InPeriod, Reason};
use crate::model::{Image, ImageState};
use crate::policy::{GroupBy, Keep, Match, Policy, Rule};

/// The moments that a rule's ages mean in this run.
pub(super) struct Cutoffs {
    older_than: Option<Timestamp>,
    not: Option<Box<Cutoffs>>,
}

impl Cutoffs {
    /// Those of every rule, in the policy's order.
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

/// The position of the rule that `image` falls under: the first one that matches.
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

/// The families of one rule's images.
#[derive(Default)]
pub(super) struct Families {
    index: HashMap<Arc<str>, usize>,
    list: Vec<Family>,
}

/// Images that replace one another.
pub(super) struct Family {
    /// What they have in common, written for people: `tag:Family=web,architecture=arm64`.
    pub key: Arc<str>,
    /// Positions in the inventory, the newest image first.
    pub members: Vec<Member>,
}

/// An image that takes part in the ranking.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub position: usize,
    pub created_at: Timestamp,
}

impl Families {
    /// Puts an image in its family.
    pub(super) fn add(&mut self, key: &str, member: Member) {
        let family = match self.index.get(key) {
            Some(family) => *family,
            None => {
                let key: Arc<str> = key.into();
                self.list.push(Family { key: key.clone(), members: Vec::new() });
                self.index.insert(key, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        if let Some(family) = self.list.get_mut(family) {
            family.members.push(member);
        }
    }

    /// The families in order of their keys, their images newest first, ties by id.
    pub(super) fn ranked(self, images: &[Image]) -> Vec<Family> {
        let mut list = self.list;
        list.sort_by(|a, b| a.key.cmp(&b.key));
        for family in &mut list {
            family.members.sort_by(|a, b| {
                b.created_at.cmp(&a.created_at).then_with(|| {
                    let id =
                        |member: &Member| images.get(member.position).map(|image| &image.image_id);
                    id(a).cmp(&id(b))
                })
            });
        }
        list
    }
}

/// Whether an image takes part in the ranking: a failed or half-made image must not push a good
/// one out of the newest five.
pub(super) fn takes_part(image: &Image) -> bool {
    matches!(image.state, ImageState::Available | ImageState::Disabled)
}

/// Writes the key of the image's family under `rule` into `key`.
///
/// # Errors
/// What the image lacks. It is then in no family, because images that lack a tag have nothing in
/// common but that, and must not replace one another.
pub(super) fn family_key(rule: &Rule, image: &Image, key: &mut String) -> Result<(), Arc<str>> {
    key.clear();
    if rule.group_by.is_empty() {
        key.push_str("all");
        return Ok(());
    }
    for by in &rule.group_by {
        let (label, value) = match by {
            GroupBy::Tag(tag) => ("tag:", image.tags.get(tag).map(|value| (tag.as_str(), value))),
            GroupBy::Architecture => {
                ("", image.architecture.as_deref().map(|value| ("architecture", value)))
            }
            GroupBy::Platform => ("", image.platform.as_deref().map(|value| ("platform", value))),
            GroupBy::NamePrefix => ("", Some(("name", name_prefix(&image.name)))),
        };
        let Some((name, value)) = value.filter(|(_, value)| !value.is_empty()) else {
            return Err(match by {
                GroupBy::Tag(tag) => format!("tag:{tag}").into(),
                GroupBy::Architecture => "architecture".into(),
                GroupBy::Platform => "platform".into(),
                GroupBy::NamePrefix => "name".into(),
            });
        };
        if !key.is_empty() {
            key.push(',');
        }
        for part in [label, name, "="] {
            key.push_str(part);
        }
        // A comma or backslash inside a value is escaped: two families never share a key.
        for character in value.chars() {
            if matches!(character, ',' | '\\') {
                key.push('\\');
            }
            key.push(character);
        }
    }
    Ok(())
}

/// A name without its trailing dates, times, versions and numbers: `web-22.04-20261121-0312` is
/// `web-22.04`… but only whole parts go, from the end, and never the first one. A part is such a
/// word when it begins with a digit (or `v` and a digit) and holds nothing but digits and `.:TZ`.
pub(crate) fn name_prefix(name: &str) -> &str {
    let mut prefix = name;
    while let Some(at) = prefix.rfind(['-', '_', ' ', '/', '@']) {
        let (head, tail) =
            (prefix.get(..at).unwrap_or_default(), prefix.get(at + 1..).unwrap_or_default());
        let digits = tail.strip_prefix('v').unwrap_or(tail);
        let varies = tail.is_empty()
            || (digits.starts_with(|c: char| c.is_ascii_digit())
                && digits
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | 'T' | 'Z')));
        if !varies || head.is_empty() {
            break;
        }
        prefix = head;
    }
    prefix
}

/// Every reason that the rule has to keep the members of one family, in the members' order.
pub(super) fn retain(
    rule: &Rule,
    family: &Family,
    images: &[Image],
    policy: &Policy,
    now: Timestamp,
) -> Vec<Vec<Reason>> {
    let zone = &policy.timezone;
    let Keep {
        last,
        within,
        hourly,
        daily,
        weekly,
        monthly,
        yearly,
        launched_within,
        tags: _,
        at_least,
    } = &rule.keep;
    let within = within.map(|age| (age, age.before(now, zone)));
    let launched_within = launched_within.map(|age| (age, age.before(now, zone)));
    let mut calendars = [
        Calendar::new(*hourly, Local::hour, Reason::Hourly),
        Calendar::new(*daily, Local::day, Reason::Daily),
        Calendar::new(*weekly, Local::week, Reason::Weekly),
        Calendar::new(*monthly, Local::month, Reason::Monthly),
        Calendar::new(*yearly, Local::year, Reason::Yearly),
    ];
    let mut all = Vec::with_capacity(family.members.len());
    for (rank, member) in (1_u32..).zip(&family.members) {
        let mut reasons = Vec::new();
        if rank <= *last {
            reasons.push(Reason::Last { rank, of: *last });
        }
        if rank <= *at_least {
            reasons.push(Reason::AtLeast { rank, of: *at_least });
        }
        if let Some((age, cutoff)) = within
            && member.created_at >= cutoff
        {
            // A month back from 31 March is 28 February; a month on from there is 28 March.
            let until = age.after(member.created_at, zone).max(now);
            reasons.push(Reason::Within { until });
        }
        if calendars.iter().any(Calendar::is_open) {
            let local = Local::of(member.created_at, zone);
            reasons.extend(calendars.iter_mut().filter_map(|calendar| calendar.take(local)));
        }
        if let Some(image) = images.get(member.position) {
            if let Some((age, cutoff)) = launched_within
                && let Some(last_launched_at) = image.last_launched_at
                && last_launched_at >= cutoff
            {
                let until = age.after(last_launched_at, zone).max(now);
                reasons.push(Reason::LaunchedWithin { last_launched_at, until });
            }
            reasons.extend(kept_tags(&rule.keep, image));
        }
        all.push(reasons);
    }
    all
}

/// The tags of `image` that the rule keeps.
pub(super) fn kept_tags(keep: &Keep, image: &Image) -> impl Iterator<Item = Reason> {
    keep.tags.iter().filter_map(|(key, glob)| {
        let value = image.tags.get(key).filter(|value| glob.is_match(value))?;
        Some(Reason::Tag { key: key.as_str().into(), value: value.into() })
    })
}

/// One calendar rule on its way from the newest image to the oldest.
struct Calendar {
    of: u32,
    rank: u32,
    latest: Option<Period>,
    period: fn(Local) -> Period,
    reason: fn(InPeriod) -> Reason,
}

impl Calendar {
    fn new(of: u32, period: fn(Local) -> Period, reason: fn(InPeriod) -> Reason) -> Self {
        Self { of, rank: 0, latest: None, period, reason }
    }

    /// Whether it may still keep an image.
    fn is_open(&self) -> bool {
        self.rank < self.of
    }

    /// Keeps the image if it is the newest of a period, and the periods are not used up.
    fn take(&mut self, local: Local) -> Option<Reason> {
        if !self.is_open() {
            return None;
        }
        let period = (self.period)(local);
        if self.latest == Some(period) {
            return None;
        }
        self.latest = Some(period);
        self.rank += 1;
        Some((self.reason)(InPeriod { period, rank: self.rank, of: self.of }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_trailing_numbers_but_not_its_own() {
        for (name, prefix) in [
            ("golden-20261121", "golden"),
            ("golden-2026-11-21", "golden"),
            ("golden-2026-11-21T03:12:00Z", "golden"),
            ("ubuntu-22.04-web-20261121-0312", "ubuntu-22.04-web"),
            ("web_v1.2.3", "web"),
            ("web/build/417", "web/build"),
            ("web", "web"),
            ("2026-11-21", "2026"),
            ("web-", "web"),
            ("-1", "-1"),
            ("", ""),
            ("web-beta", "web-beta"),
            ("web-2a", "web-2a"),
        ] {
            assert_eq!(name_prefix(name), prefix, "{name}");
        }
    }
}
