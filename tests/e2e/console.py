"""The sections of a page, their commands, and a shell that runs the commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

HEADING = re.compile(r"^(#{1,6}) (.*)$", re.MULTILINE)
BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next one of the same or a higher level."""
    text = page.read_text()
    found = list(HEADING.finditer(text))
    [at] = [at for at, one in enumerate(found) if one[2] == heading]
    ends = [one.start() for one in found[at + 1 :] if len(one[1]) <= len(found[at][1])]
    return text[found[at].end() : min(ends, default=len(text))]


def console_commands(page: Path, *headings: str) -> list[str]:
    """The commands of all console blocks there, one per line."""
    text = "".join(section(page, one) for one in headings)
    return command_lines("".join(BLOCK.findall(text)))


def command_lines(text: str) -> list[str]:
    """The commands of a console block, one per line. The block contains nothing else."""
    joined = text.replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in joined]
    assert all(line.startswith("$ ") for line in lines), lines
    return [line.removeprefix("$ ") for line in lines]


def shell(
    command: str, place: Path, environment: Mapping[str, str], seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command as written, in this directory."""
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
