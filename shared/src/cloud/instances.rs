//! Instances, which can be retired after an image was created from them.

use async_trait::async_trait;

use super::CloudError;
use crate::model::{Instance, InstanceId, InstanceProtection};

/// Reads, stops and terminates instances.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Lists the instances with the tag `key`, except terminated ones.
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError>;

    /// Returns the current description of an instance, or `None` if it no longer exists.
    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError>;

    /// Returns the protections against stopping or terminating an instance.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotFound`](super::ErrorKind::NotFound) if the instance no longer
    /// exists.
    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError>;

    /// Stops an instance. Its volumes remain. Succeeds if the instance is already stopped.
    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError>;

    /// Terminates an instance permanently. Succeeds if the instance is already terminated.
    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError>;
}
