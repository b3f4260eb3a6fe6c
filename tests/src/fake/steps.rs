//! The steps before an image goes, and back again: deprecating, disabling, sharing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use steward::cloud::CloudError;
use steward::model::ImageId;

use super::FakeAccount;
use super::faults::error;
use crate::fleet::FleetImage;

/// EC2 takes no deprecation that is further ahead: ten years.
const FURTHEST: SignedDuration = SignedDuration::from_hours(24 * 3653);

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

    pub(super) fn deprecate(&mut self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:EnableImageDeprecation";
        let clock = self.clock;
        // EC2 cuts off the seconds, and with them what remains of the present minute.
        let minute = at.max(clock).as_second().div_euclid(60) * 60;
        let at = Timestamp::from_second(minute).expect("it was one before");
        self.change_image(ACTION, image, |image| {
            if at > clock + FURTHEST {
                let message = format!("The deprecation time {at} is too far off");
                return Err(error::of(ACTION, "InvalidParameterValue", &message));
            }
            image.deprecation_time = Some(at);
            Ok(())
        })
    }

    pub(super) fn cancel_deprecation(&mut self, image: &ImageId) -> Result<(), CloudError> {
        self.change_image("ec2:DisableImageDeprecation", image, |image| {
            image.deprecation_time = None;
            Ok(())
        })
    }

    pub(super) fn disable(&mut self, image: &ImageId) -> Result<(), CloudError> {
        self.change_image("ec2:DisableImage", image, |image| {
            image.state = "disabled".into();
            image.unshare();
            Ok(())
        })
    }

    pub(super) fn enable(&mut self, image: &ImageId) -> Result<(), CloudError> {
        self.change_image("ec2:EnableImage", image, |image| {
            if image.state == "disabled" {
                image.state = "available".into();
                image.unshare();
            }
            Ok(())
        })
    }

    pub(super) fn share(&mut self, image: &ImageId, with: &[Arc<str>]) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ModifyImageAttribute";
        if let Some(word) = with.iter().find(|word| !can_be_shared_with(word)) {
            let message = format!("`{word}` is no account, organization or unit");
            return Err(error::of(ACTION, "", &message));
        }
        if with.is_empty() {
            return Ok(());
        }
        self.change_image(ACTION, image, |image| {
            if image.state == "disabled" {
                // The code is not verified against AWS.
                let message = format!("The image {} is disabled", image.image_id);
                return Err(error::of(ACTION, "InvalidAMIID.Unavailable", &message));
            }
            for word in with {
                match &**word {
                    "all" => image.public = true,
                    word if image.launch_permissions.iter().any(|held| held == word) => {}
                    word => image.launch_permissions.push(word.to_owned()),
                }
            }
            Ok(())
        })
    }
}

fn can_be_shared_with(word: &str) -> bool {
    let account = word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit());
    let of_organizations = word.contains(":organization/") || word.contains(":ou/");
    account || word == "all" || (word.starts_with("arn:") && of_organizations)
}
