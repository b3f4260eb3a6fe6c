//! Galleries with their definitions and versions.
//!
//! There is no call that lists all versions of a subscription: it takes one call for the galleries,
//! one for each gallery, and one for each definition. Only a read of a single version shows its
//! replication, so it is read for the newest versions of each definition.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use steward::cloud::CloudError;

use crate::api::{DEFINITIONS, GALLERIES, SOFT_DELETED, VERSIONS, soft_deleted_path};
use crate::arm_id::ArmId;
use crate::azure::Azure;
use crate::latest::VersionFacts;
use crate::types::{
    Gallery, ImageDefinition, ImageVersion, ProvisioningState, SharingPermission,
    SoftDeletedVersion,
};

/// The number of versions of each definition whose replication is read: the newest by date, and the
/// highest by number. Older versions take no place in their family.
pub(crate) const MAX_REPLICATION_READ: usize = 20;

/// The galleries of a subscription, in the order of the listing.
#[derive(Debug, Clone, Default)]
pub(crate) struct GalleryListing {
    pub(crate) galleries: Vec<GalleryContent>,
}

/// A gallery and its definitions.
#[derive(Debug, Clone)]
pub(crate) struct GalleryContent {
    pub(crate) gallery: Gallery,
    /// Why it could not be read with whom the gallery is shared.
    pub(crate) sharing_unread: Option<String>,
    pub(crate) definitions: Vec<DefinitionContent>,
}

/// A definition and its versions.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionContent {
    pub(crate) definition: ImageDefinition,
    pub(crate) versions: Vec<ImageVersion>,
}

impl DefinitionContent {
    /// What is known of the versions, for [`latest`](crate::latest::latest).
    pub(crate) fn facts(&self) -> Vec<VersionFacts> {
        self.versions.iter().map(VersionFacts::from).collect()
    }
}

impl GalleryListing {
    /// The versions that need what they were created from.
    pub(crate) fn needing_sources(&self) -> impl Iterator<Item = &ImageVersion> {
        let definitions = self.galleries.iter().flat_map(|one| &one.definitions);
        let versions = definitions.flat_map(|one| &one.versions);
        versions.filter(|one| one.properties.needs_sources())
    }

    /// The definition with this ID.
    pub(crate) fn definition(&self, id: &ArmId) -> Option<&DefinitionContent> {
        let mut all = self.galleries.iter().flat_map(|gallery| &gallery.definitions);
        all.find(|one| one.definition.id == *id)
    }

    /// Replaces the versions of a definition. The replication of those that were listed before is kept:
    /// a completed replica stays until somebody updates the version.
    pub(crate) fn replace_versions(&mut self, id: &ArmId, mut versions: Vec<ImageVersion>) {
        let mut all = self.galleries.iter_mut().flat_map(|gallery| &mut gallery.definitions);
        let Some(one) = all.find(|one| one.definition.id == *id) else { return };
        for version in &mut versions {
            let before = one.versions.iter().find(|before| before.id == version.id);
            let status = before.and_then(|before| before.properties.replication_status.clone());
            version.properties.replication_status = status;
        }
        one.versions = versions;
    }
}

impl Azure {
    /// Reads all galleries, definitions and versions.
    pub(crate) async fn read_galleries(&self) -> Result<GalleryListing, CloudError> {
        let path = GALLERIES.in_subscription(&self.subscription);
        let galleries: Vec<Gallery> =
            self.client.list(GALLERIES.read, &path, &GALLERIES.query()).await?;
        let galleries = try_join_all(galleries.into_iter().map(|one| self.content(one))).await?;
        Ok(GalleryListing { galleries })
    }

    /// Reads a gallery's definitions with their versions, and with whom it is shared.
    async fn content(&self, gallery: Gallery) -> Result<GalleryContent, CloudError> {
        let (gallery, sharing_unread) = self.with_sharing(gallery).await;
        let path = format!("{}/images", gallery.id);
        let definitions: Vec<ImageDefinition> =
            self.client.list(DEFINITIONS.read, &path, &DEFINITIONS.query()).await?;
        let read = definitions.into_iter().map(|definition| async move {
            let versions = self.read_versions(&definition.id).await?;
            Ok::<_, CloudError>(DefinitionContent { definition, versions })
        });
        let definitions = try_join_all(read).await?;
        Ok(GalleryContent { gallery, sharing_unread, definitions })
    }

    /// Reads with whom a gallery is shared directly. The listing does not contain it.
    pub(crate) async fn with_sharing(&self, gallery: Gallery) -> (Gallery, Option<String>) {
        if gallery.properties.sharing.permission != SharingPermission::Groups {
            return (gallery, None);
        }
        match self.read_gallery(&gallery.id).await {
            Ok(read) => (read, None),
            Err(error) => (gallery, Some(error.to_string())),
        }
    }

    /// Reads a gallery with the subscriptions and tenants that it is shared with.
    async fn read_gallery(&self, id: &ArmId) -> Result<Gallery, CloudError> {
        let query = GALLERIES.expanding("SharingProfile/Groups");
        self.client.get(GALLERIES.read, id.as_str(), &query).await
    }

    /// Reads the versions of a definition, and the replication of the newest ones.
    pub(crate) async fn read_versions(
        &self,
        definition: &ArmId,
    ) -> Result<Vec<ImageVersion>, CloudError> {
        let mut versions = self.list_versions(definition).await?;
        let wanted = newest(&versions);
        let reads = versions.iter_mut().filter(|one| wanted.contains(&one.id));
        let reads = reads.map(|version| async move {
            // A version that was deleted in between stays as it was listed.
            if let Some(read) = self.find_version(&version.id).await? {
                *version = read;
            }
            Ok::<_, CloudError>(())
        });
        try_join_all(reads).await?;
        Ok(versions)
    }

    /// Lists the versions of a definition, without their replication.
    pub(crate) async fn list_versions(
        &self,
        definition: &ArmId,
    ) -> Result<Vec<ImageVersion>, CloudError> {
        let path = format!("{definition}/versions");
        self.client.list(VERSIONS.read, &path, &VERSIONS.query()).await
    }

    /// Reads a version with its replication. `None` if it does not exist.
    pub(crate) async fn find_version(
        &self,
        id: &ArmId,
    ) -> Result<Option<ImageVersion>, CloudError> {
        let query = VERSIONS.expanding("ReplicationStatus");
        self.client.find(VERSIONS.read, id.as_str(), &query).await
    }

    /// The definition of a version, from a listing of a moment ago or by its ID: what the mapping uses
    /// of it never changes. `None` if it does not exist.
    pub(crate) async fn find_definition_of(
        &self,
        version: &ArmId,
    ) -> Result<Option<ImageDefinition>, CloudError> {
        let Some(id) = version.definition() else { return Ok(None) };
        if let Some(listed) = self.recent_galleries().await
            && let Some(one) = listed.definition(&id)
        {
            return Ok(Some(one.definition.clone()));
        }
        self.client.find(DEFINITIONS.read, id.as_str(), &DEFINITIONS.query()).await
    }

    /// Reads the soft-deleted versions of all definitions in galleries with soft delete.
    pub(crate) async fn read_soft_deleted(&self) -> Result<Vec<SoftDeletedVersion>, CloudError> {
        let galleries = self.galleries().await?;
        // A gallery may have soft-deleted versions although soft delete was turned off since.
        let definitions = galleries.galleries.iter().flat_map(|one| &one.definitions);
        let paths: Vec<String> =
            definitions.filter_map(|one| soft_deleted_path(&one.definition.id)).collect();
        let query = &SOFT_DELETED.query();
        let reads = paths.iter().map(|path| self.client.list(SOFT_DELETED.read, path, query));
        let found: Vec<Vec<SoftDeletedVersion>> = try_join_all(reads).await?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// The versions whose replication is read: those that are newest or highest, and whose state does not
/// settle the question.
fn newest(versions: &[ImageVersion]) -> BTreeSet<ArmId> {
    let settled = |one: &&ImageVersion| {
        matches!(
            one.properties.provisioning_state,
            ProvisioningState::Succeeded | ProvisioningState::Failed
        )
    };
    let mut by_date: Vec<&ImageVersion> = versions.iter().filter(settled).collect();
    let mut by_number = by_date.clone();
    by_date.sort_by_key(|one| std::cmp::Reverse(one.properties.publishing_profile.published_date));
    by_number.sort_by_key(|one| std::cmp::Reverse(one.number().ok()));
    let newest = by_date.into_iter().take(MAX_REPLICATION_READ);
    let highest = by_number.into_iter().take(MAX_REPLICATION_READ);
    newest.chain(highest).map(|one| one.id.clone()).collect()
}
