"""Tells functions how much time they have, which cargo-lambda does not.

The Lambda runtime API sends with each event the moment at which the function
will be stopped.  cargo-lambda sends the constant 600000 there, which is ten
minutes past midnight on the first of January 1970: a function that stops in
time would stop before it begins.  So the functions speak to the runtime API
through this relay, which puts a true moment in its place.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable

_HEADER = re.compile(rb"(?i)(lambda-runtime-deadline-ms: )\d+\r\n")


class DeadlineRelay:
    """A relay to a port of this machine, for the connections of one function."""

    def __init__(self, upstream: int) -> None:
        self.seconds = 60.0
        """How long the function has for each event, from when it gets it."""
        self.connected = threading.Event()
        """Set when the function has come to ask for its first event."""
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where the function finds its runtime API."""
        return self._listener.getsockname()[1]

    def stop(self) -> None:
        """Close everything; the threads end by that."""
        for one in (self._listener, *self._open):
            _close(one)

    def _accept(self) -> None:
        while True:
            try:
                function, _ = self._listener.accept()
                runtime = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                return
            self._open += [function, runtime]
            self.connected.set()
            for source, target, change in (
                (function, runtime, bytes),
                (runtime, function, self._with_deadline),
            ):
                _spawn(_pump, source, target, change)

    def _with_deadline(self, data: bytes) -> bytes:
        # The head of an answer comes in one piece, and is at most as long as a read.
        moment = round((time.time() + self.seconds) * 1000)
        return _HEADER.sub(rb"\g<1>%d\r\n" % moment, data, count=1)


def _pump(
    source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]
) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(change(data))
    except OSError:
        pass
    # One end gone means both: the runtime must not hand an event to a dead function.
    _close(source)
    _close(target)


def _spawn(run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()


def _close(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
