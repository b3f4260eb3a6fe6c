//! The calls that change the fake, as EC2 itself answers them.

use steward::cloud::{CloudError, Deregistered};
use steward::model::{ResourceId, SnapshotFate, ImageId, SnapshotId, MAX_KEY, MAX_TAGS, MAX_VALUE, Tags};

use super::FakeAccount;
use super::faults::error;
use super::state::State;

/// CreateTags and DeleteTags take at most 1000 resources a call.
const RESOURCES: usize = 1000;

impl FakeAccount {
    pub(super) fn set_tags(
        &mut self,
        resources: &[ResourceId],
        tags: &Tags,
    ) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:CreateTags";
        if tags.is_empty() {
            return Ok(());
        }
        for some in resources.chunks(RESOURCES) {
            self.change_tags(ACTION, some, |held| {
                check_tags(ACTION, tags)?;
                let after = held.with(tags);
                // Tags that AWS itself sets do not count.
                if after.iter().filter(|(key, _)| !key.starts_with("aws:")).count() > MAX_TAGS {
                    let message = format!("More than {MAX_TAGS} tags specified");
                    return Err(error::of(ACTION, "TagLimitExceeded", &message));
                }
                Ok(after)
            })?;
        }
        Ok(())
    }

    pub(super) fn remove_tags(
        &mut self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        if keys.is_empty() {
            return Ok(());
        }
        for some in resources.chunks(RESOURCES) {
            self.change_tags("ec2:DeleteTags", some, |held| Ok(held.without(keys)))?;
        }
        Ok(())
    }

    /// Changes the tags of all of `resources`, or of none.
    fn change_tags(
        &mut self,
        action: &'static str,
        resources: &[ResourceId],
        change: impl Fn(&Tags) -> Result<Tags, CloudError>,
    ) -> Result<(), CloudError> {
        let about: Vec<&str> = resources.iter().map(ResourceId::as_str).collect();
        self.faults.check(action, &about)?;
        let mut after = Vec::with_capacity(resources.len());
        for resource in resources {
            after.push(change(tags_of(&mut self.state, action, resource)?)?);
        }
        for (resource, tags) in resources.iter().zip(after) {
            *tags_of(&mut self.state, action, resource)? = tags;
        }
        self.faults.changed(action)
    }

    pub(super) fn deregister(
        &mut self,
        image: &ImageId,
        fate: SnapshotFate,
    ) -> Result<Deregistered, CloudError> {
        const ACTION: &str = "ec2:DeregisterImage";
        self.faults.check(ACTION, &[image.as_str()])?;
        let found = self.state.own_image(ACTION, image, &self.faults)?;
        if found.protected != "disabled" {
            let message = format!("The image {image} is protected ({})", found.protected);
            return Err(error::of(ACTION, "OperationNotPermitted", &message));
        }
        let snapshots = self.state.remove_image(image, self.clock);
        let mut done = Deregistered::default();
        if fate == SnapshotFate::DeleteWithImage && !self.faults.switches.no_delete_associated {
            for snapshot in snapshots {
                if self.delete_associated(&snapshot) {
                    done.deleted.push(snapshot);
                }
            }
        }
        self.faults.changed(ACTION)?;
        Ok(done)
    }

    /// Whether EC2 deletes the snapshot together with its image.
    fn delete_associated(&mut self, snapshot: &SnapshotId) -> bool {
        let Self { state, faults, clock, .. } = self;
        let denied = faults.switches.deny.iter().any(|action| action == "ec2:DeleteSnapshot");
        let result = faults.switches.associated_result.get(snapshot.as_str());
        let own_and_unlocked = state
            .snapshots
            .get(snapshot)
            .is_some_and(|found| found.owner_id == state.rest.account && !found.locked);
        let delete = own_and_unlocked
            && !denied
            && state.users_of(snapshot).next().is_none()
            && result.is_none_or(|code| code == "success");
        if delete {
            state.remove_snapshot(snapshot, *clock);
        }
        delete
    }

    pub(super) fn delete_snapshot(&mut self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:DeleteSnapshot";
        let Self { state, faults, clock, .. } = self;
        faults.check(ACTION, &[snapshot.as_str()])?;
        let found = state.own_snapshot(ACTION, snapshot)?;
        if found.locked {
            // The code is not verified against AWS.
            let message = format!("The snapshot {snapshot} is locked");
            return Err(error::of(ACTION, "SnapshotLocked", &message));
        }
        if state.users_of(snapshot).next().is_some() || state.races(snapshot, faults) {
            let message = format!("The snapshot {snapshot} is currently in use");
            return Err(error::of(ACTION, error::IN_USE, &message));
        }
        state.remove_snapshot(snapshot, *clock);
        faults.changed(ACTION)
    }
}

/// The tags of what is there, or in the Recycle Bin.
fn tags_of<'a>(
    state: &'a mut State,
    action: &'static str,
    resource: &ResourceId,
) -> Result<&'a mut Tags, CloudError> {
    let State { images, snapshots, binned_images, binned_snapshots, .. } = state;
    let (found, code) = match resource {
        ResourceId::Image(id) => {
            let live = images.get_mut(id);
            let found = live.or_else(|| binned_images.get_mut(id).map(|one| &mut one.image));
            (found.map(|one| &mut one.tags), "InvalidAMIID.NotFound")
        }
        ResourceId::Snapshot(id) => {
            let live = snapshots.get_mut(id);
            let found = live.or_else(|| binned_snapshots.get_mut(id).map(|one| &mut one.snapshot));
            (found.map(|one| &mut one.tags), "InvalidSnapshot.NotFound")
        }
    };
    found.ok_or_else(|| error::of(action, code, &format!("The ID '{resource}' does not exist")))
}

fn check_tags(action: &'static str, tags: &Tags) -> Result<(), CloudError> {
    for (key, value) in tags.iter() {
        let good = !key.is_empty()
            && key.chars().count() <= MAX_KEY
            && value.chars().count() <= MAX_VALUE
            && !key.to_lowercase().starts_with("aws:");
        if !good {
            let message = format!("The tag {key} cannot be set");
            return Err(error::of(action, "InvalidParameterValue", &message));
        }
    }
    Ok(())
}
