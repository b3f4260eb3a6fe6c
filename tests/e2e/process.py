"""Processes that are started, heard and stopped as groups of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class Died(Exception):
    """A process that should be serving has ended; its last words are the text."""


class Process:
    """A process in its own group, and what it has said so far."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self.name = Path(command[0]).name
        self._said = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        with (
            self._said.joinpath("stdout").open("w") as stdout,
            self._said.joinpath("stderr").open("w") as stderr,
        ):
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """All of its standard output up to now."""
        return (self._said / "stdout").read_text(errors="replace")

    def complained(self) -> str:
        """All of its standard error up to now."""
        return (self._said / "stderr").read_text(errors="replace")

    def last_words(self) -> str:
        """The ends of both, for a message about its death."""
        lines = (self.said() + self.complained()).splitlines()
        return "\n".join([f"{self.name} ended with {self.exit_code}:", *lines[-15:]])

    def stop(self) -> None:
        """End the whole group, gently for two seconds."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(2)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        shutil.rmtree(self._said, ignore_errors=True)


def exit_when_killed() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that it stops what it has started.

    Ctrl-C too is set: a shell starts processes in the background with it ignored, and then
    pytest-xdist could not interrupt its workers.
    """
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.default_int_handler)


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(process: Process, ready: Callable[[], bool], seconds: float = 30) -> None:
    """Returns when it is ready; Died when it is not by then, or will not be."""
    end = time.monotonic() + seconds
    while not ready():
        if process.exit_code is not None:
            raise Died(process.last_words())
        if time.monotonic() > end:
            raise Died(f"{process.name} is not ready after {seconds} seconds")
        time.sleep(0.02)
