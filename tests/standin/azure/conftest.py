"""One stand-in for all tests here, used over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from running_azure import Azure, start


@pytest.fixture(scope="session")
def running_azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    ca_file: Path = tmp_path_factory.mktemp("azure") / "ca.pem"
    process, url = start(ca_file, "--page-size", "3")
    yield Azure(url, ca_file)
    process.terminate()
    assert process.wait(5) == 0


@pytest.fixture
def azure_standin(running_azure: Azure) -> Azure:
    """The stand-in with an empty world and all switches off; operations take two polls."""
    running_azure.load(now="2026-11-28T00:00:00Z")
    running_azure.switch(operations={"retry_after": None})
    running_azure.control("DELETE", "calls")
    return running_azure
