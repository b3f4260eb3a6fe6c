"""Builds a world from a short description: `python make_world.py SHORT.json > WORLD.json`.

A description has lists of galleries, images, virtual machines and so on. Everything has a default
except names. References are short: `golden/web/1.0.0` is a version, `golden/web` a definition, and
`web` a managed image; a text that begins with `/` is an id. README.md lists all fields.

As on Azure, the spelling of ids differs: virtual machines, disks and snapshots have the name of
their resource group in capitals, and scale sets refer to images with `resourcegroups`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))

import make_galleries
import make_machines
import make_others
from checking import BadFleet, entry
from make_base import Body, Builder
from make_fields import (
    DISK,
    GALLERY,
    IMAGE,
    LOCK,
    MACHINE,
    SCALE_SET,
    SNAPSHOT,
    TEMPLATE,
    WORLD,
)

__all__ = ["BadFleet", "make"]

KINDS = [
    ("galleries", GALLERY, make_galleries.gallery),
    ("images", IMAGE, make_galleries.image),
    ("virtual_machines", MACHINE, make_machines.machine),
    ("scale_sets", SCALE_SET, make_machines.scale_set),
    ("disks", DISK, make_machines.disk),
    ("snapshots", SNAPSHOT, make_machines.snapshot),
    ("image_templates", TEMPLATE, make_others.template),
    ("locks", LOCK, make_others.lock),
]


def make(raw: Any) -> Body:
    """The world with ARM bodies. A world with ARM bodies is returned as it is."""
    made = Builder(entry(raw, WORLD, "world"))
    raw = made.raw
    for one in raw["subscriptions"]:
        made.add_subscription(one)
    if not raw["subscriptions"]:
        made.add_subscription({"id": raw["subscription"], "name": "main"})
    for one in raw["groups"]:
        made.add_group(one)
    checked = [
        (name, build, entry(one, fields, f"{name}[{number}]"))
        for name, fields, build in KINDS
        for number, one in enumerate(raw[name])
    ]
    for name, _, one in checked:
        # References can name what comes later.
        if name in ("galleries", "images"):
            made.homes.setdefault(one["name"].lower(), made.scope(one))
    for _, build, one in checked:
        build(made, one)
    return {
        "now": raw["now"],
        "stopped": raw["stopped"],
        "subscriptions": list(made.subscriptions.values()),
        "groups": list(made.groups.values()),
        "resources": made.resources,
        "soft_deleted": made.soft_deleted,
    }


if __name__ == "__main__":
    try:
        world = make(json.loads(Path(sys.argv[1]).read_text()))
    except BadFleet as error:
        sys.exit("\n".join(error.errors))
    print(json.dumps(world, indent=1))
