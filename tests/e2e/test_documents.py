"""What the repository says of itself: policies, schema and permissions."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import NOWHERE, ROOT, Account, image_steward
from worlds import (
    DEPRECATION,
    INSTANCE,
    MARK,
    PERMISSIONS,
    PLAIN,
    STRANGER,
    ago,
    ami,
    image,
    image_ids,
    image_of,
    policy,
    recycled,
    saved,
    snap,
    tagged_snapshot,
    web_fleet,
)

README = (ROOT / "README.md").read_text()


def policies() -> list[Path]:
    """Every policy document of the repository, as a file of its own."""
    return sorted([*ROOT.glob("examples/*.toml"), *ROOT.glob("demo/*.toml")])


def scenario_policies() -> dict[str, Any]:
    """The policies of the scenarios: TOML, or JSON where the text begins so."""
    found = {}
    for path in sorted(ROOT.glob("tests/scenarios/*.toml")):
        text = tomllib.loads(path.read_text())["policy"]
        is_json = text.lstrip().startswith("{")
        found[path.stem] = json.loads(text) if is_json else tomllib.loads(text)
    return found


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    done = image_steward(NOWHERE, "schema")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def readme_block(language: str, having: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if having in block)


def is_policy(path: Path) -> bool:
    return "rule" in tomllib.loads(path.read_text())


def test_every_policy_is_valid_and_fits_the_schema(validator: Any) -> None:
    files = [path for path in policies() if is_policy(path)]
    assert len(files) >= 2, files
    for path in files:
        done = image_steward(NOWHERE, "validate", "--policy", str(path))
        assert done.returncode == 0, done.stderr
        validator.validate(tomllib.loads(path.read_text()))
    scenarios = scenario_policies()
    assert len(scenarios) >= 25
    for name, document in scenarios.items():
        errors = [error.message for error in validator.iter_errors(document)]
        assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"version": 2, "rule": [{"name": "a", "keep": {"last": 1}}]},
        {"version": 1, "rule": [{"name": "a", "keep": {"lastt": 1}}]},
        {"version": 1, "rule": [{"name": "a", "keep": {"last": -1}}]},
        {"version": 1, "rule": [{"name": "a"}]},
        {"version": 1, "rule": [{"keep": {"last": 1}}]},
        {"version": 1, "rule": [], "safety": {"max_fraction": 2}},
        {"version": 1, "rule": [], "safety": {"shared_images": "sell"}},
        {"version": 1, "rule": [], "safety": {"recycle_bin": "off"}},
        {"version": 1, "rule": [], "safety": {"references_check": False}},
        {"version": 1, "rule": [], "safety": {"compute_environments": "optional"}},
        {"version": 1, "rule": [], "safety": {"template_versions": 0}},
        {"version": 1, "rule": [], "orphans": {}},
        {"version": 1, "rule": [], "orphans": {"delete_after": "never"}},
        {
            "version": 1,
            "rule": [
                {
                    "name": "a",
                    "keep": {"last": 1},
                    "retire": {"deregister_after": "never"},
                }
            ],
        },
    ],
)
def test_the_schema_refuses_what_the_program_refuses(
    validator: Any, wrong: Any, tmp_path: Path
) -> None:
    assert list(validator.iter_errors(wrong))
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong))
    assert image_steward(NOWHERE, "validate", "--policy", str(file)).returncode == 2


def test_the_readme_shows_the_example_policy() -> None:
    shown = tomllib.loads(readme_block("toml", "[[rule]]"))
    assert shown == tomllib.loads((ROOT / "examples/policy.toml").read_text())


def named_permissions(command: str) -> set[str]:
    """The permissions that the README names for a command."""
    [statement] = [
        one
        for one in json.loads(readme_block("json", "Statement"))["Statement"]
        if one["Sid"] == command
    ]
    return set(statement["Action"])


def permissions_used(account: Account) -> set[str]:
    """What the calls since the last look took; GetCallerIdentity takes none."""
    names = {call["action"] for call in account.calls()}
    account.forget_calls()
    used = {name if ":" in name else f"ec2:{name}" for name in names}
    return used - {"sts:GetCallerIdentity"}


def every_source() -> dict[str, Any]:
    """A fleet for which no reading call can be saved."""
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


def test_plan_makes_exactly_the_calls_that_the_readme_names(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    versions = '[safety]\ntemplate_versions = "all"\n'
    text = policy(EVERY_STEP, ORPHANS).replace("[safety]\n", versions)
    file.write_text(text)
    account.load(every_source())
    done = image_steward(account, "plan", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    assert permissions_used(account) == named_permissions("Plan")


def disable(fleet: dict[str, Any], number: int) -> None:
    """Make an image as it is when we disabled it six days ago, and shared."""
    ours = {
        MARK: ago(6),
        PERMISSIONS: f"{ami(number)} {STRANGER}",
        DEPRECATION: saved(number, 6, step="disabled"),
    }
    image = image_of(fleet, ami(number))
    image.update(state="disabled", deprecation_time=ago(6), tags=ours)


def test_apply_makes_exactly_the_changes_that_the_readme_names(
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
    done = image_steward(account, "apply", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    used = permissions_used(account)
    assert used - named_permissions("Plan") == named_permissions("Apply")


def test_restore_makes_exactly_the_calls_that_the_readme_names(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    text = policy(PLAIN)
    file.write_text(text.replace("[safety]\n", '[safety]\nshared_images = "retire"\n'))
    fleet = web_fleet()
    disable(fleet, 4)
    # The owner wanted it deprecated one day, and we were quicker.
    later = {MARK: ago(6), DEPRECATION: saved(3, 6, ago(-365))}
    image_of(fleet, ami(3)).update(deprecation_time=ago(6), tags=later)
    account.load(fleet)
    done = image_steward(account, "apply", "--policy", str(file))
    assert done.returncode == 0, done.stderr
    account.client("ec2").delete_snapshot(SnapshotId=snap(5))
    account.forget_calls()
    wanted = ("--all-since", ago(30), "--keep-until", "2099-01-01")
    done = image_steward(account, "restore", *wanted, "--share-with", STRANGER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert permissions_used(account) == named_permissions("Restore")
    assert image_ids(account.fleet()) == image_ids(fleet)
