//! What holds images in use, put together from the sources.
//!
//! Groups and templates need each other: a group may pin a version that no listing shows, and
//! what a group starts is known only when that version has been read.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::join;

use super::Aws;
use super::error::bad_answer;
use super::groups::Group;
use super::pace::Action;
use super::templates::Templates;
use crate::cloud::{CloudError, SourceAnswer, TemplateVersions};
use crate::ids::ImageId;
use crate::inventory::{Reference, Source};

/// How a template says that something else, or a Systems Manager parameter, holds its image.
const ALIAS: &str = "resolve:";
const SSM_ALIAS: &str = "resolve:ssm:";

impl Aws {
    pub(super) async fn references(&self, versions: TemplateVersions) -> Vec<SourceAnswer> {
        let (instances, configurations, (templates, groups)) = join!(
            self.instances(),
            self.launch_configurations(),
            self.templates_and_groups(versions),
        );
        [
            (Source::Instances, instances),
            (Source::LaunchTemplates, templates),
            (Source::LaunchConfigurations, configurations),
            (Source::AutoScalingGroups, groups),
        ]
        .into_iter()
        .map(|(source, found)| SourceAnswer { source, found: found.map(in_order) })
        .collect()
    }

    /// The references by templates, and those by groups.
    async fn templates_and_groups(
        &self,
        versions: TemplateVersions,
    ) -> (Result<Vec<Reference>, CloudError>, Result<Vec<Reference>, CloudError>) {
        let (templates, groups) = join!(self.templates(versions), self.groups());
        let read = match templates {
            Ok(templates) => self.complete(templates, groups.as_deref().unwrap_or_default()).await,
            Err(error) => Err(error),
        };
        let by_groups = groups.and_then(|groups| self.by_groups(&groups, &read));
        (read.map(|(templates, images)| self.by_templates(&templates, &images)), by_groups)
    }

    /// Reads the versions that `groups` pin, and finds the images behind aliases.
    async fn complete(
        &self,
        mut templates: Templates,
        groups: &[Group],
    ) -> Result<(Templates, Images), CloudError> {
        let pinned = groups.iter().flat_map(|group| group.versions.iter().cloned());
        self.add_pinned(&mut templates, pinned).await?;
        let by_templates = templates.iter().map(|(_, _, image)| image);
        let by_groups = groups.iter().flat_map(|group| group.images.iter().map(String::as_str));
        let named: BTreeSet<&str> = by_templates.chain(by_groups).collect();
        let images = self.resolve(named).await?;
        Ok((templates, images))
    }

    /// Finds the image behind each text, each parameter once.
    async fn resolve(&self, named: BTreeSet<&str>) -> Result<Images, CloudError> {
        let mut images = Images::default();
        for text in named {
            match meaning(text) {
                Meaning::Image(image) => {
                    images.0.insert(text.to_owned(), image);
                }
                Meaning::Parameter(parameter) => {
                    let value = self.parameter(parameter).await?;
                    let image = value.trim().parse().map_err(|cause| {
                        let message =
                            format!("parameter {parameter}, which a template uses: {cause}");
                        bad_answer(Action::GetParameter, message)
                    })?;
                    images.0.insert(text.to_owned(), image);
                }
                Meaning::SomeImage => {
                    let message = format!("`{text}` is an alias of a kind that is not known");
                    return Err(bad_answer(Action::DescribeLaunchTemplateVersions, message));
                }
                Meaning::NoImage => {
                    tracing::warn!(text, "a template names what is not an image id");
                }
            }
        }
        Ok(images)
    }

    fn by_templates(&self, templates: &Templates, images: &Images) -> Vec<Reference> {
        let named = templates.iter().filter_map(|(id, version, text)| {
            let arn = self.arn("ec2", &format!("launch-template/{id}"));
            let kind = "launch_template".into();
            let image_id = images.0.get(text)?.clone();
            Some(Reference { image_id, kind, by: format!("{arn} {version}").into() })
        });
        named.collect()
    }

    /// Where the templates were not read, a group that uses one is not read either: part of an
    /// answer is no answer.
    fn by_groups(
        &self,
        groups: &[Group],
        read: &Result<(Templates, Images), CloudError>,
    ) -> Result<Vec<Reference>, CloudError> {
        let mut found = Vec::new();
        for group in groups {
            let Group { arn, versions, images: own } = group;
            if versions.is_empty() && own.is_empty() {
                continue;
            }
            let (templates, images) = read.as_ref().map_err(Clone::clone)?;
            let by_version = versions.iter().filter_map(|key| templates.image_of(key).flatten());
            for text in by_version.chain(own.iter().map(String::as_str)) {
                let Some(image_id) = images.0.get(text).cloned() else { continue };
                let kind = "auto_scaling_group".into();
                found.push(Reference { image_id, kind, by: arn.as_str().into() });
            }
        }
        Ok(found)
    }
}

/// The image that each text means, for the texts that mean one.
#[derive(Debug, Default)]
struct Images(BTreeMap<String, ImageId>);

/// What a template or an override means by the text that it names its image with.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    Image(ImageId),
    /// The image whose id this parameter holds.
    Parameter(&'a str),
    /// An image, and we cannot tell which.
    SomeImage,
    /// EC2 takes any text when a template is made, and this one is the id of no image.
    NoImage,
}

fn meaning(text: &str) -> Meaning<'_> {
    if let Some(parameter) = text.strip_prefix(SSM_ALIAS) {
        return Meaning::Parameter(parameter);
    }
    if text.starts_with(ALIAS) {
        return Meaning::SomeImage;
    }
    text.parse().map_or(Meaning::NoImage, Meaning::Image)
}

/// Each reference once and in a fixed order, so that two runs over one world print the same.
fn in_order(references: Vec<Reference>) -> Vec<Reference> {
    references.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_of_an_unknown_kind_is_not_taken_for_no_image() {
        for (text, expected) in [
            ("ami-1", Meaning::Image("ami-1".parse().unwrap())),
            ("resolve:ssm:/golden:3", Meaning::Parameter("/golden:3")),
            ("resolve:tomorrow:golden", Meaning::SomeImage),
            ("to be filled in", Meaning::NoImage),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }
}
