"""`simulate` with the real binary, mostly from a saved inventory, once from an account."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import DONE, NOWHERE, REFUSED, USAGE, Account, image_steward
from worlds import ACCOUNT, ami, snap, snapshot, web_fleet

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEPS = 'disable_after = "2d", deregister_after = "4d", delete_snapshots_after = "3d"'


def time(hours_ago: float) -> str:
    return (NOW - timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def inventory(count: int = 5, **more: Any) -> dict[str, Any]:
    """web-1, an hour old, to web-COUNT, one a day, each with a snapshot of 8 GiB."""
    images = [
        {
            "image_id": ami(number),
            "name": f"web-{number}",
            "owner_id": ACCOUNT,
            "created_at": time(24 * (number - 1) + 1),
            "state": "available",
            "snapshots": [snap(number)],
        }
        for number in range(1, count + 1)
    ]
    snapshots = [
        snapshot(snap(number), ami(number), size_gib=8)
        for number in range(1, count + 1)
    ]
    rules = [
        {"rule_id": kind, "resource": kind, "days": 14, "in_effect": True}
        for kind in ("images", "snapshots")
    ]
    held = {"image_id": ami(1), "kind": "instance", "arn": "i-1"}
    return {
        "format": 1,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "taken_at": time(0),
        "images": images,
        "snapshots": snapshots,
        "references": [held],
        "retention_rules": rules,
    } | more


def policy(last: int, more: str = "") -> str:
    return f"""version = 1
[[rule]]
name = "web"
match = {{ name = "web-*" }}
keep = {{ last = {last} }}
retire = {{ {STEPS} }}
[safety]
max_fraction = 1.0
{more}
"""


class Desk:
    """Files for a simulation, and the command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write("new.toml", policy(3))
        self.write("saved.json", json.dumps(inventory()))

    def write(self, name: str, text: str) -> str:
        file = self.directory / name
        file.write_text(text)
        return str(file)

    def run(self, *arguments: str, days: str = "15") -> Any:
        files = ("--policy", str(self.directory / "new.toml"))
        saved = ("--inventory", str(self.directory / "saved.json"), "--now", time(0))
        return image_steward(
            NOWHERE, "simulate", *files, *saved, "--days", days, *arguments
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_json_is_counted_as_by_hand(desk: Desk) -> None:
    done = desk.run("--format", "json")
    assert done.returncode == DONE
    found = json.loads(done.stdout)
    assert found["against"] is None
    simulation = found["simulation"]
    assert simulation["account"] == ACCOUNT
    assert simulation["region"] == "eu-central-1"
    assert (simulation["days"], simulation["refusal"]) == (15, None)
    assert (simulation["growing"], simulation["still"]) == (1, 0)
    points = simulation["points"]
    # The newest image is in use, and is kept when it is not one of the newest three any more. So
    # one image fewer than on other days expires on day 3, and the effect of this continues.
    assert [point["at"][:10] for point in points] == [
        "2026-11-22",
        "2026-11-29",
        "2026-12-06",
        "2026-12-07",
    ]
    keys = ("images", "in_use", "made", "expired", "disabled", "deregistered")
    counts = [tuple(point[key] for key in keys) for point in points]
    # Days 0 to 6: first 2, then 1 image a day expires, but none on day 3, when the one in use is
    # the fourth:
    # 7. Of days 0 to 4 (2+1+1+0+1) are disabled, of days 0 to 2 (2+1+1) removed: 5+7-4 images. Days
    #   7 to 13: those of days 3 to 9 are removed, 6, and those of days 5 to 11 disabled, 7.
    assert counts == [
        (5, 1, 0, 0, 0, 0),
        (8, 1, 7, 7, 5, 4),
        (9, 1, 7, 7, 7, 6),
        (9, 1, 1, 1, 1, 1),
    ]
    # Snapshots are deleted three days after their image: none by day 7, those of days 0 to 6 by day
    # 14.
    assert [point["snapshots"] for point in points] == [5, 12, 12, 12]
    assert [point["gib"] for point in points] == [40, 96, 96, 96]
    (family,) = simulation["families"]
    assert (family["rule"], family["family"]) == ("web", "all")
    assert family["images"] == [5, 8, 9, 9]
    assert family["gib"] == [40, 64, 72, 72]


def test_snapshots_that_ec2_did_not_make_for_an_image_go_with_it(desk: Desk) -> None:
    """The Recycle Bin keeps them for longer than the three days in the policy."""
    theirs = inventory()
    for one in theirs["snapshots"]:
        one["description"] = "nightly backup"
    desk.write("saved.json", json.dumps(theirs))
    simulation = json.loads(desk.run("--format", "json").stdout)["simulation"]
    points = simulation["points"]
    assert [point["images"] for point in points] == [5, 8, 9, 9]
    assert [point["snapshots"] for point in points] == [5, 8, 9, 9]


def test_the_table_has_a_line_a_week_and_says_how_it_ends(desk: Desk) -> None:
    desk.write("saved.json", json.dumps(inventory(1200)))
    done = desk.run(days="180")
    assert done.returncode == DONE
    lines = done.stdout.splitlines()
    head, rows = lines[0].split(), lines[1:28]
    assert head[0] == "DATE"
    assert head[-1] == "USD"
    assert rows[0].split()[:3] == ["2026-11-22", "1,200", "1"]
    assert rows[-1].startswith("2027-05-21")
    assert lines[28] == ""
    assert lines[-1].startswith("After 180 days: ")
    assert lines[-1].endswith(" a month (now 1,200, 9,600 and USD 519).")
    assert "1 of 1 family gets new images" in done.stdout


def test_two_policies_stand_side_by_side(desk: Desk) -> None:
    old = desk.write("old.toml", policy(10))
    done = desk.run("--against", old)
    assert done.returncode == DONE
    lines = done.stdout.splitlines()
    assert lines[0].count("AGAINST") == 4
    # With the old policy nothing expires until day 6, when there are eleven.
    assert lines[-1] == (
        "After 15 days: 9 instead of 16 images, at most 96 instead of 144 GiB, "
        "USD 5.18 instead of USD 7.78 a month."
    )
    found = json.loads(desk.run("--against", old, "--format", "json").stdout)
    ours, theirs = found["simulation"]["points"], found["against"]["points"]
    assert [one["made"] for one in ours] == [one["made"] for one in theirs]
    assert (ours[-1]["images"], theirs[-1]["images"]) == (9, 16)


def test_it_says_what_an_inventory_leaves_open(desk: Desk) -> None:
    lacking = inventory()
    del lacking["retention_rules"]
    desk.write("saved.json", json.dumps(lacking))
    said = desk.run().stderr
    assert "launch permissions of 5 images" in said
    assert "SSM parameters" in said
    assert "retention rules of the Recycle Bin" in said
    desk.write("new.toml", policy(3, 'references_check = "off"'))
    known = inventory()
    for image in known["images"]:
        image["launch_permissions"] = []
    desk.write("saved.json", json.dumps(known))
    assert desk.run().stderr == ""


def test_a_refusal_is_said_once_and_nothing_goes(desk: Desk) -> None:
    desk.write("saved.json", json.dumps(inventory(unread=["instances"])))
    old = desk.write("old.toml", policy(10))
    done = desk.run("--format", "json")
    assert done.returncode == REFUSED
    assert done.stderr.count("refused, nothing is removed") == 1
    assert "instances" in done.stderr
    simulation = json.loads(done.stdout)["simulation"]
    assert simulation["refusal"]["reason"] == "unread"
    assert simulation["points"][-1]["images"] == 20
    assert all(point["expired"] == 0 for point in simulation["points"])
    assert "the other policy: refused" in desk.run("--against", old).stderr


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("0", "1 to 3650 days"),
        ("3651", "1 to 3650 days"),
        ("-1", "--days"),
        ("ten", "--days"),
    ],
)
def test_days_have_limits(desk: Desk, days: str, said: str) -> None:
    done = desk.run(days=days)
    assert done.returncode == USAGE
    assert said in done.stderr
    assert done.stdout == ""


def test_bad_files_are_named(desk: Desk) -> None:
    done = desk.run("--against", "absent.toml")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "absent.toml" in done.stderr
    bad = desk.write("bad.toml", "version = 2")
    done = desk.run("--against", bad)
    assert done.returncode == USAGE
    assert "bad.toml:1:11" in done.stderr
    desk.write("saved.json", "{}")
    done = desk.run()
    assert done.returncode == USAGE
    assert "saved.json" in done.stderr


def test_an_empty_account_stays_empty(desk: Desk) -> None:
    desk.write("saved.json", json.dumps(inventory(0)))
    done = desk.run()
    assert done.returncode == DONE
    assert done.stdout.splitlines()[-1] == (
        "After 15 days: 0 images, at most 0 GiB, USD 0.00 a month "
        "(now 0, 0 and USD 0.00)."
    )


def test_an_account_is_read_and_not_changed(account: Account, desk: Desk) -> None:
    account.load(web_fleet())
    before = account.fleet()
    old = desk.write("old.toml", policy(10, 'template_versions = "all"'))
    rules = ("--policy", str(desk.directory / "new.toml"), "--against", old)
    done = image_steward(account, "simulate", *rules, "--days", "7", "--format", "json")
    assert done.returncode == DONE, done.stderr
    found = json.loads(done.stdout)
    first = found["simulation"]["points"][0]
    assert (first["images"], first["in_use"]) == (8, 1)
    assert account.mutating_calls() == []
    assert account.fleet() == before
