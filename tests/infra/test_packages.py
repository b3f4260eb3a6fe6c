"""Dependencies: Python packages with hashes, and the library in the report."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from harness import ROOT

GROUPS = (
    "deploy",
    "demo",
    "test",
    "dist",
    "check",
    "deployed",
    "browser",
    "pictures",
    "lock",
)
# Each in a separate environment, so that it may have other versions.
APART = ("peers", "checkov")
VENDOR = ROOT / "cli/report/vendor"
REQUIREMENT = re.compile(r"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^ ]+)")


def locked(group: str) -> dict[str, tuple[set[str], int]]:
    """The versions of each package, and the number of their hashes."""
    found: dict[str, tuple[set[str], int]] = {}
    name = ""
    for line in Path(ROOT, f"requirements/{group}.txt").read_text().splitlines():
        if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line):
            versions, hashes = found[name]
            found[name] = (versions, hashes + 1)
            continue
        requirement = REQUIREMENT.match(line)
        assert requirement and line.endswith(" \\"), (group, line)
        name = requirement[1]
        versions, hashes = found.get(name, (set(), 0))
        found[name] = (versions | {requirement[2]}, hashes)
    return found


def pinned(group: str) -> dict[str, str]:
    """The packages of a dependency group, including nested ones."""
    groups = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())
    found: dict[str, str] = {}
    for one in groups["dependency-groups"][group]:
        if isinstance(one, dict):
            found |= pinned(one["include-group"])
        else:
            requirement = REQUIREMENT.fullmatch(one.lower().replace("_", "-"))
            assert requirement, one
            found[requirement[1]] = requirement[2]
    return found


@pytest.mark.parametrize("group", [*GROUPS, *APART])
def test_every_package_has_a_hash(group: str) -> None:
    found = locked(group)
    assert all(hashes for _, hashes in found.values())
    for name, version in pinned(group).items():
        # A version for only some Python versions is listed together with another one.
        assert version in found[name][0], name


def test_a_package_has_one_version() -> None:
    """Dependency groups are installed into the same environment."""
    largest = locked("deployed")
    for group in GROUPS:
        for name, (versions, _) in locked(group).items():
            if name in largest:
                assert versions == largest[name][0], (group, name)


def test_the_makefile_installs_all_groups_with_hashes() -> None:
    text = Path(ROOT, "Makefile").read_text()
    [groups] = re.findall(r"^GROUPS := (.*)$", text, re.MULTILINE)
    assert set(groups.split()) == set(GROUPS)
    files = {path.stem for path in Path(ROOT, "requirements").iterdir()}
    assert files == {*GROUPS, *APART}
    installs = re.findall(r"-m pip install [^\n]*\\\n[^\n]*", text)
    assert len(installs) == text.count("pip install")
    assert all("--require-hashes" in one for one in installs)


def test_the_library_of_the_report_is_what_was_built() -> None:
    """When you update it, write the new checksums, as its README describes."""
    lines = Path(VENDOR, "SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    files = {path.name for path in VENDOR.iterdir()} - {"README.md", "SHA256SUMS"}
    assert sums.keys() == files
    for name, expected in sums.items():
        assert hashlib.sha256(Path(VENDOR, name).read_bytes()).hexdigest() == expected
