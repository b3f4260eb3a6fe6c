//! Applies keep rules to the images of a family.

use std::cell::LazyCell;
use std::ops::Deref;

use jiff::Timestamp;

use super::family::{Family, Member};
use super::period::{Local, Period};
use super::reason::{InPeriod, Reason};
use crate::model::{Image, ImageId, ImageState};
use crate::policy::{Keep, Policy, Rule, matching_tags};

/// The rank of an image in its family, and the reasons why a rule keeps it.
pub(super) struct FamilyRank {
    /// The rank; the newest image is 1. For an image that can be launched, disabled images do not
    /// count. For a disabled image, all newer images count. Images whose availability was not
    /// confirmed never count.
    pub(super) rank: u32,
    /// The number of images that count.
    pub(super) of: u32,
    /// The reasons why the rule keeps the image. Empty if it does not.
    pub(super) reasons: Vec<Reason>,
}

/// Counts the images of a family from newest to oldest.
#[derive(Clone)]
struct Counting {
    rank: u32,
    of: u32,
    calendars: [Calendar; 5],
}

impl Counting {
    fn new(keep: &Keep, of: usize) -> Self {
        let calendars = [
            Calendar::new(keep.hourly, Local::hour, Reason::Hourly),
            Calendar::new(keep.daily, Local::day, Reason::Daily),
            Calendar::new(keep.weekly, Local::week, Reason::Weekly),
            Calendar::new(keep.monthly, Local::month, Reason::Monthly),
            Calendar::new(keep.yearly, Local::year, Reason::Yearly),
        ];
        Self { rank: 0, of: u32::try_from(of).unwrap_or(u32::MAX), calendars }
    }

    /// Counts the next image, which was created at `made`, and returns the calendar rules that keep
    /// it.
    fn next(&mut self, made: &impl Deref<Target = Local>) -> [Option<Reason>; 5] {
        self.rank = self.rank.saturating_add(1);
        self.calendars.each_mut().map(|calendar| calendar.take(made))
    }
}

/// The rank of each member of `family`, and the reasons why `rule` keeps it, in the order of the
/// members. The images in `enabled` count as if they could be launched.
pub(super) fn ranked(
    rule: &Rule,
    family: &Family<'_>,
    enabled: &[&ImageId],
    policy: &Policy,
    now: Timestamp,
) -> Vec<FamilyRank> {
    let zone = &policy.timezone;
    let Keep { last, within, launched_within, at_least, .. } = &rule.keep;
    let within = within.map(|age| (age, age.before(now, zone)));
    let launched_within = launched_within.map(|age| (age, age.before(now, zone)));
    let is_disabled = |Member { image, .. }: &Member<'_>| {
        image.state == ImageState::Disabled && !enabled.contains(&&image.image_id)
    };
    let members = &family.members;
    let confirmed = || members.iter().filter(|member| !member.image.unconfirmed);
    let launchable = confirmed().filter(|member| !is_disabled(member)).count();
    let has_disabled = members.iter().any(is_disabled);
    let mut of_launchable = Counting::new(&rule.keep, launchable);
    let mut of_all = Counting::new(&rule.keep, confirmed().count());
    let mut ranked = Vec::with_capacity(members.len());
    for member in members {
        let image = member.image;
        let made = LazyCell::new(|| Local::of(member.created_at, zone));
        let count = |counting: &mut Counting| {
            let mut own;
            let counting = match image.unconfirmed {
                // The image takes no place, so it does not change what the next one counts.
                true => {
                    own = counting.clone();
                    &mut own
                }
                false => counting,
            };
            let by_calendar = counting.next(&made);
            let of = counting.of.saturating_add(u32::from(image.unconfirmed));
            (counting.rank, of, by_calendar)
        };
        let by_all = has_disabled.then(|| count(&mut of_all));
        let by_all = by_all.filter(|_| is_disabled(member));
        let (rank, of, by_calendar) = by_all.unwrap_or_else(|| count(&mut of_launchable));
        let mut reasons = Vec::from_iter(rule.keep.all.then_some(Reason::KeepAll));
        if rank <= *last {
            reasons.push(Reason::Last { rank, of: *last });
        }
        if rank <= *at_least {
            reasons.push(Reason::AtLeast { rank, of: *at_least });
        }
        if let Some((age, cutoff)) = within
            && member.created_at >= cutoff
        {
            // Calendar arithmetic is not symmetric: 31 March minus one month is 28 February, and 28
            // February plus one month is 28 March.
            let until = age.after(member.created_at, zone).max(now);
            reasons.push(Reason::Within { until });
        }
        reasons.extend(by_calendar.into_iter().flatten());
        if let Some((age, cutoff)) = launched_within
            && let Some(last_launched_at) = image.last_launched_at
            && last_launched_at >= cutoff
        {
            let until = age.after(last_launched_at, zone).max(now);
            reasons.push(Reason::LaunchedWithin { last_launched_at, until });
        }
        reasons.extend(tag_reasons(&rule.keep, image));
        ranked.push(FamilyRank { rank, of, reasons });
    }
    ranked
}

/// The reasons why a rule keeps `image` that do not depend on its family: `keep = "all"`, and each
/// tag that matches `keep.tags`.
pub(super) fn own_reasons<'a>(
    keep: &'a Keep,
    image: &'a Image,
) -> impl Iterator<Item = Reason> + use<'a> {
    keep.all.then_some(Reason::KeepAll).into_iter().chain(tag_reasons(keep, image))
}

fn tag_reasons<'a>(keep: &'a Keep, image: &'a Image) -> impl Iterator<Item = Reason> + use<'a> {
    let tags = matching_tags(&keep.tags, &image.tags);
    tags.map(|(key, value)| Reason::Tag { key: key.into(), value: value.into() })
}

/// The state of a calendar rule while it counts the images of a family from newest to oldest.
#[derive(Clone)]
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

    /// Keeps the image if it is the newest of its period and the rule keeps more periods.
    fn take(&mut self, made: &impl Deref<Target = Local>) -> Option<Reason> {
        if self.rank >= self.of {
            return None;
        }
        let period = (self.period)(**made);
        if self.latest == Some(period) {
            return None;
        }
        self.latest = Some(period);
        self.rank += 1;
        Some((self.reason)(InPeriod { period, rank: self.rank, of: self.of }))
    }
}
