//! Listing and finding images.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, Image as Ec2Image, ImageTypeValues};
use jiff::Timestamp;
use steward::cloud::{CloudError, ErrorKind, ImageListing, ImageReader};
use steward::model::{Image, ImageId, ImageState, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::pagination::{FILTER_VALUES, filter};
use super::tags::{literally, tags_of};

/// The maximum page size of DescribeImages.
const PAGE: i32 = 1000;

#[async_trait]
impl ImageReader for Aws {
    async fn list_images(&self) -> Result<ImageListing, CloudError> {
        let mut found = ImageListing::default();
        self.own_images(&[], |image| {
            // Kernels and RAM disks have other IDs, and policies do not apply to them.
            let kind = image.image_type.as_ref().map_or("", ImageTypeValues::as_str);
            match kind {
                "" | "machine" => found.images.push(image_of(image)?),
                _ => found.other_types += 1,
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Uses a filter, because one missing ID in a list of IDs fails the whole call.
    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError> {
        let mut found = Vec::with_capacity(images.len());
        for some in images.chunks(FILTER_VALUES) {
            let filters = [filter("image-id", some.iter().map(ImageId::as_str))];
            self.own_images(&filters, |image| {
                let image = image_of(image)?;
                if !some.contains(&image.image_id) {
                    let message = format!(
                        "the response contains {}, which was not requested",
                        image.image_id
                    );
                    return Err(bad_response(ApiCall::DescribeImages, message));
                }
                found.push(image);
                Ok(())
            })
            .await?;
        }
        Ok(found)
    }

    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError> {
        let mut found = Vec::new();
        for some in names.chunks(FILTER_VALUES) {
            let values: Vec<String> = some.iter().map(|name| literally(name)).collect();
            let filters = [filter("name", values.iter().map(String::as_str))];
            self.own_images(&filters, |image| {
                let image = image_of(image)?;
                if !some.iter().any(|name| **name == *image.name) {
                    let message = format!(
                        "the response contains {}, whose name was not requested",
                        image.image_id
                    );
                    return Err(bad_response(ApiCall::DescribeImages, message));
                }
                found.push(image);
                Ok(())
            })
            .await?;
        }
        Ok(found)
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        // EC2 rejects a page size together with an ID.
        let request =
            self.clients.ec2.describe_images().image_ids(image.as_str()).include_disabled(true);
        let answer = match self.send(ApiCall::DescribeImages, request.send()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut found = self.listed(ApiCall::DescribeImages, answer.images)?.into_iter();
        match found.next() {
            Some(one) if one.image_id() == Some(image.as_str()) => image_of(one).map(Some),
            Some(_) => {
                let message = format!("the response does not contain {image}");
                Err(bad_response(ApiCall::DescribeImages, message))
            }
            None => Ok(None),
        }
    }
}

impl Aws {
    /// Passes the account's own images that match the filters to `take`, including disabled images.
    async fn own_images(
        &self,
        filters: &[Filter],
        mut take: impl FnMut(Ec2Image) -> Result<(), CloudError> + Send,
    ) -> Result<(), CloudError> {
        self.each_page(
            ApiCall::DescribeImages,
            |token| {
                // EC2 lists the owner's deprecated images by default, but not the disabled ones.
                let request = self
                    .clients
                    .ec2
                    .describe_images()
                    .owners("self")
                    .include_disabled(true)
                    .max_results(PAGE)
                    .set_filters((!filters.is_empty()).then(|| filters.to_vec()))
                    .set_next_token(token);
                request.send()
            },
            |page| {
                for image in self.listed(ApiCall::DescribeImages, page.images)? {
                    take(image)?;
                }
                Ok(page.next_token)
            },
        )
        .await
    }
}

fn image_of(image: Ec2Image) -> Result<Image, CloudError> {
    let id = image.image_id.unwrap_or_default();
    let image_id: ImageId = id.parse().map_err(|cause| {
        bad_response(ApiCall::DescribeImages, format!("invalid image ID: {cause}"))
    })?;
    let bad = |message: String| bad_response(ApiCall::DescribeImages, message);
    let mut snapshots: Vec<SnapshotId> = Vec::new();
    // In recorded responses, an image without devices also has the list.
    let state =
        image.state.map_or(ImageState::Unknown, |state| ImageState::from_name(state.as_str()));
    // An image that cannot be launched, or not yet, need not have devices.
    let is_whole = matches!(state, ImageState::Available | ImageState::Disabled);
    let devices = match image.block_device_mappings {
        None if is_whole => {
            return Err(bad(format!("the response lacks the devices of {image_id}")));
        }
        devices => devices.unwrap_or_default(),
    };
    for device in devices {
        let Some(ebs) = device.ebs else {
            // Ephemeral and removed devices have no `ebs`.
            if device.virtual_name.is_none() && device.no_device.is_none() {
                return Err(bad(format!("unknown device type in {image_id}")));
            }
            continue;
        };
        // Skipping a snapshot without a valid ID would leave it without an image after deregistering.
        let Some(text) = ebs.snapshot_id else {
            // A volume that is empty at launch has a size and no snapshot.
            if ebs.volume_size.is_none() {
                return Err(bad(format!(
                    "a volume of {image_id} has neither a snapshot nor a size"
                )));
            }
            continue;
        };
        let snapshot = text
            .parse()
            .map_err(|cause| bad(format!("invalid snapshot ID in {image_id}: {cause}")))?;
        if !snapshots.contains(&snapshot) {
            snapshots.push(snapshot);
        }
    }
    let platform = image.platform.map(|platform| platform.as_str().to_owned());
    let protection = image.deregistration_protection;
    Ok(Image {
        name: image.name.unwrap_or_default().into(),
        owner_id: image.owner_id.and_then(|owner| owner.parse().ok()),
        created_at: time_of(image.creation_date),
        state,
        architecture: image.architecture.map(|architecture| architecture.as_str().into()),
        platform: image.platform_details.or(platform).map(Into::into),
        owner_alias: image.image_owner_alias.map(Into::into),
        tags: tags_of(ApiCall::DescribeImages, image.tags)?,
        snapshots: snapshots.into(),
        last_launched_at: known_time(image.last_launched_time).map_err(&bad)?,
        deprecation_time: known_time(image.deprecation_time).map_err(&bad)?,
        // `disabled after …` is a cooldown period in which deregistering still fails.
        protected: protection.is_some_and(|word| !word.is_empty() && word != "disabled"),
        public: image.public == Some(true),
        // EC2 removes all launch permissions when it disables an image, and a disabled image cannot
        // be shared.
        launch_permissions: (state == ImageState::Disabled).then(Box::default),
        launch_permissions_unread: None,
        source_instance: image.source_instance_id.and_then(|id| id.parse().ok()),
        source_image: image.source_image_id.and_then(|id| id.parse().ok()),
        ..Image::new(image_id)
    })
}

/// An optional time, which is absent if nothing happened. An invalid time is an error.
fn known_time(text: Option<String>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("invalid time `{text}`"))
}

/// The creation time, `None` if it is invalid. An image of unknown age is kept.
fn time_of(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::builders::ImageBuilder;
    use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice};

    use super::*;

    fn device(snapshot: &str) -> BlockDeviceMapping {
        let ebs = EbsBlockDevice::builder().snapshot_id(snapshot).build();
        BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build()
    }

    /// An image without devices.
    fn plain() -> ImageBuilder {
        Ec2Image::builder().image_id("ami-1").set_block_device_mappings(Some(Vec::new()))
    }

    #[test]
    fn incomplete_devices_are_an_error() {
        let no_list = Ec2Image::builder().image_id("ami-1").state("available".into()).build();
        assert!(image_of(no_list).unwrap_err().message.contains("lacks the devices of"));
        let no_kind = BlockDeviceMapping::builder().device_name("/dev/xvda").build();
        let image = plain().block_device_mappings(no_kind).build();
        assert!(image_of(image).unwrap_err().message.contains("unknown device type"));
        let volume = |size| EbsBlockDevice::builder().set_volume_size(size).build();
        let with = |size| {
            let device = BlockDeviceMapping::builder().ebs(volume(size)).build();
            image_of(plain().block_device_mappings(device).build())
        };
        assert_eq!(with(Some(8)).unwrap().snapshots, Box::default());
        assert!(with(None).unwrap_err().message.contains("neither a snapshot nor a size"));
    }

    #[test]
    fn a_date_that_cannot_be_read_is_unknown() {
        let image = plain().creation_date("yesterday").build();
        assert_eq!(image_of(image).unwrap().created_at, None);
        let launched = plain().last_launched_time("2026-11-28 00:00").build();
        assert!(image_of(launched).unwrap_err().message.contains("invalid time"));
        let deprecated = plain().deprecation_time("soon").build();
        assert!(image_of(deprecated).unwrap_err().message.contains("invalid time `soon`"));
        assert_eq!(
            image_of(plain().last_launched_time("").build()).unwrap().last_launched_at,
            None
        );
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
        assert!(
            image_of(image)
                .unwrap_err()
                .to_string()
                .contains("invalid snapshot ID in ami-1: `vol-1`")
        );
    }

    #[test]
    fn every_protection_but_disabled_protects() {
        for (word, protected) in [
            (None, false),
            (Some("disabled"), false),
            (Some("enabled-without-cooldown"), true),
            (Some("disabled after 2026-01-02T00:00:00Z"), true),
            (Some("an unknown word"), true),
        ] {
            let image = plain();
            let image = image.set_deregistration_protection(word.map(str::to_owned)).build();
            assert_eq!(image_of(image).unwrap().protected, protected, "{word:?}");
        }
    }

    #[test]
    fn a_listing_contains_public_and_disabled_images() {
        for (state, public, permissions) in [
            ("available", true, None),
            ("available", false, None),
            ("disabled", false, Some(Box::default())),
        ] {
            let image = plain().state(state.into()).public(public);
            let found = image_of(image.build()).unwrap();
            assert_eq!((found.public, found.launch_permissions), (public, permissions), "{state}");
        }
    }
}
