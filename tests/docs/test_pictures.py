"""The recordings and the README's plan are what the program prints; `make pictures` writes them.

Screenshots depend on the browser and its fonts, so only their presence and size are checked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from harness import ROOT, Account

sys.path.insert(0, str(ROOT / "demo"))
import pictures
from make_fleet import make_fleet

FILES = ("explain.svg", "plan.svg", "report-dark.png", "report-light.png")


@pytest.fixture(scope="module")
def demo_account() -> Iterator[Account]:
    with Account(make_fleet(pictures.NOW)) as running:
        yield running


def test_terminals(demo_account: Account) -> None:
    for name, drawn in pictures.terminals(demo_account).items():
        assert (pictures.PICTURES / name).read_text() == drawn, f"{name} is out of date"


def test_the_plan_in_the_readme(demo_account: Account) -> None:
    text = pictures.README.read_text()
    assert text == pictures.replaced(text, pictures.excerpt(demo_account))


def test_pictures_are_small_and_shown() -> None:
    found = sorted(file.name for file in pictures.PICTURES.iterdir())
    assert found == sorted(FILES)
    sizes = [(pictures.PICTURES / name).stat().st_size for name in FILES]
    assert sum(sizes) < 400_000
    readme = pictures.README.read_text()
    book = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    for name in ("report-light.png", "report-dark.png"):
        assert f"docs/pictures/{name}" in readme, name
    for name in ("plan.svg", "explain.svg", "report-light.png"):
        assert f"(pictures/{name})" in book, name


def test_pictures_load_nothing() -> None:
    for name in ("explain.svg", "plan.svg"):
        text = (pictures.PICTURES / name).read_text()
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_readme_without_the_plan_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no block"):
        pictures.replaced("# image-steward\n", "golden")
