//! The actions of the people of an account.

use jiff::SignedDuration;
use proptest::prelude::*;
use steward::cloud::ImageWriter;
use steward::jobs::FunctionKind;
use steward::model::{ImageId, SnapshotFate, Tags};
use steward_tests::FRESH;
use steward_tests::fleet::{Fleet, FleetImage, FleetSnapshot};

use super::accounts::{FRIEND, IMAGES, PREFIX};
use super::history::{AccountHistory, Decided, find_image, image_event, shared_with};
use super::runs::run;
use super::worlds::{KINDS_OF_HOLDERS, hold, image_id};

/// One action. Images are identified by number.
#[derive(Debug, Clone)]
pub enum People {
    Disable(usize),
    Enable(usize),
    /// Sets the deprecation time to this many days from now.
    Deprecate(usize, i64),
    Undeprecate(usize),
    Share(usize),
    Unshare(usize),
    Protect(usize),
    Unprotect(usize),
    /// Disables, deprecates and protects the image.
    Quarantine(usize),
    Keep(usize),
    Unkeep(usize),
    Use(u8, usize),
    EndUses,
    /// Deregisters the image without deleting its snapshots.
    Deregister(usize),
    Create,
}

const FAMILIES: [&str; 2] = ["web", "db"];

pub fn some_people(days: usize, most: usize) -> impl Strategy<Value = Vec<(usize, People)>> {
    let image = 0..IMAGES + 2;
    let action = prop_oneof![
        1 => Just(People::Create),
        2 => (0..KINDS_OF_HOLDERS, image.clone()).prop_map(|(kind, n)| People::Use(kind, n)),
        1 => Just(People::EndUses),
        1 => image.clone().prop_map(People::Disable),
        1 => image.clone().prop_map(People::Enable),
        1 => (image.clone(), prop_oneof![Just(0_i64), Just(60)])
            .prop_map(|(n, days)| People::Deprecate(n, days)),
        1 => image.clone().prop_map(People::Undeprecate),
        1 => image.clone().prop_map(People::Share),
        1 => image.clone().prop_map(People::Unshare),
        1 => image.clone().prop_map(People::Protect),
        1 => image.clone().prop_map(People::Unprotect),
        2 => image.clone().prop_map(People::Quarantine),
        1 => image.clone().prop_map(People::Keep),
        1 => image.clone().prop_map(People::Unkeep),
        1 => image.prop_map(People::Deregister),
    ];
    prop::collection::vec((0..days, action), 0..most).prop_map(|mut all| {
        all.sort_by_key(|(day, _)| *day);
        all
    })
}

impl People {
    /// Whether this changes the rank of other images.
    fn ranks(&self) -> bool {
        matches!(
            self,
            Self::Disable(_) | Self::Quarantine(_) | Self::Enable(_) | Self::Deregister(_)
        )
    }

    pub fn apply(&self, history: &mut AccountHistory<'_>, today: usize) {
        // If images are kept by rank, an image that an attacker kept takes an older one's place
        // when a newer one is removed. This is an effect of the policy.
        if history.account.ranked && self.ranks() {
            return;
        }
        history.note(|| format!("day {today:2} people: {self:?}"));
        let at = super::history::day(today) - SignedDuration::from_hours(6);
        let number = match self {
            Self::Create => return create(history, today),
            Self::EndUses => return history.change(end_uses),
            Self::Use(kind, n) => {
                let held = image_id(*n);
                return history.change(|fleet| hold(fleet, 100 + today, *kind, &held));
            }
            Self::Disable(n)
            | Self::Enable(n)
            | Self::Deprecate(n, _)
            | Self::Undeprecate(n)
            | Self::Share(n)
            | Self::Unshare(n)
            | Self::Protect(n)
            | Self::Unprotect(n)
            | Self::Quarantine(n)
            | Self::Keep(n)
            | Self::Unkeep(n)
            | Self::Deregister(n) => *n,
        };
        let id = image_id(number);
        let Some(found) = find_image(&history.world, &id) else { return };
        if found.state != "available" && found.state != "disabled" {
            return;
        }
        if let Self::Deregister(_) = self {
            // The image is moved to the Recycle Bin, if a rule covers it, or is protected.
            let _ = run(history.fake.deregister(&id, SnapshotFate::DeleteLater, FRESH));
            return history.change(|_| {});
        }
        let state = found.state.clone();
        let mut decided = std::mem::take(&mut history.decided);
        history.change(|fleet| {
            let image = fleet.images.iter_mut().find(|one| one.image_id == id).unwrap();
            self.change(image, &mut decided, at);
        });
        history.decided = decided;
        if find_image(&history.world, &id).is_some_and(|image| image.state != state) {
            history.by_hand.push((today, id));
        }
    }

    /// Changes an image, like EC2 does on request.
    fn change(&self, image: &mut FleetImage, decided: &mut Decided, at: jiff::Timestamp) {
        let id = image.image_id.clone();
        let keep = format!("{PREFIX}keep");
        match self {
            Self::Disable(_) if image.state == "available" => {
                image.state = "disabled".to_owned();
                image.unshare();
                decided.disabled.insert(id);
                decided.shared.remove(&image.image_id);
            }
            Self::Enable(_) if image.state == "disabled" => {
                image.state = "available".to_owned();
                decided.disabled.remove(&id);
                // Nobody restored its former permissions.
                decided.shared.remove(&id);
            }
            Self::Deprecate(_, days) => {
                let date = at + SignedDuration::from_hours(24 * days);
                image.deprecation_time = Some(date);
                decided.deprecated.insert(id, date);
            }
            Self::Undeprecate(_) => {
                image.deprecation_time = None;
                decided.deprecated.remove(&id);
            }
            Self::Share(_) if image.state == "available" => {
                if !image.launch_permissions.iter().any(|one| one == FRIEND) {
                    image.launch_permissions.push(FRIEND.to_owned());
                }
                decided.shared.insert(id, shared_with(image));
            }
            Self::Unshare(_) => {
                image.unshare();
                decided.shared.remove(&id);
            }
            Self::Quarantine(n) => {
                for part in [Self::Disable(*n), Self::Deprecate(*n, 0), Self::Protect(*n)] {
                    part.change(image, decided, at);
                }
            }
            Self::Protect(_) => image.protected = "enabled-without-cooldown".to_owned(),
            Self::Unprotect(_) => image.protected = "disabled".to_owned(),
            Self::Keep(_) => {
                image.tags = image.tags.with(&[(keep.as_str(), "people")].into_iter().collect());
            }
            // Only what people wrote: an attacker can only make more images kept.
            Self::Unkeep(_) if image.tags.get(&keep) == Some("people") => {
                image.tags = image.tags.without(&[keep]);
            }
            _ => {}
        }
    }
}

/// Ends all uses that [`hold`] started, but not templates that others wrote.
pub fn end_uses(fleet: &mut Fleet) {
    fleet.instances.retain(|one| one.instance_id.as_str().contains("source"));
    fleet.launch_templates.retain(|one| one.launch_template_id.starts_with("lt-attack"));
    fleet.launch_configurations.clear();
    fleet.auto_scaling_groups.clear();
    fleet.fleets.clear();
    fleet.spot_fleets.clear();
    fleet.spot_requests.clear();
    fleet.compute_environments.clear();
    fleet.image_recipes.clear();
    fleet.ssm_parameters.retain(|one| one.name.starts_with("/prod/"));
}

/// A new image, whose event arrives immediately.
fn create(history: &mut AccountHistory<'_>, today: usize) {
    let at = super::history::day(today) - SignedDuration::from_hours(6);
    let image: ImageId = format!("ami-new{today}").parse().unwrap();
    let family = FAMILIES[today % FAMILIES.len()];
    history.change(|fleet| {
        if fleet.images.iter().any(|one| one.image_id == image) {
            return;
        }
        let mut snapshot = FleetSnapshot::new(format!("snap-new{today}").parse().unwrap(), at);
        snapshot.description = format!("Created by CreateImage(i-1) for {image}");
        snapshot.volume_id = "vol-1".to_owned();
        let mut made = FleetImage::new(image.clone(), [snapshot.snapshot_id.clone()]);
        made.created_at = at;
        made.name = Some(format!("{family}-{image}"));
        made.tags = [("Family", family)].into_iter().collect::<Tags>();
        fleet.snapshots.push(snapshot);
        fleet.images.push(made);
    });
    let event = image_event(image.as_str(), "available", "aws.ec2", at);
    history.run(today, at, FunctionKind::TagImage, &event);
}
