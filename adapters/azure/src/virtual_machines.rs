//! Virtual machines that are retired after an image was created from them.
//!
//! A generalized virtual machine can never be started again, so after its image is complete it only
//! costs. Any other virtual machine may have been started since the image was created, and Azure does
//! not report when: so it is kept.

use async_trait::async_trait;
use serde::Deserialize;
use steward::cloud::{CloudError, Instances};
use steward::model::{Instance, InstanceId, InstanceProtection, InstanceState};

use crate::api::{DEALLOCATE, DELETE_VIRTUAL_MACHINE, VIRTUAL_MACHINES};
use crate::arm_id::ArmId;
use crate::azure::Azure;
use crate::error::bad_response;
use crate::image_mapping::tags_of;
use crate::types::{ProvisioningState, VirtualMachine};

/// The status that Azure shows for a generalized virtual machine.
const GENERALIZED: &str = "OSState/generalized";
/// How the statuses of the power state begin.
const POWER: &str = "PowerState/";

/// A virtual machine with its statuses, from a read with `$expand=instanceView`.
#[derive(Debug, Deserialize)]
struct WithStatuses {
    properties: StatusProperties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusProperties {
    instance_view: InstanceView,
}

#[derive(Debug, Deserialize)]
struct InstanceView {
    statuses: Vec<PowerStatus>,
}

#[derive(Debug, Deserialize)]
struct PowerStatus {
    code: String,
}

impl WithStatuses {
    fn has(&self, code: &str) -> bool {
        let mut statuses = self.properties.instance_view.statuses.iter();
        statuses.any(|status| status.code.eq_ignore_ascii_case(code))
    }

    /// The power state in the words of the core.
    fn state(&self) -> InstanceState {
        let statuses = &self.properties.instance_view.statuses;
        let power =
            statuses.iter().find_map(|status| {
                status.code.get(..POWER.len())?.eq_ignore_ascii_case(POWER).then(|| {
                    status.code.get(POWER.len()..).unwrap_or_default().to_ascii_lowercase()
                })
            });
        match power.as_deref() {
            Some("running") => InstanceState::Running,
            Some("starting") => InstanceState::Pending,
            Some("stopping" | "deallocating") => InstanceState::Stopping,
            Some("stopped" | "deallocated") => InstanceState::Stopped,
            _ => InstanceState::Unknown,
        }
    }
}

#[async_trait]
impl Instances for Azure {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let api = VIRTUAL_MACHINES;
        let path = api.in_subscription(&self.subscription);
        let found: Vec<VirtualMachine> = self.client.list(api.read, &path, &api.query()).await?;
        let mut instances = Vec::new();
        for one in found.iter().filter(|one| tags_of(&one.tags).has(key)) {
            instances.extend(self.find_virtual_machine(&one.id).await?);
        }
        Ok(instances)
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        self.find_virtual_machine(&parsed(instance)?).await
    }

    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError> {
        let locks = self.locks().await?;
        let is_locked = self.mapping(&locks).protection(&parsed(instance)?).is_some();
        Ok(InstanceProtection {
            termination_protected: is_locked,
            stop_protected: is_locked,
            member_of: None,
        })
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let path = format!("{instance}/deallocate");
        let started = self.client.act(DEALLOCATE, &path, &VIRTUAL_MACHINES.query()).await?;
        self.follow(started).await
    }

    /// The disks of the virtual machine remain, unless they were created with the option to be deleted
    /// with it.
    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let query = VIRTUAL_MACHINES.query();
        let started = self.client.delete(DELETE_VIRTUAL_MACHINE, instance.as_str(), &query).await?;
        self.follow(started).await
    }
}

impl Azure {
    async fn find_virtual_machine(&self, id: &ArmId) -> Result<Option<Instance>, CloudError> {
        let api = VIRTUAL_MACHINES;
        let query = api.expanding("instanceView");
        let found: Option<serde_json::Value> =
            self.client.find(api.read, id.as_str(), &query).await?;
        let Some(found) = found else { return Ok(None) };
        let wrong = |problem: serde_json::Error| bad_response(api.read, problem.to_string());
        let machine: VirtualMachine = serde_json::from_value(found.clone()).map_err(wrong)?;
        let statuses: WithStatuses = serde_json::from_value(found).map_err(wrong)?;
        let properties = &machine.properties;
        let is_settled = properties.provisioning_state == ProvisioningState::Succeeded;
        let state = if is_settled { statuses.state() } else { InstanceState::Unknown };
        let instance_id = machine.id.as_str().parse();
        Ok(Some(Instance {
            instance_id: instance_id
                .map_err(|_| bad_response(api.read, format!("`{id}` is not a virtual machine")))?,
            state,
            // A generalized virtual machine was not started after it was generalized, and its image is
            // created after that.
            started_at: properties.time_created.filter(|_| statuses.has(GENERALIZED)),
            tags: tags_of(&machine.tags),
            // An image that is captured from a virtual machine contains all of its disks.
            volumes: Box::default(),
            member_of: properties
                .scale_set
                .as_ref()
                .map(|set| format!("the scale set {}", set.name()).into()),
        }))
    }
}

fn parsed(instance: &InstanceId) -> Result<ArmId, CloudError> {
    ArmId::parse(instance.as_str())
        .map_err(|problem| bad_response(VIRTUAL_MACHINES.read, problem.to_string()))
}
