"""Stop child processes when the test run is killed, not only when it is interrupted."""

from __future__ import annotations

from process import exit_when_killed


def pytest_configure() -> None:
    """Install the signal handler when pytest starts."""
    exit_when_killed()
