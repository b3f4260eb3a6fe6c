"""The steps of images on Azure over days, and restoring from each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import (
    EXPIRED_AT,
    KEEP,
    azure_policy,
    canonical,
    decisions,
    gallery,
    machine,
    managed_policy,
    version,
    web,
    web_world,
)
from harness import DONE, FAILED, PART, REFUSED, write
from local_azure import Subscription, azure_steward, compute_id, version_id
from outcomes import reasons, taken
from worlds import ago

FOUR = "golden/web/4.0.0"
WAITS = {"polls": 2, "seconds": 3600, "retry_after": 1}
"""Operations that end after some polls, if somebody polls."""
SLOW = {"polls": 10**6, "seconds": 1800, "retry_after": 1}
"""Operations that end only when time passes."""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file."""
    return write(tmp_path / "policy.toml", azure_policy())


def apply(account: Subscription, rules: str, code: int = DONE) -> dict[str, Any]:
    """Apply the policy once, and return the outcome for images."""
    arguments = ("--yes", "--policy", rules, "--format", "json")
    done = azure_steward(account, "apply", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)["images"]


def done_to(outcome: dict[str, Any], step: str) -> set[str]:
    """The short names of the images with this step."""
    return {"/".join(one.split("/")[8::2]) for one in taken(outcome, step)}


def is_as_before(account: Subscription, name: str) -> bool:
    """Whether nothing of our steps is left on a version."""
    profile = account.profile(name)
    return (
        "endOfLifeDate" not in profile
        and not profile["excludeFromLatest"]
        and not any(EXPIRED_AT == key for key in account.tags(version_id(name)))
    )


def use(account: Subscription, name: str) -> None:
    """Let the virtual machine be one of this version, in another spelling of its id."""
    world = account.world()
    [vm] = [one for one in world["resources"] if one["name"] == "vm"]
    reference = vm["properties"]["storageProfile"]["imageReference"]
    reference["id"] = version_id(name).upper()
    account.control("POST", "world", world)


def reach(account: Subscription, rules: str, step: str) -> None:
    """Apply the policy until version 4 has reached a step."""
    account.load(**web_world())
    apply(account, rules)
    if step == "expired":
        return
    account.let_pass(days=7)
    apply(account, rules)
    assert account.profile(FOUR)["excludeFromLatest"]
    if step == "excluded":
        return
    account.let_pass(days=7)
    apply(account, rules)
    assert FOUR in {*account.soft_deleted()}


def test_versions_are_retired_over_days(subscription: Subscription, rules: str) -> None:
    subscription.load(**web_world())
    before = subscription.resources()
    outcome = apply(subscription, rules)
    assert done_to(outcome, "deprecate") == web(2, 3, 4)
    for name in web(2, 3, 4):
        assert "endOfLifeDate" in subscription.profile(name)
        assert not subscription.profile(name)["excludeFromLatest"]
        assert EXPIRED_AT in subscription.tags(version_id(name))
    subscription.forget_calls()
    apply(subscription, rules)
    assert subscription.changes() == []
    subscription.let_pass(days=7)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "disable") == web(2, 3, 4)
    assert all(subscription.profile(one)["excludeFromLatest"] for one in web(2, 3, 4))
    subscription.let_pass(days=6)
    subscription.forget_calls()
    apply(subscription, rules)
    assert subscription.changes() == []
    subscription.let_pass(days=1)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "deregister") == web(2, 3, 4)
    assert subscription.versions() == web(1, 5, 6)
    assert subscription.soft_deleted() == web(2, 3, 4)
    subscription.forget_calls()
    apply(subscription, rules)
    assert subscription.changes() == []
    # What was not expired is as before, except for the moved dates.
    after = subscription.resources()
    for name in web(1, 5, 6):
        now, then = after[canonical(name)], before[canonical(name)]
        assert now["tags"] == then["tags"]
        assert now["properties"].keys() == then["properties"].keys()
        assert "endOfLifeDate" not in subscription.profile(name)
    subscription.let_pass(days=22)
    assert subscription.soft_deleted() == set()


@pytest.mark.parametrize("step", ["expired", "excluded", "deleted"])
@pytest.mark.parametrize("tags_update", [False, True])
def test_a_version_is_restored_from_each_step(
    subscription: Subscription, rules: str, step: str, tags_update: bool
) -> None:
    """Whether changed tags update a version is not documented, so both must do."""
    reach(subscription, rules, step)
    subscription.switch(
        operations=WAITS | ({"seconds": 3} if tags_update else {}),
        restored_tags="kept",
        tags_update_versions=tags_update,
    )
    done = azure_steward(subscription, "restore", FOUR, "--keep-until", "2w")
    assert done.returncode == DONE, done.stdout + done.stderr
    assert FOUR in subscription.versions()
    assert is_as_before(subscription, FOUR)
    assert KEEP in subscription.tags(version_id(FOUR))
    subscription.let_pass(hours=1)
    state = subscription.one(version_id(FOUR))["properties"]["provisioningState"]
    assert state == "Succeeded"
    # The next run keeps it.
    subscription.switch()
    apply(subscription, rules)
    assert is_as_before(subscription, FOUR)
    again = azure_steward(subscription, "restore", FOUR)
    assert again.returncode == DONE
    assert is_as_before(subscription, FOUR)


def test_tags_that_a_deletion_loses_are_reported(
    subscription: Subscription, rules: str
) -> None:
    """Whether tags survive soft delete is not documented. Without them, nothing shows whether a run or
    somebody else excluded the version from latest."""
    reach(subscription, rules, "deleted")
    subscription.switch(operations=WAITS, restored_tags="lost")
    done = azure_steward(subscription, "restore", FOUR, "--keep-until", "2w")
    assert done.returncode == FAILED, done.stdout + done.stderr
    assert "no tag records that image-steward disabled it" in done.stdout
    assert "az sig image-version update" in done.stdout
    assert FOUR in subscription.versions()
    assert KEEP in subscription.tags(version_id(FOUR))


def test_restoring_by_time_finds_what_expired_and_what_was_deleted(
    subscription: Subscription, rules: str
) -> None:
    reach(subscription, rules, "deleted")
    subscription.switch(operations=WAITS, restored_tags="kept")
    done = azure_steward(subscription, "restore", "--all-since", "1d", "--dry-run")
    assert done.returncode == DONE, done.stderr
    assert subscription.soft_deleted() == web(2, 3, 4)
    done = azure_steward(subscription, "restore", "--all-since", "1d")
    assert done.returncode == DONE, done.stdout + done.stderr
    assert subscription.versions() == web(*range(1, 7))
    assert subscription.soft_deleted() == set()


def test_a_version_that_left_soft_delete_is_gone(
    subscription: Subscription, rules: str
) -> None:
    reach(subscription, rules, "deleted")
    subscription.let_pass(days=22)
    done = azure_steward(subscription, "restore", version_id(FOUR))
    assert done.returncode != DONE
    assert FOUR not in subscription.versions()


def test_an_expired_version_in_use_again_is_rescued(
    subscription: Subscription, rules: str
) -> None:
    reach(subscription, rules, "excluded")
    use(subscription, FOUR)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "rescue") == {FOUR}
    assert is_as_before(subscription, FOUR)


def test_a_rescue_that_takes_azure_long_is_completed_by_the_next_run(
    subscription: Subscription, rules: str
) -> None:
    """Two changes are needed, and Azure refuses the second one until the first has ended."""
    reach(subscription, rules, "excluded")
    use(subscription, FOUR)
    subscription.switch(operations=SLOW)
    outcome = apply(subscription, rules, PART)
    assert done_to(outcome, "rescue") == set()
    subscription.let_pass(hours=1)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "rescue") == {FOUR}
    subscription.let_pass(hours=1)
    assert is_as_before(subscription, FOUR)


def test_a_former_end_of_life_date_is_restored(
    subscription: Subscription, rules: str
) -> None:
    later = ago(-300)
    versions = [version(n, 60 - 10 * n, end_of_life=later) for n in (1, 2, 3, 4)]
    world = web_world(galleries=[gallery(*versions)])
    subscription.load(**world)
    apply(subscription, rules)
    name = "golden/web/2.0.0"
    assert subscription.profile(name)["endOfLifeDate"] < ago(-1)
    done = azure_steward(subscription, "restore", name)
    assert done.returncode == DONE, done.stderr
    assert subscription.profile(name)["endOfLifeDate"][:10] == later[:10]


def test_keep_and_unkeep(subscription: Subscription, rules: str) -> None:
    subscription.load(**web_world())
    kept = azure_steward(subscription, "keep", FOUR, "--for", "2w", "--reason", "audit")
    assert kept.returncode == DONE, kept.stderr
    assert subscription.tags(version_id(FOUR))[KEEP].endswith("audit")
    outcome = apply(subscription, rules)
    assert done_to(outcome, "deprecate") == web(2, 3)
    done = azure_steward(subscription, "unkeep", FOUR)
    assert done.returncode == DONE, done.stderr
    assert subscription.tags(version_id(FOUR)) == {}
    outcome = apply(subscription, rules)
    assert done_to(outcome, "deprecate") == {FOUR}


def test_the_keep_tag_is_found_in_any_case(
    subscription: Subscription, rules: str
) -> None:
    """Azure compares the names of tags without regard to case."""
    world = web_world()
    [one] = world["galleries"]
    one["definitions"][0]["versions"][1]["tags"] = {"Image-Steward:KEEP": "true"}
    subscription.load(**world)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "deprecate") == web(3, 4)


def managed_world() -> dict[str, Any]:
    images = [{"name": f"web-{age}", "created_at": ago(age)} for age in (10, 20, 30)]
    return {"images": images, "virtual_machines": [machine("vm", "web-30")]}


def test_a_managed_image_is_deleted_only_if_the_policy_does_not_ask_for_a_way_back(
    subscription: Subscription, tmp_path: Path
) -> None:
    subscription.load(**managed_world())
    required = write(tmp_path / "required.toml", managed_policy("required"))
    for _ in range(2):
        apply(subscription, required)
        subscription.let_pass(days=1)
    assert subscription.images() == {"web-10", "web-20", "web-30"}
    arguments = ("--policy", required, "--format", "json")
    planned = azure_steward(subscription, "plan", *arguments)
    assert "not_recoverable" in reasons(decisions(planned.stdout)["web-20"])
    optional = write(tmp_path / "optional.toml", managed_policy("optional"))
    outcome = apply(subscription, optional)
    assert done_to(outcome, "deregister") == {"web-20"}
    assert subscription.images() == {"web-10", "web-30"}


def test_a_managed_image_is_tagged_before_it_is_deleted(
    subscription: Subscription, tmp_path: Path
) -> None:
    subscription.load(**managed_world())
    rules = write(tmp_path / "p.toml", managed_policy("optional"))
    outcome = apply(subscription, rules)
    assert done_to(outcome, "expire") == {"web-20"}
    assert EXPIRED_AT in subscription.tags(compute_id("images", "web-20"))
    assert subscription.images() == {"web-10", "web-20", "web-30"}
    subscription.let_pass(minutes=30)
    apply(subscription, rules)
    assert "web-20" in subscription.images()
    subscription.let_pass(minutes=31)
    apply(subscription, rules)
    assert subscription.images() == {"web-10", "web-30"}


def test_a_saved_plan_is_applied_exactly_or_not_at_all(
    subscription: Subscription, rules: str, tmp_path: Path
) -> None:
    subscription.load(**web_world())
    file = str(tmp_path / "plan.json")
    planned = azure_steward(subscription, "plan", "--policy", rules, "--out", file)
    assert planned.returncode == DONE, planned.stderr
    done = azure_steward(subscription, "apply", file, "--policy", rules)
    assert done.returncode == DONE, done.stdout + done.stderr
    assert all("endOfLifeDate" in subscription.profile(one) for one in web(2, 3, 4))
    # Since the next plan, a version is in use.
    subscription.let_pass(days=7)
    planned = azure_steward(subscription, "plan", "--policy", rules, "--out", file)
    assert planned.returncode == DONE, planned.stderr
    use(subscription, FOUR)
    subscription.forget_calls()
    done = azure_steward(subscription, "apply", file, "--policy", rules)
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert "4.0.0" in done.stdout
    assert subscription.changes() == []


def test_a_run_does_not_wait_and_the_next_one_continues(
    subscription: Subscription, rules: str
) -> None:
    subscription.load(**web_world())
    subscription.switch(operations=SLOW)
    apply(subscription, rules)
    assert "Microsoft.Compute/locations/capsOperations/read" not in (
        subscription.call_counts()
    )
    states = {
        subscription.one(version_id(one))["properties"]["provisioningState"]
        for one in web(2, 3, 4)
    }
    assert states == {"Updating"}
    # While the operations run, nothing else is done to these versions.
    subscription.forget_calls()
    apply(subscription, rules)
    assert subscription.changes() == []
    subscription.let_pass(days=7)
    outcome = apply(subscription, rules)
    assert done_to(outcome, "disable") == web(2, 3, 4)


def test_tagging_that_updates_a_version_only_delays_the_steps(
    subscription: Subscription, rules: str
) -> None:
    """Whether the tags API updates a version is not documented."""
    subscription.load(**web_world())
    seconds = {"polls": 10**6, "seconds": 3, "retry_after": 1}
    for _ in range(3):
        subscription.switch(operations=seconds, tags_update_versions=True)
        apply(subscription, rules)
        subscription.let_pass(days=7)
    assert subscription.versions() == web(1, 5, 6)
    assert subscription.soft_deleted() == web(2, 3, 4)


def test_a_failed_operation_is_seen_by_the_next_run(
    subscription: Subscription, rules: str
) -> None:
    reach(subscription, rules, "excluded")
    subscription.let_pass(days=7)
    fail = {"match": "DELETE .*/4.0.0$", "times": 1}
    subscription.switch(operations={"polls": 0, "seconds": 0, "fail": [fail]})
    apply(subscription, rules)
    assert subscription.soft_deleted() == web(2, 3)
    # After a failed operation, the stand-in shows the version as failed. It was not lost.
    apply(subscription, rules)
    assert FOUR in subscription.versions()
