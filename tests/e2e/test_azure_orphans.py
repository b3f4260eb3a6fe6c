"""Snapshots and disks on Azure that were only the source of an image which is gone.

Only our tag shows for which image a snapshot was used, so such snapshots are deleted only if the
policy deletes orphans and does not require that they can be restored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import (
    DELETE_AFTER,
    IMAGE,
    KEEP,
    azure_policy,
    canonical,
    gallery,
    version,
    web_world,
)
from harness import DONE, write
from local_azure import Subscription, azure_steward, compute_id
from outcomes import reasons
from worlds import ago

GONE = canonical("golden/web/77.0.0")
ORPHANS = '[orphans]\ndelete_after = "1d"\n'
OPTIONAL = 'recycle_bin = "optional"'
SNAPSHOT = compute_id("snapshots", "source").lower()


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy that deletes orphans."""
    return write(tmp_path / "p.toml", azure_policy(safety=OPTIONAL, more=ORPHANS))


def source(**more: Any) -> dict[str, Any]:
    """A snapshot that was the source of a version which does not exist."""
    made = {"name": "source", "created_at": ago(90), "tags": {IMAGE: GONE}}
    return made | more


def quiet_world(*snapshots: Any, **more: Any) -> dict[str, Any]:
    """Two versions that are kept, and these snapshots."""
    versions = [version(1, 9), version(2, 8)]
    return web_world(galleries=[gallery(*versions)], snapshots=list(snapshots)) | more


def reap(account: Subscription, rules: str) -> dict[str, Any]:
    """Apply the policy, and return the decision for each snapshot that is an orphan or tagged."""
    arguments = ("--yes", "--policy", rules, "--format", "json")
    done = azure_steward(account, "apply", *arguments)
    assert done.returncode == DONE, done.stdout + done.stderr
    found = json.loads(done.stdout)["snapshots"]
    decided = {one["snapshot_id"]: one for one in found["kept"]}
    decided |= {one: {"action": "mark"} for one in found["orphans"]}
    return decided | {one: {"action": "delete"} for one in found["due"]}


def snapshots(account: Subscription) -> set[str]:
    """The names of the snapshots and disks that exist."""
    kinds = ("/snapshots/", "/disks/")
    found = [one for one in account.resources() if any(kind in one for kind in kinds)]
    return {one.rpartition("/")[2] for one in found if "osdisk" not in one}


def test_marked_in_one_run_and_deleted_in_a_later_one(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**quiet_world(source()))
    assert reap(subscription, rules)[SNAPSHOT]["action"] == "mark"
    assert DELETE_AFTER in subscription.tags(SNAPSHOT)
    subscription.let_pass(hours=23)
    assert reap(subscription, rules)[SNAPSHOT]["action"] == "keep"
    subscription.let_pass(hours=2)
    assert reap(subscription, rules)[SNAPSHOT]["action"] == "delete"
    assert snapshots(subscription) == set()


def test_a_managed_disk_is_an_orphan_too(
    subscription: Subscription, rules: str
) -> None:
    disk = {"name": "built", "created_at": ago(90), "tags": {IMAGE.upper(): GONE}}
    attached = disk | {"name": "used", "attached_to": "vm"}
    subscription.load(**quiet_world(disks=[disk, attached]))
    reap(subscription, rules)
    subscription.let_pass(days=2)
    reap(subscription, rules)
    assert snapshots(subscription) == {"used"}


HELD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "opted out": (source(tags={IMAGE: GONE, KEEP: ""}), {}, "opted_out"),
    "Azure Backup's": (
        source(tags={IMAGE: GONE, "RSVaultBackup": "x"}),
        {},
        "managed_elsewhere",
    ),
    "immutable": (
        source(immutability={"type": "Locked", "isPolicyExpired": False}),
        {},
        "locked",
    ),
    "locked": (
        source(),
        {"locks": [{"name": "keep", "scope": "snapshot:source"}]},
        "locked",
    ),
    "downloadable": (source(disk_state="ActiveSAS"), {}, "shared"),
    "too young": (source(created_at=ago(0.5)), {}, "too_young"),
    "the source of a disk": (
        source(),
        {"disks": [{"name": "copy", "source": "source"}]},
        "named_by",
    ),
}


@pytest.mark.parametrize(("one", "more", "reason"), HELD.values(), ids=HELD.keys())
def test_an_orphan_that_anything_holds_stays(
    subscription: Subscription,
    rules: str,
    one: dict[str, Any],
    more: dict[str, Any],
    reason: str,
) -> None:
    subscription.load(**quiet_world(one, **more))
    for _ in range(2):
        decision = reap(subscription, rules)[SNAPSHOT]
        assert decision["action"] == "keep"
        assert reason in reasons(decision)
    assert "source" in snapshots(subscription)


def test_a_snapshot_that_an_image_names_is_not_an_orphan(
    subscription: Subscription, rules: str
) -> None:
    """A shallow version needs its source, and its tag may name another image."""
    world = quiet_world(source())
    versions = world["galleries"][0]["definitions"][0]["versions"]
    versions[0] |= {"source": "snapshot:source", "replication_mode": "Shallow"}
    subscription.load(**world)
    reap(subscription, rules)
    subscription.let_pass(days=2)
    reap(subscription, rules)
    assert "source" in snapshots(subscription)


def test_a_snapshot_of_an_existing_or_restorable_image_stays(
    subscription: Subscription, rules: str
) -> None:
    world = quiet_world(source(tags={IMAGE: canonical("golden/web/8.0.0")}))
    deleted = version(8, 60, soft_deleted_at=ago(1))
    world["galleries"][0]["definitions"][0]["versions"].append(deleted)
    subscription.load(**world)
    decision = reap(subscription, rules).get(SNAPSHOT)
    assert decision is None or decision["action"] == "keep"
    world["snapshots"] = [source(tags={IMAGE: canonical("golden/web/2.0.0").upper()})]
    subscription.load(**world)
    assert SNAPSHOT not in reap(subscription, rules)


@pytest.mark.parametrize(
    ("safety", "more"),
    [(OPTIONAL, ""), ("", ORPHANS), ("", "")],
    ids=["reported", "required", "defaults"],
)
def test_without_both_settings_orphans_stay(
    subscription: Subscription, tmp_path: Path, safety: str, more: str
) -> None:
    subscription.load(**quiet_world(source()))
    rules = write(tmp_path / "p.toml", azure_policy(safety=safety, more=more))
    for _ in range(2):
        decision = reap(subscription, rules)[SNAPSHOT]
        assert decision["action"] == "keep"
        subscription.let_pass(days=40)
    assert snapshots(subscription) == {"source"}
    assert DELETE_AFTER not in subscription.tags(SNAPSHOT)


def test_a_snapshot_without_our_tag_is_never_an_orphan(
    subscription: Subscription, rules: str
) -> None:
    theirs = source(tags={"image": GONE, "purpose": "backup"})
    subscription.load(**quiet_world(theirs))
    for _ in range(2):
        assert SNAPSHOT not in reap(subscription, rules)
        subscription.let_pass(days=40)
    assert snapshots(subscription) == {"source"}
