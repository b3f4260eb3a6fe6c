"""The sections of a page, and the commands that they show."""

from __future__ import annotations

import re
from pathlib import Path

HEADING = re.compile(r"^(#{1,6}) (.*)$", re.MULTILINE)
BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def section(page: Path, heading: str) -> str:
    """What is under a heading, up to the next one of its level or above."""
    text = page.read_text()
    found = list(HEADING.finditer(text))
    [at] = [at for at, one in enumerate(found) if one[2] == heading]
    ends = [one.start() for one in found[at + 1 :] if len(one[1]) <= len(found[at][1])]
    return text[found[at].end() : min(ends, default=len(text))]


def console_commands(page: Path, *headings: str) -> list[str]:
    """The commands of all console blocks there, each in one line."""
    text = "".join(section(page, one) for one in headings)
    lines = "".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines]
