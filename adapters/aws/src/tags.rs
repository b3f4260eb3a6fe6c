//! Reading and writing tags of images and snapshots.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagDescription};
use steward::cloud::{CloudError, TagReader, TagWriter};
use steward::model::{InstanceId, ResourceId, Tags};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The maximum number of resources per CreateTags or DeleteTags call.
const RESOURCES: usize = 1000;
/// The maximum page size of DescribeTags.
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
        // DeleteTags without tags would remove all tags of the resource.
        if keys.is_empty() {
            return Ok(());
        }
        // A key without a value matches any value.
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

/// The resource with the tag, and the tag's value. `None` for other resources than images and
/// snapshots.
fn tagged(tag: TagDescription) -> Result<Option<(ResourceId, String)>, CloudError> {
    let id = tag.resource_id.unwrap_or_default();
    let kind = tag.resource_type.filter(|kind| !kind.as_str().is_empty());
    let resource = match kind {
        Some(ResourceType::Image) => id.parse().map(ResourceId::Image),
        Some(ResourceType::Snapshot) => id.parse().map(ResourceId::Snapshot),
        // The call requests only these two types.
        None => {
            let message = format!("the response lacks the type of the tagged resource `{id}`");
            return Err(bad_response(ApiCall::DescribeTags, message));
        }
        Some(_) => return Ok(None),
    };
    let resource = resource.map_err(|cause| {
        bad_response(ApiCall::DescribeTags, format!("invalid ID of a tagged resource: {cause}"))
    })?;
    Ok(Some((resource, tag.value.unwrap_or_default())))
}

/// Escapes the filter wildcards `*`, `?` and `\`, so that the value matches only itself.
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

/// The tags of a resource in a response to `call`. EC2 omits the list if there are none.
pub(super) fn tags_of(call: ApiCall, tags: Option<Vec<Tag>>) -> Result<Tags, CloudError> {
    let pair = |tag: Tag| match tag.key.filter(|key| !key.is_empty()) {
        Some(key) => Ok((key, tag.value.unwrap_or_default())),
        None => Err(bad_response(call, "the response contains a tag without a key".to_owned())),
    };
    tags.into_iter().flatten().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_value_are_escaped() {
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
