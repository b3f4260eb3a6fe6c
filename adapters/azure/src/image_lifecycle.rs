//! The steps of an image: the end-of-life date, excluding from latest, and deletion.
//!
//! A change of a version takes Azure minutes. A run starts it and does not wait: the next run sees the
//! result. Other changes are refused until then, which is reported as
//! [`ErrorKind::Busy`](steward::cloud::ErrorKind::Busy).
//!
//! An update sends the whole version as it was read, with the changed fields. It is not verified how
//! Azure treats a `PATCH` without the target regions.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};
use steward::cloud::{CloudError, Deregistered, Freshness, ImageWriter, PermissionWriter};
use steward::model::{ImageId, LaunchPermission, SnapshotFate};

use crate::api::{DELETE_IMAGE, DELETE_VERSION, IMAGES, VERSIONS, WRITE_VERSION};
use crate::arm_id::{ArmId, ImageIdKind};
use crate::azure::{Azure, busy, unsupported};
use crate::error::bad_response;
use crate::images::{arm_id, now};
use crate::operations::Started;
use crate::tag_updates::VersionToChange;
use crate::types::{ImageVersion, ProvisioningState};

/// How old the version may be that an update sends, when the update is sent. What others change in
/// between, such as a tag that keeps the version, is lost.
const MAX_BODY_AGE: Duration = Duration::from_secs(5);
/// How often a version is read for one update.
const MAX_READS: u32 = 3;
/// The fields of a version that Azure sets, and that an update does not contain.
const READ_ONLY: [&str; 5] = ["id", "name", "type", "systemData", "etag"];
/// The same in its properties.
const READ_ONLY_PROPERTIES: [&str; 2] = ["provisioningState", "replicationStatus"];

/// The fields of a version that a step changes. `None` leaves a field as it is.
#[derive(Debug, Clone, Copy, Default)]
struct VersionChange {
    end_of_life: Option<Option<Timestamp>>,
    excluded: Option<bool>,
}

#[async_trait]
impl ImageWriter for Azure {
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        let change = VersionChange { end_of_life: Some(Some(at)), ..VersionChange::default() };
        self.update_version(image, change, &|| true).await.map(|_| ())
    }

    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        let change = VersionChange { end_of_life: Some(None), ..VersionChange::default() };
        self.update_version(image, change, &|| true).await.map(|_| ())
    }

    async fn disable(
        &self,
        image: &ImageId,
        at: Timestamp,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError> {
        let change = VersionChange { end_of_life: Some(Some(at)), excluded: Some(true) };
        self.update_version(image, change, check).await
    }

    async fn enable(&self, image: &ImageId) -> Result<(), CloudError> {
        let change = VersionChange { excluded: Some(false), ..VersionChange::default() };
        self.update_version(image, change, &|| true).await.map(|_| ())
    }

    /// The snapshots of an image on Azure are never deleted with it.
    async fn deregister(
        &self,
        image: &ImageId,
        _snapshots: SnapshotFate,
        check: Freshness<'_>,
    ) -> Result<Option<Deregistered>, CloudError> {
        let id = arm_id(image)?;
        let (call, query) = match id.image_kind() {
            Some(ImageIdKind::ManagedImage) => (DELETE_IMAGE, IMAGES.query()),
            _ => (DELETE_VERSION, VERSIONS.query()),
        };
        let Some(started) = self.client.delete_if_fresh(call, id.as_str(), &query, check).await?
        else {
            return Ok(None);
        };
        self.follow(started).await?;
        Ok(Some(Deregistered::default()))
    }
}

#[async_trait]
impl PermissionWriter for Azure {
    /// Nothing that a run does removes the sharing of a gallery, so there is nothing to restore.
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError> {
        match with {
            [] => Ok(()),
            _ => Err(unsupported(
                WRITE_VERSION,
                format!("{image} cannot be shared: Azure shares galleries, not their versions"),
            )),
        }
    }
}

impl Azure {
    /// Changes a version, unless it already has the wanted values. Returns `None` and sends nothing if
    /// the check has expired.
    async fn update_version(
        &self,
        image: &ImageId,
        change: VersionChange,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError> {
        let id = arm_id(image)?;
        // Azure stores at most seven digits of a second.
        let seconds = |at: Timestamp| at.round(Unit::Second).unwrap_or(at);
        let end_of_life = change.end_of_life.map(|end| end.map(seconds));
        let change = VersionChange { end_of_life, ..change };
        if id.image_kind() != Some(ImageIdKind::Version) {
            let message = format!("{image} is a managed image, which has no such property");
            return Err(unsupported(WRITE_VERSION, message));
        }
        for _ in 0..MAX_READS {
            let query = VERSIONS.query();
            let VersionToChange { at: read_at, mut body, version } =
                self.read_to_change(&id).await?;
            refuse_if_changing(&id, &version)?;
            refuse_if_blocked(&id, &version, change)?;
            if has_values(&version, change) {
                return Ok(Some(()));
            }
            apply(&mut body, change).ok_or_else(|| {
                bad_response(VERSIONS.read, format!("`{id}` has no publishingProfile"))
            })?;
            let age = || self.client.inner.time.now().saturating_sub(read_at);
            let is_recent = || check() && age() <= MAX_BODY_AGE;
            let sent = self
                .client
                .put_if_fresh(WRITE_VERSION, id.as_str(), &query, &body, &is_recent)
                .await?;
            match sent {
                Some(started) => {
                    self.follow(started).await?;
                    return Ok(Some(()));
                }
                None if !check() => return Ok(None),
                // Calls waited for the budget.
                None => {}
            }
        }
        Err(busy(WRITE_VERSION, format!("`{id}` was not changed: the calls waited too long")))
    }

    /// Waits for an operation if a person waits; else leaves it to the next run.
    pub(crate) async fn follow(&self, started: Started) -> Result<(), CloudError> {
        let (Started::Running(operation), Some(patience)) = (started, self.patience) else {
            return Ok(());
        };
        let deadline = crate::patience::Until::in_time(patience);
        self.client.wait(&operation, &deadline).await
    }
}

/// Azure refuses a change during another operation.
fn refuse_if_changing(id: &ArmId, version: &ImageVersion) -> Result<(), CloudError> {
    let state = &version.properties.provisioning_state;
    match state {
        ProvisioningState::Succeeded => Ok(()),
        ProvisioningState::Creating
        | ProvisioningState::Updating
        | ProvisioningState::Migrating
        | ProvisioningState::Deleting => {
            Err(busy(WRITE_VERSION, format!("`{id}` is {state}: another operation is running")))
        }
        ProvisioningState::Failed | ProvisioningState::Unknown(_) => {
            let message = format!("`{id}` is {state}, so it is not changed");
            Err(unsupported(WRITE_VERSION, message))
        }
    }
}

/// A past end-of-life date would remove the protection that `blockDeletionBeforeEndOfLife` gives.
fn refuse_if_blocked(
    id: &ArmId,
    version: &ImageVersion,
    change: VersionChange,
) -> Result<(), CloudError> {
    let moves_date = matches!(change.end_of_life, Some(Some(_)));
    match moves_date && version.properties.blocks_deletion(now()) {
        true => Err(unsupported(
            WRITE_VERSION,
            format!(
                "`{id}` has blockDeletionBeforeEndOfLife, so its end-of-life date is not changed"
            ),
        )),
        false => Ok(()),
    }
}

fn has_values(version: &ImageVersion, change: VersionChange) -> bool {
    let profile = &version.properties.publishing_profile;
    change.end_of_life.is_none_or(|wanted| wanted == profile.end_of_life_date)
        && change.excluded.is_none_or(|wanted| wanted == profile.exclude_from_latest)
}

/// Changes the fields of a version, and removes those that Azure sets.
fn apply(body: &mut Map<String, Value>, change: VersionChange) -> Option<()> {
    for field in READ_ONLY {
        body.remove(field);
    }
    let properties = body.get_mut("properties")?.as_object_mut()?;
    for field in READ_ONLY_PROPERTIES {
        properties.remove(field);
    }
    let profile = properties.get_mut("publishingProfile")?.as_object_mut()?;
    profile.remove("publishedDate");
    match change.end_of_life {
        None => {}
        Some(Some(at)) => {
            profile.insert("endOfLifeDate".to_owned(), json!(at.to_string()));
        }
        Some(None) => {
            profile.remove("endOfLifeDate");
        }
    }
    if let Some(excluded) = change.excluded {
        profile.insert("excludeFromLatest".to_owned(), json!(excluded));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(profile: Value) -> Map<String, Value> {
        let body = json!({
            "id": "/subscriptions/x", "name": "1.0.0", "location": "westus", "tags": {"Team": "web"},
            "properties": {
                "provisioningState": "Succeeded", "publishingProfile": profile,
                "storageProfile": {"unknown": 1}, "safetyProfile": {"a": true},
            },
        });
        body.as_object().unwrap().clone()
    }

    #[test]
    fn an_update_echoes_everything_that_it_does_not_change() {
        let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let regions =
            json!([{"name": "West US", "regionalReplicaCount": 2, "excludeFromLatest": true}]);
        let profile = json!({
            "targetRegions": regions, "replicaCount": 3, "publishedDate": "2026-01-01T00:00:00Z",
            "endOfLifeDate": "2027-01-01T00:00:00Z", "somethingNew": [1],
        });
        let mut body = version(profile);
        apply(&mut body, VersionChange { end_of_life: Some(Some(at)), excluded: Some(true) })
            .unwrap();
        let expected = json!({
            "location": "westus", "tags": {"Team": "web"},
            "properties": {
                "publishingProfile": {
                    "targetRegions": regions, "replicaCount": 3, "somethingNew": [1],
                    "endOfLifeDate": "2026-11-22T12:00:00Z", "excludeFromLatest": true,
                },
                "storageProfile": {"unknown": 1}, "safetyProfile": {"a": true},
            },
        });
        assert_eq!(Value::Object(body.clone()), expected);
        apply(&mut body, VersionChange { end_of_life: Some(None), excluded: Some(false) }).unwrap();
        let profile = &body["properties"]["publishingProfile"];
        assert_eq!(
            (profile.get("endOfLifeDate"), &profile["excludeFromLatest"]),
            (None, &json!(false))
        );
        assert!(apply(&mut Map::new(), VersionChange::default()).is_none());
    }
}
