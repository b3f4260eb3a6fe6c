"""The version to release: its number, its release notes, and the time of its files."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("prune-images", "reap-snapshots", "retire-instance", "tag-image")
COMMAND = "image-steward"
# The names of the architectures in the Makefile (keys), in Rust, and in the names of the archives.
TRIPLES = {
    "x86-64": "x86_64-unknown-linux-gnu",
    "arm64": "aarch64-unknown-linux-gnu",
}
PLATFORMS = {"x86-64": "x86_64-linux", "arm64": "aarch64-linux"}
# Lambda's names of the architectures, which are part of the archives' S3 keys in the template.
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
            f"CHANGELOG.md has no section for version {number} in Cargo.toml; "
            f"add `## [{number}] - YYYY-MM-DD` with the changes"
        )
    return found[1], found[2].strip() + "\n"


def notes(root: Path = ROOT) -> str:
    """The section of this version in the changelog."""
    return _section(root)[1]


def check_tag(tag: str, root: Path = ROOT) -> None:
    """Fail if the tag does not match this version."""
    if tag != f"v{version(root)}":
        raise SystemExit(
            f"the tag {tag} does not match version {version(root)} in Cargo.toml; "
            f"use the tag v{version(root)}, or change the version"
        )


def released_at(root: Path = ROOT) -> datetime:
    """The time of all files in the archives: SOURCE_DATE_EPOCH, or the date in the changelog.

    The time of the commit is not used, so that a source archive without a repository has the same result.
    """
    day, _ = _section(root)
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        if not epoch.isdecimal():
            raise SystemExit(f"SOURCE_DATE_EPOCH is `{epoch}`; set it to seconds since 1970")
        return datetime.fromtimestamp(int(epoch), UTC)
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError as error:
        raise SystemExit(f"CHANGELOG.md: {day} is not a date: {error}") from error
