"""Instances: listing, running, stopping and terminating them, and their protections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calls import AwsError, Call, answers
from images import no_such_image
from listing import (
    Paging,
    Values,
    filtered,
    has_wildcard,
    not_both,
    page,
    shown,
    tag_set,
)
from world import Instance, Region, new_id

_PAGING = Paging(at_most=1000, default=1000)
_FILTERS: dict[str, Values] = {
    "image-id": lambda instance: [instance.image_id],
    "instance-id": lambda instance: [instance.instance_id],
    "instance-state-name": lambda instance: [instance.state],
    "instance-state-code": lambda instance: [str(STATES[instance.state])],
}
STATES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}


@answers("ec2", "DescribeInstances")
def describe_instances(call: Call) -> dict[str, Any]:
    """All states are listed, including terminated, each in a separate reservation."""
    not_both(call, "InstanceIds", _PAGING)
    if ids := call.params.get("InstanceIds"):
        instances = [_known(call, instance_id) for instance_id in dict.fromkeys(ids)]
    else:
        instances = _candidates(call, shown(call))
    instances = filtered(call, instances, _FILTERS, tagged=True)
    instances, token = page(call, _PAGING, instances, lambda one: one.instance_id)
    reservations = [_reservation(call, [one]) for one in instances]
    return {"Reservations": reservations, "NextToken": token}


def _candidates(call: Call, region: Region) -> list[Instance]:
    """All instances, or those of the images in a filter without wildcards.

    Reading the instances of an image is by far the most frequent request.
    """
    for wanted in call.params.get("Filters", []):
        image_ids = dict.fromkeys(wanted.get("Values", []))
        if wanted.get("Name") == "image-id" and not any(map(has_wildcard, image_ids)):
            return [one for named in image_ids for one in region.instances_of(named)]
    return list(region.instances.values())


@answers("ec2", "RunInstances")
def run_instances(call: Call) -> dict[str, Any]:
    """Start the requested maximum number, from an available image."""
    image_id = call.params.get("ImageId", "")
    image = call.region.images.get(image_id)
    if image is None or image.state_now() == "disabled":
        raise no_such_image(image_id)
    tags = {
        tag["Key"]: tag.get("Value", "")
        for specification in call.params.get("TagSpecifications", [])
        if specification.get("ResourceType") == "instance"
        for tag in specification.get("Tags", [])
    }
    started = [
        Instance(new_id("i"), image_id, "running", dict(tags))
        for _ in range(call.params.get("MaxCount", 1))
    ]
    for one in started:
        call.region.put_instance(one)
    return _reservation(call, started)


@answers("ec2", "StartInstances")
def start_instances(call: Call) -> dict[str, Any]:
    """The instance is running immediately."""
    return {"StartingInstances": _change(call, "running")}


@answers("ec2", "StopInstances")
def stop_instances(call: Call) -> dict[str, Any]:
    """The instance is stopped immediately, unless stop protection is enabled."""
    _unless_protected(call, "disableApiStop", lambda one: one.stop_protected)
    return {"StoppingInstances": _change(call, "stopped")}


@answers("ec2", "TerminateInstances")
def terminate_instances(call: Call) -> dict[str, Any]:
    """The instance is terminated immediately and still listed, unless termination protection is
    enabled."""
    _unless_protected(call, "disableApiTermination", lambda one: one.protected)
    return {"TerminatingInstances": _change(call, "terminated")}


@answers("ec2", "DescribeInstanceAttribute")
def describe_instance_attribute(call: Call) -> dict[str, Any]:
    """The two attributes that protect an instance. Others are not modeled."""
    instance = _known(call, call.params.get("InstanceId", ""))
    values = {
        "disableApiTermination": ("DisableApiTermination", instance.protected),
        "disableApiStop": ("DisableApiStop", instance.stop_protected),
    }
    attribute = call.params.get("Attribute", "")
    if attribute not in values:
        text = f"The stand-in does not know the attribute {attribute}"
        raise AwsError("InvalidParameterValue", text)
    name, value = values[attribute]
    return {"InstanceId": instance.instance_id, name: {"Value": value}}


@answers("autoscaling", "DescribeAutoScalingInstances")
def describe_auto_scaling_instances(call: Call) -> dict[str, Any]:
    """The instances of an Auto Scaling group, at most 50."""
    wanted = call.params.get("InstanceIds")
    members = [
        {
            "InstanceId": one.instance_id,
            "AutoScalingGroupName": one.group,
            "AvailabilityZone": f"{call.region.name}a",
            "LifecycleState": "InService",
            "HealthStatus": "HEALTHY",
            "ProtectedFromScaleIn": False,
        }
        for one in call.region.instances.values()
        if one.group is not None and (not wanted or one.instance_id in wanted)
    ]
    return {"AutoScalingInstances": members[:50]}


def _unless_protected(
    call: Call, attribute: str, protected: Callable[[Instance], bool]
) -> None:
    """EC2 rejects the whole call if one of its instances is protected."""
    for instance_id in call.params.get("InstanceIds", []):
        if protected(_known(call, instance_id)):
            text = (
                f"The instance '{instance_id}' may not be changed so. Modify its "
                f"'{attribute}' instance attribute and try again."
            )
            raise AwsError("OperationNotPermitted", text)


def _change(call: Call, state: str) -> list[dict[str, Any]]:
    instances = [_known(call, one) for one in call.params.get("InstanceIds", [])]
    changes = []
    for instance in instances:
        if instance.state == "terminated" and state != "terminated":
            text = f"The instance '{instance.instance_id}' is terminated"
            raise AwsError("IncorrectInstanceState", text)
        changes.append(
            {
                "InstanceId": instance.instance_id,
                "PreviousState": _state(instance.state),
                "CurrentState": _state(state),
            }
        )
    for instance in instances:
        instance.state = state
    return changes


def _known(call: Call, instance_id: str) -> Instance:
    if instance_id not in call.region.instances:
        text = f"The instance ID '{instance_id}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", text)
    return call.region.instances[instance_id]


def _state(name: str) -> dict[str, Any]:
    return {"Code": STATES[name], "Name": name}


def _reservation(call: Call, instances: list[Instance]) -> dict[str, Any]:
    return {
        "ReservationId": f"r-{instances[0].instance_id.removeprefix('i-')}",
        "OwnerId": call.world.account,
        "Instances": [_described(call, one) for one in instances],
    }


def _described(call: Call, instance: Instance) -> dict[str, Any]:
    image = call.region.images.get(instance.image_id)
    group = {"aws:autoscaling:groupName": instance.group} if instance.group else {}
    volumes = [(one, True) for one in instance.volumes]
    volumes += [(one, False) for one in instance.kept_volumes]
    spot = {
        "InstanceLifecycle": "spot",
        "SpotInstanceRequestId": instance.spot_request,
    }
    return (spot if instance.spot_request else {}) | {
        "InstanceId": instance.instance_id,
        "ImageId": instance.image_id,
        "State": _state(instance.state),
        "InstanceType": "t3.micro",
        "LaunchTime": instance.launched_at,
        "Architecture": image.architecture if image is not None else "x86_64",
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [
            {
                "DeviceName": f"/dev/sd{chr(ord('a') + at)}",
                "Ebs": {
                    "VolumeId": volume,
                    "DeleteOnTermination": ends,
                    "Status": "attached",
                },
            }
            for at, (volume, ends) in enumerate(volumes)
        ],
        "Tags": tag_set(instance.tags | group),
    }
