"""The AWS CLI commands in docs/deployment.md, run in order as written."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from binaries import binary
from console import console_commands, shell
from harness import (
    FUNCTIONS,
    NOWHERE,
    REGION,
    ROOT,
    VENV,
    clean_environment,
    image_steward,
)
from local_aws import LocalAws

PAGE = ROOT / "docs/deployment.md"
SECTIONS = ("Deploy with the AWS CLI", "Store the policy", "Delete the deployment")
NAME = "image-steward"
# The emulator does not support Recycle Bin rules.
OVERRIDES = "--parameter-overrides "
ADAPTED = f"{OVERRIDES}RecycleBin=off "


@pytest.fixture(scope="module")
def fresh() -> Iterator[LocalAws]:
    """A separate, empty local AWS, which the page requires."""
    with LocalAws() as found:
        yield found


@pytest.fixture
def release(fresh: LocalAws, tmp_path: Path) -> Path:
    """The directory in which the page's commands run. No function is invoked here."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/false\n")
    for function in FUNCTIONS:
        (tmp_path / f"{function}-arm64.zip").write_bytes(code.getvalue())
        (tmp_path / f"{function}-x86_64.zip").write_bytes(b"not uploaded")
    shutil.copy(fresh.template, tmp_path / "image-steward.yaml")
    shutil.copy(ROOT / "examples/policy.toml", tmp_path / "small.toml")
    draft = tmp_path / "draft.toml"
    saved = str(ROOT / "tests/docs/fixture.json")
    done = image_steward(NOWHERE, "init", "--inventory", saved, "--out", str(draft))
    assert done.returncode in (0, 3), done.stderr
    # As the page recommends for a draft that is too long for one parameter.
    lines = draft.read_text().splitlines(keepends=True)
    policy = "".join(line for line in lines if not line.startswith("#"))
    assert 4096 < len(policy.encode()) <= 8192 < len("".join(lines).encode())
    (tmp_path / "policy.toml").write_text(policy)
    return tmp_path


def variables(aws: LocalAws) -> dict[str, str]:
    """The configuration of the function that removes images."""
    function = f"{NAME}-prune-images"
    found = aws.client("lambda").get_function_configuration(FunctionName=function)
    return found["Environment"]["Variables"]


def stored(aws: LocalAws, *names: str) -> str:
    """The policy in these parameters."""
    client = aws.client("ssm")
    found = [client.get_parameter(Name=name)["Parameter"] for name in names]
    assert all(len(one["Value"].encode()) <= 8192 for one in found)
    return "".join(one["Value"] for one in found)


def parameters(aws: LocalAws) -> dict[str, str]:
    """The parameters of the stack."""
    client = aws.client("cloudformation")
    [found] = client.describe_stacks(StackName=NAME)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


def test_the_page_from_the_first_command_to_the_last(
    fresh: LocalAws, release: Path
) -> None:
    environment = clean_environment() | {
        **fresh.endpoints(),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "PATH": f"{binary(NAME).parent}:{VENV}/bin:/usr/bin:/bin",
    }
    seen = []
    for command in console_commands(PAGE, *SECTIONS):
        assert command.startswith(("aws ", "split ")), command
        if "put-parameter" in command:
            # Without it, the limit of Parameter Store is 4 KB.
            assert "--tier Intelligent-Tiering" in command
        if command.startswith("aws cloudformation deploy"):
            assert command.count(OVERRIDES) == 1, command
            # The AWS CLI names change sets by the second, and the emulator is fast.
            time.sleep(1)
            command = command.replace(OVERRIDES, ADAPTED)
        if "delete-stack" in command:
            # As left by the last deployment.
            assert variables(fresh)["STEWARD_POLICY"] == "ssm:/image-policies/2027-01#2"
        done = shell(command, release, environment, 300)
        why = f"{command}\n{done.stdout}{done.stderr}\n{fresh.log()[-2000:]}"
        assert done.returncode == 0, why
        seen.append((command, fresh.stacks().get(NAME)))
        if command.startswith("aws cloudformation deploy"):
            assert seen[-1][1] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), why
            seen[-1] = (command, variables(fresh))
        if 'PolicyText="' in command:
            text = (release / "small.toml").read_text().rstrip("\n")
            assert stored(fresh, f"/{NAME}/policy/apply") == text
        if "CodePrefix=" in command:
            # The emulator accepts code that does not exist.
            given = parameters(fresh)
            there = fresh.client("s3").list_objects_v2(Bucket=given["CodeBucket"])
            keys = {one["Key"] for one in there["Contents"]}
            assert {one for one in keys if one.endswith(".zip")} == {
                f"{given['CodePrefix']}{function}-arm64.zip" for function in FUNCTIONS
            }
    deployed = [one for _, one in seen if isinstance(one, dict)]
    assert [one["STEWARD_MODE"] for one in deployed] == ["plan", *["apply"] * 4]
    assert [one["STEWARD_POLICY"] for one in deployed] == [
        "ssm:/image-policies/first",
        "ssm:/image-policies/first",
        f"ssm:/{NAME}/policy/apply",
        "ssm:/image-policies/2026-12",
        "ssm:/image-policies/2027-01#2",
    ]
    assert deployed[-1]["STEWARD_POLICY_DIGEST"].startswith("sha256:")
    # The user's own resources still exist after the stack is deleted.
    policy = (release / "policy.toml").read_text()
    assert stored(fresh, "/image-policies/first") == policy
    assert (
        stored(fresh, *(f"/image-policies/2027-01/{part}" for part in (1, 2))) == policy
    )
    assert NAME not in fresh.stacks()
    assert REGION in seen[0][0]
