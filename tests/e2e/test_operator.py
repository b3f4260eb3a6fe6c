"""What an operator does after the first plan, in an account with 312 images."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, NOWHERE, Account, image_steward, write
from operator_fleet import (
    APP,
    FORGOTTEN,
    POLICY,
    PREVIEW,
    SHARED_WITH,
    operator_fleet,
)
from terminal import on_terminal

GATE = 5
"""The exit code if a gate was exceeded."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The account's inventory with everything that can be read."""
    file = tmp_path_factory.mktemp("operator") / "inventory.json"
    with Account(operator_fleet()) as account:
        options = ("--all-template-versions", "--launch-permissions")
        done = image_steward(account, "inventory", *options, "--out", str(file))
        assert done.returncode == DONE, done.stderr
    yield str(file)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    # A saved inventory of an account without Recycle Bin rules refuses.
    return write(tmp_path / "policy.toml", POLICY + 'recycle_bin = "optional"\n')


def planned(rules: str, saved: str, *more: str) -> dict[str, Any]:
    """The plan as JSON."""
    arguments = ("--policy", rules, "--inventory", saved, "--format", "json")
    done = image_steward(NOWHERE, "plan", *arguments, *more)
    assert done.returncode == DONE, done.stderr
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


def shown(rules: str, saved: str, *more: str, columns: int = 80) -> list[str]:
    """The lines of the plan on a terminal."""
    arguments = ("-q", "plan", "--policy", rules, "--inventory", saved)
    done = on_terminal(NOWHERE, *arguments, *more, columns=columns)
    assert done.returncode == DONE, done.text
    lines: list[str] = done.text.replace("\r\n", "\n").splitlines()
    return lines


def test_a_plan_of_312_images_fits_on_a_screen(rules: str, saved: str) -> None:
    lines = shown(rules, saved)
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    text = " ".join(lines)
    assert "48% of image storage (5,000 GiB, at most USD 270 a month)" in text
    end = r"\d+ to deprecate; \d+ of 312 kept \(\d+ in use\)\. Nothing is deleted before \d{4}-\d\d-\d\d; the plan eventually saves at most USD \d+ a month\.$"
    assert re.search(end, text), text
    # Hidden rows are counted, and shown with an option.
    plan = planned(rules, saved)
    rows = [line for line in lines if line.startswith("  ~ ami-")]
    [left] = re.findall(r"Not listed: ([\d,]+) expired images", text)
    assert len(rows) + int(left) == plan["summary"]["expired_total"]
    every = shown(rules, saved, "--all")
    assert sum(" ami-" in line for line in every) == 312
    one = shown(rules, saved, "--family", "golden · db · arm64")
    assert sum(" ami-" in line for line in one) == 14


def test_names_with_versions_dates_and_architectures(rules: str, saved: str) -> None:
    decisions = planned(rules, saved)["decisions"]
    families = Counter(one["family"] for one in decisions if one["rule"] == "app")
    assert sorted(families.values()) == [APP // 2, APP // 2]
    assert all("app" in family for family in families)


def test_what_costs_most(rules: str, saved: str) -> None:
    lines = shown(rules, saved, "--sort", "cost")
    rows = [line for line in lines if " ami-" in line]
    assert len(rows) == 40
    # 25 of 200 GiB, then the databases.
    assert all(" 200 GiB USD 10.80" in row for row in rows[:FORGOTTEN])
    assert all(" 40 GiB  USD 2.16" in row for row in rows[FORGOTTEN:])
    decisions = planned(rules, saved, "--sort", "cost")["decisions"]
    assert all(one["image_id"] in row for one, row in zip(decisions, rows))
    assert all("golden-db" in one["name"] for one in decisions[FORGOTTEN:40])
    table = shown(rules, saved, "--by", "rule", "--sort", "cost")
    assert table[2].startswith("RULE ")
    assert table[3].split()[:2] == ["not", "covered"]
    by_team = shown(rules, saved, "--by", "tag:Team")
    assert any(line.startswith("payments ") for line in by_team)
    assert all(
        one["usd_month"] == round(one["size_gib"] * 0.054, 2) for one in decisions
    )


def test_everything_of_one_team_is_protected(saved: str, tmp_path: Path) -> None:
    text = POLICY + 'recycle_bin = "optional"\nkeep_tags = { Team = "payments" }\n'
    rules = write(tmp_path / "policy.toml", text)
    decisions = planned(rules, saved)["decisions"]
    previews = [one for one in decisions if one["rule"] == "preview"]
    assert len(previews) == PREVIEW
    assert {one["action"] for one in previews} == {"keep"}
    assert any(one["action"] == "deprecate" for one in decisions)


def test_a_step_in_ci_that_fails_when_too_many_would_go(rules: str, saved: str) -> None:
    arguments = ("plan", "--policy", rules, "--inventory", saved)
    done = image_steward(NOWHERE, *arguments, "--max-removals", "20")
    assert done.returncode == GATE
    total = planned(rules, saved)["summary"]["expired_total"]
    assert f"the plan removes {total} images; --max-removals allows 20" in done.stderr
    assert "to deprecate; " in done.stdout
    enough = image_steward(NOWHERE, *arguments, "--max-removals", str(total))
    assert enough.returncode == DONE


def test_policies_of_other_tools(saved: str, tmp_path: Path) -> None:
    """Images that both tools would remove are kept or expired by `init --from` like by them."""
    fixtures = Path(__file__).parent / "fixtures"
    # amicleaner's --keep-previous 5 does not count images in use. `last` does, so the number is
    # doubled.
    for source, last in (("reduce.yml", 5), ("amicleaner.txt", 10)):
        out = tmp_path / f"{source}.toml"
        made = ("init", "--from", str(fixtures / source), "--out", str(out))
        done = image_steward(NOWHERE, *made)
        assert done.returncode == DONE, done.stderr
        text = out.read_text()
        assert f"last = {last}" in text
        assert "group_by" in text
        decisions = planned(str(out), saved, "--reason", "expired")["decisions"]
        golden = [one for one in decisions if one["name"].startswith("golden-")]
        # Both keep the newest of each family, amicleaner also by architecture.
        ranks = [one["reasons"][0]["rank"] for one in golden]
        assert ranks, source
        assert min(ranks) == last + 1


def test_which_old_launch_templates_hold_images(rules: str, saved: str) -> None:
    done = image_steward(NOWHERE, "stale", "--policy", rules, "--inventory", saved)
    assert done.returncode == DONE
    assert (
        "launch template web (lt-0aaa0000000000001): refers to 13 images" in done.stdout
    )
    delete = "aws ec2 delete-launch-template-versions --region eu-central-1"
    versions = " ".join(map(str, range(1, 14)))
    command = (
        f"{delete} --launch-template-id lt-0aaa0000000000001 --versions {versions}"
    )
    assert f"  {command}\n" in done.stdout


def test_ids_to_be_deregistered_with_their_reasons(rules: str, saved: str) -> None:
    later = ("--now", "2027-06-01")
    plan = planned(rules, saved, *later)
    for one in plan["decisions"]:
        if one["action"] == "keep":
            assert "deregister_at" not in one
        else:
            assert one["deregister_at"] > plan["planned_at"]
            assert [reason["reason"] for reason in one["reasons"]] == ["expired"]
            assert re.search(r"\d(st|nd|rd|th), last = \d$|^older than 3d$", one["why"])


def test_sharing_is_shown(rules: str, saved: str) -> None:
    decisions = planned(rules, saved)["decisions"]
    shared = [one for one in decisions if one.get("shared_with") == len(SHARED_WITH)]
    assert {one["rule"] for one in shared} == {"eks"}
    text = " ".join(shown(rules, saved, "--reason", "shared", columns=200))
    assert text.count("shared with 12 grantees") == 32
    one = shared[0]["image_id"]
    explain = ("explain", one, "--policy", rules, "--inventory", saved)
    said = image_steward(NOWHERE, *explain).stdout
    assert f"shared with 12 accounts: {SHARED_WITH[0]}, " in said
