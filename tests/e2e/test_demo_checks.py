"""The demo's own checks: that they hold when nothing is wrong, and can fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from harness import ROOT, Account

sys.path.insert(0, str(ROOT / "demo"))

from checks import World, check, look
from make_fleet import make_fleet, new_id


@pytest.fixture
def before(account: Account) -> World:
    """The demo's account, before anything was done."""
    account.load(make_fleet(datetime.now(UTC)))
    return look(account)


def failures(account: Account, before: World, **arguments: Any) -> dict[str, list[str]]:
    """The checks that fail now, and what they name."""
    arguments = {"promised": set(), "new": ""} | arguments
    found = check(before, look(account), **arguments)
    return {one.what: one.wrong for one in found if one.wrong}


def named(before: World, start: str) -> str:
    """The oldest image of which the name begins so."""
    found = [one for one in before.images.values() if one["Name"].startswith(start)]
    return min(found, key=lambda one: one["CreationDate"])["ImageId"]


def snapshots_of(before: World, image_id: str) -> list[str]:
    devices = before.images[image_id]["BlockDeviceMappings"]
    return [one["Ebs"]["SnapshotId"] for one in devices if "Ebs" in one]


def test_at_first_only_what_is_still_to_do_is_missed(
    account: Account, before: World
) -> None:
    assert failures(account, before).keys() == {
        "marked but in use",
        "orphans that the ledger says may go",
    }


@pytest.mark.parametrize(
    ("check_that_fails", "start"),
    [("in use", "legacy-batch-"), ("kept by the plan", "golden-arm64-")],
)
def test_a_lost_image_is_noticed(
    account: Account, before: World, check_that_fails: str, start: str
) -> None:
    image_id = named(before, start)
    account.client("ec2").deregister_image(ImageId=image_id)
    found = failures(account, before, promised={image_id})
    assert found[check_that_fails] == [image_id]


def test_an_image_that_was_shared_is_noticed(account: Account, before: World) -> None:
    shared = [one for one in before.fleet["images"] if one["launch_permissions"]]
    image_id = shared[0]["image_id"]
    account.client("ec2").deregister_image(ImageId=image_id)
    assert failures(account, before)["shared"] == [image_id]


def test_an_image_that_went_too_early_is_noticed(
    account: Account, before: World
) -> None:
    image_id = named(before, "experiment-")
    account.client("ec2").deregister_image(ImageId=image_id)
    found = failures(account, before)
    assert found["not before its time"] == [image_id]
    assert found["snapshots of removed images"] == snapshots_of(before, image_id)


def test_a_snapshot_that_another_image_needs_is_noticed(
    account: Account, before: World
) -> None:
    fleet = account.fleet()
    users: dict[str, list[str]] = {}
    for image in fleet["images"]:
        for snapshot_id in image["snapshots"]:
            users.setdefault(snapshot_id, []).append(image["image_id"])
    lost, [gone, _] = next(pair for pair in users.items() if len(pair[1]) == 2)
    fleet["images"] = [one for one in fleet["images"] if one["image_id"] != gone]
    account.load(fleet)
    after = look(account)
    # No call can do this to the account: its own guard refuses it.
    del after.snapshots[lost]
    found = {one.what: one.wrong for one in check(before, after, set(), "")}
    assert found["those that another image uses"] == [lost]
    assert lost in found["no other snapshot"]


@pytest.mark.parametrize(
    ("check_that_fails", "orphan"),
    [
        ("orphans that it does not", "orphan without ledger"),
        ("orphans that it does not", "orphan with time left"),
        ("no other snapshot", "orphan without ledger"),
    ],
)
def test_a_lost_orphan_is_noticed(
    account: Account, before: World, check_that_fails: str, orphan: str
) -> None:
    snapshot_id = new_id("snap", orphan)
    account.client("ec2").delete_snapshot(SnapshotId=snapshot_id)
    assert failures(account, before)[check_that_fails] == [snapshot_id]


@pytest.mark.parametrize(
    "change",
    [
        lambda ec2, image: ec2.create_tags(
            Resources=[image], Tags=[{"Key": "Team", "Value": "?"}]
        ),
        lambda ec2, image: ec2.delete_tags(Resources=[image], Tags=[{"Key": "Family"}]),
        lambda ec2, image: ec2.disable_image(ImageId=image),
    ],
)
def test_any_other_change_is_noticed(
    account: Account, before: World, change: Callable[[Any, str], None]
) -> None:
    image_id = named(before, "golden-arm64-")
    change(account.client("ec2"), image_id)
    assert failures(account, before)["nothing else has changed"] == [image_id]


def test_our_own_tags_are_no_change(account: Account, before: World) -> None:
    image_id = named(before, "golden-arm64-")
    tag = {"Key": "image-steward:expired-at", "Value": "2026-01-01T00:00:00Z"}
    account.client("ec2").create_tags(Resources=[image_id], Tags=[tag])
    assert "nothing else has changed" not in failures(account, before)


def test_every_kind_of_use_is_seen(before: World) -> None:
    held = sorted(by for holders in before.in_use.values() for by in holders)
    for start in (
        "running i-",
        "stopped i-",
        "web $Default",
        "web $Latest",
        "from-parameter $Latest",
        "group web, version $Latest",
        "group web-canary, version 1",
        "group batch, version 1",
        "group batch",
        "configuration legacy-2019",
    ):
        assert any(by.startswith(start) for by in held), start
    assert not any("terminated" in by for by in held)
