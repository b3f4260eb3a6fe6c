//! Images: reading them, and the steps from deprecation to deregistration and back.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use steward::cloud::{CloudError, Deregistered, ErrorKind, ImageReader, ImageWriter};
use steward::model::{Image, ImageId, LaunchPermission, SnapshotFate};

use super::faults::{error, in_hash_order};
use super::{Call, Fake, FakeAccount};
use crate::fleet::FleetImage;

/// EC2 takes no deprecation that is further ahead: ten years.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 3653);

#[async_trait]
impl ImageReader for Fake {
    async fn list_images(&self) -> Result<Vec<Image>, CloudError> {
        const ACTION: &str = "ec2:DescribeImages";
        let mut inner = self.begin(Call::ListImages);
        let (state, faults) = inner.listing();
        faults.check(ACTION, &[])?;
        let own = state.images.values().filter(|one| one.owner_id.as_ref() == Some(&self.account));
        let found: Vec<Image> = own.map(|one| one.seen_by(&self.account)).collect();
        faults.check_pages(ACTION, found.len(), 1000)?;
        Ok(in_hash_order(found, |image| image.image_id.as_str()))
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        let mut inner = self.begin(Call::FindImage(image.clone()));
        inner.faults.check("ec2:DescribeImages", &[image.as_str()])?;
        Ok(inner.state.images.get(image).map(|one| one.seen_by(&self.account)))
    }

    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError> {
        const ACTION: &str = "ec2:DescribeImageAttribute";
        let mut inner = self.begin(Call::FindLaunchPermissions(image.clone()));
        let FakeAccount { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[image.as_str()])?;
        let found = state.own_image(ACTION, image, faults)?;
        if found.state == "disabled" {
            return Ok(Vec::new());
        }
        let named = found.launch_permissions.iter().map(|text| text.as_str().into());
        Ok(permissions(found.public, named))
    }
}

#[async_trait]
impl ImageWriter for Fake {
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:EnableImageDeprecation";
        self.changing(Call::Deprecate(image.clone(), at), |inner| {
            let clock = inner.clock;
            // EC2 cuts off the seconds, and with them what remains of the present minute.
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

    async fn disable(&self, image: &ImageId) -> Result<(), CloudError> {
        self.changing(Call::Disable(image.clone()), |inner| {
            inner.change_image("ec2:DisableImage", image, |image| {
                image.state = "disabled".into();
                image.unshare();
                Ok(())
            })
        })
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

    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ModifyImageAttribute";
        self.changing(Call::Share(image.clone(), with.to_vec()), |inner| {
            let is_unknown = |one: &&LaunchPermission| matches!(one, LaunchPermission::Unknown(_));
            if let Some(unknown) = with.iter().find(is_unknown) {
                let message = format!("`{unknown}` is no account, organization or unit");
                return Err(error::of(ACTION, "", &message));
            }
            if with.is_empty() {
                return Ok(());
            }
            inner.change_image(ACTION, image, |image| {
                if image.state == "disabled" {
                    // The code is not verified against AWS.
                    let message = format!("The image {} is disabled", image.image_id);
                    return Err(error::of(ACTION, "InvalidAMIID.Unavailable", &message));
                }
                for permission in with {
                    let text = permission.to_string();
                    if *permission == LaunchPermission::Everyone {
                        image.public = true;
                    } else if !image.launch_permissions.contains(&text) {
                        image.launch_permissions.push(text);
                    }
                }
                Ok(())
            })
        })
    }

    async fn deregister(
        &self,
        image: &ImageId,
        fate: SnapshotFate,
    ) -> Result<Deregistered, CloudError> {
        const ACTION: &str = "ec2:DeregisterImage";
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
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Deregistered::default()),
            other => other,
        }
    }

    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:RestoreImageFromRecycleBin";
        self.changing(Call::RecoverImage(image.clone()), |inner| {
            let FakeAccount { state, faults, .. } = inner;
            faults.check(ACTION, &[image.as_str()])?;
            let Some(found) = state.binned_images.get(image) else {
                let message = format!("The image id '[{image}]' does not exist in the Recycle Bin");
                return Err(error::of(ACTION, "InvalidAMIID.NotFound", &message));
            };
            let mut snapshots = found.image.snapshots.iter();
            if let Some(missing) = snapshots.find(|id| !state.snapshots.contains_key(*id)) {
                // The code is not verified against AWS. The image itself is there.
                let message = format!("The snapshot '{missing}' does not exist.");
                let error = error::of(ACTION, "InvalidSnapshot.NotFound", &message);
                return Err(CloudError { kind: ErrorKind::Other, ..error });
            }
            state.restore_image(image);
            faults.changed(ACTION)
        })
    }
}

impl FakeAccount {
    /// One call that changes one image of the account.
    fn change_image(
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

/// Everybody that something is shared with, in order.
pub(super) fn permissions(
    public: bool,
    named: impl Iterator<Item = LaunchPermission>,
) -> Vec<LaunchPermission> {
    let everyone = public.then_some(LaunchPermission::Everyone);
    let mut found: Vec<_> = everyone.into_iter().chain(named).collect();
    found.sort();
    found
}
