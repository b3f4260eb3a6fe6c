//! Machines that asked to be retired, and the bus that is told of it.

use std::sync::Arc;

use steward::cloud::{CloudError, EventBus, Guards, Machine, MachineState, Machines, Message};
use steward::ids::InstanceId;

use super::faults::{error, in_hash_order};
use super::{Call, Fake, Inner};
use crate::fleet::FleetInstance;

impl Machines for Fake {
    async fn list_machines_tagged(&self, key: &str) -> Result<Vec<Machine>, CloudError> {
        let mut inner = self.begin(Call::ListMachinesTagged(key.to_owned()));
        let (state, faults) = inner.listing();
        faults.check("ec2:DescribeInstances", &[])?;
        let tagged = state.instances.values().filter(|one| one.seen_tags().has(key));
        let machines = tagged.filter(|one| one.state != "terminated").map(seen);
        Ok(in_hash_order(machines.collect(), |one| one.instance_id.as_str()))
    }

    async fn find_machine(&self, machine: &InstanceId) -> Result<Option<Machine>, CloudError> {
        let mut inner = self.begin(Call::FindMachine(machine.clone()));
        inner.faults.check("ec2:DescribeInstances", &[machine.as_str()])?;
        Ok(inner.state.instances.get(machine).map(seen))
    }

    async fn find_guards(&self, machine: &InstanceId) -> Result<Guards, CloudError> {
        let mut inner = self.begin(Call::FindGuards(machine.clone()));
        let (about, attribute) = ([machine.as_str()], "ec2:DescribeInstanceAttribute");
        inner.faults.check(attribute, &about)?;
        let found = inner.machine(attribute, machine)?;
        let guards = Guards {
            termination_protected: found.protected,
            stop_protected: found.stop_protected,
            member_of: found.group.as_deref().map(group),
        };
        inner.faults.check("autoscaling:DescribeAutoScalingInstances", &about)?;
        Ok(guards)
    }

    async fn stop(&self, machine: &InstanceId) -> Result<(), CloudError> {
        self.changing(Call::Stop(machine.clone()), |inner| {
            inner.end("ec2:StopInstances", machine, "stopped", |one| one.stop_protected)
        })
    }

    async fn terminate(&self, machine: &InstanceId) -> Result<(), CloudError> {
        self.changing(Call::Terminate(machine.clone()), |inner| {
            inner.end("ec2:TerminateInstances", machine, "terminated", |one| one.protected)
        })
    }
}

impl Inner {
    fn machine(
        &mut self,
        action: &'static str,
        machine: &InstanceId,
    ) -> Result<&mut FleetInstance, CloudError> {
        self.state.instances.get_mut(machine).ok_or_else(|| {
            let message = format!("The instance ID '{machine}' does not exist");
            error::of(action, "InvalidInstanceID.NotFound", &message)
        })
    }

    fn end(
        &mut self,
        action: &'static str,
        machine: &InstanceId,
        state: &str,
        protected: fn(&FleetInstance) -> bool,
    ) -> Result<(), CloudError> {
        self.faults.check(action, &[machine.as_str()])?;
        let found = self.machine(action, machine)?;
        if protected(found) {
            let message = format!("The instance '{machine}' is protected");
            return Err(error::of(action, "OperationNotPermitted", &message));
        }
        if found.state == "terminated" && state != "terminated" {
            let message = format!("The instance '{machine}' is terminated");
            return Err(error::of(action, "IncorrectInstanceState", &message));
        }
        found.state = state.to_owned();
        self.faults.changed(action)
    }
}

fn seen(one: &FleetInstance) -> Machine {
    Machine {
        instance_id: one.instance_id.clone(),
        state: MachineState::from(one.state.as_str()),
        started_at: Some(one.launched_at),
        tags: one.seen_tags(),
        volumes: one.volumes.iter().map(|id| id.as_str().into()).collect(),
        member_of: match (&one.group, &one.spot_request) {
            (Some(name), _) => Some(group(name)),
            (None, Some(id)) => Some(format!("the Spot request {id}").into()),
            (None, None) => None,
        },
    }
}

fn group(name: &str) -> Arc<str> {
    format!("the Auto Scaling group {name}").into()
}

impl EventBus for Fake {
    async fn put(
        &self,
        bus: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        const ACTION: &str = "events:PutEvents";
        self.changing(Call::Put(bus.to_owned(), messages.to_vec()), |inner| {
            inner.faults.check(ACTION, &[bus])?;
            if messages.is_empty() || messages.len() > Self::BATCH {
                let message = format!("{} entries: there may be 1 to 10", messages.len());
                return Err(error::of(ACTION, "ValidationException", &message));
            }
            let rejected = &mut inner.faults.switches.reject_events;
            let mut results = Vec::with_capacity(messages.len());
            for message in messages {
                results.push(if *rejected > 0 {
                    *rejected -= 1;
                    Err(error::of(ACTION, "InternalFailure", "rejected by a switch"))
                } else {
                    inner.messages.push(message.clone());
                    Ok(())
                });
            }
            inner.faults.changed(ACTION)?;
            Ok(results)
        })
    }

    async fn rest(&self, _: u32) {}
}
