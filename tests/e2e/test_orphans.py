"""Orphans: snapshots whose image somebody else deregistered. One run tags them, a later run deletes
them."""

from __future__ import annotations

from datetime import datetime, timedelta
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
    due,
    image,
    policy,
    recycled,
    recycled_ids,
    safety,
    small_fleet,
    snap,
    snapshot_ids,
    tagged_snapshot,
    tags_of,
)

KEEP = "image-steward:keep"
DELETES = policy("", '[orphans]\ndelete_after = "30d"\n')
REPORTS = policy("")
GONE = ami(70)
CREATED = f"Created by CreateImage({INSTANCE}) for {GONE}"
COPIED = f"Copied for DestinationAmi {GONE} from SourceAmi {ami(71)} for SourceSnapshot"
VOLUME = "vol-0123456789abcdef0"


def orphan(**more: Any) -> dict[str, Any]:
    """A snapshot that EC2 created for an image that does not exist."""
    made = {"description": CREATED, "volume_id": VOLUME, "started_at": ago(90)}
    return {"snapshot_id": snap(70)} | made | more


def unpatient(fleet: dict[str, Any], number: int) -> dict[str, Any]:
    """The same account after the deletion time of `number`."""
    [one] = [s for s in fleet["snapshots"] if s["snapshot_id"] == snap(number)]
    one["tags"][DELETE_AFTER] = due(0.01)
    return fleet


BELIEVED = {
    "by its description": orphan(),
    "a copied image's": orphan(description=COPIED, volume_id="vol-ffffffff"),
    "with our tag": orphan(tags={LEDGER_IMAGE: GONE}),
    "a copied image's with our tags": orphan(
        description=COPIED,
        volume_id="vol-ffffffff",
        tags={LEDGER_IMAGE: GONE},
    ),
}
UNBELIEVED = {
    "a copied snapshot": orphan(volume_id="vol-ffffffff"),
    "a copied snapshot with our tag": orphan(
        volume_id="vol-ffffffff", tags={LEDGER_IMAGE: GONE}
    ),
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
        {"recycled_images": [recycled(70)]},
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
        assert tags[LEDGER_IMAGE] == GONE
        due, marked = map(datetime.fromisoformat, tags[DELETE_AFTER].split(" marked "))
        assert timedelta(days=27) < due - marked < timedelta(days=32)
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
            # A tag alone is not enough, because anyone may have written it.
            orphan(description="", tags={LEDGER_IMAGE: GONE}),
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
        assert f"{snap(70)} tag: orphan of {GONE}" in said
        assert (
            "1 kept (orphans, without [orphans] in the policy)"
            in planner.run(REPORTS).stdout
        )
        said = planner.run(REPORTS, "--all").stdout
        kept = f"{snap(70)} keep: orphan of {GONE}; the policy has no [orphans]"
        assert kept in said


# These two are requested before an orphan is tagged, and not after.
STILL_HELD = {
    name: case
    for name, case in HELD.items()
    if case[2] not in ("too_young", "image_in_recycle_bin")
}


class TestDue:
    """A tag is no guarantee: the same checks are made again when the deletion is due."""

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
        mark = {LEDGER_IMAGE: GONE, DELETE_AFTER: due(0.1)}
        marked = one | {"tags": one.get("tags", {}) | mark}
        account.load(small_fleet(snapshots=[marked], **more))
        before = account.fleet()
        [kept] = sweeps.reap(DELETES)["kept"]
        assert reason in reasons(kept)
        assert account.fleet() == before

    def test_a_copy_made_with_all_tags_stays(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        for began, reason in ((ago(1), "mark_copied"), (ago(3), "due")):
            mark = {LEDGER_IMAGE: GONE, DELETE_AFTER: f"{ago(0.1)} marked {ago(2)}"}
            account.load(small_fleet(snapshots=[orphan(started_at=began, tags=mark)]))
            done = sweeps.reap(DELETES)
            if reason == "due":
                assert taken(done["outcome"], "delete_snapshot") == [snap(70)]
            else:
                assert reason in reasons(done["kept"][0])


KEPT_FOR_LONG = recycled(70) | {"leaves_at": ago(-30)}
TAGGED: dict[str, tuple[str, dict[str, Any], list[Any], str]] = {
    "described by nobody": (DELETES, {"description": ""}, [], "not_attributed"),
    "a person's": (
        DELETES,
        {"description": "nightly backup"},
        [recycled(70)],
        "not_attributed",
    ),
    "a copy": (
        DELETES,
        {"volume_id": "vol-ffffffff"},
        [recycled(70)],
        "origin_unverified",
    ),
    "an orphan": (REPORTS, {}, [], "orphans_stay"),
    "an image deregistered later": (REPORTS, {}, [recycled(70, 6.9)], "not_before"),
    "an image kept longer": (REPORTS, {}, [KEPT_FOR_LONG], "image_kept_longer"),
}


class TestTagged:
    """A past `delete-after` allows a deletion only if EC2's own data allows it too."""

    @pytest.mark.parametrize(
        ("rules", "more", "gone", "reason"), TAGGED.values(), ids=TAGGED.keys()
    )
    def test_what_ec2_does_not_confirm_stays(
        self,
        account: Account,
        sweeps: Sweeps,
        rules: str,
        more: dict[str, Any],
        gone: list[Any],
        reason: str,
    ) -> None:
        one = tagged_snapshot(70, 70, 300) | more
        account.load(small_fleet(snapshots=[one], recycled_images=gone))
        before = account.fleet()
        [kept] = sweeps.reap(rules)["kept"]
        assert reasons(kept) == {reason}
        assert account.fleet() == before

    @pytest.mark.parametrize(
        ("rules", "gone"),
        [
            (REPORTS, [recycled(70, 7.1)]),
            (DELETES, []),
            (safety(recycle_bin='"optional"'), []),
        ],
        ids=["in the Recycle Bin", "an orphan", "without the Recycle Bin"],
    )
    def test_what_ec2_confirms_is_deleted(
        self, account: Account, sweeps: Sweeps, rules: str, gone: list[Any]
    ) -> None:
        one = tagged_snapshot(70, 70)
        account.load(small_fleet(snapshots=[one], recycled_images=gone))
        done = sweeps.reap(rules)["outcome"]
        assert taken(done, "delete_snapshot") == [snap(70)]
        assert snap(70) not in snapshot_ids(account.fleet())

    def test_the_longest_wait_of_all_rules_counts(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        """The rule of the image is not known any more."""
        rule = """[[rule]]
name = "db"
match = { name = "db-*" }
keep = { last = 1 }
retire = { delete_snapshots_after = "12d" }
[safety]"""
        gone = [recycled(70, 11.9), recycled(71, 12.1)]
        both = [tagged_snapshot(70, 70), tagged_snapshot(71, 71)]
        account.load(small_fleet(snapshots=both, recycled_images=gone))
        done = sweeps.reap(REPORTS.replace("[safety]", rule))
        assert taken(done["outcome"], "delete_snapshot") == [snap(71)]
        [kept] = done["kept"]
        assert (kept["snapshot_id"], reasons(kept)) == (snap(70), {"not_before"})

    def test_no_more_are_deleted_in_a_run_than_the_policy_allows(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        four = [
            tagged_snapshot(n, n) | {"started_at": ago(n)} for n in (71, 72, 73, 74)
        ]
        gone = [recycled(n) for n in (71, 72, 73, 74)]
        account.load(small_fleet(snapshots=four, recycled_images=gone))
        done = sweeps.reap(safety(max_snapshots_per_run="3"))
        # The oldest are deleted first.
        assert taken(done["outcome"], "delete_snapshot") == [
            snap(72),
            snap(73),
            snap(74),
        ]
        [kept] = done["kept"]
        deferred = {"reason": "deferred", "cap": "max_snapshots_per_run", "limit": 3}
        assert kept["snapshot_id"] == snap(71)
        assert deferred in kept["reasons"]

    def test_the_table_says_why(self, account: Account, planner: Planner) -> None:
        one = tagged_snapshot(70, 70) | {"description": ""}
        account.load(small_fleet(snapshots=[one]))
        said = planner.run(REPORTS, "--all").stdout
        assert f"{snap(70)} keep: its description does not show" in said


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
        missing = {"missing": ["snapshots"], "days": 7}
        assert refusal == {"reason": "not_recoverable"} | missing
        assert account.fleet() == before
