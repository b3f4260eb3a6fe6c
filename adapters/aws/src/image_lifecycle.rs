//! Deprecating, disabling and deregistering images, and undoing the first two.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{DeleteSnapshotReturnCode, SnapshotReturnCodes};
use jiff::Timestamp;
use steward::cloud::{CloudError, Deregistered, ErrorKind, Freshness, ImageReader, ImageWriter};
use steward::model::{Image, ImageId, ImageState, SnapshotFate, SnapshotId};

use super::Aws;
use super::api_call::ApiCall;
use super::time::date_time;

/// EC2 rejects a deprecation time in the past, and rounds it to the minute.
const SOONEST: Duration = Duration::from_secs(60);

#[async_trait]
impl ImageWriter for Aws {
    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        let at = self.now().map_or(at, |now| no_sooner(at, now));
        let request = self
            .clients
            .ec2
            .enable_image_deprecation()
            .image_id(image.as_str())
            .deprecate_at(date_time(at));
        self.send(ApiCall::EnableImageDeprecation, request.send()).await.map(|_| ())
    }

    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.clients.ec2.disable_image_deprecation().image_id(image.as_str());
        let done = self.send(ApiCall::DisableImageDeprecation, request.send()).await.map(|_| ());
        self.unless(done, image, |image| image.deprecation_time.is_none()).await
    }

    async fn disable(
        &self,
        image: &ImageId,
        _at: Timestamp,
        check: Freshness<'_>,
    ) -> Result<Option<()>, CloudError> {
        let request = self.clients.ec2.disable_image().image_id(image.as_str());
        let Some(done) = self.send_if(check, ApiCall::DisableImage, request.send()).await else {
            return Ok(None);
        };
        let done = done.map(|_| ());
        self.unless(done, image, |image| image.state == ImageState::Disabled).await.map(Some)
    }

    async fn enable(&self, image: &ImageId) -> Result<(), CloudError> {
        let request = self.clients.ec2.enable_image().image_id(image.as_str());
        let done = self.send(ApiCall::EnableImage, request.send()).await.map(|_| ());
        self.unless(done, image, |image| image.state == ImageState::Available).await
    }

    async fn deregister(
        &self,
        image: &ImageId,
        snapshots: SnapshotFate,
        check: Freshness<'_>,
    ) -> Result<Option<Deregistered>, CloudError> {
        let mut request = self.clients.ec2.deregister_image().image_id(image.as_str());
        if snapshots == SnapshotFate::DeleteWithImage {
            request = request.delete_associated_snapshots(true);
        }
        match self.send_if(check, ApiCall::DeregisterImage, request.send()).await {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(deregistered(image, answer.delete_snapshot_results()))),
            Some(Err(error)) if error.kind == ErrorKind::NotFound => {
                Ok(Some(Deregistered::default()))
            }
            Some(Err(error)) => Err(error),
        }
    }
}

impl Aws {
    /// The response of EC2 for an image that is already in the wanted state is not documented. If an
    /// error may mean this, the image is read to find out.
    async fn unless(
        &self,
        done: Result<(), CloudError>,
        image: &ImageId,
        is_as_wanted: fn(&Image) -> bool,
    ) -> Result<(), CloudError> {
        match done {
            Err(error) if matches!(error.kind, ErrorKind::Other | ErrorKind::NotFound) => {
                match self.find_image(image).await {
                    Ok(Some(found)) if is_as_wanted(&found) => Ok(()),
                    _ => Err(error),
                }
            }
            done => done,
        }
    }

    /// The current time of the SDK, which it also uses to sign calls.
    fn now(&self) -> Option<Timestamp> {
        self.clients.ec2.config().time_source()?.now().try_into().ok()
    }
}

/// The later of `at` and the earliest time that EC2 accepts at `now`.
fn no_sooner(at: Timestamp, now: Timestamp) -> Timestamp {
    now.checked_add(SOONEST).map_or(at, |soonest| at.max(soonest))
}

/// The snapshots that EC2 reports as deleted. A server that does not support the parameter ignores
/// it, and its response then contains no snapshots.
fn deregistered(image: &ImageId, results: &[DeleteSnapshotReturnCode]) -> Deregistered {
    let mut deleted = Vec::new();
    for result in results {
        let snapshot = result.snapshot_id().unwrap_or_default();
        let code = result.return_code().map_or("none", SnapshotReturnCodes::as_str);
        match (result.return_code(), snapshot.parse::<SnapshotId>()) {
            (Some(SnapshotReturnCodes::Success), Ok(id)) => deleted.push(id),
            _ => tracing::info!(%image, snapshot, code, "snapshot was not deleted"),
        }
    }
    Deregistered { deleted }
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

    #[test]
    fn only_success_is_a_deletion() {
        let result = |snapshot: &str, code: Option<&str>| {
            let result = DeleteSnapshotReturnCode::builder().snapshot_id(snapshot);
            result.set_return_code(code.map(SnapshotReturnCodes::from)).build()
        };
        let done = deregistered(
            &"ami-1".parse().unwrap(),
            &[
                result("snap-1", Some("success")),
                result("snap-2", Some("skipped")),
                result("snap-3", Some("an-unknown-code")),
                result("snap-4", None),
            ],
        );
        assert_eq!(done.deleted, ["snap-1".parse().unwrap()]);
    }
}
