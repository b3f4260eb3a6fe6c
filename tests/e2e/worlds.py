"""Small fleets and policies for the tests here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

STRANGER = "999988887777"

ACCOUNT = "123456789012"
MARK = "image-steward:expired-at"
LEDGER_IMAGE = "image-steward:image"
DELETE_AFTER = "image-steward:delete-after"
PERMISSIONS = "image-steward:launch-permissions"
DEPRECATION = "image-steward:deprecation"
INSTANCE = "i-00000000000000001"
PLAIN = 'deprecate_after = "never", disable_after = "never", deregister_after = "7d"'
"""Removed after expiring, without the steps in between."""


TAGS = """set = { ManagedBy = "image-steward" }
copy_from_instance = ["Team", "Absent"]
"""
"""The tags of new images, for [tagging]."""


def policy(
    retire: str = 'deregister_after = "7d"',
    more: str = "",
    last: int = 2,
    tagging: str = "",
) -> str:
    """Keeps the newest two (`last`) of web-*. `retire`, `more`, `tagging` are TOML."""
    return f"""version = 1
[[rule]]
name = "web"
match = {{ name = "web-*" }}
keep = {{ last = {last} }}
retire = {{ {retire} }}
[safety]
max_fraction = 1.0
[tagging]
{tagging}{more}
"""


def ami(number: int) -> str:
    return f"ami-{number:017x}"


def snap(number: int) -> str:
    return f"snap-{number:017x}"


def ago(days: float) -> str:
    moment = datetime.now(UTC) - timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def image(number: int, age: float, marked: float | None = None, **more: Any) -> Any:
    """web-NUMBER with the snapshot of that number, tagged as expired and deprecated this many days
    ago."""
    made = {
        "image_id": ami(number),
        "name": f"web-{number}",
        "created_at": ago(age),
        "snapshots": [snap(number)],
    }
    tags = {}
    if marked is not None:
        made["deprecation_time"] = ago(marked)
        tags = {MARK: ago(marked), DEPRECATION: saved(number, marked)}
    return made | more | {"tags": tags | more.get("tags", {})}


def saved(
    number: int, days: float, date: str = "none", step: str = "deprecated"
) -> str:
    """The tag with the saved deprecation time, as written by a step this many days ago."""
    return f"{ami(number)} {date} {step} {ago(days)}"


def created_for(image_id: str) -> str:
    """EC2's description of the snapshots that CreateImage creates."""
    return f"Created by CreateImage({INSTANCE}) for {image_id}"


def snapshot(snapshot_id: str, image_id: str, **more: Any) -> dict[str, Any]:
    """A snapshot that EC2 created for this image."""
    volume = snapshot_id.replace("snap-", "vol-", 1)
    made = {"description": created_for(image_id), "volume_id": volume}
    return {"snapshot_id": snapshot_id} | made | more


def due(days: float) -> str:
    """The tag of a snapshot that is due since this many days, written a week before."""
    return f"{ago(days)} marked {ago(days + 7)}"


def tagged_snapshot(
    number: int, of_image: int, days: float = 1, **tags: str
) -> dict[str, Any]:
    """A tagged snapshot of that image, due since this many days."""
    ours = {LEDGER_IMAGE: ami(of_image), DELETE_AFTER: due(days)}
    return snapshot(snap(number), ami(of_image), tags=ours | tags)


def recycled(number: int, days: float = 8) -> dict[str, Any]:
    """An image that entered the Recycle Bin this many days ago, which keeps it for 14 days."""
    return {
        "image": {"image_id": ami(number)},
        "entered_at": ago(days),
        "leaves_at": ago(days - 14),
    }


def announced(fleet: dict[str, Any]) -> dict[str, Any]:
    """The account after the event of each image, so that a sweep has no missing tags."""
    snapshots = {one["snapshot_id"]: one for one in fleet.get("snapshots", [])}
    for one in fleet["images"]:
        image_id, created_at = one["image_id"], one["created_at"]
        for snapshot_id in one["snapshots"]:
            tags = {LEDGER_IMAGE: image_id}
            made = snapshot(snapshot_id, image_id, started_at=created_at, tags=tags)
            snapshots.setdefault(snapshot_id, made)
    return fleet | {"snapshots": list(snapshots.values())}


def web_fleet() -> dict[str, Any]:
    """1 and 2 are kept, 3 is newly expired, 4 waits, 5 to 7 are due, 8 is in use."""
    return announced(_web_fleet())


def _web_fleet() -> dict[str, Any]:
    return {
        "account": ACCOUNT,
        "images": [
            image(1, 1),
            image(2, 2),
            image(3, 3),
            image(4, 20, marked=1),
            image(5, 40, marked=10),
            image(6, 50, marked=10),
            image(7, 60, marked=10),
            image(8, 70, marked=10),
        ],
        "instances": [
            {"instance_id": INSTANCE, "image_id": ami(8), "tags": {"Team": "web"}}
        ],
    }


DUE = [ami(5), ami(6), ami(7)]
DUE_SNAPSHOTS = [snap(5), snap(6), snap(7)]


def image_ids(fleet: dict[str, Any]) -> set[str]:
    return {one["image_id"] for one in fleet["images"]}


def snapshot_ids(fleet: dict[str, Any]) -> set[str]:
    return {one["snapshot_id"] for one in fleet["snapshots"]}


def tags_of(fleet: dict[str, Any], resource: str) -> dict[str, str]:
    """The tags of an image or a snapshot."""
    resources = fleet["images"] + fleet["snapshots"]
    ids = ("image_id", "snapshot_id")
    return next(one["tags"] for one in resources if resource in map(one.get, ids))


def image_of(fleet: dict[str, Any], image_id: str) -> dict[str, Any]:
    return next(one for one in fleet["images"] if one["image_id"] == image_id)


def recycled_ids(fleet: dict[str, Any]) -> set[str]:
    """The images and snapshots in the Recycle Bin."""
    images = {one["image"]["image_id"] for one in fleet["recycled_images"]}
    snapshots = {one["snapshot"]["snapshot_id"] for one in fleet["recycled_snapshots"]}
    return images | snapshots


def safety(**values: str) -> str:
    """The policy with the default steps, and these values (in TOML) in [safety]."""
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    return policy("").replace("[safety]\n", f"[safety]\n{lines}")


def small_fleet(*others: Any, **more: Any) -> dict[str, Any]:
    """The newest two, which instances use, and `others`."""
    instance = {"instance_id": INSTANCE, "image_id": ami(1), "tags": {"Team": "web"}}
    fleet = {
        "account": ACCOUNT,
        "images": [image(1, 1), image(2, 2), *others],
        "instances": [instance],
    }
    return announced(fleet | more)


def deprecated(number: int, marked: float, **more: Any) -> Any:
    """An image that we found expired and deprecated this many days ago."""
    return image(number, marked + 20, marked, **more)


def disabled(number: int, marked: float, shared: str = "none", **more: Any) -> Any:
    """An image that we disabled too. `shared` are its former launch permissions."""
    tags = {
        PERMISSIONS: f"{ami(number)} {shared}",
        DEPRECATION: saved(number, marked, step="disabled"),
    } | more.pop("tags", {})
    return deprecated(number, marked, state="disabled", tags=tags, **more)


def in_use(fleet: dict[str, Any], image_id: str) -> dict[str, Any]:
    """The fleet with an instance that runs this image."""
    instance = {"instance_id": "i-00000000000000002", "image_id": image_id}
    return fleet | {"instances": [*fleet["instances"], instance]}
