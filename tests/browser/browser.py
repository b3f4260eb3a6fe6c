"""A headless browser, and pages that must not log errors or make requests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, Playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# WCAG 2.0 and 2.1, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
READY = "performance.getEntriesByName('ready')[0]?.startTime"


@dataclass
class Opened:
    """A page, with everything that it should not have done."""

    page: Page
    file: Path
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def goto(self) -> float:
        """Opens the page again, and returns the milliseconds until it is usable."""
        self.page.goto(self.file.as_uri())
        # Not wait_for_function, which evaluates a string on each poll. The page's content security
        # policy forbids that.
        for _ in range(1000):
            if (ready := self.page.evaluate(READY)) is not None:
                return ready
            self.page.wait_for_timeout(10)
        raise AssertionError("the page is not ready")

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_text_contents()

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def column(self, number: int, table: str = "#images") -> list[str]:
        """The cells of the visible rows in that column."""
        return self.texts(
            f"{table} tbody tr:not(.detail) > :nth-child({number}):not(.none)"
        )

    def pages(self, table: str = "#images") -> Iterator[None]:
        """Pages through a table from the first page to the last."""
        following = self.page.locator(f"{table} .pager button", has_text="Next")
        while True:
            yield
            if (
                not following.is_visible()
                or following.get_attribute("aria-disabled") == "true"
            ):
                return
            following.click()

    def focused(self) -> Locator:
        return self.page.locator(":focus")

    def violations(self) -> list[str]:
        found = Axe().run(
            self.page, options={"runOnly": {"type": "tag", "values": RULES}}
        )
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary')}"
            for one in found.response["violations"]
            for node in one["nodes"]
        ]


@contextmanager
def chromium(playwright: Playwright, **wanted: Any) -> Iterator[BrowserContext]:
    """The browser with a new profile."""
    with tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=FLAGS,
            chromium_sandbox=False,
            **wanted,
        )
        try:
            yield context
        finally:
            context.close()


@contextmanager
def opened(playwright: Playwright, file: Path, **wanted: Any) -> Iterator[Opened]:
    """Opens the file. Fails at the end if the page logged errors or made requests."""
    with chromium(
        playwright, **({"viewport": {"width": 1280, "height": 900}} | wanted)
    ) as context:
        page = context.pages[0]
        one = Opened(page, file)
        page.on("console", lambda line: one.problems.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: one.problems.append(f"error: {error}"))
        page.on(
            "dialog", lambda dialog: one.problems.append(f"dialog: {dialog.message}")
        )
        context.on("request", lambda request: one.requests.append(request.url))
        one.goto()
        yield one
        assert one.problems == []
        assert set(one.requests) == {file.as_uri()}
