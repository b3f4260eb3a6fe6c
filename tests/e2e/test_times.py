"""Times and durations as people write them, in every option that accepts one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, NOWHERE, USAGE, Account, image_steward, write
from test_restore import restore
from worlds import ago, ami, deprecated, image, image_of, policy, small_fleet, tags_of

TAKEN_AT = "2026-11-28T06:00:00Z"
KEEP = "image-steward:keep"
EXAMPLE = "expected a time such as 2026-11-28, 2026-11-28T22:00:00Z, yesterday or 12h"


@pytest.fixture
def offline(tmp_path: Path) -> list[str]:
    """The options for a policy and an inventory."""
    rules = write(tmp_path / "policy.toml", policy("", last=1))
    inventory = {
        "format": 1,
        "account": "123456789012",
        "region": "eu-central-1",
        "taken_at": TAKEN_AT,
        "images": [],
        "snapshots": [],
        "references": [],
    }
    file = write(tmp_path / "saved.json", json.dumps(inventory))
    return ["--policy", rules, "--inventory", file]


def planned_at(offline: list[str], now: str) -> datetime:
    done = image_steward(NOWHERE, "plan", *offline, "--now", now, "--format", "json")
    assert done.returncode in (DONE, 4), done.stderr
    return datetime.fromisoformat(json.loads(done.stdout)["planned_at"])


class TestNow:
    def test_a_duration_is_counted_forward(self, offline: list[str]) -> None:
        now = datetime.now(UTC)
        for text, days in (("2w", 14), ("2 weeks", 14), ("2w ago", -14), ("-2w", -14)):
            ahead = planned_at(offline, text) - now - timedelta(days=days)
            assert abs(ahead) < timedelta(minutes=1), text

    def test_dates_are_in_utc(self, offline: list[str]) -> None:
        expected = datetime(2027, 1, 2, tzinfo=UTC)
        assert planned_at(offline, "2027-01-02") == expected
        at_ten = expected + timedelta(hours=10)
        for text in ("2027-01-02 10:00", "2027-01-02T10:00Z", "2027-01-02 11:00+01:00"):
            assert planned_at(offline, text) == at_ten, text

    def test_words(self, offline: list[str]) -> None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = planned_at(offline, "tomorrow")
        assert found - today in (timedelta(days=1), timedelta(days=2))


class TestDays:
    @pytest.mark.parametrize(
        ("days", "expected"), [("14", 14), ("2w", 14), ("14d", 14)]
    )
    def test_simulate(self, offline: list[str], days: str, expected: int) -> None:
        options = (*offline, "--now", TAKEN_AT, "--days", days, "--format", "json")
        done = image_steward(NOWHERE, "simulate", *options)
        assert done.returncode == DONE, done.stderr
        assert json.loads(done.stdout)["simulation"]["days"] == expected

    @pytest.mark.parametrize("command", ["simulate", "report"])
    @pytest.mark.parametrize("days", ["3651", "11y", "12h", "2w ago"])
    def test_out_of_range(self, offline: list[str], command: str, days: str) -> None:
        done = image_steward(NOWHERE, command, *offline, "--days", days)
        assert done.returncode == USAGE
        assert "to 3650 days, such as 180, 26w or 6mo" in done.stderr


class TestRestore:
    @pytest.mark.parametrize("since", ["36h", "2d", "2 days", "yesterday"])
    def test_all_since_counts_back(self, account: Account, since: str) -> None:
        account.load(small_fleet(deprecated(3, 0.1), deprecated(4, 5)))
        answers = restore(account, "--all-since", since)
        assert [one["image_id"] for one in answers] == [ami(3)]
        assert image_of(account.fleet(), ami(4))["deprecation_time"] is not None

    def test_keep_until_takes_a_duration(self, account: Account) -> None:
        account.load(
            small_fleet(image(3, 30, tags={"image-steward:expired-at": ago(1)}))
        )
        restore(account, ami(3), "--keep-until", "2w")
        # One day more, whatever the time zone is.
        end = datetime.now(UTC) + timedelta(days=15)
        assert tags_of(account.fleet(), ami(3)) == {KEEP: f"{end:%Y-%m-%d}"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["plan", "--now", "soon"], EXAMPLE),
        (["plan", "--now", "24.12.2026"], EXAMPLE),
        (["restore", "--all-since", "soon"], EXAMPLE),
        (["restore", "--all-since", "6m"], "`m` could mean minutes or months"),
        (["restore", "--all-since", "tomorrow"], "is in the future"),
        (["restore", "--all-since", "2099-01-01"], "is in the future"),
        (["restore", "ami-1", "--keep-until", "soon"], EXAMPLE),
        (["restore", "ami-1", "--keep-until", "yesterday"], "is in the past"),
        (["restore", "ami-1", "--keep-until", "2020-01-01"], "is in the past"),
        (["simulate", "--days", "many"], "expected a duration such as 2w"),
    ],
)
def test_what_is_no_time_is_a_usage_error(arguments: Any, why: str) -> None:
    done = image_steward(NOWHERE, *arguments)
    assert done.returncode == USAGE
    assert why in done.stderr
