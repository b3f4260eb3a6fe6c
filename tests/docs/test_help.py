"""commands.md lists all commands, options and exit codes, and no others."""

from __future__ import annotations

import re
from functools import cache

import pytest

from book import DOCS
from harness import NOWHERE, ROOT, image_steward

PAGE = (DOCS / "commands.md").read_text()
# The text before the first command.
COMMON = PAGE.split("\n## `", 1)[0]
# Options that clap adds to every command.
EVERYWHERE = {"--help", "--version"}


@cache
def said(*command: str) -> str:
    """The output of --help."""
    done = image_steward(NOWHERE, *command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def all_commands() -> list[str]:
    listed = said().split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    found = re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)
    return [one for one in found if one != "help"]


def options(text: str) -> set[str]:
    """The options in a help text, which are at the start of a line."""
    listed = re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)
    return set(listed) - EVERYWHERE


def section(command: str) -> str:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    found = [one for one in parts if one.startswith(f"`{command}`\n")]
    assert len(found) == 1, f"commands.md has no section `{command}`"
    return found[0]


def told(text: str) -> set[str]:
    """The options in the first column of the tables there."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {option for row in rows for option in re.findall(r"--[a-z-]+", row)}


def test_there_are_commands() -> None:
    assert {"plan", "apply", "restore", "validate"} <= set(all_commands())
    sections = set(re.findall(r"^## `([a-z-]+)`$", PAGE, re.MULTILINE))
    assert sections == set(all_commands())


@pytest.mark.parametrize("command", all_commands())
def test_every_option(command: str) -> None:
    has, common = options(said(command)), told(COMMON)
    assert has <= told(section(command)) | common, has - told(section(command)) - common
    assert told(section(command)) <= has


def test_options_of_many_commands_are_of_many() -> None:
    known = [options(said(command)) for command in all_commands()]
    for option in told(COMMON):
        assert sum(option in one for one in known) > 1, option


def test_every_exit_code() -> None:
    listed = re.search(r"^Exit codes:\n((?: +\d+ .*\n)+)", said(), re.MULTILINE)
    assert listed
    announced = set(re.findall(r"^ +(\d+)  ", listed[1], re.MULTILINE))
    source = (ROOT / "cli/src/outcome.rs").read_text()
    returned = set(re.findall(r"Exit::\w+ => (\d+)", source))
    assert len(returned) >= 5
    assert returned <= announced
    rows = re.findall(r"^\| `(\d+)` \|", PAGE, re.MULTILINE)
    assert set(rows) == announced
