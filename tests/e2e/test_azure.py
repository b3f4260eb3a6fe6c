"""The commands that read, on a local Azure subscription."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azure_worlds import (
    actions,
    azure_policy,
    canonical,
    decisions,
    gallery,
    machine,
    managed_policy,
    version,
    web,
    web_world,
    with_action,
)
from harness import DONE, USAGE, write
from local_azure import ID, OTHER, Subscription, azure_steward, run_command
from outcomes import reasons
from worlds import ago


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file."""
    return write(tmp_path / "policy.toml", azure_policy())


def test_an_inventory_has_all_images_and_references(subscription: Subscription) -> None:
    images = [{"name": "base", "created_at": ago(30), "data_disks": [64]}]
    subscription.load(**web_world(images=images))
    done = azure_steward(subscription, "inventory")
    assert done.returncode == DONE, done.stderr
    inventory = json.loads(done.stdout)
    assert inventory["account"] == ID
    assert "region" not in inventory
    names = {one["name"]: one for one in inventory["images"]}
    assert names.keys() == web(*range(1, 7)) | {"base"}
    newest = names["golden/web/6.0.0"]
    assert newest["image_id"] == canonical("golden/web/6.0.0")
    assert newest["definition"] == "golden/web"
    assert newest["os_state"] == "generalized"
    assert newest["created_at"][:10] == ago(10)[:10]
    # Only the list of resources contains the time of a managed image.
    assert names["base"]["created_at"][:10] == ago(30)[:10]
    assert [one.get("size_gib") for one in names["base"]["disks"]] == [30, 64]
    [reference] = inventory["references"]
    assert reference["image_id"] == canonical("golden/web/1.0.0")
    assert reference["arn"].endswith("/virtualmachines/vm")
    assert subscription.changes() == []


def test_a_plan_decides_about_every_image_and_changes_nothing(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**web_world())
    before = subscription.resources()
    done = azure_steward(subscription, "plan", "--policy", rules, "--format", "json")
    assert done.returncode == DONE, done.stderr
    assert actions(done.stdout) == {
        "golden/web/6.0.0": "keep",
        "golden/web/5.0.0": "keep",
        "golden/web/4.0.0": "deprecate",
        "golden/web/3.0.0": "deprecate",
        "golden/web/2.0.0": "deprecate",
        "golden/web/1.0.0": "keep",
    }
    found = decisions(done.stdout)
    assert reasons(found["golden/web/1.0.0"]) == {"in_use"}
    assert subscription.changes() == []
    assert subscription.resources() == before


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_a_plan_for_people_names_versions_by_gallery_and_definition(
    subscription: Subscription, rules: str, form: str
) -> None:
    subscription.load(**web_world())
    arguments = ("--policy", rules, "--all", "--format", form)
    done = azure_steward(subscription, "plan", *arguments)
    assert done.returncode == DONE, done.stderr
    for one in web(*range(1, 7)):
        assert one in done.stdout
    assert "AMI" not in done.stdout


def test_a_saved_inventory_gives_the_same_plan(
    subscription: Subscription, rules: str, tmp_path: Path
) -> None:
    subscription.load(**web_world())
    arguments = ("--policy", rules, "--format", "json")
    live = azure_steward(subscription, "plan", *arguments)
    saved = azure_steward(subscription, "inventory")
    file = write(tmp_path / "saved.json", saved.stdout)
    now = json.loads(live.stdout)["planned_at"]
    subscription.forget_calls()
    again = ("--inventory", file, "--now", now)
    offline = run_command(subscription, "plan", *arguments, *again)
    assert offline.returncode == DONE, offline.stderr
    assert subscription.calls() == []
    assert decisions(offline.stdout) == decisions(live.stdout)


def test_explain_reports_and_simulate_know_the_images(
    subscription: Subscription, rules: str, tmp_path: Path
) -> None:
    subscription.load(**web_world())
    # By name, and by id in another case.
    for name in ("golden/web/1.0.0", canonical("golden/web/1.0.0").upper()):
        told = azure_steward(subscription, "explain", name, "--policy", rules)
        assert told.returncode == DONE, told.stderr
        assert "golden/web/1.0.0" in told.stdout
        assert "virtual machine" in told.stdout.lower()
    page = tmp_path / "report.html"
    done = azure_steward(subscription, "report", "--policy", rules, "--out", str(page))
    assert done.returncode == DONE, done.stderr
    assert "golden/web/4.0.0" in page.read_text()
    simulated = azure_steward(
        subscription, "simulate", "--policy", rules, "--days", "60", "--format", "json"
    )
    assert simulated.returncode == DONE, simulated.stderr
    assert json.loads(simulated.stdout)
    assert subscription.changes() == []


def test_init_writes_a_policy_that_can_be_planned_with(
    subscription: Subscription, tmp_path: Path
) -> None:
    subscription.load(**web_world())
    file = tmp_path / "first.toml"
    done = azure_steward(subscription, "init", "--out", str(file))
    assert done.returncode == DONE, done.stderr
    text = file.read_text()
    assert "launched_within" not in text
    planned = azure_steward(
        subscription, "plan", "--policy", str(file), "--format", "json"
    )
    assert planned.returncode == DONE, planned.stderr
    assert actions(planned.stdout).keys() == web(*range(1, 7))


def test_an_empty_subscription_is_one_line(
    subscription: Subscription, rules: str
) -> None:
    done = azure_steward(subscription, "plan", "--policy", rules)
    assert done.returncode == DONE, done.stderr
    [line] = done.stdout.splitlines()
    assert ID in line


def test_ids_in_any_case_are_one_image(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Azure's services spell ids differently. A missed match would free an image in use."""
    upper = canonical("golden/web/1.0.0").upper()
    world = web_world(
        virtual_machines=[
            machine("vm", {"id": upper}),
            machine("vm2", {"id": canonical("golden/web/2.0.0")}),
        ],
        images=[{"name": "web-1", "created_at": ago(40)}],
        scale_sets=[{"name": "set", "image": "golden/web/3.0.0", "group": "OTHER"}],
    )
    subscription.load(**world)
    pin = canonical("golden/web/4.0.0").swapcase()
    rules = write(
        tmp_path / "p.toml", azure_policy(safety=f'pinned = ["{pin}"]', keep="last = 1")
    )
    done = azure_steward(subscription, "plan", "--policy", rules, "--format", "json")
    assert done.returncode == DONE, done.stderr
    found = decisions(done.stdout)
    assert {name for name in web(1, 2, 3) if "in_use" in reasons(found[name])} == web(
        1, 2, 3
    )
    assert reasons(found["golden/web/4.0.0"]) == {"pinned"}
    assert with_action(done.stdout, "deprecate") == web(5)


def test_the_subscription_id_may_be_in_capitals(
    subscription: Subscription, rules: str
) -> None:
    one = "AAAAAAAA-1111-1111-1111-111111111111"
    subscription.load(subscription=one.lower(), **web_world())
    arguments = ("--policy", rules, "--format", "json")
    done = azure_steward(subscription, "plan", *arguments, subscription=one)
    assert done.returncode == DONE, done.stderr
    assert with_action(done.stdout, "deprecate") == web(2, 3, 4)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--subscription", "123456789012"], "subscription"),
        (["--subscription", "prod"], "az account show"),
        (["--subscription", ID, "--region", "eu-central-1"], "--region"),
        (["--credentials", "azure-cli"], "--subscription"),
        (["--subscription", ID, "--credentials", "password"], "managed-identity"),
    ],
)
def test_wrong_options_are_a_usage_error(
    subscription: Subscription, arguments: list[str], word: str
) -> None:
    done = run_command(subscription, "inventory", *arguments)
    assert done.returncode == USAGE
    assert word in done.stderr
    assert subscription.calls() == []


def test_versions_of_other_subscriptions_are_not_ours(
    subscription: Subscription, rules: str
) -> None:
    theirs = gallery(version(1, 90), name="theirs", subscription=OTHER)
    world = web_world()
    world["galleries"].append(theirs)
    subscription.load(**world)
    done = azure_steward(subscription, "plan", "--policy", rules, "--format", "json")
    assert actions(done.stdout).keys() == web(*range(1, 7))


def test_managed_images_take_their_age_from_the_list_of_resources(
    subscription: Subscription, tmp_path: Path
) -> None:
    """Without an age, an image is kept: a missing age must never count as old."""
    images = [{"name": f"web-{age}", "created_at": ago(age)} for age in (10, 20, 30)]
    world = web_world(images=images)
    subscription.load(**world)
    rules = write(tmp_path / "p.toml", managed_policy("optional"))
    arguments = ("--policy", rules, "--format", "json")
    done = azure_steward(subscription, "plan", *arguments)
    assert with_action(done.stdout, "expire") == {"web-20", "web-30"}
    drop = {"drop": "value[].createdTime", "path": "/resources$"}
    subscription.switch(faults=[drop])
    done = azure_steward(subscription, "plan", *arguments)
    assert done.returncode == DONE, done.stderr
    found = decisions(done.stdout)
    for name in ("web-10", "web-20", "web-30"):
        assert reasons(found[name]) == {"age_unknown"}
