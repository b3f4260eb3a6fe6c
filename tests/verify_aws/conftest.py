"""A killed run stops what it started, as an interrupted one does."""

from __future__ import annotations

from process import exit_when_killed


def pytest_configure() -> None:
    """Called by pytest at the start."""
    exit_when_killed()
