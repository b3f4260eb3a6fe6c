"""The Recycle Bin as EC2 shows it: what goes in, what is in it, and the way back.

A resource in the bin is gone for every other action, but for those on tags.
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
    """Deregister; into the bin if a rule covers the image.

    It loses its launch permissions there.  AWS says so of disabling only.
    """
    call.region.deregister(image)
    times = _times(call, "images", image.tags)
    if times is not None:
        image.unshare()
        call.region.recycle_image(Recycled(image, *times))


def discard_snapshot(call: Call, snapshot: Snapshot) -> None:
    """Delete; into the bin if a rule covers the snapshot, shared with nobody.

    Whether AWS takes the sharing away is not verified.
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
    """What can be restored, without tags."""
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
    """What can be restored, without tags."""
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
    """All, or those of the ids; what AWS says of an id not there is not verified."""
    wanted = dict.fromkeys(call.params.get(ids) or held)
    return [held[one] for one in wanted if one in held]


def _wire_times(recycled: Recycled) -> dict[str, Any]:
    return {
        "RecycleBinEnterTime": with_millis(recycled.entered_at),
        "RecycleBinExitTime": with_millis(recycled.leaves_at),
    }


@answers("ec2", "RestoreImageFromRecycleBin")
def restore_image(call: Call) -> dict[str, Any]:
    """Back as it was, but shared with nobody; its snapshots must be back before."""
    image_id = call.params.get("ImageId", "")
    held = call.region.recycled_images.get(image_id)
    if held is None:
        raise no_such_image(image_id)
    for snapshot_id in held.resource.snapshot_ids():
        if snapshot_id not in call.region.snapshots:
            # The code that AWS has for this is not verified.
            raise no_such_snapshot(snapshot_id)
    held.resource.unshare()
    call.region.put_image(held.resource)
    return {"Return": True}


@answers("ec2", "RestoreSnapshotFromRecycleBin")
def restore_snapshot(call: Call) -> dict[str, Any]:
    """Back as it was."""
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
