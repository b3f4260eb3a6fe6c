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
use super::history::{
    AccountHistory, Taken, TakenStep, day, find_image, find_instance, shared_with,
};

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
pub enum HarmKind {
    /// It would not have happened at all.
    More(&'static str),
    /// It happened sooner.
    Sooner(&'static str),
    /// Tags alone decided, in a way that has a name.
    Excused(&'static str, Excuse),
    /// An output held a secret.
    Leaked,
}

impl HarmKind {
    pub fn is_documented(&self) -> bool {
        matches!(self, Self::Excused(..))
    }
}

#[derive(Debug, Clone)]
pub struct Harm {
    pub kind: HarmKind,
    pub text: String,
}

fn word(step: &TakenStep) -> &'static str {
    match step {
        TakenStep::Deprecated => "deprecated",
        TakenStep::Disabled => "disabled",
        TakenStep::Deregistered => "deregistered",
        TakenStep::SnapshotDeleted => "snapshot deleted",
        TakenStep::InstanceEnded(_) => "instance ended",
        TakenStep::Enabled => "enabled",
        TakenStep::Undeprecated => "undeprecated",
        TakenStep::Shared(_) => "shared",
    }
}

/// How far towards its removal a step brings an image.
fn level(step: &TakenStep) -> u8 {
    match step {
        TakenStep::Deprecated => 1,
        TakenStep::Disabled => 2,
        TakenStep::Deregistered => 3,
        _ => 0,
    }
}

/// The two accounts, and what was found so far.
struct Comparison<'a> {
    account: &'a AccountPolicy,
    honest: &'a AccountHistory<'a>,
    attacked: &'a AccountHistory<'a>,
    /// How much sooner each image was brought a step further: the steps after it are its consequences.
    /// `None` when nobody knows.
    ahead: BTreeMap<String, Option<SignedDuration>>,
    /// The images that people treated otherwise by hand on the other account: what comes later there
    /// may come later for that.
    by_hand: BTreeSet<String>,
    found: Vec<Harm>,
}

/// Everything that was done on `attacked`, but not on `honest` by then. Consequences of what was
/// found before are left out.
pub fn compare<'a>(honest: &'a AccountHistory<'a>, attacked: &'a AccountHistory<'a>) -> Vec<Harm> {
    let account = attacked.account;
    let (ahead, by_hand) = (BTreeMap::new(), BTreeSet::new());
    let mut all = Comparison { account, honest, attacked, ahead, by_hand, found: Vec::new() };
    for taken in &attacked.taken {
        let kind = match &taken.step {
            TakenStep::Deprecated | TakenStep::Disabled | TakenStep::Deregistered => {
                all.image_step(taken)
            }
            TakenStep::SnapshotDeleted => all.snapshot(taken),
            TakenStep::InstanceEnded(how) => all.instance(taken, how),
            TakenStep::Enabled => all.enabled(taken),
            TakenStep::Undeprecated => all.undeprecated(taken),
            TakenStep::Shared(with) => all.shared(taken, with),
        };
        if let Some(kind) = kind {
            all.ahead.entry(taken.resource.clone()).or_insert(None);
            all.found.push(Harm { kind, text: taken.to_string() });
        }
    }
    for (_, text) in &attacked.leaks {
        all.found.push(Harm { kind: HarmKind::Leaked, text: text.clone() });
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
                && matches!(one.step, TakenStep::Enabled | TakenStep::Undeprecated)
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

    fn image_step(&mut self, taken: &Taken) -> Option<HarmKind> {
        let undone = self.undone(taken);
        let due = self.first(taken, undone.unwrap_or(Timestamp::MIN));
        // The other account may not come to this step: people may have kept the image by then.
        let is_ahead = self.ahead.contains_key(&taken.resource);
        if due.is_some_and(|due| due <= taken.at)
            || self.is_consequence(&taken.resource, taken, due)
            || (is_ahead && self.has_waited(taken) == Some(true))
        {
            return None;
        }
        let id: ImageId = taken.resource.parse().unwrap();
        let expired = self.honest.expired.get(taken.day).is_some_and(|all| all.contains(&id));
        if !expired {
            if self.keeps_unshared(taken.day, &id) {
                self.ahead.insert(taken.resource.clone(), None);
                return Some(HarmKind::Excused(word(&taken.step), Excuse::NotSharedAgain));
            }
            if self.is_outranked() {
                self.ahead.insert(taken.resource.clone(), None);
                return Some(HarmKind::Excused(word(&taken.step), Excuse::Outranked));
            }
            // Deprecation is reversible.
            return (taken.step != TakenStep::Deprecated)
                .then(|| HarmKind::More(word(&taken.step)));
        }
        // A step that came later may have come after somebody enabled the image, and not before.
        let by_hand = |history: &AccountHistory<'_>| -> Vec<usize> {
            let all = history.by_hand.iter().filter(|(day, of)| *of == id && *day <= taken.day);
            all.map(|(day, _)| *day).collect()
        };
        if by_hand(self.honest) != by_hand(self.attacked) {
            self.by_hand.insert(taken.resource.clone());
            return None;
        }
        self.ahead.insert(taken.resource.clone(), due.map(|due| due.duration_since(taken.at)));
        Some(match self.excuse(taken, undone.is_some()) {
            Some(excuse) => HarmKind::Excused(word(&taken.step), excuse),
            None => HarmKind::Sooner(word(&taken.step)),
        })
    }

    /// Whether an image that a rescue enabled may have taken the place of another.
    fn is_outranked(&self) -> bool {
        let enabled = HarmKind::Excused(word(&TakenStep::Enabled), Excuse::DisabledByOthers);
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

    /// Whether the wait since the step before has passed by EC2's clock; `None` if the policy has no
    /// step before it, or no wait.
    fn has_waited(&self, taken: &Taken) -> Option<bool> {
        let waits = self.account.waits;
        let chain = [
            (waits.deprecate, TakenStep::Deprecated),
            (waits.disable, TakenStep::Disabled),
            (Some(waits.deregister), TakenStep::Deregistered),
        ];
        let mine = level(&taken.step);
        let wait = chain.iter().find(|(_, step)| level(step) == mine)?.0?;
        let earlier = chain.iter().filter(|(_, step)| level(step) < mine);
        let before = earlier.filter_map(|(days, _)| *days).filter(|days| *days < wait).max()?;
        let wait = SignedDuration::from_hours(24 * (wait - before) - 1);
        let dated = taken.image().and_then(|image| image.deprecation_time);
        Some(dated.is_some_and(|dated| dated + wait <= taken.at))
    }

    /// Why tags alone sufficed for a step on an image that is expired without them, too.
    fn excuse(&self, taken: &Taken, was_undone: bool) -> Option<Excuse> {
        match self.has_waited(taken) {
            None => return Some(Excuse::FirstStep),
            Some(false) => return None,
            Some(true) => {}
        }
        let image = taken.image()?;
        let dated = image.deprecation_time?;
        if taken.will.disabled && image.state == "disabled" {
            return Some(Excuse::DisabledByOthers);
        }
        let is_owners = taken.will.deprecated == Some(dated);
        (is_owners || was_undone).then_some(Excuse::DeprecatedBefore)
    }

    fn snapshot(&self, taken: &Taken) -> Option<HarmKind> {
        if self.had(taken) {
            return None;
        }
        let same = |one: &&Taken| one.resource == taken.resource;
        let due = self.honest.taken.iter().find(same).map(|one| one.at);
        let snapshot = taken.snapshot()?;
        let id = &snapshot.snapshot_id;
        let users = self.attacked.users_of(id);
        let deregistered = |history: &AccountHistory<'_>, image: &str| {
            let mut all = history.taken.iter();
            all.find(|one| one.step == TakenStep::Deregistered && one.resource == image)
                .map(|one| one.at)
        };
        // Whatever was done to its images sooner is the cause.
        let with_image = |user: &String| {
            let is_explained = self.ahead.contains_key(user) || self.by_hand.contains(user);
            is_explained && deregistered(self.attacked, user) == Some(taken.at)
        };
        if users.iter().any(|user| self.is_consequence(user, taken, due) || with_image(user)) {
            return None;
        }
        let said = |excuse| Some(HarmKind::Excused(word(&taken.step), excuse));
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
            return Some(HarmKind::More(word(&taken.step)));
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
            _ => Some(HarmKind::More(word(&taken.step))),
        }
    }

    fn instance(&self, taken: &Taken, how: &str) -> Option<HarmKind> {
        let ended = |one: &&Taken| one.resource == taken.resource && one.at <= taken.at;
        let before = self.honest.taken.iter().find(ended);
        let as_much = |one: &Taken| match &one.step {
            TakenStep::InstanceEnded("terminated") => true,
            TakenStep::InstanceEnded(other) => *other == how,
            _ => false,
        };
        if before.is_some_and(as_much) {
            return None;
        }
        let id = taken.resource.parse().unwrap();
        let asks = format!("{PREFIX}retire-when-imaged");
        let asked = find_instance(&taken.world, &id).is_some_and(|one| one.tags.has(&asks));
        Some(match asked && self.account.retires_instances() {
            true => HarmKind::Excused(word(&taken.step), Excuse::AskedByTag),
            false => HarmKind::More(word(&taken.step)),
        })
    }

    fn enabled(&self, taken: &Taken) -> Option<HarmKind> {
        let image = taken.image()?;
        let is_protected = image.protected != "disabled";
        if !(taken.will.disabled || is_protected) || self.had(taken) {
            return None;
        }
        let is_deprecated = image.deprecation_time.is_some_and(|at| at <= taken.at);
        Some(match is_deprecated && !is_protected {
            true => HarmKind::Excused(word(&taken.step), Excuse::DisabledByOthers),
            false => HarmKind::More(word(&taken.step)),
        })
    }

    fn undeprecated(&self, taken: &Taken) -> Option<HarmKind> {
        let owners = taken.will.deprecated?;
        let is_laxer = taken.deprecation_time.is_none_or(|at| at > owners);
        if !is_laxer || self.had(taken) {
            return None;
        }
        let before = taken.image().and_then(|image| image.deprecation_time);
        Some(match before.is_some_and(|at| at <= taken.at) {
            true => HarmKind::Excused(word(&taken.step), Excuse::ForgedDate),
            false => HarmKind::More(word(&taken.step)),
        })
    }

    fn shared(&self, taken: &Taken, with: &str) -> Option<HarmKind> {
        if taken.will.shared.contains(with) || self.had(taken) {
            return None;
        }
        let was_disabled = taken.image().is_some_and(|image| image.state == "disabled");
        Some(match with == FRIEND && was_disabled {
            true => HarmKind::Excused(word(&taken.step), Excuse::ShareBack),
            false => HarmKind::More(word(&taken.step)),
        })
    }
}
