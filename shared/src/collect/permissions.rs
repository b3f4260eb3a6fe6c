//! Reading the permissions of images and snapshots, with one call each.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::read_each::{ReadResult, Response, note_failure, read_each, store_each};
use crate::cloud::{CloudError, ErrorKind, Readings, View};
use crate::model::{Image, ImageId, ImageState, Inventory, LaunchPermission, SnapshotId, Source};
use crate::progress::RunContext;

/// Reads the launch permissions of the images that `is_wanted` accepts, if they are not known yet.
/// Takes one call per image.
pub async fn read_launch_permissions(
    view: &dyn View,
    inventory: &mut Inventory,
    is_wanted: impl Fn(&Image) -> bool,
    context: RunContext<'_>,
) {
    let images = inventory.images.iter().enumerate();
    let unknown =
        images.filter(|(_, image)| image.launch_permissions.is_none() && is_wanted(image));
    let unknown: Vec<_> =
        unknown.map(|(position, image)| (position, image.image_id.clone())).collect();
    if unknown.is_empty() {
        return;
    }
    let mut tally = PermissionTally::default();
    let stages = &inventory.account.provider().words().stages;
    context.stage(stages.permissions, Some(unknown.len()));
    let responses = ask_who_may_launch(view, unknown, context).await;
    add_launch_permissions(responses, &mut tally, inventory);
    note_failure(Source::LaunchPermissions, tally.missing_permission(), inventory);
}

/// A resource with its position in the inventory, and its permissions.
pub(super) type PermissionResponse<I> = Response<(usize, I), Vec<LaunchPermission>>;

/// Reads the launch permissions of each of these images.
pub(super) async fn ask_who_may_launch(
    view: &dyn View,
    ids: Vec<(usize, ImageId)>,
    context: RunContext<'_>,
) -> Vec<PermissionResponse<ImageId>> {
    let read =
        |(_, image): (usize, ImageId)| async move { view.find_launch_permissions(&image).await };
    read_each(ids, |_| 1, read, context).await
}

/// Adds launch permissions, or the errors from reading them, to the inventory.
pub(super) fn add_launch_permissions(
    responses: Vec<PermissionResponse<ImageId>>,
    tally: &mut PermissionTally<ImageId>,
    inventory: &mut Inventory,
) -> ReadResult {
    store_each(responses, Source::LaunchPermissions, inventory, |inventory, item, response, at| {
        let position = item.0;
        let permissions = tally.take(item.1, response, at)?;
        let Some(image) = inventory.images.get_mut(position) else { return Ok(()) };
        match permissions {
            PermissionsRead::Found(found) => image.launch_permissions = Some(found),
            PermissionsRead::Unread(error) => image.launch_permissions_unread = Some(error),
            PermissionsRead::Gone => {
                image.state = ImageState::Deregistered;
                image.launch_permissions = Some(Box::default());
            }
        }
        Ok(())
    })
}

/// Reads the volume permissions of the snapshots at these positions. A failure is recorded in the
/// inventory.
pub(super) async fn read_volume_permissions(
    view: &dyn View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    tally: &mut PermissionTally<SnapshotId>,
    context: RunContext<'_>,
) -> ReadResult {
    context.stage("reading snapshot permissions", Some(positions.len()));
    let ids = ids_at(positions, |position| {
        inventory.snapshots.get(position).map(|one| one.snapshot_id.clone())
    });
    let read = |(_, snapshot): (usize, SnapshotId)| async move {
        view.find_volume_permissions(&snapshot).await
    };
    let responses = read_each(ids, |_| 1, read, context).await;
    store_each(responses, Source::VolumePermissions, inventory, |inventory, item, response, at| {
        let position = item.0;
        let permissions = tally.take(item.1, response, at)?;
        let Some(snapshot) = inventory.snapshots.get_mut(position) else { return Ok(()) };
        match permissions {
            PermissionsRead::Found(found) => snapshot.shared_with = Some(found),
            PermissionsRead::Unread(error) => snapshot.shared_with_unread = Some(error),
            // If the snapshot was deleted since, the deletion step finds it missing.
            PermissionsRead::Gone => snapshot.shared_with = Some(Box::default()),
        }
        Ok(())
    })
}

/// Returns the IDs of the resources at these positions, each with its position.
pub(super) fn ids_at<I>(positions: Vec<usize>, id: impl Fn(usize) -> Option<I>) -> Vec<(usize, I)> {
    positions.into_iter().filter_map(|position| Some((position, id(position)?))).collect()
}

/// The result of reading the permissions of one resource.
enum PermissionsRead {
    Found(Box<[LaunchPermission]>),
    /// The permissions of this resource are unknown, for this reason.
    Unread(Arc<str>),
    /// The resource no longer exists.
    Gone,
}

/// The results of all permission reads of a run so far.
pub(super) struct PermissionTally<I> {
    read: usize,
    denied: Vec<CloudError>,
    pub(super) readings: Readings<I>,
}

impl<I> Default for PermissionTally<I> {
    fn default() -> Self {
        Self { read: 0, denied: Vec::new(), readings: Readings::default() }
    }
}

impl<I: Eq + Hash> PermissionTally<I> {
    /// Returns the error if several reads were made and all of them were denied. The cause is then
    /// a missing permission, not a property of single resources.
    pub(super) fn missing_permission(&self) -> Option<CloudError> {
        self.denied.last().filter(|_| self.read == 0 && self.denied.len() > 1).cloned()
    }

    /// Counts a response. A failure that concerns one resource (access denied, or a response that
    /// was not understood) does not fail the whole read.
    fn take(
        &mut self,
        id: I,
        response: Result<Vec<LaunchPermission>, CloudError>,
        at: Duration,
    ) -> Result<PermissionsRead, CloudError> {
        Ok(match response {
            Ok(permissions) => {
                self.read += 1;
                self.readings.note(id, permissions.as_slice().into(), at);
                PermissionsRead::Found(permissions.into())
            }
            Err(error) if error.kind == ErrorKind::NotFound => PermissionsRead::Gone,
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                tracing::warn!(%error, "failed to read permissions");
                let text = error.to_string().into();
                self.denied.extend((error.kind == ErrorKind::Denied).then_some(error));
                PermissionsRead::Unread(text)
            }
            Err(error) => return Err(error),
        })
    }
}
