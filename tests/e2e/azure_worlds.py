"""Small subscriptions and policies for the tests of Azure."""

from __future__ import annotations

import json
from typing import Any

from local_azure import version_id
from worlds import ago

EXPIRED_AT = "image-steward:expired-at"
KEEP = "image-steward:keep"
DELETE_AFTER = "image-steward:delete-after"
IMAGE = "image-steward:image"
STEPS = 'disable_after = "7d", deregister_after = "14d"'
"""Deprecated at once, excluded from latest after a week, and deleted after another."""
AT_ONCE = 'deprecate_after = "never", disable_after = "never", deregister_after = "1h"'
SOFT_DELETE = {"enabled": True, "retention_days": 14, "grace_days": 7}


def azure_policy(
    retire: str = STEPS,
    match: str = 'name = "golden/web/*"',
    keep: str = "last = 2",
    safety: str = "",
    more: str = "",
) -> str:
    """Keeps the newest two versions of golden/web. All arguments are TOML."""
    return f"""version = 1
[[rule]]
name = "web"
match = {{ {match} }}
keep = {{ {keep} }}
retire = {{ {retire} }}
[safety]
max_fraction = 1.0
{safety}
{more}
"""


def managed_policy(recycle_bin: str, retire: str = AT_ONCE) -> str:
    """Keeps the newest of the managed images web-*."""
    safety = f'recycle_bin = "{recycle_bin}"'
    return azure_policy(retire, 'name = "web-*"', "last = 1", safety)


def version(number: int, age: float, **more: Any) -> dict[str, Any]:
    """The version NUMBER.0.0, published this many days ago."""
    return {"version": f"{number}.0.0", "published_at": ago(age)} | more


def gallery(
    *versions: Any, name: str = "golden", definition: Any = None, **more: Any
) -> dict[str, Any]:
    """A gallery with soft delete and the definition `web`."""
    made = {"name": "web", "versions": list(versions)} | (definition or {})
    made_gallery = {
        "name": name,
        "soft_delete": SOFT_DELETE,
        "definitions": [made],
        "created_at": ago(900),
    }
    return made_gallery | more


def machine(name: str, image: Any, **more: Any) -> dict[str, Any]:
    """A virtual machine from this image."""
    return {"name": name, "image": image} | more


def web_world(**more: Any) -> dict[str, Any]:
    """Six versions: 6 and 5 are the newest, 1 is in use by a virtual machine."""
    versions = [version(number, 70 - 10 * number) for number in range(1, 7)]
    world = {
        "galleries": [gallery(*versions)],
        "virtual_machines": [machine("vm", "golden/web/1.0.0")],
    }
    return world | more


def web(*numbers: int) -> set[str]:
    """The short names of versions of golden/web."""
    return {f"golden/web/{number}.0.0" for number in numbers}


def canonical(short: str, **more: str) -> str:
    """The id of a version as the command prints it."""
    return version_id(short, **more).lower()


def decisions(text: str) -> dict[str, dict[str, Any]]:
    """The decisions of a plan in JSON, by the short names of the images."""
    found = json.loads(text)["decisions"]
    return {"/".join(one["image_id"].split("/")[8::2]): one for one in found}


def actions(text: str) -> dict[str, str]:
    """The actions of a plan in JSON, by the short names of the images."""
    return {name: one["action"] for name, one in decisions(text).items()}


def with_action(text: str, action: str) -> set[str]:
    """The short names of the images with this action."""
    return {name for name, found in actions(text).items() if found == action}
