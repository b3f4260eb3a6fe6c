"""Checks the links of a built book: the linked pages, files and headings must exist.

    python tests/docs/links.py DIRECTORY

Links to other sites are not checked, because a build must not depend on them. The program needs
only the standard library, and can run as root, for example in a container.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Pages that mdBook generates: one contains all others, one is shown for unknown addresses.
GENERATED = {"print.html", "404.html", "toc.html"}


class Page(HTMLParser):
    """The links on a page, and its link targets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[int, str]] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if anchor := told.get("id"):
            self.anchors.add(anchor)
        for name in ("href", "src"):
            if link := told.get(name):
                self.links.append((self.getpos()[0], link))


def broken(book: Path) -> Iterator[str]:
    """All broken links, with their position and the problem."""
    book = book.resolve()
    files = sorted(book.rglob("*.html"))
    pages = {file: Page(file.read_text()) for file in files}
    for file, page in pages.items():
        if file.name in GENERATED:
            continue
        for line, link in page.links:
            if why := _why_not(link, file, book, pages):
                yield f"{file.relative_to(book)}:{line}: {link}: {why}"


def _why_not(link: str, file: Path, book: Path, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        is_sound = parts.scheme in {"https", "mailto"} and (parts.netloc or parts.path)
        return None if is_sound else "is not https"
    target = file
    if parts.path:
        target = (file.parent / unquote(parts.path)).resolve()
        if target.is_dir():
            target /= "index.html"
    if not target.is_relative_to(book):
        return "leads out of the book"
    if not target.is_file():
        return "is not there"
    if target.suffix == ".md":
        return "is a source, not a page"
    anchors = pages[target].anchors if target in pages else {unquote(parts.fragment)}
    if parts.fragment and unquote(parts.fragment) not in anchors:
        return "has no such heading"
    return None


if __name__ == "__main__":
    book = Path(sys.argv[1])
    found = list(broken(book))
    for one in found:
        print(one)
    count = len(list(book.rglob("*.html")))
    if not count:
        sys.exit(f"{book} holds no page")
    print(f"{count} pages, {len(found)} broken links")
    sys.exit(bool(found))
