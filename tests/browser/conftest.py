"""Pages of generated accounts, opened in a browser, one per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, sync_playwright

from browser import Opened, opened
from pages import Document, write_page

Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture
def show(playwright: Playwright, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a document. Forbidden behavior is checked at the end of the test."""
    with ExitStack() as stack:

        def show(data: Document, **wanted: Any) -> Opened:
            file = write_page(data, tmp_path / "report.html")
            return stack.enter_context(opened(playwright, file, **wanted))

        yield show
