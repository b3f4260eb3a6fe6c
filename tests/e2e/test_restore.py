"""`image-steward restore`: from every step, and without a policy."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from harness import DONE, FAILED, PART, USAGE, Account, image_steward
from outcomes import taken
from sweeps import Sweeps
from terminal import on_terminal
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
    due,
    image,
    image_ids,
    image_of,
    in_use,
    policy,
    recycled_ids,
    safety,
    small_fleet,
    snap,
    snapshot_ids,
    tags_of,
)

GONE = policy('deregister_after = "0d", delete_snapshots_after = "7d"')
GONE_WITH_SNAPSHOTS = policy('deregister_after = "0d", delete_snapshots_after = "0d"')
KEEP = "image-steward:keep"
FRIEND = "111122223333"
UNIT = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2"
SAVED = [FRIEND, STRANGER, "all", UNIT]
"""With whom the images in `TestSharing` were shared before they were disabled."""
INTERRUPTED = 130
AS_JSON = ["--format", "json"]
ENABLED = {"step": "enabled"}
UNDEPRECATED = {"step": "deprecation_cancelled"}


def restore(account: Account, *arguments: str, code: int = DONE) -> list[Any]:
    """The result for each image, if the command exits with this code."""
    done = image_steward(account, "restore", *arguments, "--format", "json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def ours_on(fleet: dict[str, Any], resource: str) -> set[str]:
    """The tags with which a step could continue."""
    going = {MARK, PERMISSIONS, DEPRECATION, DELETE_AFTER}
    return going & tags_of(fleet, resource).keys()


class TestStages:
    @pytest.mark.parametrize(
        ("one", "done"),
        [
            (image(3, 30, tags={MARK: ago(1)}), []),
            (deprecated(3, 1), [UNDEPRECATED]),
            (disabled(3, 10), [ENABLED, UNDEPRECATED]),
        ],
        ids=["expired", "deprecated", "disabled"],
    )
    def test_one_that_is_still_there(
        self, account: Account, one: Any, done: list[dict[str, Any]]
    ) -> None:
        account.load(small_fleet(one))
        [answer] = restore(account, ami(3))
        assert answer["status"] == "restored"
        assert answer["done"] == [*done, {"step": "state_tags_removed"}]
        now = image_of(account.fleet(), ami(3))
        assert (now["state"], now["deprecation_time"]) == ("available", None)
        assert now["tags"] == {}
        assert now["launch_permissions"] == []

    @pytest.mark.parametrize(
        "rules", [GONE, GONE_WITH_SNAPSHOTS], ids=["alone", "with its snapshots"]
    )
    def test_from_the_recycle_bin(
        self, account: Account, sweeps: Sweeps, rules: str
    ) -> None:
        account.load(small_fleet(disabled(3, 10, snapshots=[snap(3), snap(30)])))
        assert taken(sweeps.prune(rules), "deregister") == [ami(3)]
        with_snapshots = rules == GONE_WITH_SNAPSHOTS
        both = {snap(3), snap(30)} if with_snapshots else set()
        assert recycled_ids(account.fleet()) == {ami(3), *both}
        [answer] = restore(account, ami(3))
        assert answer["status"] == "restored"
        fleet = account.fleet()
        now = image_of(fleet, ami(3))
        assert (now["state"], now["deprecation_time"]) == ("available", None)
        assert now["snapshots"] == [snap(3), snap(30)]
        assert recycled_ids(fleet) == set()
        for resource in (ami(3), snap(3), snap(30)):
            assert ours_on(fleet, resource) == set()

    @pytest.mark.parametrize("by_way_of_disabled", [False, True])
    def test_with_its_launch_permissions_whichever_way_it_went(
        self, account: Account, command: Sweeps, by_way_of_disabled: bool
    ) -> None:
        everybody = {"launch_permissions": [STRANGER], "public": True}
        account.load(small_fleet(deprecated(3, 8, **everybody)))
        rules = safety(shared_images='"retire"')
        if by_way_of_disabled:
            assert taken(command.prune(rules), "disable") == [ami(3)]
        at_once = rules.replace("retire = {", f"retire = {{ {PLAIN}")
        assert taken(command.prune(at_once), "deregister") == [ami(3)]
        both = ("--share-with", STRANGER, "--share-with", "all")
        restore(account, ami(3), *both)
        now = image_of(account.fleet(), ami(3))
        assert {key: now[key] for key in everybody} == everybody
        assert (now["state"], now["tags"]) == ("available", {})

    def test_a_snapshot_that_nothing_names_is_named_by_hand(
        self, account: Account, command: Sweeps
    ) -> None:
        theirs = [{"snapshot_id": snap(3), "description": "nightly backup"}]
        account.load(small_fleet(image(3, 30), snapshots=theirs))
        command.prune(GONE)
        assert recycled_ids(account.fleet()) == {ami(3), snap(3)}
        # EC2 does not show for what it was created, and somebody removed our tags.
        account.client("ec2").delete_tags(Resources=[snap(3)])
        [answer] = restore(account, ami(3), code=FAILED)
        assert answer["status"] == "failed"
        assert answer["problem"]["kind"] == "failed"
        assert "--snapshot" in answer["problem"]["message"]
        assert snap(3) in answer["problem"]["message"]
        [answer] = restore(account, ami(3), "--snapshot", snap(3))
        assert answer["status"] == "restored"
        assert {ami(3), snap(3)} <= image_ids(account.fleet()) | snapshot_ids(
            account.fleet()
        )

    def test_one_that_is_gone_for_good_leaves_its_snapshots(
        self, account: Account
    ) -> None:
        ledger = {LEDGER_IMAGE: ami(3), DELETE_AFTER: due(-3)}
        account.load(small_fleet(snapshots=[{"snapshot_id": snap(3), "tags": ledger}]))
        [answer] = restore(account, ami(3), code=FAILED)
        assert answer["status"] == "gone"
        assert answer["done"] == [{"step": "snapshot_unmarked", "snapshot": snap(3)}]
        gone = {"kind": "gone", "image": ami(3), "snapshots": [snap(3)]}
        assert answer["problem"] == gone
        assert DELETE_AFTER not in tags_of(account.fleet(), snap(3))
        said = image_steward(account, "restore", ami(3)).stdout
        assert f"from its snapshots {snap(3)}" in said
        assert "register-image" in said

    def test_one_that_nobody_knows(self, account: Account) -> None:
        account.load(small_fleet())
        before = account.fleet()
        [answer] = restore(account, ami(77), code=FAILED)
        assert answer["status"] == "gone"
        assert answer["problem"] == {"kind": "gone", "image": ami(77), "snapshots": []}
        said = image_steward(account, "restore", ami(77)).stdout
        assert "no snapshot refers to it" in said
        assert account.fleet() == before

    def test_one_that_was_never_on_its_way(self, account: Account) -> None:
        account.load(small_fleet())
        before = account.fleet()
        [answer] = restore(account, ami(1))
        assert (answer["status"], answer["done"]) == ("untouched", [])
        assert account.fleet() == before

    def test_twice_does_nothing_more(self, account: Account, command: Sweeps) -> None:
        account.load(small_fleet(image(3, 30)))
        command.prune(GONE_WITH_SNAPSHOTS)
        restore(account, ami(3))
        once = account.fleet()
        account.forget_calls()
        [answer] = restore(account, ami(3))
        assert answer["status"] == "untouched"
        assert account.mutating_calls() == []
        assert account.fleet() == once


DISABLED_BY_OTHERS = {
    "another deprecation time": ({"deprecation_time": ago(5)}, "tags_disagree"),
    "not deprecated": ({"deprecation_time": None}, "tags_disagree"),
    "protected": ({"protected": "enabled-with-cooldown"}, "protected"),
}


def shared() -> Any:
    """Image 3, which we disabled, and which had been shared with `SAVED`."""
    return disabled(3, 10, " ".join(SAVED))


def share_with(*whom: str) -> list[str]:
    """The options that select them."""
    return [word for one in whom for word in ("--share-with", one)]


def shared_now(account: Account) -> list[str]:
    """With whom image 3 is shared."""
    now = image_of(account.fleet(), ami(3))
    return sorted([*now["launch_permissions"], *(["all"] if now["public"] else [])])


class TestSharing:
    """Anyone who may tag images can write with whom one was shared, so a person decides."""

    def test_with_all_whom_the_tag_names(self, account: Account) -> None:
        account.load(small_fleet(shared()))
        [answer] = restore(account, ami(3), *share_with(*SAVED))
        assert answer["status"] == "restored"
        assert answer["done"][-1] == {"step": "shared", "with": SAVED}
        assert "not_shared" not in answer
        assert shared_now(account) == SAVED
        now = image_of(account.fleet(), ami(3))
        assert (now["state"], now["tags"]) == ("available", {})

    def test_with_some_of_them(self, account: Account) -> None:
        account.load(small_fleet(shared()))
        some = share_with(FRIEND, "all")
        [answer] = restore(account, ami(3), *some, code=PART)
        assert answer["status"] == "restored"
        assert answer["done"][-1] == {"step": "shared", "with": [FRIEND, "all"]}
        assert answer["not_shared"] == [STRANGER, UNIT]
        assert shared_now(account) == [FRIEND, "all"]
        # The tag remains, and the others can be selected later.
        left = {PERMISSIONS: f"{ami(3)} {' '.join(SAVED)}"}
        assert tags_of(account.fleet(), ami(3)) == left
        [answer] = restore(account, ami(3), *share_with(STRANGER, UNIT))
        assert answer["done"] == [{"step": "shared", "with": [STRANGER, UNIT]}]
        assert shared_now(account) == SAVED
        assert tags_of(account.fleet(), ami(3)) == {}

    def test_whom_the_tag_does_not_name_gets_nothing(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10, STRANGER)))
        [answer] = restore(account, ami(3), *share_with(FRIEND, "all"), code=PART)
        assert answer["not_shared"] == [STRANGER]
        assert shared_now(account) == []
        # Nothing is shared that was not shared before.
        account.load(small_fleet(disabled(3, 10)))
        restore(account, ami(3), *share_with(FRIEND, "all"))
        assert shared_now(account) == []

    @pytest.mark.parametrize("output", ["table", "json"])
    def test_without_it_nothing_is_shared_and_a_hint_names_the_command(
        self, account: Account, output: str
    ) -> None:
        account.load(small_fleet(shared()))
        done = image_steward(account, "restore", ami(3), "--format", output)
        assert done.returncode == PART
        assert shared_now(account) == []
        now = image_of(account.fleet(), ami(3))
        assert (now["state"], now["deprecation_time"]) == ("available", None)
        assert now["tags"] == {PERMISSIONS: f"{ami(3)} {' '.join(SAVED)}"}
        if output == "table":
            names = ", ".join(SAVED)
            assert f"  not shared again with {names}\n" in done.stdout
        else:
            assert json.loads(done.stdout)[0]["not_shared"] == SAVED
        [_, hint] = done.stderr.split(": image-steward ")
        assert image_steward(account, *shlex.split(hint)).returncode == DONE
        assert shared_now(account) == SAVED
        assert tags_of(account.fleet(), ami(3)) == {}

    def test_of_several_only_those_that_were_shared_are_left(
        self, account: Account
    ) -> None:
        account.load(
            small_fleet(disabled(3, 10, STRANGER), disabled(4, 10), disabled(5, 10))
        )
        answers = restore(account, ami(3), ami(4), ami(5), code=PART)
        assert [one["status"] for one in answers] == ["restored"] * 3
        assert [one.get("not_shared") for one in answers] == [[STRANGER], None, None]

    def test_one_that_its_owner_shared_since_stays_as_it_is(
        self, account: Account
    ) -> None:
        listed = {PERMISSIONS: f"{ami(3)} {STRANGER}"}
        one = image(3, 30, tags=listed, launch_permissions=[FRIEND])
        account.load(small_fleet(one))
        before = account.fleet()
        [answer] = restore(account, ami(3), *share_with(STRANGER), code=FAILED)
        assert answer["not_shared"] == [STRANGER]
        assert "its owner has shared it since" in answer["problem"]["message"]
        assert account.fleet() == before

    def test_a_rescue_that_shared_with_nobody_is_completed(
        self, account: Account, command: Sweeps
    ) -> None:
        account.load(in_use(small_fleet(shared()), ami(3)))
        rules = safety(shared_images='"retire"', share_back=f'["{FRIEND}"]')
        assert taken(command.prune(rules), "rescue") == [ami(3)]
        assert shared_now(account) == [FRIEND]
        restore(account, ami(3), *share_with(STRANGER, UNIT, "all"))
        assert shared_now(account) == SAVED
        assert tags_of(account.fleet(), ami(3)) == {}

    @pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n"])
    def test_on_a_terminal_yes_shares(self, account: Account, answer: str) -> None:
        account.load(small_fleet(shared()))
        shown = on_terminal(account, "restore", ami(3), answer=answer, columns=200)
        assert shown.returncode == DONE
        assert "Anyone with permission to tag images can set such a tag" in shown.text
        assert f"  {ami(3)}: {', '.join(SAVED)}" in shown.lines
        assert shared_now(account) == SAVED
        assert tags_of(account.fleet(), ami(3)) == {}

    @pytest.mark.parametrize("answer", ["n\n", "\n", "no\n", "maybe\n", "\x04"])
    def test_on_a_terminal_anything_else_does_not(
        self, account: Account, answer: str
    ) -> None:
        account.load(small_fleet(shared()))
        shown = on_terminal(account, "restore", ami(3), answer=answer)
        assert shown.returncode == DONE
        assert (
            "No image was shared. The tags still contain the launch permissions."
            in shown.text
        )
        assert shared_now(account) == []
        left = {PERMISSIONS: f"{ami(3)} {' '.join(SAVED)}"}
        assert tags_of(account.fleet(), ami(3)) == left

    def test_on_a_terminal_ctrl_c_ends_it(self, account: Account) -> None:
        account.load(small_fleet(shared()))
        shown = on_terminal(account, "restore", ami(3), answer="\x03")
        assert shown.returncode == INTERRUPTED
        assert "no further changes were made" in shown.text
        assert shared_now(account) == []

    def test_on_a_terminal_several_are_asked_for_once(self, account: Account) -> None:
        others = (disabled(4, 10), disabled(5, 10, STRANGER))
        account.load(small_fleet(disabled(3, 10, FRIEND), *others))
        images = (ami(3), ami(4), ami(5))
        shown = on_terminal(account, "restore", *images, answer="y\n")
        assert shown.returncode == DONE
        assert shown.text.count("[y/N]") == 1
        fleet = account.fleet()
        found = [image_of(fleet, one)["launch_permissions"] for one in images]
        assert found == [[FRIEND], [], [STRANGER]]

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [(share_with(*SAVED), DONE), (share_with(FRIEND), PART), (AS_JSON, PART)],
    )
    def test_on_a_terminal_nobody_is_asked_who_has_decided(
        self, account: Account, arguments: list[str], code: int
    ) -> None:
        account.load(small_fleet(shared()))
        assert on_terminal(account, "restore", ami(3), *arguments).returncode == code
        named = [one for one in SAVED if one in arguments]
        assert shared_now(account) == named

    def test_on_a_terminal_nobody_is_asked_about_what_was_not_shared(
        self, account: Account
    ) -> None:
        account.load(small_fleet(disabled(3, 10)))
        assert on_terminal(account, "restore", ami(3)).returncode == DONE


class TestArguments:
    def test_all_since(self, account: Account, command: Sweeps) -> None:
        steps = (image(3, 30, 1), deprecated(4, 1), disabled(5, 10), image(6, 30))
        account.load(small_fleet(*steps))
        account.client("ec2").deregister_image(ImageId=ami(6))
        answers = restore(account, "--all-since", ago(5))
        assert {one["image_id"]: one["status"] for one in answers} == {
            ami(3): "restored",
            ami(4): "restored",
            ami(6): "restored",
        }
        assert image_of(account.fleet(), ami(5))["state"] == "disabled"
        assert restore(account, "--all-since", ago(5)) == []

    @pytest.mark.parametrize(
        ("more", "why"), DISABLED_BY_OTHERS.values(), ids=DISABLED_BY_OTHERS.keys()
    )
    def test_all_since_enables_only_what_ec2_shows_as_disabled_by_a_step(
        self, account: Account, more: dict[str, Any], why: str
    ) -> None:
        """It finds images by tags, which anyone may have written."""
        account.load(small_fleet(disabled(3, 10, STRANGER, **more), disabled(4, 10)))
        answers = restore(
            account, "--all-since", ago(20), *share_with(STRANGER), code=PART
        )
        [theirs, ours] = answers
        assert (ours["image_id"], ours["status"]) == (ami(4), "restored")
        assert "problem" not in ours
        problem = {"kind": "not_enabled", "image": ami(3), "why": why}
        assert theirs["problem"] == problem
        fleet = account.fleet()
        assert image_of(fleet, ami(4))["state"] == "available"
        left = image_of(fleet, ami(3))
        assert (left["state"], left["launch_permissions"]) == ("disabled", [])
        assert PERMISSIONS in left["tags"]
        said = image_steward(account, "restore", "--all-since", ago(20)).stdout
        assert f"to enable it anyway, run image-steward restore {ami(3)}" in said

    @pytest.mark.parametrize("more", [one for one, _ in DISABLED_BY_OTHERS.values()])
    def test_one_that_a_person_names_is_enabled_whoever_disabled_it(
        self, account: Account, more: dict[str, Any]
    ) -> None:
        account.load(small_fleet(disabled(3, 10, **more)))
        [answer] = restore(account, ami(3))
        assert answer["status"] == "restored"
        assert ENABLED in answer["done"]
        assert image_of(account.fleet(), ami(3))["state"] == "available"

    def test_all_since_says_when_there_is_none(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10)))
        done = image_steward(account, "restore", "--all-since", ago(5))
        assert done.returncode == DONE
        assert done.stdout == "No image has expired or been deregistered since then.\n"

    def test_keep_until_is_kept_by_the_next_sweep(
        self, account: Account, sweeps: Sweeps
    ) -> None:
        account.load(small_fleet(disabled(3, 10)))
        date = ago(-30)[:10]
        restore(account, ami(3), "--keep-until", date)
        assert tags_of(account.fleet(), ami(3)) == {KEEP: date}
        once = account.fleet()
        sweeps.prune(GONE)
        assert account.fleet() == once

    def test_without_it_the_table_warns_and_the_next_sweep_begins_anew(
        self, account: Account, command: Sweeps
    ) -> None:
        account.load(small_fleet(disabled(3, 10)))
        done = image_steward(account, "restore", ami(3))
        assert done.returncode == DONE
        head, *steps, warning = done.stdout.splitlines()
        assert head == f"{ami(3)}: restored"
        assert steps == [
            "  enabled",
            "  no longer deprecated",
            "  no longer tagged as expired",
        ]
        assert "--keep-until" in warning
        assert taken(command.prune(policy("")), "deprecate") == [ami(3)]

    def test_another_prefix(self, account: Account, command: Sweeps) -> None:
        own = policy("", 'prefix = "acme/"\n')
        account.load(small_fleet(image(3, 30)))
        command.prune(own)
        assert "acme/expired-at" in tags_of(account.fleet(), ami(3))
        [answer] = restore(account, ami(3))
        assert answer["status"] == "untouched"
        [answer] = restore(account, ami(3), "--prefix", "acme/")
        assert answer["status"] == "restored"
        now = image_of(account.fleet(), ami(3))
        assert (now["tags"], now["deprecation_time"]) == ({}, None)

    def test_several_of_which_one_is_gone_is_done_in_part(
        self, account: Account
    ) -> None:
        account.load(small_fleet(disabled(3, 10)))
        ends = restore(account, ami(3), ami(77), code=PART)
        assert [one["status"] for one in ends] == ["restored", "gone"]

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["snap-1"],
            [ami(3), "--all-since", ago(1)],
            ["--all-since", "soon"],
            ["--all-since", "tomorrow"],
            [ami(3), "--keep-until", "soon"],
            [ami(3), "--snapshot", ami(3)],
            [ami(3), "--share-with", "somebody"],
            [ami(3), "--share-with", ""],
            [ami(3), "--share-with", "none"],
            [ami(3), "--share-with", "1111222233334"],
            [ami(3), "--share-with", f"{STRANGER},{FRIEND}"],
            [ami(3), "--share-with", "arn:aws:iam::123456789012:root"],
        ],
    )
    def test_what_makes_no_sense(self, account: Account, arguments: list[str]) -> None:
        done = image_steward(account, "restore", *arguments)
        assert done.returncode == USAGE
        assert account.calls() == []


class TestFailures:
    @pytest.mark.parametrize(
        "call",
        [
            "EnableImage",
            "DescribeImageAttribute",
            "ModifyImageAttribute",
            "DisableImageDeprecation",
            "DeleteTags",
        ],
    )
    def test_it_goes_on_where_it_broke_off(self, account: Account, call: str) -> None:
        account.load(small_fleet(disabled(3, 10, STRANGER)))
        account.switch(deny=[call])
        with_them = ("--share-with", STRANGER)
        [answer] = restore(account, ami(3), *with_them, code=FAILED)
        assert answer["status"] == "failed"
        assert answer["problem"]["code"] == "UnauthorizedOperation"
        assert f"ec2:{call}" in answer["problem"]["message"]
        account.switch()
        [answer] = restore(account, ami(3), *with_them)
        assert answer["done"] != []
        now = image_of(account.fleet(), ami(3))
        assert now["launch_permissions"] == [STRANGER]
        assert (now["state"], now["tags"]) == ("available", {})

    @pytest.mark.parametrize(
        "call",
        [
            "DescribeTags",
            "ListImagesInRecycleBin",
            "ListSnapshotsInRecycleBin",
            "RestoreSnapshotFromRecycleBin",
            "RestoreImageFromRecycleBin",
        ],
    )
    def test_from_the_bin_too(
        self, account: Account, command: Sweeps, call: str
    ) -> None:
        account.load(small_fleet(image(3, 30)))
        command.prune(GONE_WITH_SNAPSHOTS)
        account.switch(deny=[call])
        [answer] = restore(account, ami(3), code=FAILED)
        assert answer["problem"]["code"] == "UnauthorizedOperation"
        assert f"ec2:{call}" in answer["problem"]["message"]
        account.switch()
        [answer] = restore(account, ami(3))
        assert answer["status"] == "restored"
        fleet = account.fleet()
        assert ami(3) in image_ids(fleet)
        assert ours_on(fleet, snap(3)) == set()
        assert recycled_ids(fleet) == set()
