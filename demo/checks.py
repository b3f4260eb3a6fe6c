"""What must be true after the demo, worked out apart from the tool.

Everything here comes from the account itself, through boto3 and the stand-in's
own record; nothing is taken from what the tool says about its work, but for the
list of images that its plan promised to leave where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

OUR_TAGS = "image-steward:"
KEEP = "image-steward:keep"
EXPIRED_AT = "image-steward:expired-at"
DEPRECATION = "image-steward:deprecation"
PERMISSIONS = "image-steward:launch-permissions"
IMAGE = "image-steward:image"
SNAPSHOT = "image-steward:snapshot"
DELETE_AFTER = "image-steward:delete-after"
STEPS = (EXPIRED_AT, DEPRECATION, PERMISSIONS)
# As in policy.toml, by the beginning of the name: how long an image is expired
# before it may be disabled, and before it may go.
DISABLE_DAYS = {"golden-": 7, "web-nightly-": 3, "ci-runner-": 3}
GRACE_DAYS = {"golden-": 14, "web-nightly-": 7, "ci-runner-": 7, "legacy-batch-": 30}
# What the steps change on an image, beside its tags.
STEPPED = ("state", "deprecation_time", "launch_permissions")
MINUTE = timedelta(minutes=1)


@dataclass
class World:
    """The account at one moment."""

    images: dict[str, dict[str, Any]]
    snapshots: dict[str, dict[str, Any]]
    recycled: set[str]
    in_use: dict[str, list[str]]
    fleet: dict[str, Any]

    @property
    def by_id(self) -> dict[str, dict[str, Any]]:
        """The images as the stand-in's record has them."""
        return {one["image_id"]: one for one in self.fleet["images"]}


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
    recycled = _all(ec2, "list_images_in_recycle_bin", "Images")
    recycled += _all(ec2, "list_snapshots_in_recycle_bin", "Snapshots")
    return World(
        images={one["ImageId"]: one for one in images},
        snapshots={one["SnapshotId"]: one for one in snapshots},
        recycled={one.get("ImageId") or one["SnapshotId"] for one in recycled},
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
        # EC2's own check of references looks at the newest ten.
        numbers = sorted((n for t, n in versions if t == template), reverse=True)
        for number in numbers[:10]:
            by = f"{one['LaunchTemplateName']} version {number}"
            hold(versions[template, number], by)

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

    def hold_configs(configs: list[dict[str, Any]], by: str) -> None:
        for config in configs:
            hold_version(config.get("LaunchTemplateSpecification"), by)
            for override in config.get("Overrides", []):
                hold(override.get("ImageId"), by)

    for one in _all(ec2, "describe_fleets", "Fleets"):
        if one["FleetState"] in ("submitted", "active", "modifying"):
            hold_configs(one["LaunchTemplateConfigs"], f"fleet {one['FleetId']}")
    listing = _all(ec2, "describe_spot_fleet_requests", "SpotFleetRequestConfigs")
    for one in listing:
        if one["SpotFleetRequestState"] in ("submitted", "active", "modifying"):
            config, by = one["SpotFleetRequestConfig"], one["SpotFleetRequestId"]
            hold_configs(config.get("LaunchTemplateConfigs", []), f"spot fleet {by}")
            for launch in config.get("LaunchSpecifications", []):
                hold(launch.get("ImageId"), f"spot fleet {by}")
    listing = _all(ec2, "describe_spot_instance_requests", "SpotInstanceRequests")
    for one in listing:
        if one["State"] in ("open", "active"):
            by = f"spot request {one['SpotInstanceRequestId']}"
            hold(one["LaunchSpecification"].get("ImageId"), by)
    hold_by_batch(account, hold)
    # These two are told by EC2's check of references only, so that the record is asked.
    for one in account.fleet()["ssm_parameters"]:
        hold(one["value"], f"parameter {one['name']}")
    for one in account.fleet()["image_recipes"]:
        hold(one["image_id"], f"recipe {one['name']}")
    return found


def hold_by_batch(account: Any, hold: Callable[[str | None, str], None]) -> None:
    """The images that the compute environments of AWS Batch name themselves."""
    batch = account.client("batch")
    listing = _all(batch, "describe_compute_environments", "computeEnvironments")
    for one in listing:
        by = f"Batch {one['computeEnvironmentName']}"
        resources = one.get("computeResources", {})
        hold(resources.get("imageId"), by)
        for configuration in resources.get("ec2Configuration", []):
            hold(configuration.get("imageIdOverride"), by)


def check(before: World, after: World, promised: set[str], new: str) -> list[Check]:
    """Compares the account before the tool has done anything with what it is now.

    `promised` are the images that the plan said it would leave, `new` is the one
    that was tagged: other people's tags may have come only there.
    """
    return [
        *check_images(before, after, promised),
        *check_steps(before, after),
        *check_snapshots(before, after),
        check_recycled(before, after),
        check_rest(before, after, new),
    ]


def check_images(before: World, after: World, promised: set[str]) -> Iterator[Check]:
    """What is still there, and what is not."""
    removed = before.images.keys() - after.images.keys()
    by_id = before.by_id
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


def check_steps(before: World, after: World) -> Iterator[Check]:
    """What was deprecated, disabled and given back, each by its own tags."""
    were, are = before.by_id, after.by_id
    now = datetime.now(UTC)

    marked = {i for i, one in were.items() if EXPIRED_AT in one["tags"]}
    untouchable = {i for i, one in were.items() if _is_untouchable(one)}
    taken_back = marked & (before.in_use.keys() | untouchable)
    # Those that a rule keeps again are known by this.
    taken_back |= {i for i in marked & are.keys() if EXPIRED_AT not in are[i]["tags"]}
    still = [i for i in taken_back if i in are and not _is_given_back(were[i], are[i])]
    numbers = f"{len(taken_back) - len(still)} of {len(taken_back)} are as they were"
    yield Check("marked, and wanted again", numbers, sorted(still))

    expired = {i for i, one in are.items() if EXPIRED_AT in one["tags"]}
    late = {i for i in expired if not _is_deprecated(are[i], now)}
    numbers = f"{len(expired) - len(late)} of {len(expired)} are"
    yield Check("what is expired is deprecated", numbers, sorted(late))

    due = {i for i in expired if i in were and _may_be_disabled(were[i])} - taken_back
    late = {i for i in due if are[i]["state"] != "disabled"}
    numbers = f"{len(due) - len(late)} of {len(due)} are"
    yield Check("what has been so for long is disabled", numbers, sorted(late))

    both = were.keys() & are.keys()
    newly = {i for i in both if _became(were[i], are[i], "disabled")}
    early = {i for i in newly if not _may_be_disabled(were[i])}
    held = newly & before.in_use.keys()
    numbers = f"{len(newly)} were disabled, {len(early | held)} of them wrongly"
    yield Check("disabled in its time only", numbers, sorted(early | held))

    changed = {
        i for i in both if any(were[i][key] != are[i][key] for key in STEPPED)
    } & expired
    lost = {i for i in changed if not _is_written_down(were[i], are[i])}
    numbers = f"{len(changed) - len(lost)} of {len(changed)} can be taken back"
    yield Check("what was there before is written down", numbers, sorted(lost))


def _became(was: dict[str, Any], is_now: dict[str, Any], state: str) -> bool:
    return was["state"] != state == is_now["state"]


def _is_deprecated(image: dict[str, Any], now: datetime) -> bool:
    since = image["deprecation_time"]
    return since is not None and _time(since) <= now + 2 * MINUTE


def _is_untouchable(image: dict[str, Any]) -> bool:
    saved = image["tags"].get(PERMISSIONS, "- none").split()[1:]
    shared = image["public"] or image["launch_permissions"] or saved != ["none"]
    return shared or image["protected"] != "disabled" or KEEP in image["tags"]


def _is_given_back(was: dict[str, Any], is_now: dict[str, Any]) -> bool:
    """Whether nothing is left of the steps; what they took is in the tags of then."""
    shared = was["launch_permissions"]
    if PERMISSIONS in was["tags"]:
        saved = was["tags"][PERMISSIONS].split()[1:]
        shared = [one for one in saved if one != "none"]
    return (
        is_now["state"] == "available"
        and is_now["deprecation_time"] is None
        and not set(STEPS) & is_now["tags"].keys()
        and is_now["launch_permissions"] == shared
    )


def _may_be_disabled(image: dict[str, Any]) -> bool:
    mark = image["tags"].get(EXPIRED_AT)
    days = [n for name, n in DISABLE_DAYS.items() if image["name"].startswith(name)]
    if mark is None or not days:
        return False
    return _time(mark) <= datetime.now(UTC) - timedelta(days=days[0])


def _is_written_down(was: dict[str, Any], is_now: dict[str, Any]) -> bool:
    """Whether its tags tell what the steps have overwritten, after its own id."""
    own, tags = was["image_id"], is_now["tags"]
    good = True
    if was["deprecation_time"] != is_now["deprecation_time"]:
        before = was["deprecation_time"] or "none"
        good &= tags.get(DEPRECATION) == f"{own} {before}"
    if _became(was, is_now, "disabled"):
        before = " ".join(sorted(was["launch_permissions"])) or "none"
        good &= tags.get(PERMISSIONS) == f"{own} {before}"
    return good


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
    due, theirs = set(), set()
    orphans = orphans_of(before)
    for snapshot_id in before.snapshots.keys() - _ever_used(before):
        tags = _tags(before.snapshots[snapshot_id])
        is_due = DELETE_AFTER in tags and _time(tags[DELETE_AFTER]) <= now
        (due if is_due else theirs).add(snapshot_id)
    theirs -= orphans.keys()
    left = sorted(due & after.snapshots.keys())
    numbers = f"{len(due) - len(left)} of {len(due)} are gone"
    yield Check("snapshots whose time the ledger says has come", numbers, left)
    lost = sorted(theirs - after.snapshots.keys())
    numbers = f"{len(theirs) - len(lost)} of {len(theirs)} are still there"
    yield Check("others that no image uses", numbers, lost)

    expected = must_go | due | orphans.keys()
    gone = before.snapshots.keys() - after.snapshots.keys()
    others = sorted(gone - expected)
    numbers = f"{len(gone)} snapshots are gone, {len(others)} of them unexpected"
    yield Check("no other snapshot", numbers, others)


def orphans_of(world: World) -> dict[str, str]:
    """The snapshots that EC2 made for an image that is gone, each with that image.

    One without a volume of its own may be a copy, and is none.
    """
    found = {}
    for snapshot_id in world.snapshots.keys() - _ever_used(world):
        snapshot = world.snapshots[snapshot_id]
        words = snapshot["Description"].split()
        is_made = snapshot["Description"].startswith("Created by CreateImage(")
        is_ours = DELETE_AFTER in _tags(snapshot)
        if is_made and not is_ours and snapshot["VolumeId"] != "vol-ffffffff":
            found[snapshot_id] = words[-1]
    return {one: image for one, image in found.items() if image not in world.images}


def check_orphans(before: World, between: World, after: World) -> Iterator[Check]:
    """Marked by one run, and deleted by another that came when their time had come.

    `between` is the account after the first.
    """
    orphans = orphans_of(before)
    unmarked = []
    for snapshot_id, image in orphans.items():
        tags = _tags(between.snapshots.get(snapshot_id, {}))
        at = _time(tags.get(DELETE_AFTER, "1970-01-01T00:00:00Z"))
        is_marked = tags.get(IMAGE) == image and tags.get(SNAPSHOT) == snapshot_id
        if not is_marked or at < datetime.now(UTC) + timedelta(hours=23):
            unmarked.append(snapshot_id)
    numbers = f"{len(orphans) - len(unmarked)} of {len(orphans)} were marked first"
    yield Check("orphans have a day to be missed in", numbers, sorted(unmarked))
    left = sorted(orphans.keys() & after.snapshots.keys())
    numbers = f"{len(orphans) - len(left)} of {len(orphans)} are gone"
    yield Check("and go when it is over", numbers, left)


def check_recycled(before: World, after: World) -> Check:
    """What is gone lies in the Recycle Bin."""
    gone = before.images.keys() - after.images.keys()
    gone |= before.snapshots.keys() - after.snapshots.keys()
    lost = sorted(gone - after.recycled)
    numbers = f"{len(gone) - len(lost)} of {len(gone)} images and snapshots are there"
    return Check("what is gone is in the Recycle Bin", numbers, lost)


def check_restored(after: World, back: World, image: str, kept: str) -> Check:
    """One image is back as it was before its retirement, and opted out; no more."""
    wrong = []
    is_now = back.by_id.get(image)
    needed = _snapshots_of(back.images.get(image, {}))
    if is_now is None or not needed:
        wrong.append(image)
    else:
        as_it_was = is_now["state"] == "available" and not is_now["deprecation_time"]
        steps = set(STEPS) & is_now["tags"].keys()
        if not as_it_was or steps or is_now["tags"].get(KEEP) != kept:
            wrong.append(image)
    wrong += [one for one in needed if one not in back.snapshots]
    marked = [
        one for one in needed if DELETE_AFTER in _tags(back.snapshots.get(one, {}))
    ]
    wrong += marked
    came = back.images.keys() - after.images.keys()
    came |= back.snapshots.keys() - after.snapshots.keys()
    wrong += sorted(came - {image, *needed})
    were, are = _by_id(after.fleet), _by_id(back.fleet)
    same = were.keys() & are.keys() - {image, *needed}
    wrong += [one for one in sorted(same) if were[one] != are[one]]
    numbers = f"{image} with {len(needed)} snapshots, and nothing else"
    return Check("restored from the Recycle Bin", numbers, wrong)


def _ever_used(world: World) -> set[str]:
    return {s for image in world.images.values() for s in _snapshots_of(image)}


def check_rest(before: World, after: World, new: str) -> Check:
    """What is left of the account is what it was, but for our own tags and our steps."""
    were, are = _by_id(before.fleet), _by_id(after.fleet)
    allowed = {new, *_snapshots_of(after.images.get(new, {}))}
    remaining = were.keys() & are.keys()
    wrong = sorted(are.keys() - were.keys())
    wrong += [
        one
        for one in sorted(remaining)
        if _but_for_us(one, were, are, one in allowed)
        != _but_for_us(one, are, were, one in allowed)
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
    """Everything that can change but the content of the Recycle Bin, by its id."""
    found = {}
    for kind, entries in fleet.items():
        if kind.startswith("recycled_"):
            continue
        for entry in entries if isinstance(entries, list) else []:
            ids = [
                str(entry[key])
                for key in entry
                if key == f"{kind[:-1]}_id" or key.endswith("request_id")
            ]
            found[ids[0] if ids else f"{kind}/{_name_of(entry)}"] = entry
    return found


def _name_of(entry: dict[str, Any]) -> str:
    return entry.get("name") or entry["rule_id"]


def _but_for_us(
    one: str, these: dict[str, Any], others: dict[str, Any], any_tags: bool
) -> dict[str, Any]:
    """An entry without our tags, and without what the steps change if one was taken.

    That one was taken, the tags say: before it was given back, or after.
    """
    entry = deepcopy(these[one])
    tags = entry.pop("tags", {})
    stepped = {*tags, *others[one].get("tags", {})} & {*STEPS}
    for key in STEPPED if stepped else ():
        entry.pop(key, None)
    ours = (
        {}
        if any_tags
        else {k: v for k, v in tags.items() if not k.startswith(OUR_TAGS)}
    )
    return entry | {"tags": ours}


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
