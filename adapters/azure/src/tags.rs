//! Tags. Azure changes the tags of one resource per call, and compares names without regard to case.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use steward::cloud::{
    CloudError, ImageReader, SnapshotReader, SnapshotScope, TagReader, TagWriter,
};
use steward::model::{InstanceId, ResourceId, Tags};

use crate::api::{READ_TAGS, TAGS_VERSION, VIRTUAL_MACHINES, WRITE_TAGS, tags_path};
use crate::azure::Azure;
use crate::image_mapping::tags_of;
use crate::types::VirtualMachine;

#[async_trait]
impl TagReader for Azure {
    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        let own = SnapshotScope::Own;
        let (images, snapshots, deleted) = futures_util::try_join!(
            self.list_images(),
            self.list_snapshots(&own),
            self.tagged_soft_deleted(key, value),
        )?;
        let images =
            images.images.into_iter().map(|one| (ResourceId::Image(one.image_id), one.tags));
        let snapshots =
            snapshots.into_iter().map(|one| (ResourceId::Snapshot(one.snapshot_id), one.tags));
        let mut found: Vec<(ResourceId, String)> = images
            .chain(snapshots)
            .filter_map(|(id, tags)| Some((id, tags.get(key)?.to_owned())))
            .filter(|(_, held)| value.is_none_or(|value| value == held))
            .collect();
        found.extend(deleted);
        Ok(found)
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let api = VIRTUAL_MACHINES;
        let found: Option<VirtualMachine> =
            self.client.find(api.read, instance.as_str(), &api.query()).await?;
        Ok(found.map(|one| tags_of(&one.tags)))
    }
}

#[async_trait]
impl TagWriter for Azure {
    /// Sends one call per resource. If one of them fails, the others may have been tagged.
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        let tags: Map<String, Value> =
            tags.iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        self.change_tags(resources, &json!({"operation": "Merge", "properties": {"tags": tags}}))
            .await
    }

    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        let removals = resources.iter().map(|resource| self.remove_from(resource, keys));
        join_all(removals).await.into_iter().collect()
    }
}

impl Azure {
    /// Removes tags with the names and values that the resource has: it is documented that a tag to
    /// delete is given by both.
    async fn remove_from(&self, resource: &ResourceId, keys: &[String]) -> Result<(), CloudError> {
        let query = [("api-version", TAGS_VERSION)];
        let path = tags_path(resource.as_str());
        let held: TagsOfResource = self.client.get(READ_TAGS, &path, &query).await?;
        let held = held.properties.tags.unwrap_or_default();
        let is_meant = |name: &str| {
            let tags = tags_of(&held);
            keys.iter().any(|key| tags.is_same_key(key, name))
        };
        let removed: Map<String, Value> = held
            .iter()
            .filter(|(name, _)| is_meant(name))
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        if removed.is_empty() {
            return Ok(());
        }
        let body = json!({"operation": "Delete", "properties": {"tags": removed}});
        self.change_tags(std::slice::from_ref(resource), &body).await
    }

    async fn change_tags(&self, resources: &[ResourceId], body: &Value) -> Result<(), CloudError> {
        self.forget_disks().await;
        let query = [("api-version", TAGS_VERSION)];
        let query = &query;
        let changes = resources.iter().map(|resource| async move {
            if self.has_tagged(resource, body) {
                return Ok(());
            }
            let path = tags_path(resource.as_str());
            let started = self.client.patch(WRITE_TAGS, &path, query, body).await?;
            self.note_tagged(resource, body);
            self.follow(started).await
        });
        join_all(changes).await.into_iter().collect()
    }
}

/// The tags of a resource, as the operations on tags return them.
#[derive(Debug, Deserialize)]
struct TagsOfResource {
    properties: TagsProperties,
}

#[derive(Debug, Deserialize)]
struct TagsProperties {
    tags: Option<BTreeMap<String, String>>,
}
