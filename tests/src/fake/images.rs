//! Reading images, and the steps from deprecation to deregistration and their undoing.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use steward::cloud::{
    CloudError, Deregistered, ErrorKind, Freshness, ImageListing, ImageReader, ImageWriter,
};
use steward::model::{Image, ImageId, SnapshotFate};

use super::faults::{error, in_hash_order};
use super::{Call, Fake, FakeAccount};
use crate::fleet::FleetImage;

/// EC2's maximum deprecation time: ten years ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 3653);

#[async_trait]
impl ImageReader for Fake {
    async fn list_images(&self) -> Result<ImageListing, CloudError> {
        const ACTION: &str = "ec2:DescribeImages";
        let mut inner = self.begin(Call::ListImages);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.images.values().filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<Image> = own.map(|one| one.seen_by(&self.account)).collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        let images = in_hash_order(found, |image| image.image_id.as_str());
        Ok(ImageListing { images, other_types: 0 })
    }

    async fn find_images(&self, images: &[ImageId]) -> Result<Vec<Image>, CloudError> {
        let mut inner = self.begin(Call::FindImages(images.to_vec()));
        let about: Vec<&str> = images.iter().map(ImageId::as_str).collect();
        if !about.is_empty() {
            inner.faults.check("ec2:DescribeImages", &about)?;
        }
        let found = images.iter().filter_map(|id| inner.state.images.get(id));
        let own = found.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let own = own.map(|one| one.seen_by(&self.account)).collect();
        Ok(in_hash_order(own, |image| image.image_id.as_str()))
    }

    async fn find_images_named(&self, names: &[String]) -> Result<Vec<Image>, CloudError> {
        let mut inner = self.begin(Call::FindImagesNamed(names.to_vec()));
        if !names.is_empty() {
            inner.faults.check("ec2:DescribeImages", &[])?;
        }
        let own = inner.state.images.values();
        let own = own.filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let named = own.filter(|one| one.name.as_ref().is_some_and(|name| names.contains(name)));
        let found = named.map(|one| one.seen_by(&self.account)).collect();
        Ok(in_hash_order(found, |image| image.image_id.as_str()))
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        let mut inner = self.begin(Call::FindImage(image.clone()));
        match inner.faults.check("ec2:DescribeImages", &[image.as_str()]) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            checked => checked?,
        }
        Ok(inner.state.images.get(image).map(|one| one.seen_by(&self.account)))
    }
}

#[async_trait]
impl ImageWriter for Fake {
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:EnableImageDeprecation";
        self.changing(Call::Deprecate(image.clone(), at), |inner| {
            let clock = inner.clock;
            // EC2 truncates the seconds, so the result can be in the current minute.
            let minute = at.max(clock).as_second().div_euclid(60) * 60;
            let at = Timestamp::from_second(minute).expect("it was one before");
            inner.change_image(ACTION, image, |image| {
                if at > clock + MAX_AHEAD {
                    let message = format!("The deprecation time {at} is too far off");
                    return Err(error::of(ACTION, "InvalidParameterValue", &message));
                }
                image.deprecation_time = Some(at);
                Ok(())
            })
        })
    }

    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        self.changing(Call::CancelDeprecation(image.clone()), |inner| {
            inner.change_image("ec2:DisableImageDeprecation", image, |image| {
                image.deprecation_time = None;
                Ok(())
            })
        })
    }

    async fn disable(
        &self,
        image: &ImageId,
        _at: Timestamp,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError> {
        if !self.turn_comes(check) {
            return Ok(None);
        }
        let done = self.changing(Call::Disable(image.clone()), |inner| {
            inner.change_image("ec2:DisableImage", image, |image| {
                image.state = "disabled".into();
                image.unshare();
                Ok(())
            })
        });
        done.map(Some)
    }

    async fn enable(&self, image: &ImageId) -> Result<(), CloudError> {
        self.changing(Call::Enable(image.clone()), |inner| {
            inner.change_image("ec2:EnableImage", image, |image| {
                if image.state == "disabled" {
                    image.state = "available".into();
                    image.unshare();
                }
                Ok(())
            })
        })
    }

    async fn deregister(
        &self,
        image: &ImageId,
        fate: SnapshotFate,
        check: Freshness<'_>,
    ) -> Result<Option<Deregistered>, CloudError> {
        const ACTION: &str = "ec2:DeregisterImage";
        if !self.turn_comes(check) {
            return Ok(None);
        }
        let answer = self.changing(Call::Deregister(image.clone(), fate), |inner| {
            inner.faults.check(ACTION, &[image.as_str()])?;
            let found = inner.state.own_image(ACTION, image, &inner.faults)?;
            if found.protected != "disabled" {
                let message = format!("The image {image} is protected ({})", found.protected);
                return Err(error::of(ACTION, "OperationNotPermitted", &message));
            }
            let snapshots = inner.state.remove_image(image, inner.clock);
            let mut done = Deregistered::default();
            if fate == SnapshotFate::DeleteWithImage && !inner.faults.switches.no_delete_associated
            {
                for snapshot in snapshots {
                    if inner.delete_associated(&snapshot) {
                        done.deleted.push(snapshot);
                    }
                }
            }
            inner.faults.changed(ACTION)?;
            Ok(done)
        });
        match answer {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Some(Deregistered::default())),
            other => other.map(Some),
        }
    }
}

impl FakeAccount {
    /// One call that changes one image in the account.
    pub(super) fn change_image(
        &mut self,
        action: &'static str,
        image: &ImageId,
        change: impl FnOnce(&mut FleetImage) -> Result<(), CloudError>,
    ) -> Result<(), CloudError> {
        self.faults.check(action, &[image.as_str()])?;
        self.state.own_image(action, image, &self.faults)?;
        let found = self.state.images.get_mut(image);
        change(found.expect("the account has it"))?;
        self.faults.changed(action)
    }
}
