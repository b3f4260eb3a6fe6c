//! The port on the real AWS SDK.
//!
//! One file for each thing that is read or changed; `error` alone knows what error codes mean,
//! and `rate_limit` how fast calls may follow each other. Every call goes through `Aws::send`.

mod aliases;
mod batch;
mod bus;
mod connect;
mod error;
mod fleets;
mod groups;
mod launch_sources;
mod image_references;
mod images;
mod instances;
mod instances;
mod rate_limit;
mod pages;
mod parameters;
mod recycle;
mod references;
mod retention;
mod sharing;
mod snapshots;
mod steps;
mod tags;
mod templates;
mod time;
mod versions;
mod whole;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use steward::cloud::{Cloud, CloudError, Deregistered, EventBus, Instances, Message, SnapshotDeletion, SnapshotScope, SourceAnswer, View};
use steward::model::{InstanceProtection, Instance, RecycledImage, RecycledSnapshot, ReferenceScope, ResourceId, SnapshotFate, TemplateVersions, AccountId, ImageId, InstanceId, Region, SnapshotId, Image, Reference, RetentionRule, Snapshot, SnapshotReference, Tags};

pub use self::connect::{Connect, Connection, StaticKeys, connect};
pub use self::rate_limit::RateLimit;
use self::rate_limit::{ApiCall, RateLimiters};

/// One account and Region of AWS. Cloning it is cheap, and the clones share their pace.
#[derive(Debug, Clone)]
pub struct Aws {
    ec2: aws_sdk_ec2::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    batch: aws_sdk_batch::Client,
    events: aws_sdk_eventbridge::Client,
    rbin: aws_sdk_rbin::Client,
    ssm: aws_sdk_ssm::Client,
    limits: Arc<RateLimiters>,
    account: AccountId,
    region: Region,
}

impl Aws {
    /// The account that the credentials belong to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The Region that is read and changed.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Sends `request` when `action` may be called, and says what a failure means.
    async fn send<T, E>(
        &self,
        action: ApiCall,
        request: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, CloudError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.limits.wait_for(action).await;
        tracing::debug!(call = action.name(), "calling");
        request.await.map_err(|error| error::failed(action, &error))
    }

    /// The ARN of something in this account and Region.
    fn arn(&self, service: &str, rest: &str) -> String {
        let Self { account, region, .. } = self;
        format!("arn:{}:{service}:{region}:{account}:{rest}", region.partition())
    }
}

/// Every call is on the heap, because the SDK's futures are large: some of them one within the
/// other would come near to the end of a worker's stack of 2 MiB, in a debug build at least.
impl View for Aws {
    async fn list_images(&self) -> Result<Vec<Image>, CloudError> {
        Box::pin(self.images()).await
    }

    async fn list_snapshots(&self, scope: &SnapshotScope) -> Result<Vec<Snapshot>, CloudError> {
        Box::pin(self.snapshots_in(scope)).await
    }

    async fn list_references(&self, scope: &ReferenceScope) -> Vec<SourceAnswer> {
        Box::pin(self.references(scope)).await
    }

    async fn find_references_to(
        &self,
        images: &[ImageId],
        versions: TemplateVersions,
    ) -> Result<Vec<Reference>, CloudError> {
        Box::pin(self.references_to(images, versions)).await
    }

    async fn list_snapshot_references(
        &self,
        versions: TemplateVersions,
    ) -> Result<Vec<SnapshotReference>, CloudError> {
        Box::pin(self.snapshot_references(versions)).await
    }

    async fn list_locked_snapshots(&self) -> Result<Vec<SnapshotId>, CloudError> {
        Box::pin(self.locked_snapshots()).await
    }

    async fn list_retention_rules(&self) -> Result<Vec<RetentionRule>, CloudError> {
        Box::pin(self.retention_rules()).await
    }

    async fn list_recycled_images(&self) -> Result<Vec<RecycledImage>, CloudError> {
        Box::pin(self.recycled_images()).await
    }

    async fn list_recycled_snapshots(&self) -> Result<Vec<RecycledSnapshot>, CloudError> {
        Box::pin(self.recycled_snapshots()).await
    }

    async fn list_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(ResourceId, String)>, CloudError> {
        Box::pin(self.tagged(key, value)).await
    }

    async fn find_image(&self, image: &ImageId) -> Result<Option<Image>, CloudError> {
        Box::pin(self.image(image)).await
    }

    async fn find_instances_of(&self, image: &ImageId) -> Result<Vec<Reference>, CloudError> {
        Box::pin(self.instances_of(image)).await
    }

    async fn find_launch_permissions(&self, image: &ImageId) -> Result<Vec<Arc<str>>, CloudError> {
        Box::pin(self.launch_permissions(image)).await
    }

    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<Arc<str>>, CloudError> {
        Box::pin(self.volume_permissions(snapshot)).await
    }

    async fn find_instance_tags(&self, instance: &InstanceId) -> Result<Option<Tags>, CloudError> {
        Box::pin(self.instance_tags(instance)).await
    }

    async fn find_snapshots(&self, snapshots: &[SnapshotId]) -> Result<Vec<Snapshot>, CloudError> {
        Box::pin(self.snapshots(snapshots)).await
    }
}

impl Cloud for Aws {
    async fn set_tags(&self, resources: &[ResourceId], tags: &Tags) -> Result<(), CloudError> {
        Box::pin(self.create_tags(resources, tags)).await
    }

    async fn remove_tags(
        &self,
        resources: &[ResourceId],
        keys: &[String],
    ) -> Result<(), CloudError> {
        Box::pin(self.delete_tags(resources, keys)).await
    }

    async fn deprecate(&self, image: &ImageId, at: Timestamp) -> Result<(), CloudError> {
        Box::pin(self.enable_deprecation(image, at)).await
    }

    async fn cancel_deprecation(&self, image: &ImageId) -> Result<(), CloudError> {
        Box::pin(self.disable_deprecation(image)).await
    }

    async fn disable(&self, image: &ImageId) -> Result<(), CloudError> {
        Box::pin(self.disable_image(image)).await
    }

    async fn enable(&self, image: &ImageId) -> Result<(), CloudError> {
        Box::pin(self.enable_image(image)).await
    }

    async fn share(&self, image: &ImageId, with: &[Arc<str>]) -> Result<(), CloudError> {
        Box::pin(self.share_image(image, with)).await
    }

    async fn recover_image(&self, image: &ImageId) -> Result<(), CloudError> {
        Box::pin(self.restore_image(image)).await
    }

    async fn recover_snapshot(&self, snapshot: &SnapshotId) -> Result<(), CloudError> {
        Box::pin(self.restore_snapshot(snapshot)).await
    }

    async fn deregister(
        &self,
        image: &ImageId,
        snapshots: SnapshotFate,
    ) -> Result<Deregistered, CloudError> {
        Box::pin(self.deregister_image(image, snapshots)).await
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<SnapshotDeletion, CloudError> {
        Box::pin(self.delete_one_snapshot(snapshot)).await
    }
}

impl Instances for Aws {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        Box::pin(self.instances_tagged(key)).await
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        Box::pin(self.instance(instance)).await
    }

    async fn find_instance_protection(&self, instance: &InstanceId) -> Result<InstanceProtection, CloudError> {
        Box::pin(self.guards_of(instance)).await
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError> {
        Box::pin(self.stop_machine(instance)).await
    }

    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError> {
        Box::pin(self.terminate_machine(instance)).await
    }
}

impl EventBus for Aws {
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        Box::pin(self.put_messages(bus, messages)).await
    }

    /// The SDK waits before it repeats a call, but an entry that was not taken is no failed call.
    async fn rest(&self, round: u32) {
        tokio::time::sleep(std::time::Duration::from_millis(250) * round.saturating_mul(round))
            .await;
    }
}
