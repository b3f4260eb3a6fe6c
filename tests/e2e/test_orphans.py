"""Orphans: snapshots whose image went without our doing. Marked in one run, deleted in a later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from harness import Account
from outcomes import reasons, taken, unread
from sweeps import Planner, Sweeps
from worlds import (
    DELETE_AFTER,
    INSTANCE,
    LEDGER_IMAGE,
    STRANGER,
    ago,
    ami,
    image,
    policy,
    recycled_ids,
    small_fleet,
    snap,
    snapshot_ids,
    tags_of,
)

OWN_ID = "image-steward:snapshot"
KEEP = "image-steward:keep"
DELETES = policy("", '[orphans]\ndelete_after = "30d"\n')
REPORTS = policy("")
GONE = ami(70)
CREATED = f"Created by CreateImage({INSTANCE}) for {GONE}"
COPIED = f"Copied for DestinationAmi {GONE} from SourceAmi {ami(71)} for SourceSnapshot"
VOLUME = "vol-0123456789abcdef0"


def orphan(**more: Any) -> dict[str, Any]:
    """A snapshot that EC2 made for an image that is gone."""
    made = {"description": CREATED, "volume_id": VOLUME, "started_at": ago(90)}
    return {"snapshot_id": snap(70)} | made | more


def unpatient(fleet: dict[str, Any], number: int) -> dict[str, Any]:
    """The same account, `number`'s time having come."""
    [one] = [s for s in fleet["snapshots"] if s["snapshot_id"] == snap(number)]
    one["tags"][DELETE_AFTER] = ago(0.01)
    return fleet


BELIEVED = {
    "by its description": orphan(),
    "a copied image's": orphan(description=COPIED, volume_id="vol-ffffffff"),
    "by our tag": orphan(description="", tags={LEDGER_IMAGE: GONE}),
    "by both": orphan(tags={LEDGER_IMAGE: GONE}),
    "by our ledger": orphan(
        description="",
        volume_id="vol-ffffffff",
        tags={LEDGER_IMAGE: GONE, OWN_ID: snap(70)},
    ),
}
UNBELIEVED = {
    "a copied snapshot": orphan(volume_id="vol-ffffffff"),
    "a tag that was copied": orphan(
        description="", volume_id="vol-ffffffff", tags={LEDGER_IMAGE: GONE}
    ),
    "the ledger of another": orphan(tags={LEDGER_IMAGE: GONE, OWN_ID: snap(71)}),
    "tag and description disagree": orphan(tags={LEDGER_IMAGE: ami(72)}),
}
HELD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "opted out": (orphan(tags={KEEP: ""}), {}, "opted_out"),
    "AWS Backup's": (
        orphan(tags={"aws:backup:source-resource": "x"}),
        {},
        "managed_elsewhere",
    ),
    "locked": (orphan(locked=True), {}, "locked"),
    "shared": (orphan(create_volume_permissions=[STRANGER]), {}, "shared"),
    "public": (orphan(public=True), {}, "shared"),
    "too young": (orphan(started_at=ago(0.5)), {}, "too_young"),
    "named by a template": (
        orphan(),
        {
            "launch_templates": [
                {
                    "launch_template_id": "lt-00000000000000001",
                    "versions": [{"version": 1, "snapshots": [snap(70)]}],
                }
            ]
        },
        "named_by",
    ),
    "its image in the Recycle Bin": (
        orphan(),
        {
            "recycled_images": [
                {
                    "image": {"image_id": GONE, "snapshots": [snap(70)]},
                    "entered_at": ago(1),
                    "leaves_at": ago(-13),
                }
            ]
        },
        "image_in_recycle_bin",
    ),
    "beyond the Recycle Bin's rules": (
        orphan(),
        {
            "retention_rules": [
                {"rule_id": "a", "resource": "images"},
                {"rule_id": "b", "resource": "snapshots", "tags": {"Env": "prod"}},
            ]
        },
        "not_recoverable",
    ),
}


class TestMarked:
    @pytest.mark.parametrize("one", BELIEVED.values(), ids=BELIEVED.keys())
    def test_marked_in_one_run_and_deleted_in_a_later_one(
        self, account: Account, sweeps: Sweeps, one: dict[str, Any]
    ) -> None:
        account.load(small_fleet(snapshots=[one]))
        done = sweeps.reap(DELETES)
        assert done["orphans"] == [snap(70)]
        assert taken(done["outcome"], "mark_orphan") == [snap(70)]
        assert taken(done["outcome"], "delete_snapshot") == []
        fleet = account.fleet()
        tags = tags_of(fleet, snap(70))
        assert (tags[LEDGER_IMAGE], tags[OWN_ID]) == (GONE, snap(70))
        assert datetime.fromisoformat(tags[DELETE_AFTER]) > datetime.fromisoformat(
            ago(-29)
        )
        # Not before its time, and not twice.
        account.forget_calls()
        assert taken(sweeps.reap(DELETES)["outcome"], "delete_snapshot") == []
        assert account.mutating_calls() == []
        account.load(unpatient(fleet, 70))
        assert taken(sweeps.reap(DELETES)["outcome"], "delete_snapshot") == [snap(70)]
        fleet = account.fleet()
        assert snap(70) not in snapshot_ids(fleet)
        assert snap(70) in recycled_ids(fleet)

    @pytest.mark.parametrize("one", UNBELIEVED.values(), ids=UNBELIEVED.keys())
    def test_what_may_be_a_copy_is_reported_and_stays(
        self,
        account: Account,
        sweeps: Sweeps,
        planner: Planner,
        one: dict[str, Any],
    ) -> None:
        account.load(small_fleet(snapshots=[one]))
        decision = planner.snapshots(DELETES)[snap(70)]
        assert "origin_unverified" in reasons(decision)
        before = account.fleet()
        [kept] = sweeps.reap(DELETES)["kept"]
        assert kept["snapshot_id"] == snap(70)
        assert account.fleet() == before

    @pytest.mark.parametrize(("one", "more", "reason"), HELD.values(), ids=HELD.keys())
    def test_what_something_holds_stays(
        self,
        account: Account,
        sweeps: Sweeps,
        one: dict[str, Any],
        more: dict[str, Any],
        reason: str,
    ) -> None:
        account.load(small_fleet(snapshots=[one], **more))
        before = account.fleet()
        [kept] = sweeps.reap(DELETES)["kept"]
        assert reason in reasons(kept)
        assert account.fleet() == before
        assert account.mutating_calls() == []

    @pytest.mark.parametrize(
        "one",
        [
            orphan(description="before the upgrade"),
            orphan(description=""),
            orphan(description=CREATED.replace(GONE, ami(1))),
            orphan(description=f"[Copied snap-1 from us-east-1] {CREATED}"),
        ],
    )
    def test_others_are_no_orphans(
        self, account: Account, sweeps: Sweeps, one: dict[str, Any]
    ) -> None:
        account.load(small_fleet(snapshots=[one]))
        before = account.fleet()
        done = sweeps.reap(DELETES)
        assert (done["orphans"], done["kept"]) == ([], [])
        assert account.fleet() == before

    def test_one_that_another_image_uses_is_none(
        self, account: Account, command: Sweeps
    ) -> None:
        user = image(2, 2, snapshots=[snap(2), snap(70)])
        fleet = small_fleet(snapshots=[orphan()])
        fleet["images"][1] = user
        account.load(fleet)
        assert command.reap(DELETES)["orphans"] == []

    def test_without_orphans_in_the_policy_they_are_reported_and_stay(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(snapshots=[orphan()]))
        before = account.fleet()
        [kept] = sweeps.reap(REPORTS)["kept"]
        assert [one["reason"] for one in kept["reasons"]] == [
            "orphaned",
            "orphans_stay",
        ]
        assert account.fleet() == before

    def test_the_cap_lets_the_oldest_go_first(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        orphans = [
            orphan(snapshot_id=snap(n), started_at=ago(n), tags={LEDGER_IMAGE: GONE})
            for n in (71, 72, 73)
        ]
        account.load(small_fleet(snapshots=orphans))
        capped = DELETES.replace("[safety]\n", "[safety]\nmax_per_run = 2\n")
        done = sweeps.reap(capped)
        assert taken(done["outcome"], "mark_orphan") == [snap(72), snap(73)]

    def test_the_table_says_what_would_become_of_it(
        self, account: Account, planner: Planner
    ) -> None:
        account.load(small_fleet(snapshots=[orphan()]))
        said = planner.run(DELETES).stdout
        assert f"{snap(70)} mark; why: orphan of {GONE}" in said
        assert "1 kept: 1 orphaned, 1 orphans_stay" in planner.run(REPORTS).stdout
        said = planner.run(REPORTS, "--all").stdout
        kept = f"{snap(70)} keep; why: orphan of {GONE}; the policy has no [orphans]"
        assert kept in said


# These two are asked before an orphan is marked, and not after.
STILL_HELD = {
    name: case
    for name, case in HELD.items()
    if case[2] not in ("too_young", "image_in_recycle_bin")
}


class TestDue:
    """A mark is no promise: the same things are looked at when the time has come."""

    @pytest.mark.parametrize(
        ("one", "more", "reason"), STILL_HELD.values(), ids=STILL_HELD.keys()
    )
    def test_what_something_holds_by_then_stays(
        self,
        account: Account,
        sweeps: Sweeps,
        one: dict[str, Any],
        more: dict[str, Any],
        reason: str,
    ) -> None:
        mark = {LEDGER_IMAGE: GONE, OWN_ID: snap(70), DELETE_AFTER: ago(0.1)}
        marked = one | {"tags": one.get("tags", {}) | mark}
        account.load(small_fleet(snapshots=[marked], **more))
        before = account.fleet()
        [kept] = sweeps.reap(DELETES)["kept"]
        assert reason in reasons(kept)
        assert account.fleet() == before

    def test_a_copy_made_with_all_tags_stays(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        mark = {LEDGER_IMAGE: GONE, OWN_ID: snap(71), DELETE_AFTER: ago(0.1)}
        account.load(small_fleet(snapshots=[orphan(tags=mark)]))
        [kept] = sweeps.reap(DELETES)["kept"]
        assert "copy_of" in reasons(kept)


class TestUnread:
    @pytest.mark.parametrize(
        "call",
        [
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:DescribeLockedSnapshots",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:ListImagesInRecycleBin",
            "rbin:ListRules",
            "rbin:GetRule",
        ],
    )
    def test_what_cannot_be_read_refuses_and_names_the_permission(
        self, account: Account, sweeps: Sweeps, call: str
    ) -> None:
        account.load(small_fleet(snapshots=[orphan()]))
        account.switch(deny=[call.removeprefix("ec2:")])
        before = account.fleet()
        [source] = unread(sweeps.reap(DELETES)["outcome"])
        assert source["permission"] == call
        assert account.fleet() == before

    def test_no_rule_for_snapshots_refuses(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        rules = [{"rule_id": "a", "resource": "images"}]
        account.load(small_fleet(snapshots=[orphan()], retention_rules=rules))
        before = account.fleet()
        refusal = sweeps.reap(DELETES)["outcome"]["refusal"]
        assert refusal == {"reason": "not_recoverable", "missing": ["snapshots"]}
        assert account.fleet() == before
