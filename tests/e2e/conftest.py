"""One account and one runtime for all tests here; each test loads its own fleet."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from harness import Account, Runtime
from sweeps import command, planner, sweeps

__all__ = ["command", "planner", "sweeps"]


def pytest_configure() -> None:
    """A killed run stops what it started, as an interrupted one does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@pytest.fixture(scope="session")
def running_account() -> Iterator[Account]:
    with Account() as account:
        yield account


@pytest.fixture
def account(running_account: Account) -> Account:
    """The account, empty, with all switches off and no calls counted."""
    running_account.load({})
    return running_account


@pytest.fixture(scope="session")
def running_runtime(running_account: Account) -> Iterator[Runtime]:
    with Runtime(running_account) as runtime:
        yield runtime


@pytest.fixture
def runtime(account: Account, running_runtime: Runtime) -> Runtime:
    """The runtime; no function is started yet by this test."""
    return running_runtime
