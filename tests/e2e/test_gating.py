"""Reviewing a plan before it is applied: saved plans, gates, and Markdown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness import (
    DONE,
    GATE,
    NOWHERE,
    REFUSED,
    USAGE,
    Account,
    image_steward,
    write,
)
from worlds import DUE, PLAIN, ago, ami, image_ids, policy, web_fleet

# All but the two newest and the one in use, which is rescued.
EXPIRED = [ami(number) for number in (3, 4, 5, 6, 7)]


@pytest.fixture
def rules(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", policy(PLAIN))


@pytest.fixture
def saved(account: Account, rules: str, tmp_path: Path) -> str:
    """A plan for `web_fleet` in a file."""
    account.load(web_fleet())
    file = str(tmp_path / "plan.json")
    done = image_steward(account, "plan", "--policy", rules, "--out", file)
    assert done.returncode == DONE, done.stderr
    return file


def change(file: str, **values: Any) -> None:
    """Replace values in a plan file."""
    content = json.loads(Path(file).read_text())
    content["plan"] |= values
    Path(file).write_text(json.dumps(content))


class TestShow:
    def test_it_prints_what_plan_printed_and_needs_no_account(
        self, account: Account, saved: str, rules: str
    ) -> None:
        planned = image_steward(account, "plan", "--policy", rules, "--all")
        shown = image_steward(NOWHERE, "show", saved, "--all")
        assert shown.returncode == DONE, shown.stderr
        assert shown.stderr == ""
        head, _, rest = shown.stdout.partition("\n\n")
        assert rest == planned.stdout
        assert re.match(r"Saved plan: account 123456789012, Region eu-central-1,", head)
        assert re.search(r"with \S*policy.toml \(digest sha256:[0-9a-f]{64}\)", head)
        assert re.search(r"valid for apply until \d{4}-\d\d-\d\d \d\d:\d\dZ\.$", head)

    def test_why_and_formats_are_those_of_plan(self, saved: str) -> None:
        why = ("show", saved, "--reason", "in_use")
        text = image_steward(NOWHERE, *why).stdout
        # The former names still work.
        assert image_steward(NOWHERE, "show", saved, "--why", "in_use").stdout == text
        family = ("show", saved, "--family", "web")
        former = ("show", saved, "--group", "web")
        assert ami(8) in image_steward(NOWHERE, *former).stdout
        assert (
            image_steward(NOWHERE, *former).stdout
            == image_steward(NOWHERE, *family).stdout
        )
        assert ami(8) in text
        assert ami(5) not in text
        lines = image_steward(NOWHERE, *why, "--format", "jsonl").stdout.splitlines()
        assert [json.loads(line)["image_id"] for line in lines] == [ami(8)]
        found = json.loads(
            image_steward(NOWHERE, "show", saved, "--format", "json").stdout
        )
        assert {one["image_id"] for one in found["decisions"]} == image_ids(web_fleet())
        file = found["saved"]
        assert file["policy_file"].endswith("policy.toml")
        assert file["policy_digest"].startswith("sha256:")
        assert file["validity"] == "valid"
        assert file["planned_at"] == found["planned_at"] < file["valid_until"]

    @pytest.mark.parametrize(
        ("days", "validity", "said"),
        [(2, "too_old", "too old"), (-1, "too_soon", "in the future")],
    )
    def test_a_plan_that_apply_would_not_take_is_shown_with_a_warning(
        self, saved: str, days: float, validity: str, said: str
    ) -> None:
        change(saved, planned_at=ago(days))
        shown = image_steward(NOWHERE, "show", saved)
        assert shown.returncode == DONE
        assert said in shown.stderr
        assert "valid for apply until" not in shown.stdout
        assert DUE[0] in shown.stdout
        as_json = image_steward(NOWHERE, "show", saved, "--format", "json")
        assert json.loads(as_json.stdout)["saved"]["validity"] == validity
        assert said in as_json.stderr

    def test_a_policy_of_another_version_does_not_hide_the_plan(
        self, saved: str
    ) -> None:
        content = json.loads(Path(saved).read_text())
        content["policy"] = "version = 99"
        Path(saved).write_text(json.dumps(content))
        shown = image_steward(NOWHERE, "show", saved)
        assert shown.returncode == DONE
        assert DUE[0] in shown.stdout
        assert (
            "this version of image-steward does not accept the policy" in shown.stderr
        )

    def test_a_refused_plan_is_refused_here_too(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["ec2:DescribeInstances"])
        file = str(tmp_path / "plan.json")
        image_steward(account, "plan", "--policy", rules, "--out", file)
        shown = image_steward(NOWHERE, "show", file)
        assert shown.returncode == REFUSED
        assert "ec2:DescribeInstances" in shown.stdout
        assert (
            image_steward(NOWHERE, "show", file, "-q", "--format", "json").returncode
            == REFUSED
        )

    @pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1}', "version = 1"])
    def test_another_file_is_a_usage_error(self, tmp_path: Path, text: str) -> None:
        file = write(tmp_path / "plan.json", text)
        done = image_steward(NOWHERE, "show", file)
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert "plan.json: " in done.stderr
        says = ("not a saved plan", "`format` is missing", "missing field")
        assert any(part in done.stderr for part in says)
        absent = image_steward(NOWHERE, "show", str(tmp_path / "absent.json"))
        assert absent.returncode == USAGE
        assert "absent.json" in absent.stderr


class TestMaxRemovals:
    def test_it_counts_all_that_are_ever_removed(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--max-removals")
        passed = image_steward(account, *plan, "5")
        assert (passed.returncode, passed.stderr) == (DONE, "")
        # Of these five, one is newly expired, one waits, and three are deregistered.
        failed = image_steward(account, *plan, "4")
        assert failed.returncode == GATE
        assert failed.stdout == passed.stdout
        assert failed.stderr == (
            "image-steward: limit exceeded: the plan removes 5 images; "
            "--max-removals allows 4\n"
        )
        found = image_steward(account, *plan, "4", "--format", "json", "-q")
        assert found.returncode == GATE
        assert "limit exceeded" in found.stderr
        assert json.loads(found.stdout)["summary"]["expired_total"] == len(EXPIRED)

    def test_deferred_ones_count(self, account: Account, tmp_path: Path) -> None:
        capped = policy(PLAIN).replace("max_fraction = 1.0", "max_per_run = 1")
        rules = write(tmp_path / "policy.toml", capped)
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--format", "json", "--max-removals")
        found = image_steward(account, *plan, "4")
        summary = json.loads(found.stdout)["summary"]
        assert (summary["deregister"], summary["deferred"]) == (1, 2)
        assert (summary["expired_total"], found.returncode) == (5, GATE)
        assert image_steward(account, *plan, "5").returncode == DONE

    def test_a_filter_is_no_way_around_it(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--reason", "in_use", "--max-removals", "4")
        assert image_steward(account, *plan).returncode == GATE
        assert image_steward(account, *plan, "--format", "jsonl").returncode == GATE

    def test_it_comes_before_a_refusal(self, account: Account, rules: str) -> None:
        account.load(web_fleet())
        account.switch(deny=["ec2:DescribeSnapshots"])
        plan = ("plan", "--policy", rules, "--format", "json", "--max-removals")
        both = image_steward(account, *plan, "4")
        assert both.returncode == GATE
        assert "refused: " in both.stderr
        assert "limit exceeded: " in both.stderr
        refused = image_steward(account, *plan, "5")
        assert refused.returncode == REFUSED
        assert "limit exceeded" not in refused.stderr

    def test_the_plan_is_saved_and_shows_the_same(
        self, account: Account, rules: str, tmp_path: Path
    ) -> None:
        account.load(web_fleet())
        file = str(tmp_path / "plan.json")
        gate = ("--max-removals", "4")
        done = image_steward(account, "plan", "--policy", rules, "--out", file, *gate)
        assert done.returncode == GATE
        assert "saved; " in done.stderr
        assert image_steward(NOWHERE, "show", file).returncode == DONE
        assert image_steward(NOWHERE, "show", file, *gate).returncode == GATE
        to_output = image_steward(
            account, "plan", "--policy", rules, "--out", "-", *gate
        )
        assert to_output.returncode == GATE
        assert json.loads(to_output.stdout)["format"] == 1

    def test_the_summary_of_a_file_is_not_believed(self, saved: str) -> None:
        """Anyone may have edited it."""
        summary = json.loads(Path(saved).read_text())["plan"]["summary"]
        change(saved, summary=summary | {"expired_total": 0})
        shown = image_steward(NOWHERE, "show", saved, "--max-removals", "4")
        assert shown.returncode == GATE

    @pytest.mark.parametrize("number", ["-1", "many", "1.5"])
    def test_it_is_a_number(self, rules: str, number: str) -> None:
        plan = ("plan", "--policy", rules, "--max-removals", number)
        done = image_steward(NOWHERE, *plan)
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert "--max-removals" in done.stderr


class TestMarkdown:
    def test_the_result_comes_first_then_warnings_tables_and_images(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        plan = ("plan", "--policy", rules, "--format", "markdown")
        done = image_steward(account, *plan, "--max-removals", "4")
        assert done.returncode == GATE
        lines = done.stdout.splitlines()
        assert re.match(
            r"### image-steward: 5 of 8 images would be removed, at most [\d,]+ GiB and USD ",
            lines[0],
        )
        rank = r"`web-5` \| deregister \| now \| now \| expired: \d(st|nd|rd|th) of \d"
        assert re.search(rank, done.stdout)
        order = [
            "limit exceeded: the plan removes 5 images",
            "3 to deregister, ",
            "| Family | Images | In use | Removed |",
            "| `web` | 8 | 1 | 5 | 1 |",
            "<details><summary>5 images to be removed, next first</summary>",
            f"| `{DUE[0]}` | `web-5` | deregister | now | now | expired: ",
            "<details><summary>1 image to be rescued</summary>",
            "Kept, by reason",
            "In use, by kind of reference: 1 `instance`.",
        ]
        places = [done.stdout.find(part) for part in order]
        assert -1 not in places, list(zip(order, places, strict=True))
        assert places == sorted(places)

    def test_a_refusal_is_at_the_top_and_has_no_dates(
        self, account: Account, rules: str
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["ec2:DescribeInstances"])
        plan = ("plan", "--policy", rules, "--format", "markdown")
        done = image_steward(account, *plan)
        assert done.returncode == REFUSED
        assert done.stdout.startswith(
            "### image-steward: refused, no image is removed\n"
        )
        rows = [line for line in done.stdout.splitlines() if line.startswith("| `ami-")]
        assert rows
        assert not any(re.search(r"20\d\d-", row) for row in rows)

    def test_what_is_written_in_names_and_notes_is_only_text(
        self, account: Account, tmp_path: Path
    ) -> None:
        rules = write(
            tmp_path / "policy.toml",
            policy(PLAIN)
            + '[[rule]]\nname = "@team"\nmatch = { tags = { A = "x" } }\nkeep = { last = 1 }\n',
        )
        fleet = web_fleet()
        fleet["images"][4]["name"] = "web-|<b>`@admin` #1\n|x"
        account.load(fleet)
        plan = ("plan", "--policy", rules, "--format", "markdown")
        shown = image_steward(account, *plan).stdout
        [row] = [
            line for line in shown.splitlines() if line.startswith(f"| `{ami(5)}`")
        ]
        assert row.count(" | ") == 5
        assert "<b>" not in shown
        assert "`@team`" in shown or "&#64;" in shown
