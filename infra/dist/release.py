"""Which version is released: its number, its notes, and the time that all its files have."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("prune-images", "reap-snapshots", "retire-instance", "tag-image")
COMMAND = "image-steward"
# The names of the architectures in the Makefile, in Rust and in the names of the archives.
TRIPLES = {
    "x86-64": "x86_64-unknown-linux-gnu",
    "arm64": "aarch64-unknown-linux-gnu",
}
PLATFORMS = {"x86-64": "x86_64-linux", "arm64": "aarch64-linux"}
# Lambda's name of an architecture, which the template puts into the key of an archive.
LAMBDA = {"x86-64": "x86_64", "arm64": "arm64"}


def version(root: Path = ROOT) -> str:
    """The version of the workspace."""
    cargo = tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))
    return cargo["workspace"]["package"]["version"]


def _section(root: Path) -> tuple[str, str]:
    """The date and the text of the version's section in the changelog."""
    number = version(root)
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(number)}\] - (\d{{4}}-\d\d-\d\d)$"
    # The last section ends where the links of the versions begin.
    end = r"(?=^## |^\[[^]\n]+\]: |\Z)"
    found = re.search(heading + rf"(.*?){end}", text, re.MULTILINE | re.DOTALL)
    if not found or not found[2].strip():
        raise SystemExit(
            f"CHANGELOG.md has no section for version {number} of Cargo.toml: "
            f"write `## [{number}] - YYYY-MM-DD` and what has changed"
        )
    return found[1], found[2].strip() + "\n"


def notes(root: Path = ROOT) -> str:
    """What the changelog says of this version."""
    return _section(root)[1]


def check_tag(tag: str, root: Path = ROOT) -> None:
    """Fail if a tag is not that of this version."""
    if tag != f"v{version(root)}":
        raise SystemExit(
            f"the tag {tag} is not that of version {version(root)} in Cargo.toml: "
            f"tag v{version(root)}, or change the version"
        )


def released_at(root: Path = ROOT) -> datetime:
    """The time of all files in the archives: SOURCE_DATE_EPOCH, or the day in the changelog.

    Not that of the commit, so that a source archive without a repository gives the same.
    """
    day, _ = _section(root)
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        if not epoch.isdecimal():
            raise SystemExit(f"SOURCE_DATE_EPOCH is `{epoch}`: give seconds since 1970")
        return datetime.fromtimestamp(int(epoch), UTC)
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError as error:
        raise SystemExit(f"CHANGELOG.md: {day} is not a date: {error}") from error
