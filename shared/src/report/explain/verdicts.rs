//! The result of each keep rule for an image, with the margin.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::Image;
use crate::plan::Decision;
use crate::plan::period::{Local, Period};
use crate::plan::reason::{InPeriod, Reason};
use crate::policy::{Age, Policy, Rule};
use crate::text_fmt::{counted, hours_or_days, minute};

/// A keep rule and its result for the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule as in the policy, for example `last = 5`.
    pub rule: String,
    /// Whether the rule matches.
    pub held: RuleOutcome,
    /// The margin, as text.
    pub by: String,
}

/// Whether a keep rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// The rule keeps the image.
    Yes,
    /// The rule does not keep the image.
    No,
}

/// Rules other than `tags` apply only to members of a family.
const NO_PLACE: &str = "the image is not ranked in a family";

/// The image's position among the decisions of its family, newest first, and these decisions.
pub(super) type Ranked<'a> = Option<(usize, &'a [&'a Decision])>;

/// The image that the rules are applied to.
struct Asked<'a> {
    image: &'a Image,
    decision: &'a Decision,
    ranked: Ranked<'a>,
    policy: &'a Policy,
    now: Timestamp,
}

/// Returns the result of each keep rule that `rule` sets.
pub(super) fn of(
    rule: &Rule,
    image: &Image,
    decision: &Decision,
    ranked: Ranked<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Verdict> {
    let asked = Asked { image, decision, ranked, policy, now };
    let keep = &rule.keep;
    let mut verdicts = Vec::new();
    if keep.all {
        let by = "every image of the rule is kept permanently".to_owned();
        verdicts.push(Verdict { rule: "keep = \"all\"".to_owned(), held: yes(true), by });
    }
    if keep.last > 0 {
        let is_meant = |reason: &Reason| matches!(reason, Reason::Last { .. });
        verdicts.push(asked.count("last", keep.last, is_meant));
    }
    if keep.at_least > 0 {
        let is_meant = |reason: &Reason| matches!(reason, Reason::AtLeast { .. });
        verdicts.push(asked.count("at_least", keep.at_least, is_meant));
    }
    if let Some(age) = keep.within {
        verdicts.push(asked.within(age));
    }
    if let Some(age) = keep.launched_within {
        verdicts.push(asked.launched_within(age));
    }
    let calendars = [
        ("hourly", keep.hourly, CalendarRule { period: Local::hour, found: hourly }),
        ("daily", keep.daily, CalendarRule { period: Local::day, found: daily }),
        ("weekly", keep.weekly, CalendarRule { period: Local::week, found: weekly }),
        ("monthly", keep.monthly, CalendarRule { period: Local::month, found: monthly }),
        ("yearly", keep.yearly, CalendarRule { period: Local::year, found: yearly }),
    ];
    for (name, count, calendar) in calendars {
        if count > 0 {
            verdicts.push(asked.calendar(name, count, calendar));
        }
    }
    for (key, glob) in &keep.tags {
        let glob = glob.as_str();
        let value = asked.image.tags.get(key);
        let held =
            asked.reason(|reason| matches!(reason, Reason::Tag { key: k, .. } if **k == **key));
        let by = match (held, value) {
            (Some(_), Some(value)) => format!("the image has the tag {key}={value}"),
            (_, Some(value)) => format!("the tag {key}={value} does not match"),
            (_, None) => format!("the image has no tag {key}"),
        };
        let rule = format!("tags = {{ {key} = \"{glob}\" }}");
        verdicts.push(Verdict { rule, held: yes(held.is_some()), by });
    }
    verdicts
}

fn yes(held: bool) -> RuleOutcome {
    if held { RuleOutcome::Yes } else { RuleOutcome::No }
}

impl Asked<'_> {
    /// Returns the decision's reason. The decision is authoritative; only the margin is computed
    /// here.
    fn reason(&self, is_meant: impl Fn(&Reason) -> bool) -> Option<&Reason> {
        self.decision.reasons.iter().find(|reason| is_meant(reason))
    }

    fn count(&self, name: &str, count: u32, is_meant: fn(&Reason) -> bool) -> Verdict {
        let held = self.reason(is_meant);
        let count_wide = usize::try_from(count).unwrap_or(usize::MAX);
        let by = match self.ranked {
            None => NO_PLACE.to_owned(),
            Some((rank, _)) if held.is_some() => {
                let more = counted(count_wide.saturating_sub(rank) + 1, "newer image");
                format!("number {rank}; no longer matches after {more}")
            }
            Some((rank, _)) => {
                format!("number {rank}; {} too low", counted(rank - count_wide.min(rank), "place"))
            }
        };
        Verdict { rule: format!("{name} = {count}"), held: yes(held.is_some()), by }
    }

    fn within(&self, age: Age) -> Verdict {
        let until = self.decision.reasons.iter().find_map(|reason| match reason {
            Reason::Within { until } => Some(*until),
            _ => None,
        });
        let from = self.image.created_at.ok_or("the creation time is unknown");
        self.not_older_than("within", age, from, until)
    }

    fn launched_within(&self, age: Age) -> Verdict {
        let until = self.decision.reasons.iter().find_map(|reason| match reason {
            Reason::LaunchedWithin { until, .. } => Some(*until),
            _ => None,
        });
        let from = self.image.last_launched_at;
        let from = from.ok_or(self.image.image_id.provider().words().no_launch);
        self.not_older_than("launched_within", age, from, until)
    }

    /// Returns the result of a rule that keeps an image for `age` after `from`; `until` is set if
    /// it does.
    fn not_older_than(
        &self,
        name: &str,
        age: Age,
        from: Result<Timestamp, &str>,
        until: Option<Timestamp>,
    ) -> Verdict {
        let by = match (until, from) {
            _ if self.ranked.is_none() => NO_PLACE.to_owned(),
            (Some(until), _) => self.until(until),
            (None, Ok(from)) => self.ended(age.after(from, &self.policy.timezone)),
            (None, Err(unknown)) => unknown.to_owned(),
        };
        Verdict { rule: format!("{name} = \"{age}\""), held: yes(until.is_some()), by }
    }

    fn until(&self, until: Timestamp) -> String {
        format!("until {}, {} from now", minute(until), hours_or_days(self.now, until))
    }

    fn ended(&self, at: Timestamp) -> String {
        // Subtracting a day from now and adding a day differ when daylight saving time begins or
        // ends.
        let at = at.min(self.now);
        format!("ended {}, {} ago", minute(at), hours_or_days(at, self.now))
    }

    fn calendar(&self, name: &str, count: u32, calendar: CalendarRule) -> Verdict {
        let CalendarRule { period: period_of, found } = calendar;
        let held = self.decision.reasons.iter().find_map(found);
        let mine =
            self.image.created_at.map(|made| period_of(Local::of(made, &self.policy.timezone)));
        let by = match (held, mine, self.ranked) {
            (Some(InPeriod { period, rank, of }), _, _) => {
                format!("newest image of {period}, which is number {rank} of {of}")
            }
            (None, Some(mine), Some((_, family))) => match newest_of(mine, found, family) {
                Some(other) => {
                    format!("{} is the newest image of {mine}", other.image_id.short())
                }
                None => {
                    let periods = match count {
                        1 => "period".to_owned(),
                        _ => format!("{count} periods"),
                    };
                    format!("{mine} is before the latest {periods} with an image")
                }
            },
            (None, _, _) => NO_PLACE.to_owned(),
        };
        Verdict { rule: format!("{name} = {count}"), held: yes(held.is_some()), by }
    }
}

/// A calendar rule: the period that contains a time, and the period in a reason of this rule.
#[derive(Clone, Copy)]
struct CalendarRule {
    period: fn(Local) -> Period,
    found: fn(&Reason) -> Option<&InPeriod>,
}

/// Returns the image of the family that a calendar rule keeps for this period.
fn newest_of<'a>(
    period: Period,
    found: fn(&Reason) -> Option<&InPeriod>,
    family: &'a [&'a Decision],
) -> Option<&'a Decision> {
    let keeps = |reason: &Reason| found(reason).is_some_and(|one| one.period == period);
    family.iter().copied().find(|decision| decision.reasons.iter().any(keeps))
}

fn hourly(reason: &Reason) -> Option<&InPeriod> {
    if let Reason::Hourly(found) = reason { Some(found) } else { None }
}

fn daily(reason: &Reason) -> Option<&InPeriod> {
    if let Reason::Daily(found) = reason { Some(found) } else { None }
}

fn weekly(reason: &Reason) -> Option<&InPeriod> {
    if let Reason::Weekly(found) = reason { Some(found) } else { None }
}

fn monthly(reason: &Reason) -> Option<&InPeriod> {
    if let Reason::Monthly(found) = reason { Some(found) } else { None }
}

fn yearly(reason: &Reason) -> Option<&InPeriod> {
    if let Reason::Yearly(found) = reason { Some(found) } else { None }
}
