"""A relay to a local server, with or without TLS, which represents an AWS host for the SDK.

Each AWS service has its own host, so a process makes a connection and a handshake for each. So each
service has its own relay here.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Self

import certifi
import trustme


class Certificates:
    """A certificate for 127.0.0.1, and the list of authorities that trusts it."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")
        self.bundle = Path(self._directory.name, "bundle.pem")
        # In addition to the usual ones, which a function on AWS has to parse too.
        usual = Path(certifi.where()).read_bytes()
        self.bundle.write_bytes(usual + authority.cert_pem.bytes())


class Relay:
    """Forwards every connection to a local port."""

    def __init__(self, upstream: int, context: ssl.SSLContext | None) -> None:
        self._upstream = upstream
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def _run(self) -> None:
        listen = asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._context
        )
        server = self._loop.run_until_complete(listen)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", self._upstream)
        await asyncio.gather(_pass_on(reader, here), _pass_on(there, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()
