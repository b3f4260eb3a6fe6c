"""The checks of the demo. Each check fails if its condition is violated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import ROOT, Account

sys.path.insert(0, str(ROOT / "demo"))

from checks import World, check, check_restored, look, snapshots_of
from make_fleet import make_fleet, new_id

ORPHAN = new_id("snap", "orphan")
GOLDEN = "golden-x86_64-"
KEPT = "2099-01-01"
SPARED = "images that are excluded by tag, protected, or of another account"
Harm = Callable[[Any, str], object]


@pytest.fixture
def before(account: Account) -> World:
    """The demo's account before the first run."""
    account.load(make_fleet(datetime.now(UTC)))
    return look(account)


def failures(before: World, after: World) -> dict[str, list[str]]:
    """The failed checks, with the resources that they name."""
    return {one.what: one.wrong for one in check(before, before, after) if one.wrong}


def named(world: World, family: str, age: int) -> str:
    """The image with this family and age in days."""
    name = f"{family}{datetime.now(UTC) - timedelta(days=age):%Y%m%d}"
    [found] = [i for i, one in world.images.items() if one["Name"] == name]
    return found


def ours(key: str, **value: str) -> list[dict[str, str]]:
    """A state tag, as a parameter of the calls."""
    more = {name.title(): text for name, text in value.items()}
    return [{"Key": f"image-steward:{key}"} | more]


def deprecate(ec2: Any, image: str) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=soon)


def test_at_first_only_what_is_still_to_do_is_missing(before: World) -> None:
    expected = {"images in use", "snapshots without an image"}
    assert failures(before, before).keys() == expected


def test_every_kind_of_use_is_seen(before: World) -> None:
    held = {
        GOLDEN: (3, 124, 186, 247),
        "golden-arm64-": (3, 186),
        "web-nightly-": (1, 2, 30, 44, 58, 79),
        "ci-runner-": (90,),
        "legacy-batch-": (510, 700, 780, 860),
        "vendor-appliance-": (500,),
    }
    assert before.in_use == {
        named(before, family, age) for family, ages in held.items() for age in ages
    }


DEREGISTER: Harm = lambda ec2, image: ec2.deregister_image(ImageId=image)


@pytest.mark.parametrize(
    ("family", "age", "harm", "what"),
    [
        # Of an instance; not due.
        (GOLDEN, 3, DEREGISTER, "images in use"),
        (
            GOLDEN,
            3,
            lambda ec2, image: ec2.disable_image(ImageId=image),
            "images in use",
        ),
        (GOLDEN, 3, deprecate, "images in use"),
        (GOLDEN, 550, DEREGISTER, SPARED),
        ("experiment-", 400, DEREGISTER, "removed images"),
        ("golden-arm64-", 31, DEREGISTER, "removed images"),
        ("web-nightly-", 8, DEREGISTER, "removed images"),
    ],
)
def test_an_image_that_was_harmed_is_noticed(
    account: Account, before: World, family: str, age: int, harm: Harm, what: str
) -> None:
    image_id = named(before, family, age)
    harm(account.client("ec2"), image_id)
    assert image_id in failures(before, look(account))[what]


def test_snapshots_that_are_left_are_noticed(account: Account, before: World) -> None:
    image_id = named(before, GOLDEN, 641)
    DEREGISTER(account.client("ec2"), image_id)
    found = failures(before, look(account))
    assert set(found["snapshots of removed images"]) == snapshots_of(before, image_id)
    assert "removed images" not in found


def test_what_no_call_could_delete_is_noticed_too(before: World) -> None:
    lost = named(before, "legacy-batch-", 420)
    after = World(**vars(before) | {"images": dict(before.images)})
    del after.images[lost]
    assert failures(before, after)[SPARED] == [lost]
    [lost] = snapshots_of(before, named(before, "legacy-batch-", 340))
    after = World(**vars(before) | {"snapshots": dict(before.snapshots)})
    del after.snapshots[lost]
    assert failures(before, after)["snapshots of the remaining images"] == [lost]


@pytest.mark.parametrize(
    "name", ["orphan", "orphan that may be a copy", "with time left"]
)
def test_a_snapshot_that_no_run_had_marked_is_noticed(
    account: Account, before: World, name: str
) -> None:
    lost = new_id("snap", name)
    account.client("ec2").delete_snapshot(SnapshotId=lost)
    assert lost in failures(before, look(account))["snapshots without an image"]


def test_one_that_an_earlier_run_had_marked_may_go(
    account: Account, before: World
) -> None:
    ec2 = account.client("ec2")
    mark = ours(
        "delete-after", value="2026-01-08T00:00:00Z marked 2026-01-01T00:00:00Z"
    )
    ec2.create_tags(Resources=[ORPHAN], Tags=mark)
    between = look(account)
    for one in (ORPHAN, new_id("snap", "due")):
        ec2.delete_snapshot(SnapshotId=one)
    found = {one.what: one.wrong for one in check(before, between, look(account))}
    assert found["snapshots without an image"] == []


def test_what_is_not_in_the_recycle_bin_is_noticed(
    account: Account, before: World
) -> None:
    account.load(account.fleet() | {"retention_rules": []})
    lost = named(before, "experiment-", 400)
    DEREGISTER(account.client("ec2"), lost)
    found = failures(before, look(account))
    assert found["Recycle Bin"] == [lost]
    assert found["nothing else has changed"] == ["retention_rules"]


@pytest.mark.parametrize(
    "harm",
    [
        None,
        lambda ec2, image: ec2.disable_image(ImageId=image),
        deprecate,
        lambda ec2, image: ec2.delete_tags(Resources=[image], Tags=ours("keep")),
        lambda ec2, image: ec2.create_tags(
            Resources=[image], Tags=ours("expired-at", value="x")
        ),
        lambda ec2, _: ec2.restore_snapshot_from_recycle_bin(SnapshotId=ORPHAN),
    ],
)
def test_an_image_that_is_not_quite_restored_is_noticed(
    account: Account, before: World, harm: Harm | None
) -> None:
    ec2, image = account.client("ec2"), named(before, GOLDEN, 641)
    [snapshot] = snapshots_of(before, image)
    DEREGISTER(ec2, image)
    for one in (ORPHAN, snapshot):
        ec2.delete_snapshot(SnapshotId=one)
    after = look(account)
    ec2.restore_snapshot_from_recycle_bin(SnapshotId=snapshot)
    ec2.restore_image_from_recycle_bin(ImageId=image)
    ec2.enable_image(ImageId=image)
    ec2.disable_image_deprecation(ImageId=image)
    ec2.create_tags(Resources=[image], Tags=ours("keep", value=KEPT))
    ec2.delete_tags(Resources=[image], Tags=ours("expired-at"))
    if harm:
        harm(ec2, image)
    wrong = check_restored(after, look(account), image, KEPT).wrong
    assert len(wrong) == (0 if harm is None else 1)
