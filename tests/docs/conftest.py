"""One local account for the commands of the book, with the harness of tests/e2e."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Account
from local_azure import Subscription
from make_fixture import FIXTURE
from process import exit_when_killed


def pytest_configure() -> None:
    """A killed test run stops the processes that it started, like an interrupted one."""
    exit_when_killed()


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """The account. Each test loads the resources that it needs."""
    with Account() as account:
        yield account


@pytest.fixture(scope="session")
def subscription() -> Iterator[Subscription]:
    """The Azure subscription. Each test loads the resources that it needs."""
    with Subscription() as subscription:
        yield subscription


@pytest.fixture(scope="session")
def fixture() -> dict[str, Any]:
    """The saved inventory for plans with the policies."""
    return json.loads(FIXTURE.read_text())
