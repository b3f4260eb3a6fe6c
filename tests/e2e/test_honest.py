"""Without forgery, nothing is lost: how many snapshots of removed images remain as orphans.

Counted with `simulate`, which a property test compares with real sweeps, and compared with a
Recycle Bin that keeps images for a year.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, NOWHERE, Account, image_steward

DEMO = Path(__file__).resolve().parents[2] / "demo"
sys.path.insert(0, str(DEMO))

from make_fleet import make_fleet

DAYS = 120
SIMPLE = """version = 1
[[rule]]
name = "all"
keep = { last = 3 }
[safety]
max_per_run = 1000
max_fraction = 1.0
min_references = 0
"""
"""The default steps and waits: snapshots are deleted seven days after their image."""


def after_sweeps(
    inventory: dict[str, Any], policy: str, bin_days: int, path: Path
) -> tuple[int, int]:
    """The snapshots that exist after `DAYS` days of daily sweeps, and how many were deleted."""
    rules = [
        {"rule_id": kind, "resource": kind, "days": bin_days, "in_effect": True}
        for kind in ("images", "snapshots")
    ]
    saved, chosen = path / "inventory.json", path / "policy.toml"
    saved.write_text(json.dumps(inventory | {"retention_rules": rules}))
    chosen.write_text(policy)
    arguments = ("--policy", str(chosen), "--inventory", str(saved), "--format", "json")
    done = image_steward(NOWHERE, "simulate", "--days", str(DAYS), *arguments)
    assert done.returncode == DONE, done.stderr
    points = json.loads(done.stdout)["simulation"]["points"]
    return points[-1]["snapshots"], sum(one["snapshots_deleted"] for one in points)


@pytest.mark.parametrize(
    ("policy", "bin_days"),
    [
        ((DEMO / "policy.toml").read_text(), 7),
        (SIMPLE, 8),
        (SIMPLE, 14),
        (SIMPLE + '[orphans]\ndelete_after = "7d"\n', 7),
    ],
    ids=["demo", "8 days", "14 days", "7 days, and orphans are deleted"],
)
def test_a_bin_that_outlasts_the_wait_leaves_no_orphans(
    account: Account, tmp_path: Path, policy: str, bin_days: int
) -> None:
    account.load(make_fleet(datetime.now(UTC)))
    inventory = json.loads(image_steward(account, "inventory").stdout)
    kept, deleted = after_sweeps(inventory, policy, 365, tmp_path)
    assert deleted > 60
    assert after_sweeps(inventory, policy, bin_days, tmp_path) == (kept, deleted)


def test_a_bin_that_ends_with_the_wait_leaves_all_of_them_and_the_plan_says_so(
    account: Account, tmp_path: Path
) -> None:
    account.load(make_fleet(datetime.now(UTC)))
    inventory = json.loads(image_steward(account, "inventory").stdout)
    _, deleted = after_sweeps(inventory, SIMPLE, 365, tmp_path)
    assert deleted > 60
    assert after_sweeps(inventory, SIMPLE, 7, tmp_path)[1] == 0
    arguments = (str(tmp_path / name) for name in ("policy.toml", "inventory.json"))
    policy, saved = arguments
    done = image_steward(NOWHERE, "plan", "--policy", policy, "--inventory", saved)
    assert (
        "delete_snapshots_after is too long, because images leave the Recycle Bin"
        in " ".join(done.stdout.split())
    )
