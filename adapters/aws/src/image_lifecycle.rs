//! The steps before an image is deregistered, and their opposites: deprecating and disabling.

use std::time::Duration;

use jiff::Timestamp;
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{ImageId, Image, ImageState};

use super::Aws;
use super::rate_limit::ApiCall;
use super::time::date_time;

/// EC2 refuses to deprecate in the past, and rounds to the minute.
const SOONEST: Duration = Duration::from_secs(60);

impl Aws {
    pub(super) async fn enable_deprecation(
        &self,
        image: &ImageId,
        at: Timestamp,
    ) -> Result<(), CloudError> {
        let at = self.now().map_or(at, |now| no_sooner(at, now));
        let request = self
            .ec2
            .enable_image_deprecation()
            .image_id(image.as_str())
            .deprecate_at(date_time(at));
        self.send(ApiCall::EnableImageDeprecation, request.send()).await.map(|_| ())
    }

    pub(super) async fn disable_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.ec2.disable_image_deprecation().image_id(image.as_str());
        let done = self.send(ApiCall::DisableImageDeprecation, request.send()).await.map(|_| ());
        self.unless(done, image, |image| image.deprecation_time.is_none()).await
    }

    pub(super) async fn disable_image(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.ec2.disable_image().image_id(image.as_str());
        let done = self.send(ApiCall::DisableImage, request.send()).await.map(|_| ());
        self.unless(done, image, |image| image.state == ImageState::Disabled).await
    }

    pub(super) async fn enable_image(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.ec2.enable_image().image_id(image.as_str());
        let done = self.send(ApiCall::EnableImage, request.send()).await.map(|_| ());
        self.unless(done, image, |image| image.state == ImageState::Available).await
    }

    /// What EC2 answers when an image is already as wanted is not documented. So when the call
    /// was answered with an error that may mean this, the image itself is looked at.
    async fn unless(
        &self,
        done: Result<(), CloudError>,
        image: &ImageId,
        is_as_wanted: fn(&Image) -> bool,
    ) -> Result<(), CloudError> {
        match done {
            Err(error) if matches!(error.kind, ErrorKind::Other | ErrorKind::NotFound) => {
                match self.image(image).await {
                    Ok(Some(found)) if is_as_wanted(&found) => Ok(()),
                    _ => Err(error),
                }
            }
            done => done,
        }
    }

    /// The time of day as the SDK has it, which signs its calls with it.
    fn now(&self) -> Option<Timestamp> {
        self.ec2.config().time_source()?.now().try_into().ok()
    }
}

/// `at`, or the soonest that EC2 takes at `now`.
fn no_sooner(at: Timestamp, now: Timestamp) -> Timestamp {
    now.checked_add(SOONEST).map_or(at, |soonest| at.max(soonest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_not_deprecated_in_the_past() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-11-22T12:00:30Z");
        for (wanted, taken) in [
            ("2025-01-01T00:00:00Z", "2026-11-22T12:01:30Z"),
            ("2026-11-22T12:00:30Z", "2026-11-22T12:01:30Z"),
            ("2026-11-22T12:01:31Z", "2026-11-22T12:01:31Z"),
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(no_sooner(at(wanted), now), at(taken), "{wanted}");
        }
    }
}
