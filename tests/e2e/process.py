"""Starting processes as process groups, reading their output and stopping them."""

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
    """A process that should serve has exited. The text is the end of its output."""


class Process:
    """A process in its own process group, with its output so far."""

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
        """The exit code; None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Its standard output so far."""
        return (self._said / "stdout").read_text(errors="replace")

    def complained(self) -> str:
        """Its standard error so far."""
        return (self._said / "stderr").read_text(errors="replace")

    def last_words(self) -> str:
        """The ends of both outputs, for a message about its exit."""
        lines = (self.said() + self.complained()).splitlines()
        return "\n".join([f"{self.name} ended with {self.exit_code}:", *lines[-15:]])

    def stop(self) -> None:
        """Stop the whole group. It gets two seconds to exit."""
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
    """Make SIGTERM end this process like Ctrl-C, so that it stops the processes that it started.

    Ctrl-C is set too: a shell starts background processes with it ignored, and then pytest-xdist
    could not interrupt its workers.
    """
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.default_int_handler)


def free_port() -> int:
    """A free local port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port: int) -> bool:
    """Whether a process listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(process: Process, ready: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until it is ready. Raises Died if it is not ready in time, or exits."""
    end = time.monotonic() + seconds
    while not ready():
        if process.exit_code is not None:
            raise Died(process.last_words())
        if time.monotonic() > end:
            raise Died(f"{process.name} is not ready after {seconds} seconds")
        time.sleep(0.02)
