"""The account of the demo: five families with two years of images, ending today.

Run as a program, it prints the account in the format of the stand-in.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
BUILDER = "i-0b1dd3a5c0ffee001"
"""The instance from which the demo creates a new image."""

# Ages in days. As in real families, there are more recent images than old ones.
GOLDEN_X86 = (3, 17, 31, 45, 62, 93, 124, 155, 186, 247, 368, 459, 550, 641, 719)
GOLDEN_ARM = (3, 17, 31, 45, 62, 93, 124, 155, 186, 247)
WEB = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 23, 30, 37, 44, 58, 65, 72, 79)
CI = (2, 9, 16, 25, 33, 40, 50, 61, 75, 90)
LEGACY = (290, 340, 420, 510, 600, 700, 780, 860)

# How many days ago an earlier sweep found the image expired and deprecated it, by age.
EXPIRED = {
    "golden-x86_64": {186: 20, 247: 20, 459: 60, 550: 60, 641: 20, 719: 20},
    "golden-arm64": {186: 20, 247: 8},
    "web-nightly": {
        8: 1,
        12: 8,
        30: 12,
        37: 12,
        44: 12,
        58: 12,
        65: 12,
        72: 12,
        79: 12,
    },
    "ci-runner": {50: 5, 61: 9, 75: 9, 90: 9},
    "legacy-batch": {420: 40, 510: 40, 600: 40, 700: 40, 780: 40, 860: 40},
}
# The ages of the images that a later sweep disabled.
DISABLED = {
    "golden-x86_64": (186, 247, 641, 719),
    "golden-arm64": (186,),
    "web-nightly": (12, 30, 37, 44, 58, 65, 72, 79),
    "ci-runner": (61, 75, 90),
}


class Fleet:
    """Builds the account. Images are identified by family and age."""

    def __init__(self, now: datetime) -> None:
        self.now = now.replace(microsecond=0)
        self.images: dict[tuple[str, int], dict[str, Any]] = {}
        self.snapshots: list[dict[str, Any]] = []
        self.recycled_images: list[dict[str, Any]] = []

    def ago(self, days: float) -> str:
        return (self.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def due(self, days: float) -> str:
        """The value of `delete-after` for a snapshot that is due since this many days."""
        return " marked ".join((self.ago(days), self.ago(days + 7)))

    def image(self, family: str, age: int) -> str:
        return self.images[family, age]["image_id"]

    def snapshot(self, name: str, age: float, size: int, **more: Any) -> str:
        snapshot_id = new_id("snap", name)
        made = {"started_at": self.ago(age), "size_gib": size}
        self.snapshots.append({"snapshot_id": snapshot_id} | made | more)
        return snapshot_id

    def add(
        self, family: str, ages: tuple[int, ...], sizes: list[int], **more: Any
    ) -> None:
        """Add an image for each age, with a snapshot for each size."""
        for age in ages:
            made = self.now - timedelta(days=age)
            name = f"{family}-{made:%Y%m%d}"
            image_id = new_id("ami", name)
            steps = self.steps_of(family, age, image_id)
            words = f"Created by CreateImage({BUILDER}) for {image_id}"
            volume = new_id("vol", name)
            snapshots = [
                self.snapshot(
                    f"{name}-{size}", age, size, description=words, volume_id=volume
                )
                for size in sizes
            ]
            self.images[family, age] = (
                {
                    "image_id": image_id,
                    "name": name,
                    "created_at": self.ago(age),
                    "snapshots": snapshots,
                }
                | more
                | steps
                | {"tags": more.get("tags", {}) | steps.get("tags", {})}
            )

    def steps_of(self, family: str, age: int, image_id: str) -> dict[str, Any]:
        """The changes of earlier sweeps to the image, with the state tags to undo them."""
        days = EXPIRED.get(family, {}).get(age)
        if days is None:
            return {}
        tags = {
            "image-steward:expired-at": self.ago(days),
            "image-steward:deprecation": f"{image_id} none deprecated {self.ago(days)}",
        }
        done: dict[str, Any] = {"deprecation_time": self.ago(days), "tags": tags}
        if age in DISABLED.get(family, ()):
            done["state"] = "disabled"
            tags["image-steward:launch-permissions"] = f"{image_id} none"
            tags["image-steward:deprecation"] = (
                f"{image_id} none disabled {self.ago(days)}"
            )
        return done


def new_id(kind: str, name: str) -> str:
    """A realistic id, which is always the same for a name."""
    return f"{kind}-0{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def make_fleet(now: datetime) -> dict[str, Any]:
    """The whole account at the time `now`."""
    fleet = Fleet(now)
    golden = {"tags": {"Family": "golden", "Team": "platform"}}
    fleet.add("golden-x86_64", GOLDEN_X86, [8], **golden)
    fleet.add("golden-arm64", GOLDEN_ARM, [8], architecture="arm64", **golden)
    fleet.add("web-nightly", WEB, [8, 20], tags={"Team": "web"})
    fleet.add("ci-runner", CI, [30], tags={"Team": "build"})
    fleet.add("legacy-batch", LEGACY, [50], ephemeral=["ephemeral0"])
    add_oddities(fleet)
    add_orphans(fleet)
    return {
        "account": ACCOUNT,
        "region": "eu-central-1",
        "images": list(fleet.images.values()),
        "snapshots": fleet.snapshots,
        "recycled_images": fleet.recycled_images,
    } | users(fleet)


def add_oddities(fleet: Fleet) -> None:
    """Add special cases, in which the keep rules alone would remove too much."""
    images = fleet.images
    # Two images share a snapshot. One image is removed and one kept, so the snapshot is kept too.
    images["legacy-batch", 600]["snapshots"].append(
        images["legacy-batch", 340]["snapshots"][0]
    )
    # Two images share a snapshot, and both are removed.
    images["ci-runner", 75]["snapshots"] += images["ci-runner", 61]["snapshots"]
    images["ci-runner", 33]["last_launched_at"] = fleet.ago(6)
    images["golden-x86_64", 550]["tags"]["image-steward:keep"] = "audit 2025"
    # Disabled while the policy still retired shared images, and in use again.
    restored = images["golden-x86_64", 247]
    saved = f"{restored['image_id']} {OTHER_ACCOUNT}"
    restored["tags"]["image-steward:launch-permissions"] = saved
    images["golden-x86_64", 459]["launch_permissions"] = [OTHER_ACCOUNT]
    images["legacy-batch", 420]["protected"] = "enabled-without-cooldown"
    for family, age, more in (
        ("ci-runner-broken", 5, {"state": "failed", "tags": {"Team": "build"}}),
        ("experiment", 400, {"tags": {"Owner": "kim"}}),
        ("vendor-appliance", 500, {"owner_id": OTHER_ACCOUNT, "public": True}),
    ):
        sizes = [] if family == "vendor-appliance" else [10]
        fleet.add(family, (age,), sizes, **more)


def add_orphans(fleet: Fleet) -> None:
    """Add snapshots whose image was deregistered, by a sweep or by somebody else."""
    gone = new_id("ami", "an image that a sweep deregistered")
    fleet.recycled_images.append(
        {
            "image": {"image_id": gone, "name": "base", "created_at": fleet.ago(800)},
            "entered_at": fleet.ago(3),
            "leaves_at": fleet.ago(-11),
        }
    )
    made = {
        "description": f"Created by CreateImage({BUILDER}) for {gone}",
        "volume_id": new_id("vol", "an image that a sweep deregistered"),
    }
    state = {"image-steward:image": gone, "image-steward:delete-after": fleet.due(2)}
    fleet.snapshot("due", 800, 8, tags=state, **made)
    later = state | {"image-steward:delete-after": fleet.due(-5)}
    fleet.snapshot("with time left", 800, 8, tags=later, **made)
    gone = new_id("ami", "an image that is gone")
    words = f"Created by CreateImage({BUILDER}) for {gone}"
    volume = new_id("vol", "an image that is gone")
    fleet.snapshot("orphan", 810, 8, description=words, volume_id=volume)
    # It has the same description, but no volume, so it may be a copy.
    fleet.snapshot("orphan that may be a copy", 805, 8, description=words)


def users(fleet: Fleet) -> dict[str, Any]:
    """Resources that use images, of every kind."""
    golden, arm = "golden-x86_64", "golden-arm64"

    def instance(number: int, family: str, age: int, state: str, **tags: str) -> Any:
        instance_id = BUILDER if number == 0 else new_id("i", f"instance {number}")
        image_id = fleet.image(family, age)
        return {
            "instance_id": instance_id,
            "image_id": image_id,
            "state": state,
            "tags": tags,
        }

    def template(name: str, default: int, *image_ids: str) -> Any:
        versions = [
            {"version": n, "image_id": one} for n, one in enumerate(image_ids, 1)
        ]
        template_id = new_id("lt", name)
        return {
            "launch_template_id": template_id,
            "name": name,
            "default_version": default,
            "versions": versions,
        }

    def version(name: str, number: str) -> Any:
        return {"launch_template_id": new_id("lt", name), "version": number}

    web = [fleet.image("web-nightly", age) for age in (58, 44, 30, 1)]
    return {
        "instances": [
            instance(
                0, golden, 3, "running", Name="builder", Team="web", CostCenter="4711"
            ),
            # Its image expired weeks ago, and was launched again.
            instance(1, golden, 247, "running", Name="restored-database"),
            instance(2, "legacy-batch", 510, "stopped", Name="year-end"),
            instance(3, golden, 719, "terminated"),
            *(instance(n, "web-nightly", 2, "running", Team="web") for n in (4, 5)),
            instance(6, "vendor-appliance", 500, "running"),
        ],
        "launch_templates": [
            # Version 3 is neither $Default (2) nor $Latest (4), and nothing refers to it. EC2's own
            # check of references finds it.
            template("web", 2, *web),
            template("batch-arm", 2, fleet.image(arm, 186), fleet.image(arm, 3)),
            template("from-parameter", 1, "resolve:ssm:/golden/stable"),
        ],
        "launch_configurations": [
            {"name": "legacy-2019", "image_id": fleet.image("legacy-batch", 700)}
        ],
        "auto_scaling_groups": [
            {"name": "web", "launch_template": version("web", "$Latest")},
            {"name": "web-canary", "launch_template": version("web", "1")},
            {
                "name": "batch",
                "mixed": {
                    "launch_template": version("batch-arm", "$Default"),
                    "overrides": [
                        {
                            "instance_type": "m7g.large",
                            "launch_template": version("batch-arm", "1"),
                        },
                        {
                            "instance_type": "m7i.large",
                            "image_id": fleet.image(golden, 186),
                        },
                    ],
                },
            },
            {"name": "legacy", "launch_configuration": "legacy-2019"},
        ],
        "fleets": [
            {"fleet_id": "fleet-ci", "images": [fleet.image("ci-runner", 90)]},
            {
                "fleet_id": "fleet-that-was",
                "state": "deleted",
                "images": [fleet.image("ci-runner", 75)],
            },
        ],
        "spot_fleets": [
            {
                "spot_fleet_request_id": "sfr-render",
                "images": [fleet.image("web-nightly", 79)],
            }
        ],
        "compute_environments": [
            {
                "name": "year-end",
                "image_id_overrides": [fleet.image("legacy-batch", 780)],
            }
        ],
        "image_recipes": [
            {"name": "reports", "image_id": fleet.image("legacy-batch", 860)}
        ],
        "ssm_parameters": [
            {"name": "/golden/stable", "value": fleet.image(golden, 124)}
        ],
    }


if __name__ == "__main__":
    print(json.dumps(make_fleet(datetime.now(UTC)), indent=1))
