//! Machines that asked to be retired once their image is there.
//!
//! A machine asks with a tag that names the image, by id or name. It goes only if that image was
//! made from this very machine and is really there: available, and every one of its snapshots
//! complete. What is in doubt stays.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::protect::opt_out;
use crate::cloud::{Guards, Machine, MachineState};
use crate::ids::{AccountId, ImageId, InstanceId, SnapshotId};
use crate::inventory::{Image, ImageState, Snapshot};
use crate::policy::{Ending, Policy};

/// What is to be done about a machine, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceDecision {
    /// The machine.
    pub instance_id: InstanceId,
    /// The image that it waits for, once that was found.
    pub image_id: Option<ImageId>,
    /// What is to be done.
    pub action: InstanceAction,
    /// Every reason.
    pub because: Vec<InstanceReason>,
}

/// What is to be done about a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum InstanceReason {
    /// The image that it asked to wait for is there.
    Imaged {
        /// That image.
        image: ImageId,
    },
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
    /// An Auto Scaling group would replace it.
    InGroup {
        /// That group.
        group: Arc<str>,
    },
    /// It is in a state in which nothing is done to it.
    State {
        /// That state.
        state: MachineState,
    },
}

/// The tag by which EC2 shows the Auto Scaling group of a machine.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// Whether `machine` waits for `image`, by the tag that people write.
pub fn asks_for(machine: &Machine, image: &Image, policy: &Policy) -> bool {
    let asked = machine.tags.get(&policy.names.retire_when_imaged).map(str::trim);
    asked.is_some_and(|asked| {
        !asked.is_empty() && (asked == image.image_id.as_str() || asked == &*image.name)
    })
}

/// Decides about a machine that asked to be retired. `image` is the one that it asks for, if the
/// account has it, and `snapshots` those of its snapshots that exist.
pub fn decide_instance(
    machine: &Machine,
    guards: &Guards,
    image: Option<(&Image, &[Snapshot])>,
    account: &AccountId,
    policy: &Policy,
    now: Timestamp,
) -> InstanceDecision {
    let mut kept = hindrances(machine, guards, policy, now);
    match image {
        None => {
            let asked = machine.tags.get(&policy.names.retire_when_imaged).unwrap_or_default();
            kept.push(InstanceReason::NoSuchImage { asked: asked.into() });
        }
        Some((image, snapshots)) => {
            kept.extend(doubts(machine, image, snapshots, account));
            if policy.instances.retire == Ending::Terminate {
                kept.extend(lost_volumes(machine, snapshots));
            }
        }
    }
    let image_id = image.map(|(image, _)| image.image_id.clone());
    let (action, because) = match (&image_id, kept.is_empty()) {
        (Some(image), true) => {
            let action = match policy.instances.retire {
                Ending::Stop => InstanceAction::Stop,
                Ending::Terminate => InstanceAction::Terminate,
            };
            (action, vec![InstanceReason::Imaged { image: image.clone() }])
        }
        _ => (InstanceAction::Keep, kept),
    };
    InstanceDecision { instance_id: machine.instance_id.clone(), image_id, action, because }
}

/// What keeps the machine, whatever its image is.
fn hindrances(
    machine: &Machine,
    guards: &Guards,
    policy: &Policy,
    now: Timestamp,
) -> Vec<InstanceReason> {
    let Guards { termination_protected, stop_protected, group } = guards;
    let mut kept = Vec::new();
    if let Some(until) = opt_out(&machine.tags, &policy.names.keep, now, &policy.timezone) {
        kept.push(InstanceReason::OptedOut { until });
    }
    let ends = match (machine.state, policy.instances.retire) {
        (MachineState::Running, _) | (MachineState::Stopped, Ending::Terminate) => true,
        // Stopped is what was asked for.
        _ => false,
    };
    if !ends {
        kept.push(InstanceReason::State { state: machine.state });
    }
    // A machine that must not be terminated is not stopped either: somebody counts on it.
    if *termination_protected {
        kept.push(InstanceReason::TerminationProtected);
    }
    if *stop_protected {
        kept.push(InstanceReason::StopProtected);
    }
    if let Some(group) = group.as_deref().or_else(|| machine.tags.get(GROUP_TAG)) {
        kept.push(InstanceReason::InGroup { group: group.into() });
    }
    kept
}

/// What speaks against the image being all that is left to keep of the machine.
fn doubts(
    machine: &Machine,
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
    if image.source_instance.as_ref() != Some(&machine.instance_id) {
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
    match (machine.started_at, image.created_at) {
        (Some(started), Some(created)) if started <= created => {}
        (Some(at), Some(_)) => kept.push(InstanceReason::StartedSince { at }),
        _ => kept.push(InstanceReason::AgeUnknown),
    }
    kept
}

/// What terminating would destroy although the image does not hold it: an image can be made
/// without some of the volumes, and others may have been attached since.
fn lost_volumes(machine: &Machine, snapshots: &[Snapshot]) -> Option<InstanceReason> {
    let is_imaged = |volume: &&Arc<str>| {
        snapshots.iter().any(|one| one.volume_id.as_deref() == Some(&***volume))
    };
    let volumes: Box<[_]> =
        machine.volumes.iter().filter(|volume| !is_imaged(volume)).cloned().collect();
    (!volumes.is_empty()).then_some(InstanceReason::VolumesNotInImage { volumes })
}

impl fmt::Display for InstanceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imaged { image } => write!(f, "{image} is made of it and available"),
            Self::NoSuchImage { asked } => write!(f, "there is no image `{asked}`"),
            Self::ImageState { state } => write!(f, "the image is {state}"),
            Self::NotOurImage => write!(f, "the image belongs to another account"),
            Self::NotItsImage { made_from: Some(other) } => {
                write!(f, "the image was made from {other}")
            }
            Self::NotItsImage { made_from: None } => {
                write!(f, "nobody knows which machine the image was made from")
            }
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
            Self::InGroup { group } => write!(f, "in the Auto Scaling group {group}"),
            Self::State { state } => write!(f, "it is {state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n";

    fn policy(more: &str) -> Policy {
        Policy::parse(&format!("{POLICY}{more}"), "test").unwrap()
    }

    fn machine(asked: &str) -> Machine {
        Machine {
            instance_id: "i-1".parse().unwrap(),
            state: MachineState::Running,
            started_at: Some("2026-11-01T00:00:00Z".parse().unwrap()),
            tags: [("image-steward:retire-when-imaged", asked)].into_iter().collect(),
            volumes: Box::new(["vol-1".into()]),
        }
    }

    fn image() -> Image {
        serde_json::from_str(
            r#"{"image_id":"ami-1","name":"web","owner_id":"123456789012","state":"available",
                "created_at":"2026-11-20T00:00:00Z","snapshots":["snap-1"],"source_instance":"i-1"}"#,
        )
        .unwrap()
    }

    fn snapshot(completed: Option<bool>) -> Snapshot {
        let volume_id = Some("vol-1".into());
        Snapshot { completed, volume_id, ..Snapshot::new("snap-1".parse().unwrap()) }
    }

    fn decide(machine: &Machine, guards: &Guards, image: Option<&Image>) -> String {
        decide_under(&policy(""), machine, guards, image, &[snapshot(Some(true))])
    }

    fn decide_under(
        policy: &Policy,
        machine: &Machine,
        guards: &Guards,
        image: Option<&Image>,
        snapshots: &[Snapshot],
    ) -> String {
        let account = "123456789012".parse().unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let image = image.map(|image| (image, snapshots));
        let found = decide_instance(machine, guards, image, &account, policy, now);
        let because: Vec<_> = found.because.iter().map(ToString::to_string).collect();
        format!("{:?}: {}", found.action, because.join("; "))
    }

    #[test]
    fn a_machine_goes_once_its_own_image_is_there() {
        let (guards, image) = (Guards::default(), image());
        let machine = machine("ami-1");
        let stop = decide(&machine, &guards, Some(&image));
        assert_eq!(stop, "Stop: ami-1 is made of it and available");
        let terminate = policy("[instances]\nretire = \"terminate\"\n");
        let found =
            decide_under(&terminate, &machine, &guards, Some(&image), &[snapshot(Some(true))]);
        assert_eq!(found, "Terminate: ami-1 is made of it and available");
    }

    #[test]
    fn a_volume_that_is_not_in_the_image_keeps_a_machine_from_its_end_but_not_from_a_stop() {
        let mut machine = machine("ami-1");
        machine.volumes = ["vol-1", "vol-2", "vol-3"].map(Into::into).into();
        let terminate = policy("[instances]\nretire = \"terminate\"\n");
        let decide = |policy, snapshot| {
            decide_under(policy, &machine, &Guards::default(), Some(&image()), &[snapshot])
        };
        assert_eq!(
            decide(&terminate, snapshot(Some(true))),
            "Keep: would be deleted with it and are not in the image: vol-2, vol-3"
        );
        // A copied snapshot does not say of which volume it was made.
        let unknown = Snapshot { volume_id: None, ..snapshot(Some(true)) };
        assert_eq!(
            decide(&terminate, unknown),
            "Keep: would be deleted with it and are not in the image: vol-1, vol-2, vol-3"
        );
        let stop = decide(&policy(""), snapshot(Some(true)));
        assert_eq!(stop, "Stop: ami-1 is made of it and available");
    }

    #[test]
    fn it_is_asked_for_by_id_or_name() {
        let (policy, image) = (policy(""), image());
        for asked in ["ami-1", "web", " web "] {
            assert!(asks_for(&machine(asked), &image, &policy), "{asked}");
        }
        for asked in ["", " ", "ami-2", "we", "true", "Web"] {
            assert!(!asks_for(&machine(asked), &image, &policy), "{asked}");
        }
        let nameless = Image { name: "".into(), ..image };
        assert!(!asks_for(&machine(""), &nameless, &policy));
    }

    #[test]
    fn whatever_is_in_doubt_keeps_it() {
        let good = Guards::default();
        let group = Guards { group: Some("web".into()), ..Guards::default() };
        let protected = Guards { termination_protected: true, ..Guards::default() };
        let stop_protected = Guards { stop_protected: true, ..Guards::default() };
        let with = |change: fn(&mut Machine)| {
            let mut machine = machine("ami-1");
            change(&mut machine);
            machine
        };
        let of = |change: fn(&mut Image)| {
            let mut image = image();
            change(&mut image);
            Some(image)
        };
        let tagged = |machine: &mut Machine, key: &str, value: &str| {
            machine.tags = machine.tags.with(&[(key, value)].into_iter().collect());
        };
        let mut grouped = machine("ami-1");
        tagged(&mut grouped, "aws:autoscaling:groupName", "web");
        let mut opted_out = machine("ami-1");
        tagged(&mut opted_out, "image-steward:keep", "");
        for (machine, guards, image, expected) in [
            (machine("ami-1"), &good, None, "there is no image `ami-1`"),
            (machine("ami-1"), &group, Some(image()), "in the Auto Scaling group web"),
            (grouped, &good, Some(image()), "in the Auto Scaling group web"),
            (opted_out, &good, Some(image()), "opted out"),
            (machine("ami-1"), &protected, Some(image()), "protected from being terminated"),
            (machine("ami-1"), &stop_protected, Some(image()), "protected from being stopped"),
            (with(|one| one.state = MachineState::Stopped), &good, Some(image()), "it is stopped"),
            (with(|one| one.state = MachineState::Pending), &good, Some(image()), "it is pending"),
            (
                with(|one| one.started_at = Some("2026-11-21T00:00:00Z".parse().unwrap())),
                &good,
                Some(image()),
                "started again since the image was made, at 2026-11-21T00:00:00Z",
            ),
            (
                with(|one| one.started_at = None),
                &good,
                Some(image()),
                "nobody knows when it was started or imaged",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.created_at = None),
                "nobody knows when it was started or imaged",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.state = ImageState::Pending),
                "the image is pending",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.owner_id = None),
                "the image belongs to another account",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.source_instance = Some("i-2".parse().unwrap())),
                "the image was made from i-2",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.source_instance = None),
                "nobody knows which machine the image was made from",
            ),
            (
                machine("ami-1"),
                &good,
                of(|image| image.snapshots = Box::default()),
                "the image names no snapshots",
            ),
        ] {
            assert_eq!(decide(&machine, guards, image.as_ref()), format!("Keep: {expected}"));
        }
        for snapshots in [vec![], vec![snapshot(Some(false))], vec![snapshot(None)]] {
            let machine = machine("ami-1");
            let found = decide_under(&policy(""), &machine, &good, Some(&image()), &snapshots);
            assert_eq!(found, "Keep: not complete: snap-1");
        }
    }
}
