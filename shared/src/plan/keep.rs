//! Which images of a family a rule keeps, and why.

use jiff::Timestamp;

use super::family::Family;
use super::period::{Local, Period};
use super::reason::{InPeriod, Reason};
use crate::model::Image;
use crate::policy::{Keep, Policy, Rule};

/// The reasons for which `rule` keeps each member of `family`, in the order of the members: none
/// where it keeps the image no longer.
pub(super) fn reasons(
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
            reasons.extend(tag_reasons(&rule.keep, image));
        }
        all.push(reasons);
    }
    all
}

/// A reason for each tag of `image` that matches `keep.tags`.
pub(super) fn tag_reasons(keep: &Keep, image: &Image) -> impl Iterator<Item = Reason> {
    keep.tags.iter().filter_map(|(key, glob)| {
        let value = image.tags.get(key).filter(|value| glob.is_match(value))?;
        Some(Reason::Tag { key: key.as_str().into(), value: value.into() })
    })
}

/// A calendar rule while a family is read from the newest image to the oldest.
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
