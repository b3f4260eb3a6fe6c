"""Retiring images: deregistering, disabling, deprecating, protecting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from calls import AwsError, Call, answers
from images import own_image
from recycling import discard_image, discard_snapshot
from world import timestamp

_DONE = {"Return": True}


@answers("ec2", "DeregisterImage")
def deregister_image(call: Call) -> dict[str, Any]:
    """The image is removed even if its snapshots cannot be deleted, as in AWS."""
    image = own_image(call)
    if _protected(image.protected):
        text = (
            f"The image {image.image_id} is protected from deregistration "
            f"({image.protected})"
        )
        raise AwsError("OperationNotPermitted", text)
    discard_image(call, image)
    results = []
    if call.params.get("DeleteAssociatedSnapshots") and call.switches.delete_associated:
        results = [
            {"SnapshotId": snapshot_id, "ReturnCode": _delete(call, snapshot_id)}
            for snapshot_id in image.snapshot_ids()
        ]
    return {"Return": True, "DeleteSnapshotResults": results}


def _delete(call: Call, snapshot_id: str) -> str:
    """Delete a snapshot of an image that was just deregistered. Returns the result code."""
    if call.region.users_of(snapshot_id):
        return "skipped"
    if call.switches.denies("ec2", "DeleteSnapshot"):
        return "missing-permissions"
    code = call.switches.associated_result.get(snapshot_id, "success")
    snapshot = call.region.snapshots.get(snapshot_id)
    # AWS's response for a missing, locked or foreign snapshot is not verified.
    if snapshot is None or snapshot.owner_id != call.world.account or snapshot.locked:
        return "client-error"
    if code == "success":
        discard_snapshot(call, snapshot)
    return code


def _protected(protection: str) -> bool:
    """`disabled after <time>` protects until that time."""
    until = protection.removeprefix("disabled after ")
    if until == protection:
        return protection != "disabled"
    return datetime.fromisoformat(until) > datetime.now(UTC)


@answers("ec2", "DisableImage")
def disable_image(call: Call) -> dict[str, Any]:
    """Removes all launch permissions permanently. The image still uses its snapshots.

    It is not verified that this is not an error for a disabled image.
    """
    image = own_image(call)
    image.state = "disabled"
    image.unshare()
    return _DONE


@answers("ec2", "EnableImage")
def enable_image(call: Call) -> dict[str, Any]:
    """Available again, without its former launch permissions.

    It is not verified that this is not an error for an image that is not disabled.
    """
    image = own_image(call)
    if image.state == "disabled":
        image.state = "available"
        image.unshare()
    return _DONE


@answers("ec2", "EnableImageDeprecation")
def enable_image_deprecation(call: Call) -> dict[str, Any]:
    """From the current minute on, and at most ten years ahead. Seconds are truncated.

    AWS documents that it rounds to the nearest minute. It is not verified that it accepts the
    current minute.
    """
    image = own_image(call)
    present = datetime.now(UTC).replace(second=0, microsecond=0)
    try:
        wanted = datetime.fromisoformat(call.params["DeprecateAt"]).astimezone(UTC)
    except (KeyError, ValueError):
        text = "DeprecateAt is missing or not a time"
        raise AwsError("InvalidParameterValue", text) from None
    wanted = wanted.replace(second=0, microsecond=0)
    if not present <= wanted <= present + timedelta(days=3653):
        text = f"The deprecation time {timestamp(wanted)} is in the past or too far off"
        raise AwsError("InvalidParameterValue", text)
    image.deprecation_time = timestamp(wanted)
    return _DONE


@answers("ec2", "DisableImageDeprecation")
def disable_image_deprecation(call: Call) -> dict[str, Any]:
    """Remove the deprecation."""
    own_image(call).deprecation_time = None
    return _DONE


@answers("ec2", "EnableImageDeregistrationProtection")
def enable_protection(call: Call) -> dict[str, Any]:
    """Enable protection, with a cooldown if requested."""
    image = own_image(call)
    cooldown = "with" if call.params.get("WithCooldown") else "without"
    image.protected = f"enabled-{cooldown}-cooldown"
    return {"Return": image.protected}


@answers("ec2", "DisableImageDeregistrationProtection")
def disable_protection(call: Call) -> dict[str, Any]:
    """With a cooldown, the protection lasts another 24 hours."""
    image = own_image(call)
    if image.protected == "enabled-with-cooldown":
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=24)
        image.protected = f"disabled after {timestamp(until)}"
    elif image.protected.startswith("enabled"):
        image.protected = "disabled"
    return {"Return": image.protected}
