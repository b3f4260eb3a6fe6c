"""Deregistering the image, the Recycle Bin, and restoring, twice."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from account import Account, code_of, failure, moment
from image_checks import share
from report import Report
from resources import DAYS, KEY, Resources

GONE = ("InvalidAMIID.Unavailable", "InvalidAMIID.NotFound")
_IN_USE = "InvalidSnapshot.InUse"
_NO_SNAPSHOT = "InvalidSnapshot.NotFound"


def check_rules(
    account: Account, report: Report, made: Resources, patience: float
) -> bool:
    """Wait until both rules are in effect. Returns whether they are."""
    with report.checking("rule-list-untold"):
        listed = account.rbin.list_rules(ResourceType="EC2_IMAGE")["Rules"]
        told = sorted(
            {"Status", "ResourceTags"} & {key for one in listed for key in one}
        )
        if listed:
            text = ", ".join(told) or "neither"
            report.judge("rule-list-untold", not told, text)
    started = datetime.now(UTC)

    def in_effect() -> bool:
        rules = made.rules()
        return len(rules) == 2 and all(one["Status"] == "available" for one in rules)

    print("waiting for the retention rules", file=sys.stderr)
    with report.checking("rule-status"):
        ready = account.wait(in_effect, patience)
        took = (datetime.now(UTC) - started).total_seconds()
        text = f"available after {took:.0f} s" if ready else f"not after {took:.0f} s"
        return report.judge("rule-status", ready, text)
    return False


def check_first_round(
    account: Account,
    report: Report,
    made: Resources,
    own: str,
    other_account: str | None,
) -> None:
    """An available, shared, deprecated image: moved to the bin and restored."""
    ec2, image = account.ec2, made.image
    with report.checking("associated-skipped", "rule-by-tag"):
        _check_not_recycled(account, report, made)
    with report.checking("share-listed"):
        share(account, report, image, other_account or own)
    shared_snapshot = _share_snapshot(account, report, made, other_account)
    later = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=2)
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=later)
    account.wait(lambda: _deprecated_at(account, image) == later)
    before = account.image(image)
    was_shared = bool(account.shared_with(image))

    ec2.deregister_image(ImageId=image)
    with report.checking("deregister-twice"):
        code = failure(ec2.deregister_image, ImageId=image)
        report.judge("deregister-twice", code in GONE, code or "no error")
    with report.checking("deregistered-describe"):
        _check_described(account, report, image)
    _check_bin_image(account, report, made, before["Name"])
    _check_bin_snapshot(account, report, made)

    code = failure(ec2.restore_image_from_recycle_bin, ImageId=image)
    holds = code == _NO_SNAPSHOT
    report.judge("restore-without-snapshot", holds, code or "restored")
    restore(account, made)
    with report.checking("restored-snapshot"):
        only = [{"Name": "snapshot-id", "Values": [made.snapshot]}]
        found = ec2.describe_snapshots(OwnerIds=["self"], Filters=only)["Snapshots"]
        description = found[0].get("Description") if found else None
        tag = account.wait(lambda: account.tags(made.snapshot).get(KEY))
        holds = (description, tag) == (made.description, made.run)
        text = f"description {description!r}, tag {tag!r}"
        report.judge("restored-snapshot", holds, text)
    if shared_snapshot:
        with report.checking("bin-unshares-snapshot"):
            held = _volume_permissions(account, made)
            text = f"{len(held)} volume permissions"
            report.judge("bin-unshares-snapshot", not held, text)
    _check_restored(account, report, made, before, was_shared)


def _deprecated_at(account: Account, image: str) -> datetime | None:
    time = account.image(image).get("DeprecationTime")
    return moment(time) if time else None


def _check_restored(
    account: Account,
    report: Report,
    made: Resources,
    before: dict[str, Any],
    was_shared: bool,
) -> None:
    after = account.image(made.image)
    with report.checking("restored-image"):
        parts = {
            "state": after["State"] == before["State"],
            "name": after["Name"] == before["Name"],
            "snapshot": _snapshots(after) == [made.snapshot],
            "tags": account.wait(lambda: account.tags(made.image).get(KEY)) == made.run,
        }
        wrong = ", ".join(name for name, same in parts.items() if not same)
        report.judge("restored-image", not wrong, wrong or "all as before")
    with report.checking("bin-unshares"):
        held = account.shared_with(made.image)
        text = f"{len(held)} launch permissions"
        if was_shared:
            report.judge("bin-unshares", not held, text)
        else:
            report.unchecked("bin-unshares", "the image was not shared before")
    times = before.get("DeprecationTime"), after.get("DeprecationTime")
    text = f"{times[0]} before, {times[1]} after"
    report.judge("bin-keeps-deprecation", bool(times[0]) and times[0] == times[1], text)


def _snapshots(image: dict[str, Any]) -> list[str]:
    devices = image["BlockDeviceMappings"]
    return [one["Ebs"]["SnapshotId"] for one in devices if "Ebs" in one]


def check_second_round(account: Account, report: Report, made: Resources) -> None:
    """A disabled image, with its snapshot in the same call: moved to the bin and restored."""
    ec2, image = account.ec2, made.image
    ec2.disable_image(ImageId=image)
    account.wait(lambda: account.image(image)["State"] == "disabled")
    before = account.image(image)["State"]
    answer = ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    results = answer.get("DeleteSnapshotResults", [])
    wanted = [{"SnapshotId": made.snapshot, "ReturnCode": "success"}]
    report.judge("associated-success", results == wanted, str(results))
    if results != wanted:
        account.settle(ec2.delete_snapshot, (_IN_USE,), SnapshotId=made.snapshot)
    restore(account, made)
    state = account.image(image)["State"]
    holds = before == state == "disabled"
    report.judge("bin-keeps-disabled", holds, f"{before} before, {state} after")


def restore(account: Account, made: Resources) -> None:
    """Restore the snapshot, then the image, unless they are restored already."""
    ec2 = account.ec2
    only = [{"Name": "snapshot-id", "Values": [made.snapshot]}]

    def snapshot_is_back() -> bool:
        if _in_bin(account, "snapshots", made.snapshot):
            failure(ec2.restore_snapshot_from_recycle_bin, SnapshotId=made.snapshot)
            return False
        found = ec2.describe_snapshots(OwnerIds=["self"], Filters=only)["Snapshots"]
        return bool(found)

    def image_is_back() -> bool:
        if _in_bin(account, "images", made.image):
            failure(ec2.restore_image_from_recycle_bin, ImageId=made.image)
            return False
        return bool(account.images(made.image, IncludeDisabled=True))

    if not account.wait(snapshot_is_back):
        raise TimeoutError(f"{made.snapshot} did not come back from the Recycle Bin")
    if not account.wait(image_is_back):
        raise TimeoutError(f"{made.image} did not come back from the Recycle Bin")


def _check_not_recycled(account: Account, report: Report, made: Resources) -> None:
    """A second image of the same snapshot, which the rules do not cover."""
    ec2 = account.ec2
    second = made.register(made.other)
    answer = ec2.deregister_image(ImageId=second, DeleteAssociatedSnapshots=True)
    results = answer.get("DeleteSnapshotResults", [])
    wanted = [{"SnapshotId": made.snapshot, "ReturnCode": "skipped"}]
    report.judge("associated-skipped", results == wanted, str(results))
    account.wait(lambda: not account.images(second, IncludeDisabled=True))
    if _in_bin(account, "images", second) is None:
        report.judge("rule-by-tag", True, "not in the bin")
    elif _has_wider_rule(account):
        text = "in the bin, but another rule of the account covers it"
        report.unchecked("rule-by-tag", text)
    else:
        report.judge("rule-by-tag", False, "in the bin")


def _has_wider_rule(account: Account) -> bool:
    listed = account.rbin.list_rules(ResourceType="EC2_IMAGE")["Rules"]
    rules = [account.rbin.get_rule(Identifier=one["Identifier"]) for one in listed]
    return any(not one.get("ResourceTags") for one in rules)


def _share_snapshot(
    account: Account, report: Report, made: Resources, other: str | None
) -> bool:
    """Share the snapshot, which is empty, if there is an account to share it with."""
    if other is None:
        text = "needs --share-with: a snapshot cannot be shared with its own account"
        report.unchecked("bin-unshares-snapshot", text)
        return False
    with report.checking("bin-unshares-snapshot"):
        account.ec2.modify_snapshot_attribute(
            SnapshotId=made.snapshot,
            CreateVolumePermission={"Add": [{"UserId": other}]},
        )
        return bool(account.wait(lambda: _volume_permissions(account, made)))
    return False


def _volume_permissions(account: Account, made: Resources) -> list[dict[str, str]]:
    permission = "createVolumePermission"
    describe = account.ec2.describe_snapshot_attribute
    found = describe(SnapshotId=made.snapshot, Attribute=permission)
    return found.get("CreateVolumePermissions", [])


def _check_described(account: Account, report: Report, image: str) -> None:
    def unseen() -> str:
        try:
            found = account.ec2.describe_images(ImageIds=[image])["Images"]
        except ClientError as error:
            return code_of(error)
        return "" if found else "an empty list"

    text = account.wait(unseen)
    holds = text in ("an empty list", *GONE)
    report.judge("deregistered-describe", holds, text or "still listed")


def _in_bin(account: Account, what: str, resource: str) -> dict[str, Any] | None:
    """The entry of an image or a snapshot in the bin."""
    kind = {"images": "Image", "snapshots": "Snapshot"}[what]
    pages = account.ec2.get_paginator(f"list_{what}_in_recycle_bin").paginate()
    entries = (one for page in pages for one in page.get(f"{kind}s", []))
    return next((one for one in entries if one[f"{kind}Id"] == resource), None)


def _check_bin_image(
    account: Account, report: Report, made: Resources, name: str
) -> None:
    ec2, image = account.ec2, made.image
    with report.checking("bin-lists-image", "bin-days"):
        entry = account.wait(lambda: _in_bin(account, "images", image)) or {}
        entered, leaves = (
            entry.get(f"RecycleBin{one}Time") for one in ("Enter", "Exit")
        )
        holds = entry.get("Name") == name and None not in (entered, leaves)
        text = f"fields: {', '.join(sorted(entry))}" if entry else "not listed"
        report.judge("bin-lists-image", holds, text)
        if holds:
            stays = leaves - entered
            # Another rule of the account may keep it longer.
            enough = stays >= timedelta(days=DAYS) - timedelta(minutes=1)
            report.judge(
                "bin-days", enough, f"it stays {stays} under a rule of {DAYS} day"
            )
    with report.checking("bin-tags-image"):
        tags = account.wait(lambda: account.tags(image))
        text = f"keys: {', '.join(sorted(tags))}" if tags else "none"
        report.judge("bin-tags-image", tags.get(KEY) == made.run, text)
    with report.checking("bin-create-tags"):
        tag = {"Key": f"{KEY}:in-bin", "Value": "1"}
        code = failure(ec2.create_tags, Resources=[image], Tags=[tag])
        report.judge("bin-create-tags", not code, code or "accepted")


def _check_bin_snapshot(account: Account, report: Report, made: Resources) -> None:
    """The snapshot is moved to the bin after its image, possibly after some attempts."""
    in_use = 0

    def delete() -> str:
        nonlocal in_use
        code = failure(account.ec2.delete_snapshot, SnapshotId=made.snapshot)
        in_use += code == _IN_USE
        return "" if code == _IN_USE else code or "deleted"

    with report.checking("bin-frees-snapshot"):
        outcome = account.wait(delete)
        text = f"{outcome or 'still in use'} after {in_use} times {_IN_USE}"
        report.judge("bin-frees-snapshot", outcome == "deleted", text)
    with report.checking("bin-lists-snapshot"):
        entry = account.wait(lambda: _in_bin(account, "snapshots", made.snapshot)) or {}
        times = (entry.get(f"RecycleBin{one}Time") for one in ("Enter", "Exit"))
        holds = entry.get("Description") == made.description and None not in times
        text = f"fields: {', '.join(sorted(entry))}" if entry else "not listed"
        report.judge("bin-lists-snapshot", holds, text)
    with report.checking("bin-tags-snapshot"):
        tags = account.wait(lambda: account.tags(made.snapshot))
        text = f"keys: {', '.join(sorted(tags))}" if tags else "none"
        report.judge("bin-tags-snapshot", tags.get(KEY) == made.run, text)
