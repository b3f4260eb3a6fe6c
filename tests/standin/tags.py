"""Tags with EC2's limits. A call succeeds completely or changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from calls import AwsError, Call, LeaveToMoto, answers
from listing import Paging, Values, filtered, page, shown
from world import Region

MOST_RESOURCES = 1000
MOST_TAGS = 50
LONGEST_KEY = 127
LONGEST_VALUE = 256


@answers("ec2", "CreateTags")
def create_tags(call: Call) -> dict[str, Any]:
    """Set tags on up to 1,000 resources."""
    targets = _targets(call)
    wanted = call.params.get("Tags", [])
    if not wanted:
        raise _missing("Tag")
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in wanted}
    if len(tags) < len(wanted):
        raise AwsError("InvalidParameterValue", "Duplicate tag key specified.")
    for key, value in tags.items():
        _check_key(key)
        if len(value) > LONGEST_VALUE:
            text = f"Tag value exceeds the maximum length of {LONGEST_VALUE} characters"
            raise AwsError("InvalidParameterValue", text)
    for target in targets:
        # Tags that AWS sets do not count.
        after = sum(not key.startswith("aws:") for key in target.keys() | tags.keys())
        if after > MOST_TAGS:
            text = f"More than {MOST_TAGS} tags specified"
            raise AwsError("TagLimitExceeded", text)
    for target in targets:
        target.update(tags)
    return {}


@answers("ec2", "DeleteTags")
def delete_tags(call: Call) -> dict[str, Any]:
    """Without tags, all are deleted. A tag with a value is deleted only if the value matches."""
    targets = _targets(call)
    wanted = call.params.get("Tags", [])
    for tag in wanted:
        _check_key(tag.get("Key", ""))
    for target in targets:
        if not wanted:
            for key in [key for key in target if not key.startswith("aws:")]:
                del target[key]
        for tag in wanted:
            key = tag["Key"]
            if key in target and tag.get("Value", target[key]) == target[key]:
                del target[key]
    return {}


def _targets(call: Call) -> list[dict[str, str]]:
    """The tags of all resources in the call, which are changed in place."""
    ids = list(dict.fromkeys(call.params.get("Resources", [])))
    if not ids:
        raise _missing("ResourceId")
    if len(ids) > MOST_RESOURCES:
        # The limit is documented, the code is not.
        text = f"At most {MOST_RESOURCES} resources can be tagged in one call"
        raise AwsError("InvalidParameterValue", text)
    if not any(one.startswith(("ami-", "snap-", "i-")) for one in ids):
        raise LeaveToMoto
    return [_tags_of(call.region, resource_id) for resource_id in ids]


def _tags_of(region: Region, resource_id: str) -> dict[str, str]:
    """The tags of a resource in the account or in the Recycle Bin."""
    found: Any = None
    match resource_id.partition("-")[0]:
        case "ami":
            found, held = region.images.get(resource_id), region.recycled_images
            code, kind = "InvalidAMIID.NotFound", "image"
        case "snap":
            found, held = region.snapshots.get(resource_id), region.recycled_snapshots
            code, kind = "InvalidSnapshot.NotFound", "snapshot"
        case "i":
            found, held = region.instances.get(resource_id), None
            code, kind = "InvalidInstanceID.NotFound", "instance"
        case _:
            raise AwsError("InvalidID", f"The ID '{resource_id}' is not valid")
    if found is None and held is not None:
        recycled = held.get(resource_id)
        found = recycled and recycled.resource
    if found is None:
        raise AwsError(code, f"The {kind} ID '{resource_id}' does not exist")
    return found.tags


def _check_key(key: str) -> None:
    if not key or len(key) > LONGEST_KEY:
        text = f"Tag keys have 1 to {LONGEST_KEY} characters"
        raise AwsError("InvalidParameterValue", text)
    if key.lower().startswith("aws:"):
        text = "Tag keys starting with 'aws:' are reserved for internal use"
        raise AwsError("InvalidParameterValue", text)


def _missing(name: str) -> AwsError:
    text = f"The request must contain the parameter {name}"
    return AwsError("MissingParameter", text)


_PAGING = Paging(at_most=1000, default=1000)
_FILTERS: dict[str, Values] = {
    "resource-id": lambda tag: [tag["ResourceId"]],
    "resource-type": lambda tag: [tag["ResourceType"]],
    "key": lambda tag: [tag["Key"]],
    "value": lambda tag: [tag["Value"]],
}


@answers("ec2", "DescribeTags")
def describe_tags(call: Call) -> dict[str, Any]:
    """All tags of images, snapshots and instances, one by one.

    Includes resources in the Recycle Bin, like its console.
    """
    every = [
        {"ResourceId": one, "ResourceType": kind, "Key": key, "Value": value}
        for kind, one, tags in _tagged(shown(call))
        for key, value in tags.items()
    ]
    tags = filtered(call, every, _FILTERS)
    tags, token = page(call, _PAGING, tags, lambda t: f"{t['ResourceId']} {t['Key']}")
    return {"Tags": tags, "NextToken": token}


def _tagged(region: Region) -> Iterator[tuple[str, str, dict[str, str]]]:
    kinds: dict[str, dict[str, Any]] = {
        "image": region.images,
        "snapshot": region.snapshots,
        "instance": region.instances,
    }
    for kind, held in kinds.items():
        for resource_id, resource in held.items():
            yield kind, resource_id, resource.tags
    bins = {"image": region.recycled_images, "snapshot": region.recycled_snapshots}
    for kind, recycled in bins.items():
        for resource_id, one in recycled.present().items():
            yield kind, resource_id, one.resource.tags
