"""The Recycle Bin in EC2: moving resources to it, listing it, restoring from it.

For all actions except those on tags, a resource in the bin does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from calls import Call, answers
from images import no_such_image
from listing import Paging, page
from retention import days_kept
from snapshots import described, no_such_snapshot
from world import Image, Recycled, Snapshot, timestamp, with_millis

_PAGING = Paging(at_most=1000, default=1000)


def discard_image(call: Call, image: Image) -> None:
    """Deregister the image, to the bin if a rule covers it.

    It loses its launch permissions there. AWS documents that only for disabling.
    """
    call.region.deregister(image)
    times = _times(call, "images", image.tags)
    if times is not None:
        image.unshare()
        call.region.recycle_image(Recycled(image, *times))


def discard_snapshot(call: Call, snapshot: Snapshot) -> None:
    """Delete the snapshot, to the bin if a rule covers it, without its sharing.

    It is not verified whether AWS removes the sharing.
    """
    del call.region.snapshots[snapshot.snapshot_id]
    times = _times(call, "snapshots", snapshot.tags)
    if times is not None:
        snapshot.unshare()
        call.region.recycle_snapshot(Recycled(snapshot, *times))


def _times(call: Call, what: str, tags: dict[str, str]) -> tuple[str, str] | None:
    rules = list(call.region.retention_rules.values())
    days = days_kept(rules, what, tags)
    if days is None:
        return None
    entered = datetime.now(UTC).replace(microsecond=0)
    return timestamp(entered), timestamp(entered + timedelta(days=days))


@answers("ec2", "ListImagesInRecycleBin")
def list_images_in_recycle_bin(call: Call) -> dict[str, Any]:
    """The images that can be restored, without tags."""
    held = _chosen(call, "ImageIds", call.region.recycled_images.present())
    held, token = page(call, _PAGING, held, lambda one: one.resource.image_id)
    images = [
        {
            "ImageId": one.resource.image_id,
            "Name": one.resource.name,
            "Description": one.resource.description or None,
        }
        | _wire_times(one)
        for one in held
    ]
    return {"Images": images, "NextToken": token}


@answers("ec2", "ListSnapshotsInRecycleBin")
def list_snapshots_in_recycle_bin(call: Call) -> dict[str, Any]:
    """The snapshots that can be restored, without tags."""
    held = _chosen(call, "SnapshotIds", call.region.recycled_snapshots.present())
    held, token = page(call, _PAGING, held, lambda one: one.resource.snapshot_id)
    snapshots = [
        {
            "SnapshotId": one.resource.snapshot_id,
            "Description": one.resource.description,
            "VolumeId": one.resource.volume_id,
        }
        | _wire_times(one)
        for one in held
    ]
    return {"Snapshots": snapshots, "NextToken": token}


def _chosen(call: Call, ids: str, held: dict[str, Recycled]) -> list[Recycled]:
    """All, or those with the ids. AWS's response to a missing id is not verified."""
    wanted = dict.fromkeys(call.params.get(ids) or held)
    return [held[one] for one in wanted if one in held]


def _wire_times(recycled: Recycled) -> dict[str, Any]:
    return {
        "RecycleBinEnterTime": with_millis(recycled.entered_at),
        "RecycleBinExitTime": with_millis(recycled.leaves_at),
    }


@answers("ec2", "RestoreImageFromRecycleBin")
def restore_image(call: Call) -> dict[str, Any]:
    """Restored unchanged, but not shared. Its snapshots must be restored before."""
    image_id = call.params.get("ImageId", "")
    held = call.region.recycled_images.get(image_id)
    if held is None:
        raise no_such_image(image_id)
    for snapshot_id in held.resource.snapshot_ids():
        if snapshot_id not in call.region.snapshots:
            # AWS's code for this is not verified.
            raise no_such_snapshot(snapshot_id)
    held.resource.unshare()
    call.region.put_image(held.resource)
    return {"Return": True}


@answers("ec2", "RestoreSnapshotFromRecycleBin")
def restore_snapshot(call: Call) -> dict[str, Any]:
    """Restored unchanged."""
    snapshot_id = call.params.get("SnapshotId", "")
    held = call.region.recycled_snapshots.get(snapshot_id)
    if held is None:
        raise no_such_snapshot(snapshot_id)
    call.region.put_snapshot(held.resource)
    restored = described(held.resource)
    told = (
        "SnapshotId",
        "Description",
        "Encrypted",
        "OwnerId",
        "Progress",
        "StartTime",
        "State",
        "VolumeId",
        "VolumeSize",
    )
    return {name: restored[name] for name in told}
