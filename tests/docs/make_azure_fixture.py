"""Writes azure_fixture.json: the Azure subscription for plans with the policies of the book.

Run it after a change. A test compares the file with the output of this program.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from make_fixture import NOW, as_lines

FIXTURE = Path(__file__).parent / "azure_fixture.json"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Images"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
VERSION_STEPS = {
    "deprecate": True,
    "disable": "excludes_from_latest",
    "recovery": {"days": 14},
}
MANAGED_IMAGE_STEPS = {
    "deprecate": False,
    "disable": "unsupported",
    "recovery": "unsupported",
}


def at(days: float) -> datetime:
    """The time this many days ago."""
    return datetime.fromisoformat(NOW) - timedelta(days=days)


def image(resource: str, name: str, age: float, **more: Any) -> dict[str, Any]:
    """An image of the subscription that is not shared."""
    return {
        "image_id": f"{COMPUTE}/{resource}",
        "name": name,
        "owner_id": SUBSCRIPTION,
        "created_at": f"{at(age):%Y-%m-%dT%H:%M:%SZ}",
        "state": "available",
        "architecture": "x86_64",
        "platform": "Linux",
        "launch_permissions": [],
        "os_state": "generalized",
        "disks": [{"size_gib": 30}],
    } | more


def versions(definition: str, *ages: float, **more: Any) -> list[dict[str, Any]]:
    """Versions of a definition in the gallery `golden`. The newest has the highest number."""
    return [
        image(
            f"galleries/golden/images/{definition}/versions/1.{len(ages) - position}.0",
            f"golden/{definition}/1.{len(ages) - position}.0",
            age,
            definition=f"golden/{definition}",
            capabilities=VERSION_STEPS,
            **more,
        )
        for position, age in enumerate(ages)
    ]


def make() -> dict[str, Any]:
    """The whole subscription as a saved inventory."""
    web = versions("web", *(5 + 12 * number for number in range(10)))
    database = versions("db", *(40 + 20 * number for number in range(4)))
    base = versions("base", *(50 + 40 * number for number in range(4)))
    desktop = versions("desktop", 20, 200, 400, os_state="specialized")
    managed = [
        image(
            f"images/web-{at(age):%Y%m%d}",
            f"web-{at(age):%Y%m%d}",
            age,
            architecture=None,
            capabilities=MANAGED_IMAGE_STEPS,
        )
        for age in (10 + 30 * number for number in range(5))
    ]
    references = [
        (web[0], "scale_set", "virtualMachineScaleSets/web", "latest in westeurope"),
        (web[5], "virtual_machine", "virtualMachines/canary", None),
    ]
    return {
        "format": 1,
        "account": SUBSCRIPTION,
        "taken_at": NOW,
        "unread": [],
        "images": [*web, *database, *base, *desktop, *managed],
        "references": [
            # References are spelled otherwise than the images.
            {
                "image_id": used["image_id"].upper(),
                "kind": kind,
                "arn": f"{COMPUTE}/{by}",
                "version": version,
            }
            for used, kind, by, version in references
        ],
        "recycled_images": [],
    }


def text() -> str:
    """The inventory as JSON with one object per line."""
    return as_lines(make())


if __name__ == "__main__":
    FIXTURE.write_text(text())
    sys.stdout.write(f"{FIXTURE.name}: {len(make()['images'])} images\n")
