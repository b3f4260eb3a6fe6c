//! Reading and changing tags.

use async_trait::async_trait;
use steward::cloud::{CloudError, TagReader, TagWriter};
use steward::model::{InstanceId, MAX_TAGS, MAX_VALUE, ResourceId, Tags};

use super::fleet::FleetState;
use super::images::{GALLERY_READ, IMAGE_READ, VERSION_READ, shown};
use super::snapshots::DISK_READ;
use super::state::AzureState;
use super::{AzureFake, not_found};
use crate::fake::faults::{error, in_hash_order};

pub(super) const TAGS_WRITE: &str = "Microsoft.Resources/tags/write";

#[async_trait]
impl TagReader for AzureFake {
    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        let mut inner = self.begin();
        for action in [GALLERY_READ, VERSION_READ, IMAGE_READ, DISK_READ] {
            inner.read(action, &[])?;
        }
        let found = inner.state.all_tags().filter_map(|(resource, tags)| {
            let held = shown(tags).get(key)?.to_owned();
            value.is_none_or(|value| value == held).then_some((resource, held))
        });
        Ok(in_hash_order(found.collect(), |(resource, _)| resource.as_str()))
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let mut inner = self.begin();
        inner.read(super::virtual_machines::VM_READ, &[instance.as_str()])?;
        let now = inner.clock;
        let found = inner.state.virtual_machine(instance, now);
        Ok(found.map(|one| shown(&one.tags)))
    }
}

/// There is one call per resource. If one fails, those before it are tagged.
#[async_trait]
impl TagWriter for AzureFake {
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        if tags.is_empty() {
            return Ok(());
        }
        for (key, value) in tags.iter() {
            let is_reserved = ["microsoft", "azure", "windows"]
                .iter()
                .any(|word| key.to_lowercase().starts_with(word));
            let is_good = !key.is_empty()
                && key.chars().count() <= 512
                && value.chars().count() <= MAX_VALUE
                && !key.contains(['<', '>', '%', '&', '\\', '?', '/'])
                && !is_reserved;
            if !is_good {
                let message = format!("The tag {key} cannot be set");
                return Err(error::of(TAGS_WRITE, "InvalidTagNameCharacters", &message));
            }
        }
        self.change_tags(resources, |held| {
            let after = held.with(tags);
            match after.len() > MAX_TAGS {
                true => Err(error::of(TAGS_WRITE, "TooManyTags", "more than 50 tags")),
                false => Ok(after),
            }
        })
    }

    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.change_tags(resources, |held| Ok(held.without(keys)))
    }
}

impl AzureFake {
    fn change_tags(
        &self,
        resources: &[ResourceId],
        change: impl Fn(&Tags) -> Result<Tags, CloudError>,
    ) -> Result<(), CloudError> {
        for resource in resources {
            let mut inner = self.begin();
            inner.change(TAGS_WRITE, resource.as_str(), |state, now| {
                if let ResourceId::Image(image) = resource
                    && state.versions.contains_key(image)
                {
                    let habits = &state.rest.habits;
                    let (waits, updates) = (habits.tags_wait, habits.tags_update);
                    if updates {
                        state.start(TAGS_WRITE, image, FleetState::Updating, now)?;
                    } else if waits {
                        state.idle(TAGS_WRITE, image)?;
                    }
                }
                let held = state.tags_of(resource, now)?;
                *held = change(&shown(held))?;
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl AzureState {
    fn all_tags(&self) -> impl Iterator<Item = (ResourceId, &Tags)> {
        let deleted = self.soft_deleted.iter().map(|(id, one)| (id, &one.stored));
        let versions = self.versions.iter().chain(deleted);
        let versions = versions.map(|(id, one)| (id.into(), &one.version.tags));
        let images = self.images.iter().map(|(id, one)| (id.into(), &one.tags));
        versions.chain(images).chain(self.disks.iter().map(|(id, one)| (id.into(), &one.tags)))
    }

    /// The tags of a resource that exists. Those of a soft-deleted version cannot be changed.
    fn tags_of(
        &mut self,
        resource: &ResourceId,
        now: jiff::Timestamp,
    ) -> Result<&mut Tags, CloudError> {
        let found = match resource {
            ResourceId::Image(id) => {
                let version = self.versions.get_mut(id).map(|one| &mut one.version.tags);
                version.or_else(|| self.images.get_mut(id).map(|one| &mut one.tags))
            }
            ResourceId::Snapshot(id) => self.disks.get_mut(id).map(|one| &mut one.tags),
            ResourceId::Instance(id) => self.virtual_machine_mut(id, now).map(|one| &mut one.tags),
        };
        found.ok_or_else(|| not_found(TAGS_WRITE, resource.as_str()))
    }
}
