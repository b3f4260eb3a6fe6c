"""Sets the deadlines of functions, which cargo-lambda does not.

The Lambda runtime API sends with each event the time at which the function will be stopped.
cargo-lambda always sends the constant 600000, which is ten minutes past midnight on 1 January 1970.
A function that stops before its deadline would stop before it begins. So the functions use the
runtime API through this relay, which sends a real deadline.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable

_HEADER = re.compile(rb"(?i)(lambda-runtime-deadline-ms: )\d+\r\n")


class DeadlineRelay:
    """A relay to a local port, for the connections of one function."""

    def __init__(self, upstream: int) -> None:
        self.seconds = 60.0
        """How long the function has for each event, from its arrival."""
        self.connected = threading.Event()
        """Set when the function has requested its first event."""
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The address of the runtime API for the function."""
        return self._listener.getsockname()[1]

    def stop(self) -> None:
        """Close all connections, which ends the threads."""
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
        # The head of a response arrives at once, and is at most as long as a read.
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
    # If one end is closed, both are, because the runtime must not send an event to a function that
    # has ended.
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
