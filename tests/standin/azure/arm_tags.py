"""The tags API: `PATCH {id}/providers/Microsoft.Resources/tags/default`.

Names are case-insensitive, values are not. A call changes one resource.
"""

from __future__ import annotations

from typing import Any

import arm_errors
from arm_paths import key_of
from arm_types import VERSIONS
from arm_world import Resource
from context import Call, answer
from http_server import HttpResponse

MOST_TAGS = 50
LONGEST_NAME = 512
LONGEST_VALUE = 256
FORBIDDEN = "<>%&\\?/"
RESERVED = ("microsoft", "azure", "windows")


def read(call: Call) -> HttpResponse:
    """The tags of a resource."""
    return answer(_written(call, _tagged(call)))


def patch(call: Call) -> HttpResponse:
    """Merge, replace or delete tags."""
    body = call.body()
    operation = body.get("operation")
    wanted = (body.get("properties") or {}).get("tags") or {}
    if operation not in ("Merge", "Replace", "Delete"):
        text = f"The tags operation '{operation}' is not valid."
        raise arm_errors.bad_request("InvalidTagsOperation", text)
    return _change(call, operation, wanted)


def put(call: Call) -> HttpResponse:
    """Replace all tags."""
    return _change(
        call, "Replace", (call.body().get("properties") or {}).get("tags") or {}
    )


def delete(call: Call) -> HttpResponse:
    """Delete all tags."""
    _change(call, "Replace", {})
    return answer(None)


def _tagged(call: Call) -> dict[str, Any]:
    """The body that has the tags: of a resource, a resource group or a subscription."""
    key = key_of(call.target.scope)
    world = call.world
    if key in world.resources:
        return world.resources[key].body
    if key in world.groups:
        return world.groups[key]
    subscription = key.removeprefix("/subscriptions/")
    if subscription in world.subscriptions:
        return world.subscriptions[subscription]
    name = call.target.scope.rpartition("/")[2]
    raise arm_errors.not_found(call.target.scope, name, call.target.group)


def _written(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{body['id']}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": body.get("tags") or {}},
    }


def _change(call: Call, operation: str, wanted: dict[str, str]) -> HttpResponse:
    body = _tagged(call)
    key = key_of(call.target.scope)
    call.check_locks(key, "write")
    new = {} if operation == "Replace" else dict(body.get("tags") or {})
    spelled = {name.lower(): name for name in new}
    for name, value in wanted.items():
        stored = spelled.get(name.lower(), name)
        if operation != "Delete":
            new[stored] = value
        elif not value or new.get(stored) == value:
            # An empty value deletes the tag whatever its value is.
            new.pop(stored, None)
    if operation != "Delete":
        _check(new)
    body["tags"] = new
    resource = call.world.resources.get(key)
    if resource is not None and resource.type == VERSIONS:
        _updating(call, resource)
    return answer(_written(call, body))


def _updating(call: Call, resource: Resource) -> None:
    """Whether tagging a version updates it is not documented: a switch decides."""
    if not call.switches.tags_update_versions:
        return

    def done(_: Any) -> None:
        resource.properties["provisioningState"] = "Succeeded"

    resource.properties["provisioningState"] = "Updating"
    call.started(resource, done, lambda: done(None), "capsOperations")


def _check(tags: dict[str, Any]) -> None:
    if len(tags) > MOST_TAGS:
        text = f"The resource has {len(tags)} tags. At most {MOST_TAGS} are allowed."
        raise arm_errors.bad_request("InvalidTagsCount", text)
    for name, value in tags.items():
        if not name or len(name) > LONGEST_NAME:
            text = (
                f"The tag name '{name[:20]}' must have 1 to {LONGEST_NAME} characters."
            )
            raise arm_errors.bad_request("InvalidTagNameLength", text)
        if any(one in FORBIDDEN for one in name):
            text = f"The tag name '{name}' contains a character of {FORBIDDEN}."
            raise arm_errors.bad_request("InvalidTagNameCharacters", text)
        if name.lower().startswith(RESERVED):
            text = f"The tag name '{name}' begins with a reserved prefix."
            raise arm_errors.bad_request("ReservedTagName", text)
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            text = f"The value of tag '{name}' must have at most {LONGEST_VALUE} characters."
            raise arm_errors.bad_request("InvalidTagValueLength", text)
