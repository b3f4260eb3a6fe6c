"""The demo's own checks: that they hold when nothing is wrong, and can fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import ROOT, Account

sys.path.insert(0, str(ROOT / "demo"))

from checks import (
    World,
    check,
    check_orphans,
    check_restored,
    look,
)
from make_fleet import OTHER_ACCOUNT, make_fleet, new_id


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


def named(before: World, start: str, age: int | None = None) -> str:
    """The image of this family and this age in days, or its oldest one."""
    found = [one for one in before.images.values() if one["Name"].startswith(start)]
    if age is not None:
        made = datetime.now(UTC) - timedelta(days=age)
        found = [one for one in found if one["Name"].endswith(f"-{made:%Y%m%d}")]
    return min(found, key=lambda one: one["CreationDate"])["ImageId"]


def set_tags(account: Account, resource: str, **tags: str) -> None:
    """Tags of ours, as keyword arguments."""
    pairs = [
        {"Key": f"image-steward:{key.replace('_', '-')}", "Value": value}
        for key, value in tags.items()
    ]
    account.client("ec2").create_tags(Resources=[resource], Tags=pairs)


def snapshots_of(before: World, image_id: str) -> list[str]:
    devices = before.images[image_id]["BlockDeviceMappings"]
    return [one["Ebs"]["SnapshotId"] for one in devices if "Ebs" in one]


def test_at_first_only_what_is_still_to_do_is_missed(
    account: Account, before: World
) -> None:
    assert failures(account, before).keys() == {
        "marked, and wanted again",
        "what has been so for long is disabled",
        "snapshots whose time the ledger says has come",
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
        ("others that no image uses", "orphan that may be a copy"),
        ("others that no image uses", "orphan with time left"),
        ("no other snapshot", "orphan that may be a copy"),
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
        lambda ec2, image: ec2.enable_image_deprecation(
            ImageId=image, DeprecateAt=datetime.now(UTC) + timedelta(days=1)
        ),
        lambda ec2, image: ec2.modify_image_attribute(
            ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER_ACCOUNT}]}
        ),
    ],
)
def test_any_other_change_is_noticed(
    account: Account, before: World, change: Callable[[Any, str], None]
) -> None:
    image_id = named(before, "golden-arm64-", 31)
    change(account.client("ec2"), image_id)
    assert failures(account, before)["nothing else has changed"] == [image_id]


@pytest.mark.parametrize(
    ("what", "lost"),
    [
        ("retention_rules", "retention_rules/images"),
        ("fleets", "fleet-ci"),
        ("spot_fleets", "sfr-render"),
        ("compute_environments", "compute_environments/year-end"),
    ],
)
def test_so_is_what_is_no_image(
    account: Account, before: World, what: str, lost: str
) -> None:
    fleet = account.fleet()
    fleet[what] = [one for one in fleet[what] if lost.split("/")[-1] not in str(one)]
    account.load(fleet)
    assert lost in failures(account, before)["nothing else has changed"]


def test_our_own_tags_are_no_change(account: Account, before: World) -> None:
    set_tags(account, named(before, "golden-arm64-", 31), image="x")
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
        "web version 3",
        "fleet fleet-ci",
        "spot fleet sfr-render",
        "Batch year-end",
        "parameter /golden/stable",
        "recipe reports",
    ):
        assert any(by.startswith(start) for by in held), start
    assert not any("terminated" in by or "that-was" in by for by in held)


class TestSteps:
    def test_one_that_is_not_deprecated(self, account: Account, before: World) -> None:
        image_id = named(before, "legacy-batch-", 600)
        account.client("ec2").disable_image_deprecation(ImageId=image_id)
        found = failures(account, before)
        assert found["what is expired is deprecated"] == [image_id]

    def test_one_that_is_not_disabled(self, account: Account, before: World) -> None:
        to_do = [named(before, "golden-arm64-", 247), named(before, "ci-runner-", 50)]
        check_that_fails = "what has been so for long is disabled"
        assert failures(account, before)[check_that_fails] == sorted(to_do)
        for image_id in to_do:
            account.client("ec2").disable_image(ImageId=image_id)
        assert check_that_fails not in failures(account, before)
        enabled = named(before, "golden-x86_64-", 641)
        account.client("ec2").enable_image(ImageId=enabled)
        assert failures(account, before)[check_that_fails] == [enabled]

    @pytest.mark.parametrize(
        ("family", "age"),
        # In use, marked yesterday, of a rule that never disables, and never marked.
        [
            ("golden-arm64-", 3),
            ("web-nightly-", 8),
            ("legacy-batch-", 600),
            ("exp", 400),
        ],
    )
    def test_one_that_was_disabled_and_should_not_have_been(
        self, account: Account, before: World, family: str, age: int
    ) -> None:
        image_id = named(before, family, age)
        account.client("ec2").disable_image(ImageId=image_id)
        found = failures(account, before)
        assert found["disabled in its time only"] == [image_id]

    @pytest.mark.parametrize(
        ("saved", "is_enough"),
        [(None, False), ("ami-1 none", False), ("{} all", False), ("{} none", True)],
    )
    def test_launch_permissions_that_were_not_written_down(
        self, account: Account, before: World, saved: str | None, is_enough: bool
    ) -> None:
        image_id = named(before, "ci-runner-", 50)
        if saved is not None:
            set_tags(account, image_id, launch_permissions=saved.format(image_id))
        account.client("ec2").disable_image(ImageId=image_id)
        found = failures(account, before)
        lost = found.get("what was there before is written down", [])
        assert lost == ([] if is_enough else [image_id])

    @pytest.mark.parametrize(
        ("saved", "is_enough"),
        [(None, False), ("ami-1 none", False), ("{} none", True)],
    )
    def test_a_deprecation_that_was_not_written_down(
        self, account: Account, before: World, saved: str | None, is_enough: bool
    ) -> None:
        image_id = named(before, "legacy-batch-", 340)
        set_tags(account, image_id, expired_at="2026-01-01T00:00:00Z")
        if saved is not None:
            set_tags(account, image_id, deprecation=saved.format(image_id))
        account.client("ec2").enable_image_deprecation(
            ImageId=image_id, DeprecateAt=datetime.now(UTC) + timedelta(minutes=1)
        )
        found = failures(account, before)
        lost = found.get("what was there before is written down", [])
        assert lost == ([] if is_enough else [image_id])

    @pytest.mark.parametrize(
        "forgotten", ["enabled", "deprecation", "sharing", "tag", None]
    )
    def test_one_that_was_not_given_everything_back(
        self, account: Account, before: World, forgotten: str | None
    ) -> None:
        image_id = named(before, "golden-x86_64-", 247)
        ec2 = account.client("ec2")
        ec2.enable_image(ImageId=image_id)
        if forgotten != "sharing":
            add = [{"UserId": OTHER_ACCOUNT}]
            ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": add})
        if forgotten != "deprecation":
            ec2.disable_image_deprecation(ImageId=image_id)
        ours = ("expired-at", "deprecation", "launch-permissions")
        left = ours[0] if forgotten == "tag" else ""
        tags = [{"Key": f"image-steward:{key}"} for key in ours if key != left]
        ec2.delete_tags(Resources=[image_id], Tags=tags)
        if forgotten == "enabled":
            fleet = account.fleet()
            [one] = [i for i in fleet["images"] if i["image_id"] == image_id]
            account.control("PATCH", "fleet", {"images": [one | {"state": "disabled"}]})
        wrong = failures(account, before)["marked, and wanted again"]
        assert (image_id in wrong) == (forgotten is not None)


def test_one_that_was_given_back_by_half_is_noticed(
    account: Account, before: World
) -> None:
    """Nothing is known to hold this one; that it was given back, its tags say."""
    image_id = named(before, "web-nightly-", 12)
    tags = [{"Key": "image-steward:expired-at"}]
    account.client("ec2").delete_tags(Resources=[image_id], Tags=tags)
    assert image_id in failures(account, before)["marked, and wanted again"]


@pytest.mark.parametrize("resource", ["image", "snapshot"])
def test_what_is_gone_for_good_is_noticed(
    account: Account, before: World, resource: str
) -> None:
    account.load(account.fleet() | {"retention_rules": []})
    ec2 = account.client("ec2")
    if resource == "image":
        lost = named(before, "experiment-")
        ec2.deregister_image(ImageId=lost)
    else:
        lost = new_id("snap", "orphan")
        ec2.delete_snapshot(SnapshotId=lost)
    found = failures(account, before)
    assert found["what is gone is in the Recycle Bin"] == [lost]


class TestOrphans:
    ORPHAN = new_id("snap", "orphan")

    def failures(self, *worlds: World) -> dict[str, list[str]]:
        return {one.what: one.wrong for one in check_orphans(*worlds) if one.wrong}

    def mark(self, account: Account, hours: float, **more: str) -> None:
        at = datetime.now(UTC) + timedelta(hours=hours)
        mark = {
            "image": new_id("ami", "an image that is gone"),
            "snapshot": self.ORPHAN,
            "delete_after": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        }
        set_tags(account, self.ORPHAN, **mark | more)

    def delete(self, account: Account) -> None:
        account.client("ec2").delete_snapshot(SnapshotId=self.ORPHAN)

    def test_marked_and_deleted_later(self, account: Account, before: World) -> None:
        self.mark(account, 24)
        between = look(account)
        self.delete(account)
        assert self.failures(before, between, look(account)) == {}

    def test_one_that_is_left(self, account: Account, before: World) -> None:
        self.mark(account, 24)
        between = look(account)
        assert self.failures(before, between, between) == {
            "and go when it is over": [self.ORPHAN]
        }

    def test_one_that_went_at_once(self, account: Account, before: World) -> None:
        self.delete(account)
        after = look(account)
        first = {"orphans have a day to be missed in": [self.ORPHAN]}
        assert self.failures(before, after, after) == first

    @pytest.mark.parametrize(
        ("hours", "more"),
        [(1, {}), (24, {"image": "ami-1"}), (24, {"snapshot": "snap-1"})],
    )
    def test_one_that_was_marked_wrongly(
        self, account: Account, before: World, hours: float, more: dict[str, str]
    ) -> None:
        self.mark(account, hours, **more)
        between = look(account)
        self.delete(account)
        first = {"orphans have a day to be missed in": [self.ORPHAN]}
        assert self.failures(before, between, look(account)) == first


class TestRestored:
    def retire(self, account: Account, before: World) -> tuple[str, str]:
        """An image that goes with its snapshot, as the tool does it."""
        image_id = named(before, "golden-x86_64-", 641)
        [snapshot_id] = snapshots_of(before, image_id)
        ec2 = account.client("ec2")
        set_tags(account, snapshot_id, delete_after="2026-01-01T00:00:00Z")
        ec2.deregister_image(ImageId=image_id)
        ec2.delete_snapshot(SnapshotId=snapshot_id)
        return image_id, snapshot_id

    def restore(self, account: Account, image_id: str, snapshot_id: str) -> None:
        ec2 = account.client("ec2")
        ec2.restore_snapshot_from_recycle_bin(SnapshotId=snapshot_id)
        ec2.restore_image_from_recycle_bin(ImageId=image_id)
        ec2.enable_image(ImageId=image_id)
        ec2.disable_image_deprecation(ImageId=image_id)
        set_tags(account, image_id, keep="2099-01-01")
        ours = ("expired-at", "deprecation", "launch-permissions", "delete-after")
        tags = [{"Key": f"image-steward:{key}"} for key in ours]
        ec2.delete_tags(Resources=[image_id, snapshot_id], Tags=tags)

    def wrong(self, account: Account, after: World, image_id: str) -> list[str]:
        return check_restored(after, look(account), image_id, "2099-01-01").wrong

    def test_one_that_is_back(self, account: Account, before: World) -> None:
        image_id, snapshot_id = self.retire(account, before)
        after = look(account)
        assert self.wrong(account, after, image_id) == [image_id]
        self.restore(account, image_id, snapshot_id)
        assert self.wrong(account, after, image_id) == []

    @pytest.mark.parametrize(
        "change",
        [
            lambda ec2, image, _: ec2.disable_image(ImageId=image),
            lambda ec2, image, _: ec2.enable_image_deprecation(
                ImageId=image, DeprecateAt=datetime.now(UTC) + timedelta(minutes=1)
            ),
            lambda ec2, image, _: ec2.delete_tags(
                Resources=[image], Tags=[{"Key": "image-steward:keep"}]
            ),
            lambda ec2, image, _: ec2.create_tags(
                Resources=[image],
                Tags=[{"Key": "image-steward:expired-at", "Value": ""}],
            ),
            lambda ec2, _, snapshot: ec2.create_tags(
                Resources=[snapshot],
                Tags=[{"Key": "image-steward:delete-after", "Value": ""}],
            ),
        ],
    )
    def test_one_that_is_not_quite(
        self, account: Account, before: World, change: Callable[[Any, str, str], None]
    ) -> None:
        image_id, snapshot_id = self.retire(account, before)
        after = look(account)
        self.restore(account, image_id, snapshot_id)
        change(account.client("ec2"), image_id, snapshot_id)
        [wrong] = self.wrong(account, after, image_id)
        assert wrong in (image_id, snapshot_id)

    def test_one_that_lost_its_snapshot(self, account: Account, before: World) -> None:
        image_id, snapshot_id = self.retire(account, before)
        after = look(account)
        self.restore(account, image_id, snapshot_id)
        back = look(account)
        # No call can do this to the account: its own guard refuses it.
        del back.snapshots[snapshot_id]
        found = check_restored(after, back, image_id, "2099-01-01")
        assert found.wrong == [snapshot_id]

    def test_another_that_came_with_it(self, account: Account, before: World) -> None:
        other = named(before, "golden-x86_64-", 719)
        account.client("ec2").deregister_image(ImageId=other)
        image_id, snapshot_id = self.retire(account, before)
        after = look(account)
        self.restore(account, image_id, snapshot_id)
        account.client("ec2").restore_image_from_recycle_bin(ImageId=other)
        assert self.wrong(account, after, image_id) == [other]

    def test_another_that_changed(self, account: Account, before: World) -> None:
        image_id, snapshot_id = self.retire(account, before)
        after = look(account)
        self.restore(account, image_id, snapshot_id)
        other = named(before, "experiment-")
        set_tags(account, other, keep="")
        assert self.wrong(account, after, image_id) == [other]
