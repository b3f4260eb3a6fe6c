"""The part of the Lambda runtime API that one function needs, with a clock at its door."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, Self


class RuntimeApi:
    """Hands out events, takes answers, and notes when the first event was asked for."""

    def __init__(self) -> None:
        self.polled = threading.Event()
        """Set when the function has asked for its first event."""
        self.polled_at = 0.0
        """That moment, of the monotonic clock in seconds."""
        self.events: Queue[Any] = Queue()
        self.answers: Queue[Any] = Queue()
        api = self

        class Handler(_Handler):
            runtime = api

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API has to be."""
        return f"127.0.0.1:{self._server.server_port}"

    def invoke(self, event: Any, seconds: float = 300) -> Any:
        """Send an event and wait for the answer; an error of the function is raised."""
        self.events.put(event)
        is_error, answer = self.answers.get(timeout=seconds)
        if is_error:
            raise SystemExit(f"the function failed: {answer}")
        return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    runtime: RuntimeApi

    def do_GET(self) -> None:
        """The function asks for an event, and waits."""
        if not self.runtime.polled.is_set():
            self.runtime.polled_at = time.monotonic()
            self.runtime.polled.set()
        event = json.dumps(self.runtime.events.get()).encode()
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
        self._say(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 900) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": arn,
            },
        )

    def do_POST(self) -> None:
        """The function answers."""
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(202, b"{}", {})
        self.runtime.answers.put((not self.path.endswith("/response"), _read(said)))

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Until the function is killed, which breaks its connection."""
        try:
            super().handle()
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _read(said: bytes) -> Any:
    try:
        return json.loads(said)
    except ValueError:
        return said.decode(errors="replace")
