//! The plan for snapshots: those that the ledger says may go, unless an image needs them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::exists;
use super::protect::{manager_by_tags, opt_out};
use super::reason::Manager;
use crate::ids::{AccountId, ImageId, Region, SnapshotId};
use crate::inventory::{Inventory, Snapshot, Source, Unread};
use crate::policy::Policy;

/// What is to be done about every snapshot that carries our `delete-after`, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotPlan {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The time that the plan is for.
    pub planned_at: Timestamp,
    /// Images or snapshots that could not be read; then nothing is deleted.
    pub refusal: Option<Vec<Unread>>,
    /// One for each marked snapshot, by id.
    pub decisions: Vec<SnapshotDecision>,
    /// Snapshots that do not carry our mark, and are none of our business.
    pub unmarked: usize,
}

/// What is to be done about one snapshot, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotDecision {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// The image that it backed, from its tag.
    pub image: Option<ImageId>,
    /// Its size in GiB, an upper bound.
    pub size_gib: Option<u32>,
    /// What is to be done.
    pub action: SnapshotAction,
    /// Every reason.
    pub because: Vec<SnapshotReason>,
}

/// What is to be done about a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotAction {
    /// Nothing, or not yet.
    Keep,
    /// It goes.
    Delete,
}

/// One reason for a decision about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum SnapshotReason {
    /// Its image is gone, and its time has come.
    Due {
        /// When that was.
        since: Timestamp,
    },
    /// Its time has not come.
    NotBefore {
        /// When it will.
        at: Timestamp,
    },
    /// Its mark holds no date that can be read.
    DateUnreadable {
        /// What it holds.
        value: String,
    },
    /// Its mark is from before it was made: it came with the tags of another snapshot.
    MarkCopied {
        /// What the mark says.
        at: Timestamp,
        /// When the snapshot was made.
        started_at: Timestamp,
    },
    /// It does not say which image it backed.
    ImageUnknown,
    /// The image that it backs still exists.
    ImageExists {
        /// That image.
        image: ImageId,
    },
    /// An image uses it.
    UsedBy {
        /// That image.
        image: ImageId,
    },
    /// Somebody tagged it to be left alone.
    OptedOut {
        /// Until when; absent: for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Another service looks after it.
    ManagedElsewhere {
        /// That service.
        by: Manager,
    },
    /// Its ledger names another snapshot: it is a copy, made with all tags.
    CopyOf {
        /// The snapshot that the ledger was written for.
        snapshot: String,
    },
    /// Its time has come, but the plan refuses to delete anything.
    Refused,
}

impl fmt::Display for SnapshotReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due { since } => write!(f, "image gone, due since {since}"),
            Self::NotBefore { at } => write!(f, "not before {at}"),
            Self::DateUnreadable { value } => write!(f, "delete-after holds no date: `{value}`"),
            Self::MarkCopied { at, started_at } => {
                write!(f, "delete-after is {at}, but it was made {started_at}: a copied tag")
            }
            Self::ImageUnknown => f.write_str("its image is not known"),
            Self::ImageExists { image } => write!(f, "its image {image} exists"),
            Self::UsedBy { image } => write!(f, "used by {image}"),
            Self::OptedOut { until: Some(until) } => write!(f, "opted out by tag until {until}"),
            Self::OptedOut { until: None } => f.write_str("opted out by tag"),
            Self::ManagedElsewhere { by } => write!(f, "managed by {by}"),
            Self::CopyOf { snapshot } => write!(f, "its tags are copied from {snapshot}"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

/// Decides about every marked snapshot of `inventory` at the time `now`. References to images
/// do not matter here: what an existing image uses is kept anyway.
pub fn plan_snapshots(inventory: &Inventory, policy: &Policy, now: Timestamp) -> SnapshotPlan {
    let images = Images::of(inventory);
    let unread: Vec<Unread> = inventory
        .unread
        .iter()
        .filter(|unread| {
            [Source::Images, Source::Snapshots]
                .iter()
                .any(|source| *unread.source == *source.to_string())
        })
        .cloned()
        .collect();
    let refusal = (!unread.is_empty()).then_some(unread);
    let marked = |snapshot: &&Snapshot| snapshot.tags.has(&policy.names.delete_after);
    let mut decisions: Vec<SnapshotDecision> = inventory
        .snapshots
        .iter()
        .filter(marked)
        .map(|snapshot| {
            let mut decision = decide(snapshot, &images, policy, now);
            if refusal.is_some() && decision.action == SnapshotAction::Delete {
                decision.action = SnapshotAction::Keep;
                decision.because.push(SnapshotReason::Refused);
            }
            decision
        })
        .collect();
    decisions.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
    SnapshotPlan {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        planned_at: now,
        unmarked: inventory.snapshots.len() - decisions.len(),
        refusal,
        decisions,
    }
}

/// The images that exist, and the snapshots that they use.
struct Images<'a> {
    existing: HashSet<&'a ImageId>,
    users: HashMap<&'a SnapshotId, Vec<&'a ImageId>>,
}

impl<'a> Images<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut images = Self { existing: HashSet::new(), users: HashMap::new() };
        for image in inventory.images.iter().filter(|image| exists(image)) {
            images.existing.insert(&image.image_id);
            for snapshot in &image.snapshots {
                images.users.entry(snapshot).or_default().push(&image.image_id);
            }
        }
        images
    }
}

fn decide(
    snapshot: &Snapshot,
    images: &Images<'_>,
    policy: &Policy,
    now: Timestamp,
) -> SnapshotDecision {
    let image = image_of(snapshot, policy);
    let mut kept = Vec::new();
    let mut users = images.users.get(&snapshot.snapshot_id).cloned().unwrap_or_default();
    users.sort();
    kept.extend(users.iter().map(|image| SnapshotReason::UsedBy { image: (*image).clone() }));
    if let Some(image) =
        image.as_ref().filter(|image| images.existing.contains(image) && !users.contains(image))
    {
        kept.push(SnapshotReason::ImageExists { image: image.clone() });
    }
    let due = match due(snapshot, policy, now) {
        Ok(since) => Some(SnapshotReason::Due { since }),
        Err(reasons) => {
            kept.extend(reasons);
            None
        }
    };
    let (action, because) = match due {
        Some(due) if kept.is_empty() => (SnapshotAction::Delete, vec![due]),
        _ => (SnapshotAction::Keep, kept),
    };
    SnapshotDecision {
        snapshot_id: snapshot.snapshot_id.clone(),
        image,
        size_gib: snapshot.size_gib,
        action,
        because,
    }
}

/// Since when the snapshot's own tags let it go.
///
/// # Errors
/// What its tags have against it. Asked once more right before it is deleted.
pub fn due(
    snapshot: &Snapshot,
    policy: &Policy,
    now: Timestamp,
) -> Result<Timestamp, Vec<SnapshotReason>> {
    let mut kept = hands_off(snapshot, policy, now);
    if let Some(own) = snapshot.tags.get(&policy.names.snapshot)
        && own != snapshot.snapshot_id.as_str()
    {
        kept.push(SnapshotReason::CopyOf { snapshot: own.to_owned() });
    }
    if image_of(snapshot, policy).is_none() {
        kept.push(SnapshotReason::ImageUnknown);
    }
    let value = snapshot.tags.get(&policy.names.delete_after).unwrap_or_default();
    match value.parse::<Timestamp>() {
        Ok(at) if at > now => kept.push(SnapshotReason::NotBefore { at }),
        Ok(at) if snapshot.started_at.is_some_and(|started_at| started_at > at) => {
            let started_at = snapshot.started_at.unwrap_or(at);
            kept.push(SnapshotReason::MarkCopied { at, started_at });
        }
        Ok(at) if kept.is_empty() => return Ok(at),
        Ok(_) => {}
        Err(_) => kept.push(SnapshotReason::DateUnreadable { value: value.to_owned() }),
    }
    Err(kept)
}

/// Why nobody but its keeper may delete a snapshot, whatever becomes of its image.
pub fn hands_off(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Vec<SnapshotReason> {
    let until = opt_out(&snapshot.tags, &policy.names.keep, now, &policy.timezone);
    let opted_out = until.map(|until| SnapshotReason::OptedOut { until });
    let managed = manager_by_tags(&snapshot.tags).map(|by| SnapshotReason::ManagedElsewhere { by });
    opted_out.into_iter().chain(managed).collect()
}

fn image_of(snapshot: &Snapshot, policy: &Policy) -> Option<ImageId> {
    snapshot.tags.get(&policy.names.image).and_then(|id| id.parse().ok())
}
