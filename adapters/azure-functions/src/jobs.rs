//! What the functions do.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use steward::events::Trigger;

/// The use cases of the functions.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Plans and, in apply mode, retires images.
    ///
    /// # Errors
    /// The run failed, and the next one may succeed.
    async fn prune_images(&self, call: JobInput) -> Result<JobOutput, JobFailure>;

    /// Deletes snapshots and disks that no image needs.
    ///
    /// # Errors
    /// The run failed, and the next one may succeed.
    async fn reap_snapshots(&self, call: JobInput) -> Result<JobOutput, JobFailure>;

    /// Tags a new image.
    ///
    /// # Errors
    /// The image is not complete yet, or a step failed. The event must be delivered again.
    async fn tag_image(&self, call: JobInput) -> Result<JobOutput, JobFailure>;

    /// Retires instances: those of one image, or all for [`Trigger::Schedule`].
    ///
    /// # Errors
    /// The image is not complete yet, or a step failed. The event must be delivered again.
    async fn retire_instances(&self, call: JobInput) -> Result<JobOutput, JobFailure>;
}

/// The inputs of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInput {
    /// [`Trigger::Schedule`] or [`Trigger::Image`].
    pub trigger: Trigger,
    /// The host's ID of the invocation, for the log.
    pub invocation_id: Option<String>,
    /// When the run must have ended.
    pub deadline: Instant,
}

impl JobInput {
    /// The remaining time of the run at `now`.
    pub fn left(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobOutput {
    /// The response, which is logged.
    pub response: Value,
    /// Lines for the log of the invocation, in order.
    pub logs: Vec<String>,
}

/// A run failed. The host reports the invocation as failed; Event Grid delivers the event again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobFailure {
    /// What failed, and why.
    pub message: String,
    /// Lines for the log of the invocation, in order.
    pub logs: Vec<String>,
}
