"""Comparing two policies: `plan --against`, and `simulate --against`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import (
    DONE,
    NOWHERE,
    REFUSED,
    USAGE,
    Account,
    image_steward,
    write,
)
from terminal import on_terminal
from worlds import PLAIN, ami, policy, web_fleet


@pytest.fixture
def rules(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", policy(PLAIN))


class TestAgainst:
    @pytest.fixture
    def old(self, tmp_path: Path) -> str:
        return write(tmp_path / "old.toml", policy(PLAIN, last=3))

    def test_images_are_listed_by_kind_of_change_with_both_reasons(
        self, account: Account, rules: str, old: str
    ) -> None:
        account.load(web_fleet())
        done = image_steward(account, "plan", "--policy", rules, "--against", old)
        assert done.returncode == DONE, done.stderr
        assert re.match(
            r"Kept under \S+old.toml, removed under \S+policy.toml: 1 image, at most ",
            done.stdout,
        )
        assert re.search(
            rf"  {ami(3)} web-3, 3d\n      new: deregister from .*; expired: 3rd of ",
            done.stdout,
        )
        assert re.search(r"      old: kept; 3rd of last 3", done.stdout)
        assert ami(6) not in done.stdout
        back = image_steward(account, "plan", "--policy", old, "--against", rules)
        assert "Removed under" in back.stdout.splitlines()[0]
        same = image_steward(account, "plan", "--policy", rules, "--against", rules)
        assert "have the same result for every image" in same.stdout

    def test_json_has_the_plan_and_the_comparison(
        self, account: Account, rules: str, old: str
    ) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--against", old, "--format")
        found = json.loads(image_steward(account, *plan, "json").stdout)
        assert len(found["decisions"]) == 8
        comparison = found["comparison"]
        assert comparison["policy"] == rules
        assert comparison["against"] == old
        assert comparison["against_refusal"] is None
        assert comparison["against_summary"]["expired_total"] == 4
        totals = [(one["change"], one["images"]) for one in comparison["totals"]]
        kinds = ("kept_to_expired", "expired_to_kept", "other_step")
        assert [kind for kind, _ in totals] == list(kinds)
        assert sum(count for _, count in totals) == len(comparison["changes"])
        assert all("usd_month" in one for one in comparison["totals"])
        [one] = [c for c in comparison["changes"] if c["change"] == "kept_to_expired"]
        assert one["image_id"] == ami(3)
        assert one["old"]["action"] == "keep"
        assert one["old"]["reasons"][0]["reason"] == "last"
        assert one["new"]["reasons"][0]["reason"] == "expired"
        lines = image_steward(account, *plan, "jsonl").stdout.splitlines()
        # The account is read again, so the times differ slightly.
        changes = [json.loads(line) for line in lines]
        assert [one["image_id"] for one in changes] == [
            one["image_id"] for one in comparison["changes"]
        ]
        assert [set(one) for one in changes] == [
            set(one) for one in comparison["changes"]
        ]
        markdown = image_steward(account, *plan, "markdown").stdout
        assert "| Change | Images | GiB | USD a month |" in markdown
        assert f"| `{ami(3)}` | `web-3` | kept | " in markdown

    def test_a_live_account_is_listed_once(
        self, account: Account, rules: str, old: str
    ) -> None:
        account.load(web_fleet())

        def listings(*arguments: str) -> int:
            account.forget_calls()
            done = image_steward(account, "plan", *arguments)
            assert done.returncode == DONE, done.stderr
            listed = [
                c for c in account.calls() if c["action"] == "ec2:DescribeSnapshots"
            ]
            return len(listed)

        assert listings("--policy", rules, "--against", old) == listings(
            "--policy", rules
        )

    def test_both_policies_are_verified(
        self, account: Account, rules: str, old: str
    ) -> None:
        """Images that the other policy would remove are shared. Only a call per image shows that."""
        fleet = web_fleet()
        fleet["images"][2]["launch_permissions"] = ["999988887777"]
        account.load(fleet)
        plan = ("plan", "--policy", old, "--against", rules, "--format", "json")
        found = json.loads(image_steward(account, *plan).stdout)
        assert found["comparison"]["changes"] == []

    def test_another_refusal_is_said(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        strict = policy(PLAIN).replace("[safety]", "[safety]\nmin_references = 50")
        old = write(tmp_path / "strict.toml", strict)
        done = image_steward(account, "plan", "--policy", rules, "--against", old)
        assert done.returncode == DONE
        assert re.match(r"Refused under \S+strict.toml: found 1 ref", done.stdout)
        turned = image_steward(account, "plan", "--policy", old, "--against", rules)
        assert turned.returncode == REFUSED

    @pytest.mark.parametrize("columns", [60, 80, 120])
    def test_lines_fit_the_terminal(
        self, account: Account, rules: str, old: str, columns: int
    ) -> None:
        account.load(web_fleet())
        shown = on_terminal(
            account, "plan", "--policy", rules, "--against", old, columns=columns
        )
        assert shown.returncode == DONE
        # A path is never wrapped.
        paths = (rules, old)
        lines = [
            line for line in shown.lines if not any(path in line for path in paths)
        ]
        assert max(map(len, lines)) <= columns
        assert f"- {ami(3)}" in shown.text

    def test_bad_files_are_named(self, account: Account, rules: str) -> None:
        done = image_steward(
            NOWHERE, "plan", "--policy", rules, "--against", "absent.toml"
        )
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert "absent.toml" in done.stderr
        both = image_steward(NOWHERE, "plan", "--policy", "-", "--against", "-")
        assert both.returncode == USAGE


class TestSimulate:
    def test_costs_and_the_images_that_are_gone_under_one_policy_only(
        self, account: Account, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        new = write(tmp_path / "new.toml", policy(PLAIN))
        old = write(tmp_path / "old.toml", policy(PLAIN, last=4))
        arguments = ("simulate", "--policy", new, "--against", old, "--days", "8")
        found = json.loads(
            image_steward(account, *arguments, "--format", "json").stdout
        )
        for side in ("simulation", "against"):
            one = found[side]
            price = one["price"]["usd_per_gib_month"]
            for point in one["points"]:
                assert point["usd_month"] == pytest.approx(
                    point["gib"] * price, abs=0.005
                )
            assert [len(family["usd_month"]) for family in one["families"]] == [
                len(one["points"]) for _ in one["families"]
            ]
        gone = found["comparison"]["gone_under_policy"]
        # Number 3 expires immediately with the new policy, and is removed after seven days.
        assert ami(3) in [one["image_id"] for one in gone["images"]]
        [three] = [one for one in gone["images"] if one["image_id"] == ami(3)]
        assert three["simulated"] is False
        assert three["elsewhere"]["reasons"]
        text = image_steward(account, *arguments).stdout
        assert f"  {ami(3)} web-3, " in text
        assert (
            "Removed by the last day under this policy, but not under the other policy: "
            in text
        )
        assert re.search(r"USD [\d.,]+ instead of USD [\d.,]+ a month\.\n$", text)

    @pytest.mark.parametrize("columns", [60, 80, 100])
    def test_columns_are_left_out_where_there_is_no_room(
        self, account: Account, rules: str, columns: int
    ) -> None:
        account.load(web_fleet())
        simulate = ("simulate", "--policy", rules, "--days", "14")
        one = on_terminal(account, *simulate, "-q", columns=columns)
        assert max(map(len, one.lines)) <= columns
        [head] = [line for line in one.lines if line.startswith("DATE")]
        assert head.endswith("USD")
        assert ("SNAPSHOTS" in head) == (columns >= 80)
        two = on_terminal(account, *simulate, "-q", "--against", rules, columns=columns)
        [head] = [line for line in two.lines if line.startswith("DATE")]
        assert len(head) <= columns
        assert ("USD" in head) == (columns > 60)
