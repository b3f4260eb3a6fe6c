//! Reading, stopping and deleting virtual machines.

use async_trait::async_trait;
use jiff::Timestamp;
use steward::cloud::{CloudError, Instances};
use steward::model::{Instance, InstanceId, InstanceProtection, InstanceState};

use super::fleet::{FleetHolder, HolderKind};
use super::images::{LOCK_READ, shown};
use super::state::{AzureState, folded};
use super::{AzureFake, not_found};
use crate::fake::faults::in_hash_order;

pub(super) const VM_READ: &str = "Microsoft.Compute/virtualMachines/read";
const VM_STOP: &str = "Microsoft.Compute/virtualMachines/deallocate/action";
const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";

#[async_trait]
impl Instances for AzureFake {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let mut inner = self.begin();
        inner.read(VM_READ, &[])?;
        let own = inner.state.subscription.clone();
        let clock = inner.clock;
        let all = inner.state.holders.iter();
        let own = all.filter(|one| one.subscription == own.as_str() && is_vm(&one.holder, clock));
        let tagged = own.filter(|one| shown(&one.holder.tags).has(key));
        Ok(in_hash_order(tagged.map(|one| seen(&one.holder)).collect(), |one| {
            one.instance_id.as_str()
        }))
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        let mut inner = self.begin();
        inner.read(VM_READ, &[instance.as_str()])?;
        let now = inner.clock;
        Ok(inner.state.virtual_machine(instance, now).map(seen))
    }

    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError> {
        let mut inner = self.begin();
        inner.read(LOCK_READ, &[instance.as_str()])?;
        let state = &inner.state;
        Ok(InstanceProtection {
            termination_protected: state.lock_on(instance.as_str(), true).is_some(),
            stop_protected: state.lock_on(instance.as_str(), false).is_some(),
            member_of: None,
        })
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.begin().change(VM_STOP, instance.as_str(), |state, now| {
            let found = state.virtual_machine_mut(instance, now);
            found.ok_or_else(|| not_found(VM_STOP, instance.as_str()))?.stopped = true;
            Ok(())
        })
    }

    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError> {
        // Azure responds to the deletion of what does not exist with success.
        self.begin().change(VM_DELETE, instance.as_str(), |state, now| {
            if let Some(found) = state.virtual_machine_mut(instance, now) {
                found.removed_at = Some(now);
            }
            Ok(())
        })
    }
}

impl AzureState {
    pub(super) fn virtual_machine(
        &self,
        instance: &InstanceId,
        now: Timestamp,
    ) -> Option<&FleetHolder> {
        let mut all = self.holders.iter().map(|one| &one.holder);
        all.find(|one| is_vm(one, now) && folded(&one.id) == instance.as_str())
    }

    pub(super) fn virtual_machine_mut(
        &mut self,
        instance: &InstanceId,
        now: Timestamp,
    ) -> Option<&mut FleetHolder> {
        let mut all = self.holders.iter_mut().map(|one| &mut one.holder);
        all.find(|one| is_vm(one, now) && folded(&one.id) == instance.as_str())
    }
}

fn is_vm(holder: &FleetHolder, now: Timestamp) -> bool {
    holder.kind == HolderKind::VirtualMachine
        && holder.added_at <= now
        && holder.removed_at.is_none_or(|at| at > now)
}

/// Azure does not report when a virtual machine was started.
fn seen(holder: &FleetHolder) -> Instance {
    Instance {
        instance_id: holder.id.parse().expect("the ID of a virtual machine"),
        state: match (holder.provisioning, holder.stopped) {
            (true, _) => InstanceState::Pending,
            (false, true) => InstanceState::Stopped,
            (false, false) => InstanceState::Running,
        },
        started_at: None,
        tags: shown(&holder.tags),
        volumes: Box::default(),
        member_of: None,
    }
}
