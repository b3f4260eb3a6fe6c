"""The link checker finds broken links, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from links import broken

GOOD = """<h1 id="top">A</h1><a href="#top">a</a><a href="b/">b</a><a href="b/c.html#x%20y">c</a>
<a href="data.json">d</a><a href="https://example.com/">e</a><img src="data.json">"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "b/index.html").write_text('<a href="../index.html#top">up</a>')
    (tmp_path / "b/c.html").write_text('<h2 id="x y">x</h2>')
    (tmp_path / "b/c.md").write_text("# c")
    (tmp_path / "index.html").write_text(GOOD)
    return tmp_path


def test_a_good_book(book: Path) -> None:
    assert list(broken(book)) == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("#nowhere", "has no such heading"),
        ("b/c.html#y", "has no such heading"),
        ("gone.html", "is not there"),
        ("b/c.md", "is a source, not a page"),
        ("../outside.html", "leads out of the book"),
        ("http://example.com/", "is not https"),
        ("https:", "is not https"),
    ],
)
def test_a_broken_link(book: Path, link: str, why: str) -> None:
    (book / "index.html").write_text(f'{GOOD}\n<a href="{link}">x</a>')
    assert list(broken(book)) == [f"index.html:3: {link}: {why}"]
