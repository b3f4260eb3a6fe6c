"""One stand-in for all tests here, used over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from running import StandIn, start


@pytest.fixture(scope="session")
def running() -> Iterator[StandIn]:
    process, url = start()
    yield StandIn(url)
    process.terminate()
    assert process.wait(5) == 0


@pytest.fixture
def standin(running: StandIn) -> StandIn:
    """The stand-in with an empty account and all switches off."""
    running.load()
    running.switch()
    running.control("DELETE", "calls")
    return running


@pytest.fixture
def fails() -> Callable[..., str]:
    """Makes a call that must fail, and returns the error's message."""

    def call(code: str, function: Callable[..., Any], **params: Any) -> str:
        with pytest.raises(ClientError) as caught:
            function(**params)
        assert caught.value.response["Error"]["Code"] == code, caught.value
        return caught.value.response["Error"]["Message"]

    return call
