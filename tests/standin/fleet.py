"""The fleet file: reading and writing the content of an account as JSON.

README.md documents the format. The output is always complete and sorted by id, so that tests can
compare two outputs.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import moto_side
from fleet_fields import IMAGE, INSTANCE, RULES_UNLESS_SAID, SECTIONS, SNAPSHOT, Checked
from making import created_for, device_name
from world import (
    DEFAULT_ACCOUNT,
    DEFAULT_REGION,
    DEFAULT_SIZE_GIB,
    ENTRY_SECTIONS,
    Image,
    Instance,
    Recycled,
    Region,
    Snapshot,
    World,
)


def new_world(fleet: Checked, account: str = DEFAULT_ACCOUNT) -> World:
    """An account with only this content, including moto's part."""
    moto_side.reset()
    world = World(fleet["account"] or account, fleet["region"] or DEFAULT_REGION)
    if fleet["retention_rules"] is None:
        fleet = fleet | {"retention_rules": deepcopy(RULES_UNLESS_SAID)}
    add(world, fleet)
    return world


def add(world: World, fleet: Checked) -> None:
    """Add the fleet's entries to the account, replacing those with the same id."""
    region = world.region(fleet["region"] or world.home)
    for one in fleet["snapshots"]:
        region.put_snapshot(_snapshot(world, one))
    for one in fleet["recycled_snapshots"]:
        held = _snapshot(world, one["snapshot"])
        region.recycle_snapshot(Recycled(held, one["entered_at"], one["leaves_at"]))
    listed = set(region.snapshots)
    for one in fleet["images"]:
        _make_snapshots(world, region, one, listed)
        region.put_image(_image(world, region, one))
    for one in fleet["recycled_images"]:
        held = _image(world, region, one["image"])
        region.recycle_image(Recycled(held, one["entered_at"], one["leaves_at"]))
    for one in fleet["instances"]:
        region.put_instance(Instance(**one))
    for one in fleet["launch_templates"]:
        one["name"] = one["name"] or one["launch_template_id"]
        one["versions"].sort(key=lambda version: -version["version"])
        region.put_launch_template(one)
    for name in ENTRY_SECTIONS:
        entries = {_key(name, one): one for one in fleet[name] or []}
        getattr(region, name).update(entries)
    for one in fleet["ssm_parameters"]:
        moto_side.put_parameter(world.account, region.name, one)


def _key(section: str, entry: Checked) -> Any:
    """The key of an entry in the account: its name, if that is its whole id."""
    identity = SECTIONS[section].id_of(entry)
    return identity[0] if len(identity) == 1 else identity


def _snapshot(world: World, one: Checked) -> Snapshot:
    return Snapshot(**one | {"owner_id": one["owner_id"] or world.account})


def _make_snapshots(
    world: World, region: Region, one: Checked, listed: set[str]
) -> None:
    """Snapshots that an own image uses but that are not listed are created.

    A snapshot that several images use was created for the oldest of them.
    """
    if (one["owner_id"] or world.account) != world.account:
        return
    for snapshot_id in one["snapshots"]:
        if snapshot_id in listed or region.recycled_snapshots.get(snapshot_id):
            continue
        found = region.snapshots.get(snapshot_id)
        if found is None or one["created_at"] < found.started_at:
            region.put_snapshot(
                Snapshot(
                    snapshot_id,
                    world.account,
                    one["created_at"],
                    description=created_for(one["image_id"]),
                    volume_id=snapshot_id.replace("snap-", "vol-", 1),
                )
            )


def _image(world: World, region: Region, one: Checked) -> Image:
    one = dict(one)
    one["name"] = one["name"] or one["image_id"]
    one["owner_id"] = one["owner_id"] or world.account
    snapshots = one.pop("snapshots")
    sizes = [
        region.snapshots[snapshot_id].size_gib
        if snapshot_id in region.snapshots
        else DEFAULT_SIZE_GIB
        for snapshot_id in snapshots
    ]
    devices = [
        {
            "DeviceName": device_name(index),
            "Ebs": {
                "SnapshotId": snapshot_id,
                "VolumeSize": size,
                "VolumeType": "gp3",
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        }
        for index, (snapshot_id, size) in enumerate(zip(snapshots, sizes, strict=True))
    ]
    devices += [
        {"DeviceName": device_name(max(len(snapshots), 1) + index), "VirtualName": name}
        for index, name in enumerate(one.pop("ephemeral"))
    ]
    devices += [{"DeviceName": name, "NoDevice": ""} for name in one.pop("no_device")]
    root = devices[0]["DeviceName"] if snapshots else None
    return Image(**one, devices=devices, root_device=root)


def written(world: World, region: Region) -> Checked:
    """The current content of a Region in the fleet format."""
    return {
        "account": world.account,
        "region": region.name,
        "images": [_written_image(one) for one in _sorted(region.images)],
        "snapshots": [_written(one, SNAPSHOT) for one in _sorted(region.snapshots)],
        "instances": [_written(one, INSTANCE) for one in _sorted(region.instances)],
        "launch_templates": _sorted(region.launch_templates),
        **{name: _sorted(getattr(region, name)) for name in ENTRY_SECTIONS},
        "ssm_parameters": moto_side.parameters(world.account, region.name),
        "recycled_images": [
            {"image": _written_image(one.resource)} | _written_times(one)
            for one in _sorted(region.recycled_images.present())
        ],
        "recycled_snapshots": [
            {"snapshot": _written(one.resource, SNAPSHOT)} | _written_times(one)
            for one in _sorted(region.recycled_snapshots.present())
        ],
    }


def _sorted(held: dict[Any, Any]) -> list[Any]:
    return [one for _, one in sorted(held.items(), key=lambda item: item[0])]


def _written(one: Snapshot | Instance, fields: Checked) -> Checked:
    return {key: getattr(one, key) for key in fields}


def _written_times(one: Recycled) -> Checked:
    return {"entered_at": one.entered_at, "leaves_at": one.leaves_at}


def _written_image(image: Image) -> Checked:
    devices = image.devices
    from_devices = {
        "snapshots": image.snapshot_ids(),
        "ephemeral": [one["VirtualName"] for one in devices if "VirtualName" in one],
        "no_device": [one["DeviceName"] for one in devices if "NoDevice" in one],
        "state": image.state_now(),
    }
    return {
        key: from_devices[key] if key in from_devices else getattr(image, key)
        for key in IMAGE
    }
