"""A killed test run stops the processes that it started, like an interrupted one."""

from __future__ import annotations

from process import exit_when_killed


def pytest_configure() -> None:
    """Called by pytest at the start."""
    exit_when_killed()
