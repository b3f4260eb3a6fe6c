"""Bad input and missing evidence on Azure: each is named, and keeps images."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import (
    AT_ONCE,
    EXPIRED_AT,
    actions,
    azure_policy,
    decisions,
    gallery,
    managed_policy,
    version,
    web,
    web_world,
    with_action,
)
from harness import DONE, FAILED, PART, REFUSED, USAGE, write
from local_azure import ID, OTHER, Subscription, azure_steward, version_id
from outcomes import reasons
from worlds import ago

GRAPH = "Microsoft.ResourceGraph/resources/read"
READS = [
    "Microsoft.Compute/galleries/read",
    "Microsoft.Compute/galleries/images/read",
    "Microsoft.Compute/galleries/images/versions/read",
    "Microsoft.Compute/images/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachineScaleSets/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
    "Microsoft.VirtualMachineImages/imageTemplates/read",
    "Microsoft.Authorization/locks/read",
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Resources/subscriptions/resources/read",
    GRAPH,
]


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file that deletes one hour after expiring."""
    return write(tmp_path / "policy.toml", azure_policy(AT_ONCE))


def due_world(**more: Any) -> dict[str, Any]:
    """Versions 2 to 4 and a managed image are due for deletion, and everything is used once."""
    world = web_world(
        images=[{"name": "base", "created_at": ago(30)}],
        scale_sets=[
            {"name": "set", "image": "golden/web/6.0.0", "instances": [{"id": "0"}]}
        ],
        image_templates=[{"name": "t", "source": "golden/web/6.0.0"}],
    )
    for one in world["galleries"][0]["definitions"][0]["versions"][1:4]:
        one["tags"] = {EXPIRED_AT: ago(1)}
    return world | more


def plan(account: Subscription, rules: str) -> subprocess.CompletedProcess[str]:
    return azure_steward(account, "plan", "--policy", rules, "--format", "json")


def refused(account: Subscription, rules: str) -> str:
    """What `plan` and `apply` say, both of which must refuse and change nothing."""
    said = ""
    for command in (["plan"], ["apply", "--yes"]):
        done = azure_steward(account, *command, "--policy", rules)
        assert done.returncode == REFUSED, done.stdout + done.stderr
        said += done.stdout + done.stderr
    deleted = [one for one in account.changes() if one.startswith("DELETE")]
    assert deleted == []
    assert account.soft_deleted() == set()
    return said


def test_without_any_of_these_failures_versions_would_be_deleted(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due_world())
    assert with_action(plan(subscription, rules).stdout, "deregister") == web(2, 3, 4)


@pytest.mark.parametrize("permission", READS)
def test_a_missing_permission_is_named_and_nothing_is_removed(
    subscription: Subscription, rules: str, permission: str
) -> None:
    subscription.load(**due_world())
    subscription.switch(deny=[permission])
    assert f"missing permission: {permission}" in refused(subscription, rules)


@pytest.mark.parametrize(
    "granted",
    [
        [],
        ["Microsoft.Compute/galleries/*"],
        ["*/write"],
        ["Microsoft.Compute/virtualMachines/read"],
    ],
)
def test_a_role_that_does_not_cover_the_subscription_refuses(
    subscription: Subscription, rules: str, granted: list[str]
) -> None:
    subscription.load(**due_world())
    subscription.switch(granted=granted)
    assert "not granted in the whole subscription" in refused(subscription, rules)


def test_a_role_with_all_reads_is_enough(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due_world())
    subscription.switch(granted=["*/read"])
    assert with_action(plan(subscription, rules).stdout, "deregister") == web(2, 3, 4)


def test_a_policy_subscription_that_cannot_be_read_is_named(
    subscription: Subscription, tmp_path: Path
) -> None:
    subscription.load(**due_world(subscriptions=[{"id": ID}, {"id": OTHER}]))
    safety = f'subscriptions = ["{OTHER}"]'
    rules = write(tmp_path / "p.toml", azure_policy(AT_ONCE, safety=safety))
    assert with_action(plan(subscription, rules).stdout, "deregister") == web(2, 3, 4)
    subscription.switch(deny_subscriptions=[OTHER])
    assert OTHER in refused(subscription, rules)


def test_a_policy_subscription_that_does_not_exist_is_named(
    subscription: Subscription, tmp_path: Path
) -> None:
    subscription.load(**due_world())
    safety = f'subscriptions = ["{OTHER}"]'
    rules = write(tmp_path / "p.toml", azure_policy(AT_ONCE, safety=safety))
    assert OTHER in refused(subscription, rules)


@pytest.mark.parametrize(
    ("switches", "word"),
    [
        ({"graph_truncated": True}, "truncated"),
        ({"graph_subscription_limit": True}, "subscription"),
        ({"faults": [{"operation": GRAPH, "status": 500, "code": "X"}]}, GRAPH),
        ({"faults": [{"operation": GRAPH, "drop": "data"}]}, GRAPH),
        ({"faults": [{"path": "/virtualMachines$", "drop": "value"}]}, "value"),
        (
            {"faults": [{"path": "/virtualMachines$", "cut": 40}]},
            "Microsoft.Compute/virtualMachines/read",
        ),
        (
            {
                "faults": [
                    {
                        "path": "/virtualMachineScaleSets$",
                        "drop": "value[].properties.virtualMachineProfile.storageProfile",
                    }
                ]
            },
            "storageProfile",
        ),
        ({"page_size": 1, "faults": [{"path": "/locks$", "status": 404}]}, "locks"),
    ],
    ids=[
        "truncated",
        "too-many-subscriptions",
        "graph-fails",
        "graph-without-data",
        "no-list",
        "cut",
        "unknown-form",
        "no-locks",
    ],
)
def test_evidence_that_is_missing_or_not_understood_refuses(
    subscription: Subscription, rules: str, switches: dict[str, Any], word: str
) -> None:
    subscription.load(**due_world())
    subscription.switch(**switches)
    assert word in refused(subscription, rules)


def test_pages_that_do_not_end_refuse(subscription: Subscription, rules: str) -> None:
    machines = [{"name": f"vm{n}", "image": "golden/web/1.0.0"} for n in range(4)]
    subscription.load(**due_world(virtual_machines=machines))
    repeated = {"path": "/virtualMachines$", "repeat_page": True}
    subscription.switch(page_size=2, faults=[repeated])
    refused(subscription, rules)


@pytest.mark.parametrize(
    ("scope", "level", "name"),
    [
        ("subscription", "CanNotDelete", "the subscription"),
        ("group:Images", "ReadOnly", "the resource group images"),
        ("gallery:golden", "CanNotDelete", "golden"),
        ("golden/web", "CanNotDelete", "web"),
        ("golden/web/3.0.0", "CanNotDelete", "3.0.0"),
    ],
)
def test_a_lock_protects_what_is_in_its_scope(
    subscription: Subscription, rules: str, scope: str, level: str, name: str
) -> None:
    lock = {"name": "freeze", "level": level, "scope": scope}
    subscription.load(**due_world(locks=[lock]))
    done = plan(subscription, rules)
    assert done.returncode == DONE, done.stderr
    found = decisions(done.stdout)["golden/web/3.0.0"]
    # It was tagged as expired, which is undone.
    assert found["action"] == "rescue"
    said = json.dumps(found["reasons"])
    assert "freeze" in said
    assert name in said.lower()
    others = set() if scope != "golden/web/3.0.0" else web(2, 4)
    assert with_action(done.stdout, "deregister") == others


def test_a_lock_of_another_group_protects_nothing_here(
    subscription: Subscription, rules: str
) -> None:
    lock = {"name": "freeze", "scope": "group:Other"}
    subscription.load(**due_world(locks=[lock]))
    assert with_action(plan(subscription, rules).stdout, "deregister") == web(2, 3, 4)


def test_blocked_deletion_protects_until_its_date(
    subscription: Subscription, rules: str
) -> None:
    world = due_world()
    versions = world["galleries"][0]["definitions"][0]["versions"]
    versions[1] |= {"block_deletion": True, "end_of_life": ago(-5)}
    versions[2] |= {"block_deletion": True, "end_of_life": ago(5)}
    subscription.load(**world)
    done = plan(subscription, rules)
    found = decisions(done.stdout)["golden/web/2.0.0"]
    assert "blockDeletionBeforeEndOfLife" in json.dumps(found["reasons"])
    assert with_action(done.stdout, "deregister") == web(3, 4)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"soft_delete": None}, web(2, 3, 4)),
        ({"soft_delete": {"enabled": False}}, web(2, 3, 4)),
        ({"soft_delete": {"enabled": True, "retention_days": 3}}, web(2, 3, 4)),
        # Soft delete needs gallery, definition and version in one Region.
        ({"definition": {"location": "northeurope"}}, web(2, 3, 4)),
        ({"version": {"location": "northeurope"}}, web(3)),
    ],
    ids=["none", "off", "short", "definition-elsewhere", "version-elsewhere"],
)
def test_versions_that_could_not_be_restored_are_kept(
    subscription: Subscription, rules: str, changes: dict[str, Any], kept: set[str]
) -> None:
    """The `recycle_bin` of the policy is `required` by default."""
    world = due_world()
    one = world["galleries"][0]
    definition = one["definitions"][0]
    if "version" in changes:
        definition["versions"][2] |= changes["version"]
    definition |= changes.get("definition", {})
    one |= {key: value for key, value in changes.items() if key == "soft_delete"}
    subscription.load(**world)
    done = plan(subscription, rules)
    assert done.returncode == DONE, done.stderr
    found = decisions(done.stdout)
    because = {n for n in found if "not_recoverable" in reasons(found[n])}
    assert because == kept
    assert with_action(done.stdout, "deregister") == web(2, 3, 4) - kept


def test_two_galleries_have_their_own_soft_delete(
    subscription: Subscription, tmp_path: Path
) -> None:
    world = due_world()
    old = version(1, 90, tags={EXPIRED_AT: ago(1)})
    new = version(2, 80)
    world["galleries"].append(gallery(old, new, name="plain", soft_delete=None))
    subscription.load(**world)
    both = azure_policy(AT_ONCE, match='name = "*/web/*"', keep="last = 1")
    # One family: the newest of both galleries is kept.
    rules = write(tmp_path / "p.toml", both)
    done = plan(subscription, rules)
    assert with_action(done.stdout, "deregister") == web(2, 3, 4)
    found = decisions(done.stdout)["plain/web/1.0.0"]
    assert "not_recoverable" in reasons(found)
    optional = azure_policy(
        AT_ONCE, 'name = "*/web/*"', "last = 1", 'recycle_bin = "optional"'
    )
    done = plan(subscription, write(tmp_path / "o.toml", optional))
    assert with_action(done.stdout, "deregister") == web(2, 3, 4) | {"plain/web/1.0.0"}


def test_launched_within_is_refused_with_the_reason(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Azure reports no launches, so the rule would keep nothing."""
    subscription.load(**due_world())
    keep = 'launched_within = "30d", at_least = 1'
    rules = write(tmp_path / "p.toml", azure_policy(AT_ONCE, keep=keep))
    for command in (["plan"], ["apply", "--yes"], ["explain", "golden/web/3.0.0"]):
        done = azure_steward(subscription, *command, "--policy", rules)
        assert done.returncode in (USAGE, REFUSED), done.stdout + done.stderr
        assert "launched_within" in done.stdout + done.stderr
    assert subscription.changes() == []


def test_versions_that_are_not_available_take_no_part(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Failed builds must not push out the last good version."""
    states = ["Failed", "Creating", "Updating", "Deleting", "Odd"]
    versions = [version(1, 60), version(2, 50)]
    versions += [version(3 + n, 40 - n, state=s) for n, s in enumerate(states)]
    subscription.load(**web_world(galleries=[gallery(*versions)]))
    rules = write(tmp_path / "p.toml", azure_policy(AT_ONCE, keep="last = 2"))
    done = plan(subscription, rules)
    assert done.returncode == DONE, done.stderr
    found = actions(done.stdout)
    assert set(found.values()) == {"keep"}, found


def test_a_failed_version_in_a_gallery_with_soft_delete_is_kept_with_the_reason(
    subscription: Subscription, rules: str
) -> None:
    versions = [
        version(1, 60, state="Failed", replication={"westeurope": "Failed"}),
        version(2, 50),
    ]
    subscription.load(**web_world(galleries=[gallery(*versions)]))
    found = decisions(plan(subscription, rules).stdout)["golden/web/1.0.0"]
    assert found["action"] == "keep"
    assert "soft delete" in json.dumps(found["reasons"])


def test_too_few_references_are_suspicious(
    subscription: Subscription, rules: str
) -> None:
    world = due_world(virtual_machines=[], scale_sets=[], image_templates=[])
    subscription.load(**world)
    refused(subscription, rules)


def test_a_refused_deletion_is_reported_with_the_reason_of_azure(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due_world())
    locked = {
        "method": "DELETE",
        "path": "/versions/3.0.0$",
        "status": 409,
        "code": "ScopeLocked",
        "message": "The scope cannot perform delete operation because it is locked.",
    }
    subscription.switch(faults=[locked])
    done = azure_steward(subscription, "apply", "--yes", "--policy", rules)
    assert done.returncode == PART, done.stdout + done.stderr
    said = done.stdout + done.stderr
    [line] = [one for one in said.splitlines() if one.startswith("failed:")]
    assert "3.0.0" in line
    assert "locked" in said
    assert subscription.soft_deleted() == web(2, 4)


@pytest.mark.parametrize(
    ("denied", "code"),
    [
        ("Microsoft.Compute/galleries/images/versions/delete", FAILED),
        ("Microsoft.Resources/tags/write", DONE),
    ],
)
def test_a_missing_permission_for_a_change_is_named(
    subscription: Subscription, rules: str, denied: str, code: int
) -> None:
    subscription.load(**due_world())
    subscription.switch(deny=[denied])
    done = azure_steward(subscription, "apply", "--yes", "--policy", rules)
    assert done.returncode == code, done.stdout + done.stderr
    if code == FAILED:
        assert denied in done.stdout + done.stderr
        assert subscription.soft_deleted() == set()


def test_a_managed_image_from_which_a_machine_is_created_stays(
    subscription: Subscription, tmp_path: Path
) -> None:
    images = [
        {"name": "web-1", "created_at": ago(9)},
        {"name": "web-2", "created_at": ago(20), "tags": {EXPIRED_AT: ago(1)}},
    ]
    machines = [{"name": "vm", "image": "web-2", "state": "Creating"}]
    subscription.load(images=images, virtual_machines=machines)
    rules = write(tmp_path / "p.toml", managed_policy("optional"))
    done = azure_steward(subscription, "apply", "--yes", "--policy", rules)
    assert done.returncode == DONE, done.stdout + done.stderr
    assert subscription.images() == {"web-1", "web-2"}


def test_a_forged_tag_does_not_shorten_the_way(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Azure's own dates are the clock: the tag alone makes no version due for deletion."""
    world = due_world()
    for one in world["galleries"][0]["definitions"][0]["versions"][1:4]:
        one["tags"] = {EXPIRED_AT: ago(29)}
    subscription.load(**world)
    rules = write(tmp_path / "p.toml", azure_policy())
    done = plan(subscription, rules)
    assert with_action(done.stdout, "deregister") == set()
    assert with_action(done.stdout, "deprecate") == web(2, 3, 4)
    assert version_id("golden/web/2.0.0").lower() in done.stdout
