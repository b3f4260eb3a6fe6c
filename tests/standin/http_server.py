"""The HTTP server: one thread per connection, and persistent connections.

Werkzeug's own server closes the connection after every response, which costs more than most
responses. This server supports only what SDKs and the tests send: every body has a length.
"""

from __future__ import annotations

import socketserver
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qs

_LONGEST_LINE = 64 * 1024
_MOST_HEADERS = 200


@dataclass(slots=True)
class HttpRequest:
    """A request. The names of its headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def argument(self, name: str) -> str | None:
        """The last value of a query argument."""
        values = parse_qs(self.query).get(name)
        return values[-1] if values else None


@dataclass(slots=True)
class HttpResponse:
    """A response. Length, date and connection headers are added."""

    body: bytes
    content_type: str
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    cut: int | None = None
    """Send only this many bytes of the body, and close the connection: a lost connection."""


Application = Callable[[HttpRequest], HttpResponse]


class BadRequest(Exception):
    """The received data is not a valid request for this server."""


class Server(socketserver.ThreadingTCPServer):
    """Listens, and passes every request to the application."""

    daemon_threads = True
    allow_reuse_address = True
    # The default of 5 loses connections if many threads start at once.
    request_queue_size = 256

    def __init__(
        self, host: str, port: int, application: Application, verbose: bool
    ) -> None:
        self.application = application
        self.verbose = verbose
        super().__init__((host, port), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    """One connection, request by request."""

    server: Server
    # A response must not wait for the acknowledgement of the previous one.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while self._answer_next():
                pass
        except (TimeoutError, ConnectionError):
            # The client has closed the connection, which is normal.
            pass

    def _answer_next(self) -> bool:
        """Respond to one request. Returns whether another may follow."""
        try:
            read = self._read()
        except (BadRequest, ValueError) as error:
            body = f"{error}\n".encode()
            self._write(HttpResponse(body, "text/plain", 400), keep_open=False)
            return False
        if read is None:
            return False
        request, keep_open = read
        try:
            response = self.server.application(request)
        except Exception as error:  # noqa: BLE001
            # An error in the application, which must not look like a lost connection.
            traceback.print_exc()
            response = HttpResponse(f"{error!r}\n".encode(), "text/plain", 500)
        keep_open = keep_open and response.cut is None
        self._write(response, keep_open)
        if self.server.verbose:
            line = f"{request.method} {request.path} {response.status}"
            print(line, file=sys.stderr, flush=True)
        return keep_open

    def _read(self) -> tuple[HttpRequest, bool] | None:
        """The next request, and whether the connection stays open; None at its end."""
        line = self.rfile.readline(_LONGEST_LINE)
        if not line:
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest("this is not an HTTP/1.1 request")
        method, target, version = words
        headers = self._read_headers()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        if body is None:
            return None
        path, _, query = target.partition("?")
        close = (
            version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        )
        return HttpRequest(method, path, query, headers, body), not close

    def _read_body(self, headers: dict[str, str]) -> bytes | None:
        """The body, with a known length or in chunks; None if it is truncated."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(headers.get("content-length", "0"))
        body = self.rfile.read(length) if length else b""
        return body if len(body) == length else None

    def _read_chunks(self) -> bytes | None:
        body = b""
        while length := int(self.rfile.readline(_LONGEST_LINE).split(b";")[0], 16):
            chunk = self.rfile.read(length + 2)
            if len(chunk) < length + 2:
                return None
            body += chunk[:length]
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass
        return body

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = self.rfile.readline(_LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise BadRequest("a header has no colon")
            headers[name.strip().lower()] = value.strip()
        raise BadRequest("there are too many headers")

    def _write(self, response: HttpResponse, keep_open: bool) -> None:
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [
            f"HTTP/1.1 {response.status} {phrase}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            *(f"{name}: {value}" for name, value in response.headers),
        ]
        if not keep_open:
            head.append("Connection: close")
        # One write for head and body.
        body = response.body[: response.cut]
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)
