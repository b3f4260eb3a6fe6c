//! Machines that asked to be retired once their image is there.
//!
//! A machine asks with a tag that names the image, by id or name. It goes only if that image was
//! made from this very machine and is really there: available, and every one of its snapshots
//! complete. What is in doubt stays.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::protect::opt_out;
use crate::model::{
    AccountId, Image, ImageId, ImageState, Instance, InstanceId, InstanceProtection, InstanceState,
    Snapshot, SnapshotId,
};
use crate::policy::{Policy, RetireAction};

/// What is to be done about a machine, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceDecision {
    /// The machine.
    pub instance_id: InstanceId,
    /// The image that it waits for, once that was found.
    pub image_id: Option<ImageId>,
    /// What is to be done.
    pub action: InstanceAction,
    /// Every reason.
    pub reasons: Vec<InstanceReason>,
}

/// What is to be done about a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceAction {
    /// Nothing, or not yet.
    Keep,
    /// It is stopped.
    Stop,
    /// It is terminated.
    Terminate,
}

/// One reason for a decision about a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum InstanceReason {
    /// The image that it asked to wait for is there.
    Imaged {
        /// That image.
        image: ImageId,
    },
    /// It does not ask any more: the tag is gone.
    NotAsked,
    /// The account has no image of the id or name that its tag holds.
    NoSuchImage {
        /// What the tag holds.
        asked: Arc<str>,
    },
    /// The image is not available.
    ImageState {
        /// Its state.
        state: ImageState,
    },
    /// The image belongs to another account.
    NotOurImage,
    /// The image was made from another machine, or nobody knows from which.
    NotItsImage {
        /// The machine that the image was made from.
        made_from: Option<InstanceId>,
    },
    /// The image is on its way out itself.
    ImageExpired,
    /// The image names no snapshot: there is nothing to see that it is complete.
    NoSnapshots,
    /// These snapshots of the image are not complete, or were not found.
    SnapshotsIncomplete {
        /// They.
        snapshots: Box<[SnapshotId]>,
    },
    /// These volumes would be deleted with it, and no snapshot of the image was made of them.
    VolumesNotInImage {
        /// They.
        volumes: Box<[Arc<str>]>,
    },
    /// It was started again after the image was made: what it holds since is not in the image.
    StartedSince {
        /// When.
        at: Timestamp,
    },
    /// Nobody knows when it was started, or when the image was made.
    AgeUnknown,
    /// Somebody tagged it to be left alone.
    OptedOut {
        /// Until when; absent: for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// It is protected from being terminated.
    TerminationProtected,
    /// It is protected from being stopped.
    StopProtected,
    /// It is a part of something that may replace it, or that would not let it be stopped.
    MemberOf {
        /// That, in words.
        of: Arc<str>,
    },
    /// It is in a state in which nothing is done to it.
    State {
        /// That state.
        state: InstanceState,
    },
}

/// Whether `instance` waits for `image`, by the tag that people write.
pub fn asks_for(instance: &Instance, image: &Image, policy: &Policy) -> bool {
    let asked = instance.tags.get(&policy.tag_names.retire_when_imaged).map(str::trim);
    asked.is_some_and(|asked| {
        !asked.is_empty() && (asked == image.image_id.as_str() || asked == &*image.name)
    })
}

/// Whether a machine in this state has come to the end that the policy means for it, or is on
/// its way there.
pub fn is_at_its_end(instance: &Instance, policy: &Policy) -> bool {
    match (instance.state, policy.instances.retire) {
        (InstanceState::ShuttingDown | InstanceState::Terminated, _)
        | (InstanceState::Stopping | InstanceState::Stopped, RetireAction::Stop) => true,
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

/// Decides about a machine that asked to be retired. `image` is the one that it asks for, if the
/// account has it, and `snapshots` those of its snapshots that exist.
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
                RetireAction::Stop => InstanceAction::Stop,
                RetireAction::Terminate => InstanceAction::Terminate,
            };
            (action, vec![InstanceReason::Imaged { image: image.clone() }])
        }
        _ => (InstanceAction::Keep, kept),
    };
    InstanceDecision { instance_id: instance.instance_id.clone(), image_id, action, reasons }
}

/// What keeps the machine, whatever its image is.
fn protections(
    instance: &Instance,
    protection: &InstanceProtection,
    policy: &Policy,
    now: Timestamp,
) -> Vec<InstanceReason> {
    let InstanceProtection { termination_protected, stop_protected, member_of } = protection;
    let mut kept = Vec::new();
    if let Some(until) = opt_out(&instance.tags, &policy.tag_names.keep, now, &policy.timezone) {
        kept.push(InstanceReason::OptedOut { until });
    }
    let ends = match (instance.state, policy.instances.retire) {
        (InstanceState::Running, _) | (InstanceState::Stopped, RetireAction::Terminate) => true,
        // Stopped is what was asked for.
        _ => false,
    };
    if !ends {
        kept.push(InstanceReason::State { state: instance.state });
    }
    // A machine that must not be terminated is not stopped either: somebody counts on it.
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

/// What speaks against the image being all that is left to keep of the machine.
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
    if image.snapshots.is_empty() {
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

/// What terminating would destroy although the image does not hold it: an image can be made
/// without some of the volumes, and others may have been attached since.
fn lost_volumes(instance: &Instance, snapshots: &[Snapshot]) -> Option<InstanceReason> {
    let is_imaged = |volume: &&Arc<str>| {
        snapshots.iter().any(|one| one.volume_id.as_deref() == Some(&***volume))
    };
    let volumes: Box<[_]> =
        instance.volumes.iter().filter(|volume| !is_imaged(volume)).cloned().collect();
    (!volumes.is_empty()).then_some(InstanceReason::VolumesNotInImage { volumes })
}

impl fmt::Display for InstanceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imaged { image } => write!(f, "{image} is made of it and available"),
            Self::NotAsked => write!(f, "it does not ask to be retired any more"),
            Self::NoSuchImage { asked } => write!(f, "there is no image `{asked}`"),
            Self::ImageState { state } => write!(f, "the image is {state}"),
            Self::NotOurImage => write!(f, "the image belongs to another account"),
            Self::NotItsImage { made_from: Some(other) } => {
                write!(f, "the image was made from {other}")
            }
            Self::NotItsImage { made_from: None } => {
                write!(f, "nobody knows which machine the image was made from")
            }
            Self::ImageExpired => write!(f, "the image is on its way out itself"),
            Self::NoSnapshots => write!(f, "the image names no snapshots"),
            Self::SnapshotsIncomplete { snapshots } => {
                let ids: Vec<_> = snapshots.iter().map(SnapshotId::as_str).collect();
                write!(f, "not complete: {}", ids.join(", "))
            }
            Self::VolumesNotInImage { volumes } => {
                write!(
                    f,
                    "would be deleted with it and are not in the image: {}",
                    volumes.join(", ")
                )
            }
            Self::StartedSince { at } => {
                write!(f, "started again since the image was made, at {at}")
            }
            Self::AgeUnknown => write!(f, "nobody knows when it was started or imaged"),
            Self::OptedOut { until: None } => write!(f, "opted out"),
            Self::OptedOut { until: Some(until) } => write!(f, "opted out until {until}"),
            Self::TerminationProtected => write!(f, "protected from being terminated"),
            Self::StopProtected => write!(f, "protected from being stopped"),
            Self::MemberOf { of } => write!(f, "in {of}"),
            Self::State { state } => write!(f, "it is {state}"),
        }
    }
}

#[cfg(test)]
mod tests;
