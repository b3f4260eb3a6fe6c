"""Deleting snapshots: what prevents it, and the race after deregistering."""

from __future__ import annotations

from typing import Any

from calls import AwsError, Call, answers
from recycling import discard_snapshot
from snapshots import own_snapshot
from world import Snapshot


@answers("ec2", "DeleteSnapshot")
def delete_snapshot(call: Call) -> dict[str, Any]:
    """Fails while an image uses the snapshot, and sometimes a little longer."""
    snapshot = own_snapshot(call)
    if snapshot.locked:
        # The code, and that the lock is checked before the use, are not verified.
        text = f"The snapshot {snapshot.snapshot_id} is locked"
        raise AwsError("SnapshotLocked", text)
    if users := call.region.users_of(snapshot.snapshot_id):
        raise _in_use(snapshot, users)
    if _races(call, snapshot):
        raise _in_use(snapshot, [snapshot.released_by or ""])
    discard_snapshot(call, snapshot)
    return {}


def _races(call: Call, snapshot: Snapshot) -> bool:
    """Whether EC2 still reports that the deregistered image uses the snapshot.

    Real EC2 does so for about one snapshot in five. Here the switch selects the snapshots, in the
    order of their first delete, and the number of times.
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


def _in_use(snapshot: Snapshot, image_ids: list[str]) -> AwsError:
    text = f"The snapshot {snapshot.snapshot_id} is currently in use by "
    return AwsError("InvalidSnapshot.InUse", text + ",".join(image_ids))
