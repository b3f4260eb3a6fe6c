"""One local account for the commands of the book; the harness is that of tests/e2e."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from harness import Account
from make_fixture import FIXTURE


def pytest_configure() -> None:
    """A killed run stops what it started, as an interrupted one does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """The account; each test loads what it needs."""
    with Account() as account:
        yield account


@pytest.fixture(scope="session")
def fixture() -> dict[str, Any]:
    """The saved inventory that the policies are planned against."""
    return json.loads(FIXTURE.read_text())
