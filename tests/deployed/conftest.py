"""One local AWS for all tests here, to which image-steward is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import worlds
from local_aws import STACK, LocalAws
from process import exit_when_killed

MORE = '[orphans]\ndelete_after = "1d"\n[instances]\nretire = "stop"\n'
POLICY = worlds.policy("", MORE, last=1, tagging=worlds.TAGS)
# The emulator does not support Recycle Bin rules.
PARAMETERS = "RecycleBin=off Notices=on FlexibleMinutes=1 RetireInstances=stop"


def pytest_configure() -> None:
    """A killed test run stops the processes that it started, like an interrupted one."""
    exit_when_killed()


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed policy."""
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """An empty local AWS."""
    with LocalAws() as found:
        yield found


@pytest.fixture
def deployed(aws: LocalAws, policy: Path) -> LocalAws:
    """A local AWS with image-steward in apply mode. It is deployed once, and again if a test
    destroyed it."""
    if STACK in aws.stacks():
        return aws
    done = aws.deploy(MODE="apply", POLICY=str(policy), PARAMETERS=PARAMETERS)
    assert done.returncode == 0, done.stdout + done.stderr
    return aws
