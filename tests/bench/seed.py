"""The account of `make bench-peers`: which images are used, kept, and removed.

One image in ten is used, half of these by instances, the others by all other kinds of references.
About seven percent are kept because of their tag or age, and the others are to be removed. There
are no state tags.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worlds import ACCOUNT, ago, ami, snap

USED_OF = 10
"""One in this many images is used."""
KEPT_OF_400 = 29
SNAPSHOTS = 2


class User(StrEnum):
    """What uses an image."""

    RUNNING = "running instance"
    STOPPED = "stopped instance"
    DEFAULT = "default version of a launch template"
    LATEST = "latest version of a launch template, by an Auto Scaling group"
    PINNED = "pinned version of a launch template, by an Auto Scaling group"
    OVERRIDE = "override of an Auto Scaling group"
    CONFIGURATION = "launch configuration of an Auto Scaling group"
    FLEET = "EC2 fleet"
    SPOT_FLEET = "spot fleet"
    SPOT_REQUEST = "spot request"
    BATCH = "compute environment of AWS Batch"
    PARAMETER = "SSM parameter"


USERS = (User.RUNNING,) * 5 + (User.STOPPED,) * 3 + tuple(User)
"""The kinds of references to the images in use, in turn."""


@dataclass
class Seed:
    """A fleet, and the expected result for its images."""

    used: dict[str, User] = field(default_factory=dict)
    """The kind of reference to each image in use."""
    kept: set[str] = field(default_factory=set)
    """Images that are kept for another reason."""
    expired: list[str] = field(default_factory=list)
    """Images to be removed."""
    fleet: dict[str, Any] = field(default_factory=dict)

    def lost(self, fleet: dict[str, Any]) -> Counter[User]:
        """The used images that were removed or cannot be launched, by kind of reference."""
        there = available(fleet)
        return Counter(user for image, user in self.used.items() if image not in there)

    def kept_lost(self, fleet: dict[str, Any]) -> int:
        """How many unused images were removed that should be kept."""
        return len(self.kept - available(fleet))

    def removed(self, fleet: dict[str, Any]) -> int:
        """How many images were removed."""
        return len(self.fleet["images"]) - len(fleet["images"])


def available(fleet: dict[str, Any]) -> set[str]:
    """The images that can be launched."""
    images = fleet["images"]
    return {one["image_id"] for one in images if one["state"] == "available"}


def seed(size: int) -> Seed:
    """An account with this many images."""
    made = Seed()
    fleet: dict[str, Any] = {"account": ACCOUNT, "images": []}
    kept = size * KEPT_OF_400 // 400
    for number in range(size):
        image_id, tags, age = ami(number), {"Team": "web"}, 60 + number
        if number % USED_OF == 0:
            user = USERS[len(made.used) % len(USERS)]
            made.used[image_id] = user
            _use(fleet, number, user)
        elif len(made.kept) < kept:
            made.kept.add(image_id)
            if len(made.kept) % 2:
                tags["Preferred"] = "true"
            else:
                age = 1 + number % 20
        else:
            made.expired.append(image_id)
        fleet["images"].append(
            {
                "image_id": image_id,
                "name": f"web-{number}",
                "created_at": ago(age),
                "tags": tags | {"Name": f"web-{number}"},
                "snapshots": [snap(number * SNAPSHOTS + at) for at in range(SNAPSHOTS)],
            }
        )
    made.fleet = fleet
    return made


def _use(fleet: dict[str, Any], number: int, user: User) -> None:
    """Add a reference to this image, from a resource that refers to no other image."""
    image_id, name = ami(number), f"web-{number}"
    template_id = f"lt-{number:017x}"

    def add(section: str, **entry: Any) -> None:
        fleet.setdefault(section, []).append(entry)

    def add_template(*images: str | None, default: int = 1) -> None:
        numbered = enumerate(images, start=1)
        versions = [{"version": at, "image_id": one} for at, one in numbered]
        add(
            "launch_templates",
            launch_template_id=template_id,
            name=name,
            default_version=default,
            versions=versions,
        )

    def add_group(**how: Any) -> None:
        add("auto_scaling_groups", name=name, **how)

    def version(word: str) -> dict[str, str]:
        return {"launch_template_id": template_id, "version": word}

    match user:
        case User.RUNNING | User.STOPPED:
            state = user.name.lower()
            instance_id = f"i-{number:017x}"
            add("instances", instance_id=instance_id, image_id=image_id, state=state)
        case User.DEFAULT:
            add_template(None, image_id, None, default=2)
        case User.LATEST:
            add_template(None, None, image_id)
            add_group(launch_template=version("$Latest"))
        case User.PINNED:
            add_template(None, image_id, None)
            add_group(launch_template=version("2"))
        case User.OVERRIDE:
            add_template(None)
            override = {"instance_type": "m7g.large", "image_id": image_id}
            mixed = {"launch_template": version("$Default"), "overrides": [override]}
            add_group(mixed=mixed)
        case User.CONFIGURATION:
            add("launch_configurations", name=name, image_id=image_id)
            add_group(launch_configuration=name)
        case User.FLEET:
            add_template(None)
            launches = [version("$Default")]
            fleet_id = f"fleet-{number}"
            add(
                "fleets",
                fleet_id=fleet_id,
                images=[image_id],
                launch_templates=launches,
            )
        case User.SPOT_FLEET:
            add("spot_fleets", spot_fleet_request_id=f"sfr-{number}", images=[image_id])
        case User.SPOT_REQUEST:
            request_id = f"sir-{number:08x}"
            add(
                "spot_requests",
                spot_instance_request_id=request_id,
                image_id=image_id,
            )
        case User.BATCH:
            add("compute_environments", name=name, image_id_overrides=[image_id])
        case User.PARAMETER:
            add("ssm_parameters", name=f"/golden/{name}", value=image_id)
