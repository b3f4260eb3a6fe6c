"""The calls of a plan and of an apply on Azure: their number, pages, throttling and failures."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import (
    AT_ONCE,
    EXPIRED_AT,
    azure_policy,
    gallery,
    version,
    web,
    with_action,
)
from harness import DONE, FAILED, PART, REFUSED, ROOT, write
from local_azure import Subscription, azure_steward
from worlds import ago

VERSION = "Microsoft.Compute/galleries/images/versions"
TAGS = "Microsoft.Resources/tags/write"
GRAPH = "Microsoft.ResourceGraph/resources/read"
COMPUTE = "Microsoft.Compute"


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file that deletes one hour after expiring."""
    return write(tmp_path / "policy.toml", azure_policy(AT_ONCE))


def due(count: int, **more: Any) -> dict[str, Any]:
    """This many versions that are due for deletion, and two that are kept."""
    tags = {EXPIRED_AT: ago(1)}
    versions = [version(n, 400 - n, tags=tags) for n in range(1, count + 1)]
    versions += [version(count + n, 3 - n) for n in (1, 2)]
    world = {
        "galleries": [gallery(*versions)],
        "virtual_machines": [
            {"name": "vm", "image": f"golden/web/{count + 2}.0.0"},
        ],
    }
    return world | more


def run(account: Subscription, rules: str, *command: str, code: int = DONE) -> str:
    """Run the command on a page size that needs no further pages, and return its output."""
    account.forget_calls()
    arguments = ("--policy", rules, "--format", "json")
    done = azure_steward(account, *command, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_plan_has_a_budget_of_calls(subscription: Subscription, rules: str) -> None:
    """One for each list, one for each of the 20 newest versions, and one for each candidate."""
    subscription.load(**due(8))
    subscription.switch(page_size=1000)
    text = run(subscription, rules, "plan")
    assert len(with_action(text, "deregister")) == 8
    counts = subscription.call_counts()
    lists = {
        "Microsoft.Resources/subscriptions/read": 2,
        f"{COMPUTE}/galleries/read": 1,
        f"{COMPUTE}/galleries/images/read": 1,
        f"{COMPUTE}/images/read": 1,
        "Microsoft.Authorization/locks/read": 1,
        f"{COMPUTE}/virtualMachines/read": 1,
        f"{COMPUTE}/virtualMachineScaleSets/read": 1,
        "Microsoft.VirtualMachineImages/imageTemplates/read": 1,
        GRAPH: 2,
    }
    assert {name: counts[name] for name in lists} == lists
    # The list of versions, and the replication of each.
    assert counts[f"{VERSION}/read"] <= 1 + 10
    assert counts.total() <= 35, dict(counts)


def test_an_apply_has_a_budget_of_calls(subscription: Subscription, rules: str) -> None:
    subscription.load(**due(8))
    subscription.switch(page_size=1000)
    run(subscription, rules, "plan")
    planned = subscription.call_counts().total()
    run(subscription, rules, "apply", "--yes")
    assert len(subscription.soft_deleted()) == 8
    counts = subscription.call_counts()
    assert counts[f"{VERSION}/delete"] == 8
    # For each deletion: the version and its gallery once more, and the call itself.
    assert counts.total() <= 2 * planned + 8 * 4, dict(counts)


def test_a_quiet_run_changes_nothing_and_costs_as_much_as_a_plan(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due(0))
    subscription.switch(page_size=1000)
    run(subscription, rules, "plan")
    planned = subscription.call_counts()
    run(subscription, rules, "apply", "--yes")
    assert subscription.changes() == []
    assert subscription.call_counts().total() <= 2 * planned.total()


def test_small_pages_give_the_same_plan(subscription: Subscription, rules: str) -> None:
    machines = [{"name": f"vm{n}", "image": "golden/web/3.0.0"} for n in range(7)]
    world = due(9, virtual_machines=machines)
    world["galleries"].append(gallery(version(1, 3), name="second"))
    subscription.load(**world)
    seen = []
    for size in (1, 2, 1000):
        subscription.switch(page_size=size)
        decided = json.loads(run(subscription, rules, "plan"))["decisions"]
        seen.append([(one["image_id"], one["action"]) for one in decided])
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 12


def test_calls_use_only_the_permissions_of_the_role(
    subscription: Subscription, rules: str
) -> None:
    """infra/azure/actions.json has the actions of the deployed role."""
    file = json.loads((ROOT / "infra/azure/actions.json").read_text())
    # In no published list of permissions.
    unlisted = f"{COMPUTE}/galleries/softDeletedArtifactTypes/artifacts/versions/read"
    subscription.load(**due(3, images=[{"name": "base", "created_at": ago(3)}]))
    run(subscription, rules, "apply", "--yes")
    used = set(subscription.call_counts())
    assert used <= {*file["plan"], *file["apply"], *file["reap"], unlisted}
    subscription.forget_calls()
    subscription.switch(operations={"polls": 1, "seconds": 60, "retry_after": 1})
    done = azure_steward(subscription, "restore", "golden/web/1.0.0")
    assert done.returncode == DONE, done.stderr
    used = set(subscription.call_counts())
    assert f"{COMPUTE}/locations/capsOperations/read" in used
    assert used <= {*file["plan"], *file["restore"], unlisted}


def test_throttled_calls_wait_and_the_run_succeeds(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due(4))
    throttled = {
        "status": 429,
        "code": "OperationNotAllowed",
        "retry_after": 1,
        "operation": f"{VERSION}/delete",
        "nth": 2,
    }
    subscription.switch(faults=[throttled])
    began = time.monotonic()
    run(subscription, rules, "apply", "--yes")
    assert time.monotonic() - began >= 1
    assert len(subscription.soft_deleted()) == 4


def test_a_used_up_budget_delays_the_run_and_is_not_exceeded_again(
    subscription: Subscription, rules: str
) -> None:
    """A budget of 3 deletions in 3 minutes refills by one in 60 seconds."""
    subscription.load(**due(4))
    subscription.switch(budgets={"GetGalleryImageVersion": [60, 10000]})
    run(subscription, rules, "apply", "--yes")
    statuses = Counter(one["status"] for one in subscription.calls())
    assert statuses[429] <= 1, statuses
    assert len(subscription.soft_deleted()) == 4


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "nth": 2},
        {"status": 503, "nth": 3, "retry_after": 1},
        {"cut": 20, "nth": 2},
        {"status": 429, "code": "TooManyRequests", "retry_after": 1, "nth": 1},
        {"body": "<html>", "nth": 4},
    ],
    ids=["500", "503", "cut", "429", "html"],
)
def test_one_failed_read_is_repeated_or_refuses(
    subscription: Subscription, rules: str, fault: dict[str, Any]
) -> None:
    subscription.load(**due(3))
    subscription.switch(faults=[{"method": "GET"} | fault])
    done = azure_steward(subscription, "apply", "--yes", "--policy", rules)
    assert done.returncode in (DONE, FAILED, REFUSED), done.stdout + done.stderr
    if done.returncode == DONE:
        assert subscription.soft_deleted() == web(1, 2, 3)
    else:
        assert subscription.soft_deleted() == set()


def test_a_change_whose_response_is_lost_is_not_an_error_forever(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**due(3))
    lost = {"operation": f"{VERSION}/delete", "lost": True, "nth": 1}
    subscription.switch(faults=[lost])
    done = azure_steward(subscription, "apply", "--yes", "--policy", rules)
    assert done.returncode in (DONE, PART), done.stdout + done.stderr
    subscription.switch()
    run(subscription, rules, "apply", "--yes")
    assert subscription.soft_deleted() == web(1, 2, 3)


def test_a_large_gallery(subscription: Subscription, tmp_path: Path) -> None:
    """1,000 versions; with STEWARD_VERSIONS=10000, Azure's quota for a subscription and Region."""
    count = int(os.environ.get("STEWARD_VERSIONS", "1000"))
    definitions = max(1, count // 1000)
    # For each definition: its list, and the replication of its newest versions.
    _large(
        subscription, tmp_path, definitions, count // definitions, 40 + 45 * definitions
    )


def _large(
    account: Subscription,
    directory: Path,
    definitions: int,
    versions: int,
    most_calls: int,
) -> None:
    made = [
        {
            "name": f"web{one}",
            "versions": [version(n, versions - n) for n in range(versions)],
        }
        for one in range(definitions)
    ]
    one = gallery() | {"definitions": made}
    machines = [{"name": "vm", "image": "golden/web0/1.0.0"}]
    account.load(galleries=[one], virtual_machines=machines)
    account.switch(page_size=1000)
    text = azure_policy(match='name = "golden/*"', keep="last = 10")
    rules = write(directory / "large.toml", text)
    began = time.monotonic()
    planned = json.loads(run(account, rules, "plan"))
    seconds = time.monotonic() - began
    calls = account.call_counts().total()
    print(f"\n{definitions * versions} versions: {seconds:.1f} s, {calls} calls")
    assert len(planned["decisions"]) == definitions * versions
    assert calls <= most_calls
