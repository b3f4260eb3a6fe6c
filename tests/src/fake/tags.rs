//! Reading and changing tags.

use async_trait::async_trait;
use steward::cloud::{CloudError, TagReader, TagWriter};
use steward::model::{InstanceId, MAX_KEY, MAX_TAGS, MAX_VALUE, ResourceId, Tags};

use super::faults::{error, in_hash_order};
use super::state::State;
use super::{Call, Fake, FakeAccount};

/// The maximum number of resources per CreateTags or DeleteTags call.
const MAX_RESOURCES: usize = 1000;

#[async_trait]
impl TagReader for Fake {
    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        const ACTION: &str = "ec2:DescribeTags";
        let mut inner = self.begin(Call::ListTagged(key.into(), value.map(Into::into)));
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[key])?;
        let found: Vec<(ResourceId, String)> = state
            .all_tags()
            .filter_map(|(resource, tags)| Some((resource, tags.get(key)?.to_owned())))
            .filter(|(_, held)| value.is_none_or(|value| value == held))
            .collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |(resource, _)| resource.as_str()))
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let mut inner = self.begin(Call::FindInstanceTags(instance.clone()));
        inner.faults.check("ec2:DescribeInstances", &[instance.as_str()])?;
        Ok(inner.state.instances.get(instance).map(|one| one.seen_tags()))
    }
}

#[async_trait]
impl TagWriter for Fake {
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:CreateTags";
        self.changing(Call::SetTags(resources.to_vec(), tags.clone()), |inner| {
            if tags.is_empty() {
                return Ok(());
            }
            for some in resources.chunks(MAX_RESOURCES) {
                inner.change_tags(ACTION, some, |held| {
                    check_tags(ACTION, tags)?;
                    let after = held.with(tags);
                    // Tags that AWS sets do not count.
                    if after.iter().filter(|(key, _)| !key.starts_with("aws:")).count() > MAX_TAGS {
                        let message = format!("More than {MAX_TAGS} tags specified");
                        return Err(error::of(ACTION, "TagLimitExceeded", &message));
                    }
                    Ok(after)
                })?;
            }
            Ok(())
        })
    }

    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        self.changing(Call::RemoveTags(resources.to_vec(), keys.to_vec()), |inner| {
            if keys.is_empty() {
                return Ok(());
            }
            for some in resources.chunks(MAX_RESOURCES) {
                inner.change_tags("ec2:DeleteTags", some, |held| Ok(held.without(keys)))?;
            }
            Ok(())
        })
    }
}

impl FakeAccount {
    /// Changes the tags of all `resources`, or of none.
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
}

/// The tags of a resource that exists or is in the Recycle Bin.
fn tags_of<'a>(
    state: &'a mut State,
    action: &'static str,
    resource: &ResourceId,
) -> Result<&'a mut Tags, CloudError> {
    let State { images, snapshots, instances, binned_images, binned_snapshots, .. } = state;
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
        ResourceId::Instance(id) => {
            (instances.get_mut(id).map(|one| &mut one.tags), "InvalidInstanceID.NotFound")
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
