//! Retires source instances after their image is available.
//!
//! A tag of the instance contains the ID or name of the image. The instance is retired only if that
//! image was created from it, is available, and all of its snapshots are complete. In doubt, the
//! instance is kept.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::protect::opt_out;
use super::state_tags::{UnknownTag, unknown_keys};
use crate::model::{
    AccountId, Image, ImageId, ImageState, InWords, Instance, InstanceId, InstanceProtection,
    InstanceState, ProviderWords, Snapshot, SnapshotId,
};
use crate::policy::{Policy, RetireAction};

/// The decision about an instance, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceDecision {
    /// The instance ID.
    pub instance_id: InstanceId,
    /// The image that the tag of the instance names; `None` if the account has no such image.
    pub image_id: Option<ImageId>,
    /// The action for the instance.
    pub action: InstanceAction,
    /// All reasons: why the instance is kept, or the image because of which it is retired.
    pub reasons: Vec<InstanceReason>,
}

/// The action of a run for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum InstanceAction {
    /// The instance is kept in this run.
    Keep,
    /// The instance is stopped.
    Stop,
    /// The instance is terminated.
    Terminate,
}

/// A reason for a decision about an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum InstanceReason {
    /// The policy does not retire instances.
    NotAllowed,
    /// The image that the tag names is available and was created from the instance.
    Imaged {
        /// The ID of the image.
        image: ImageId,
    },
    /// The instance no longer has the tag that names an image.
    NotAsked,
    /// The account has no image with the ID or name in the tag.
    NoSuchImage {
        /// The value of the tag.
        asked: Arc<str>,
    },
    /// The image is not available.
    ImageState {
        /// The state of the image.
        state: ImageState,
    },
    /// The image belongs to another account.
    NotOurImage,
    /// The image was created from another instance, or its source instance is unknown.
    NotItsImage {
        /// The source instance of the image, if it is known.
        made_from: Option<InstanceId>,
    },
    /// The image is expired.
    ImageExpired,
    /// The image has no snapshots, so it is unknown whether it is complete.
    NoSnapshots,
    /// Snapshots of the image are incomplete or do not exist.
    SnapshotsIncomplete {
        /// The IDs of these snapshots.
        snapshots: Box<[SnapshotId]>,
    },
    /// The image does not contain volumes that would be deleted with the instance.
    VolumesNotInImage {
        /// The IDs of these volumes.
        volumes: Box<[Arc<str>]>,
    },
    /// The instance was started after the image was created. The image does not contain later
    /// changes.
    StartedSince {
        /// When the instance was started.
        at: Timestamp,
    },
    /// The start time of the instance or the creation time of the image is unknown.
    AgeUnknown,
    /// A tag excludes the instance.
    OptedOut {
        /// When the exclusion ends; absent if it is permanent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The reason in the tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Arc<str>>,
    },
    /// The instance has an unknown tag with the prefix of the state tags. Another version may have
    /// written it.
    StateTagUnknown {
        /// The tag key.
        key: Arc<str>,
    },
    /// The instance has termination protection.
    TerminationProtected,
    /// The instance has stop protection.
    StopProtected,
    /// The instance is part of a resource that may replace it, or that prevents stopping it.
    MemberOf {
        /// A description of that resource.
        of: Arc<str>,
    },
    /// The instance cannot be retired in its state.
    State {
        /// The state of the instance.
        state: InstanceState,
    },
}

/// The reason for keeping an instance if the policy does not retire instances.
pub const NOT_ALLOWED: &str =
    "the policy does not retire instances; set `retire = \"stop\"` under `[instances]` to allow it";

/// The decision about an instance with the tag `retire-when-imaged` if the policy does not retire
/// instances. It needs no further data. `None` if the policy retires instances.
pub fn not_allowed(instance: &Instance, policy: &Policy) -> Option<InstanceDecision> {
    (policy.instances.retire == RetireAction::Never).then(|| InstanceDecision {
        instance_id: instance.instance_id.clone(),
        image_id: None,
        action: InstanceAction::Keep,
        reasons: vec![InstanceReason::NotAllowed],
    })
}

/// Whether the tag `retire-when-imaged` of `instance` contains the ID or name of `image`.
pub fn asks_for(instance: &Instance, image: &Image, policy: &Policy) -> bool {
    let asked = instance.tags.get(&policy.tag_names.retire_when_imaged).map(str::trim);
    asked.is_some_and(|asked| {
        let is_id = asked.parse::<ImageId>().is_ok_and(|asked| asked == image.image_id);
        !asked.is_empty() && (is_id || asked == &*image.name)
    })
}

/// Whether the instance is in the final state that the policy specifies, or changing to it.
pub fn is_at_its_end(instance: &Instance, policy: &Policy) -> bool {
    match (instance.state, policy.instances.retire) {
        (InstanceState::ShuttingDown | InstanceState::Terminated, _)
        | (
            InstanceState::Stopping | InstanceState::Stopped,
            RetireAction::Never | RetireAction::Stop,
        ) => true,
        (
            InstanceState::Pending
            | InstanceState::Running
            | InstanceState::Stopping
            | InstanceState::Stopped
            | InstanceState::Unknown,
            _,
        ) => false,
    }
}

/// Decides about an instance with the tag `retire-when-imaged`. `image` is the image that the tag
/// names, with its existing snapshots; `None` if the account has no such image.
pub fn decide_instance(
    instance: &Instance,
    protection: &InstanceProtection,
    image: Option<(&Image, &[Snapshot])>,
    account: &AccountId,
    policy: &Policy,
    now: Timestamp,
) -> InstanceDecision {
    let mut kept = protections(instance, protection, policy, now);
    match image {
        None => {
            kept.push(match instance.tags.get(&policy.tag_names.retire_when_imaged) {
                Some(asked) => InstanceReason::NoSuchImage { asked: asked.into() },
                None => InstanceReason::NotAsked,
            });
        }
        Some((image, snapshots)) => {
            kept.extend(image_problems(instance, image, snapshots, account));
            let names = &policy.tag_names;
            if image.tags.has(&names.expired_at)
                || snapshots.iter().any(|one| one.tags.has(&names.delete_after))
            {
                kept.push(InstanceReason::ImageExpired);
            }
            if policy.instances.retire == RetireAction::Terminate {
                kept.extend(lost_volumes(instance, snapshots));
            }
        }
    }
    let image_id = image.map(|(image, _)| image.image_id.clone());
    let (action, reasons) = match (&image_id, kept.is_empty()) {
        (Some(image), true) => {
            let action = match policy.instances.retire {
                RetireAction::Never => InstanceAction::Keep,
                RetireAction::Stop => InstanceAction::Stop,
                RetireAction::Terminate => InstanceAction::Terminate,
            };
            (action, vec![InstanceReason::Imaged { image: image.clone() }])
        }
        _ => (InstanceAction::Keep, kept),
    };
    InstanceDecision { instance_id: instance.instance_id.clone(), image_id, action, reasons }
}

/// The reasons that keep the instance, whatever the image is.
fn protections(
    instance: &Instance,
    protection: &InstanceProtection,
    policy: &Policy,
    now: Timestamp,
) -> Vec<InstanceReason> {
    let InstanceProtection { termination_protected, stop_protected, member_of } = protection;
    let mut kept = Vec::new();
    if policy.instances.retire == RetireAction::Never {
        kept.push(InstanceReason::NotAllowed);
    }
    if let Some(tag) = opt_out(&instance.tags, &policy.tag_names.keep, now, &policy.timezone) {
        kept.push(InstanceReason::OptedOut { until: tag.until, note: tag.note });
    }
    kept.extend(
        unknown_keys(&instance.tags, policy).map(|key| InstanceReason::StateTagUnknown { key }),
    );
    let ends = match (instance.state, policy.instances.retire) {
        (InstanceState::Running, _) | (InstanceState::Stopped, RetireAction::Terminate) => true,
        // A stopped instance already is in the requested state.
        _ => false,
    };
    if !ends {
        kept.push(InstanceReason::State { state: instance.state });
    }
    // An instance with termination protection is not stopped either, because somebody relies on it.
    if *termination_protected {
        kept.push(InstanceReason::TerminationProtected);
    }
    if *stop_protected {
        kept.push(InstanceReason::StopProtected);
    }
    if let Some(of) = instance.member_of.as_ref().or(member_of.as_ref()) {
        kept.push(InstanceReason::MemberOf { of: of.clone() });
    }
    kept
}

/// The reasons why the image may not replace the instance.
fn image_problems(
    instance: &Instance,
    image: &Image,
    snapshots: &[Snapshot],
    account: &AccountId,
) -> Vec<InstanceReason> {
    let mut kept = Vec::new();
    if image.owner_id.as_ref() != Some(account) {
        kept.push(InstanceReason::NotOurImage);
    }
    if image.state != ImageState::Available {
        kept.push(InstanceReason::ImageState { state: image.state });
    }
    if image.source_instance.as_ref() != Some(&instance.instance_id) {
        kept.push(InstanceReason::NotItsImage { made_from: image.source_instance.clone() });
    }
    let is_complete = |id: &&SnapshotId| {
        snapshots.iter().any(|one| one.snapshot_id == **id && one.completed == Some(true))
    };
    let incomplete: Box<[SnapshotId]> =
        image.snapshots.iter().filter(|id| !is_complete(id)).cloned().collect();
    // The state of an image with disks of its own shows whether it is complete.
    if image.snapshots.is_empty() && image.disks.is_empty() {
        kept.push(InstanceReason::NoSnapshots);
    }
    if !incomplete.is_empty() {
        kept.push(InstanceReason::SnapshotsIncomplete { snapshots: incomplete });
    }
    match (instance.started_at, image.created_at) {
        (Some(started), Some(created)) if started <= created => {}
        (Some(at), Some(_)) => kept.push(InstanceReason::StartedSince { at }),
        _ => kept.push(InstanceReason::AgeUnknown),
    }
    kept
}

/// The volumes that terminating the instance would delete although the image does not contain them.
/// An image can be created without some of the volumes, and other volumes may have been attached
/// since.
fn lost_volumes(instance: &Instance, snapshots: &[Snapshot]) -> Option<InstanceReason> {
    let is_imaged = |volume: &&Arc<str>| {
        snapshots.iter().any(|one| one.volume_id.as_deref() == Some(&***volume))
    };
    let volumes: Box<[_]> =
        instance.volumes.iter().filter(|volume| !is_imaged(volume)).cloned().collect();
    (!volumes.is_empty()).then_some(InstanceReason::VolumesNotInImage { volumes })
}

impl InWords for InstanceReason {
    fn format(&self, words: &ProviderWords, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderWords { account, instance, .. } = words;
        match self {
            Self::NotAllowed => write!(f, "{NOT_ALLOWED}"),
            Self::Imaged { image } => write!(f, "its image {} is available", image.short()),
            Self::NotAsked => write!(f, "the tag that requests retirement was removed"),
            Self::NoSuchImage { asked } => write!(f, "image `{asked}` not found"),
            Self::ImageState { state } => write!(f, "the image is {}", state.in_words(words)),
            Self::NotOurImage => write!(f, "the image belongs to another {account}"),
            Self::NotItsImage { made_from: Some(other) } => {
                write!(f, "the image was created from {}", other.short())
            }
            Self::NotItsImage { made_from: None } => {
                write!(f, "the source {instance} of the image is unknown")
            }
            Self::ImageExpired => write!(f, "the image is expired"),
            Self::NoSnapshots => write!(f, "the image has no snapshots"),
            Self::SnapshotsIncomplete { snapshots } => {
                let ids: Vec<_> = snapshots.iter().map(SnapshotId::short).collect();
                write!(f, "snapshots are incomplete or missing: {}", ids.join(", "))
            }
            Self::VolumesNotInImage { volumes } => {
                write!(
                    f,
                    "volumes would be deleted but are not in the image: {}",
                    volumes.join(", ")
                )
            }
            Self::StartedSince { at } => {
                write!(f, "started at {at}, after the image was created")
            }
            Self::AgeUnknown => {
                write!(f, "start time of the {instance} or creation time of the image unknown")
            }
            Self::OptedOut { until, note } => {
                write!(f, "excluded by tag")?;
                until.map_or(Ok(()), |until| write!(f, " until {until}"))?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            Self::StateTagUnknown { key } => write!(f, "{}", UnknownTag(key)),
            Self::TerminationProtected => write!(f, "termination protection"),
            Self::StopProtected => write!(f, "stop protection"),
            Self::MemberOf { of } => write!(f, "part of {of}"),
            Self::State { state } => write!(f, "the {instance} is {state}"),
        }
    }
}

#[cfg(test)]
mod tests;
