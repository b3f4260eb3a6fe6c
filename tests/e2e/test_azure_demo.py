"""The demo of Azure, and its checks: each check fails if its condition is violated."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from harness import ROOT
from local_azure import Subscription, compute_id, version_id

sys.path.insert(0, str(ROOT / "demo"))

import demo_azure
from make_subscription import make_subscription
from subscription_checks import EXPIRED_AT, KEEP, World, check, check_restored, look

IN_USE = "images in use"
SPARED = "images that are excluded by tag, locked, protected or shared"
REMOVED = "removed images"
RESTORABLE = "removed versions"
NEWEST = "the newest images of each family"
SOURCES = "snapshots and disks"
OTHERS = "nothing else has changed"
KEPT = "2099-01-01"
Harm = Callable[[World, str], object]


def test_the_demo_passes_its_own_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_azure.main() == 0
    said = capsys.readouterr().out
    assert "10 of 10 checks passed." in said
    assert "FAILED" not in said


@pytest.fixture
def before(subscription: Subscription) -> World:
    """The demo's subscription before the first run."""
    subscription.load(**make_subscription(datetime.now(UTC)))
    return look(subscription)


def failures(
    before: World, after: World, stages: list[World] | None = None
) -> dict[str, list[str]]:
    """The failed checks, with the resources that they name."""
    found = check(before, stages or [], after)
    return {one.what: one.wrong for one in found if one.wrong}


def version(text: str) -> str:
    """The id of a version of the demo as the checks use it."""
    return version_id(text).lower()


def test_at_first_only_the_orphan_is_still_to_delete(before: World) -> None:
    orphan = compute_id("snapshots", "web-build-41").lower()
    assert failures(before, before) == {SOURCES: [orphan]}


def test_every_kind_of_use_is_seen(before: World) -> None:
    names = {"/".join(one.split("/")[8::2]) for one in before.in_use}
    assert names == {
        # A virtual machine, and the scale set that starts the latest version: not 0.9.99, which is
        # newer, and not 1.0.16, which failed.
        "golden/web/1.0.15",
        # An instance of the scale set, and a virtual machine of the other subscription.
        "golden/web/1.0.10",
        "golden/web/1.0.2",
        # Two virtual machines, a template, and what `latest` means in the Region.
        "golden/base/1.0.4",
        "golden/base/1.0.5",
        "golden/base/1.0.6",
        "golden/base/1.0.12",
        # A scale set, and an instance that was not updated to its model.
        "golden/base-arm64/1.0.6",
        "golden/base-arm64/1.0.1",
        "agent-060",
    }


def remove(world: World, image: str) -> None:
    del world.images[image]


def tag(world: World, image: str) -> None:
    world.images[image]["tags"][EXPIRED_AT] = "2026-01-01T00:00:00Z"


def end_life(world: World, image: str) -> None:
    profile = world.images[image]["properties"]["publishingProfile"]
    profile["endOfLifeDate"] = "2026-01-01T00:00:00Z"


def exclude(world: World, image: str) -> None:
    world.images[image]["properties"]["publishingProfile"]["excludeFromLatest"] = True


@pytest.mark.parametrize(
    ("name", "harm", "what"),
    [
        ("golden/web/1.0.15", remove, IN_USE),
        ("golden/web/1.0.15", tag, IN_USE),
        ("golden/web/1.0.15", end_life, IN_USE),
        ("golden/web/1.0.15", exclude, IN_USE),
        ("golden/web/1.0.1", exclude, SPARED),
        ("golden/base/1.0.2", remove, SPARED),
        ("golden/base/1.0.3", tag, SPARED),
        ("vendor/appliance/1.0.1", remove, SPARED),
        ("golden/base/1.0.1", remove, REMOVED),
        ("golden/base/1.0.1", remove, RESTORABLE),
        ("golden/web/0.9.99", remove, NEWEST),
    ],
)
def test_an_image_that_was_harmed_is_noticed(
    before: World, name: str, harm: Harm, what: str
) -> None:
    after = copy.deepcopy(before)
    harm(after, version(name))
    assert failures(before, after)[what] == [version(name)]


def test_a_removed_version_must_have_taken_every_step(before: World) -> None:
    image = version("golden/base/1.0.1")
    tagged, excluded, after = (copy.deepcopy(before) for _ in range(3))
    for world in (tagged, excluded):
        tag(world, image)
        end_life(world, image)
    exclude(excluded, image)
    remove(after, image)
    after.soft_deleted.add(image)
    assert REMOVED not in failures(before, after, [tagged, excluded, after])
    for stages in ([tagged], [excluded], [excluded, tagged], [before, excluded], []):
        assert failures(before, after, stages)[REMOVED] == [image]


def test_sources_and_everything_else_are_compared(before: World) -> None:
    after = copy.deepcopy(before)
    backup = compute_id("snapshots", "database-backup").lower()
    orphan = compute_id("snapshots", "web-build-41").lower()
    del after.sources[backup]
    machine = compute_id("virtualMachines", "web-1").lower()
    after.everything_else[machine]["properties"]["provisioningState"] = "Deleting"
    assert failures(before, after)[SOURCES] == sorted([backup, orphan])
    assert failures(before, after)[OTHERS] == [machine]
    del after.sources[orphan]
    after.sources[backup] = before.sources[backup]
    del after.everything_else[machine]
    found = failures(before, after)
    assert SOURCES not in found
    assert found[OTHERS] == [machine]


@pytest.mark.parametrize("harm", [None, tag, end_life, exclude, "untagged", "another"])
def test_an_image_that_is_not_quite_restored_is_noticed(
    before: World, harm: Any
) -> None:
    image = version("golden/base/1.0.1")
    after, back = copy.deepcopy(before), copy.deepcopy(before)
    remove(after, image)
    back.images[image]["tags"] = {KEEP: KEPT}
    if harm == "untagged":
        back.images[image]["tags"] = {}
    elif harm == "another":
        remove(after, version("golden/base/1.0.2"))
    elif harm is not None:
        harm(back, image)
    wrong = check_restored(after, back, image, KEPT).wrong
    assert len(wrong) == (0 if harm is None else 1)
