//! Reading images.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::Deserialize;
use steward::cloud::{CloudError, ImageListing, ImageReader};
use steward::model::{Image, ImageId};

use crate::api::{GALLERIES, IMAGES, LOCKS, READ_RESOURCES};
use crate::arm_id::{ArmId, ImageIdKind};
use crate::azure::Azure;
use crate::error::bad_response;
use crate::galleries::GalleryContent;
use crate::image_mapping::Mapping;
use crate::types::{Lock, ManagedImage};

/// The API version of the listing of resources.
const RESOURCES_VERSION: &str = "2021-04-01";

#[async_trait]
impl ImageReader for Azure {
    async fn list_images(&self) -> Result<ImageListing, CloudError> {
        let path = IMAGES.in_subscription(&self.subscription);
        let query = IMAGES.query();
        let (galleries, managed, locks) = futures_util::try_join!(
            self.fresh_galleries(),
            self.client.list::<ManagedImage>(IMAGES.read, &path, &query),
            self.fresh_locks(),
        )?;
        let mapping = self.mapping(&locks);
        let mut images = Vec::new();
        for gallery in &galleries.galleries {
            for one in &gallery.definitions {
                for version in &one.versions {
                    let image = mapping.version(gallery, &one.definition, version);
                    images.push(image.ok_or_else(|| not_an_image(&version.id))?);
                }
            }
        }
        let created = self.creation_times(&managed).await?;
        for image in &managed {
            let mapped = mapping.managed_image(image, created.get(&image.id).copied());
            images.push(mapped.ok_or_else(|| not_an_image(&image.id))?);
        }
        Ok(ImageListing { images, other_types: 0 })
    }

    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let locks = self.locks().await?;
        let found = images.iter().map(|id| self.find_mapped(id, &locks));
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }

    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut listed = self.list_images().await?.images;
        listed.retain(|image| names.iter().any(|name| name.eq_ignore_ascii_case(&image.name)));
        Ok(listed)
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        Ok(self.find_images(std::slice::from_ref(image)).await?.pop())
    }
}

impl Azure {
    pub(crate) fn mapping<'a>(&'a self, locks: &'a [Lock]) -> Mapping<'a> {
        Mapping { subscription: &self.subscription, locks, now: now() }
    }

    pub(crate) async fn read_locks(&self) -> Result<Vec<Lock>, CloudError> {
        let path = LOCKS.in_subscription(&self.subscription);
        self.client.list(LOCKS.read, &path, &LOCKS.query()).await
    }

    /// Reads one image, as it is now. `None` if it does not exist, or belongs to another subscription.
    async fn find_mapped(&self, id: &ImageId, locks: &[Lock]) -> Result<Option<Image>, CloudError> {
        if id.account_in_id() != Some(self.subscription.as_str()) {
            return Ok(None);
        }
        let arm = arm_id(id)?;
        let mapping = self.mapping(locks);
        if arm.image_kind() == Some(ImageIdKind::ManagedImage) {
            let found: Option<ManagedImage> =
                self.client.find(IMAGES.read, arm.as_str(), &IMAGES.query()).await?;
            let Some(found) = found else { return Ok(None) };
            let created = self.creation_times(std::slice::from_ref(&found)).await?;
            return Ok(mapping.managed_image(&found, created.get(&arm).copied()));
        }
        let Some(version) = self.find_version(&arm).await? else { return Ok(None) };
        let Some(definition) = self.find_definition_of(&arm).await? else { return Ok(None) };
        let Some(gallery) = definition.id.parent() else { return Ok(None) };
        // The gallery decides whether the version can be recovered, so it is read again.
        let gallery = self.client.get(GALLERIES.read, gallery.as_str(), &GALLERIES.query()).await?;
        let (gallery, sharing_unread) = self.with_sharing(gallery).await;
        let around = GalleryContent { gallery, sharing_unread, definitions: Vec::new() };
        Ok(mapping.version(&around, &definition, &version))
    }

    /// Reads when these managed images were created, as Resource Manager recorded it, if one of them
    /// does not contain it. It is not verified whether managed images have `systemData`.
    async fn creation_times(
        &self,
        images: &[ManagedImage],
    ) -> Result<HashMap<ArmId, Timestamp>, CloudError> {
        if images.iter().all(|image| image.system_data.created_at.is_some()) {
            return Ok(HashMap::new());
        }
        let path = format!("/subscriptions/{}/resources", self.subscription);
        let query = [
            ("api-version", RESOURCES_VERSION),
            ("$filter", "resourceType eq 'Microsoft.Compute/images'"),
            ("$expand", "createdTime"),
        ];
        let found: Vec<CreatedResource> = self.client.list(READ_RESOURCES, &path, &query).await?;
        Ok(found.into_iter().filter_map(|one| Some((one.id, one.created_time?))).collect())
    }
}

/// A row of the listing of resources.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedResource {
    id: ArmId,
    created_time: Option<Timestamp>,
}

/// The ID in the form of the adapter.
pub(crate) fn arm_id(id: &ImageId) -> Result<ArmId, CloudError> {
    ArmId::parse(id.as_str()).map_err(|problem| {
        bad_response(crate::api::VERSIONS.read, format!("not an image of Azure: {problem}"))
    })
}

fn not_an_image(id: &ArmId) -> CloudError {
    bad_response(crate::api::VERSIONS.read, format!("`{id}` is not the ID of an image"))
}

/// The present time.
#[expect(clippy::disallowed_methods, reason = "end-of-life dates are compared with the present")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
