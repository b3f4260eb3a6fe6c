"""The checks after the demo, which read the account with boto3.

They do not use the reports of image-steward. They are only a demonstration: tests/e2e, tests/scenarios
and the property tests check each rule separately.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

KEEP = "image-steward:keep"
EXPIRED_AT = "image-steward:expired-at"
DELETE_AFTER = "image-steward:delete-after"
POLICY = tomllib.loads(Path(__file__).with_name("policy.toml").read_text())
SHORTEST_WAIT = timedelta(
    days=min(
        int(rule["retire"]["deregister_after"].removesuffix("d"))
        for rule in POLICY["rule"]
    )
)
# The call, the list in its response, and the field with the state.
CAPACITY = (
    ("describe_fleets", "Fleets", "FleetState"),
    (
        "describe_spot_fleet_requests",
        "SpotFleetRequestConfigs",
        "SpotFleetRequestState",
    ),
    ("describe_spot_instance_requests", "SpotInstanceRequests", "State"),
)
ACTIVE = ("submitted", "active", "modifying", "open")
# Types of reference that EC2 reports. It also reports instances, but terminated ones too.
REFERENCES = (
    "ec2:LaunchTemplate",
    "ssm:Parameter",
    "imagebuilder:ImageRecipe",
    "imagebuilder:ContainerRecipe",
)

Resources = dict[str, dict[str, Any]]


@dataclass
class World:
    """The account at one point in time."""

    account_id: str
    images: Resources
    snapshots: Resources
    recycled: set[str]
    in_use: set[str]
    everything_else: dict[str, Any]
    """Instances, launch templates, Auto Scaling groups, rules …, as stored in the local account."""


@dataclass
class Check:
    """A condition, with numbers, and the resources that violate it."""

    what: str
    figures: str
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        line = f"{'FAILED' if self.wrong else 'ok':6}  {self.what}: {self.figures}"
        return line + (f"; failed for: {', '.join(self.wrong)}" if self.wrong else "")


def look(account: Any) -> World:
    """Read the account."""
    ec2 = account.client("ec2")
    images = _all(ec2, "describe_images", "Images", IncludeDisabled=True)
    snapshots = _all(ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"])
    recycled = _all(ec2, "list_images_in_recycle_bin", "Images")
    recycled += _all(ec2, "list_snapshots_in_recycle_bin", "Snapshots")
    fleet = account.fleet()
    read_above = ("images", "snapshots", "recycled_images", "recycled_snapshots")
    return World(
        account_id=fleet["account"],
        images={one["ImageId"]: one for one in images},
        snapshots={one["SnapshotId"]: one for one in snapshots},
        recycled={one.get("ImageId") or one["SnapshotId"] for one in recycled},
        in_use=images_in_use(account, [one["ImageId"] for one in images]),
        everything_else={k: v for k, v in fleet.items() if k not in read_above},
    )


def images_in_use(account: Any, images: list[str]) -> set[str]:
    """All images whose id is in an instance, or in a resource that can launch instances."""
    ec2, scaling = account.client("ec2"), account.client("autoscaling")
    batch = account.client("batch")
    stopped_too = ["pending", "running", "stopping", "stopped"]
    alive = [{"Name": "instance-state-name", "Values": stopped_too}]
    references = [
        *_all(ec2, "describe_instances", "Reservations", Filters=alive),
        *_all(scaling, "describe_auto_scaling_groups", "AutoScalingGroups"),
        *_all(scaling, "describe_launch_configurations", "LaunchConfigurations"),
        *_all(batch, "describe_compute_environments", "computeEnvironments"),
    ]
    for call, items, state in CAPACITY:
        references += [one for one in _all(ec2, call, items) if one[state] in ACTIVE]
    query: dict[str, Any] = {
        "ResourceTypes": [{"ResourceType": kind} for kind in REFERENCES]
    }
    for start in range(0, len(images), 10):
        query["ImageIds"] = images[start : start + 10]
        references += _all(ec2, "describe_image_references", "ImageReferences", **query)
    return set(re.findall(r"ami-[0-9a-f]+", json.dumps(references, default=str)))


def check(before: World, between: World, after: World) -> Iterator[Check]:
    """Compare the account before the first run and after the last one.

    `between` is the account before the last run.
    """
    removed = before.images.keys() - after.images.keys()
    gone = before.snapshots.keys() - after.snapshots.keys()
    used = before.in_use & before.images.keys()
    wrong = {one for one in used if not _can_be_launched(after, one)}
    yield _each("images in use", used, "exist and can be launched", wrong)

    spared = {
        one
        for one, image in before.images.items()
        if KEEP in _tags(image)
        or image["OwnerId"] != before.account_id
        or image.get("DeregistrationProtection", "disabled") != "disabled"
    }
    what = "images that are excluded by tag, protected, or of another account"
    yield _each(what, spared, "exist", spared & removed)

    early = {one for one in removed if not _was_due(before.images[one])}
    yield _each("removed images", removed, "were due", early)

    theirs = {one for image in removed for one in snapshots_of(before, image)}
    needed = {one for image in after.images for one in snapshots_of(after, image)}
    left = theirs - needed - gone
    yield _each("snapshots of removed images", theirs - needed, "are deleted", left)

    what = "snapshots of the remaining images"
    yield _each(what, needed, "exist", needed & gone)

    # A snapshot that one run tags may be deleted only by a later run.
    due = {
        one
        for world in (before, between)
        for one, snapshot in world.snapshots.items()
        if _is_past(_tags(snapshot).get(DELETE_AFTER)) and one not in needed | theirs
    }
    others = gone - theirs - needed
    words = "that were due are deleted, and no others"
    yield _each("snapshots without an image", due, words, due ^ others)

    lost = (removed | gone) - after.recycled
    yield _each("Recycle Bin", removed | gone, "removed resources are in it", lost)

    were, are = before.everything_else, after.everything_else
    changed = sorted(kind for kind in were if were[kind] != are[kind])
    figures = "instances, launch templates, Auto Scaling groups, fleets … are unchanged"
    yield Check("nothing else has changed", figures, changed)


def _each(what: str, checked: set[str], words: str, wrong: set[str]) -> Check:
    good = len(checked - wrong)
    return Check(what, f"{good} of {len(checked)} {words}", sorted(wrong))


def check_restored(after: World, back: World, image: str, kept: str) -> Check:
    """The image and its snapshots are restored and excluded until `kept`; nothing else is restored."""
    needed = snapshots_of(back, image)
    came = back.images.keys() - after.images.keys()
    came |= back.snapshots.keys() - after.snapshots.keys()
    wrong = sorted(came - {image, *needed})
    tags = _tags(back.images.get(image, {}))
    tagged = {
        one for one in needed if DELETE_AFTER in _tags(back.snapshots.get(one, {}))
    }
    if not _can_be_launched(back, image) or tags.get(KEEP) != kept or tagged:
        wrong.insert(0, image)
    figures = f"{image}, its snapshots ({len(needed)}), kept until {kept}"
    return Check("restored image", figures, wrong)


def snapshots_of(world: World, image: str) -> set[str]:
    """The snapshots of an image, empty if the image does not exist."""
    devices = world.images.get(image, {}).get("BlockDeviceMappings", [])
    ebs = [one["Ebs"] for one in devices if "Ebs" in one]
    return {one["SnapshotId"] for one in ebs if "SnapshotId" in one}


def _can_be_launched(world: World, image: str) -> bool:
    """Whether it is available, neither deprecated nor tagged as expired, with all its snapshots."""
    found = world.images.get(image, {})
    own = found.get("OwnerId") == world.account_id
    return (
        found.get("State") == "available"
        and "DeprecationTime" not in found
        and EXPIRED_AT not in _tags(found)
        and (not own or snapshots_of(world, image) <= world.snapshots.keys())
    )


def _was_due(image: dict[str, Any]) -> bool:
    """Whether it was tagged as expired long enough before the demo, or creating it failed."""
    expired_at = _tags(image).get(EXPIRED_AT)
    return image["State"] == "failed" or _is_past(expired_at, SHORTEST_WAIT)


def _is_past(text: str | None, by: timedelta = timedelta(0)) -> bool:
    if text is None:
        return False
    # `delete-after` also contains the time of writing.
    time, _, _ = text.partition(" marked ")
    return datetime.fromisoformat(time) <= datetime.now(UTC) - by


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def _all(client: Any, call: str, items: str, **params: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator(call).paginate(**params)
    return [one for page in pages for one in page[items]]
