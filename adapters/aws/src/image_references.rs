//! References that EC2 itself reports (DescribeImageReferences).

use aws_sdk_ec2::types::{
    ImageReference, ImageReferenceOptionName, ImageReferenceResourceType, ResourceTypeOption,
    ResourceTypeRequest,
};
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{ImageId, Reference, ReferenceKind, TemplateVersions};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The maximum number of images per DescribeImageReferences call.
pub(super) const MAX_IMAGES: usize = 10;
/// How many of a template's newest versions EC2 checks, by default and at most.
const DEFAULT_VERSIONS: u32 = 10;
const MAX_VERSIONS: u32 = 10_000;
/// All instance states except `terminated`. Unlike in a listing, the states have to be named.
const LIVING: [&str; 5] = ["pending", "running", "shutting-down", "stopping", "stopped"];

impl Aws {
    /// An image that no longer exists has no references. It is not documented whether EC2 fails the
    /// call for one such image. If it does, each of the others is requested individually.
    pub(super) async fn references_to_some(
        &self,
        images: &[ImageId],
        types: &[ResourceTypeRequest],
    ) -> Result<Vec<Reference>, CloudError> {
        match self.references_to_all(images, types).await {
            Err(error) if error.kind == ErrorKind::NotFound && images.len() > 1 => {
                let mut found = Vec::new();
                for image in images.chunks(1) {
                    found.extend(Box::pin(self.references_to_some(image, types)).await?);
                }
                Ok(found)
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    async fn references_to_all(
        &self,
        images: &[ImageId],
        types: &[ResourceTypeRequest],
    ) -> Result<Vec<Reference>, CloudError> {
        let ids: Vec<String> = images.iter().map(|image| image.as_str().to_owned()).collect();
        self.list(
            ApiCall::DescribeImageReferences,
            |token| {
                // The limits of the page size are not documented, so the size is left to EC2.
                let request = self
                    .clients
                    .ec2
                    .describe_image_references()
                    .set_image_ids(Some(ids.clone()))
                    .set_resource_types(Some(types.to_vec()))
                    .set_next_token(token);
                request.send()
            },
            |page| (page.image_references, page.next_token),
            |reference| reference_of(reference).map(Some),
        )
        .await
    }
}

/// All resource types that EC2 can check, with the depth of the check.
pub(super) fn wanted(versions: TemplateVersions) -> Vec<ResourceTypeRequest> {
    let depth = match versions {
        TemplateVersions::DefaultAndLatest => DEFAULT_VERSIONS,
        TemplateVersions::Newest(newest) => newest.get().clamp(DEFAULT_VERSIONS, MAX_VERSIONS),
        TemplateVersions::All => MAX_VERSIONS,
    };
    let option = |name: ImageReferenceOptionName, values: Vec<String>| {
        ResourceTypeOption::builder().option_name(name).set_option_values(Some(values)).build()
    };
    let states = LIVING.map(String::from).to_vec();
    let states = option(ImageReferenceOptionName::StateName, states);
    let depth = option(ImageReferenceOptionName::VersionDepth, vec![depth.to_string()]);
    [
        (ImageReferenceResourceType::Ec2Instance, Some(states)),
        (ImageReferenceResourceType::Ec2LaunchTemplate, Some(depth)),
        (ImageReferenceResourceType::SsmParameter, None),
        (ImageReferenceResourceType::ImageBuilderImageRecipe, None),
        (ImageReferenceResourceType::ImageBuilderContainerRecipe, None),
    ]
    .into_iter()
    .map(|(kind, option)| {
        let request = ResourceTypeRequest::builder().resource_type(kind);
        request.set_resource_type_options(option.map(|option| vec![option])).build()
    })
    .collect()
}

fn reference_of(reference: ImageReference) -> Result<Reference, CloudError> {
    let bad = |message: String| bad_response(ApiCall::DescribeImageReferences, message);
    let arn = reference.arn.filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| bad("a reference in the response has no resource ARN".into()))?;
    let image = reference.image_id.unwrap_or_default();
    let image_id = image
        .parse()
        .map_err(|cause| bad(format!("invalid image ID referenced by {arn}: {cause}")))?;
    let kind = match &reference.resource_type {
        Some(ImageReferenceResourceType::Ec2Instance) => ReferenceKind::Instance,
        Some(ImageReferenceResourceType::Ec2LaunchTemplate) => ReferenceKind::LaunchTemplate,
        Some(ImageReferenceResourceType::SsmParameter) => ReferenceKind::SsmParameter,
        Some(ImageReferenceResourceType::ImageBuilderImageRecipe) => ReferenceKind::ImageRecipe,
        Some(ImageReferenceResourceType::ImageBuilderContainerRecipe) => {
            ReferenceKind::ContainerRecipe
        }
        Some(other) => ReferenceKind::Other(other.as_str().into()),
        None => ReferenceKind::Other("unknown".into()),
    };
    Ok(Reference::new(image_id, kind, arn))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn values_of(types: &[ResourceTypeRequest], kind: &str) -> Vec<String> {
        let one = types.iter().find(|one| one.resource_type().unwrap().as_str() == kind).unwrap();
        let options = one.resource_type_options().iter();
        options.flat_map(|option| option.option_values().to_vec()).collect()
    }

    #[test]
    fn templates_are_looked_at_as_deep_as_asked_for() {
        let newest = |n| TemplateVersions::Newest(NonZeroU32::new(n).unwrap());
        for (versions, depth) in [
            (TemplateVersions::DefaultAndLatest, "10"),
            (newest(3), "10"),
            (newest(40), "40"),
            (newest(1_000_000), "10000"),
            (TemplateVersions::All, "10000"),
        ] {
            assert_eq!(values_of(&wanted(versions), "ec2:LaunchTemplate"), [depth]);
        }
    }

    #[test]
    fn every_type_is_asked_for_and_terminated_instances_are_not() {
        let types = wanted(TemplateVersions::All);
        assert_eq!(types.len(), 5);
        let states = values_of(&types, "ec2:Instance");
        assert!(states.len() == 5 && !states.contains(&"terminated".to_owned()), "{states:?}");
        assert_eq!(values_of(&types, "ssm:Parameter"), Vec::<String>::new());
    }

    #[test]
    fn types_become_kinds_and_an_unknown_one_keeps_its_word() {
        for (word, kind) in [
            ("ec2:Instance", "instance"),
            ("ec2:LaunchTemplate", "launch_template"),
            ("ssm:Parameter", "ssm_parameter"),
            ("imagebuilder:ImageRecipe", "image_recipe"),
            ("imagebuilder:ContainerRecipe", "container_recipe"),
            ("tomorrow:Thing", "tomorrow:Thing"),
        ] {
            let reference = ImageReference::builder().image_id("ami-1").arn("arn:x");
            let reference = reference.resource_type(word.into()).build();
            let found = reference_of(reference).unwrap();
            assert_eq!(found.kind.to_string(), kind);
            assert_eq!((&*found.arn, found.version, found.stale), ("arn:x", None, false));
        }
    }

    #[test]
    fn a_reference_from_nowhere_or_to_nothing_is_not_passed_over() {
        let nameless = ImageReference::builder().image_id("ami-1").build();
        assert!(reference_of(nameless).unwrap_err().message.contains("has no resource ARN"));
        let aimless = ImageReference::builder().arn("arn:x").build();
        assert!(reference_of(aimless).unwrap_err().message.contains("referenced by arn:x"));
    }
}
