//! Harm: an action of the functions on a resource in an account with an attacker that they did not
//! take, or not yet, in the same account without the attacker.
//!
//! A kind of harm is the action and the reason why tags were enough for it. [`Excuse`] has a name
//! for each case in which tags alone decide. Harm without an excuse violates the guarantee.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use steward::model::ImageId;
use steward::plan::snapshots::made_for;

use super::accounts::{AccountPolicy, FRIEND, PREFIX};
use super::history::{
    AccountHistory, Taken, TakenStep, day, find_image, find_instance, shared_with,
};

/// Why tags alone were enough: the documented exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// The wait before the first step of the policy depends only on the tag, because EC2 does not
    /// report since when an image is expired. With `deprecate_after = "never"` this is the wait
    /// before disabling.
    FirstStep,
    /// The image was deprecated before it expired, either by its owner or by a step that a rescue
    /// could not undo because its tag was removed. EC2's deprecation time is then old, and the wait
    /// after deprecating depends on the tag.
    DeprecatedBefore,
    /// Somebody else disabled the image, and anyone deprecated it: its tags may be forged to match
    /// EC2's deprecation time. A rescue may enable it, and its last wait counts from then.
    DisabledByOthers,
    /// The owner's deprecation time has passed, or a step overwrote it. Tags may be forged to match
    /// EC2's, and a rescue then sets another time. This is reversible.
    ForgedDate,
    /// With `recycle_bin = "optional"`, the tag `delete-after` is enough in addition to EC2's
    /// description.
    RecycleBinOptional,
    /// According to EC2, the snapshot was created for an image in the Recycle Bin. No step tagged
    /// it, because somebody else deregistered the image, or it was not one of the image's volumes.
    /// It may be deleted when the policy's wait has passed since the image entered the bin.
    InRecycleBin,
    /// `[orphans]` deletes the snapshot in any case, and only our tag contains the time of its
    /// announcement.
    AnnouncedOrphan,
    /// Its image, which the policy removes, shares a snapshot with others. The snapshots are
    /// deleted in the call that deregisters the last of these images. If several images are removed
    /// on the same day, they are deleted later, or, if EC2 attributes them to no image, not at all.
    /// Tags may keep one of these images a day longer.
    WithLastImage,
    /// A step disabled the image, and somebody enabled it manually. It is kept until a person
    /// shares it again with the accounts in its tag. Without the tag it is kept like any other
    /// image.
    NotSharedAgain,
    /// A rescue enabled a newer image that somebody else had disabled. That image took this one's
    /// place.
    Outranked,
    /// The policy retires instances that have a tag for it.
    AskedByTag,
    /// A rescue enabled the image, and the account is in `safety.share_back`.
    ShareBack,
}

/// A kind of harm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HarmKind {
    /// It would not have happened at all.
    More(&'static str),
    /// It happened earlier.
    Sooner(&'static str),
    /// Tags alone decided, with a known excuse.
    Excused(&'static str, Excuse),
    /// An output contained a secret.
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

/// How close to removal a step brings an image.
fn level(step: &TakenStep) -> u8 {
    match step {
        TakenStep::Deprecated => 1,
        TakenStep::Disabled => 2,
        TakenStep::Deregistered => 3,
        _ => 0,
    }
}

/// The two accounts, and the harm found so far.
struct Comparison<'a> {
    account: &'a AccountPolicy,
    honest: &'a AccountHistory<'a>,
    attacked: &'a AccountHistory<'a>,
    /// How much earlier each image reached its state. Later steps are consequences of it. `None` if
    /// this is unknown.
    ahead: BTreeMap<String, Option<SignedDuration>>,
    /// The images that people treated differently on the other account. Later steps there may be
    /// caused by that.
    by_hand: BTreeSet<String>,
    found: Vec<Harm>,
}

/// All actions on `attacked` that did not happen on `honest` by then, except consequences of harm
/// that was found before.
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
    /// Whether the other account also had this step by then.
    fn had(&self, taken: &Taken) -> bool {
        let same = |one: &&Taken| one.resource == taken.resource && one.step == taken.step;
        self.honest.taken.iter().filter(same).any(|one| one.at <= taken.at)
    }

    /// The first time from `from` on at which the other account had this step, or a later one.
    fn first(&self, taken: &Taken, from: Timestamp) -> Option<Timestamp> {
        let further = |one: &&Taken| {
            one.resource == taken.resource
                && level(&one.step) >= level(&taken.step)
                && one.at >= from
        };
        self.honest.taken.iter().find(further).map(|one| one.at)
    }

    /// The last time at which the other account undid steps on this image.
    fn undone(&self, taken: &Taken) -> Option<Timestamp> {
        let undone = |one: &&Taken| {
            one.resource == taken.resource
                && matches!(one.step, TakenStep::Enabled | TakenStep::Undeprecated)
                && one.at <= taken.at
        };
        self.honest.taken.iter().rfind(undone).map(|one| one.at)
    }

    /// Whether `taken` is not earlier than the previous steps on the image allow. `due` is the time
    /// of the step on the other account.
    fn is_consequence(&self, image: &str, taken: &Taken, due: Option<Timestamp>) -> bool {
        // A step that the other account has not had by the last day may come on the next day.
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
        // The other account may not reach this step, because people may have kept the image by
        // then.
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
        // A later step may have come after somebody enabled the image, and not before.
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

    /// Whether the wait since the previous step has passed by EC2's clock. `None` if the policy has
    /// no previous step, or no wait.
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

    /// Why tags alone were enough for a step on an image that is expired without them too.
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
        // Earlier actions on its images are the cause.
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
