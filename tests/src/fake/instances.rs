//! Machines that asked to be retired, and the bus that is told of it.

use std::sync::Arc;

use steward::cloud::{CloudError, EventBus, Instances, Message};
use steward::model::{InstanceProtection, Instance, InstanceState, InstanceId};

use super::faults::{error, in_hash_order};
use super::{Call, Fake, FakeAccount};
use crate::fleet::FleetInstance;

impl Instances for Fake {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let mut inner = self.begin(Call::ListMachinesTagged(key.to_owned()));
        let (state, faults) = inner.listing();
        faults.check("ec2:DescribeInstances", &[])?;
        let tagged = state.instances.values().filter(|one| one.seen_tags().has(key));
        let instances = tagged.filter(|one| one.state != "terminated").map(seen);
        Ok(in_hash_order(instances.collect(), |one| one.instance_id.as_str()))
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        let mut inner = self.begin(Call::FindMachine(instance.clone()));
        inner.faults.check("ec2:DescribeInstances", &[instance.as_str()])?;
        Ok(inner.state.instances.get(instance).map(seen))
    }

    async fn find_instance_protection(&self, instance: &InstanceId) -> Result<InstanceProtection, CloudError> {
        let mut inner = self.begin(Call::FindGuards(instance.clone()));
        let (about, attribute) = ([instance.as_str()], "ec2:DescribeInstanceAttribute");
        inner.faults.check(attribute, &about)?;
        let found = inner.instance(attribute, instance)?;
        let protection = InstanceProtection {
            termination_protected: found.protected,
            stop_protected: found.stop_protected,
            member_of: found.group.as_deref().map(group),
        };
        inner.faults.check("autoscaling:DescribeAutoScalingInstances", &about)?;
        Ok(protection)
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.changing(Call::Stop(instance.clone()), |inner| {
            inner.end("ec2:StopInstances", instance, "stopped", |one| one.stop_protected)
        })
    }

    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError> {
        self.changing(Call::Terminate(instance.clone()), |inner| {
            inner.end("ec2:TerminateInstances", instance, "terminated", |one| one.protected)
        })
    }
}

impl FakeAccount {
    fn instance(
        &mut self,
        action: &'static str,
        instance: &InstanceId,
    ) -> Result<&mut FleetInstance, CloudError> {
        self.state.instances.get_mut(instance).ok_or_else(|| {
            let message = format!("The instance ID '{instance}' does not exist");
            error::of(action, "InvalidInstanceID.NotFound", &message)
        })
    }

    fn end(
        &mut self,
        action: &'static str,
        instance: &InstanceId,
        state: &str,
        protected: fn(&FleetInstance) -> bool,
    ) -> Result<(), CloudError> {
        self.faults.check(action, &[instance.as_str()])?;
        let found = self.instance(action, instance)?;
        if protected(found) {
            let message = format!("The instance '{instance}' is protected");
            return Err(error::of(action, "OperationNotPermitted", &message));
        }
        if found.state == "terminated" && state != "terminated" {
            let message = format!("The instance '{instance}' is terminated");
            return Err(error::of(action, "IncorrectInstanceState", &message));
        }
        found.state = state.to_owned();
        self.faults.changed(action)
    }
}

fn seen(one: &FleetInstance) -> Instance {
    Instance {
        instance_id: one.instance_id.clone(),
        state: InstanceState::from(one.state.as_str()),
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
