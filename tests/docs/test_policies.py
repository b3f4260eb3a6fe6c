"""All policies in the book are valid, and have the described effect on the fixtures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import make_azure_fixture
import make_fixture
from book import Block, blocks, is_whole, policy
from harness import NOWHERE, image_steward

GOOD = blocks("toml")
WRONG = blocks("toml,wrong")
# Policies with keys that only Azure has.
AZURE = blocks("toml,azure")
WHOLE = [one for one in GOOD if is_whole(one.text)]
STAYS = {"keep", "rescue"}
CLAIM = re.compile(
    r"In the example account, this policy matches (\d+) images?: (\d+) kept \((\d+) in use\), "
    r"(\d+) expired\.(?: It tags (\d+) orphaned snapshots\.)?"
)


def planned(
    text: str, directory: Path, inventory: Path = make_fixture.FIXTURE
) -> dict[str, Any]:
    """The plan for the fixture with this policy."""
    file = directory / "policy.toml"
    file.write_text(text)
    offline = ("--inventory", str(inventory), "--now", make_fixture.NOW)
    done = image_steward(
        NOWHERE, "plan", "--policy", str(file), *offline, "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def counted(plan: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of matched, kept, used and expired images, and of tagged snapshots."""
    matched = [one for one in plan["decisions"] if one["rule"]]
    kept = [one for one in matched if one["action"] in STAYS]
    used = [
        one
        for one in kept
        if any(reason["reason"] == "in_use" for reason in one["reasons"])
    ]
    marked = [one for one in plan["marked_snapshots"] if one["action"] == "mark"]
    return (
        len(matched),
        len(kept),
        len(used),
        len(matched) - len(kept),
        len(marked),
    )


def claims(block: Block) -> list[tuple[int, ...]]:
    # A claim may be on two lines.
    text = " ".join(block.after.split())
    found = [tuple(map(int, one.groups("0"))) for one in CLAIM.finditer(text)]
    # Nothing may look like a claim and not be read as one.
    assert len(found) == text.count("In the example account"), str(block)
    return found


def test_the_fixture_is_what_its_program_writes() -> None:
    assert make_fixture.FIXTURE.read_text() == make_fixture.text()
    assert make_azure_fixture.FIXTURE.read_text() == make_azure_fixture.text()


def test_the_fixture_is_a_world_worth_planning(fixture: dict[str, Any]) -> None:
    images = {one["image_id"] for one in fixture["images"]}
    held = {one["image_id"] for one in fixture["references"]}
    assert len(images) >= 200
    assert held <= images
    assert len(held) >= 20
    assert {one["kind"] for one in fixture["references"]} >= {
        "instance",
        "launch_template",
        "auto_scaling_group",
        "compute_environment",
        "ssm_parameter",
    }


def test_there_is_a_cookbook() -> None:
    recipes = [one for one in WHOLE if one.page.startswith("docs/cookbook/")]
    assert len(recipes) >= 14
    for one in recipes:
        assert len(claims(one)) == 1, f"{one}: says not what it does in the fixture"
    # A block that the tests would skip if its language were misspelled.
    assert WRONG
    languages = {one.language for one in blocks("TOML", "toml,", "tml")}
    assert not languages


@pytest.mark.parametrize("block", GOOD, ids=str)
def test_policy(block: Block, fixture: dict[str, Any], tmp_path: Path) -> None:
    text = policy(block.text)
    file = tmp_path / "policy.toml"
    file.write_text(text)
    done = image_steward(NOWHERE, "validate", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    plan = planned(text, tmp_path)
    held = {one["image_id"] for one in fixture["references"]}
    action = {one["image_id"]: one["action"] for one in plan["decisions"]}
    assert len(action) == len(fixture["images"])
    touched = {image for image in held if action[image] not in STAYS}
    assert not touched
    for claim in claims(block):
        assert claim == counted(plan), f"{block} says {claim}"


@pytest.mark.parametrize("block", AZURE, ids=str)
def test_policy_for_azure(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(policy(block.text))
    done = image_steward(NOWHERE, "validate", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    plan = planned(file.read_text(), tmp_path, make_azure_fixture.FIXTURE)
    inventory = make_azure_fixture.make()
    action = {one["image_id"]: one["action"] for one in plan["decisions"]}
    assert len(action) == len(inventory["images"])
    held = {one["image_id"].lower() for one in inventory["references"]}
    assert held <= action.keys()
    assert {action[image] for image in held} <= STAYS
    assert plan.get("refusal") is None
    for claim in claims(block):
        assert claim == counted(plan), f"{block} says {claim}"


def test_there_is_a_complete_policy_for_azure() -> None:
    complete = [one for one in AZURE if is_whole(one.text)]
    assert [one.page for one in complete] == ["docs/azure.md"]
    assert len(claims(complete[0])) == 1


@pytest.mark.parametrize("block", WRONG, ids=str)
def test_wrong_policy(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(policy(block.text))
    done = image_steward(NOWHERE, "validate", "--policy", str(file))
    assert done.returncode == 2
    said = re.search(r"```text\n(.*?)```", block.after, re.DOTALL)
    assert said, f"{block}: the book does not say what is said"
    for line in said[1].splitlines():
        assert line in done.stderr
