//! What a resource protects and what it allows, as the mapping must understand it.

use std::collections::BTreeSet;

use crate::latest::{RegionFacts, VersionFacts, latest};
use crate::types::*;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Protects something, so it must not be lost.
    keeps: BTreeSet<String>,
    /// Allows a removal, so nothing must be added.
    frees: BTreeSet<String>,
}

impl Effects {
    fn keep(&mut self, text: impl Into<String>) {
        self.keeps.insert(text.into());
    }

    fn free(&mut self, text: impl Into<String>) {
        self.frees.insert(text.into());
    }

    /// Adds the images from which an existing resource was started. Where the version is not known,
    /// it may be any version of the definition.
    fn started_from(&mut self, targets: &[ImageTarget]) {
        for target in targets {
            match target {
                ImageTarget::ManagedImage(id) | ImageTarget::Version(id) => {
                    self.keep(format!("image {id}"));
                }
                ImageTarget::Definition { exact: Some(id), .. } => self.keep(format!("image {id}")),
                ImageTarget::Definition { definition, exact: None } => {
                    self.keep(format!("any version of {definition}"));
                }
                ImageTarget::Shared(id) => self.keep(format!("shared {id:?}")),
            }
        }
    }

    /// Adds the images from which a resource starts others.
    fn starts(&mut self, targets: &[ImageTarget]) {
        for target in targets {
            match target {
                ImageTarget::ManagedImage(id) | ImageTarget::Version(id) => {
                    self.keep(format!("image {id}"));
                }
                ImageTarget::Definition { definition, .. } => {
                    self.keep(format!("latest version of {definition}"));
                }
                ImageTarget::Shared(id) => self.keep(format!("shared {id:?}")),
            }
        }
    }

    /// Whether `one` is kept, by itself or by something wider.
    fn covers(&self, one: &str) -> bool {
        let wider = match one.split_once(' ') {
            Some(("image", id)) => id
                .split_once("/versions/")
                .map(|(definition, _)| format!("any version of {definition}")),
            Some(("group", _)) => Some("groups not read".to_owned()),
            _ => None,
        };
        self.keeps.contains(one) || wider.is_some_and(|wider| self.keeps.contains(&wider))
    }

    /// What `other` lacks but must have, and what it has but must not have.
    pub fn lost_in(&self, other: &Self) -> Vec<String> {
        let lost = self.keeps.iter().filter(|one| !other.covers(one));
        let lost = lost.map(|one| format!("lost {one}"));
        lost.chain(other.frees.difference(&self.frees).map(|one| format!("made up {one}")))
            .collect()
    }

    fn envelope<P>(&mut self, resource: &ArmResource<P>) {
        for (name, value) in &resource.tags {
            self.keep(format!("tag {name}={value}"));
        }
        for id in &resource.managed_by {
            self.keep(format!("used by {id}"));
        }
        if let Some(created) = resource.system_data.created_at {
            self.free(format!("created {created}"));
        }
    }

    fn state(&mut self, state: &ProvisioningState) {
        // Only these two are removed.
        if matches!(state, ProvisioningState::Succeeded | ProvisioningState::Failed) {
            self.free(format!("state {state}"));
        }
    }
}

/// A resource of which the test asks what it protects.
pub trait Protects {
    fn finding(&self) -> Effects;
}

impl Protects for Gallery {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        let GallerySharing { groups, public_names, .. } = &self.properties.sharing;
        match self.properties.sharing.is_shared() {
            true => found.keep("shared"),
            false => found.free("private"),
        }
        match groups {
            None => found.keep("groups not read"),
            Some(groups) => {
                for group in groups {
                    for id in &group.ids {
                        found.keep(format!("group {id}"));
                    }
                }
            }
        }
        for name in public_names.iter().chain(&self.unique_names()) {
            found.keep(format!("named {name}"));
        }
        let policy = &self.properties.soft_delete;
        if policy.is_enabled {
            found.free("soft delete");
        }
        if let Some(days) = policy.retention_period_in_days {
            found.free(format!("{days} days"));
        }
        if let Some(days) = policy.grace_period_in_days {
            found.free(format!("and {days} days"));
        }
        found
    }
}

impl Protects for ImageDefinition {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        let ImageDefinitionProperties {
            os_type, os_state, architecture, hyper_v_generation, ..
        } = &self.properties;
        // A rule matches an image by these.
        found.free(format!("{os_type}"));
        found.free(format!("{os_state}"));
        for one in architecture.iter().map(ToString::to_string) {
            found.free(one);
        }
        for one in hyper_v_generation.iter().map(ToString::to_string) {
            found.free(one);
        }
        // A word that is not known matches no rule.
        found.frees.remove("Tomorrow");
        found.frees.remove("");
        found
    }
}

/// The regions of all fixtures, and one more.
const REGIONS: [&str; 8] =
    ["westus", "eastus", "westus2", "eastus2", "westcentralus", "southcentralus", "mars", ""];

impl Protects for ImageVersion {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        let properties = &self.properties;
        found.state(&properties.provisioning_state);
        if properties.needs_sources() {
            for source in properties.sources() {
                found.keep(format!("image {source}"));
            }
            for source in properties.shared_sources() {
                found.keep(format!("shared {source:?}"));
            }
        }
        if properties.blocks_deletion("2026-11-30T00:00:00Z".parse().unwrap()) {
            found.keep("deletion blocked");
        }
        let PublishingProfile { published_date, end_of_life_date, .. } =
            &properties.publishing_profile;
        for date in published_date.iter().chain(end_of_life_date) {
            found.free(format!("at {date}"));
        }
        for region in REGIONS.into_iter().filter_map(Location::new) {
            let own = VersionFacts::from(self);
            let lower = VersionFacts {
                id: own.id.parent().unwrap().child("versions", "0.0.0").unwrap(),
                number: "0.0.0".parse().ok(),
                state: ProvisioningState::Succeeded,
                is_excluded: false,
                regions: Some(vec![RegionFacts {
                    location: region.clone(),
                    is_excluded: false,
                    replication: Some(ReplicationState::Completed),
                }]),
                is_soft_deleted: false,
            };
            let both = [own, lower];
            let held: Vec<bool> = both
                .iter()
                .map(|one| latest(&both, Some(&region)).versions.contains(&one))
                .collect();
            if !held[0] {
                found.free(format!("never the latest in {region}"));
            }
            if !held[1] {
                found.free(format!("certainly the latest in {region}"));
            }
        }
        found
    }
}

impl Protects for SoftDeletedVersion {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.keep(format!("recoverable {}", self.properties.version));
        let SoftDeletedProperties { consumption_end_time, hard_deletion_target_time, .. } =
            &self.properties;
        for time in consumption_end_time.iter().chain(hard_deletion_target_time) {
            found.free(format!("until {time}"));
        }
        found
    }
}

impl Protects for ManagedImage {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        found.state(&self.properties.provisioning_state);
        for source in self.properties.sources().chain(&self.properties.source_virtual_machine) {
            found.keep(format!("source {source}"));
        }
        found
    }
}

fn disks(storage: &MachineStorage, found: &mut Effects) {
    for disk in storage.os_disk.iter().chain(&storage.data_disks) {
        found.keep(format!("disk {disk}"));
    }
    for source in &storage.data_sources {
        found.keep(format!("source {source}"));
    }
}

impl Protects for VirtualMachine {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        found.started_from(&self.properties.storage.targets());
        disks(&self.properties.storage, &mut found);
        found
    }
}

impl Protects for ScaleSet {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        if self.properties.has_own_instances() {
            found.keep("instances to read");
        }
        if let Some(model) = &self.properties.model {
            found.starts(&model.targets());
        }
        found
    }
}

impl Protects for ScaleSetInstance {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        found.started_from(&self.properties.storage.targets());
        disks(&self.properties.storage, &mut found);
        found
    }
}

fn creation(data: &CreationData, found: &mut Effects) {
    found.started_from(&data.targets());
    if let Some(source) = &data.source {
        found.keep(format!("source {source}"));
    }
}

impl Protects for Disk {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        creation(&self.properties.creation_data, &mut found);
        if self.is_unattached() {
            found.free("unattached");
        }
        if let Some(created) = self.properties.time_created {
            found.free(format!("created {created}"));
        }
        found
    }
}

impl Protects for DiskSnapshot {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.envelope(self);
        let properties = &self.properties;
        creation(&properties.creation_data, &mut found);
        if self.is_unattached() {
            found.free("unattached");
        }
        if let Some(created) = properties.time_created {
            found.free(format!("created {created}"));
        }
        if properties.immutability_policy.as_ref().is_some_and(ImmutabilityPolicy::may_apply) {
            found.keep("immutable");
        }
        found
    }
}

impl Protects for Lock {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        let scope = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                     resourcegroupname/providers/Microsoft.Compute/images/a";
        if self.applies_to(&scope.parse().unwrap()) {
            found.keep("locked");
        }
        found
    }
}

impl Protects for BuilderTemplate {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.starts(&self.properties.source.targets());
        found
    }
}

impl Protects for Subscription {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        found.keep(format!("subscription {}", self.id));
        if self.state == SubscriptionState::Enabled {
            found.free("enabled");
        }
        found
    }
}

impl Protects for GraphRow {
    fn finding(&self) -> Effects {
        let mut found = Effects::default();
        let targets: Vec<ImageTarget> = self.targets.iter().cloned().collect();
        found.started_from(&targets);
        found
    }
}
