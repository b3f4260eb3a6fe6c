//! Images: listing and finding them.

use async_trait::async_trait;
use aws_sdk_ec2::types::Image as Ec2Image;
use jiff::Timestamp;
use steward::cloud::{CloudError, ErrorKind, ImageReader};
use steward::model::{Image, ImageId, ImageState, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_answer;
use super::tags::tags_of;

/// The largest page that DescribeImages gives.
const PAGE: i32 = 1000;

#[async_trait]
impl ImageReader for Aws {
    async fn list_images(&self) -> Result<Vec<Image>, CloudError> {
        self.list(
            ApiCall::DescribeImages,
            |token| {
                // Owners see their own deprecated images anyway, but not the disabled ones.
                let request = self
                    .clients
                    .ec2
                    .describe_images()
                    .owners("self")
                    .include_disabled(true)
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.images, page.next_token),
            |image| image_of(image).map(Some),
        )
        .await
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        // A page size next to an id is an error to EC2, so that there is none here.
        let request =
            self.clients.ec2.describe_images().image_ids(image.as_str()).include_disabled(true);
        let answer = match self.send(ApiCall::DescribeImages, request.send()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut found = answer.images.unwrap_or_default().into_iter();
        found.find(|one| one.image_id() == Some(image.as_str())).map(image_of).transpose()
    }
}

fn image_of(image: Ec2Image) -> Result<Image, CloudError> {
    let id = image.image_id.unwrap_or_default();
    let image_id: ImageId = id
        .parse()
        .map_err(|cause| bad_answer(ApiCall::DescribeImages, format!("an image's id: {cause}")))?;
    let mut snapshots: Vec<SnapshotId> = Vec::new();
    // Ephemeral devices and devices taken out have no `ebs`.
    let devices = image.block_device_mappings.unwrap_or_default();
    for text in devices.into_iter().filter_map(|device| device.ebs?.snapshot_id) {
        // Leaving out a snapshot that we cannot name would lose it when the image goes.
        let snapshot = text.parse().map_err(|cause| {
            bad_answer(ApiCall::DescribeImages, format!("a snapshot of {image_id}: {cause}"))
        })?;
        if !snapshots.contains(&snapshot) {
            snapshots.push(snapshot);
        }
    }
    let platform = image.platform.map(|platform| platform.as_str().to_owned());
    let protection = image.deregistration_protection;
    let state =
        image.state.map_or(ImageState::Unknown, |state| ImageState::from_name(state.as_str()));
    Ok(Image {
        image_id,
        name: image.name.unwrap_or_default().into(),
        owner_id: image.owner_id.and_then(|owner| owner.parse().ok()),
        created_at: time_of(image.creation_date),
        state,
        architecture: image.architecture.map(|architecture| architecture.as_str().into()),
        platform: image.platform_details.or(platform).map(Into::into),
        owner_alias: image.image_owner_alias.map(Into::into),
        tags: tags_of(image.tags),
        snapshots: snapshots.into(),
        last_launched_at: time_of(image.last_launched_time),
        deprecation_time: time_of(image.deprecation_time),
        // `disabled after …` is a cool-down in which deregistering still fails.
        protected: protection.is_some_and(|word| !word.is_empty() && word != "disabled"),
        public: image.public == Some(true),
        // EC2 takes them all when it disables an image, and a disabled one cannot be shared.
        launch_permissions: (state == ImageState::Disabled).then(Box::default),
        source_instance: image.source_instance_id.and_then(|id| id.parse().ok()),
        source_image: image.source_image_id.and_then(|id| id.parse().ok()),
    })
}

/// A time that cannot be read is an unknown one, and an image of unknown age is kept.
fn time_of(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice};

    use super::*;

    fn device(snapshot: &str) -> BlockDeviceMapping {
        let ebs = EbsBlockDevice::builder().snapshot_id(snapshot).build();
        BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build()
    }

    #[test]
    fn a_date_that_cannot_be_read_is_unknown() {
        let image = Ec2Image::builder().image_id("ami-1").creation_date("yesterday").build();
        assert_eq!(image_of(image).unwrap().created_at, None);
    }

    #[test]
    fn snapshots_count_once_and_other_devices_not_at_all() {
        let image = Ec2Image::builder()
            .image_id("ami-1")
            .block_device_mappings(device("snap-1"))
            .block_device_mappings(BlockDeviceMapping::builder().virtual_name("ephemeral0").build())
            .block_device_mappings(BlockDeviceMapping::builder().no_device("").build())
            .block_device_mappings(device("snap-2"))
            .block_device_mappings(device("snap-1"))
            .build();
        let found = image_of(image).unwrap().snapshots;
        assert_eq!(found.iter().map(SnapshotId::as_str).collect::<Vec<_>>(), ["snap-1", "snap-2"]);
    }

    #[test]
    fn ids_that_cannot_be_read_are_named() {
        let image = Ec2Image::builder().image_id("AMI 1").build();
        assert!(image_of(image).unwrap_err().to_string().contains("`AMI 1`"));
        let image =
            Ec2Image::builder().image_id("ami-1").block_device_mappings(device("vol-1")).build();
        assert!(image_of(image).unwrap_err().to_string().contains("a snapshot of ami-1: `vol-1`"));
    }

    #[test]
    fn every_protection_but_disabled_protects() {
        for (word, protected) in [
            (None, false),
            (Some("disabled"), false),
            (Some("enabled-without-cooldown"), true),
            (Some("disabled after 2026-01-02T00:00:00Z"), true),
            (Some("a word of tomorrow"), true),
        ] {
            let image = Ec2Image::builder().image_id("ami-1");
            let image = image.set_deregistration_protection(word.map(str::to_owned)).build();
            assert_eq!(image_of(image).unwrap().protected, protected, "{word:?}");
        }
    }

    #[test]
    fn a_listing_tells_of_the_public_and_of_the_disabled() {
        for (state, public, permissions) in [
            ("available", true, None),
            ("available", false, None),
            ("disabled", false, Some(Box::default())),
        ] {
            let image = Ec2Image::builder().image_id("ami-1").state(state.into()).public(public);
            let found = image_of(image.build()).unwrap();
            assert_eq!((found.public, found.launch_permissions), (public, permissions), "{state}");
        }
    }
}
