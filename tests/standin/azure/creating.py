"""Creating and deleting what an image needs: resource groups, galleries, definitions, managed
images, disks, snapshots and locks.

Only for programs that create what they test. The bodies are stored as they are sent, with the fields
that Azure adds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime

import arm_errors
from arm_types import DEFINITIONS, GALLERIES, IMAGES, LOCKS, SNAPSHOTS, VOLUMES
from arm_world import Body, Resource
from context import Call, answer
from http_server import HttpResponse
from make_base import guid
from reads import shown
from world_clock import written

DEFAULT_DAYS = 7
"""The periods of a gallery whose policy has no numbers are not documented."""


def put(call: Call) -> HttpResponse:
    """Create a resource, or replace its content."""
    world, key = call.world, call.target.key
    body = call.body()
    if not world.parent_exists(key):
        raise call.missing()
    call.check_locks(key, "write")
    exists = world.resources.get(key)
    if "location" not in body and exists is None:
        text = "The 'location' property is required for this resource."
        raise arm_errors.bad_request("LocationRequired", text)
    properties = copy.deepcopy(body.get("properties") or {})
    made: Body = {
        "name": call.target.name,
        "id": exists.body["id"] if exists else call.target.path,
        "type": call.kind.name,
        "location": body.get("location") or (exists.body["location"] if exists else ""),
        "tags": body.get("tags") or {},
        "properties": properties | {"provisioningState": "Creating"},
    }
    hidden: Body = dict(exists.hidden) if exists else {}
    fill = _FILL.get(call.target.type)
    if fill is not None:
        fill(call, made, hidden)
    resource = world.add(made, hidden)

    def done(_: datetime) -> None:
        resource.properties["provisioningState"] = "Succeeded"

    operation = call.started(resource, done, lambda: _fail(resource))
    status = 200 if exists else 201
    if call.target.type in (VOLUMES, SNAPSHOTS):
        # Their clients accept no other status for an operation.
        status = 202
    return call.running(operation, status, shown(call, resource))


def _fail(resource: Resource) -> None:
    resource.properties["provisioningState"] = "Failed"


def _gallery(call: Call, made: Body, _: Body) -> None:
    name = f"{call.target.subscription}-{call.target.name.upper()}"
    made["properties"]["identifier"] = {"uniqueName": name}
    policy = made["properties"].get("softDeletePolicy")
    if policy is not None:
        policy.setdefault("retentionPeriodInDays", DEFAULT_DAYS)
        policy.setdefault("gracePeriodInDays", DEFAULT_DAYS)


def _image(call: Call, _: Body, hidden: Body) -> None:
    hidden.setdefault("createdTime", written(call.world.clock.now()))


def _volume(call: Call, made: Body, _: Body) -> None:
    properties = made["properties"]
    source = call.world.find(
        properties.get("creationData", {}).get("sourceResourceId") or "/"
    )
    if source is not None:
        properties.setdefault("diskSizeGB", source.properties.get("diskSizeGB"))
        properties.setdefault("osType", source.properties.get("osType"))
    properties |= {
        "timeCreated": written(call.world.clock.now()),
        "diskState": "Unattached",
        "uniqueId": guid(made["id"]),
    }


_FILL: dict[str, Callable[[Call, Body, Body], None]] = {
    GALLERIES: _gallery,
    IMAGES: _image,
    VOLUMES: _volume,
    SNAPSHOTS: _volume,
}


def put_lock(call: Call) -> HttpResponse:
    """Create a lock, which is not a long-running operation."""
    world, target = call.world, call.target
    made: Body = {
        "properties": call.body().get("properties") or {},
        "id": target.path,
        "type": call.kind.name,
        "name": target.name,
    }
    exists = target.key in world.resources
    world.add(made)
    return answer(made, 200 if exists else 201)


def put_group(call: Call) -> HttpResponse:
    """Create a resource group."""
    world, target = call.world, call.target
    body = call.body()
    exists = target.key in world.groups
    group: Body = {
        "id": target.path,
        "name": target.group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": body.get("location", ""),
        "tags": body.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }
    world.groups[target.key] = group
    return answer(group, 200 if exists else 201)


def delete_group(call: Call) -> HttpResponse:
    """Delete a resource group with everything in it, at once.

    Whether Azure refuses this for a gallery with soft-deleted versions is not documented.
    """
    world, key = call.world, call.target.key
    if key not in world.groups:
        raise arm_errors.group_not_found(call.target.group or "")
    locks = [
        one.body["id"].rpartition("/providers/")[0]
        for one in world.of_type(call.target.subscription or "", LOCKS)
        if one.key.startswith(f"{key}/")
    ]
    if locks:
        raise arm_errors.locked(call.target.path, "delete", locks)
    inside = [one for one in world.resources if one.startswith(f"{key}/")]
    for one in inside:
        world.remove(one)
    deleted = [one for one in world.soft_deleted if one.startswith(f"{key}/")]
    for one in deleted:
        del world.soft_deleted[one]
    del world.groups[key]
    return answer(None)


TYPES = (*_FILL, DEFINITIONS)
"""The types that `put` creates."""
