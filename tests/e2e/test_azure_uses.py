"""What holds an image on Azure: each user keeps exactly the images that it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import (
    azure_policy,
    canonical,
    decisions,
    gallery,
    machine,
    version,
    web,
    with_action,
)
from harness import DONE, write
from local_azure import ID, OTHER, Subscription, azure_steward, compute_id
from outcomes import reasons
from worlds import ago

TENANT = "99999999-9999-9999-9999-999999999999"


def plan(account: Subscription, directory: Path, **policy: str) -> str:
    """The plan in JSON, with a policy that keeps only the newest version."""
    rules = write(
        directory / "policy.toml", azure_policy(**{"keep": "last = 1"} | policy)
    )
    done = azure_steward(account, "plan", "--policy", rules, "--format", "json")
    assert done.returncode == DONE, done.stdout + done.stderr
    return done.stdout


def in_use(text: str) -> set[str]:
    """The short names of the images that are kept because something uses them."""
    found = decisions(text)
    return {name for name, one in found.items() if "in_use" in reasons(one)}


def users(text: str, name: str) -> str:
    """The reasons of a decision as text."""
    return json.dumps(decisions(text)[name]["reasons"])


def world(*versions: Any, **more: Any) -> dict[str, Any]:
    """Versions 1 to 6, the newest last, and one user of version 1, so that there is a reference."""
    made = versions or tuple(version(n, 70 - 10 * n) for n in range(1, 7))
    return {
        "galleries": [gallery(*made)],
        "virtual_machines": [machine("vm", "golden/web/1.0.0")],
    } | more


@pytest.mark.parametrize(
    "users_of_3",
    [
        {"virtual_machines": [machine("vm", "golden/web/3.0.0")]},
        {"scale_sets": [{"name": "set", "image": "golden/web/3.0.0"}]},
        {
            # The model was changed since this instance was created.
            "scale_sets": [
                {
                    "name": "set",
                    "image": "golden/web/6.0.0",
                    "instances": [
                        {"id": "0", "image": "golden/web/3.0.0", "latest_model": False}
                    ],
                }
            ]
        },
        {
            "scale_sets": [
                {"name": "flex", "mode": "Flexible", "image": "golden/web/6.0.0"}
            ],
            "virtual_machines": [
                machine("flex_1", "golden/web/3.0.0", scale_set="flex")
            ],
        },
        {"image_templates": [{"name": "t", "source": "golden/web/3.0.0"}]},
        {
            # A machine that names only the definition, and whose disk names the version.
            "virtual_machines": [
                machine("vm", "golden/web", exact_version=None, os_disk="d")
            ],
            "disks": [{"name": "d", "image": "golden/web/3.0.0", "attached_to": "vm"}],
        },
    ],
    ids=["machine", "model", "instance", "flexible", "template", "disk"],
)
def test_every_user_holds_its_version(
    subscription: Subscription, tmp_path: Path, users_of_3: dict[str, Any]
) -> None:
    subscription.load(**world() | {"virtual_machines": []} | users_of_3)
    text = plan(subscription, tmp_path)
    assert "golden/web/3.0.0" in in_use(text)
    assert in_use(text) <= web(3, 6)
    assert with_action(text, "deprecate") == web(1, 2, 4, 5)


def test_latest_is_the_highest_number_and_not_the_newest_date(
    subscription: Subscription, tmp_path: Path
) -> None:
    versions = [version(9, 50), version(1, 40), version(2, 30), version(3, 20)]
    sets = [{"name": "set", "image": "golden/web"}]
    subscription.load(**world(*versions, scale_sets=sets))
    text = plan(subscription, tmp_path)
    # 1 is used by the virtual machine, and 3 is the newest.
    assert in_use(text) == web(1, 9)
    assert "latest in westeurope" in users(text, "golden/web/9.0.0")
    assert with_action(text, "deprecate") == web(2)


def test_latest_is_resolved_in_each_region(
    subscription: Subscription, tmp_path: Path
) -> None:
    both = ["westeurope", "northeurope"]
    versions = [
        version(1, 70),
        version(2, 60, regions=both),
        version(3, 50, regions=both),
        # In one Region only.
        version(4, 40),
        # Not for `latest` in one Region.
        version(
            5,
            30,
            regions=[
                "westeurope",
                {"name": "northeurope", "exclude_from_latest": True},
            ],
        ),
        # Not for `latest` anywhere.
        version(6, 20, regions=both, exclude_from_latest=True),
        version(0, 10, regions=both),
    ]
    sets = [
        {"name": "here", "image": "golden/web"},
        {"name": "there", "image": "golden/web", "location": "northeurope"},
    ]
    subscription.load(**world(*versions, scale_sets=sets))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 3, 5)
    assert "latest in northeurope" in users(text, "golden/web/3.0.0")
    assert "latest in westeurope" in users(text, "golden/web/5.0.0")


def test_a_version_that_is_not_replicated_does_not_replace_another(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Neither as `latest`, nor as one of the newest that a rule keeps."""
    both = ["westeurope", "northeurope"]
    versions = [
        version(1, 70),
        version(2, 60, regions=both),
        version(3, 50, regions=both),
        version(4, 40, regions=both, replication={"northeurope": "Replicating"}),
    ]
    sets = [{"name": "there", "image": "golden/web", "location": "northeurope"}]
    subscription.load(**world(*versions, scale_sets=sets))
    text = plan(subscription, tmp_path)
    found = decisions(text)
    assert {"golden/web/3.0.0", "golden/web/1.0.0"} <= in_use(text)
    assert found["golden/web/4.0.0"]["action"] == "keep"
    assert any(
        one["reason"] == "last" or "newest" in json.dumps(one)
        for one in found["golden/web/3.0.0"]["reasons"]
    )
    assert with_action(text, "deprecate") == web(2)


def test_a_definition_without_a_certain_latest_version_holds_all(
    subscription: Subscription, tmp_path: Path
) -> None:
    sets = [{"name": "far", "image": "golden/web", "location": "japaneast"}]
    subscription.load(**world(scale_sets=sets))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(*range(1, 7))
    assert "not resolved" in users(text, "golden/web/3.0.0")


def test_a_scale_set_that_names_a_version_that_is_gone(
    subscription: Subscription, tmp_path: Path
) -> None:
    """It holds nothing else, and is no error."""
    sets = [
        {"name": "set", "image": "golden/web/77.0.0"},
        {"name": "old", "image": "gone/web/1.0.0"},
        {"name": "older", "image": "gone/web"},
    ]
    subscription.load(**world(scale_sets=sets))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1)
    assert with_action(text, "deprecate") == web(2, 3, 4, 5)


def test_a_shallow_version_holds_its_source(
    subscription: Subscription, tmp_path: Path
) -> None:
    versions = [version(n, 70 - 10 * n) for n in range(1, 5)]
    versions.append(
        version(5, 10, source="golden/web/2.0.0", replication_mode="Shallow")
    )
    # A complete copy does not need its source.
    versions.append(version(6, 5, source="golden/web/3.0.0"))
    subscription.load(**world(*versions))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 2)
    assert "golden/web/3.0.0" in with_action(text, "deprecate")


@pytest.mark.parametrize(
    ("sharing", "with_whom"),
    [
        ({"sharing": "Community"}, None),
        ({"sharing": "Groups", "shared_with": {"subscriptions": [OTHER]}}, OTHER),
        ({"sharing": "Groups", "shared_with": {"tenants": [TENANT]}}, TENANT),
        # Nothing is listed, which is not the same as nobody.
        ({"sharing": "Groups"}, None),
    ],
    ids=["community", "subscription", "tenant", "unlisted"],
)
def test_a_shared_gallery_keeps_its_versions(
    subscription: Subscription,
    tmp_path: Path,
    sharing: dict[str, Any],
    with_whom: str | None,
) -> None:
    versions = [version(n, 70 - 10 * n) for n in range(1, 7)]
    subscription.load(**world(galleries=[gallery(*versions, **sharing)]))
    text = plan(subscription, tmp_path)
    assert with_action(text, "deprecate") == set()
    found = decisions(text)["golden/web/3.0.0"]
    assert reasons(found) & {"shared", "public"}
    if with_whom is not None:
        assert with_whom in json.dumps(found["reasons"])


def test_private_galleries_are_not_shared(
    subscription: Subscription, tmp_path: Path
) -> None:
    versions = [version(n, 70 - 10 * n) for n in range(1, 7)]
    galleries = [gallery(*versions, sharing="Private")]
    subscription.load(**world(galleries=galleries))
    assert with_action(plan(subscription, tmp_path), "deprecate") == web(2, 3, 4, 5)


def test_a_machine_of_another_subscription_holds_its_version(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Resource Graph finds it in any subscription that can be read, and may only keep."""
    theirs = machine("theirs", "golden/web/3.0.0", subscription=OTHER)
    machines = [machine("vm", "golden/web/1.0.0"), theirs]
    subscription.load(**world(virtual_machines=machines))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 3)
    assert OTHER in users(text, "golden/web/3.0.0")
    assert with_action(text, "deprecate") == web(2, 4, 5)


def test_a_machine_of_a_named_subscription_is_read_from_there(
    subscription: Subscription, tmp_path: Path
) -> None:
    theirs = machine("theirs", "golden/web/3.0.0", subscription=OTHER)
    machines = [machine("vm", "golden/web/1.0.0"), theirs]
    subscription.load(**world(virtual_machines=machines))
    # Resource Graph does not show it yet.
    nothing = {"data": [], "count": 0, "totalRecords": 0}
    late = {"operation": "Microsoft.ResourceGraph/resources/read", "set": nothing}
    subscription.switch(faults=[late])
    assert in_use(plan(subscription, tmp_path)) == web(1)
    subscription.forget_calls()
    rules = f'subscriptions = ["{OTHER.upper()}"]'
    assert in_use(plan(subscription, tmp_path, safety=rules)) == web(1, 3)
    reads = {
        one["subscription"]
        for one in subscription.calls()
        if one["path"].endswith("/virtualMachines")
    }
    assert reads == {ID, OTHER}


def test_resource_graph_that_is_late_keeps_an_image_for_longer(
    subscription: Subscription, tmp_path: Path
) -> None:
    theirs = machine("theirs", "golden/web/3.0.0", subscription=OTHER)
    machines = [machine("vm", "golden/web/1.0.0"), theirs]
    subscription.load(**world(virtual_machines=machines))
    subscription.switch(graph_stale=True)
    path = compute_id("virtualMachines", "theirs", OTHER)
    subscription.send("DELETE", f"{path}?api-version=2026-04-01")
    assert in_use(plan(subscription, tmp_path)) == web(1, 3)
    subscription.switch()
    assert in_use(plan(subscription, tmp_path)) == web(1)


def test_other_kinds_of_users_are_found_in_resource_graph(
    subscription: Subscription, tmp_path: Path
) -> None:
    """The text of each row is searched for ids, whatever its type is."""
    instance = {"id": "0", "image": "golden/web/3.0.0", "latest_model": False}
    sets = [
        {
            "name": "set",
            "image": "golden/web/2.0.0",
            "subscription": OTHER,
            "instances": [instance],
        }
    ]
    templates = [{"name": "t", "source": "golden/web/4.0.0", "subscription": OTHER}]
    subscription.load(**world(scale_sets=sets, image_templates=templates))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 2, 3, 4)


def test_a_row_that_names_only_a_definition_holds_its_latest_version(
    subscription: Subscription, tmp_path: Path
) -> None:
    sets = [{"name": "set", "image": "golden/web", "subscription": OTHER}]
    versions = [version(9, 50), version(1, 40), version(2, 30), version(3, 20)]
    subscription.load(**world(*versions, scale_sets=sets))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 9)


def test_a_soft_deleted_version_is_not_latest(
    subscription: Subscription, tmp_path: Path
) -> None:
    versions = [version(n, 70 - 10 * n) for n in range(1, 5)]
    versions.append(version(8, 15, soft_deleted_at=ago(2)))
    sets = [{"name": "set", "image": "golden/web"}]
    subscription.load(**world(*versions, scale_sets=sets))
    text = plan(subscription, tmp_path)
    assert in_use(text) == web(1, 4)
    assert canonical("golden/web/8.0.0") not in text
