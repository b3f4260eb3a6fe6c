"""One local account for the commands of the book; the harness is that of tests/e2e."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Account
from make_fixture import FIXTURE
from process import exit_when_killed


def pytest_configure() -> None:
    """A killed run stops what it started, as an interrupted one does."""
    exit_when_killed()


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """The account; each test loads what it needs."""
    with Account() as account:
        yield account


@pytest.fixture(scope="session")
def fixture() -> dict[str, Any]:
    """The saved inventory that the policies are planned against."""
    return json.loads(FIXTURE.read_text())
