"""The steps from expired to removed, the values that they save, and how they are undone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import REFUSED, Account, image_steward
from outcomes import resources, taken, unread, with_result
from sweeps import Planner, Sweeps
from worlds import (
    DELETE_AFTER,
    DEPRECATION,
    LEDGER_IMAGE,
    MARK,
    PERMISSIONS,
    PLAIN,
    STRANGER,
    ago,
    ami,
    deprecated,
    disabled,
    image,
    image_ids,
    image_of,
    in_use,
    policy,
    recycled,
    recycled_ids,
    safety,
    saved,
    small_fleet,
    snap,
    snapshot,
    snapshot_ids,
    tagged_snapshot,
    tags_of,
)

STEPS = policy("")
"""The default: deprecate immediately, disable after 7 days, deregister after 14."""
RETIRE_SHARED = safety(shared_images='"retire"')
SHARE_BACK = safety(shared_images='"retire"', share_back=f'["{STRANGER}"]')
"""Shared images are retired, and a rescue may share them with one account again."""
EVERYBODY = {
    "launch_permissions": [
        "111122223333",
        "arn:aws:organizations::123456789012:organization/o-abc123",
        "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2",
    ],
    "public": True,
}
FRIEND = EVERYBODY["launch_permissions"][0]
EVERYBODY_TEXT = " ".join(sorted([*EVERYBODY["launch_permissions"], "all"]))


def is_about(text: str, expected: datetime) -> bool:
    due, _, _ = text.partition(" marked ")
    return abs(datetime.fromisoformat(due) - expected) < timedelta(minutes=3)


def is_saved(text: str, date: str, *steps: str) -> bool:
    """Whether image 3's tag contains this date, for steps whose first one is now."""
    image_id, saved_date, *words = text.split()
    assert is_about(words[1], datetime.now(UTC))
    return (image_id, saved_date, words[::2]) == (ami(3), date, [*steps])


def bin_rules(images: int = 14, snapshots: int = 14) -> list[dict[str, Any]]:
    """Recycle Bin rules that keep images and snapshots for this many days."""
    days = {"images": images, "snapshots": snapshots}
    return [{"rule_id": one, "resource": one, "days": days[one]} for one in days]


def actions(account: Account) -> list[str]:
    return account.mutating_calls()


class TestForward:
    def test_expired_is_deprecated_at_once(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(image(3, 30)))
        done = sweeps.prune(STEPS)
        assert (taken(done, "expire"), taken(done, "deprecate")) == ([ami(3)], [ami(3)])
        now = image_of(account.fleet(), ami(3))
        assert now["state"] == "available"
        assert is_about(now["deprecation_time"], datetime.now(UTC))
        assert is_saved(now["tags"][DEPRECATION], "none", "deprecated")
        assert is_about(now["tags"][MARK], datetime.now(UTC))

    def test_the_owners_own_date_is_written_down(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        theirs = ago(-300)[:17] + "00Z"
        account.load(small_fleet(image(3, 30, deprecation_time=theirs)))
        sweeps.prune(STEPS)
        now = image_of(account.fleet(), ami(3))
        assert is_saved(now["tags"][DEPRECATION], theirs, "deprecated")
        assert is_about(now["deprecation_time"], datetime.now(UTC))

    def test_one_that_its_owner_deprecated_before_is_left_so(
        self, account: Account, command: Sweeps
    ) -> None:
        theirs = ago(100)
        account.load(small_fleet(image(3, 300, deprecation_time=theirs)))
        done = command.prune(STEPS)
        assert (taken(done, "expire"), taken(done, "deprecate")) == ([ami(3)], [])
        now = image_of(account.fleet(), ami(3))
        assert now["deprecation_time"] == theirs
        assert DEPRECATION not in now["tags"]

    def test_after_7_days_it_is_disabled(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(deprecated(3, marked=8), deprecated(4, marked=6)))
        done = sweeps.prune(STEPS)
        assert taken(done, "disable") == [ami(3)]
        assert taken(done, "deregister") == []
        fleet = account.fleet()
        now = image_of(fleet, ami(3))
        assert now["state"] == "disabled"
        assert now["tags"][PERMISSIONS] == f"{ami(3)} none"
        # EC2 shows since when it is disabled, and the tag shows which step that time is from.
        assert is_about(now["deprecation_time"], datetime.now(UTC))
        assert is_saved(now["tags"][DEPRECATION], "none", "disabled", "deprecated")
        assert image_of(fleet, ami(4))["state"] == "available"

    def test_after_14_it_is_deregistered_into_the_recycle_bin(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(disabled(3, marked=15), disabled(4, marked=13)))
        done = sweeps.prune(STEPS)
        assert taken(done, "deregister") == [ami(3)]
        fleet = account.fleet()
        assert image_ids(fleet) == {ami(1), ami(2), ami(4)}
        assert recycled_ids(fleet) == {ami(3)}
        ledger = tags_of(fleet, snap(3))
        assert ledger[LEDGER_IMAGE] == ami(3)
        assert is_about(ledger[DELETE_AFTER], datetime.now(UTC) + timedelta(days=7))

    def test_7_days_later_its_snapshots_follow(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        due = {"snapshots": [tagged_snapshot(3, 3, 0.1)]}
        account.load(small_fleet(**due, recycled_images=[recycled(3, 7.1)]))
        done = sweeps.reap(STEPS)
        assert taken(done["outcome"], "delete_snapshot") == [snap(3)]
        fleet = account.fleet()
        assert snap(3) not in snapshot_ids(fleet)
        assert recycled_ids(fleet) == {ami(3), snap(3)}

    @pytest.mark.parametrize(
        ("wait", "gone"), [("14d", {ami(3), snap(3)}), ("15d", {ami(3)})]
    )
    def test_snapshots_that_ec2_did_not_make_for_it_go_with_it(
        self, account: Account, sweeps: Sweeps, wait: str, gone: set[str]
    ) -> None:
        """If the Recycle Bin, with 14 days, keeps them for the whole wait."""
        theirs = [{"snapshot_id": snap(3), "description": "nightly backup"}]
        account.load(small_fleet(disabled(3, marked=15), snapshots=theirs))
        rules = policy(f'delete_snapshots_after = "{wait}"')
        assert taken(sweeps.prune(rules), "deregister") == [ami(3)]
        fleet = account.fleet()
        assert recycled_ids(fleet) == gone
        # If they remain, nobody deletes them later.
        kept = sweeps.reap(rules)["kept"]
        assert {one["snapshot_id"] for one in kept} == {snap(3)} - gone
        assert account.fleet() == fleet

    def test_the_whole_way_by_a_policy_that_waits_for_nothing(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        """Each sweep applies the furthest step that is due. Every sequence ends the same."""
        at_once = policy('deregister_after = "0d", delete_snapshots_after = "0d"')
        account.load(small_fleet(image(3, 30), deprecated(4, 1), disabled(5, 1)))
        done = sweeps.prune(at_once)
        assert taken(done, "deregister") == [ami(3), ami(4), ami(5)]
        assert taken(done, "delete_snapshot") == [snap(3), snap(4), snap(5)]
        bin_ids = recycled_ids(account.fleet())
        assert bin_ids == {*taken(done, "deregister"), *taken(done, "delete_snapshot")}

    @pytest.mark.parametrize(
        ("retire", "ends"),
        [
            ('deprecate_after = "never"', ["available", "disabled", None]),
            ('disable_after = "never"', ["available", "available", None]),
            (PLAIN.replace("7d", "14d"), ["available", "available", None]),
        ],
    )
    def test_never_leaves_a_step_out(
        self, account: Account, command: Sweeps, retire: str, ends: list[Any]
    ) -> None:
        last = image(5, 50, 15)
        if "disable_after" not in retire:
            last = disabled(5, marked=15)
        account.load(small_fleet(image(3, 30), image(4, 40, 8), last))
        command.prune(policy(retire))
        fleet = account.fleet()
        found = {one["image_id"]: one for one in fleet["images"]}
        assert [found.get(ami(n), {}).get("state") for n in (3, 4, 5)] == ends
        is_deprecated = found[ami(3)]["deprecation_time"] is not None
        assert is_deprecated == ("deprecate_after" not in retire)

    def test_a_second_sweep_changes_nothing(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(image(3, 30), deprecated(4, 8), disabled(5, 15)))
        sweeps.prune(STEPS)
        once = account.fleet()
        account.forget_calls()
        sweeps.prune(STEPS)
        assert actions(account) == []
        assert account.fleet() == once

    @pytest.mark.parametrize(
        ("one", "tag", "value", "call"),
        [
            (image(3, 30), DEPRECATION, "none deprecated", "EnableImageDeprecation"),
            (deprecated(3, 8), DEPRECATION, "none disabled", "EnableImageDeprecation"),
            (deprecated(3, 8), PERMISSIONS, "none", "DisableImage"),
        ],
    )
    def test_it_is_written_down_before_it_is_done(
        self,
        account: Account,
        command: Sweeps,
        one: Any,
        tag: str,
        value: str,
        call: str,
    ) -> None:
        account.load(small_fleet(one))
        account.switch(deny=[call])
        command.prune(STEPS)
        fleet = account.fleet()
        assert tags_of(fleet, ami(3))[tag].startswith(f"{ami(3)} {value}")
        before = image_of(fleet, ami(3))
        assert before["state"] == "available"
        # A step is not applied if its values could not be saved.
        account.load(small_fleet(one))
        account.switch(deny=["CreateTags"])
        command.prune(STEPS)
        assert call not in actions(account)

    @pytest.mark.parametrize(
        ("one", "call", "step"),
        [
            (image(3, 30), "EnableImageDeprecation", "deprecate"),
            (deprecated(3, 8), "DisableImage", "disable"),
            (disabled(3, 15), "DeregisterImage", "deregister"),
        ],
    )
    def test_a_step_that_fails_is_named_with_its_call(
        self, account: Account, command: Sweeps, one: Any, call: str, step: str
    ) -> None:
        account.load(small_fleet(one))
        account.switch(deny=[call])
        [failure] = with_result(command.prune(STEPS), "failed")
        assert (failure["resource"], failure["step"]) == (ami(3), step)
        assert f"ec2:{call}" in failure["message"]
        account.switch()
        assert with_result(command.prune(STEPS), "failed") == []


class TestBack:
    @pytest.mark.parametrize(
        "one", [image(3, 30, 1), deprecated(3, 1), disabled(3, 10)]
    )
    def test_an_image_that_is_in_use_again_gets_everything_back(
        self, account: Account, sweeps: Sweeps, one: Any
    ) -> None:
        account.load(in_use(small_fleet(one), ami(3)))
        assert taken(sweeps.prune(STEPS), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert now["state"] == "available"
        assert now["deprecation_time"] is None
        assert now["tags"] == {}

    def test_the_owners_date_comes_back(self, account: Account, sweeps: Sweeps) -> None:
        theirs = ago(-300)[:17] + "00Z"
        ours = {DEPRECATION: saved(3, 1, theirs)}
        account.load(in_use(small_fleet(deprecated(3, 1, tags=ours)), ami(3)))
        sweeps.prune(STEPS)
        now = image_of(account.fleet(), ami(3))
        assert (now["deprecation_time"], now["tags"]) == (theirs, {})

    @pytest.mark.parametrize("days", [5, -5, -0.01])
    def test_a_date_that_somebody_set_since_stays(
        self, account: Account, sweeps: Sweeps, days: float
    ) -> None:
        theirs = ago(days)[:17] + "00Z"
        one = deprecated(3, 10, deprecation_time=theirs)
        account.load(in_use(small_fleet(one), ami(3)))
        assert taken(sweeps.prune(STEPS), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert (now["deprecation_time"], now["tags"]) == (theirs, {})

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"deprecation_time": ago(5)}, "tags_disagree"),
            ({"deprecation_time": ago(10.1)}, "tags_disagree"),
            ({"deprecation_time": None}, "tags_disagree"),
            ({"tags": {DEPRECATION: saved(3, 10)}}, "tags_disagree"),
            ({"protected": "enabled-with-cooldown"}, "protected"),
        ],
    )
    def test_one_that_somebody_else_may_have_disabled_stays_disabled(
        self,
        account: Account,
        sweeps: Sweeps,
        planner: Planner,
        more: dict[str, Any],
        why: str,
    ) -> None:
        """Tags are not enough, and deregistration protection is a quarantine."""
        one = disabled(3, 10, STRANGER, **more)
        account.load(in_use(small_fleet(one), ami(3)))
        before = account.fleet()
        decision = planner.decisions(SHARE_BACK)[ami(3)]
        assert {"reason": "not_enabled", "why": why} in decision["reasons"]
        assert taken(sweeps.prune(SHARE_BACK), "rescue") == []
        assert account.fleet() == before
        assert actions(account) == []

    def test_launch_permissions_of_every_kind_are_saved_and_come_back(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        share_back = json.dumps(EVERYBODY["launch_permissions"])
        rules = safety(shared_images='"retire"', share_back=share_back)
        account.load(small_fleet(deprecated(3, 8, **EVERYBODY)))
        assert taken(sweeps.prune(rules), "disable") == [ami(3)]
        without = account.fleet()
        now = image_of(without, ami(3))
        assert (now["launch_permissions"], now["public"]) == ([], False)
        assert now["tags"][PERMISSIONS] == f"{ami(3)} {EVERYBODY_TEXT}"
        account.load(in_use(without, ami(3)))
        assert taken(sweeps.prune(rules), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        # A run never makes an image public. Only a person does.
        assert {key: now[key] for key in EVERYBODY} == EVERYBODY | {"public": False}
        left = {PERMISSIONS: f"{ami(3)} {EVERYBODY_TEXT}"}
        assert (now["state"], now["tags"]) == ("available", left)

    def test_whom_the_policy_does_not_name_stays_in_the_tag_and_is_reported(
        self, account: Account, sweeps: Sweeps, planner: Planner
    ) -> None:
        with_whom = f"{STRANGER} {FRIEND} all"
        account.load(in_use(small_fleet(disabled(3, 10, with_whom)), ami(3)))
        decision = planner.decisions(SHARE_BACK)[ami(3)]
        assert decision["share_with"] == [STRANGER]
        assert decision["not_shared"] == [FRIEND, "all"]
        assert taken(sweeps.prune(SHARE_BACK), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert (now["launch_permissions"], now["public"]) == ([STRANGER], False)
        assert now["tags"] == {PERMISSIONS: f"{ami(3)} {with_whom}"}
        # From now on it counts as disabled by its owner, until a person has decided.
        once = account.fleet()
        account.forget_calls()
        assert taken(sweeps.prune(SHARE_BACK), "rescue") == []
        assert actions(account) == []
        assert account.fleet() == once
        not_restored = {"reason": "sharing_not_restored", "with": [FRIEND, "all"]}
        assert not_restored in planner.decisions(SHARE_BACK)[ami(3)]["reasons"]
        said = planner.run(SHARE_BACK, "--all").stdout
        assert (
            f"launch permissions saved in its state tag are missing ({FRIEND}, all)"
            in said
        )

    @pytest.mark.parametrize("now_with", [[], [FRIEND]])
    def test_one_that_a_run_did_not_enable_is_shared_with_nobody(
        self,
        account: Account,
        sweeps: Sweeps,
        planner: Planner,
        now_with: list[str],
    ) -> None:
        """Its owner enabled it manually, or somebody else wrote the tag."""
        listed = {PERMISSIONS: f"{ami(3)} {STRANGER}"}
        one = image(3, 30, tags=listed, launch_permissions=now_with)
        account.load(in_use(small_fleet(one), ami(3)))
        before = account.fleet()
        sweeps.prune(SHARE_BACK)
        assert account.fleet() == before
        reasons = planner.decisions(SHARE_BACK)[ami(3)]["reasons"]
        assert {"reason": "sharing_not_restored", "with": [STRANGER]} in reasons

    def test_one_disabled_by_somebody_else_stays_disabled(
        self, account: Account, command: Sweeps
    ) -> None:
        account.load(in_use(small_fleet(deprecated(3, 1, state="disabled")), ami(3)))
        assert taken(command.prune(STEPS), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert (now["state"], now["tags"]) == ("disabled", {})

    def test_what_the_tags_of_another_image_say_is_not_done(
        self, account: Account, command: Sweeps
    ) -> None:
        """A copy of a retired image with all tags is not shared."""
        copied = {PERMISSIONS: f"{ami(9)} {STRANGER}", DEPRECATION: f"{ami(9)} none"}
        theirs = ago(-300)[:17] + "00Z"
        copy = image(3, 30, 1, tags=copied, deprecation_time=theirs)
        account.load(in_use(small_fleet(copy), ami(3)))
        assert taken(command.prune(RETIRE_SHARED), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert now["launch_permissions"] == []
        assert now["deprecation_time"] == theirs
        assert now["tags"] == {}

    def test_when_the_policy_keeps_shared_images_again_one_is_rescued(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(disabled(3, 10, STRANGER)))
        rules = safety(share_back=f'["{STRANGER}"]')
        assert taken(sweeps.prune(rules), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert now["launch_permissions"] == [STRANGER]
        assert now["state"] == "available"

    @pytest.mark.parametrize(
        "call",
        ["EnableImage", "DisableImageDeprecation", "DeleteTags"],
    )
    def test_a_rescue_that_breaks_off_goes_on_in_the_next_sweep(
        self, account: Account, command: Sweeps, call: str
    ) -> None:
        account.load(in_use(small_fleet(disabled(3, 10, STRANGER)), ami(3)))
        account.switch(deny=[call])
        [failure] = with_result(command.prune(SHARE_BACK), "failed")
        assert failure["step"] == "rescue"
        assert f"ec2:{call}" in failure["message"]
        assert PERMISSIONS in tags_of(account.fleet(), ami(3))
        account.switch()
        assert taken(command.prune(SHARE_BACK), "rescue") == [ami(3)]
        now = image_of(account.fleet(), ami(3))
        assert now["launch_permissions"] == [STRANGER]
        assert (now["state"], now["tags"]) == ("available", {})
        assert now["deprecation_time"] is None

    @pytest.mark.parametrize("call", ["DescribeImageAttribute", "ModifyImageAttribute"])
    def test_one_that_breaks_off_before_it_shares_is_left_to_a_person(
        self, account: Account, command: Sweeps, planner: Planner, call: str
    ) -> None:
        account.load(in_use(small_fleet(disabled(3, 10, STRANGER)), ami(3)))
        account.switch(deny=[call])
        [failure] = with_result(command.prune(SHARE_BACK), "failed")
        assert failure["step"] == "rescue"
        assert f"ec2:{call}" in failure["message"]
        account.switch()
        # Everything else is done.
        now = image_of(account.fleet(), ami(3))
        assert (now["state"], now["deprecation_time"]) == ("available", None)
        assert now["tags"] == {PERMISSIONS: f"{ami(3)} {STRANGER}"}
        once = account.fleet()
        for _ in range(2):
            command.prune(SHARE_BACK)
            reasons = planner.decisions(SHARE_BACK)[ami(3)]["reasons"]
            assert {"reason": "sharing_not_restored", "with": [STRANGER]} in reasons
        assert account.fleet() == once


class TestShared:
    def test_a_shared_image_is_kept_unless_the_policy_says_otherwise(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(image(3, 30, launch_permissions=[STRANGER])))
        before = account.fleet()
        sweeps.prune(STEPS)
        assert account.fleet() == before

    @pytest.mark.parametrize("marked", [8, 15])
    def test_permissions_that_do_not_fit_into_a_tag_are_not_taken(
        self, account: Account, sweeps: Sweeps, planner: Planner, marked: float
    ) -> None:
        many = [f"{n:012}" for n in range(19)]
        account.load(small_fleet(deprecated(3, marked, launch_permissions=many)))
        before = account.fleet()
        [expired, too_long] = planner.decisions(RETIRE_SHARED)[ami(3)]["reasons"]
        assert expired["reason"] == "expired"
        assert too_long == {
            "reason": "permissions_too_long",
            "characters": 268,
            "most": 256,
        }
        sweeps.prune(RETIRE_SHARED)
        assert account.fleet() == before
        assert "DisableImage" not in actions(account)

    def test_those_that_just_fit_are(self, account: Account, command: Sweeps) -> None:
        many = [f"{n:012}" for n in range(18)]
        account.load(small_fleet(deprecated(3, 8, launch_permissions=many)))
        assert taken(command.prune(RETIRE_SHARED), "disable") == [ami(3)]
        saved = tags_of(account.fleet(), ami(3))[PERMISSIONS]
        assert saved.split()[1:] == many


class TestRecycleBin:
    @pytest.mark.parametrize(
        ("rules", "missing"),
        [
            ([], ["images", "snapshots"]),
            ([{"rule_id": "a", "resource": "images"}], ["snapshots"]),
            ([{"rule_id": "a", "resource": "snapshots"}], ["images"]),
            (
                [
                    {"rule_id": "a", "resource": "images", "in_effect": False},
                    {"rule_id": "b", "resource": "snapshots"},
                ],
                ["images"],
            ),
            (bin_rules(images=6), ["images"]),
            (bin_rules(snapshots=6), ["snapshots"]),
            (bin_rules(6, 6), ["images", "snapshots"]),
        ],
    )
    def test_without_a_rule_that_is_in_effect_nothing_is_removed(
        self, account: Account, sweeps: Sweeps, rules: list[Any], missing: list[str]
    ) -> None:
        steps = (image(3, 30), deprecated(4, 8), disabled(5, 15))
        account.load(small_fleet(*steps, retention_rules=rules))
        before = account.fleet()
        refusal = sweeps.prune(STEPS)["refusal"]
        assert refusal == {"reason": "not_recoverable", "missing": missing, "days": 7}
        assert account.fleet() == before
        assert actions(account) == []

    @pytest.mark.parametrize("verb", [["plan"], ["apply", "--yes"]])
    def test_the_command_ends_with_4(
        self, account: Account, verb: list[str], tmp_path: Any
    ) -> None:
        file = tmp_path / "policy.toml"
        file.write_text(STEPS)
        account.load(small_fleet(image(3, 30), retention_rules=[]))
        done = image_steward(account, *verb, "--policy", str(file))
        assert done.returncode == REFUSED
        said = [one for one in done.stdout.splitlines() if one.startswith("Refused:")]
        assert len(said) == 1
        assert (
            "no Recycle Bin rule in this Region retains images and snapshots" in said[0]
        )
        assert "for at least 7 days" in said[0]
        assert "safety.recycle_bin_days" in said[0]
        assert 'safety.recycle_bin = "optional"' in said[0]
        as_json = image_steward(
            account, *verb, "--policy", str(file), "--format", "json"
        )
        assert as_json.returncode == REFUSED
        assert len(as_json.stderr.splitlines()) == 1
        assert "no Recycle Bin rule" in as_json.stderr

    def test_a_rescue_goes_on_all_the_same(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        fleet = in_use(small_fleet(disabled(3, 10)), ami(3))
        account.load(fleet | {"retention_rules": []})
        assert taken(sweeps.prune(STEPS), "rescue") == [ami(3)]
        assert image_of(account.fleet(), ami(3))["state"] == "available"

    def test_the_policy_says_how_long_a_rule_must_keep_images_and_snapshots(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        one = small_fleet(disabled(3, 15), retention_rules=bin_rules(8, 8))
        account.load(one)
        refusal = sweeps.prune(safety(recycle_bin_days="9"))["refusal"]
        assert (refusal["missing"], refusal["days"]) == (["images", "snapshots"], 9)
        done = sweeps.prune(safety(recycle_bin_days="8"))
        assert taken(done, "deregister") == [ami(3)]

    def test_an_image_that_outlasts_its_snapshots_there_stays(
        self, account: Account, sweeps: Sweeps, planner: Planner
    ) -> None:
        account.load(small_fleet(disabled(3, 15), retention_rules=bin_rules(14, 13)))
        before = account.fleet()
        reasons = planner.decisions(STEPS)[ami(3)]["reasons"]
        assert {"reason": "not_recoverable", "what": "snapshots_sooner"} in reasons
        sweeps.prune(STEPS)
        assert account.fleet() == before

    def test_it_may_be_made_optional(self, account: Account, sweeps: Sweeps) -> None:
        account.load(small_fleet(disabled(3, 15), retention_rules=[]))
        done = sweeps.prune(safety(recycle_bin='"optional"'))
        assert taken(done, "deregister") == [ami(3)]
        assert recycled_ids(account.fleet()) == set()

    @pytest.mark.parametrize(
        ("rule", "what"),
        [
            ({"resource": "images", "tags": {"Env": "prod"}}, "images"),
            ({"resource": "images", "except": {"Env": "test"}}, "images"),
            ({"resource": "snapshots", "tags": {"Env": "prod"}}, "snapshots"),
            ({"resource": "snapshots", "except": {"Env": "test"}}, "snapshots"),
        ],
    )
    def test_what_a_rule_leaves_out_by_its_tags_stays(
        self,
        account: Account,
        sweeps: Sweeps,
        planner: Planner,
        rule: dict[str, Any],
        what: str,
    ) -> None:
        both = [{"rule_id": "a", "resource": "images"}]
        both.append({"rule_id": "b", "resource": "snapshots"})
        rules = [one for one in both if one["resource"] != what]
        rules.append(rule | {"rule_id": "c"})
        out, within = {"Env": "test"}, {"Env": "prod"}
        snapshots = [
            snapshot(snap(3), ami(3), tags=out),
            snapshot(snap(4), ami(4), tags=within),
        ]
        fleet = small_fleet(disabled(3, 15, tags=out), disabled(4, 15, tags=within))
        account.load(fleet | {"retention_rules": rules, "snapshots": snapshots})
        reasons = planner.decisions(STEPS)[ami(3)]["reasons"]
        assert {"reason": "not_recoverable", "what": what} in reasons
        assert taken(sweeps.prune(STEPS), "deregister") == [ami(4)]
        assert ami(3) in image_ids(account.fleet())

    @pytest.mark.parametrize("call", ["rbin:ListRules", "rbin:GetRule"])
    def test_rules_that_cannot_be_read_refuse(
        self, account: Account, sweeps: Sweeps, call: str
    ) -> None:
        account.load(small_fleet(disabled(3, 15)))
        account.switch(deny=[call])
        before = account.fleet()
        [source] = unread(sweeps.prune(STEPS))
        assert source["permission"] == call
        assert account.fleet() == before


def test_a_cap_counts_what_is_disabled_and_what_is_deregistered(
    account: Account, sweeps: Sweeps
) -> None:
    steps = (deprecated(3, 8), deprecated(4, 9), disabled(5, 15), disabled(6, 16))
    account.load(small_fleet(*steps))
    capped = safety(max_per_run="3")
    done = sweeps.prune(capped)
    assert taken(done, "deregister") == [ami(5), ami(6)]
    assert taken(done, "disable") == [ami(4)]
    assert resources(with_result(done, "deferred")) == [ami(3)]
