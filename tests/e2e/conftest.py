"""One account and one runtime for all tests here. Each test loads its own fleet."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import jsonschema
import pytest

from azure_app import managed_identity, start_functions
from exercised import Exercised
from harness import ROOT, Account, Runtime
from local_azure import Subscription
from process import exit_when_killed
from sweeps import command, planner, sweeps

__all__ = ["command", "managed_identity", "planner", "start_functions", "sweeps"]


def pytest_configure() -> None:
    """A killed test run stops the processes that it started, like an interrupted one."""
    exit_when_killed()


@pytest.fixture(scope="session", autouse=True)
def exercised(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Iterator[Exercised]:
    """The events and permissions that the tests used, checked after the last test."""
    seen = Exercised()
    yield seen
    directory = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        # From all worker processes of this test run.
        directory = directory.parent
    seen.check(request.session, directory, worker_id)


@pytest.fixture(scope="session")
def running_account(exercised: Exercised) -> Iterator[Account]:
    with Account() as account:
        yield account
        exercised.add_calls(account.control("GET", "apps"))


@pytest.fixture
def account(running_account: Account, exercised: Exercised) -> Iterator[Account]:
    """The account: empty, with all switches off and no recorded calls.

    After the test, every published event must match the schema of its kind.
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
    # A field that is not in the schema is missing in the documentation.
    found |= {"additionalProperties": False}
    return jsonschema.Draft202012Validator(found)


@pytest.fixture(scope="session")
def running_runtime(running_account: Account) -> Iterator[Runtime]:
    with Runtime(running_account) as runtime:
        yield runtime


@pytest.fixture
def runtime(account: Account, running_runtime: Runtime) -> Iterator[Runtime]:
    """The runtime, without functions that this test started.

    After the test, every line of every log must be a JSON object without repeated keys.
    """
    yield running_runtime
    running_runtime.check_logs()


@pytest.fixture(scope="session")
def running_subscription() -> Iterator[Subscription]:
    with Subscription() as subscription:
        yield subscription


@pytest.fixture
def subscription(running_subscription: Subscription) -> Subscription:
    """The Azure subscription: empty, with all switches off and no recorded calls."""
    running_subscription.load()
    return running_subscription


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connections neither succeed nor fail."""
    with ExitStack() as opened:
        listener = opened.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        # If the queue is full, the operating system silently drops further connections.
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
