//! Finds the image that a snapshot was created for, and orphans: snapshots whose image no longer
//! exists although no run deregistered it. The image was deregistered manually, by another tool, or
//! before image-steward was in use.
//!
//! Only the description that EC2 writes identifies the image, because tags can be written by
//! anyone. A copy of a snapshot may have the description of the original.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::reason::SnapshotCap;
use super::{
    SnapshotAction, SnapshotDecision, SnapshotFacts, SnapshotReason, image_of, protections_of,
};
use crate::model::{Attribution, ImageId, Inventory, Snapshot, SnapshotId, TagNames};
use crate::policy::{Orphans, Policy};

/// A snapshot is started before its image can be listed. After one day, the image certainly can be
/// listed.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// The volume ID that EC2 reports for a copied snapshot. ("The source volume … `vol-ffffffff` … an
/// arbitrary volume ID", DescribeSnapshots and CopySnapshot.)
const NO_VOLUME: &str = "vol-ffffffff";

/// Decides about a snapshot without our tag. `None` if it is not an orphan: its image exists, or
/// nothing shows that it was created for an image.
pub(super) fn decide(
    snapshot: &Snapshot,
    world: &SnapshotFacts<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Option<SnapshotDecision> {
    // Fast path: finding an image that uses the snapshot is faster than parsing the description.
    if world.users.contains_key(&snapshot.snapshot_id) {
        return None;
    }
    let origin = Origin::of(snapshot, &policy.tag_names)?;
    let image = origin.image();
    if world.images.contains(image) {
        return None;
    }
    let mut kept = world.references_of(snapshot, Some(image), policy);
    kept.extend(protections_of(snapshot, policy, now));
    // A tag that names a different image can only keep the snapshot.
    let disagrees = image_of(snapshot, &policy.tag_names).is_some_and(|named| named != *image);
    if disagrees || matches!(origin, Origin::Unverified(_)) {
        kept.push(SnapshotReason::OriginUnverified { image: image.clone() });
    }
    let until = snapshot.started_at.and_then(|at| at.checked_add(SETTLED_AFTER).ok());
    match until.unwrap_or(Timestamp::MAX) {
        until if until > now => kept.push(SnapshotReason::TooYoung { until }),
        _ => {}
    }
    let delete_after = match policy.orphans {
        Orphans::Report => {
            kept.push(SnapshotReason::OrphansStay);
            None
        }
        Orphans::Delete { after } => {
            match &world.recycled {
                None => kept.push(SnapshotReason::RecycleBinUnread),
                Some(recycled) if recycled.contains_key(image) => {
                    kept.push(SnapshotReason::ImageInRecycleBin { image: image.clone() });
                }
                Some(_) => {}
            }
            Some(after.after(now, &policy.timezone))
        }
    };
    let mut reasons = vec![SnapshotReason::Orphaned { image: image.clone() }];
    let action = if kept.is_empty() { SnapshotAction::Mark } else { SnapshotAction::Keep };
    reasons.extend(kept);
    Some(SnapshotDecision {
        snapshot_id: snapshot.snapshot_id.clone(),
        image: Some(image.clone()),
        size_gib: snapshot.size_gib,
        action,
        delete_after: delete_after.filter(|_| action == SnapshotAction::Mark),
        reasons,
    })
}

/// Defers what exceeds `max_per_run` and `max_snapshots_per_run`. The oldest snapshots come first.
pub(super) fn apply_caps(
    decisions: &mut [SnapshotDecision],
    inventory: &Inventory,
    policy: &Policy,
) {
    let made: HashMap<&SnapshotId, Option<Timestamp>> =
        inventory.snapshots.iter().map(|one| (&one.snapshot_id, one.started_at)).collect();
    for (action, cap, limit) in [
        (SnapshotAction::Mark, SnapshotCap::MaxPerRun, policy.safety.max_per_run),
        (
            SnapshotAction::Delete,
            SnapshotCap::MaxSnapshotsPerRun,
            policy.safety.max_snapshots_per_run,
        ),
    ] {
        let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut going: Vec<&mut SnapshotDecision> =
            decisions.iter_mut().filter(|one| one.action == action).collect();
        if going.len() <= allowed {
            continue;
        }
        going.sort_by_cached_key(|decision| {
            (made.get(&decision.snapshot_id).copied().flatten(), decision.snapshot_id.clone())
        });
        for decision in going.into_iter().skip(allowed) {
            decision.action = SnapshotAction::Keep;
            decision.delete_after = None;
            decision.reasons.push(SnapshotReason::Deferred { cap, limit });
        }
    }
}

/// Whether EC2 reports the source volume of `snapshot`. Then it is not a copy.
pub(super) fn has_volume(snapshot: &Snapshot) -> bool {
    snapshot.volume_id.as_deref().is_some_and(|volume| volume != NO_VOLUME)
}

/// The image that a snapshot was created for, according to EC2.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The snapshot was created for this image.
    Known(ImageId),
    /// The snapshot may be a copy of one that was created for this image.
    Unverified(ImageId),
}

impl Origin {
    /// The origin of `snapshot`. `None` if nothing attributes it to an image.
    pub(super) fn of(snapshot: &Snapshot, names: &TagNames) -> Option<Self> {
        if snapshot.attribution == Attribution::StateTag {
            return image_of(snapshot, names).map(Self::Known);
        }
        let hint = hint(snapshot.description.as_deref()?)?;
        let has_volume = has_volume(snapshot);
        Some(match hint {
            // A copied snapshot has no source volume. A snapshot that CopyImage created has none
            // either, but CopySnapshot does not copy such a description: it writes its own.
            Hint::CreateImage(image) if !has_volume => Self::Unverified(image),
            Hint::CreateImage(image) | Hint::CopyImage(image) => Self::Known(image),
        })
    }

    pub(super) fn image(&self) -> &ImageId {
        match self {
            Self::Known(image) | Self::Unverified(image) => image,
        }
    }
}

/// The image for which EC2 created `snapshot`, if that is certain.
pub(in crate::plan) fn attributed_to(snapshot: &Snapshot, names: &TagNames) -> Option<ImageId> {
    match Origin::of(snapshot, names)? {
        Origin::Known(image) => Some(image),
        Origin::Unverified(_) => None,
    }
}

/// A description that EC2 wrote.
#[derive(Debug, PartialEq, Eq)]
enum Hint {
    CreateImage(ImageId),
    CopyImage(ImageId),
}

impl Hint {
    fn image(&self) -> &ImageId {
        match self {
            Self::CreateImage(image) | Self::CopyImage(image) => image,
        }
    }
}

/// The image that a snapshot with this description was created for, if EC2 wrote the description.
pub fn made_for(description: &str) -> Option<ImageId> {
    hint(description).map(|hint| hint.image().clone())
}

/// Parses `Created by CreateImage(i-…) for ami-…` and `Copied for DestinationAmi ami-… from
/// SourceAmi …`. These forms were observed, and are not documented.
fn hint(description: &str) -> Option<Hint> {
    let image = |text: &str| text.split_whitespace().next()?.parse::<ImageId>().ok();
    if let Some(rest) = description.strip_prefix("Created by CreateImage(") {
        let (_, rest) = rest.split_once(") for ")?;
        return image(rest).map(Hint::CreateImage);
    }
    let rest = description.strip_prefix("Copied for DestinationAmi ")?;
    image(rest).map(Hint::CopyImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(description: &str, volume: Option<&str>) -> Option<Origin> {
        Origin::of(
            &Snapshot {
                description: Some(description.into()),
                volume_id: volume.map(Into::into),
                tags: [("image-steward:image", "ami-9")].into_iter().collect(),
                ..Snapshot::new("snap-1".parse().unwrap())
            },
            &TagNames::under("image-steward:"),
        )
    }

    fn ami(id: &str) -> ImageId {
        id.parse().unwrap()
    }

    #[test]
    fn descriptions_identify_the_image() {
        for (description, expected) in [
            ("Created by CreateImage(i-1) for ami-1", Some(Hint::CreateImage(ami("ami-1")))),
            (
                "Created by CreateImage(i-1) for ami-1 from vol-1",
                Some(Hint::CreateImage(ami("ami-1"))),
            ),
            (
                "Copied for DestinationAmi ami-2 from SourceAmi ami-1 for SourceSnapshot snap-1. Task created on 1.",
                Some(Hint::CopyImage(ami("ami-2"))),
            ),
            ("[Copied snap-1 from us-east-1] Created by CreateImage(i-1) for ami-1", None),
            ("before the upgrade of ami-1", None),
            ("Created by CreateImage(i-1) for ", None),
            ("", None),
        ] {
            assert_eq!(hint(description), expected, "{description}");
        }
    }

    #[test]
    fn possible_copies_and_tags_are_not_trusted() {
        let created = "Created by CreateImage(i-1) for ami-1";
        let copied = "Copied for DestinationAmi ami-1 from SourceAmi ami-0";
        assert_eq!(origin(created, Some("vol-1")), Some(Origin::Known(ami("ami-1"))));
        assert_eq!(origin(copied, Some(NO_VOLUME)), Some(Origin::Known(ami("ami-1"))));
        assert_eq!(origin(created, Some(NO_VOLUME)), Some(Origin::Unverified(ami("ami-1"))));
        assert_eq!(origin(created, None), Some(Origin::Unverified(ami("ami-1"))));
        assert_eq!(origin("", Some("vol-1")), None);
        assert_eq!(origin("a backup", Some("vol-1")), None);
    }
}
