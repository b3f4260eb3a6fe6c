"""Creating images and snapshots: RegisterImage, CreateImage, CopyImage, CreateSnapshot."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

import moto_side
from calls import AwsError, Call, answers
from images import no_such_image
from snapshots import described
from world import NO_VOLUME, Image, Snapshot, new_id, now

_TOLD_OF_A_NEW_SNAPSHOT = (
    "SnapshotId",
    "VolumeId",
    "State",
    "StartTime",
    "Progress",
    "OwnerId",
    "VolumeSize",
    "Description",
    "Encrypted",
    "Tags",
)


@answers("ec2", "RegisterImage")
def register_image(call: Call) -> dict[str, Any]:
    """An image with exactly the given devices, and no additional snapshots."""
    devices = deepcopy(call.params.get("BlockDeviceMappings", []))
    for device in devices:
        if snapshot_id := device.get("Ebs", {}).get("SnapshotId"):
            snapshot = call.region.snapshots.get(snapshot_id)
            if snapshot is None:
                text = f"The snapshot '{snapshot_id}' does not exist."
                raise AwsError("InvalidSnapshot.NotFound", text)
            device["Ebs"].setdefault("VolumeSize", snapshot.size_gib)
            device["Ebs"].setdefault("DeleteOnTermination", True)
    image = _new_image(call, devices)
    image.architecture = call.params.get("Architecture", "i386")
    image.root_device = call.params.get("RootDeviceName", image.root_device)
    call.region.put_image(image)
    return {"ImageId": image.image_id}


@answers("ec2", "CreateImage")
def create_image(call: Call) -> dict[str, Any]:
    """An image of an instance, with as many snapshots as the instance's own image."""
    instance_id = call.params.get("InstanceId", "")
    instance = call.region.instances.get(instance_id)
    if instance is None or instance.state == "terminated":
        text = f"The instance ID '{instance_id}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", text)
    base = call.region.images.get(instance.image_id)
    base = base or call.region.deregistered.get(instance.image_id)
    image = _new_image(call, [])
    if base is not None:
        image.architecture, image.platform = base.architecture, base.platform
    text = created_for(image.image_id, instance_id)
    sizes = _sizes(call, base)
    image.devices = [_new_device(call, at, size, text) for at, size in enumerate(sizes)]
    image.root_device = image.devices[0]["DeviceName"]
    image.source_instance = instance_id
    image.ready_at = time.monotonic() + call.switches.pending_seconds
    call.region.put_image(image)
    return {"ImageId": image.image_id}


@answers("ec2", "CopyImage")
def copy_image(call: Call) -> dict[str, Any]:
    """An image with copies of the snapshots, possibly from another Region."""
    source_region = call.world.region(call.params.get("SourceRegion", ""))
    source_id = call.params.get("SourceImageId", "")
    source = source_region.images.get(source_id)
    if source is None:
        raise no_such_image(source_id)
    image = _new_image(call, deepcopy(source.devices))
    for device in image.devices:
        if old := device.get("Ebs", {}).get("SnapshotId"):
            text = (
                f"Copied for DestinationAmi {image.image_id} from SourceAmi {source_id}"
                f" for SourceSnapshot {old}. Task created on {int(time.time())}."
            )
            size = device["Ebs"].get("VolumeSize", 8)
            device["Ebs"]["SnapshotId"] = _new_snapshot(call, size, text)
    if call.params.get("CopyImageTags"):
        user_tags = {k: v for k, v in source.tags.items() if not k.startswith("aws:")}
        image.tags = user_tags | image.tags
    image.architecture, image.platform = source.architecture, source.platform
    image.root_device = source.root_device
    image.source_image, image.source_region = source_id, source_region.name
    image.ready_at = time.monotonic() + call.switches.pending_seconds
    call.region.put_image(image)
    return {"ImageId": image.image_id}


@answers("ec2", "CreateSnapshot")
def create_snapshot(call: Call) -> dict[str, Any]:
    """A snapshot of a volume from CreateVolume, complete immediately.

    moto manages the volumes. Volumes of instances in the fleet file do not exist.
    """
    volume = call.params.get("VolumeId", "")
    size = moto_side.volume_size(call.world.account, call.region.name, volume)
    if size is None:
        text = f"The volume '{volume}' does not exist."
        raise AwsError("InvalidVolume.NotFound", text)
    description = call.params.get("Description", "")
    made = _new_snapshot(call, size, description, volume)
    told = described(call.region.snapshots[made])
    return {name: told[name] for name in told if name in _TOLD_OF_A_NEW_SNAPSHOT}


def _new_image(call: Call, devices: list[dict[str, Any]]) -> Image:
    name = call.params.get("Name", "")
    for other in call.region.images.values():
        if other.name == name and other.owner_id == call.world.account:
            text = f"AMI name {name} is already in use by AMI {other.image_id}"
            raise AwsError("InvalidAMIName.Duplicate", text)
    return Image(
        image_id=new_id("ami"),
        name=name,
        owner_id=call.world.account,
        created_at=now(),
        devices=devices,
        description=call.params.get("Description", ""),
        tags=_tags_for(call, "image"),
        root_device=devices[0].get("DeviceName") if devices else None,
    )


def created_for(image_id: str, instance_id: str = "i-00000000000000000") -> str:
    """EC2's description of the snapshots that CreateImage creates."""
    return f"Created by CreateImage({instance_id}) for {image_id}"


def _sizes(call: Call, base: Image | None) -> list[int]:
    """The volume sizes of an instance, which are those of its image."""
    devices = base.devices if base is not None else []
    found = [
        device["Ebs"].get("VolumeSize", 8) for device in devices if "Ebs" in device
    ]
    return found or [8]


def _new_device(call: Call, index: int, size: int, description: str) -> dict[str, Any]:
    return {
        "DeviceName": device_name(index),
        "Ebs": {
            "SnapshotId": _new_snapshot(call, size, description, new_id("vol")),
            "VolumeSize": size,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
            "Encrypted": False,
        },
    }


def _new_snapshot(
    call: Call, size: int, description: str, volume: str = NO_VOLUME
) -> str:
    snapshot = Snapshot(
        snapshot_id=new_id("snap"),
        owner_id=call.world.account,
        started_at=now(),
        size_gib=size,
        tags=_tags_for(call, "snapshot"),
        description=description,
        volume_id=volume,
    )
    call.region.put_snapshot(snapshot)
    return snapshot.snapshot_id


def _tags_for(call: Call, kind: str) -> dict[str, str]:
    return {
        tag["Key"]: tag.get("Value", "")
        for specification in call.params.get("TagSpecifications", [])
        if specification.get("ResourceType") == kind
        for tag in specification.get("Tags", [])
    }


def device_name(index: int) -> str:
    """The n-th device: the root device, then /dev/sdb and so on."""
    if index == 0:
        return "/dev/xvda"
    letters = "bcdefghijklmnopqrstuvwxyz"
    rounds, letter = divmod(index - 1, len(letters))
    return f"/dev/sd{letters[letter]}{rounds or ''}"
