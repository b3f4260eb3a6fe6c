//! Versions that a change of their tags updates.
//!
//! It is not verified whether the tags API updates a gallery image version. If it does, Azure refuses
//! other changes of the version until the update has ended, and every run tags a version before it
//! changes it. So the run that tagged a version waits for the update, for a limited time, and does not
//! write the same tags again in between.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value};
use steward::cloud::CloudError;
use steward::model::ResourceId;

use crate::api::VERSIONS;
use crate::arm_id::ArmId;
use crate::azure::{Azure, busy};
use crate::error::bad_response;
use crate::image_mapping::tags_of;
use crate::types::{ImageVersion, ProvisioningState};

/// How long after a change of its tags a version may be updating. An assumption: no replica changes,
/// so this takes less time than other updates.
const MAX_TAG_UPDATE: Duration = Duration::from_secs(60);
/// The time between two reads.
const READ_EVERY: Duration = Duration::from_secs(2);

/// The last change of the tags of each image, by its ID.
pub(crate) type TagChanges = HashMap<String, TagChange>;

/// A change of the tags of an image.
pub(crate) struct TagChange {
    /// By the client's clock.
    at: Duration,
    body: Value,
}

impl Azure {
    /// Whether this run just made the same change.
    pub(crate) fn has_tagged(&self, resource: &ResourceId, body: &Value) -> bool {
        self.since_tagged(resource.as_str(), Some(body)).is_some()
    }

    /// Remembers a change of the tags of an image.
    pub(crate) fn note_tagged(&self, resource: &ResourceId, body: &Value) {
        if resource.as_image().is_some() {
            let change = TagChange { at: self.client.inner.time.now(), body: body.clone() };
            self.tag_changes().insert(resource.as_str().to_owned(), change);
        }
    }

    /// The time since the last change of the tags, if it may still update the version.
    fn since_tagged(&self, resource: &str, body: Option<&Value>) -> Option<Duration> {
        let now = self.client.inner.time.now();
        let changes = self.tag_changes();
        let change = changes.get(resource)?;
        let since = now.saturating_sub(change.at);
        let is_meant = body.is_none_or(|body| *body == change.body);
        (is_meant && since <= MAX_TAG_UPDATE).then_some(since)
    }

    /// Reads a version in order to change it. If this run has tagged it, waits until it is no longer
    /// updated and shows the tags: an update sends the tags that were read, and would remove others.
    pub(crate) async fn read_to_change(&self, id: &ArmId) -> Result<VersionToChange, CloudError> {
        loop {
            let at = self.client.inner.time.now();
            let body: Map<String, Value> =
                self.client.get(VERSIONS.read, id.as_str(), &VERSIONS.query()).await?;
            let version: ImageVersion = serde_json::from_value(Value::Object(body.clone()))
                .map_err(|problem| bad_response(VERSIONS.read, problem.to_string()))?;
            let is_updating = version.properties.provisioning_state == ProvisioningState::Updating;
            let lacks_tags = self.lacks_own_tags(id, &version);
            if !is_updating && !lacks_tags {
                return Ok(VersionToChange { at, body, version });
            }
            match self.since_tagged(id.as_str(), None) {
                Some(_) => self.client.inner.time.sleep(READ_EVERY).await,
                None if lacks_tags => {
                    let message = format!("`{id}` does not show the tags that were just written");
                    return Err(busy(VERSIONS.read, message));
                }
                None => return Ok(VersionToChange { at, body, version }),
            }
        }
    }

    /// Whether a version, as it was read, lacks tags that this run has written.
    fn lacks_own_tags(&self, id: &ArmId, version: &ImageVersion) -> bool {
        let changes = self.tag_changes();
        let Some(change) = changes.get(id.as_str()) else { return false };
        if change.body["operation"] != "Merge" {
            return false;
        }
        let written = change.body["properties"]["tags"].as_object();
        let held = tags_of(&version.tags);
        written.into_iter().flatten().any(|(name, value)| held.get(name) != value.as_str())
    }
}

/// A version that was read in order to change it.
pub(crate) struct VersionToChange {
    /// When the read began, by the client's clock.
    pub(crate) at: Duration,
    pub(crate) body: Map<String, Value>,
    pub(crate) version: ImageVersion,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::json;
    use steward::cloud::{ErrorKind, ImageWriter, TagWriter};
    use steward::model::{ImageId, Tags};

    use super::*;
    use crate::testing::{Received, Server, TestReply, run};

    const ID: &str = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourcegroups/g/providers/microsoft.compute/galleries/a/images/b/versions/1.0.0";

    /// A version that is updating for its first reads.
    fn server(updating_reads: usize) -> Arc<Server> {
        let (mut reads, mut tags) = (0, json!({}));
        Server::answering(move |request: &Received| {
            if request.method == "PATCH" {
                let body: Value = serde_json::from_str(&request.body).unwrap();
                tags = body["properties"]["tags"].clone();
                return TestReply::new(200, "{}");
            }
            reads += usize::from(request.method == "GET");
            let state = if reads <= updating_reads { "Updating" } else { "Succeeded" };
            let body = json!({
                "id": ID, "name": "1.0.0", "location": "westus", "tags": tags,
                "properties": {
                    "provisioningState": state,
                    "publishingProfile": {"targetRegions": [{"name": "West US"}]},
                    "storageProfile": {"source": {"id": ID.replace("1.0.0", "0.9.0")}},
                },
            });
            TestReply::new(200, body.to_string())
        })
    }

    fn changes(server: &Server) -> Vec<String> {
        let received = server.received().into_iter().map(|one| one.method);
        received.filter(|method| method != "GET").collect()
    }

    fn tags() -> Tags {
        [("image-steward:expired-at", "2026-11-22T12:00:00Z")].into_iter().collect()
    }

    #[test]
    fn a_change_waits_for_the_update_by_the_own_tags() {
        let server = server(3);
        let azure = Azure::of(server.client(), ID);
        let image: ImageId = ID.parse().unwrap();
        run(async {
            azure.set_tags(&[(&image).into()], &tags()).await.unwrap();
            azure.deprecate(&image, Timestamp::UNIX_EPOCH).await.unwrap();
        });
        assert_eq!(changes(&server), ["PATCH", "PUT"]);
        assert_eq!(server.waits(), [READ_EVERY; 3]);
    }

    #[test]
    fn equal_tags_are_written_once_while_they_may_update_the_version() {
        let server = server(0);
        let azure = Azure::of(server.client(), ID);
        let image: ImageId = ID.parse().unwrap();
        let other: Tags = [("image-steward:keep", "")].into_iter().collect();
        run(async {
            for tags in [&tags(), &tags(), &other, &tags()] {
                azure.set_tags(&[(&image).into()], tags).await.unwrap();
            }
            azure.client.inner.time.sleep(MAX_TAG_UPDATE + READ_EVERY).await;
            azure.set_tags(&[(&image).into()], &tags()).await.unwrap();
        });
        assert_eq!(changes(&server).len(), 4);
    }

    #[test]
    fn another_update_is_not_waited_for() {
        let server = server(1000);
        let azure = Azure::of(server.client(), ID);
        let image: ImageId = ID.parse().unwrap();
        run(async {
            let busy = azure.deprecate(&image, Timestamp::UNIX_EPOCH).await.unwrap_err();
            assert_eq!(busy.kind, ErrorKind::Busy);
            assert!(server.waits().is_empty());
            azure.set_tags(&[(&image).into()], &tags()).await.unwrap();
            let busy = azure.deprecate(&image, Timestamp::UNIX_EPOCH).await.unwrap_err();
            assert_eq!(busy.kind, ErrorKind::Busy);
        });
        let waited: Duration = server.waits().iter().sum();
        assert!(waited <= MAX_TAG_UPDATE + READ_EVERY, "{waited:?}");
        assert_eq!(changes(&server), ["PATCH"]);
    }
}
