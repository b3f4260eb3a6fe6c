//! The plan for snapshots with the state tag `delete-after`, and for orphans: snapshots whose image
//! no longer exists although no run deregistered it.
//!
//! A run deletes only snapshots that already had the tag `delete-after` when it started: one run
//! tags an orphan, and a later run deletes it. Tags are not sufficient, because anyone may have
//! written them. Three more conditions must be met: EC2's own description attributes the snapshot
//! to an image; that image no longer exists; and the waiting time has passed since the image
//! entered the Recycle Bin. If the image is not in the Recycle Bin (any more), the snapshot is an
//! orphan, whatever its tags are, unless the policy does not require the Recycle Bin.

mod orphan;
mod reason;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::orphan::Origin;
pub(super) use self::orphan::attributed_to;
use self::orphan::has_volume;
pub use self::orphan::made_for;
pub use self::reason::{SnapshotCap, SnapshotReason};
use super::protect::{Recovery, manager_by_tags, opt_out};
use super::{Refusal, exists, state_tags};
use crate::model::{
    AccountId, Attribution, DeletionMark, ImageId, Inventory, Recyclable, RecycledImage, Region,
    Snapshot, SnapshotId, SnapshotReference, Source, TagNames, Unread, for_others,
};
use crate::policy::{Check, Orphans, Policy, SharedSnapshots, UnsupportedPolicy};

/// The decisions about all snapshots that have the tag `delete-after` or are orphans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotPlan {
    /// The account of the inventory.
    pub account: AccountId,
    /// The Region of the inventory; `None` if it covers all Regions of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The time of the plan.
    pub planned_at: Timestamp,
    /// Why the plan tags and deletes nothing, if it is refused.
    pub refusal: Option<Refusal>,
    /// One decision for each tagged snapshot and each orphan, sorted by ID.
    pub decisions: Vec<SnapshotDecision>,
    /// The number of other snapshots: snapshots of existing images, and snapshots that were not
    /// created for an image.
    pub others: usize,
}

/// The decision about a snapshot, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotDecision {
    /// The snapshot ID.
    pub snapshot_id: SnapshotId,
    /// The image that the snapshot belonged to, if it is known.
    pub image: Option<ImageId>,
    /// The size of the snapshot's volume in GiB, an upper bound on the storage that the snapshot
    /// uses.
    pub size_gib: Option<u32>,
    /// What applying the plan does with the snapshot.
    pub action: SnapshotAction,
    /// The earliest time at which an orphan that is tagged now may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<Timestamp>,
    /// All reasons.
    pub reasons: Vec<SnapshotReason>,
}

/// What applying a plan does with a snapshot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SnapshotAction {
    /// Nothing in this run.
    Keep,
    /// Tag the snapshot, which is an orphan, so that a later run deletes it.
    Mark,
    /// Delete the snapshot.
    Delete,
}

impl SnapshotPlan {
    /// Whether the bus must accept the event `Snapshot Marked` before the snapshot is changed. This
    /// applies to every change, because tags can be written by anyone and do not prove that an
    /// event was published before.
    pub fn announces(&self, decision: &SnapshotDecision) -> bool {
        decision.action != SnapshotAction::Keep
    }

    /// Keeps `snapshots` in this run, because there was no time to verify them.
    pub fn defer_unverified(&mut self, snapshots: &HashSet<SnapshotId>) {
        self.defer(snapshots, &SnapshotReason::Unverified);
    }

    /// Keeps `snapshots` in this run, because the bus did not accept their `Snapshot Marked`
    /// events.
    pub fn defer_unannounced(&mut self, snapshots: &HashSet<SnapshotId>) {
        self.defer(snapshots, &SnapshotReason::NotAnnounced);
    }

    fn defer(&mut self, snapshots: &HashSet<SnapshotId>, reason: &SnapshotReason) {
        for decision in &mut self.decisions {
            if snapshots.contains(&decision.snapshot_id) && decision.action != SnapshotAction::Keep
            {
                decision.action = SnapshotAction::Keep;
                decision.reasons.push(reason.clone());
            }
        }
    }
}

/// The sources that are required to decide about snapshots. References to images are not required,
/// because snapshots of existing images are kept anyway.
const SOURCES: [Source; 7] = [
    Source::Images,
    Source::Snapshots,
    Source::SnapshotReferences,
    Source::LockedSnapshots,
    Source::VolumePermissions,
    Source::RetentionRules,
    Source::RecycledImages,
];

/// Decides about every tagged snapshot and every orphan in `inventory` at `now`.
pub fn plan_snapshots(inventory: &Inventory, policy: &Policy, now: Timestamp) -> SnapshotPlan {
    let world = SnapshotFacts::of(inventory, policy);
    let mut decisions: Vec<SnapshotDecision> = inventory
        .snapshots
        .iter()
        .filter_map(|snapshot| match snapshot.tags.has(&policy.tag_names.delete_after) {
            true => Some(decide(snapshot, &world, policy, now)),
            false => orphan::decide(snapshot, &world, policy, now),
        })
        .collect();
    decisions.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    orphan::apply_caps(&mut decisions, inventory, policy);
    let refusal = refusal(inventory, &world, policy);
    if refusal.is_some() {
        for decision in decisions.iter_mut().filter(|one| one.action != SnapshotAction::Keep) {
            decision.action = SnapshotAction::Keep;
            decision.reasons.push(SnapshotReason::Refused);
        }
    }
    SnapshotPlan {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        planned_at: now,
        others: inventory.snapshots.len() - decisions.len(),
        refusal,
        decisions,
    }
}

/// The reason to tag and delete nothing, if there is one. A Recycle Bin rule for images is not
/// required here, because the images no longer exist.
fn refusal(inventory: &Inventory, world: &SnapshotFacts<'_>, policy: &Policy) -> Option<Refusal> {
    if let Err(UnsupportedPolicy { keys }) = policy.check_for(inventory.account.provider()) {
        return Some(Refusal::UnsupportedPolicy { keys });
    }
    let matters =
        |unread: &&Unread| SOURCES.iter().any(|source| *unread.source == *source.to_string());
    let sources: Vec<Unread> = inventory.unread.iter().filter(matters).cloned().collect();
    if !sources.is_empty() {
        return Some(Refusal::Unread { sources });
    }
    let missing: Vec<Recyclable> = world
        .recovery
        .missing()
        .into_iter()
        .filter(|what| *what == Recyclable::Snapshots)
        .collect();
    let days = policy.safety.recycle_bin_days;
    (!missing.is_empty()).then_some(Refusal::NotRecoverable { missing, days })
}

/// The input for the decisions about snapshots.
struct SnapshotFacts<'a> {
    images: HashSet<&'a ImageId>,
    users: HashMap<&'a SnapshotId, Vec<&'a ImageId>>,
    named: HashMap<&'a SnapshotId, Vec<&'a SnapshotReference>>,
    /// The images in the Recycle Bin; `None` if they were not read.
    recycled: Option<HashMap<&'a ImageId, &'a RecycledImage>>,
    recovery: Recovery<'a>,
    account: &'a AccountId,
}

impl<'a> SnapshotFacts<'a> {
    fn of(inventory: &'a Inventory, policy: &Policy) -> Self {
        let mut world = Self {
            images: HashSet::with_capacity(inventory.images.len()),
            users: HashMap::with_capacity(inventory.images.len()),
            named: HashMap::new(),
            recycled: inventory
                .recycled_images
                .as_ref()
                .map(|images| images.iter().map(|image| (&image.image_id, image)).collect()),
            recovery: Recovery::of(inventory, &policy.safety),
            account: &inventory.account,
        };
        for image in inventory.images.iter().filter(|image| exists(image)) {
            world.images.insert(&image.image_id);
            for snapshot in image.all_snapshots() {
                world.users.entry(snapshot).or_default().push(&image.image_id);
            }
        }
        for reference in &inventory.snapshot_references {
            world.named.entry(&reference.snapshot_id).or_default().push(reference);
        }
        world
    }

    /// The time from which EC2's own data allows deleting `snapshot`, which has a time in a tag.
    /// Also returns the image whose orphan the snapshot is, if EC2 does not report when that image
    /// was deregistered. `origin` is the image that EC2 created the snapshot for, and `named` the
    /// image in its tags.
    fn departed(
        &self,
        snapshot: &Snapshot,
        origin: Option<&Origin>,
        named: Option<&ImageId>,
        policy: &Policy,
    ) -> Result<(Timestamp, Option<ImageId>), SnapshotReason> {
        let image = match origin {
            None => return Err(SnapshotReason::NotAttributed),
            Some(Origin::Unverified(image)) => {
                return Err(SnapshotReason::OriginUnverified { image: image.clone() });
            }
            Some(Origin::Known(image)) => image,
        };
        let orphans_stay = matches!(policy.orphans, Orphans::Report);
        // Anyone may have written the tags, and nothing else attributes the snapshot to the image.
        if snapshot.attribution == Attribution::StateTag && orphans_stay {
            return Err(SnapshotReason::OrphansStay);
        }
        if policy.safety.recycle_bin == Check::Off {
            // If only tags attribute the snapshot to an image, anybody may have written them.
            let by_tag = snapshot.attribution == Attribution::StateTag;
            return match policy.orphans {
                Orphans::Report if by_tag => Err(SnapshotReason::OrphansStay),
                Orphans::Report | Orphans::Delete { .. } => Ok((Timestamp::MIN, None)),
            };
        }
        let Some(recycled) = &self.recycled else { return Err(SnapshotReason::RecycleBinUnread) };
        let (allowed, orphan) = match recycled.get(image) {
            Some(recycled) => (self.allowed_after(recycled, snapshot, policy)?, None),
            None if orphans_stay => return Err(SnapshotReason::OrphansStay),
            None => (Timestamp::MIN, Some(image.clone())),
        };
        // An image that shared the snapshot was deregistered later.
        let later = named.filter(|named| *named != image).and_then(|named| recycled.get(named));
        let later = later.map(|later| self.allowed_after(later, snapshot, policy)).transpose()?;
        Ok((later.map_or(allowed, |later| later.max(allowed)), orphan))
    }

    /// The time from which a snapshot of this image, which is in the Recycle Bin, may be deleted.
    /// The rule that matched the image is no longer known, so the longest time of all rules is
    /// used.
    fn allowed_after(
        &self,
        image: &RecycledImage,
        snapshot: &Snapshot,
        policy: &Policy,
    ) -> Result<Timestamp, SnapshotReason> {
        let id = || image.image_id.clone();
        let entered =
            image.entered_at.ok_or_else(|| SnapshotReason::EntryUnknown { image: id() })?;
        let longest = |of_all: bool| {
            let rules = policy.rules.iter().filter(|rule| of_all || !rule.keep.all);
            rules
                .map(|rule| rule.retire.delete_snapshots_after.after(entered, &policy.timezone))
                .max()
        };
        let after = longest(false).or_else(|| longest(true)).unwrap_or(Timestamp::MAX);
        // The image could not be restored without its snapshots.
        match (image.leaves_at, self.recovery.kept_until(&snapshot.tags, after)) {
            (Some(until), Some(kept)) if kept < until => {
                Err(SnapshotReason::ImageKeptLonger { image: id(), until })
            }
            _ => Ok(after),
        }
    }

    /// Everything that keeps `snapshot`, which backed `image`, except its own tags.
    fn references_of(
        &self,
        snapshot: &Snapshot,
        image: Option<&ImageId>,
        policy: &Policy,
    ) -> Vec<SnapshotReason> {
        let mut kept = Vec::new();
        let mut users = self.users.get(&snapshot.snapshot_id).cloned().unwrap_or_default();
        users.sort();
        kept.extend(users.iter().map(|image| SnapshotReason::UsedBy { image: (*image).clone() }));
        if let Some(image) =
            image.filter(|image| self.images.contains(image) && !users.contains(image))
        {
            kept.push(SnapshotReason::ImageExists { image: image.clone() });
        }
        let mut named = self.named.get(&snapshot.snapshot_id).cloned().unwrap_or_default();
        named.sort();
        kept.extend(named.into_iter().map(|reference| SnapshotReason::NamedBy {
            kind: reference.kind.clone(),
            arn: reference.arn.clone(),
            version: reference.version.clone(),
        }));
        if snapshot.locked == Some(true) {
            kept.push(SnapshotReason::Locked);
        }
        let shared = snapshot.shared_with.as_deref().unwrap_or_default();
        let with: Box<[_]> = for_others(shared, Some(self.account)).cloned().collect();
        if !with.is_empty() && policy.safety.shared_snapshots == SharedSnapshots::Keep {
            kept.push(SnapshotReason::Shared { with });
        }
        if let Some(error) = &snapshot.shared_with_unread {
            kept.push(SnapshotReason::PermissionsUnread { error: error.clone() });
        }
        if !self.recovery.covers_snapshot(snapshot) {
            kept.push(SnapshotReason::NotRecoverable);
        }
        kept
    }
}

fn decide(
    snapshot: &Snapshot,
    world: &SnapshotFacts<'_>,
    policy: &Policy,
    now: Timestamp,
) -> SnapshotDecision {
    let named = image_of(snapshot, &policy.tag_names);
    let origin = Origin::of(snapshot, &policy.tag_names);
    let mut kept = world.references_of(snapshot, named.as_ref(), policy);
    if let Some(image) = origin.as_ref().map(Origin::image)
        && Some(image) != named.as_ref()
        && world.images.contains(image)
    {
        kept.push(SnapshotReason::ImageExists { image: image.clone() });
    }
    let (mut since, mut orphan) = (None, None);
    match due(snapshot, policy, now) {
        Ok(at) => since = Some(at),
        Err(reasons) => kept.extend(reasons),
    }
    // If its tags or an image keep the snapshot, no further reason is needed.
    let exists = |reason: &SnapshotReason| {
        matches!(reason, SnapshotReason::UsedBy { .. } | SnapshotReason::ImageExists { .. })
    };
    if since.is_some() && !kept.iter().any(exists) {
        match world.departed(snapshot, origin.as_ref(), named.as_ref(), policy) {
            Ok((at, _)) if at > now => kept.push(SnapshotReason::NotBefore { at }),
            Ok((at, orphan_of)) => (since, orphan) = (since.max(Some(at)), orphan_of),
            Err(reason) => kept.push(reason),
        }
    }
    let (action, reasons) = match since {
        Some(since) if kept.is_empty() => {
            let orphaned = orphan.map(|image| SnapshotReason::Orphaned { image });
            let reasons = orphaned.into_iter().chain([SnapshotReason::Due { since }]).collect();
            (SnapshotAction::Delete, reasons)
        }
        _ => (SnapshotAction::Keep, kept),
    };
    SnapshotDecision {
        snapshot_id: snapshot.snapshot_id.clone(),
        image: named.or_else(|| origin.map(|origin| origin.image().clone())),
        size_gib: snapshot.size_gib,
        action,
        delete_after: None,
        reasons,
    }
}

/// The time since which the tags of the snapshot allow deleting it. This is necessary, but not
/// sufficient.
///
/// # Errors
/// The reasons in its tags that keep it. They are checked again immediately before deleting it.
pub fn due(
    snapshot: &Snapshot,
    policy: &Policy,
    now: Timestamp,
) -> Result<Timestamp, Vec<SnapshotReason>> {
    let mut kept = protections_of(snapshot, policy, now);
    let names = &policy.tag_names;
    if !snapshot.tags.has(&names.image) {
        kept.push(SnapshotReason::ImageUnknown);
    }
    match snapshot.tags.get(&names.delete_after).map(str::parse::<DeletionMark>) {
        None => kept.push(SnapshotReason::NotMarked),
        // This reason is already among the protections.
        Some(Err(_)) => {}
        Some(Ok(mark)) => {
            match snapshot.started_at.filter(|at| mark.is_copied_to(*at, !has_volume(snapshot))) {
                Some(started_at) => {
                    kept.push(SnapshotReason::MarkCopied { at: mark.marked_at, started_at });
                }
                None if mark.due > now => kept.push(SnapshotReason::NotBefore { at: mark.due }),
                None if kept.is_empty() => return Ok(mark.due),
                None => {}
            }
        }
    }
    Err(kept)
}

/// The tags that keep a snapshot, whatever happens to its image: an opt-out, a tag that the policy
/// keeps, a tag of another service, or state tags that are not understood.
pub fn protections_of(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Vec<SnapshotReason> {
    let tag = opt_out(&snapshot.tags, &policy.tag_names.keep, now, &policy.timezone);
    let opted_out = tag.map(|tag| SnapshotReason::OptedOut { until: tag.until, note: tag.note });
    let managed = manager_by_tags(&snapshot.tags).map(|by| SnapshotReason::ManagedElsewhere { by });
    let kept = policy.safety.keep_tags_among(&snapshot.tags);
    let kept =
        kept.map(|(key, value)| SnapshotReason::KeepTag { key: key.into(), value: value.into() });
    let unknown = state_tags::of_snapshot(snapshot, policy).map(SnapshotReason::from);
    opted_out.into_iter().chain(kept).chain(managed).chain(unknown).collect()
}

fn image_of(snapshot: &Snapshot, names: &TagNames) -> Option<ImageId> {
    snapshot.tags.get(&names.image).and_then(|id| id.parse().ok())
}
