//! Instances, as far as retiring them after they were imaged needs it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{InstanceId, Tags};

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub instance_id: InstanceId,
    /// Its state.
    pub state: InstanceState,
    /// When it was last started; `None` when the provider does not say.
    pub started_at: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
    /// The volumes that are deleted with it.
    pub volumes: Box<[Arc<str>]>,
    /// What it is a part of and may be replaced by, in the provider's words, for example
    /// `the fleet fleet-0123`.
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
    /// A word that this version does not know, or none.
    Unknown,
}

impl InstanceState {
    /// The state of this name; [`InstanceState::Unknown`] for any other text.
    pub fn from_name(text: &str) -> Self {
        text.parse().unwrap_or(Self::Unknown)
    }
}

/// What prevents an instance from being stopped or terminated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceProtection {
    /// It is protected from being terminated.
    pub termination_protected: bool,
    /// It is protected from being stopped.
    pub stop_protected: bool,
    /// What it is a part of, as far as its own description does not tell.
    pub member_of: Option<Arc<str>>,
}
