"""The page that the command writes for saved inventories."""

from __future__ import annotations

import json
import random
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright

from binaries import binary
from browser import opened
from pages import HOSTILE, Document, write_page

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = """version = 1
[[rule]]
name = "nightly"
match = { name = "family-*" }
group_by = ["name_prefix"]
keep = { last = 3, within = "14d", monthly = 3 }
[safety]
max_fraction = 1.0
max_per_run = 100000
"""
OTHER = POLICY.replace("last = 3", "last = 30")


def at(days: float) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def inventory(count: int, families: int, names: list[str] | None = None) -> Document:
    """An account with this many images, one in ten of which is in use."""
    dice = random.Random(count)
    images: list[Any] = []
    snapshots: list[Any] = []
    references: list[Any] = []
    for number in range(count):
        age = dice.uniform(0, 900)
        image, snapshot = (
            f"{kind}-{dice.getrandbits(68):017x}" for kind in ("ami", "snap")
        )
        family = f"family-{number % families:03}"
        name = f"{family}-{(NOW - timedelta(days=age)):%Y%m%d-%H%M}"
        if names:
            name = names[number % len(names)]
        images.append(
            {
                "image_id": image,
                "name": name,
                "owner_id": "123456789012",
                "created_at": at(age),
                "state": "available",
                "architecture": "x86_64",
                "snapshots": [snapshot],
            }
        )
        snapshots.append(
            {
                "snapshot_id": snapshot,
                "started_at": at(age),
                "size_gib": dice.choice([8, 20, 100]),
            }
        )
        if number % 10 == 0:
            arn = f"arn:aws:ec2:eu-central-1:123456789012:instance/i-{number:017x}"
            references.append({"image_id": image, "kind": "instance", "arn": arn})
    return {
        "format": 1,
        "account": "123456789012",
        "region": "eu-central-1",
        "taken_at": at(0),
        "images": images,
        "snapshots": snapshots,
        "references": references,
    }


def report(world: Document, directory: Path, *more: str) -> Path:
    """The page that the command writes for this inventory."""
    for name, text in (
        ("policy.toml", POLICY),
        ("other.toml", OTHER),
        ("saved.json", json.dumps(world)),
    ):
        (directory / name).write_text(text)
    file = directory / "report.html"
    arguments = ["--policy", "policy.toml", "--inventory", "saved.json", *more]
    done = subprocess.run(
        [
            binary("image-steward"),
            "-q",
            "report",
            "--now",
            at(0),
            "--out",
            file.name,
            *arguments,
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return file


def data_of(file: Path) -> Document:
    page = file.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_the_command_fills_the_template_as_the_other_tests_do(tmp_path: Path) -> None:
    file = report(inventory(60, 3), tmp_path, "--against", "other.toml")
    same = write_page(data_of(file), tmp_path / "same.html")
    assert file.read_text() == same.read_text()


@pytest.mark.parametrize(("count", "families"), [(20, 2), (20_000, 150)])
def test_a_page_of_the_command_is_small_and_soon_of_use(
    playwright: Playwright, tmp_path: Path, count: int, families: int
) -> None:
    world = inventory(count, families)
    file = report(world, tmp_path, "--days", "28")
    assert file.stat().st_size <= 5_000_000
    with opened(playwright, file) as one:
        # The median, because the computer may be busy for a moment.
        assert sorted(one.goto() for _ in range(3))[1] < 1000
        assert one.text("#images .count").startswith(f"{count:,} images")
        used = world["references"][0]
        one.page.fill("#search", used["arn"])
        assert one.column(1) == [used["image_id"]]
        one.page.fill("#search", "")
        assert one.text("#images .count").startswith(f"{count:,} images")
        assert "policy.toml" in one.text("#time")
        assert one.violations() == []


def test_other_peoples_text_is_only_text(
    playwright: Playwright, tmp_path: Path
) -> None:
    file = report(inventory(20, 1, HOSTILE), tmp_path)
    with opened(playwright, file) as one:
        assert one.text("#images .count").startswith("20 images")
        # One of the names would change it.
        assert one.page.title() == "Images of account 123456789012 in eu-central-1"


def test_two_policies_side_by_side(playwright: Playwright, tmp_path: Path) -> None:
    file = report(
        inventory(300, 4), tmp_path, "--against", "other.toml", "--days", "70"
    )
    future = data_of(file)["projection"]
    assert future["against"] == "other.toml"
    assert len(future["at"]) == len(future["gib"]) == len(future["against_gib"]) == 11
    assert future["images"][-1] < future["against_images"][-1]
    [family] = data_of(file)["families"]
    assert family["name"] == "nightly · family"
    with opened(playwright, file) as one:
        compared = one.text("#compared")
        assert compared.startswith("After 70 days, ")
        assert " GiB with other.toml: " in compared
        assert re.search(
            r": \d+ images and USD [\d,]+ a month less with policy\.toml\.", compared
        )
        assert "before 2026-12-10." in one.texts(".tiles li")[0]
