"""One local AWS for all tests here, with image-steward deployed into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import SOURCE, LocalAws
from process import exit_when_killed

POLICY = """version = 1
[[rule]]
name = "web"
match = { name = "web-*" }
keep = { last = 1 }
retire = { deprecate_after = "0d", disable_after = "7d", deregister_after = "14d" }
[safety]
max_fraction = 1.0
[orphans]
delete_after = "1d"
[tagging]
set = { ManagedBy = "image-steward" }
copy_from_instance = ["Team"]
"""
PARAMETERS = f"RecycleBin=off EventSource={SOURCE} Notices=on FlexibleMinutes=1"


def pytest_configure() -> None:
    """A killed run stops what it started, as an interrupted one does."""
    exit_when_killed()


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy that is deployed."""
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """A local AWS with nothing in it."""
    with LocalAws() as found:
        yield found


@pytest.fixture(scope="session")
def deployed(aws: LocalAws, policy: Path) -> LocalAws:
    """The same with image-steward in apply mode."""
    done = aws.make("deploy", MODE="apply", POLICY=str(policy), PARAMETERS=PARAMETERS)
    assert done.returncode == 0, done.stdout + done.stderr
    return aws
