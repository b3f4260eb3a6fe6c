//! Instances that are tagged to be retired: listing them, reading their protections, and stopping or
//! terminating them.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    EbsInstanceBlockDevice, Filter, Instance as Ec2Instance, InstanceAttributeName,
    InstanceStateName,
};
use steward::cloud::{CloudError, Instances};
use steward::model::{Instance, InstanceId, InstanceProtection, InstanceState, Tags};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;
use super::tags::{literally, tags_of};
use super::time::timestamp;

#[async_trait]
impl Instances for Aws {
    async fn list_instances_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let filter = Filter::builder().name("tag-key").values(literally(key)).build();
        let mut found = Vec::new();
        self.each_instance(Some(filter), |instance| {
            let instance = instance_of(instance)?;
            if instance.state != InstanceState::Terminated && instance.tags.has(key) {
                found.push(instance);
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn find_instance(&self, instance: &InstanceId) -> Result<Option<Instance>, CloudError> {
        self.instance(instance).await?.map(instance_of).transpose()
    }

    /// An attribute that is missing in the response counts as protection.
    async fn find_instance_protection(
        &self,
        instance: &InstanceId,
    ) -> Result<InstanceProtection, CloudError> {
        let attribute = async |name: InstanceAttributeName| {
            let request = self
                .clients
                .ec2
                .describe_instance_attribute()
                .instance_id(instance.as_str())
                .attribute(name);
            self.send(ApiCall::DescribeInstanceAttribute, request.send()).await
        };
        let end = attribute(InstanceAttributeName::DisableApiTermination).await?;
        let stop = attribute(InstanceAttributeName::DisableApiStop).await?;
        let request = self
            .clients
            .autoscaling
            .describe_auto_scaling_instances()
            .instance_ids(instance.as_str());
        let members = self.send(ApiCall::DescribeAutoScalingInstances, request.send()).await?;
        let members =
            self.listed(ApiCall::DescribeAutoScalingInstances, members.auto_scaling_instances)?;
        let member = members.into_iter().next();
        Ok(InstanceProtection {
            termination_protected: end
                .disable_api_termination
                .and_then(|value| value.value)
                .unwrap_or(true),
            stop_protected: stop.disable_api_stop.and_then(|value| value.value).unwrap_or(true),
            member_of: member
                .map(|member| group(&member.auto_scaling_group_name.unwrap_or_default())),
        })
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let request = self.clients.ec2.stop_instances().instance_ids(instance.as_str());
        self.send(ApiCall::StopInstances, request.send()).await.map(|_| ())
    }

    async fn terminate(&self, instance: &InstanceId) -> Result<(), CloudError> {
        let request = self.clients.ec2.terminate_instances().instance_ids(instance.as_str());
        self.send(ApiCall::TerminateInstances, request.send()).await.map(|_| ())
    }
}

fn instance_of(instance: Ec2Instance) -> Result<Instance, CloudError> {
    let state = instance.state().and_then(|state| state.name()).map(InstanceStateName::as_str);
    let state = InstanceState::from_name(state.unwrap_or_default());
    let id = instance.instance_id.unwrap_or_default();
    let instance_id = id.parse().map_err(|cause| {
        bad_response(ApiCall::DescribeInstances, format!("invalid instance ID: {cause}"))
    })?;
    let tags = tags_of(ApiCall::DescribeInstances, instance.tags)?;
    let member_of = member_of(&tags, instance.spot_instance_request_id.as_deref());
    // All volumes that are deleted with the instance must be known.
    let volumes = instance.block_device_mappings.map(|mappings| {
        let has_id =
            |volume: &EbsInstanceBlockDevice| volume.volume_id().is_some_and(|id| !id.is_empty());
        let volumes = mappings.into_iter().map(|mapping| mapping.ebs.filter(has_id));
        volumes.collect::<Option<Vec<_>>>()
    });
    let volumes = volumes.flatten().ok_or_else(|| {
        let message = format!("the response lacks volumes of instance {instance_id}");
        bad_response(ApiCall::DescribeInstances, message)
    })?;
    // A volume counts as deleted with the instance unless EC2 reports that it is kept.
    let doomed = volumes.into_iter().filter(|volume| volume.delete_on_termination != Some(false));
    Ok(Instance {
        instance_id,
        state,
        started_at: instance.launch_time.and_then(timestamp),
        tags,
        member_of,
        volumes: doomed.map(|volume| volume.volume_id.unwrap_or_default().into()).collect(),
    })
}

/// The resource that may launch another instance in place of this one. A Spot request may be
/// persistent. The instance of a one-time request can be terminated, but not stopped.
fn member_of(tags: &Tags, spot_request: Option<&str>) -> Option<Arc<str>> {
    if let Some(name) = tags.get("aws:autoscaling:groupName") {
        return Some(group(name));
    }
    let fleet = tags.get("aws:ec2:fleet-id").map(|id| ("fleet", id));
    let spot_fleet = || tags.get("aws:ec2spot:fleet-request-id").map(|id| ("Spot Fleet", id));
    let request = || spot_request.filter(|id| !id.is_empty()).map(|id| ("Spot request", id));
    let (kind, id) = fleet.or_else(spot_fleet).or_else(request)?;
    Some(format!("the {kind} {id}").into())
}

fn group(name: &str) -> Arc<str> {
    format!("the Auto Scaling group {name}").into()
}
