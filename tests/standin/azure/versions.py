"""Gallery image versions: create, update, delete, soft delete and restore."""

from __future__ import annotations

import copy
import re
from datetime import datetime, timedelta
from typing import Any

import arm_errors
from arm_paths import parent
from arm_world import Body, Resource, SoftDeleted
from context import Call, answer
from http_server import HttpResponse
from make_base import region_name
from reads import shown
from world_clock import parsed, written

NAME = re.compile(r"\d{1,10}\.\d{1,10}\.\d{1,10}")
BUSY = ("Creating", "Updating", "Migrating")
DEFAULT_SIZE_GIB = 30
DEFAULT_RETENTION_DAYS = 7
DEFAULT_GRACE_DAYS = 7
"""The periods of a policy without numbers are not documented; Azure may use others."""


def delete(call: Call) -> HttpResponse:
    """Delete a version. A gallery with soft delete keeps it for some time."""
    world, key = call.world, call.target.key
    resource = world.resources.get(key)
    if resource is None:
        return answer(None, 204)
    call.check_locks(key, "delete")
    state = resource.properties["provisioningState"]
    if state == "Deleting" and resource.operation is not None:
        return call.running(resource.operation, 202)
    _refuse_busy(call, resource)
    _refuse_blocked(call, resource)
    bypass = call.flag("bypassSoftDelete") and call.api_version >= "2026-03-03"
    policy = world.policy_of(resource)
    soft = bool(policy.get("isSoftDeleteEnabled")) and not bypass
    if soft and state == "Failed":
        # Documented as a limitation; the code is not.
        text = (
            f"The gallery image version '{call.target.name}' has the provisioning state "
            "'Failed' and cannot be soft deleted."
        )
        raise arm_errors.conflict("OperationNotAllowed", text)
    resource.properties["provisioningState"] = "Deleting"
    started = world.clock.now()

    def done(_: datetime) -> None:
        resource.properties["provisioningState"] = state
        world.remove(key)
        if soft:
            world.soft_deleted[key] = _soft_deleted(resource, policy, started)
        else:
            world.linger(resource, call.switches.lingering_reads)

    operation = call.started(resource, done, lambda: _fail(resource))
    return call.running(operation, 202)


def _soft_deleted(resource: Resource, policy: Body, at: datetime) -> SoftDeleted:
    """The recorded times count from the start of the deletion."""
    retention = policy.get("retentionPeriodInDays", DEFAULT_RETENTION_DAYS)
    grace = policy.get("gracePeriodInDays", DEFAULT_GRACE_DAYS)
    end = at + timedelta(days=retention)
    return SoftDeleted(resource, at, end, end + timedelta(days=grace))


def put(call: Call) -> HttpResponse:
    """Create a version, replace its content, or restore a soft-deleted version."""
    world, key = call.world, call.target.key
    if not NAME.fullmatch(call.target.name):
        text = f"The gallery image version name '{call.target.name}' is not valid."
        raise arm_errors.bad_request("InvalidParameter", text)
    if not world.parent_exists(key):
        raise call.missing()
    body = call.body()
    call.check_locks(key, "write")
    if key in world.soft_deleted:
        return _restore(call, body)
    resource = world.resources.get(key)
    if resource is None:
        return _create(call, body)
    new = copy.deepcopy(resource.body)
    new["tags"] = body.get("tags") or {}
    properties = body.get("properties") or {}
    # A PUT replaces the content: what it does not contain is reset.
    wanted = {"publishingProfile": {}, "safetyProfile": {}} | properties
    return _update(call, resource, new, wanted)


def patch(call: Call) -> HttpResponse:
    """Replace the parts that the body contains."""
    body = call.body()
    world, key = call.world, call.target.key
    if key in world.soft_deleted and (body.get("properties") or {}).get("restore"):
        call.check_locks(key, "write")
        return _restore(call, body)
    resource = call.resource()
    call.check_locks(key, "write")
    new = copy.deepcopy(resource.body)
    if "tags" in body:
        new["tags"] = body["tags"] or {}
    return _update(call, resource, new, body.get("properties") or {})


def _update(call: Call, resource: Resource, new: Body, wanted: Body) -> HttpResponse:
    _refuse_busy(call, resource)
    old = copy.deepcopy(resource.body)
    properties = new["properties"]
    if "storageProfile" in wanted:
        _refuse_new_source(properties, wanted["storageProfile"] or {})
    if "safetyProfile" in wanted:
        properties["safetyProfile"] = _safety(
            properties.get("safetyProfile", {}), wanted["safetyProfile"] or {}
        )
    if "publishingProfile" in wanted:
        profile = _profile(
            properties["publishingProfile"],
            wanted["publishingProfile"] or {},
            new["location"],
        )
        _refuse_fewer_regions(properties, profile)
        properties["publishingProfile"] = profile
    properties["provisioningState"] = "Updating"
    resource.body = new
    _follow_regions(resource)

    def done(_: datetime) -> None:
        resource.properties["provisioningState"] = "Succeeded"

    def failed() -> None:
        resource.body = old
        _fail(resource)

    operation = call.started(resource, done, failed)
    return call.running(operation, 200, shown(call, resource))


def _create(call: Call, body: Body) -> HttpResponse:
    properties = body.get("properties") or {}
    definition = call.world.resources[parent(call.target.key)]
    if "location" not in body or "storageProfile" not in properties:
        text = "Required parameter 'location' or 'storageProfile' is missing (null)."
        raise arm_errors.bad_request("InvalidParameter", text)
    location = body["location"].replace(" ", "").lower()
    profile = _profile({}, properties.get("publishingProfile") or {}, location)
    profile["publishedDate"] = written(call.world.clock.now())
    storage = copy.deepcopy(properties["storageProfile"])
    disk = storage.setdefault("osDiskImage", {})
    disk.setdefault("hostCaching", "ReadWrite")
    for one in storage.get("dataDiskImages", []):
        one.setdefault("hostCaching", "ReadOnly")
    new = {
        "name": call.target.name,
        "id": f"{definition.body['id']}/versions/{call.target.name}",
        "type": call.kind.name,
        "location": location,
        "tags": body.get("tags") or {},
        "properties": {
            "publishingProfile": profile,
            "storageProfile": storage,
            "safetyProfile": _safety({}, properties.get("safetyProfile") or {}),
            "provisioningState": "Creating",
        },
    }
    resource = call.world.add(new)
    _follow_regions(resource)

    def done(_: datetime) -> None:
        # The sizes are known only at the end.
        for one in [disk, *storage.get("dataDiskImages", [])]:
            one["sizeInGB"] = DEFAULT_SIZE_GIB
        resource.properties["provisioningState"] = "Succeeded"

    operation = call.started(resource, done, lambda: _fail(resource))
    return call.running(operation, 201, shown(call, resource))


def _restore(call: Call, body: Body) -> HttpResponse:
    """Undelete. Whether the tags survive is not documented: a switch decides."""
    world, key = call.world, call.target.key
    entry = world.soft_deleted.pop(key)
    resource = entry.resource
    kept = resource.body.get("tags", {})
    if "tags" in body:
        resource.body["tags"] = body["tags"] or {}
    elif call.switches.restored_tags == "lost":
        resource.body["tags"] = {}
    resource.properties["provisioningState"] = "Updating"
    world.put_back(resource)

    def done(_: datetime) -> None:
        resource.properties["provisioningState"] = "Succeeded"

    def failed() -> None:
        world.remove(key)
        resource.body["tags"] = kept
        world.soft_deleted[key] = entry

    operation = call.started(resource, done, failed)
    return call.running(operation, 200, shown(call, resource))


def _profile(old: Body, wanted: Body, location: str) -> Body:
    """The publishing profile of an update. Read-only fields keep their values."""
    unknown = wanted.keys() - {
        "targetRegions",
        "replicaCount",
        "excludeFromLatest",
        "publishedDate",
        "endOfLifeDate",
        "storageAccountType",
        "replicationMode",
        "targetExtendedLocations",
        "storageAccountStrategy",
    }
    if unknown:
        text = f"Could not find member '{min(unknown)}' on object of type 'PublishingProfile'."
        raise arm_errors.bad_request("BadRequest", text)
    count = wanted.get("replicaCount") or 1
    kind = wanted.get("storageAccountType") or "Standard_LRS"
    regions = [
        {
            "regionalReplicaCount": count,
            "storageAccountType": kind,
            **{name: value for name, value in one.items() if value is not None},
        }
        for one in wanted.get("targetRegions") or [{"name": location}]
    ]
    profile: Body = {
        "targetRegions": [
            {"name": region_name(one.pop("name"))} | one
            for one in copy.deepcopy(regions)
        ],
        "replicaCount": count,
        "excludeFromLatest": bool(wanted.get("excludeFromLatest")),
    }
    if "publishedDate" in old:
        profile["publishedDate"] = old["publishedDate"]
    if wanted.get("endOfLifeDate") is not None:
        try:
            profile["endOfLifeDate"] = written(parsed(wanted["endOfLifeDate"]))
        except (TypeError, ValueError) as error:
            text = f"The value '{wanted['endOfLifeDate']}' of endOfLifeDate is invalid."
            raise arm_errors.bad_request("InvalidParameter", text) from error
    profile["storageAccountType"] = kind
    for name in ("replicationMode", "storageAccountStrategy"):
        if wanted.get(name) is not None:
            profile[name] = wanted[name]
    return profile


def _safety(old: Body, wanted: Body) -> Body:
    """The safety profile of an update. `reportedForPolicyViolation` is read-only."""
    profile: Body = {
        "reportedForPolicyViolation": old.get("reportedForPolicyViolation", False),
        "allowDeletionOfReplicatedLocations": bool(
            wanted.get("allowDeletionOfReplicatedLocations")
        ),
    }
    if wanted.get("blockDeletionBeforeEndOfLife") is not None:
        profile["blockDeletionBeforeEndOfLife"] = wanted["blockDeletionBeforeEndOfLife"]
    return profile


def _follow_regions(resource: Resource) -> None:
    """The replication status lists exactly the target regions."""
    status = resource.hidden.get("replicationStatus") or {}
    known = {region(one["region"]): one for one in status.get("summary", [])}
    targets = resource.properties["publishingProfile"]["targetRegions"]
    summary = [
        known.get(
            region(one["name"]),
            {
                "region": one["name"],
                "state": "Completed",
                "details": "",
                "progress": 100,
            },
        )
        for one in targets
    ]
    aggregated = status.get("aggregatedState", "Completed")
    resource.hidden["replicationStatus"] = {
        "aggregatedState": aggregated,
        "summary": summary,
    }


def region(name: str) -> str:
    """A location name without spaces and in lower case: `West US` is `westus`."""
    return name.replace(" ", "").lower()


def _fail(resource: Resource) -> None:
    resource.properties["provisioningState"] = "Failed"


def _refuse_busy(call: Call, resource: Resource) -> None:
    state = resource.properties["provisioningState"]
    if state in (*BUSY, "Deleting"):
        text = (
            f"The request failed due to conflict with a concurrent request: the state of "
            f"'{call.target.name}' is '{state}'."
        )
        raise arm_errors.conflict("Conflict", text)


def _refuse_blocked(call: Call, resource: Resource) -> None:
    """The code is not documented."""
    properties = resource.properties
    end = properties["publishingProfile"].get("endOfLifeDate")
    safety: dict[str, Any] = properties.get("safetyProfile") or {}
    if not safety.get("blockDeletionBeforeEndOfLife") or end is None:
        return
    if parsed(end) > call.world.clock.now():
        text = (
            f"Deletion of gallery image version '{call.target.name}' is blocked before its "
            f"end of life date '{end}'."
        )
        raise arm_errors.conflict("OperationNotAllowed", text)


def _refuse_new_source(properties: Body, wanted: Body) -> None:
    """The source of a version cannot change. An update may omit it."""
    stored = properties.get("storageProfile") or {}
    old, new = stored.get("source") or {}, wanted.get("source") or {}
    for name in ("id", "virtualMachineId", "communityGalleryImageId"):
        if new.get(name) and (old.get(name) or "").lower() != new[name].lower():
            path = f"galleryImageVersion.properties.storageProfile.source.{name}"
            text = f"Changing property '{path}' is not allowed."
            raise arm_errors.conflict("PropertyChangeNotAllowed", text)


def _refuse_fewer_regions(properties: Body, profile: Body) -> None:
    """Without `allowDeletionOfReplicatedLocations`, no replica can be removed."""
    safety = properties.get("safetyProfile") or {}
    old = {
        region(one["name"]) for one in properties["publishingProfile"]["targetRegions"]
    }
    new = {region(one["name"]) for one in profile["targetRegions"]}
    gone = sorted(old - new)
    if gone and not safety.get("allowDeletionOfReplicatedLocations"):
        text = (
            f"The target regions {', '.join(gone)} cannot be removed, because "
            "allowDeletionOfReplicatedLocations is false."
        )
        raise arm_errors.conflict("OperationNotAllowed", text)
