"""Images by name in `explain` and `restore`, and a summary of what `restore` would do or did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, FAILED, NOWHERE, PART, USAGE, Account, image_steward, write
from sweeps import Sweeps
from test_restore import GONE_WITH_SNAPSHOTS, restore
from worlds import (
    ago,
    ami,
    deprecated,
    disabled,
    image,
    image_ids,
    policy,
    recycled,
    recycled_ids,
    small_fleet,
)


class TestExplain:
    @pytest.fixture
    def rules(self, tmp_path: Path) -> str:
        return write(tmp_path / "policy.toml", policy(""))

    def test_a_name_is_as_good_as_the_id(self, account: Account, rules: str) -> None:
        account.load(small_fleet(image(3, 30)))
        said = [
            image_steward(
                account, "explain", one, "--policy", rules, "--format", "json"
            )
            for one in (ami(3), "web-3")
        ]
        assert [one.returncode for one in said] == [DONE, DONE]
        by_id, by_name = (json.loads(one.stdout) for one in said)
        for one in (by_id, by_name):
            assert one["image"]["image_id"] == ami(3)
            assert one["references"] == by_id["references"]

    def test_a_name_is_found_in_a_saved_inventory_and_similar_ones_are_listed(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(small_fleet(image(3, 30)))
        file = str(tmp_path / "saved.json")
        image_steward(account, "inventory", "--out", file)
        offline = ("--policy", rules, "--inventory", file)
        assert image_steward(NOWHERE, "explain", "web-3", *offline).returncode == DONE
        done = image_steward(NOWHERE, "explain", "web", *offline)
        assert done.returncode == FAILED
        assert "no image has the name `web`" in done.stderr
        assert f"  {ami(3)}  web-3  30 days old" in done.stderr

    def test_an_ambiguous_name_lists_the_candidates(
        self, account: Account, rules: str
    ) -> None:
        account.load(small_fleet(image(3, 30, name="twin"), image(4, 40, name="twin")))
        done = image_steward(account, "explain", "twin", "--policy", rules)
        assert done.returncode == USAGE
        for number, days in ((3, 30), (4, 40)):
            assert f"  {ami(number)}  twin  {days} days old" in done.stderr

    def test_what_is_left_of_one_in_the_recycle_bin(
        self, account: Account, command: Sweeps, rules: str
    ) -> None:
        account.load(small_fleet(disabled(3, 10)))
        command.prune(GONE_WITH_SNAPSHOTS)
        done = image_steward(account, "explain", "web-3", "--policy", rules)
        assert done.returncode == DONE, done.stderr
        assert ami(3) in done.stdout


class TestRestoreByName:
    def test_one_that_is_still_there(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10)))
        [answer] = restore(account, "web-3")
        assert (answer["image_id"], answer["status"]) == (ami(3), "restored")

    def test_one_in_the_recycle_bin(self, account: Account, command: Sweeps) -> None:
        account.load(small_fleet(disabled(3, 10)))
        command.prune(GONE_WITH_SNAPSHOTS)
        assert ami(3) in recycled_ids(account.fleet())
        [answer] = restore(account, "web-3")
        assert (answer["image_id"], answer["status"]) == (ami(3), "restored")
        assert ami(3) in image_ids(account.fleet())

    def test_one_in_the_recycle_bin_and_its_successor(self, account: Account) -> None:
        gone = recycled(3)
        gone["image"] |= {"name": "web-2"}
        account.load(small_fleet(recycled_images=[gone]))
        done = image_steward(account, "restore", "web-2")
        assert done.returncode == USAGE
        assert f"  {ami(2)}  web-2  2 days old" in done.stderr
        assert f"  {ami(3)}  web-2  in the Recycle Bin for 8 days" in done.stderr
        assert account.mutating_calls() == []

    def test_an_unknown_name_restores_nothing(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10)))
        done = image_steward(account, "restore", ami(3), "nobody")
        assert done.returncode == FAILED
        assert "no image has the name `nobody`" in done.stderr
        assert account.mutating_calls() == []

    def test_ids_cost_no_call(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10)))
        image_steward(account, "restore", ami(3), "--dry-run")
        actions = [one["action"] for one in account.calls()]
        assert (
            actions.count("ec2:DescribeImages") + actions.count("DescribeImages") == 1
        )


def away() -> list[Any]:
    """Thirteen images: in every state, including one that a run does not enable."""
    steps = [image(3, 30, 1), deprecated(4, 1), disabled(5, 10)]
    theirs = disabled(6, 10, deprecation_time=None)
    return [*steps, theirs, *(deprecated(number, 1) for number in range(7, 16))]


class TestManyAtOnce:
    def test_a_dry_run_lists_and_changes_nothing(self, account: Account) -> None:
        account.load(small_fleet(*away()[:3], recycled_images=[recycled(16)]))
        before = account.fleet()
        since = ("--all-since", ago(20), "--dry-run")
        found = restore(account, *since)
        states = {one["image_id"]: one["state"] for one in found}
        expected = ["deprecated", "deprecated", "disabled", "recycled"]
        assert states == dict(zip(map(ami, (3, 4, 5, 16)), expected, strict=True))
        done = image_steward(account, "restore", *since)
        assert done.stdout.splitlines() == [
            f"{ami(3)} web-3: deprecated",
            f"{ami(4)} web-4: deprecated",
            f"{ami(5)} web-5: disabled",
            f"{ami(16)} {ami(16)}: in the Recycle Bin",
            "4 of 4 images would be restored: 1 in the Recycle Bin, 1 disabled, 2 deprecated.",
        ]
        assert account.fleet() == before
        assert account.mutating_calls() == []

    def test_a_dry_run_of_what_does_not_exist(self, account: Account) -> None:
        account.load(small_fleet(disabled(3, 10)))
        [ours, nobody] = restore(account, ami(3), ami(77), "--dry-run", code=PART)
        assert (ours["state"], nobody["state"]) == ("disabled", "gone")
        assert nobody["problem"]["kind"] == "gone"

    def test_many_are_counted_and_listed_on_request(self, account: Account) -> None:
        account.load(small_fleet(*away()))
        since = ("--all-since", ago(20), "--dry-run")
        done = image_steward(account, "restore", *since)
        assert done.returncode == PART
        problem, why, summary = done.stdout.splitlines()
        assert problem == f"{ami(6)} web-6: disabled"
        assert "to enable it anyway" in why
        counts = "12 of 13 images would be restored: 2 disabled, 11 deprecated."
        assert summary == f"{counts} -v lists all of them."
        said = image_steward(account, "restore", *since, "--verbose").stdout
        assert all(ami(number) in said for number in range(3, 16))
        assert said.splitlines()[-1] == counts

    def test_so_is_what_was_restored(self, account: Account) -> None:
        account.load(small_fleet(*away()))
        done = image_steward(account, "restore", "--all-since", ago(20))
        assert done.returncode == PART
        counts = "1 enabled, 11 no longer deprecated, 1 still disabled"
        assert f"12 of 13 images restored: {counts}.\n" in done.stdout
        assert ami(6) in done.stdout
        assert not any(ami(number) in done.stdout for number in (3, 4, 5, 7, 15))
        assert "use -v to list every image" in done.stderr

    def test_verbose_lists_what_was_restored(self, account: Account) -> None:
        account.load(small_fleet(*away()))
        done = image_steward(account, "restore", "--all-since", ago(20), "-v")
        assert all(f"{ami(number)}: " in done.stdout for number in range(3, 16))


class TestApplied:
    def test_many_ids_are_counted_and_listed_on_request(
        self, account: Account, tmp_path: Path
    ) -> None:
        rules = write(tmp_path / "policy.toml", policy(""))
        for option, is_whole in ((), False), (("-v",), True):
            account.load(small_fleet(*(image(n, n + 20) for n in range(3, 20))))
            options = ("--yes", "--policy", rules, *option)
            done = image_steward(account, "apply", *options)
            [line] = [
                one
                for one in done.stdout.splitlines()
                if one.startswith("deprecated (")
            ]
            assert line.startswith("deprecated (17): ami-")
            assert (line.count("ami-") == 17) == is_whole
            assert ("… (-v lists all)" in line) != is_whole
