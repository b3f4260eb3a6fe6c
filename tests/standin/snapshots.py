"""Snapshots: DescribeSnapshots and DeleteSnapshot with its race."""

from __future__ import annotations

from typing import Any

from calls import AwsError, Call, answers
from listing import Paging, Values, filtered, not_both, page, tag_set
from world import Region, Snapshot, with_millis

_PAGING = Paging(at_most=1000, default=None)
_FILTERS: dict[str, Values] = {
    "snapshot-id": lambda snapshot: [snapshot.snapshot_id],
    "status": lambda snapshot: [snapshot.state],
    "description": lambda snapshot: [snapshot.description],
    "owner-id": lambda snapshot: [snapshot.owner_id],
    "volume-size": lambda snapshot: [str(snapshot.size_gib)],
    "storage-tier": lambda snapshot: ["standard"],
}


@answers("ec2", "DescribeSnapshots")
def describe_snapshots(call: Call) -> dict[str, Any]:
    """Snapshots by id, owner and filter; one unknown id fails the call."""
    not_both(call, "SnapshotIds", _PAGING)
    held = call.region.snapshots
    if ids := call.params.get("SnapshotIds"):
        snapshots = [
            _known(call.region, snapshot_id) for snapshot_id in dict.fromkeys(ids)
        ]
    else:
        snapshots = list(held.values())
    if owners := call.params.get("OwnerIds"):
        named = {call.world.account if name == "self" else name for name in owners}
        snapshots = [one for one in snapshots if one.owner_id in named]
    snapshots = filtered(call, snapshots, _FILTERS)
    snapshots, token = page(call, _PAGING, snapshots, lambda one: one.snapshot_id)
    return {"Snapshots": [_described(one) for one in snapshots], "NextToken": token}


def _described(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "SnapshotId": snapshot.snapshot_id,
        "VolumeId": f"vol-{snapshot.snapshot_id.removeprefix('snap-')}",
        "State": snapshot.state,
        "StartTime": with_millis(snapshot.started_at),
        "Progress": "100%" if snapshot.state == "completed" else "0%",
        "OwnerId": snapshot.owner_id,
        "VolumeSize": snapshot.size_gib,
        "FullSnapshotSizeInBytes": snapshot.size_gib * 1024**3,
        "Description": snapshot.description,
        "StorageTier": "standard",
        "Encrypted": False,
        "Tags": tag_set(snapshot.tags),
    }


@answers("ec2", "DeleteSnapshot")
def delete_snapshot(call: Call) -> dict[str, Any]:
    """Refused while any image names the snapshot, and sometimes a bit longer."""
    snapshot = _known(call.region, call.params.get("SnapshotId", ""))
    if snapshot.owner_id != call.world.account:
        text = f"Not authorized for snapshot:{snapshot.snapshot_id}"
        raise AwsError("AuthFailure", text, 403)
    if users := call.region.users_of(snapshot.snapshot_id):
        raise _in_use(snapshot, users)
    if _races(call, snapshot):
        raise _in_use(snapshot, [snapshot.released_by or ""])
    del call.region.snapshots[snapshot.snapshot_id]
    return {}


def _races(call: Call, snapshot: Snapshot) -> bool:
    """Whether EC2 still thinks that the deregistered image uses the snapshot.

    Real EC2 does so for about one snapshot in five.  Here the switch says which
    of the snapshots, in the order of their first delete, and how many times.
    """
    if snapshot.released_by is None:
        return False
    race = call.switches.race
    if snapshot.race_left is None:
        call.region.races += 1
        hit = call.region.races <= race.first or (
            race.every > 0 and call.region.races % race.every == 0
        )
        snapshot.race_left = race.times if hit else 0
    if snapshot.race_left == 0:
        return False
    snapshot.race_left -= 1
    return True


def _known(region: Region, snapshot_id: str) -> Snapshot:
    if snapshot_id not in region.snapshots:
        text = f"The snapshot '{snapshot_id}' does not exist."
        raise AwsError("InvalidSnapshot.NotFound", text)
    return region.snapshots[snapshot_id]


def _in_use(snapshot: Snapshot, image_ids: list[str]) -> AwsError:
    text = f"The snapshot {snapshot.snapshot_id} is currently in use by "
    return AwsError("InvalidSnapshot.InUse", text + ",".join(image_ids))
