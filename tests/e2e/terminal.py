"""The command on a pseudo-terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Mapping
from dataclasses import dataclass

from harness import Account, binary, steward_environment

MAX_SILENCE = 60
"""Seconds without output after which the command counts as stuck."""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Shown:
    """The output on the terminal, and the exit code."""

    raw: str
    returncode: int

    @property
    def text(self) -> str:
        """Without colors and cursor movements."""
        return ESCAPE.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in re.split(r"[\r\n]+", self.text)]


def on_terminal(
    account: Account | str,
    *arguments: str,
    columns: int = 100,
    answer: str | None = None,
    prompt: str = "[y/N]",
    **settings: str | None,
) -> Shown:
    """Run the command with all three standard streams on a terminal.

    `answer` is typed when it shows `prompt`. Without `answer`, it must not prompt.
    """
    url = account if isinstance(account, str) else account.url
    more: Mapping[str, str | None] = {"TERM": "xterm-256color"} | settings
    environment = steward_environment(url, more)
    command = [str(binary("image-steward")), *arguments]
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # Forking in this process, which has threads of the test runner, could deadlock.
    process = subprocess.Popen(
        ["setsid", "--ctty", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    pieces: list[bytes] = []
    asked = False
    while True:
        if not select.select([terminal], [], [], MAX_SILENCE)[0]:
            process.kill()
            process.wait()
            raise AssertionError(f"nothing more came: {b''.join(pieces)!r}")
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
        if not asked and prompt.encode() in b"".join(pieces):
            asked = True
            # Ctrl-D ends the input.
            os.write(terminal, ("\x04" if answer is None else answer).encode())
    os.close(terminal)
    returncode = process.wait()
    raw = b"".join(pieces).decode(errors="replace")
    assert asked == (answer is not None), raw
    return Shown(raw, returncode)
