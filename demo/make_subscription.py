"""The subscription of `make demo-azure`: two galleries and managed images with a year of builds.

Run as a program, it prints the subscription in the format of the stand-in.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OTHER_SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
HOME = "westeurope"
SECOND = "northeurope"

GONE = (
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups/images/providers/microsoft.compute"
    "/galleries/golden/images/web/versions/0.9.41"
)
"""The id of a version that does not exist any more."""

# Ages in days, from the newest to the oldest. Version numbers count from the oldest.
BASE = (3, 17, 31, 45, 62, 93, 124, 155, 186, 247, 300, 340)
ARM = (3, 31, 62, 124, 186, 247)
WEB = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 23, 30, 37, 44, 58)
APPLIANCE = (20, 80, 140, 200)
AGENTS = (2, 9, 16, 30, 60, 120, 180)


class Subscription:
    """Builds the subscription. Versions are identified by definition and age."""

    def __init__(self, now: datetime) -> None:
        self.now = now.replace(microsecond=0)
        self.definitions: dict[str, dict[str, Any]] = {}
        self.versions: dict[tuple[str, int], dict[str, Any]] = {}

    def ago(self, days: float) -> str:
        """The time this many days ago."""
        return (self.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def add(self, name: str, ages: tuple[int, ...], **more: Any) -> dict[str, Any]:
        """Add a definition with a version for each age."""
        versions = []
        for number, age in enumerate(reversed(ages), 1):
            one: dict[str, Any] = {
                "version": f"1.0.{number}",
                "published_at": self.ago(age),
                "tags": {"Team": name.partition("-")[0]},
            }
            self.versions[name, age] = one
            versions.append(one)
        self.definitions[name] = {"name": name, "versions": versions} | more
        return self.definitions[name]

    def version(self, name: str, age: int, gallery: str = "golden") -> str:
        """The reference `gallery/definition/1.0.1` to the version with this age."""
        return f"{gallery}/{name}/{self.versions[name, age]['version']}"


def make_subscription(now: datetime) -> dict[str, Any]:
    """The whole subscription at the time `now`."""
    made = Subscription(now)
    made.add("base", BASE)
    made.add("base-arm64", ARM, architecture="Arm64")
    made.add("web", WEB)
    made.add("appliance", APPLIANCE, os_state="Specialized")
    add_oddities(made)
    golden = [made.definitions[name] for name in ("base", "base-arm64", "web")]
    return {
        "subscription": SUBSCRIPTION,
        "subscriptions": [
            {"id": SUBSCRIPTION, "name": "production"},
            {"id": OTHER_SUBSCRIPTION, "name": "development"},
        ],
        "location": HOME,
        "galleries": [
            {
                "name": "golden",
                "created_at": made.ago(900),
                "soft_delete": {
                    "enabled": True,
                    "retention_days": 30,
                    "grace_days": 10,
                },
                "definitions": golden,
            },
            {
                # No soft delete, and shared with the other subscription.
                "name": "vendor",
                "created_at": made.ago(900),
                "sharing": "Groups",
                "shared_with": {"subscriptions": [OTHER_SUBSCRIPTION]},
                "definitions": [made.definitions["appliance"]],
            },
        ],
        "images": [
            {
                "name": f"agent-{age:03}",
                "created_at": made.ago(age),
                "tags": {"Team": "build"},
                "data_disks": [64],
            }
            for age in AGENTS
        ],
        "snapshots": [
            # The sources of versions that were deleted long ago. Only the first has our tag.
            {
                "name": "web-build-41",
                "created_at": made.ago(300),
                "tags": {"image-steward:image": GONE},
            },
            {"name": "database-backup", "created_at": made.ago(300)},
        ],
    } | users(made)


def add_oddities(made: Subscription) -> None:
    """Add special cases, in which the keep rules alone would remove too much."""
    versions = made.versions
    # A fix of an old line: published recently, with a lower number than the newest.
    patch = {"version": "0.9.99", "published_at": made.ago(0.5), "tags": {}}
    made.definitions["web"]["versions"].append(patch)
    # The newest base image is still being replicated, so the one before is still needed.
    for age in (3, 17):
        versions["base", age]["regions"] = [HOME, SECOND]
    versions["base", 3]["replication"] = {SECOND: "Replicating"}
    versions["base", 247]["tags"]["image-steward:keep"] = "audit 2026"
    versions["base", 300] |= {"block_deletion": True, "end_of_life": made.ago(-200)}
    # A build that failed.
    versions["web", 1]["state"] = "Failed"
    versions["web", 1]["replication"] = {HOME: "Failed"}


def users(made: Subscription) -> dict[str, Any]:
    """Resources that use images, of every kind."""
    web = made.version
    return {
        "virtual_machines": [
            {"name": "web-1", "image": web("web", 2)},
            {"name": "database", "image": web("base", 186)},
            # It names only the definition. Its disk shows the version from which it was created.
            {"name": "reports", "image": "golden/base", "os_disk": "reports-os"},
            {"name": "agent-1", "image": "agent-060"},
            {
                "name": "laboratory",
                "image": web("web", 44),
                "subscription": OTHER_SUBSCRIPTION,
            },
        ],
        "disks": [
            {
                "name": "reports-os",
                "image": web("base", 155),
                "attached_to": "reports",
            }
        ],
        "scale_sets": [
            # Starts the highest number today, which is not the newest version.
            {
                "name": "web",
                "image": "golden/web",
                "instances": [{"id": "0", "image": web("web", 7)}],
            },
            {
                "name": "batch",
                "image": web("base-arm64", 3),
                "instances": [
                    # Not yet updated to the model.
                    {
                        "id": "3",
                        "image": web("base-arm64", 247),
                        "latest_model": False,
                    }
                ],
            },
            # Its version does not exist any more.
            {"name": "forgotten", "image": "golden/web/0.1.0"},
        ],
        "image_templates": [
            {
                "name": "nightly",
                "source": web("base", 124),
            }
        ],
        "locks": [{"name": "frozen", "scope": web("web", 58)}],
    }


if __name__ == "__main__":
    print(json.dumps(make_subscription(datetime.now(UTC)), indent=1))
