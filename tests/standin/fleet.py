"""The fleet file: the content of an account as JSON, read and written back.

The format is documented in README.md.  What is written back is always complete
and sorted by id, so that tests can compare two of them.
"""

from __future__ import annotations

from typing import Any

import checking as check
import moto_side
from checking import BadFleet, Field
from instances import STATES
from making import device_name
from world import (
    DEFAULT_ACCOUNT,
    DEFAULT_REGION,
    DEFAULT_SIZE_GIB,
    Image,
    Instance,
    Region,
    Snapshot,
    World,
)

_LONG_AGO = "2026-01-01T00:00:00Z"
_AMI = check.an_id("ami")
_ACCOUNT = check.matching("[0-9]{12}", "an account of 12 digits")
_VERSION = check.matching(r"\$Latest|\$Default|[1-9][0-9]*", "a template version")
_IMAGE_OR_ALIAS = check.matching(
    "ami-[0-9a-f]{8}([0-9a-f]{9})?|resolve:ssm:.+", "an image id or resolve:ssm:NAME"
)
_IMAGE_STATES = "available|pending|invalid|deregistered|transient|failed|error|disabled"

_TOP = {
    "account": Field(_ACCOUNT, None),
    "region": Field(check.matching("[a-z]{2}(-[a-z]+)+-[0-9]", "a Region"), None),
}
_IMAGE = {
    "image_id": Field(_AMI),
    "name": Field(check.optional(check.text), None),
    "owner_id": Field(check.optional(_ACCOUNT), None),
    "created_at": Field(check.time, _LONG_AGO),
    "state": Field(check.matching(_IMAGE_STATES, "an image state"), "available"),
    "architecture": Field(check.text, "x86_64"),
    "platform": Field(check.optional(check.text), None),
    "description": Field(check.text, ""),
    "tags": Field(check.tags, {}),
    "snapshots": Field(check.list_of(check.an_id("snap")), []),
    "ephemeral": Field(check.list_of(check.text), []),
    "no_device": Field(check.list_of(check.text), []),
    "last_launched_at": Field(check.optional(check.time), None),
    "deprecation_time": Field(check.optional(check.time), None),
    "protected": Field(
        check.matching(
            "disabled|enabled-with(out)?-cooldown"
            r"|disabled after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
            "a deregistration protection",
        ),
        "disabled",
    ),
    "public": Field(check.flag, False),
    "launch_permissions": Field(check.list_of(_ACCOUNT), []),
    "source_instance": Field(check.optional(check.an_id("i")), None),
    "source_image": Field(check.optional(_AMI), None),
    "owner_alias": Field(check.optional(check.text), None),
}
_SNAPSHOT = {
    "snapshot_id": Field(check.an_id("snap")),
    "owner_id": Field(check.optional(_ACCOUNT), None),
    "started_at": Field(check.time, _LONG_AGO),
    "size_gib": Field(check.count, DEFAULT_SIZE_GIB),
    "tags": Field(check.tags, {}),
    "description": Field(check.text, ""),
    "state": Field(
        check.matching("pending|completed|error|recoverable|recovering", "a state"),
        "completed",
    ),
}
_INSTANCE = {
    "instance_id": Field(check.an_id("i")),
    "image_id": Field(_AMI),
    "state": Field(check.matching("|".join(STATES), "an instance state"), "running"),
    "tags": Field(check.tags, {}),
}
_TEMPLATE_VERSION = {
    "version": Field(check.count),
    "image_id": Field(check.optional(_IMAGE_OR_ALIAS), None),
}
_TEMPLATE = {
    "launch_template_id": Field(check.an_id("lt")),
    "name": Field(check.optional(check.text), None),
    "default_version": Field(check.count, 1),
    "versions": Field(check.list_of(check.table(_TEMPLATE_VERSION)), []),
}
_CONFIGURATION = {"name": Field(check.text), "image_id": Field(_AMI)}
_SPECIFICATION = check.table(
    {
        "launch_template_id": Field(check.an_id("lt")),
        "version": Field(_VERSION, "$Default"),
    }
)
_OVERRIDE = {
    "instance_type": Field(check.optional(check.text), None),
    "launch_template": Field(check.optional(_SPECIFICATION), None),
    "image_id": Field(check.optional(_IMAGE_OR_ALIAS), None),
}
_MIXED = {
    "launch_template": Field(_SPECIFICATION),
    "overrides": Field(check.list_of(check.table(_OVERRIDE)), []),
}
_GROUP = {
    "name": Field(check.text),
    "launch_template": Field(check.optional(_SPECIFICATION), None),
    "launch_configuration": Field(check.optional(check.text), None),
    "mixed": Field(check.optional(check.table(_MIXED)), None),
}
_PARAMETER = {
    "name": Field(
        check.matching(
            r"(?!/?(?i:aws|ssm))[\w./-]+", "a parameter name outside /aws and /ssm"
        )
    ),
    "value": Field(check.matching("(?s:.+)", "a value of at least one character")),
}

_SECTIONS = {
    "images": ("image_id", _IMAGE),
    "snapshots": ("snapshot_id", _SNAPSHOT),
    "instances": ("instance_id", _INSTANCE),
    "launch_templates": ("launch_template_id", _TEMPLATE),
    "launch_configurations": ("name", _CONFIGURATION),
    "auto_scaling_groups": ("name", _GROUP),
    "ssm_parameters": ("name", _PARAMETER),
}

Checked = dict[str, Any]


def checked(raw: Any) -> Checked:
    """The fleet with every default filled in; raises BadFleet with all errors."""
    if not isinstance(raw, dict):
        raise BadFleet(["the fleet is not a JSON object"])
    errors: list[str] = []
    top = {key: value for key, value in raw.items() if key not in _SECTIONS}
    fleet: Checked = {}
    try:
        fleet = check.entry(top, _TOP, "fleet")
    except BadFleet as error:
        errors += error.errors
    for section, (key, fields) in _SECTIONS.items():
        entries = raw.get(section, [])
        if not isinstance(entries, list):
            errors.append(f"{section}: is not a list")
            continue
        seen: dict[str, Checked] = {}
        for index, one in enumerate(entries):
            name = one.get(key) if isinstance(one, dict) else None
            where = f"{section}[{index}]" + (f" ({name})" if name else "")
            try:
                good = check.entry(one, fields, where)
            except BadFleet as error:
                errors += error.errors
                continue
            if good[key] in seen:
                errors.append(f"{where}: the {key} is there twice")
            seen[good[key]] = good
            if section == "launch_templates":
                errors += [f"{where}: {text}" for text in _template_errors(good)]
        fleet[section] = list(seen.values())
    if errors:
        raise BadFleet(errors)
    return fleet


def _template_errors(template: Checked) -> list[str]:
    numbers = [version["version"] for version in template["versions"]]
    if not numbers:
        return ["there are no versions"]
    errors = []
    if len(set(numbers)) < len(numbers):
        errors.append("a version is there twice")
    if template["default_version"] not in numbers:
        errors.append("default_version is none of the versions")
    return errors


def new_world(fleet: Checked, account: str = DEFAULT_ACCOUNT) -> World:
    """An account with this content and nothing else, moto's part included."""
    moto_side.reset()
    world = World(fleet["account"] or account, fleet["region"] or DEFAULT_REGION)
    add(world, fleet)
    return world


def add(world: World, fleet: Checked) -> None:
    """Put the fleet's entries into the account, over those of the same id."""
    region = world.region(fleet["region"] or world.home)
    for one in fleet["snapshots"]:
        snapshot = Snapshot(**one | {"owner_id": one["owner_id"] or world.account})
        region.snapshots[snapshot.snapshot_id] = snapshot
    listed = set(region.snapshots)
    for one in fleet["images"]:
        region.put_image(_image(world, region, one, listed))
    for one in fleet["instances"]:
        region.instances[one["instance_id"]] = Instance(**one)
    for one in fleet["launch_templates"]:
        one["name"] = one["name"] or one["launch_template_id"]
        one["versions"].sort(key=lambda version: -version["version"])
        region.launch_templates[one["launch_template_id"]] = one
    for one in fleet["launch_configurations"]:
        region.launch_configurations[one["name"]] = one
    for one in fleet["auto_scaling_groups"]:
        region.auto_scaling_groups[one["name"]] = one
    for one in fleet["ssm_parameters"]:
        moto_side.put_parameter(world.account, region.name, one["name"], one["value"])


def _image(world: World, region: Region, one: Checked, listed: set[str]) -> Image:
    """The image; snapshots of its own that nobody listed come into being."""
    one = dict(one)
    one["name"] = one["name"] or one["image_id"]
    one["owner_id"] = one["owner_id"] or world.account
    snapshots = one.pop("snapshots")
    if one["owner_id"] == world.account:
        for snapshot_id in snapshots:
            if snapshot_id not in listed:
                _make_snapshot(region, snapshot_id, one["owner_id"], one["created_at"])
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


def _make_snapshot(region: Region, snapshot_id: str, owner: str, at: str) -> None:
    """A snapshot that several images name is as old as the oldest of them."""
    found = region.snapshots.get(snapshot_id)
    if found is None:
        region.snapshots[snapshot_id] = Snapshot(snapshot_id, owner, at)
    else:
        found.started_at = min(found.started_at, at)


def written(world: World, region: Region) -> Checked:
    """The present content of a Region in the fleet format."""
    return {
        "account": world.account,
        "region": region.name,
        "images": [_written_image(one) for _, one in sorted(region.images.items())],
        "snapshots": [
            {key: getattr(one, key) for key in _SNAPSHOT}
            for _, one in sorted(region.snapshots.items())
        ],
        "instances": [
            {key: getattr(one, key) for key in _INSTANCE}
            for _, one in sorted(region.instances.items())
        ],
        "launch_templates": [one for _, one in sorted(region.launch_templates.items())],
        "launch_configurations": [
            one for _, one in sorted(region.launch_configurations.items())
        ],
        "auto_scaling_groups": [
            one for _, one in sorted(region.auto_scaling_groups.items())
        ],
        "ssm_parameters": moto_side.parameters(world.account, region.name),
    }


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
        for key in _IMAGE
    }
