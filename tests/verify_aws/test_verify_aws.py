"""`make verify-aws` on the local account: its results, and that it cleans up.

Nothing here shows the behavior of AWS, because the local account is built on the same assumptions.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from account import entries_of
from assumptions import ASSUMPTIONS
from harness import ROOT, Account, steward_environment
from resources import KEY

HERE = Path(__file__).parent
FAST = ["--patience", "2", "--interval", "0.05", "--rule-patience", "2"]
NEEDS_AN_ACCOUNT = {"bin-unshares-snapshot"}
"""Checked only with `--share-with`."""


@pytest.fixture(scope="module")
def running() -> Iterator[Account]:
    with Account() as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    """An account with one image in use that must not change, and without rules."""
    running.load({"retention_rules": [], "images": [OTHERS], "instances": [INSTANCE]})
    return running


OTHERS = {"image_id": "ami-00000000000000001", "snapshots": ["snap-00000000000000001"]}
INSTANCE = {"instance_id": "i-00000000000000001", "image_id": OTHERS["image_id"]}


def start(account: Account, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE), *(arguments or FAST)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = steward_environment(account.url, {"YES": "1"} | settings)
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, text=True, **pipes
    )


def verify(account: Account, *arguments: str, **settings: str) -> tuple[int, str]:
    process = start(account, *arguments, **settings)
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def results(said: str) -> dict[str, str]:
    """The result of each check, from the Markdown."""
    return dict(re.findall(r"^\| `([\w-]+)` \| ([a-z ]+) \|", said, re.MULTILINE))


def left_outside(account: Account) -> list[str]:
    """The resources in the account that did not exist before."""
    fleet = account.fleet()
    left = [one["image_id"] for one in fleet["images"]]
    left += [one["snapshot_id"] for one in fleet["snapshots"]]
    left += [one["rule_id"] for one in fleet["retention_rules"]]
    left += [one["name"] for one in fleet["ssm_parameters"]]
    left += [one["name"] for one in fleet["launch_templates"]]
    volumes = account.client("ec2").describe_volumes()["Volumes"]
    left += [one["VolumeId"] for one in volumes]
    return [
        one for one in left if one not in (OTHERS["image_id"], *OTHERS["snapshots"])
    ]


def test_the_local_account_is_as_assumed(account):
    code, said = verify(account)
    found = results(said)
    assert code == 0, said
    assert list(found) == list(ASSUMPTIONS)
    unchecked = {name for name, result in found.items() if result != "holds"}
    assert unchecked == NEEDS_AN_ACCOUNT
    assert "does not hold  " not in said
    assert left_outside(account) == []
    assert account.fleet()["images"][0]["tags"] == {}
    # The remaining resources are those that it reports.
    [image] = account.fleet()["recycled_images"]
    [snapshot] = account.fleet()["recycled_snapshots"]
    left = f"image {image['image']['image_id']} until"
    assert left in said
    assert f"snapshot {snapshot['snapshot']['snapshot_id']} until" in said
    assert "Left outside the Recycle Bin: nothing" in said
    assert image["image"]["tags"][KEY].startswith("verify-")
    # The summary can be published.
    assert "123456789012" not in said[said.index("### ") :]


def test_with_another_account_the_volume_permissions_are_checked_too(account):
    code, said = verify(account, *FAST, "--share-with", "111122223333")
    assert code == 0, said
    assert set(results(said).values()) == {"holds"}
    assert "shares with account 111122223333" in said
    # The Recycle Bin deleted it permanently, and nothing else restored it.
    [snapshot] = account.fleet()["recycled_snapshots"]
    assert snapshot["snapshot"]["create_volume_permissions"] == []


@pytest.mark.parametrize(
    ("switches", "broken"),
    [
        ({"no_delete_associated": True}, {"associated-skipped", "associated-success"}),
        (
            {"fail": {"RestoreImageFromRecycleBin": {"code": "Nonsense", "times": 2}}},
            {"restore-missing", "restore-without-snapshot"},
        ),
        ({"fail": {"EnableImage": {"code": "Nonsense", "times": 1}}}, None),
    ],
    ids=["a parameter ignored", "another code", "a step that fails"],
)
def test_what_does_not_hold_is_reported_and_cleaned_up(account, switches, broken):
    account.switch(**switches)
    code, said = verify(account)
    assert code == 1, said
    failed = {name for name, one in results(said).items() if one == "does not hold"}
    if broken is None:
        assert "the run stopped early: An error occurred (Nonsense)" in said
        assert results(said)["bin-unshares"] == "could not be checked"
    else:
        assert failed == broken
    assert left_outside(account) == []


def test_without_rules_the_bin_is_left_unchecked(account):
    account.switch(fail={"rbin:CreateRule": {"code": "ServiceQuotaExceededException"}})
    code, said = verify(account)
    assert code == 0, said
    assert results(said)["restored-image"] == "could not be checked"
    assert left_outside(account) == []
    assert account.fleet()["recycled_images"] == []


def test_a_missing_permission_is_not_a_wrong_assumption(account):
    account.switch(deny=["DescribeFleets", "batch:DescribeComputeEnvironments"])
    code, said = verify(account)
    assert code == 0, said
    assert results(said)["empty-DescribeFleets"] == "could not be checked"
    assert results(said)["page-sizes"] == "holds"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up(account, signum):
    # The image is then in the Recycle Bin, and its snapshot not yet.
    account.switch(fail={"DeleteSnapshot": {"code": "InvalidSnapshot.InUse"}})
    process = start(account, "--patience", "60", "--interval", "0.05")
    assert process.stdout is not None
    for line in process.stdout:
        if "bin-create-tags" in line:
            break
    process.send_signal(signum)
    account.switch()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert left_outside(account) == []


def test_nothing_is_made_without_confirmation(account):
    code, said = verify(account, YES="")
    assert code == 2
    assert "on account 123456789012 in eu-central-1" in said
    assert "less than\n0.01 USD" in said
    assert account.mutating_calls() == []


def test_without_an_account_it_says_so(account):
    account.switch(deny=["sts:GetCallerIdentity"])
    code, said = verify(account)
    assert code == 2
    assert said.startswith("no access to an AWS account: ")


@pytest.mark.parametrize(
    ("service", "call", "body", "entries"),
    [
        ("ec2", "DescribeFleets", b"<R><fleetSet/></R>", 0),
        ("ec2", "DescribeFleets", b"<R xmlns='x'><fleetSet/></R>", 0),
        ("ec2", "DescribeFleets", b"<R><fleetSet><item/></fleetSet></R>", 1),
        ("ec2", "DescribeFleets", b"<R><requestId>1</requestId></R>", None),
        (
            "autoscaling",
            "DescribeLaunchConfigurations",
            b"<R><X><LaunchConfigurations/></X></R>",
            0,
        ),
        ("autoscaling", "DescribeLaunchConfigurations", b"<R><X/></R>", None),
        ("rbin", "ListRules", b'{"Rules": []}', 0),
        ("rbin", "ListRules", b"{}", None),
        ("rbin", "ListRules", b"", None),
    ],
)
def test_an_absent_list_is_not_an_empty_one(service, call, body, entries):
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    assert entries_of(model.operation_model(call), body) == entries


def test_the_page_names_every_check_and_no_other():
    page = (ROOT / "docs/aws-assumptions.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    # The last column contains how a claim is checked.
    checks = (row.rstrip("| ").rpartition("|")[2] for row in rows)
    assert set(re.findall("`([^`]+)`", " ".join(checks))) == set(ASSUMPTIONS)
