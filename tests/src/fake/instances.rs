//! Reading, stopping and terminating instances.

use std::sync::Arc;

use async_trait::async_trait;
use steward::cloud::{CloudError, Instances};
use steward::model::{Instance, InstanceId, InstanceProtection, InstanceState};

use super::faults::{error, in_hash_order};
use super::{Call, Fake, FakeAccount};
use crate::fleet::FleetInstance;

#[async_trait]
impl Instances for Fake {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let mut inner = self.begin(Call::ListInstancesTagged(key.to_owned()));
        let (state, faults) = inner.listing();
        faults.check("ec2:DescribeInstances", &[])?;
        let tagged = state.instances.values().filter(|one| one.seen_tags().has(key));
        let instances = tagged.filter(|one| one.state != "terminated").map(seen);
        Ok(in_hash_order(instances.collect(), |one| one.instance_id.as_str()))
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        let mut inner = self.begin(Call::FindInstance(instance.clone()));
        inner.faults.check("ec2:DescribeInstances", &[instance.as_str()])?;
        Ok(inner.state.instances.get(instance).map(seen))
    }

    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError> {
        let mut inner = self.begin(Call::FindInstanceProtection(instance.clone()));
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
        state: InstanceState::from_name(&one.state),
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
