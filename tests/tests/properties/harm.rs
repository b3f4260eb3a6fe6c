//! Harm: what the functions did to a resource on an account with an attacker, that they did not do,
//! or did not do yet, on the same account without.
//!
//! A kind of harm is what was done and why tags sufficed for it. [`Excuse`] has a name for each case
//! in which tags alone decide; what has none breaks the promise.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use steward::model::ImageId;
use steward::plan::snapshots::made_for;

use super::accounts::{AccountPolicy, FRIEND, PREFIX};
use super::history::{History, Step, Taken, day, find_image, find_instance, shared_with};

/// Why tags alone sufficed: the documented remainders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// The wait before the first step of the policy rests on the tag alone: nothing of EC2's tells
    /// since when an image is expired. With `deprecate_after = "never"` that is the wait before
    /// disabling.
    FirstStep,
    /// The image was deprecated before it expired, by its owner or by a step that a rescue could not
    /// undo because its tag was removed: EC2's deprecation time is an old one, and the wait before the
    /// step after deprecating rests on the tag.
    DeprecatedBefore,
    /// Somebody else disabled the image, and it was deprecated by anyone: its tags may be forged to
    /// agree with EC2's deprecation time. A rescue may enable it, and its last wait counts from then.
    DisabledByOthers,
    /// The owner's deprecation time has come, or a step overwrote it: tags may be forged to agree with
    /// EC2's, and a rescue then sets another. This is reversible.
    ForgedDate,
    /// With `recycle_bin = "optional"` the tag `delete-after` is enough beside EC2's description.
    RecycleBinOptional,
    /// EC2 says that it made the snapshot for an image that is in the Recycle Bin, and no step tagged
    /// it, because somebody else deregistered the image or it was not one of its volumes: it may be
    /// deleted once the policy's wait has passed since the image came there.
    InRecycleBin,
    /// `[orphans]` deletes the snapshot anyhow, and only our tag says since when it was announced.
    AnnouncedOrphan,
    /// Its image, which the policy removes, shares a snapshot with others. The snapshots are deleted
    /// in the call that deregisters the last of them, unless several go on the same day: then later,
    /// or, where EC2 attributes them to none, not at all. Tags may keep one of them a day longer.
    WithLastImage,
    /// A step disabled the image and somebody enabled it by hand: it is kept until a person shares it
    /// again with those in its tag. Without the tag it is kept no longer than any other.
    NotSharedAgain,
    /// A rescue enabled a newer image that somebody else had disabled: it took the place of this one.
    Outranked,
    /// The policy retires instances that ask for it in a tag.
    AskedByTag,
    /// A rescue enabled the image, and the account is in `safety.share_back`.
    ShareBack,
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
        matches!(self, Self::Excused(..))
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
    /// How much sooner each image was brought a step further: the steps after it are its consequences.
    /// `None` when nobody knows.
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

    /// Whether `taken` comes no sooner than what its images went through before allows, `due` being
    /// when the other account had it.
    fn is_consequence(&self, image: &str, taken: &Taken, due: Option<Timestamp>) -> bool {
        // What the other account has not had on the last day, it may have the day after.
        let due = due.unwrap_or(day(self.honest.days.len()));
        match self.ahead.get(image) {
            None => false,
            Some(None) => true,
            Some(Some(ahead)) => due.duration_since(taken.at) <= *ahead,
        }
    }

    fn image_step(&mut self, taken: &Taken) -> Option<Kind> {
        let undone = self.undone(taken);
        let due = self.first(taken, undone.unwrap_or(Timestamp::MIN));
        if due.is_some_and(|due| due <= taken.at)
            || self.is_consequence(&taken.resource, taken, due)
        {
            return None;
        }
        let id: ImageId = taken.resource.parse().unwrap();
        let expired = self.honest.expired.get(taken.day).is_some_and(|all| all.contains(&id));
        if !expired {
            if self.keeps_unshared(taken.day, &id) {
                self.ahead.insert(taken.resource.clone(), None);
                return Some(Kind::Excused(word(&taken.step), Excuse::NotSharedAgain));
            }
            if self.is_outranked() {
                self.ahead.insert(taken.resource.clone(), None);
                return Some(Kind::Excused(word(&taken.step), Excuse::Outranked));
            }
            // Deprecation is reversible.
            return (taken.step != Step::Deprecated).then(|| Kind::More(word(&taken.step)));
        }
        // A step that came later may have come after somebody enabled the image, and not before.
        let by_hand = |history: &History<'_>| -> Vec<usize> {
            let all = history.by_hand.iter().filter(|(day, of)| *of == id && *day <= taken.day);
            all.map(|(day, _)| *day).collect()
        };
        if by_hand(self.honest) != by_hand(self.attacked) {
            return None;
        }
        self.ahead.insert(taken.resource.clone(), due.map(|due| due.duration_since(taken.at)));
        Some(match self.excuse(taken, undone.is_some()) {
            Some(excuse) => Kind::Excused(word(&taken.step), excuse),
            None => Kind::Sooner(word(&taken.step)),
        })
    }

    /// Whether an image that a rescue enabled may have taken the place of another.
    fn is_outranked(&self) -> bool {
        let enabled = Kind::Excused(word(&Step::Enabled), Excuse::DisabledByOthers);
        self.account.ranked && self.found.iter().any(|one| one.kind == enabled)
    }

    /// Whether the other account keeps the image because its tag lists launch permissions that were
    /// not restored.
    fn keeps_unshared(&self, day: usize, id: &ImageId) -> bool {
        let key = format!("{PREFIX}launch-permissions");
        let image = self.honest.days.get(day).and_then(|world| find_image(world, id));
        image.filter(|image| image.state == "available").is_some_and(|image| {
            let has = shared_with(image);
            let listed = image.tags.get(&key).and_then(|text| text.strip_prefix(id.as_str()));
            let mut listed = listed.into_iter().flat_map(str::split_whitespace);
            listed.any(|one| one != "none" && !has.contains(one))
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
        let Some(before) = before else {
            // There is no step before it, or none that it has to wait for.
            return (wait > 0).then_some(Excuse::FirstStep);
        };
        let image = taken.image()?;
        let dated = image.deprecation_time?;
        let waited = SignedDuration::from_hours(24 * (wait - before) - 1);
        if dated + waited > taken.at {
            return None;
        }
        if taken.will.disabled && image.state == "disabled" {
            return Some(Excuse::DisabledByOthers);
        }
        let is_owners = taken.will.deprecated == Some(dated);
        (is_owners || was_undone).then_some(Excuse::DeprecatedBefore)
    }

    fn snapshot(&self, taken: &Taken) -> Option<Kind> {
        if self.had(taken) {
            return None;
        }
        let same = |one: &&Taken| one.resource == taken.resource;
        let due = self.honest.taken.iter().find(same).map(|one| one.at);
        let snapshot = taken.snapshot()?;
        let id = &snapshot.snapshot_id;
        let users = self.attacked.users_of(id);
        // Whatever was done to its images sooner is the cause.
        if users.iter().any(|user| self.is_consequence(user, taken, due)) {
            return None;
        }
        let said = |excuse| Some(Kind::Excused(word(&taken.step), excuse));
        let deregistered = |history: &History<'_>, image: &str| {
            let mut all = history.taken.iter();
            all.find(|one| one.step == Step::Deregistered && one.resource == image)
                .map(|one| one.at)
        };
        let made_for = made_for(&snapshot.description);
        let is_last = |user: &String| deregistered(self.attacked, user) == Some(taken.at);
        let goes = |user: &String| deregistered(self.honest, user).is_some_and(|at| at <= taken.at);
        let is_shared = self
            .attacked
            .images_of(&users)
            .any(|image| image.snapshots.iter().any(|one| self.attacked.users_of(one).len() > 1));
        if is_shared && users.iter().any(is_last) && users.iter().all(goes) {
            return said(Excuse::WithLastImage);
        }
        let world = &taken.world;
        let image = made_for.filter(|image| find_image(world, image).is_none());
        let Some(image) = image.filter(|_| snapshot.volume_id != "vol-ffffffff") else {
            return Some(Kind::More(word(&taken.step)));
        };
        if self.account.recycle_bin_optional {
            return said(Excuse::RecycleBinOptional);
        }
        let binned = world
            .recycled_images
            .iter()
            .find(|one| one.image.image_id == image && one.leaves_at > taken.at);
        let wait = SignedDuration::from_hours(24 * self.account.delete_snapshots);
        match binned {
            Some(binned) if binned.entered_at + wait <= taken.at => said(Excuse::InRecycleBin),
            None if self.account.orphans.is_some() => said(Excuse::AnnouncedOrphan),
            _ => Some(Kind::More(word(&taken.step))),
        }
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
        let asked = find_instance(&taken.world, &id).is_some_and(|one| one.tags.has(&asks));
        Some(match asked && self.account.retires_instances() {
            true => Kind::Excused(word(&taken.step), Excuse::AskedByTag),
            false => Kind::More(word(&taken.step)),
        })
    }

    fn enabled(&self, taken: &Taken) -> Option<Kind> {
        let image = taken.image()?;
        let is_protected = image.protected != "disabled";
        if !(taken.will.disabled || is_protected) || self.had(taken) {
            return None;
        }
        let is_deprecated = image.deprecation_time.is_some_and(|at| at <= taken.at);
        Some(match is_deprecated && !is_protected {
            true => Kind::Excused(word(&taken.step), Excuse::DisabledByOthers),
            false => Kind::More(word(&taken.step)),
        })
    }

    fn undeprecated(&self, taken: &Taken) -> Option<Kind> {
        let owners = taken.will.deprecated?;
        let is_laxer = taken.deprecation_time.is_none_or(|at| at > owners);
        if !is_laxer || self.had(taken) {
            return None;
        }
        let before = taken.image().and_then(|image| image.deprecation_time);
        Some(match before.is_some_and(|at| at <= taken.at) {
            true => Kind::Excused(word(&taken.step), Excuse::ForgedDate),
            false => Kind::More(word(&taken.step)),
        })
    }

    fn shared(&self, taken: &Taken, with: &str) -> Option<Kind> {
        if taken.will.shared.contains(with) || self.had(taken) {
            return None;
        }
        let was_disabled = taken.image().is_some_and(|image| image.state == "disabled");
        Some(match with == FRIEND && was_disabled {
            true => Kind::Excused(word(&taken.step), Excuse::ShareBack),
            false => Kind::More(word(&taken.step)),
        })
    }
}
