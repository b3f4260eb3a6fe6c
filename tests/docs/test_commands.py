"""All commands in the book are run, or listed with the reason why they are not run here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from azure_worlds import azure_policy, machine, web_world
from book import Block, blocks
from console import command_lines, shell
from harness import REGION, ROOT, Account, binary, steward_environment
from local_azure import Subscription, azure_environment
from worlds import image, small_fleet

SHOWN = "ami-0123456789abcdef0"
# The beginning of a command, and why it is not run here.
NOT_RUN = {
    "aws ": "AWS's own command; nothing here can reach an account",
    "az ": "Azure's own command; nothing here can reach a subscription",
    "curl ": "nothing is downloaded here",
    "sha256sum ": "it checks what was downloaded",
    "tar ": "the same",
    "gh ": "GitHub's own command",
    "split ": "tests/deployed runs it, with a policy that is long enough",
    "cargo ": "the tests build in another profile",
    "git ": "nothing is tagged here",
    "export PATH=": "the tests put the binary on the path themselves",
    "export AWS_REGION=": "the tests choose the Region of the local account",
    "export RELEASES=": "nothing is downloaded here",
}
# The configurations of other tools, for the page about migration.
CUSTODIAN = """policies:
  - name: old-images
    resource: ami
    filters:
      - unused
      - type: image-age
        days: 60
    actions:
      - deregister
"""
AMICLEANER = "30 4 * * 1 amicleaner --mapping-key tags --mapping-values Family -f\n"
EXIT = re.compile(r"# exit code (\d)$")
# The policy that a command writes. It must be valid for a plan.
WRITTEN = re.compile(r"image-steward init .*--out (\S+\.toml)")
# The README's plan has its output below it: test_pictures.py compares both.
WITH_OUTPUT = "$ image-steward plan --family"
BLOCKS = [one for one in blocks("console") if not one.text.startswith(WITH_OUTPUT)]
ON_AZURE = [one for one in BLOCKS if "--subscription" in one.text]
ON_AWS = [one for one in BLOCKS if one not in ON_AZURE]


def is_run(command: str) -> bool:
    return command.startswith(("image-steward ", "target/release/image-steward "))


def targets() -> set[str]:
    """The targets of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z0-9-]+):", text, re.MULTILINE))


def fleet() -> dict[str, Any]:
    """An account with the expired image in the book's examples."""
    shown = image(9, 200, marked=3, name="web-200") | {
        "image_id": SHOWN,
        "snapshots": ["snap-0123456789abcdef0"],
    }
    gone = image(8, 300, marked=20)
    return small_fleet(shown, gone, image(7, 90), image(6, 40, name="golden-6"))


@pytest.fixture
def place(account: Account, tmp_path: Path) -> Path:
    """The files that the commands use, and an account with which a plan is possible."""
    account.load(fleet())
    policy = (ROOT / "examples/policy.toml").read_text()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/policy.toml").write_text(policy)
    for name in ("policy.toml", "new.toml", "old.toml"):
        (tmp_path / name).write_text(policy.replace("golden-*", "web-*"))
    (tmp_path / "custodian.yml").write_text(CUSTODIAN)
    (tmp_path / "crontab.txt").write_text(AMICLEANER)
    run("image-steward inventory > saved.json", account, tmp_path)
    return tmp_path


def run(command: str, account: Account | Subscription, place: Path) -> None:
    """Run it in a shell as written. The exit code must be 0, unless the book states another."""
    expected = EXIT.search(command)
    path = f"{binary('image-steward').parent}{os.pathsep}/usr/bin:/bin"
    if isinstance(account, Subscription):
        # The Azure CLI there is logged in.
        path = f"{account.directory}{os.pathsep}{path}"
        environment = azure_environment(account, {"PATH": path})
        endpoint = f"--endpoint-url {account.url}"
        command = command.replace("--subscription", f"{endpoint} --subscription")
    else:
        environment = steward_environment(account.url, {"AWS_REGION": REGION})
        environment["PATH"] = path
    command = command.replace("target/release/image-steward", "image-steward")
    done = shell(command, place, environment)
    wanted = int(expected[1]) if expected else 0
    assert done.returncode == wanted, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("block", ON_AWS, ids=str)
def test_commands(block: Block, account: Account, place: Path) -> None:
    check_commands(block, account, place)


@pytest.mark.parametrize("block", ON_AZURE, ids=str)
def test_commands_on_azure(
    block: Block, subscription: Subscription, tmp_path: Path
) -> None:
    # The oldest version, which the book restores, is not in use.
    canary = machine("canary", "golden/web/5.0.0")
    subscription.load(**web_world(virtual_machines=[canary]))
    (tmp_path / "policy.toml").write_text(azure_policy())
    check_commands(block, subscription, tmp_path)


def check_commands(block: Block, account: Account | Subscription, place: Path) -> None:
    """Run the commands of a block, or find out why they are not run."""
    known = targets()
    if "image-steward init" in block.text:
        # It does not overwrite an existing policy.
        (place / "policy.toml").unlink()
    for command in command_lines(block.text):
        if is_run(command):
            run(command, account, place)
            if written := WRITTEN.search(command):
                plan = "image-steward plan --inventory saved.json --policy"
                run(f"{plan} {written[1]}", account, place)
        elif command.startswith("make "):
            words = re.sub(r"\s#.*", "", command).split()[1:]
            made = [word for word in words if "=" not in word]
            assert set(made) <= known, command
        else:
            assert any(command.startswith(one) for one in NOT_RUN), (
                f"{block}: `{command}` is neither run nor known not to be"
            )


def test_nothing_is_left_out_that_is_not_there() -> None:
    shown = [command for block in BLOCKS for command in command_lines(block.text)]
    for start in NOT_RUN:
        assert any(one.startswith(start) for one in shown), start
    assert sum(map(is_run, shown)) >= 20
    assert len(ON_AZURE) >= 3


def test_commands_stand_in_console_blocks_only() -> None:
    """A block without a language, or in another one, would not be checked."""
    others = blocks("", "sh", "bash", "shell", "text", "shell-session")
    for block in others:
        assert "$ " not in block.text, f"{block}: write ```console"
