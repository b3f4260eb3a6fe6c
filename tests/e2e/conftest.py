"""One account and one runtime for all tests here; each test loads its own fleet."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import jsonschema
import pytest

from exercised import Exercised
from harness import ROOT, Account, Runtime
from process import exit_when_killed
from sweeps import command, planner, sweeps

__all__ = ["command", "planner", "sweeps"]


def pytest_configure() -> None:
    """A killed run stops what it started, as an interrupted one does."""
    exit_when_killed()


@pytest.fixture(scope="session", autouse=True)
def exercised(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Iterator[Exercised]:
    """What the tests have exercised; checked when the last of them has run."""
    seen = Exercised()
    yield seen
    directory = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        # Of all worker processes of this run.
        directory = directory.parent
    seen.check(request.session, directory, worker_id)


@pytest.fixture(scope="session")
def running_account(exercised: Exercised) -> Iterator[Account]:
    with Account() as account:
        yield account
        exercised.add_calls(account.control("GET", "apps"))


@pytest.fixture
def account(running_account: Account, exercised: Exercised) -> Iterator[Account]:
    """The account, empty, with all switches off and no calls counted.

    After the test every event that it was told has to fit the schema of its kind.
    """
    running_account.load({})
    yield running_account
    for event in running_account.control("GET", "events"):
        kind = event["DetailType"]
        schema(kind).validate(event["Detail"])
        exercised.events.add(kind)


@cache
def schema(kind: str) -> jsonschema.Draft202012Validator:
    """A validator for the detail of events of that kind."""
    name = kind.lower().replace(" ", "-")
    text = (ROOT / f"docs/events/{name}.schema.json").read_text()
    document = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(document)
    found = document["properties"]["detail"] | {"$defs": document.get("$defs", {})}
    # A field that the schema does not know is one that the documentation lacks.
    found |= {"additionalProperties": False}
    return jsonschema.Draft202012Validator(found)


@pytest.fixture(scope="session")
def running_runtime(running_account: Account) -> Iterator[Runtime]:
    with Runtime(running_account) as runtime:
        yield runtime


@pytest.fixture
def runtime(account: Account, running_runtime: Runtime) -> Iterator[Runtime]:
    """The runtime; no function is started yet by this test.

    After the test every line of every log has to be a JSON object without a key twice.
    """
    yield running_runtime
    running_runtime.check_logs()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connecting neither works nor fails."""
    with ExitStack() as opened:
        listener = opened.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        # With the queue full, the system drops what more comes without a word.
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
