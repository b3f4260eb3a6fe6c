"""Deleting everything except gallery image versions, and stopping virtual machines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import arm_errors
from arm_paths import key_of
from arm_types import (
    DEFINITIONS,
    GALLERIES,
    IMAGES,
    MACHINES,
    SCALE_SETS,
    SNAPSHOTS,
    VOLUMES,
)
from arm_world import Resource
from context import Call, answer
from http_server import HttpResponse


def delete(call: Call) -> HttpResponse:
    """Delete a resource, unless a lock or its own use forbids that."""
    world, key = call.world, call.target.key
    resource = world.resources.get(key)
    if resource is None:
        return answer(None, 204)
    call.check_locks(key, "delete")
    if resource.operation is not None and resource.operation.status == "InProgress":
        return call.running(resource.operation, 202)
    _refuse_nested(call, resource)
    refuse = _REFUSALS.get(resource.type)
    if refuse is not None:
        refuse(call, resource)
    state = resource.properties.get("provisioningState")
    resource.properties["provisioningState"] = "Deleting"

    def done(_: datetime) -> None:
        world.remove(key)
        if resource.type == MACHINES:
            _after_machine(call, resource)
        world.linger(resource, call.switches.lingering_reads)

    def failed() -> None:
        resource.properties["provisioningState"] = state

    return call.running(call.started(resource, done, failed), 202)


def delete_lock(call: Call) -> HttpResponse:
    """Delete a lock, which is not a long-running operation."""
    removed = call.world.remove(call.target.key)
    return answer(None, 204 if removed is None else 200)


def deallocate(call: Call) -> HttpResponse:
    """Stop a virtual machine, and release its hardware."""
    key = call.target.key.rpartition("/")[0]
    resource = call.world.resources.get(key)
    if resource is None:
        raise call.missing()
    call.check_locks(key, "write")

    def done(_: datetime) -> None:
        resource.hidden["power"] = "deallocated"
        for disk, _ in _disks(call, resource):
            disk.properties["diskState"] = "Reserved"

    return call.running(call.started(resource, done, lambda: None), 202)


def _refuse_nested(call: Call, resource: Resource) -> None:
    if resource.type not in (GALLERIES, DEFINITIONS, SCALE_SETS):
        return
    nested = call.world.nested(resource.key)
    if nested and resource.type != SCALE_SETS:
        text = (
            "Cannot delete resource while nested resources exist. Some existing nested "
            f"resource IDs include: '{nested[0]}'. Please delete all nested resources "
            "before deleting this resource."
        )
        raise arm_errors.conflict("CannotDeleteResource", text)


def _refuse_image(call: Call, resource: Resource) -> None:
    """An image is in use only while a virtual machine is being created from it."""
    names = [
        one.body["name"]
        for one in call.world.resources.values()
        if one.type == MACHINES
        and one.properties.get("provisioningState") == "Creating"
        and key_of(_reference(one).get("id") or "") == resource.key
    ]
    if names:
        text = (
            "Operation 'Image Delete' is not allowed since the Virtual Machines "
            f"'{', '.join(names)}' are being provisioned using the Image "
            f"'{resource.body['name']}'."
        )
        raise arm_errors.conflict("OperationNotAllowed", text)


def _reference(machine: Resource) -> dict[str, Any]:
    profile = machine.properties.get("storageProfile") or {}
    return profile.get("imageReference") or {}


def _refuse_snapshot(call: Call, resource: Resource) -> None:
    """The codes are not documented."""
    properties = resource.properties
    name = resource.body["name"]
    if properties.get("diskState") == "ActiveSAS":
        text = f"Snapshot {name} has an active shared access signature."
        raise arm_errors.conflict("OperationNotAllowed", text)
    policy = properties.get("immutabilityPolicy") or {}
    if policy.get("type") == "Locked" and not policy.get("isPolicyExpired"):
        text = f"Snapshot {name} has a locked immutability policy."
        raise arm_errors.conflict("OperationNotAllowed", text)


def _refuse_disk(call: Call, resource: Resource) -> None:
    owner = resource.body.get("managedBy")
    if owner:
        text = f"Disk {resource.body['name']} is attached to VM {owner}."
        raise arm_errors.conflict("OperationNotAllowed", text)


_REFUSALS = {
    IMAGES: _refuse_image,
    SNAPSHOTS: _refuse_snapshot,
    VOLUMES: _refuse_disk,
}


def _after_machine(call: Call, machine: Resource) -> None:
    """Detach the disks, and delete those that the virtual machine asks to delete."""
    for disk, option in _disks(call, machine):
        if option == "Delete":
            call.world.remove(disk.key)
        else:
            disk.body.pop("managedBy", None)
            disk.properties["diskState"] = "Unattached"


def _disks(call: Call, machine: Resource) -> list[tuple[Resource, str | None]]:
    """The disks of a virtual machine that exist, with their delete options."""
    profile = machine.properties.get("storageProfile") or {}
    found = []
    for one in [profile.get("osDisk") or {}, *(profile.get("dataDisks") or [])]:
        disk = call.world.find((one.get("managedDisk") or {}).get("id") or "/")
        if disk is not None:
            found.append((disk, one.get("deleteOption")))
    return found
