"""Tests of `make verify-azure` on the local Azure: its results and its cleanup.

These tests do not show how Azure behaves, because the local Azure is built on the same assumptions.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arm_client import version_of
from azure_assumptions import ASSUMPTIONS, QUESTIONS
from harness import ROOT
from local_azure import ID, Subscription, azure_environment
from made_resources import KEY, echo
from reading_checks import operations

HERE = Path(__file__).parent
NOT_SERVED = {"actions-exist", "soft-deleted-action"}
"""The local Azure has no list of actions."""


@pytest.fixture(scope="module")
def running() -> Iterator[Subscription]:
    with Subscription() as subscription:
        yield subscription


@pytest.fixture
def subscription(running: Subscription) -> Subscription:
    """A subscription with an unrelated image. Operations take one poll."""
    running.load(images=[{"name": "theirs"}])
    set_switches(running)
    return running


def set_switches(subscription: Subscription, **switches) -> None:
    operations = {"polls": 1, "seconds": 3600, "retry_after": 0}
    subscription.switch(**{"operations": operations} | switches)


def start(
    subscription: Subscription, *arguments: str, **settings: str
) -> subprocess.Popen[str]:
    fast = ["--patience", "3", "--interval", "0.02", "--endpoint", subscription.url]
    variables = {"YES": "1", "SUBSCRIPTION": ID, "LOCATION": "westeurope"}
    return subprocess.Popen(
        [sys.executable, str(HERE), *fast, *arguments],
        env=azure_environment(subscription, variables | settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def verify(
    subscription: Subscription, *arguments: str, **settings: str
) -> tuple[int, str]:
    process = start(subscription, *arguments, **settings)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def results(output: str) -> dict[str, str]:
    """The result of each check in the Markdown table."""
    return dict(re.findall(r"^\| `([\w-]+)` \| ([a-z ]+) \|", output, re.MULTILINE))


def left(subscription: Subscription) -> list[str]:
    """What the fixture did not create, soft-deleted versions too."""
    world = subscription.world()
    found = [one["name"] for one in world["resources"] if one["name"] != "theirs"]
    found += [one["name"] for one in world["groups"] if one["name"] != "Images"]
    return found + [one["resource"]["id"] for one in world["soft_deleted"]]


def test_the_local_azure_is_as_assumed(subscription: Subscription) -> None:
    code, output = verify(subscription)
    found = results(output)
    assert code == 0, output
    assert list(found) == list(ASSUMPTIONS)
    unchecked = {name for name, one in found.items() if "checked" in one}
    assert unchecked == NOT_SERVED
    answered = {name for name, one in found.items() if one in ("yes", "no")}
    assert answered == QUESTIONS - NOT_SERVED
    assert left(subscription) == []
    assert "Left in the subscription: nothing" in output
    # The summary does not contain the subscription id.
    assert ID not in output[output.index("### ") :]
    # Everything was created with the tag, and in one resource group.
    groups = {
        one["path"].split("/")[4]
        for one in subscription.calls()
        if one["method"] == "PUT"
    }
    assert len(groups) == 1


@pytest.mark.parametrize(
    ("switches", "changed"),
    [
        ({"restored_tags": "kept"}, {"restored-tags": "yes"}),
        ({"restored_tags": "lost"}, {"restored-tags": "no"}),
        ({"tags_update_versions": True}, {"tag-no-update": "no"}),
        ({"lingering_reads": 2}, {"image-deleted": "does not hold"}),
    ],
    ids=["kept tags", "lost tags", "tags update", "lingering"],
)
def test_another_behavior_is_reported(
    subscription: Subscription, switches: dict, changed: dict[str, str]
) -> None:
    operations = {"polls": 1, "seconds": 1, "retry_after": 0}
    set_switches(subscription, operations=operations, **switches)
    code, output = verify(subscription)
    found = results(output)
    assert {name: found[name] for name in changed} == changed, output
    assert code == (1 if "does not hold" in changed.values() else 0), output
    assert left(subscription) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "PUT", "path": "/snapshots/", "status": 409, "code": "Quota"},
        {"method": "PUT", "path": "/versions/", "status": 403, "code": "Denied"},
        {"method": "PUT", "path": "/galleries/[^/]+$", "cut": 5},
        {"method": "GET", "path": "/versions/1.0.0$", "status": 500, "nth": 9},
    ],
    ids=["snapshot", "version", "gallery", "late"],
)
def test_a_failed_step_ends_the_run_and_everything_is_deleted(
    subscription: Subscription, fault: dict
) -> None:
    set_switches(subscription, faults=[fault])
    code, output = verify(subscription)
    assert code in (0, 1), output
    assert "Traceback" not in output
    assert results(output).keys() == ASSUMPTIONS.keys()
    assert left(subscription) == []
    assert subscription.images() == {"theirs"}


def test_a_missing_permission_is_not_a_wrong_assumption(
    subscription: Subscription,
) -> None:
    denied = ["Microsoft.Authorization/locks/write", "Microsoft.ResourceGraph/*"]
    set_switches(subscription, deny=denied)
    _, output = verify(subscription)
    assert results(output)["lock-code"] == "could not be checked"
    assert results(output)["restore"] == "holds"


def test_what_could_not_be_deleted_is_named(subscription: Subscription) -> None:
    denied = ["Microsoft.Resources/subscriptions/resourceGroups/delete"]
    set_switches(subscription, deny=denied)
    code, output = verify(subscription)
    assert code == 1
    assert re.search(rf"Left in the subscription: resource group {KEY}-verify-", output)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up(
    subscription: Subscription, signum: signal.Signals
) -> None:
    process = start(subscription)
    assert process.stdout is not None
    for line in process.stdout:
        if "soft-deleted-listed" in line:
            break
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert left(subscription) == []


@pytest.mark.parametrize(
    "settings", [{"YES": ""}, {"SUBSCRIPTION": ""}, {"LOCATION": ""}]
)
def test_without_confirmation_or_settings_nothing_is_created(
    subscription: Subscription, settings: dict[str, str]
) -> None:
    code, output = verify(subscription, **settings)
    assert code == 2
    assert subscription.changes() == []
    if "YES" in settings:
        assert f"on subscription {ID}" in output
        assert "than 0.05 USD" in output


def test_without_access_the_error_is_reported(subscription: Subscription) -> None:
    set_switches(subscription, deny=["Microsoft.Resources/subscriptions/read"])
    code, output = verify(subscription)
    assert code == 2
    assert output.startswith("cannot access the subscription: ")
    subscription.log_out()
    code, output = verify(subscription)
    assert code == 2
    assert "az login" in output


def test_actions_are_compared_without_regard_to_case() -> None:
    provider = {
        "operations": [{"name": "Microsoft.X/register/action"}],
        "resourceTypes": [{"operations": [{"name": "Microsoft.X/a/READ"}]}],
    }
    assert operations(provider) == {"microsoft.x/register/action", "microsoft.x/a/read"}


def test_an_update_omits_only_what_azure_sets() -> None:
    profile = {"targetRegions": [1], "publishedDate": "x", "endOfLifeDate": "y"}
    body = {
        "id": "i",
        "tags": {"a": "b"},
        "systemData": {},
        "properties": {
            "provisioningState": "Succeeded",
            "publishingProfile": profile,
            "storageProfile": {"more": 1},
        },
    }
    assert echo(body) == {
        "tags": {"a": "b"},
        "properties": {
            "publishingProfile": {"targetRegions": [1], "endOfLifeDate": "y"},
            "storageProfile": {"more": 1},
        },
    }
    assert profile["publishedDate"] == "x"


def test_each_path_has_the_api_version_of_its_type() -> None:
    group = f"/subscriptions/{ID}/resourceGroups/g"
    gallery = f"{group}/providers/Microsoft.Compute/galleries/g"
    tags = f"{gallery}/images/i/providers/Microsoft.Resources/tags/default"
    assert version_of(f"/subscriptions/{ID}") == "2022-12-01"
    assert version_of(group) == version_of(tags) == "2021-04-01"
    assert version_of(f"{gallery}/images/i/versions/1.0.0") == "2026-03-03"
    assert version_of(f"{group}/providers/Microsoft.Compute/images/i") == "2026-04-01"


def test_the_page_names_every_check_and_no_other() -> None:
    page = (ROOT / "docs/azure-assumptions.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    named = {found for row in rows for found in re.findall(r"\| `([\w-]+)` \|$", row)}
    assert named == set(ASSUMPTIONS)
