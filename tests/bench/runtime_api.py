"""The part of the Lambda runtime API that one function needs; it measures the start time."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, Self


class RuntimeApi:
    """Sends events, receives responses, and records the time of the first request."""

    def __init__(self) -> None:
        self.polled = threading.Event()
        """Set when the function requests its first event."""
        self.polled_at = 0.0
        """The time of that request, in seconds of the monotonic clock."""
        self.events: Queue[Any] = Queue()
        self.responses: Queue[Any] = Queue()
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
        """The value for AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def invoke(self, event: Any, seconds: float = 300) -> Any:
        """Send an event and return the response; exits if the function fails."""
        self.events.put(event)
        is_error, response = self.responses.get(timeout=seconds)
        if is_error:
            raise SystemExit(f"the function failed: {response}")
        return response


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    runtime: RuntimeApi

    def do_GET(self) -> None:
        """Handle the request for the next event, which blocks until there is one."""
        if not self.runtime.polled.is_set():
            self.runtime.polled_at = time.monotonic()
            self.runtime.polled.set()
        event = json.dumps(self.runtime.events.get()).encode()
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
        self._respond(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 900) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": arn,
            },
        )

    def do_POST(self) -> None:
        """Handle the response or the error of the function."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._respond(202, b"{}", {})
        self.runtime.responses.put((not self.path.endswith("/response"), _read(body)))

    def _respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Serve until the function is killed, which breaks its connection."""
        try:
            super().handle()
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Suppress the request log."""


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
