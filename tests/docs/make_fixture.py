"""Writes fixture.json: the account for plans with all policies of the book.

Run it after a change. A test compares the file with the output of this program. Everything is
generated from one seed and one time, `NOW`, so the images are always the same.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from arns import arn
from situations import SITUATIONS

HERE = Path(__file__).parent
FIXTURE = HERE / "fixture.json"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
NOW = "2026-11-22T12:00:00Z"


class World:
    """The account under construction."""

    def __init__(self) -> None:
        self.random = random.Random(20261122)
        self.now = datetime.fromisoformat(NOW)
        self.images: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self.references: list[dict[str, Any]] = []
        self.recycled: list[str] = []

    def at(self, days: float) -> str:
        """The time this many days ago."""
        return f"{self.now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"

    def day(self, days: float) -> str:
        """The date of that time, as used in names."""
        return f"{self.now - timedelta(days=days):%Y%m%d}"

    def id(self, kind: str) -> str:
        """A new id such as `ami-0123456789abcdef0`."""
        return f"{kind}-{self.random.getrandbits(64):017x}"

    def image(self, name: str, age: float, **more: Any) -> dict[str, Any]:
        """An own image with one snapshot, `age` days old. `more` are additional fields."""
        gib = more.pop("gib", self.random.choice((8, 16, 30, 60)))
        snapshot = self.snapshot(age, gib)
        made = {
            "image_id": self.id("ami"),
            "name": name,
            "owner_id": ACCOUNT,
            "created_at": self.at(age),
            "state": "available",
            "architecture": "x86_64",
            "platform": "Linux/UNIX",
            "snapshots": [snapshot["snapshot_id"]],
            "launch_permissions": [],
        } | more
        snapshot["description"] = (
            f"Created by CreateImage({self.id('i')}) for {made['image_id']}"
        )
        self.images.append(made)
        return made

    def snapshot(self, age: float, gib: int, **more: Any) -> dict[str, Any]:
        """A snapshot of an own volume."""
        made = {
            "snapshot_id": self.id("snap"),
            "started_at": self.at(age),
            "size_gib": gib,
            "volume_id": self.id("vol"),
        } | more
        self.snapshots.append(made)
        return made

    def refer(
        self,
        image: dict[str, Any],
        kind: str,
        name: str,
        version: str | None = None,
        stale: bool = False,
    ) -> None:
        """Adds a reference to the image, from a resource or one of its versions."""
        made = {"image_id": image["image_id"], "kind": kind, "arn": arn(kind, name)}
        if version is not None:
            made["version"] = version
        self.references.append(made | ({"stale": True} if stale else {}))


def make() -> dict[str, Any]:
    """The whole account as a saved inventory."""
    world = World()
    for situation in SITUATIONS:
        situation(world)
    rules = ("images", "snapshots")
    return {
        "format": 1,
        "account": ACCOUNT,
        "region": REGION,
        "taken_at": NOW,
        "unread": [],
        "images": world.images,
        "snapshots": world.snapshots,
        "references": world.references,
        "retention_rules": [
            {"rule_id": what, "resource": what, "days": 14, "in_effect": True}
            for what in rules
        ],
        "recycled_images": [{"image_id": one} for one in world.recycled],
    }


def as_lines(inventory: dict[str, Any]) -> str:
    """An inventory as JSON with one object per line, so that diffs show changes."""
    lines = []
    for key, value in inventory.items():
        if isinstance(value, list) and value:
            inner = ",\n".join(f"  {json.dumps(one)}" for one in value)
            lines.append(f"{json.dumps(key)}: [\n{inner}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def text() -> str:
    """The whole account as JSON."""
    return as_lines(make())


if __name__ == "__main__":
    FIXTURE.write_text(text())
    sys.stdout.write(f"{FIXTURE.name}: {len(make()['images'])} images\n")
