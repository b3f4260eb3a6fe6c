//! Tags of images and snapshots.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagDescription};
use steward::cloud::{CloudError, TagReader, TagWriter};
use steward::model::{InstanceId, ResourceId, Tags};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_answer;

/// CreateTags and DeleteTags take at most 1000 resources a call.
const RESOURCES: usize = 1000;
/// The largest page that DescribeTags gives.
const PAGE: i32 = 1000;

#[async_trait]
impl TagReader for Aws {
    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        let found = self.instance(instance).await?;
        found.map(|one| tags_of(ApiCall::DescribeInstances, one.tags)).transpose()
    }

    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        let filters = filters(key, value);
        self.list(
            ApiCall::DescribeTags,
            |token| {
                let request = self
                    .clients
                    .ec2
                    .describe_tags()
                    .max_results(PAGE)
                    .set_filters(Some(filters.clone()))
                    .set_next_token(token);
                request.send()
            },
            |page| (page.tags, page.next_token),
            tagged,
        )
        .await
    }
}

#[async_trait]
impl TagWriter for Aws {
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        if tags.is_empty() {
            return Ok(());
        }
        let tags: Vec<Tag> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        for some in resources.chunks(RESOURCES) {
            let request = self
                .clients
                .ec2
                .create_tags()
                .set_resources(ids(some))
                .set_tags(Some(tags.clone()));
            self.send(ApiCall::CreateTags, request.send()).await?;
        }
        Ok(())
    }

    async fn remove_tags(
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
            let request = self
                .clients
                .ec2
                .delete_tags()
                .set_resources(ids(some))
                .set_tags(Some(tags.clone()));
            self.send(ApiCall::DeleteTags, request.send()).await?;
        }
        Ok(())
    }
}

fn filters(key: &str, value: Option<&str>) -> Vec<Filter> {
    let of = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Filter::builder().name(name).set_values(Some(values)).build()
    };
    let kinds = [ResourceType::Image, ResourceType::Snapshot];
    let kinds = of("resource-type", &[kinds[0].as_str(), kinds[1].as_str()]);
    let value = value.map(|value| of("value", &[&literally(value)]));
    [of("key", &[&literally(key)]), kinds].into_iter().chain(value).collect()
}

/// The resource that carries the tag, and the tag's value; `None` for what is neither an image
/// nor a snapshot.
fn tagged(tag: TagDescription) -> Result<Option<(ResourceId, String)>, CloudError> {
    let id = tag.resource_id.unwrap_or_default();
    let kind = tag.resource_type.filter(|kind| !kind.as_str().is_empty());
    let resource = match kind {
        Some(ResourceType::Image) => id.parse().map(ResourceId::Image),
        Some(ResourceType::Snapshot) => id.parse().map(ResourceId::Snapshot),
        // Only these two are asked for.
        None => {
            let message = format!("the type of the tagged resource `{id}` is missing");
            return Err(bad_answer(ApiCall::DescribeTags, message));
        }
        Some(_) => return Ok(None),
    };
    let resource = resource.map_err(|cause| {
        bad_answer(ApiCall::DescribeTags, format!("a tagged resource's id: {cause}"))
    })?;
    Ok(Some((resource, tag.value.unwrap_or_default())))
}

/// Filters read `*`, `?` and `\` as wildcards; a value that holds one means itself.
pub(super) fn literally(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn ids(resources: &[ResourceId]) -> Option<Vec<String>> {
    Some(resources.iter().map(|resource| resource.as_str().to_owned()).collect())
}

/// The tags of a resource as `call` lists them. Without any, EC2 leaves out the list.
pub(super) fn tags_of(call: ApiCall, tags: Option<Vec<Tag>>) -> Result<Tags, CloudError> {
    let pair = |tag: Tag| match tag.key.filter(|key| !key.is_empty()) {
        Some(key) => Ok((key, tag.value.unwrap_or_default())),
        None => Err(bad_answer(call, "a tag came without its key".to_owned())),
    };
    tags.into_iter().flatten().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_value_mean_themselves() {
        assert_eq!(literally(r"a*b?c\d"), r"a\*b\?c\\d");
        assert_eq!(literally("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn tags_are_asked_for_by_key_and_value_as_they_are() {
        let said = |value: Option<&str>| -> Vec<String> {
            let filters = filters("steward:*", value);
            let line =
                |filter: &Filter| format!("{}={:?}", filter.name().unwrap(), filter.values());
            filters.iter().map(line).collect()
        };
        let expected = [r#"key=["steward:\\*"]"#, r#"resource-type=["image", "snapshot"]"#];
        assert_eq!(said(None), expected);
        assert_eq!(said(Some("run 7")).last().unwrap(), r#"value=["run 7"]"#);
    }

    #[test]
    fn tagged_resources_are_told_apart_by_their_type() {
        let tag = |kind: ResourceType, id: &str| {
            let tag = TagDescription::builder().key("k").value("v");
            tagged(tag.resource_type(kind).resource_id(id).build())
        };
        let (image, snapshot) = ("ami-1".parse().unwrap(), "snap-1".parse().unwrap());
        let found = tag(ResourceType::Image, "ami-1").unwrap();
        assert_eq!(found, Some((ResourceId::Image(image), "v".into())));
        let found = tag(ResourceType::Snapshot, "snap-1").unwrap();
        assert_eq!(found, Some((ResourceId::Snapshot(snapshot), "v".into())));
        assert_eq!(tag(ResourceType::Volume, "vol-1").unwrap(), None);
        assert!(tag(ResourceType::Image, "snap-1").is_err());
        assert!(tagged(TagDescription::builder().resource_id("ami-1").build()).is_err());
    }
}
