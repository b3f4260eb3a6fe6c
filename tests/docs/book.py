"""The pages of the book and the README, with their blocks and sentences."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from harness import ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
WHOLE = {"version", "timezone", "rule", "safety", "tagging", "orphans", "instances"}
A_RULE = '[[rule]]\nname = "any"\nkeep = { last = 1 }\n'


@dataclass(frozen=True)
class Block:
    """A fenced block, and the text between it and the next policy."""

    page: str
    line: int
    language: str
    text: str
    after: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The README and all pages of the book."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages, in order."""
    return [
        one for page in pages() for one in _blocks(page) if one.language in languages
    ]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    found = list(BLOCK.finditer(text))
    for at, match in enumerate(found):
        later = (one for one in found[at + 1 :] if one[2].startswith("toml"))
        end = next(later, None)
        yield Block(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, match.start()) + 1,
            language=match[2],
            text=dedent(match[3]),
            after=text[match.end() : end.start() if end else len(text)],
        )


def policy(text: str) -> str:
    """The block as a complete policy. Missing parts are added to a fragment."""
    told = tomllib.loads(text)
    if "version" in told:
        return text
    if not set(told) <= WHOLE:
        # The keys of one rule.
        return f'version = 1\n[[rule]]\nname = "any"\n{text}'
    return f"version = 1\n{text}\n{'' if 'rule' in told else A_RULE}"


def is_whole(text: str) -> bool:
    """Whether the block is a policy without additions."""
    return "version" in tomllib.loads(text)


def schema_paths(schema: dict[str, Any]) -> set[str]:
    """All keys of the document, such as `rule.keep.last`. `not` has the same keys as `match`."""
    return set(_paths(schema, schema, ""))


def _paths(node: dict[str, Any], root: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in _object(node, root).get("properties", {}).items():
        path = f"{prefix}{key}"
        yield path
        if key != "not":
            yield from _paths(value, root, f"{path}.")


def _object(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The node itself, without references, lists and an alternative `null`."""
    if "$ref" in node:
        return _object(root["$defs"][node["$ref"].rsplit("/", 1)[1]], root)
    if "items" in node:
        return _object(node["items"], root)
    for choice in node.get("anyOf", []):
        if choice.get("type") != "null":
            return _object(choice, root)
    return node
