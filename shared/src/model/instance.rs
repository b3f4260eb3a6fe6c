//! Instances, with the data that is needed to retire them after an image was created from them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{InstanceId, Tags};

/// An instance and the data needed to retire it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The instance ID.
    pub instance_id: InstanceId,
    /// The state that the provider reports.
    pub state: InstanceState,
    /// When the instance was last started; `None` if the provider does not report it.
    pub started_at: Option<Timestamp>,
    /// The tags of the instance.
    pub tags: Tags,
    /// The volumes that are deleted when the instance is terminated.
    pub volumes: Box<[Arc<str>]>,
    /// The resource that manages the instance and may replace it, in the provider's words, for
    /// example `the fleet fleet-0123`.
    pub member_of: Option<Arc<str>>,
}

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "the provider's own words")]
pub enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
    /// A state that this version does not know, or no state.
    Unknown,
}

impl InstanceState {
    /// Parses the name of a state. Any unknown text is [`InstanceState::Unknown`].
    pub fn from_name(text: &str) -> Self {
        text.parse().unwrap_or(Self::Unknown)
    }
}

/// Conditions that prevent stopping or terminating an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceProtection {
    /// The provider refuses to terminate the instance.
    pub termination_protected: bool,
    /// The provider refuses to stop the instance.
    pub stop_protected: bool,
    /// The resource that manages the instance, if the description of the instance does not already
    /// name it.
    pub member_of: Option<Arc<str>>,
}
