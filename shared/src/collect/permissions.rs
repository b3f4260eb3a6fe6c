//! With whom images and snapshots are shared: a call for each.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::read_each::{ReadResult, Response, note_failure, read_each, store_each};
use crate::cloud::{CloudError, ErrorKind, Readings, View};
use crate::model::{Image, ImageId, ImageState, Inventory, LaunchPermission, SnapshotId, Source};
use crate::progress::RunContext;

/// Reads who may launch the images that `is_wanted` accepts and of which that is not known: one call
/// an image.
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
    context.stage("reading who may launch images", Some(unknown.len()));
    let responses = ask_who_may_launch(view, unknown, context).await;
    add_launch_permissions(responses, &mut tally, inventory);
    note_failure(Source::LaunchPermissions, tally.missing_permission(), inventory);
}

/// A resource at a position of the inventory, and with whom it is shared.
pub(super) type PermissionResponse<I> = Response<(usize, I), Vec<LaunchPermission>>;

/// Asks who may launch each of these images.
pub(super) async fn ask_who_may_launch(
    view: &dyn View,
    ids: Vec<(usize, ImageId)>,
    context: RunContext<'_>,
) -> Vec<PermissionResponse<ImageId>> {
    let read =
        |(_, image): (usize, ImageId)| async move { view.find_launch_permissions(&image).await };
    read_each(ids, |_| 1, read, context).await
}

/// Adds who may launch images to the inventory, or why that is not known.
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

/// Reads who may create volumes from the snapshots at these positions. A failure is noted in the
/// inventory.
pub(super) async fn read_volume_permissions(
    view: &dyn View,
    inventory: &mut Inventory,
    positions: Vec<usize>,
    tally: &mut PermissionTally<SnapshotId>,
    context: RunContext<'_>,
) -> ReadResult {
    context.stage("reading who may use snapshots", Some(positions.len()));
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
            // That a snapshot was deleted in the meantime is found out when it is deleted.
            PermissionsRead::Gone => snapshot.shared_with = Some(Box::default()),
        }
        Ok(())
    })
}

/// The ids of the resources at these positions, each with its position.
pub(super) fn ids_at<I>(positions: Vec<usize>, id: impl Fn(usize) -> Option<I>) -> Vec<(usize, I)> {
    positions.into_iter().filter_map(|position| Some((position, id(position)?))).collect()
}

/// What came of reading the permissions of one resource.
enum PermissionsRead {
    Found(Box<[LaunchPermission]>),
    /// Nothing can be said about this one, and why.
    Unread(Arc<str>),
    /// It no longer exists.
    Gone,
}

/// What came of all permissions that a run read so far.
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
    /// Where every one of several was denied, it is the permission that is missing, and not something
    /// about these resources.
    pub(super) fn missing_permission(&self) -> Option<CloudError> {
        self.denied.last().filter(|_| self.read == 0 && self.denied.len() > 1).cloned()
    }

    /// Counts a response. A failure that is about one resource (it was denied, or the response was not
    /// understood) does not make the whole reading fail.
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
                tracing::warn!(%error, "permissions not read");
                let text = error.to_string().into();
                self.denied.extend((error.kind == ErrorKind::Denied).then_some(error));
                PermissionsRead::Unread(text)
            }
            Err(error) => return Err(error),
        })
    }
}
