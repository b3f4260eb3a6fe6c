//! Harm: what the functions did to a resource on an account with an attacker, that they did not do,
//! or did not do yet, on the same account without.
//!
//! A kind of harm is what was done and why tags sufficed for it. [`Excuse`] has a name for each case
//! in which tags alone decide; what has none breaks the promise.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use steward::model::ImageId;
use steward::plan::snapshots::made_for;

use super::accounts::{AccountPolicy, FRIEND, PREFIX};
use super::history::{History, Step, Taken, find_image, find_instance, find_snapshot};

/// Why tags alone sufficed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// With `deprecate_after = "never"` the wait before disabling rests on the tag alone.
    NeverDeprecated,
    /// An administrator both disabled and deprecated the image: its tags may be forged to agree with
    /// EC2's deprecation time, and a rescue then enables it.
    DisabledAndDeprecated,
    /// With `recycle_bin = "optional"` the tag `delete-after` is enough beside EC2's description.
    RecycleBinOptional,
    /// The wait before the first step of the policy, when that is not disabling: nothing of EC2's
    /// tells since when an image is expired.
    FirstStep,
    /// The owner deprecated the image long ago: EC2's deprecation time shows no step of ours.
    OwnersDate,
    /// EC2's deprecation time is from steps that were to be undone since: the attacker had removed
    /// the tags that would have told a rescue so.
    DateNotUndone,
    /// `[orphans]` deletes the snapshot anyhow, and only our tag says since when it was announced.
    AnnouncedOrphan,
    /// The policy retires instances that ask for it in a tag.
    AskedByTag,
    /// The account is in `safety.share_back`, though the owner did not share this image with it.
    ShareBack,
    /// The owner's deprecation time, which a step overwrote, is saved in a tag only.
    SavedDate,
    /// An image that was kept or enabled in between took the place of an older one.
    Outranked,
}

impl Excuse {
    /// Whether the documentation names it. The others fail.
    fn is_documented(self) -> bool {
        matches!(
            self,
            Self::NeverDeprecated | Self::DisabledAndDeprecated | Self::RecycleBinOptional
        )
    }
}

/// A kind of harm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It would not have happened at all.
    More(&'static str),
    /// It happened sooner.
    Sooner(&'static str),
    /// Tags alone decided, in a way that has a name.
    Excused(&'static str, Excuse),
    /// An output held a secret.
    Leaked,
}

impl Kind {
    pub fn is_documented(&self) -> bool {
        matches!(self, Self::Excused(_, excuse) if excuse.is_documented())
    }
}

#[derive(Debug, Clone)]
pub struct Harm {
    pub kind: Kind,
    pub text: String,
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::Deprecated => "deprecated",
        Step::Disabled => "disabled",
        Step::Deregistered => "deregistered",
        Step::SnapshotDeleted => "snapshot deleted",
        Step::InstanceEnded(_) => "instance ended",
        Step::Enabled => "enabled",
        Step::Undeprecated => "undeprecated",
        Step::Shared(_) => "shared",
    }
}

/// How far towards its removal a step brings an image.
fn level(step: &Step) -> u8 {
    match step {
        Step::Deprecated => 1,
        Step::Disabled => 2,
        Step::Deregistered => 3,
        _ => 0,
    }
}

/// The two accounts, and what was found so far.
struct Comparison<'a> {
    account: &'a AccountPolicy,
    honest: &'a History<'a>,
    attacked: &'a History<'a>,
    /// How much sooner each image was brought a step further, if that has a documented name; `None`
    /// when nobody knows, or when it does not: the steps after it are its consequences.
    ahead: BTreeMap<String, Option<SignedDuration>>,
    found: Vec<Harm>,
}

/// Everything that was done on `attacked`, but not on `honest` by then. Consequences of what was
/// found before are left out.
pub fn compare<'a>(honest: &'a History<'a>, attacked: &'a History<'a>) -> Vec<Harm> {
    let account = attacked.account;
    let mut all =
        Comparison { account, honest, attacked, ahead: BTreeMap::new(), found: Vec::new() };
    for taken in &attacked.taken {
        let kind = match &taken.step {
            Step::Deprecated | Step::Disabled | Step::Deregistered => all.image_step(taken),
            Step::SnapshotDeleted => all.snapshot(taken),
            Step::InstanceEnded(how) => all.instance(taken, how),
            Step::Enabled => all.enabled(taken),
            Step::Undeprecated => all.undeprecated(taken),
            Step::Shared(with) => all.shared(taken, with),
        };
        if let Some(kind) = kind {
            all.ahead.entry(taken.resource.clone()).or_insert(None);
            all.found.push(Harm { kind, text: taken.to_string() });
        }
    }
    for (_, text) in &attacked.leaks {
        all.found.push(Harm { kind: Kind::Leaked, text: text.clone() });
    }
    all.found
}

impl Comparison<'_> {
    /// Whether the other account had this step by then, too.
    fn had(&self, taken: &Taken) -> bool {
        let same = |one: &&Taken| one.resource == taken.resource && one.step == taken.step;
        self.honest.taken.iter().filter(same).any(|one| one.at <= taken.at)
    }

    /// When the other account had this step, or one further, for the first time from `from` on.
    fn first(&self, taken: &Taken, from: Timestamp) -> Option<Timestamp> {
        let further = |one: &&Taken| {
            one.resource == taken.resource
                && level(&one.step) >= level(&taken.step)
                && one.at >= from
        };
        self.honest.taken.iter().find(further).map(|one| one.at)
    }

    /// When the other account undid steps on this image for the last time.
    fn undone(&self, taken: &Taken) -> Option<Timestamp> {
        let undone = |one: &&Taken| {
            one.resource == taken.resource
                && matches!(one.step, Step::Enabled | Step::Undeprecated)
                && one.at <= taken.at
        };
        self.honest.taken.iter().rfind(undone).map(|one| one.at)
    }

    fn image_step(&mut self, taken: &Taken) -> Option<Kind> {
        let undone = self.undone(taken);
        let due = self.first(taken, undone.unwrap_or(Timestamp::MIN));
        if due.is_some_and(|due| due <= taken.at) {
            return None;
        }
        if let Some(ahead) = self.ahead.get(&taken.resource) {
            let (Some(ahead), Some(due)) = (ahead, due) else { return None };
            let sooner = due.duration_since(taken.at);
            return (sooner > *ahead).then(|| Kind::Sooner(word(&taken.step)));
        }
        let id: ImageId = taken.resource.parse().unwrap();
        let expired = self.honest.expired.get(taken.day).is_some_and(|all| all.contains(&id));
        if !expired {
            let outranked = self.is_outranked(taken);
            return Some(match outranked {
                true => Kind::Excused(word(&taken.step), Excuse::Outranked),
                false => Kind::More(word(&taken.step)),
            });
        }
        self.ahead.insert(taken.resource.clone(), due.map(|due| due.duration_since(taken.at)));
        Some(match self.excuse(taken, undone.is_some()) {
            Some(excuse) => Kind::Excused(word(&taken.step), excuse),
            None => Kind::Sooner(word(&taken.step)),
        })
    }

    /// Why tags alone sufficed for a step on an image that is expired without them, too.
    fn excuse(&self, taken: &Taken, was_undone: bool) -> Option<Excuse> {
        let waits = self.account.waits;
        let chain = [
            (waits.deprecate, Step::Deprecated),
            (waits.disable, Step::Disabled),
            (Some(waits.deregister), Step::Deregistered),
        ];
        let mine = level(&taken.step);
        let wait = chain.iter().find(|(_, step)| level(step) == mine)?.0?;
        let earlier = chain.iter().filter(|(_, step)| level(step) < mine);
        let before = earlier.filter_map(|(days, _)| *days).filter(|days| *days < wait).max();
        let is_first = !chain.iter().any(|(days, step)| days.is_some() && level(step) < mine);
        let Some(before) = before else {
            // There is no step before it, or none that it has to wait for.
            let never = waits.deprecate.is_none() && taken.step == Step::Disabled;
            return (is_first || never || wait > 0).then_some(match never {
                true => Excuse::NeverDeprecated,
                false => Excuse::FirstStep,
            });
        };
        let dated = taken.before.as_ref()?.deprecation_time?;
        let waited = SignedDuration::from_hours(24 * (wait - before) - 1);
        if dated + waited > taken.at {
            return None;
        }
        match taken.will.deprecated {
            Some(at) if at == dated => Some(Excuse::OwnersDate),
            _ => was_undone.then_some(Excuse::DateNotUndone),
        }
    }

    /// Whether an image that is newer, and takes places, is not there or takes none without the
    /// attacker.
    fn is_outranked(&self, taken: &Taken) -> bool {
        let Some(image) = taken.before.as_ref().filter(|_| self.account.ranked) else {
            return false;
        };
        let newer = |history: &History<'_>| -> BTreeSet<String> {
            let day = taken.day.checked_sub(1).and_then(|day| history.days.get(day));
            let Some(world) = day else { return BTreeSet::new() };
            let placed = world
                .images
                .iter()
                .filter(|one| one.state == "available" && one.created_at >= image.created_at);
            placed.map(|one| one.image_id.to_string()).collect()
        };
        !newer(self.attacked).is_subset(&newer(self.honest))
    }

    fn snapshot(&self, taken: &Taken) -> Option<Kind> {
        if self.had(taken) {
            return None;
        }
        let id = taken.resource.parse().unwrap();
        let uses = |fleet: &steward_tests::fleet::Fleet| {
            let users = fleet.images.iter().filter(|image| image.snapshots.contains(&id));
            users.map(|image| image.image_id.to_string()).collect::<Vec<_>>()
        };
        let worlds = self.attacked.days.iter().take(taken.day + 1);
        // Whatever was done to its images too soon is the cause.
        if worlds.flat_map(|world| uses(world)).any(|user| self.ahead.contains_key(&user)) {
            return None;
        }
        let before = self.attacked.days.get(taken.day.saturating_sub(1))?;
        let snapshot = find_snapshot(before, &id)?;
        let image = made_for(&snapshot.description);
        let is_attributed = image.is_some_and(|image| find_image(before, &image).is_none());
        Some(match is_attributed {
            true if self.account.recycle_bin_optional => {
                Kind::Excused(word(&taken.step), Excuse::RecycleBinOptional)
            }
            true if self.account.orphans.is_some() => {
                Kind::Excused(word(&taken.step), Excuse::AnnouncedOrphan)
            }
            _ => Kind::More(word(&taken.step)),
        })
    }

    fn instance(&self, taken: &Taken, how: &str) -> Option<Kind> {
        let ended = |one: &&Taken| one.resource == taken.resource && one.at <= taken.at;
        let before = self.honest.taken.iter().find(ended);
        let as_much = |one: &Taken| match &one.step {
            Step::InstanceEnded("terminated") => true,
            Step::InstanceEnded(other) => *other == how,
            _ => false,
        };
        if before.is_some_and(as_much) {
            return None;
        }
        let id = taken.resource.parse().unwrap();
        let asks = format!("{PREFIX}retire-when-imaged");
        let asked = |history: &History<'_>| {
            let world = history.days.get(taken.day)?;
            find_instance(world, &id)?.tags.get(&asks).map(str::to_owned)
        };
        let by_tag = asked(self.attacked) != asked(self.honest);
        Some(match by_tag && self.account.retires_instances {
            true => Kind::Excused(word(&taken.step), Excuse::AskedByTag),
            false => Kind::More(word(&taken.step)),
        })
    }

    fn enabled(&self, taken: &Taken) -> Option<Kind> {
        if !taken.will.disabled || self.had(taken) {
            return None;
        }
        let dated = taken.before.as_ref().and_then(|image| image.deprecation_time);
        let owners = taken.will.deprecated.filter(|at| Some(*at) == dated && *at <= taken.at);
        Some(match owners {
            Some(_) => Kind::Excused(word(&taken.step), Excuse::DisabledAndDeprecated),
            None => Kind::More(word(&taken.step)),
        })
    }

    fn undeprecated(&self, taken: &Taken) -> Option<Kind> {
        let owners = taken.will.deprecated?;
        let is_laxer = taken.deprecation_time.is_none_or(|at| at > owners);
        if !is_laxer || self.had(taken) || self.ahead.contains_key(&taken.resource) {
            return None;
        }
        let before = taken.before.as_ref().and_then(|image| image.deprecation_time);
        Some(match before == Some(owners) {
            true => Kind::More(word(&taken.step)),
            false => Kind::Excused(word(&taken.step), Excuse::SavedDate),
        })
    }

    fn shared(&self, taken: &Taken, with: &str) -> Option<Kind> {
        if taken.will.shared.contains(with) || self.had(taken) {
            return None;
        }
        Some(match with == FRIEND && self.account.knows_share_back() {
            true => Kind::Excused(word(&taken.step), Excuse::ShareBack),
            false => Kind::More(word(&taken.step)),
        })
    }
}
