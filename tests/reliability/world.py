"""An account with an image at every stage, and a reference of every kind.

The policy's durations are in days. The runs of one cell are seconds apart, so they all see the same
stages.
"""

from __future__ import annotations

from typing import Any

from worlds import ACCOUNT, ago, ami, deprecated, disabled, due, image, snap

POLICY = """version = 1
[[rule]]
name = "web"
match = { name = "web-*" }
keep = { last = 2 }
retire = { deprecate_after = "0d", disable_after = "1d", deregister_after = "14d" }
[[rule]]
name = "app"
match = { name = "app-*" }
keep = { last = 1 }
retire = { deprecate_after = "1d", disable_after = "1d", deregister_after = "14d" }
[[rule]]
name = "db"
match = { name = "db-*" }
keep = { last = 1 }
retire = { disable_after = "1d", deregister_after = "14d", delete_snapshots_after = "0d" }
[safety]
max_per_run = 1000
max_fraction = 1.0
shared_images = "retire"
share_back = ["111122223333"]
[orphans]
delete_after = "7d"
"""
FRIEND = "111122223333"


def _template(number: int, *images: str, **more: Any) -> dict[str, Any]:
    versions = [
        {"version": at, "image_id": one} for at, one in enumerate(images, start=1)
    ]
    return {"launch_template_id": f"lt-{number:017x}", "versions": versions} | more


def _holders(first: int) -> dict[str, Any]:
    """Ten references of different kinds, to ten images from `first` on."""
    held = [ami(first + at) for at in range(10)]
    pinned = {"launch_template_id": f"lt-{2:017x}", "version": "2"}
    fleet_pin = {"launch_template_id": f"lt-{3:017x}", "version": "2"}
    return {
        "instances": [
            {"instance_id": "i-00000000000000001", "image_id": ami(1)},
            {
                "instance_id": "i-00000000000000002",
                "image_id": held[0],
                "state": "stopped",
            },
        ],
        "launch_templates": [
            _template(1, ami(1), held[1]),
            _template(2, ami(1), held[2], ami(1)),
            _template(3, ami(1), held[3], ami(1)),
            _template(4, "resolve:ssm:/alias"),
            _template(5, ami(1)),
        ],
        "launch_configurations": [{"name": "legacy", "image_id": held[4]}],
        "auto_scaling_groups": [{"name": "web", "launch_template": pinned}],
        "fleets": [
            {"fleet_id": "fleet-00000000000000001", "launch_templates": [fleet_pin]}
        ],
        "spot_fleets": [
            {"spot_fleet_request_id": "sfr-00000000000000001", "images": [held[5]]}
        ],
        "spot_requests": [
            {"spot_instance_request_id": "sir-00000001", "image_id": held[6]}
        ],
        "compute_environments": [{"name": "batch", "image_id_overrides": [held[7]]}],
        "ssm_parameters": [
            {"name": "/alias", "value": held[8]},
            {"name": "/golden", "value": held[9]},
        ],
        "image_recipes": [{"name": "base", "version": "1.0.0", "image_id": ami(70)}],
    }


def app(number: int, **more: Any) -> Any:
    return deprecated(number, 3, name=f"app-{number}", **more)


def world() -> dict[str, Any]:
    """The account."""
    shared = {"launch_permissions": [FRIEND]}
    images = [
        image(1, 1),
        image(2, 2),
        # Expired now: to be tagged and deprecated.
        *(image(number, 50 + number) for number in range(3, 8)),
        # Deprecated long enough: to be disabled. Some are shared. Their rule has no wait between
        # the two steps, because after a failed disabling the wait would start again.
        *(app(number) for number in range(8, 12)),
        *(app(number, **shared) for number in range(12, 15)),
        app(15, public=True),
        image(77, 1, name="app-77"),
        # Disabled long enough: to be removed. Two of them share a snapshot, one has two.
        *(disabled(number, 20) for number in range(16, 22)),
        disabled(22, 20, snapshots=[snap(22), snap(60)]),
        disabled(23, 20, snapshots=[snap(23), snap(60)]),
        # In use through every kind of reference, at the stages of the steps.
        *(image(30 + at, 90 + at) for at in range(4)),
        *(deprecated(34 + at, 20) for at in range(3)),
        *(disabled(37 + at, 20, FRIEND) for at in range(3)),
        # Excluded by tag, protected, kept by its rank.
        image(50, 200, tags={"image-steward:keep": ""}),
        image(51, 201, protected="enabled-without-cooldown"),
        # Their snapshots are deleted with them.
        image(70, 3, name="db-70"),
        *(disabled(number, 20, name=f"db-{number}") for number in range(71, 76)),
        image(76, 300, name="other-76"),
    ]
    ledger = {
        "image-steward:image": ami(99),
        "image-steward:delete-after": due(2),
    }
    orphans = [
        {
            "snapshot_id": snap(80 + at),
            "started_at": ago(100),
            "volume_id": f"vol-{80 + at:017x}",
            "description": f"Created by CreateImage(i-00000000000000009) for {ami(90)}",
        }
        for at in range(3)
    ]
    marked = [
        {
            "snapshot_id": snap(85 + at),
            "started_at": ago(100),
            "volume_id": f"vol-{85 + at:017x}",
            "description": f"Created by CreateImage(i-00000000000000009) for {ami(99)}",
            "tags": ledger,
        }
        for at in range(4)
    ]
    deregistered = {
        "image": {"image_id": ami(99), "name": "web-99", "created_at": ago(100)},
        "entered_at": ago(9),
        "leaves_at": ago(-5),
    }
    marked[2]["locked"] = True
    backup = {"snapshot_id": snap(95), "started_at": ago(100), "description": "mine"}
    return {
        "account": ACCOUNT,
        "images": images,
        "snapshots": [*orphans, *marked, backup],
        "recycled_images": [deregistered],
    } | _holders(30)


IN_USE = frozenset(ami(number) for number in [1, 70, *range(30, 40)])
