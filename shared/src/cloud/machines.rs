//! Machines, as far as retiring them after they were imaged needs it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::CloudError;
use crate::ids::InstanceId;
use crate::tags::Tags;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its id.
    pub instance_id: InstanceId,
    /// Where it stands in its life.
    pub state: MachineState,
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

/// Where a machine stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the provider's own words")]
pub enum MachineState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
    /// A word that this version does not know, or none.
    Unknown,
}

impl From<&str> for MachineState {
    fn from(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "stopped" => Self::Stopped,
            "shutting-down" => Self::ShuttingDown,
            "terminated" => Self::Terminated,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting down",
            Self::Terminated => "terminated",
            Self::Unknown => "in a state that is not known",
        })
    }
}

/// What stands between a machine and its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// It is protected from being terminated.
    pub termination_protected: bool,
    /// It is protected from being stopped.
    pub stop_protected: bool,
    /// What it is a part of, as far as its own description does not tell.
    pub member_of: Option<Arc<str>>,
}

/// Reading and ending machines.
pub trait Machines: Sync {
    /// The machines that carry the tag `key`, but for those that are terminated.
    fn list_machines_tagged(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Vec<Machine>, CloudError>> + Send;

    /// One machine as it is at this moment; `None` when it does not exist any more.
    fn find_machine(
        &self,
        machine: &InstanceId,
    ) -> impl Future<Output = Result<Option<Machine>, CloudError>> + Send;

    /// What stands between a machine and its end.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](super::ErrorKind::NotFound) when it does not exist any more.
    fn find_guards(
        &self,
        machine: &InstanceId,
    ) -> impl Future<Output = Result<Guards, CloudError>> + Send;

    /// Stops a machine; its volumes stay. Stopped already counts as done.
    fn stop(&self, machine: &InstanceId) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Terminates a machine, for good. Terminated already counts as done.
    fn terminate(
        &self,
        machine: &InstanceId,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;
}
