"""Snapshots: listing them, their volume permissions, and locks."""

from __future__ import annotations

from typing import Any

from calls import AwsError, Call, answers
from listing import Paging, Values, filtered, not_both, page, shown, tag_set
from world import Region, Snapshot, with_millis

_PAGING = Paging(at_most=1000, default=None)
_LOCK_PAGING = Paging(at_most=1000, default=1000)
_LOCK = "governance"
_LOCK_FILTERS: dict[str, Values] = {"lock-state": lambda snapshot: [_LOCK]}
_FILTERS: dict[str, Values] = {
    "snapshot-id": lambda snapshot: [snapshot.snapshot_id],
    "status": lambda snapshot: [snapshot.state],
    "description": lambda snapshot: [snapshot.description],
    "owner-id": lambda snapshot: [snapshot.owner_id],
    "volume-id": lambda snapshot: [snapshot.volume_id],
    "volume-size": lambda snapshot: [str(snapshot.size_gib)],
    "storage-tier": lambda snapshot: ["standard"],
}


@answers("ec2", "DescribeSnapshots")
def describe_snapshots(call: Call) -> dict[str, Any]:
    """Snapshots by id, owner and filter. One unknown id fails the call."""
    not_both(call, "SnapshotIds", _PAGING)
    if ids := call.params.get("SnapshotIds"):
        snapshots = [
            known_snapshot(call.region, snapshot_id)
            for snapshot_id in dict.fromkeys(ids)
        ]
    else:
        snapshots = list(shown(call).snapshots.values())
    if owners := call.params.get("OwnerIds"):
        named = {call.world.account if name == "self" else name for name in owners}
        snapshots = [one for one in snapshots if one.owner_id in named]
    snapshots = filtered(call, snapshots, _FILTERS, tagged=True)
    snapshots, token = page(call, _PAGING, snapshots, lambda one: one.snapshot_id)
    return {"Snapshots": [described(one) for one in snapshots], "NextToken": token}


def described(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot in the format of DescribeSnapshots."""
    return {
        "SnapshotId": snapshot.snapshot_id,
        "VolumeId": snapshot.volume_id,
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


@answers("ec2", "DescribeLockedSnapshots")
def describe_locked_snapshots(call: Call) -> dict[str, Any]:
    """The account's own locked snapshots."""
    held = call.region.snapshots
    wanted = dict.fromkeys(call.params.get("SnapshotIds") or held)
    snapshots = [known_snapshot(call.region, snapshot_id) for snapshot_id in wanted]
    mine = [one for one in snapshots if one.owner_id == call.world.account]
    locked = filtered(call, [one for one in mine if one.locked], _LOCK_FILTERS)
    locked, token = page(call, _LOCK_PAGING, locked, lambda one: one.snapshot_id)
    answer = [
        {
            "OwnerId": one.owner_id,
            "SnapshotId": one.snapshot_id,
            "LockState": _LOCK,
            "LockDuration": 365,
            "LockCreatedOn": with_millis(one.started_at),
        }
        for one in locked
    ]
    return {"Snapshots": answer, "NextToken": token}


@answers("ec2", "DescribeSnapshotAttribute")
def describe_snapshot_attribute(call: Call) -> dict[str, Any]:
    """The volume permissions of a snapshot, which only its owner may read."""
    snapshot = own_snapshot(call)
    attribute = call.params.get("Attribute")
    if attribute != "createVolumePermission":
        text = f"the stand-in does not know the attribute '{attribute}'"
        raise AwsError("InvalidParameterValue", text)
    groups = [{"Group": "all"}] if snapshot.public else []
    users = [{"UserId": user} for user in snapshot.create_volume_permissions]
    return {
        "SnapshotId": snapshot.snapshot_id,
        "CreateVolumePermissions": groups + users,
    }


@answers("ec2", "ModifySnapshotAttribute")
def modify_snapshot_attribute(call: Call) -> dict[str, Any]:
    """Add or remove volume permissions, only in the newer format of the API."""
    snapshot = own_snapshot(call)
    change = call.params.get("CreateVolumePermission", {})
    changes = [(one, True) for one in change.get("Add", [])]
    changes += [(one, False) for one in change.get("Remove", [])]
    if not changes:
        text = "the stand-in knows CreateVolumePermission only"
        raise AwsError("InvalidParameterValue", text)
    for permission, shared in changes:
        if "Group" in permission:
            snapshot.public = shared
            continue
        held = dict.fromkeys(snapshot.create_volume_permissions)
        held.pop(permission["UserId"], None)
        if shared:
            held[permission["UserId"]] = None
        snapshot.create_volume_permissions = list(held)
    return {}


def own_snapshot(call: Call) -> Snapshot:
    """The snapshot in the call. Fails unless it exists and is ours."""
    snapshot = known_snapshot(call.region, call.params.get("SnapshotId", ""))
    if snapshot.owner_id != call.world.account:
        text = f"Not authorized for snapshot:{snapshot.snapshot_id}"
        raise AwsError("AuthFailure", text, 403)
    return snapshot


def known_snapshot(region: Region, snapshot_id: str) -> Snapshot:
    """The snapshot with this id. Fails unless it exists."""
    if snapshot_id not in region.snapshots:
        raise no_such_snapshot(snapshot_id)
    return region.snapshots[snapshot_id]


def no_such_snapshot(snapshot_id: str) -> AwsError:
    """The error for an id that does not exist, or no longer exists."""
    text = f"The snapshot '{snapshot_id}' does not exist."
    return AwsError("InvalidSnapshot.NotFound", text)
