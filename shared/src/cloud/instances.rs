//! Instances, for retiring them after they were imaged.

use async_trait::async_trait;

use super::CloudError;
use crate::model::{Instance, InstanceId, InstanceProtection};

/// Reads, stops and terminates instances.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Lists the instances that carry the tag `key`, except terminated ones.
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError>;

    /// Returns one instance as it is at this moment; `None` when it no longer exists.
    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError>;

    /// Returns what prevents an instance from being stopped or terminated.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](super::ErrorKind::NotFound) when it no longer exists.
    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError>;

    /// Stops an instance; its volumes stay. Stopped already counts as done.
    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError>;

    /// Terminates an instance, for good. Terminated already counts as done.
    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError>;
}
