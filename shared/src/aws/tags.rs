//! Tags of images and snapshots.

use aws_sdk_ec2::types::Tag;

use super::Aws;
use super::pace::Action;
use crate::cloud::{CloudError, ResourceId};
use crate::tags::Tags;

/// CreateTags and DeleteTags take at most 1000 resources a call.
const RESOURCES: usize = 1000;

impl Aws {
    pub(super) async fn create_tags(
        &self,
        resources: &[ResourceId],
        tags: &Tags,
    ) -> Result<(), CloudError> {
        if tags.is_empty() {
            return Ok(());
        }
        let tags: Vec<Tag> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        for some in resources.chunks(RESOURCES) {
            let request =
                self.ec2.create_tags().set_resources(ids(some)).set_tags(Some(tags.clone()));
            self.send(Action::CreateTags, request.send()).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        // DeleteTags without tags removes every tag of the resource.
        if keys.is_empty() {
            return Ok(());
        }
        // A key without a value matches whatever the value is.
        let tags: Vec<Tag> = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
        for some in resources.chunks(RESOURCES) {
            let request =
                self.ec2.delete_tags().set_resources(ids(some)).set_tags(Some(tags.clone()));
            self.send(Action::DeleteTags, request.send()).await?;
        }
        Ok(())
    }
}

fn ids(resources: &[ResourceId]) -> Option<Vec<String>> {
    Some(resources.iter().map(|resource| resource.as_str().to_owned()).collect())
}

/// The tags of a resource as EC2 lists them.
pub(super) fn tags_of(tags: Option<Vec<Tag>>) -> Tags {
    let tags = tags.unwrap_or_default();
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}
