"""What must be true after the demo, worked out apart from the tool.

Everything here comes from the account itself, through boto3 and the stand-in's
own record; nothing is taken from what the tool says about its work, but for the
list of images that its plan promised to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

OUR_TAGS = "image-steward:"
KEEP = "image-steward:keep"
EXPIRED_AT = "image-steward:expired-at"
DELETE_AFTER = "image-steward:delete-after"
# As in policy.toml, by the beginning of the name: how long an image is expired
# before it may go.
GRACE_DAYS = {"golden-": 14, "web-nightly-": 7, "ci-runner-": 7, "legacy-batch-": 30}


@dataclass
class World:
    """The account at one moment."""

    images: dict[str, dict[str, Any]]
    snapshots: dict[str, dict[str, Any]]
    in_use: dict[str, list[str]]
    fleet: dict[str, Any]


@dataclass
class Check:
    """One thing that must be true: whether it is, and the numbers."""

    what: str
    numbers: str
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        line = f"{'FAILED' if self.wrong else 'ok':6}  {self.what}: {self.numbers}"
        return line + (f"; wrong: {', '.join(self.wrong)}" if self.wrong else "")


def look(account: Any) -> World:
    """Reads the account."""
    ec2 = account.client("ec2")
    images = _all(ec2, "describe_images", "Images", IncludeDisabled=True)
    snapshots = _all(ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"])
    return World(
        images={one["ImageId"]: one for one in images},
        snapshots={one["SnapshotId"]: one for one in snapshots},
        in_use=images_in_use(account),
        fleet=account.fleet(),
    )


def images_in_use(account: Any) -> dict[str, list[str]]:
    """Every image that something holds, with what holds it."""
    ec2 = account.client("ec2")
    scaling = account.client("autoscaling")
    ssm = account.client("ssm")
    found: dict[str, list[str]] = {}

    def hold(image: str | None, by: str) -> None:
        if image and image.startswith("resolve:ssm:"):
            name = image.removeprefix("resolve:ssm:")
            image = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        if image:
            found.setdefault(image, []).append(by)

    for reservation in _all(ec2, "describe_instances", "Reservations"):
        for one in reservation["Instances"]:
            if one["State"]["Name"] != "terminated":
                hold(one["ImageId"], f"{one['State']['Name']} {one['InstanceId']}")

    templates: dict[str, dict[str, int]] = {}
    versions: dict[tuple[str, int], str | None] = {}
    for one in _all(ec2, "describe_launch_templates", "LaunchTemplates"):
        template = one["LaunchTemplateId"]
        templates[template] = {
            "$Default": one["DefaultVersionNumber"],
            "$Latest": one["LatestVersionNumber"],
        }
        named = {"LaunchTemplateId": template}
        for version in _all(
            ec2,
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            **named,
        ):
            image = version["LaunchTemplateData"].get("ImageId")
            versions[template, version["VersionNumber"]] = image
        for label, number in templates[template].items():
            hold(versions[template, number], f"{one['LaunchTemplateName']} {label}")

    def hold_version(specification: dict[str, Any] | None, by: str) -> None:
        if specification:
            template = specification["LaunchTemplateId"]
            label = specification.get("Version", "$Default")
            number = templates[template].get(label) or int(label)
            hold(versions[template, number], f"{by}, version {label}")

    for group in _all(scaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
        by = f"group {group['AutoScalingGroupName']}"
        hold_version(group.get("LaunchTemplate"), by)
        mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        hold_version(mixed.get("LaunchTemplateSpecification"), by)
        for override in mixed.get("Overrides", []):
            hold_version(override.get("LaunchTemplateSpecification"), by)
            hold(override.get("ImageId"), by)
    listing = _all(scaling, "describe_launch_configurations", "LaunchConfigurations")
    for one in listing:
        hold(one["ImageId"], f"configuration {one['LaunchConfigurationName']}")
    return found


def check(before: World, after: World, promised: set[str], new: str) -> list[Check]:
    """Compares the account before the tool has done anything with what it is now.

    `promised` are the images that the plan said it would leave, `new` is the one
    that was tagged: other people's tags may have come only there.
    """
    return [
        *check_images(before, after, promised),
        *check_snapshots(before, after),
        check_rest(before, after, new),
    ]


def check_images(before: World, after: World, promised: set[str]) -> Iterator[Check]:
    """What is still there, and what is not."""
    removed = before.images.keys() - after.images.keys()
    by_id = {one["image_id"]: one for one in before.fleet["images"]}
    account = before.fleet["account"]

    def spared(what: str, images: set[str]) -> Check:
        lost = sorted(images & removed)
        kept = len(images) - len(lost)
        return Check(what, f"{kept} of {len(images)} images are still there", lost)

    yield spared("in use", before.in_use.keys() & before.images.keys())
    yield spared("kept by the plan", promised)
    yield spared("opted out", {i for i, one in by_id.items() if KEEP in one["tags"]})
    foreign = {i for i, one in by_id.items() if one["owner_id"] != account}
    yield spared("owned by others", foreign)
    shared = {
        i for i, one in by_id.items() if one["launch_permissions"] or one["public"]
    }
    yield spared("shared", shared)
    protected = {i for i, one in by_id.items() if one["protected"] != "disabled"}
    yield spared("protected", protected)

    early = [image for image in removed if not _had_its_time(by_id[image])]
    numbers = f"{len(removed) - len(early)} of {len(removed)} removed images were due"
    yield Check("not before its time", numbers, sorted(early))

    marked = {i for i, one in by_id.items() if EXPIRED_AT in one["tags"]}
    taken_back = marked & before.in_use.keys()
    remaining = {one["image_id"]: one for one in after.fleet["images"]}
    still = [
        i for i in taken_back if EXPIRED_AT in remaining.get(i, {}).get("tags", {})
    ]
    numbers = f"{len(taken_back) - len(still)} of {len(taken_back)} have lost the mark"
    yield Check("marked but in use", numbers, sorted(still))


def check_snapshots(before: World, after: World) -> Iterator[Check]:
    """Those of removed images are gone, those of nobody's and others' are not."""
    removed = before.images.keys() - after.images.keys()
    backing = {s for image in removed for s in _snapshots_of(before.images[image])}
    used = {s for image in after.images.values() for s in _snapshots_of(image)}
    must_go = backing - used
    left = sorted(must_go & after.snapshots.keys())
    numbers = f"{len(must_go) - len(left)} of {len(must_go)} are gone"
    yield Check("snapshots of removed images", numbers, left)

    needed = backing & used
    lost = sorted(needed - after.snapshots.keys())
    numbers = f"{len(needed) - len(lost)} of {len(needed)} are still there"
    yield Check("those that another image uses", numbers, lost)

    now = datetime.now(UTC)
    ever_used = {s for image in before.images.values() for s in _snapshots_of(image)}
    due, not_ours = set(), set()
    for snapshot_id in before.snapshots.keys() - ever_used:
        tags = _tags(before.snapshots[snapshot_id])
        is_due = DELETE_AFTER in tags and _time(tags[DELETE_AFTER]) <= now
        (due if is_due else not_ours).add(snapshot_id)
    left = sorted(due & after.snapshots.keys())
    numbers = f"{len(due) - len(left)} of {len(due)} are gone"
    yield Check("orphans that the ledger says may go", numbers, left)
    lost = sorted(not_ours - after.snapshots.keys())
    numbers = f"{len(not_ours) - len(lost)} of {len(not_ours)} are still there"
    yield Check("orphans that it does not", numbers, lost)

    expected = must_go | due
    gone = before.snapshots.keys() - after.snapshots.keys()
    others = sorted(gone - expected)
    numbers = f"{len(gone)} snapshots are gone, {len(others)} of them unexpected"
    yield Check("no other snapshot", numbers, others)


def check_rest(before: World, after: World, new: str) -> Check:
    """What is left of the account is what it was, but for our own tags."""
    were, are = _by_id(before.fleet), _by_id(after.fleet)
    allowed = {new, *_snapshots_of(after.images.get(new, {}))}
    remaining = were.keys() & are.keys()
    wrong = sorted(are.keys() - were.keys())
    wrong += [
        one
        for one in sorted(remaining)
        if _without_our_tags(were[one], one in allowed)
        != _without_our_tags(are[one], one in allowed)
    ]
    lost = were.keys() - are.keys()
    wrong += [one for one in sorted(lost) if not one.startswith(("ami-", "snap-"))]
    numbers = (
        f"{len(remaining)} images, snapshots, machines, templates, groups compared"
    )
    return Check("nothing else has changed", numbers, wrong)


def _had_its_time(image: dict[str, Any]) -> bool:
    now = datetime.now(UTC)
    if image["state"] == "failed":
        return _time(image["created_at"]) <= now - timedelta(days=1)
    mark = image["tags"].get(EXPIRED_AT)
    grace = [
        days for name, days in GRACE_DAYS.items() if image["name"].startswith(name)
    ]
    if mark is None or not grace:
        return False
    return _time(mark) <= now - timedelta(days=grace[0])


def _by_id(fleet: dict[str, Any]) -> dict[str, Any]:
    """Everything that is there; what is in the Recycle Bin is not there any more."""
    found = {}
    for kind, entries in fleet.items():
        if kind.startswith("recycled_") or not isinstance(entries, list):
            continue
        for entry in entries:
            ids = [entry[key] for key in entry if key == f"{kind[:-1]}_id"]
            name = entry.get("name", next(iter(entry.values())))
            found[ids[0] if ids else f"{kind}/{name}"] = entry
    return found


def _without_our_tags(entry: dict[str, Any], any_tags: bool) -> dict[str, Any]:
    entry = deepcopy(entry)
    tags = entry.pop("tags", {})
    kept = (
        {}
        if any_tags
        else {k: v for k, v in tags.items() if not k.startswith(OUR_TAGS)}
    )
    return entry | {"tags": kept}


def _snapshots_of(image: dict[str, Any]) -> list[str]:
    devices = [one.get("Ebs", {}) for one in image.get("BlockDeviceMappings", [])]
    return [device["SnapshotId"] for device in devices if "SnapshotId" in device]


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _all(client: Any, call: str, items: str, **params: Any) -> list[dict[str, Any]]:
    return [
        one
        for page in client.get_paginator(call).paginate(**params)
        for one in page[items]
    ]
