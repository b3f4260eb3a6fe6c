"""`image-steward permissions`: the printed policy allows what `apply` and `restore` do, and no
more.

`exercised` compares the actions with the calls of all tests. Here, one run of each command makes
all calls, and the resources and conditions are compared with the tags at the time of each call.
"""

from __future__ import annotations

import json
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from exercised import FOR_REFERENCES, NEEDS_NO_PERMISSION, permitted
from exercised import READING as READING_COMMANDS
from harness import DONE, NOWHERE, REGION, USAGE, Account, image_steward, write
from worlds import (
    DELETE_AFTER,
    DEPRECATION,
    INSTANCE,
    MARK,
    PERMISSIONS,
    PLAIN,
    STRANGER,
    ago,
    ami,
    deprecated,
    disabled,
    image,
    image_ids,
    image_of,
    in_use,
    policy,
    recycled,
    safety,
    saved,
    small_fleet,
    snap,
    tagged_snapshot,
    web_fleet,
)

READING = ("Describe", "Get", "List")


def document(*arguments: str) -> list[dict[str, Any]]:
    """The printed statements."""
    done = image_steward(NOWHERE, "permissions", *arguments)
    assert done.returncode == DONE, done.stderr
    printed = json.loads(done.stdout)
    assert printed["Version"] == "2012-10-17"
    return printed["Statement"]


class Tags:
    """The tags of all resources before each call."""

    def __init__(self, fleet: dict[str, Any]) -> None:
        self.of: dict[str, dict[str, str]] = {}
        self.snapshots: dict[str, list[str]] = {}
        recycled = [one["image"] for one in fleet["recycled_images"]]
        for one in (*fleet["images"], *recycled):
            self.of[one["image_id"]] = dict(one["tags"])
            self.snapshots[one["image_id"]] = one["snapshots"]
        recycled = [one["snapshot"] for one in fleet["recycled_snapshots"]]
        for one in (*fleet["snapshots"], *recycled):
            self.of[one["snapshot_id"]] = dict(one["tags"])

    def follow(self, action: str, params: dict[str, Any]) -> None:
        """Records the changes of the call."""
        for resource in params.get("Resources", []):
            for tag in params.get("Tags", []):
                if action == "ec2:CreateTags":
                    self.of[resource][tag["Key"]] = tag["Value"]
                if action == "ec2:DeleteTags":
                    self.of[resource].pop(tag["Key"], None)


def calls_of(account: Account) -> list[dict[str, Any]]:
    """The calls since the last time, by their IAM actions."""
    calls = account.calls()
    for call in calls:
        # The log contains EC2's actions without the service.
        if ":" not in call["action"]:
            call["action"] = f"ec2:{call['action']}"
    return calls


def resources_of(params: dict[str, Any]) -> list[str]:
    """The images and snapshots in a call."""
    found = params.get("Resources") or [
        params[key] for key in ("ImageId", "SnapshotId") if key in params
    ]
    assert found, params
    return found


def holds(
    operator: str, key: str, value: str, tags: dict[str, str], keys: list[str]
) -> bool:
    """Whether a condition is met for a resource with these tags, and a call with these keys."""
    if (operator, key) == ("StringEquals", "ec2:Owner"):
        # All changed resources belong to the account.
        return value == "${aws:PrincipalAccount}"
    if (operator, value) == ("Null", "false"):
        if key == "aws:TagKeys":
            return bool(keys)
        return key.removeprefix("aws:ResourceTag/") in tags
    assert (operator, key) == ("ForAllValues:StringLike", "aws:TagKeys"), operator
    return all(fnmatchcase(one, value) for one in keys)


def is_allowed(
    statements: list[dict[str, Any]],
    action: str,
    resource: str,
    tags: dict[str, str],
    keys: list[str],
) -> bool:
    """Whether IAM would allow the action on the resource."""
    kind = "image" if resource.startswith("ami-") else "snapshot"
    arn = f"arn:aws:ec2:{REGION}::{kind}/{resource}"
    return any(
        action in one["Action"]
        and any(fnmatchcase(arn, pattern) for pattern in one["Resource"])
        and all(
            holds(operator, key, value, tags, keys)
            for operator, all_keys in one.get("Condition", {}).items()
            for key, value in all_keys.items()
        )
        for one in statements
    )


def denied(
    statements: list[dict[str, Any]],
    calls: list[dict[str, Any]],
    tags: Tags,
    seen: set[str],
) -> list[str]:
    """The changing calls that would be denied. Adds the required actions to `seen`."""
    found = []
    for call in calls:
        action, params = call["action"], call["params"]
        if action.split(":")[1].startswith(READING):
            continue
        asked = [(action, resource) for resource in resources_of(params)]
        if params.get("DeleteAssociatedSnapshots"):
            # EC2 deletes them on behalf of its caller.
            backing = tags.snapshots[params["ImageId"]]
            asked += [("ec2:DeleteSnapshot", one) for one in backing]
        keys = [tag["Key"] for tag in params.get("Tags", [])]
        for what, resource in asked:
            seen.add(what)
            its_tags = tags.of.get(resource, {})
            if not is_allowed(statements, what, resource, its_tags, keys):
                found.append(f"{what} on {resource} with {sorted(its_tags)}")
        tags.follow(action, params)
    return found


@pytest.fixture
def stages(account: Account) -> Account:
    """Images at every stage, one of which is wanted again."""
    fleet = small_fleet(
        image(3, 30),
        deprecated(4, 4),
        disabled(5, 20),
        disabled(6, 20, STRANGER),
        disabled(7, 5, STRANGER),
    )
    account.load(in_use(fleet, ami(7)))
    return account


def run(account: Account, *arguments: str) -> tuple[list[dict[str, Any]], Tags]:
    """The calls of a command, and the tags before it."""
    before = Tags(account.fleet())
    account.forget_calls()
    done = image_steward(account, *arguments)
    assert done.returncode == DONE, done.stdout + done.stderr
    return calls_of(account), before


def test_it_is_enough_for_every_step_and_for_restoring(
    stages: Account, tmp_path: Path
) -> None:
    shared = {"shared_images": '"retire"', "share_back": f'["{STRANGER}"]'}
    rules = write(tmp_path / "policy.toml", safety(**shared))
    for use, commands in (
        (
            "apply",
            [
                ["apply", "--yes", "--policy", rules],
                ["apply", "--yes", "--policy", rules],
            ],
        ),
        (
            "restore",
            [
                [
                    "restore",
                    *(ami(4), ami(5), ami(6)),
                    *("--keep-until", "2099-01-01", "--share-with", STRANGER),
                ]
            ],
        ),
    ):
        statements = document(use, "--shared-images")
        seen: set[str] = set()
        for command in commands:
            if use == "apply":
                # In the second run, the snapshots of the images that the first run removed are due.
                stages.set_back(DELETE_AFTER, timedelta(days=8))
            calls, before = run(stages, *command)
            assert denied(statements, calls, before, seen) == []
        for one in statements:
            if not one["Action"][0].split(":")[1].startswith(READING):
                assert set(one["Action"]) & seen, (
                    f"{one['Sid']} was not put to the test"
                )


def test_what_was_not_announced_is_denied() -> None:
    statements = document("apply", "restore", "--shared-images")
    for action, resource in [
        ("ec2:DeregisterImage", ami(1)),
        ("ec2:DisableImage", ami(1)),
        ("ec2:EnableImage", ami(1)),
        ("ec2:ModifyImageAttribute", ami(1)),
        ("ec2:DeleteSnapshot", "snap-1"),
    ]:
        others = {"Name": "web", "image-steward:keep": ""}
        assert not is_allowed(statements, action, resource, others, [])
        ours = {
            f"image-steward:{name}": ""
            for name in ("expired-at", "delete-after", "launch-permissions")
        }
        assert is_allowed(statements, action, resource, ours, [])
    for action in ("ec2:CreateTags", "ec2:DeleteTags"):
        for keys, may in [
            (["image-steward:expired-at"], True),
            (["image-steward:expired-at", "Name"], False),
            ([], False),
        ]:
            assert is_allowed(statements, action, ami(1), {}, keys) == may, keys


def test_the_options() -> None:
    assert document() == document("plan")
    everywhere = json.dumps(document("apply"))
    there = document("apply", "--region", "us-gov-west-1", "--prefix", "fleet:")
    text = json.dumps(there)
    assert "arn:aws-us-gov:ec2:us-gov-west-1::image/*" in text
    assert "image-steward:" in everywhere and "image-steward:" not in text
    own = document("--image-parameter", "/golden/*", "--image-parameter", "flat")
    [read] = [one for one in own if one["Sid"] == "ReadParameters"]
    assert read["Resource"][1:] == [
        "arn:aws:ssm:*:*:parameter/golden/*",
        "arn:aws:ssm:*:*:parameter/flat",
    ]
    for wrong in (
        ["everything"],
        ["--region", "Frankfurt"],
        ["--image-parameter", "a b"],
        ["--image-parameter", ""],
    ):
        assert image_steward(NOWHERE, "permissions", *wrong).returncode == USAGE, wrong


def printed_permissions(use: str) -> set[str]:
    """What `permissions` allows for this use, except the calls that EC2 makes on behalf of its
    caller."""
    return permitted(use) - FOR_REFERENCES


def permissions_used(account: Account) -> set[str]:
    """The actions of the calls since the last time."""
    used = {call["action"] for call in calls_of(account)}
    account.forget_calls()
    return used - NEEDS_NO_PERMISSION


def every_source() -> dict[str, Any]:
    """A fleet that requires every reading call."""
    alias = {"version": 1, "image_id": "resolve:ssm:/golden"}
    orphan = {
        "snapshot_id": snap(50),
        "started_at": ago(90),
        "volume_id": "vol-0123456789abcdef0",
        "description": f"Created by CreateImage({INSTANCE}) for {ami(50)}",
    }
    return web_fleet() | {
        "snapshots": [orphan],
        "ssm_parameters": [{"name": "/golden", "value": ami(7)}],
        "launch_templates": [
            {"launch_template_id": "lt-00000000000000001", "versions": [alias]}
        ],
    }


EVERY_STEP = 'disable_after = "5d", deregister_after = "7d"'
ORPHANS = '[orphans]\ndelete_after = "30d"\n'


def test_reading_makes_exactly_the_calls_that_are_printed(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    versions = '[safety]\ntemplate_versions = "all"\n'
    text = policy(EVERY_STEP, ORPHANS).replace("[safety]\n", versions)
    file.write_text(text)
    account.load(every_source())
    done = image_steward(account, "plan", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    gone = image_steward(account, "explain", ami(50), "--policy", str(file))
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert permissions_used(account) == printed_permissions("plan")


@pytest.mark.parametrize("command", sorted(READING_COMMANDS))
def test_the_role_for_reading_is_enough_for(
    command: str, account: Account, tmp_path: Path
) -> None:
    """All read-only commands, on a fleet that requires every reading call."""
    file = tmp_path / "policy.toml"
    file.write_text(policy(EVERY_STEP, ORPHANS))
    arguments = {
        "init": ["--out", str(tmp_path / "written.toml")],
        "inventory": ["--all-template-versions", "--launch-permissions"],
        "explain": [ami(3), "--policy", str(file)],
        "report": ["--policy", str(file), "--out", str(tmp_path / "report.html")],
        "simulate": ["--policy", str(file), "--days", "7"],
    }
    account.load(every_source())
    given = arguments.get(command, ["--policy", str(file)])
    done = image_steward(account, command, *given)
    assert done.returncode == DONE, done.stdout + done.stderr
    used = permissions_used(account)
    assert "ec2:DescribeImages" in used
    assert used <= printed_permissions("plan")


def disable(fleet: dict[str, Any], number: int) -> None:
    """Make an image look as if we disabled it six days ago, while it was shared."""
    ours = {
        MARK: ago(6),
        PERMISSIONS: f"{ami(number)} {STRANGER}",
        DEPRECATION: saved(number, 6, step="disabled"),
    }
    image = image_of(fleet, ami(number))
    image.update(state="disabled", deprecation_time=ago(6), tags=ours)


def test_apply_makes_exactly_the_changes_that_are_printed(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    text = policy(EVERY_STEP, ORPHANS)
    shared = f'shared_images = "retire"\nshare_back = ["{STRANGER}"]\n'
    file.write_text(text.replace("[safety]\n", f"[safety]\n{shared}"))
    fleet = every_source()
    disable(fleet, 8)
    fleet["snapshots"].append(tagged_snapshot(51, 51))
    fleet["recycled_images"] = [recycled(51)]
    going = image(9, 30, marked=9)
    fleet["images"].append(going)
    disable(fleet, 9)
    image_of(fleet, ami(9))["tags"][MARK] = ago(9)
    account.load(fleet)
    done = image_steward(account, "apply", "--yes", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    reading = printed_permissions("plan")
    expected = printed_permissions("apply") - reading
    assert permissions_used(account) - reading == expected


def test_restore_makes_exactly_the_calls_that_are_printed(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    text = policy(PLAIN)
    file.write_text(text.replace("[safety]\n", '[safety]\nshared_images = "retire"\n'))
    fleet = web_fleet()
    disable(fleet, 4)
    # The owner had set a deprecation date, and we deprecated it before that.
    later = {MARK: ago(6), DEPRECATION: saved(3, 6, ago(-365))}
    image_of(fleet, ami(3)).update(deprecation_time=ago(6), tags=later)
    account.load(fleet)
    done = image_steward(account, "apply", "--yes", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    account.client("ec2").delete_snapshot(SnapshotId=snap(5))
    account.forget_calls()
    wanted = ("--all-since", ago(30), "--keep-until", "2099-01-01")
    done = image_steward(account, "restore", *wanted, "--share-with", STRANGER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert permissions_used(account) == printed_permissions("restore")
    assert image_ids(account.fleet()) == image_ids(fleet)
