"""Reading resources and collections."""

from __future__ import annotations

import copy
import re
from typing import Any

import arm_errors
from arm_paths import is_within, parent
from arm_types import GALLERIES, LOCKS, MACHINES
from arm_world import Resource
from context import Call, answer
from http_server import HttpResponse
from pages import page


def shown(call: Call, resource: Resource) -> dict[str, Any]:
    """The body of a resource, with what `$expand` asks for."""
    body = copy.deepcopy(resource.body)
    hidden = resource.hidden
    status = hidden.get("replicationStatus")
    if status is not None and call.expands("ReplicationStatus"):
        body["properties"]["replicationStatus"] = status
    if resource.type == GALLERIES:
        _sharing(call, body, hidden)
    if resource.type == MACHINES and call.expands("instanceView"):
        body["properties"]["instanceView"] = _instance_view(body, hidden)
    return body


def _sharing(call: Call, body: dict[str, Any], hidden: dict[str, Any]) -> None:
    """`groups` are only in a response that expands them."""
    profile = body["properties"].get("sharingProfile")
    if profile is not None and call.expands("SharingProfile/Groups"):
        profile["groups"] = hidden.get("groups", [])
    policy = body["properties"].get("softDeletePolicy")
    if policy is not None and call.api_version < "2026-03-03":
        # The periods were added in 2026-03-03.
        body["properties"]["softDeletePolicy"] = {
            "isSoftDeleteEnabled": policy.get("isSoftDeleteEnabled", False)
        }


def _instance_view(body: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
    state = body["properties"].get("provisioningState", "Succeeded").lower()
    codes = [f"ProvisioningState/{state}"]
    if hidden.get("generalized"):
        codes.append("OSState/generalized")
    codes.append(f"PowerState/{hidden.get('power', 'running')}")
    texts = {
        "running": "VM running",
        "deallocated": "VM deallocated",
        "succeeded": "Provisioning succeeded",
        "generalized": "VM generalized",
    }
    return {
        "statuses": [
            {
                "code": code,
                "level": "Info",
                "displayStatus": texts.get(code.partition("/")[2], code),
            }
            for code in codes
        ]
    }


def get(call: Call) -> HttpResponse:
    """One resource."""
    world, key = call.world, call.target.key
    ghost = world.ghosts.get(key)
    if key not in world.resources and ghost is not None and ghost.reads > 0:
        ghost.reads -= 1
        return answer(shown(call, ghost.resource))
    return answer(shown(call, call.resource()))


def collection(call: Call) -> HttpResponse:
    """A collection: in a subscription, a resource group or a resource."""
    target, world = call.target, call.world
    if target.type == LOCKS:
        return _locks(call)
    if target.group is None:
        found = world.of_type(target.subscription or "", target.type)
    else:
        # A collection in a resource group has the parent of its members.
        member = f"{target.key}/x"
        if not world.parent_exists(member):
            raise _no_parent(call, parent(member))
        found = world.collection(target.key)
    return page(call, found, lambda one: shown(call, one))


def _no_parent(call: Call, key: str) -> arm_errors.ArmError:
    target = call.target
    if call.world.group_of(key) is None:
        return arm_errors.group_not_found(target.group or "")
    return arm_errors.parent_not_found(call.method, "/".join(target.names))


def _locks(call: Call) -> HttpResponse:
    """The locks on a scope and on everything in it."""
    target = call.target
    scope = target.scope.rstrip("/").lower()
    found = [
        one
        for one in call.world.of_type(target.subscription or "", LOCKS)
        if is_within(one.key.rpartition("/providers/microsoft.authorization")[0], scope)
    ]
    return page(call, found, lambda one: shown(call, one))


def soft_deleted(call: Call) -> HttpResponse:
    """The soft-deleted versions of a definition."""
    world, target = call.world, call.target
    gallery, kind, artifact = target.names[:3]
    if kind.lower() != "images":
        text = f"The artifact type '{kind}' is not supported."
        raise arm_errors.bad_request("InvalidParameter", text)
    base = target.key.partition("/providers/")[0]
    definition = f"{base}/providers/microsoft.compute/galleries/{gallery}/images/{artifact}".lower()
    if definition not in world.resources:
        raise _no_parent(call, definition)
    entries = {
        one.resource.key: one
        for key, one in world.soft_deleted.items()
        if key.startswith(f"{definition}/versions/")
    }
    with_dates = call.api_version >= "2026-03-03"
    found = [one.resource for one in entries.values()]
    return page(call, found, lambda one: entries[one.key].body(with_dates))


def permissions(call: Call) -> HttpResponse:
    """The permissions of the caller in a subscription: those of the switch `granted`."""
    granted = {
        "actions": call.switches.granted,
        "notActions": [],
        "dataActions": [],
        "notDataActions": [],
    }
    return answer({"value": [granted]})


def delete_soft_deleted(call: Call) -> HttpResponse:
    """Delete a soft-deleted version permanently."""
    world, target = call.world, call.target
    base = target.key.partition("/providers/")[0]
    gallery, _, artifact, version = target.names
    key = f"{base}/providers/microsoft.compute/galleries/{gallery}/images/{artifact}/versions/{version}".lower()
    entry = world.soft_deleted.get(key)
    if entry is None:
        return answer(None, 204)
    call.check_locks(key, "delete")
    operation = call.started(
        entry.resource,
        lambda _: world.soft_deleted.pop(key, None),
        lambda: None,
    )
    return call.running(operation, 202)


def subscriptions(call: Call) -> HttpResponse:
    """The subscriptions that the caller can read."""
    world = call.world
    if call.target.subscription is None:
        hidden = world.unreadable | call.switches.deny_subscriptions
        found = [one for key, one in world.subscriptions.items() if key not in hidden]
        wrapped = [
            Resource(one, one["id"], "", number + 1) for number, one in enumerate(found)
        ]
        return page(call, wrapped, lambda one: one.body)
    return answer(world.subscriptions[call.target.subscription.lower()])


def groups(call: Call) -> HttpResponse:
    """The resource groups of a subscription, or one."""
    world, target = call.world, call.target
    if target.group is not None:
        found = world.group_of(target.key)
        if found is None:
            raise arm_errors.group_not_found(target.group)
        return answer(found)
    start = f"/subscriptions/{target.subscription}/".lower()
    inside = [one for key, one in world.groups.items() if key.startswith(start)]
    wrapped = [
        Resource(one, one["id"], "", number + 1) for number, one in enumerate(inside)
    ]
    return page(call, wrapped, lambda one: one.body)


def resources(call: Call) -> HttpResponse:
    """The resources of one type in a subscription, with the time at which each was created."""
    text = call.argument("$filter") or ""
    asked = re.fullmatch(r"resourceType eq '([^']+)'", text)
    if asked is None:
        text = f"The $filter '{text}' is not supported by the stand-in."
        raise arm_errors.bad_request("InvalidFilterInQueryString", text)
    subscription = call.target.subscription or ""
    found = call.world.of_type(subscription, asked[1].lower())
    with_time = call.expands("createdTime")
    return page(call, found, lambda one: _generic(one, with_time))


def _generic(resource: Resource, with_time: bool) -> dict[str, Any]:
    """A resource without its properties, as Resource Manager lists it."""
    fields = ("id", "name", "type", "location", "tags", "managedBy", "sku")
    body = {name: resource.body[name] for name in fields if name in resource.body}
    data = resource.body.get("systemData", {})
    created = resource.hidden.get("createdTime", data.get("createdAt"))
    if with_time and created is not None:
        body["createdTime"] = created
    return body
