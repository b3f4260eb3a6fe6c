"""A local Azure subscription for the demo and the end-to-end tests, all on this computer.

- `Subscription`: the stand-in for Azure Resource Manager, in a separate process.
- `TokenServer`: the token endpoint of a managed identity.
- `azure_steward`: the operator's command.

Nothing here can access a real subscription: only `azure_environment` creates environments for the
command. It passes on no credentials of the caller, and its `az` returns a token of this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from binaries import ROOT, binary
from harness import VENV, clean_environment, require_loopback
from process import Process, wait_for

ID = "11111111-1111-1111-1111-111111111111"
"""The subscription of the stand-in, unless a world says otherwise."""
OTHER = "22222222-2222-2222-2222-222222222222"
AT_ONCE = {"polls": 0, "seconds": 0, "retry_after": 1}
"""The setting of the stand-in with which operations end at the next call."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
AZ = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/az.log"
echo '{"accessToken": "of-the-azure-cli", "expires_on": 4102444800, "tokenType": "Bearer"}'
"""
"""The Azure CLI with a logged-in account."""
AZ_LOGGED_OUT = """#!/bin/sh
echo "ERROR: Please run 'az login' to setup account." >&2
exit 1
"""


class Subscription:
    """The local Azure: its control endpoint, and plain calls."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="azure-"))
        self.ca_file = self.directory / "ca.pem"
        self._write_az(AZ)
        command = [str(VENV / "bin/python"), str(ROOT / "tests/standin/azure")]
        command += ["--exit-with-parent", "--ca-file", str(self.ca_file)]
        self._process = Process(command, clean_environment(), ROOT)
        try:
            wait_for(self._process, lambda: "\n" in self._process.said())
            self.url = require_loopback(self._process.said().split()[2])
            context = ssl.create_default_context(cafile=str(self.ca_file))
            handlers = (ProxyHandler({}), HTTPSHandler(context=context))
            self._open = build_opener(*handlers).open
        except BaseException:
            self._process.stop()
            raise

    def _write_az(self, text: str) -> None:
        az = self.directory / "az"
        az.write_text(text)
        az.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def send(self, method: str, path: str, content: Any = None) -> Any:
        """The JSON of a response. Raises ValueError with the body of an error."""
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self.url}{path}", data=body, method=method)
        request.add_header("Authorization", "Bearer test")
        try:
            with self._open(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            text = error.read().decode()
            raise ValueError(f"{method} {path}: {error.code} {text}") from None

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to the control endpoint."""
        return self.send(method, f"/_standin/{path}", content)

    def load(self, **world: Any) -> None:
        """Replace the whole content, and clear the recorded calls.

        Operations end at once. All other switches are off.
        """
        self._write_az(AZ)
        self.switch()
        self.control("POST", "world", world)
        self.forget_calls()

    def switch(self, **switches: Any) -> None:
        """Replace all switches. Operations end at once unless `operations` says otherwise."""
        self.control("POST", "switches", {"operations": AT_ONCE} | switches)

    def log_out(self) -> None:
        """Let the Azure CLI fail, as after `az logout`."""
        self._write_az(AZ_LOGGED_OUT)

    def az_calls(self) -> list[str]:
        """The arguments with which the Azure CLI was called since the stand-in was started."""
        log = self.directory / "az.log"
        return log.read_text().splitlines() if log.exists() else []

    def world(self) -> dict[str, Any]:
        """The current content. Operations that are due end first."""
        return self.control("GET", "world")

    def let_pass(self, **by: float) -> None:
        """Move all times in the content back: `days=7`.

        For the command, whose clock is that of the computer, this is the same as waiting. Running
        operations end first.
        """
        self.control("POST", "clock", {"advance_seconds": 3600})
        moved = _moved_back(self.world(), timedelta(**by))
        self.control("POST", "world", moved | {"now": None})

    def resources(self) -> dict[str, dict[str, Any]]:
        """All resources by id in lower case."""
        return {one["id"].lower(): one for one in self.world()["resources"]}

    def versions(self) -> set[str]:
        """The short names of the gallery image versions that are not soft-deleted."""
        return {short(one) for one in self.resources() if "/versions/" in one}

    def images(self) -> set[str]:
        """The names of the managed images."""
        return {short(one) for one in self.resources() if is_managed_image(one)}

    def soft_deleted(self) -> set[str]:
        """The short names of the soft-deleted versions."""
        found = self.world()["soft_deleted"]
        return {short(one["resource"]["id"]) for one in found}

    def one(self, resource_id: str) -> dict[str, Any]:
        """A resource, by its id in any case."""
        return self.resources()[resource_id.lower()]

    def profile(self, version: str) -> dict[str, Any]:
        """The publishing profile of a version, by its short name."""
        return self.one(version_id(version))["properties"]["publishingProfile"]

    def tags(self, resource_id: str) -> dict[str, str]:
        """The tags of a resource."""
        return self.one(resource_id).get("tags") or {}

    def forget_calls(self) -> None:
        """Clear the recorded calls."""
        self.control("DELETE", "calls")

    def calls(self) -> list[dict[str, Any]]:
        """All recorded calls, in order."""
        return self.control("GET", "calls?log=1")

    def call_counts(self) -> Counter[str]:
        """How often each permission was used."""
        return Counter(self.control("GET", "calls"))

    def changes(self) -> list[str]:
        """The recorded calls that change something, or try to."""
        calls = self.calls()
        is_query = "microsoft.resourcegraph/"
        return [
            f"{one['method']} {one['operation']}"
            for one in calls
            if one["method"] != "GET" and is_query not in one["path"].lower()
        ]


def _moved_back(content: Any, by: timedelta) -> Any:
    """The content with all times in its texts moved back, also those in the values of tags."""
    if isinstance(content, dict):
        return {key: _moved_back(value, by) for key, value in content.items()}
    if isinstance(content, list):
        return [_moved_back(one, by) for one in content]
    if isinstance(content, str):
        return TIME.sub(lambda found: _earlier(found[0], by), content)
    return content


def _earlier(time: str, by: timedelta) -> str:
    seconds, point, fraction = time.partition(".")
    if point:
        # Python reads at most six digits.
        time = f"{seconds}.{fraction[:6]}+00:00"
    moment = datetime.fromisoformat(time) - by
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def version_id(text: str, subscription: str = ID, group: str = "Images") -> str:
    """The id of the version `gallery/definition/1.0.0`, as it is stored."""
    gallery, definition, version = text.split("/")
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute"
        f"/galleries/{gallery}/images/{definition}/versions/{version}"
    )


def compute_id(kind: str, name: str, subscription: str = ID) -> str:
    """The id of another Compute resource."""
    group = f"/subscriptions/{subscription}/resourceGroups/Images"
    return f"{group}/providers/Microsoft.Compute/{kind}/{name}"


def is_managed_image(resource_id: str) -> bool:
    """Whether this is the id of a managed image."""
    return "/providers/microsoft.compute/images/" in resource_id.lower()


def short(resource_id: str) -> str:
    """The names in an id: `gallery/definition/1.0.0`."""
    return "/".join(resource_id.split("/")[8::2])


def in_tags(resource_id: str) -> str:
    """The text that stands for the id in the values of state tags."""
    return hashlib.sha256(resource_id.lower().encode()).hexdigest()[:16]


class TokenServer:
    """The token endpoint of a managed identity of App Service and Functions."""

    HEADER = "secret-of-the-host"

    def __init__(self, token: str = "of-the-managed-identity") -> None:
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                outer.requests.append({name: one[0] for name, one in query.items()})
                allowed = self.headers.get("X-IDENTITY-HEADER") == outer.HEADER
                content = {"error": "invalid header"}
                if allowed:
                    content = {
                        "access_token": token,
                        "expires_on": "4102444800",
                        "resource": query["resource"][0],
                        "token_type": "Bearer",
                    }
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which the host tells a program about its identity."""
        port = self._server.server_address[1]
        endpoint = f"http://127.0.0.1:{port}/msi/token"
        return {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": self.HEADER}


def azure_environment(
    account: Subscription, settings: Mapping[str, str | None]
) -> dict[str, str]:
    """The environment of the command. None removes a variable."""
    theirs = ("AZURE_", "ARM_", "IDENTITY_", "MSI_", "SSL_CERT_")
    environment = {
        key: value
        for key, value in clean_environment().items()
        if not key.startswith(theirs)
    }
    environment["SSL_CERT_FILE"] = str(account.ca_file)
    environment["PATH"] = f"{account.directory}{os.pathsep}{environment['PATH']}"
    for key, value in settings.items():
        if value is None:
            environment.pop(key, None)
        else:
            environment[key] = value
    return environment


def azure_steward(
    account: Subscription,
    command: str,
    *arguments: str,
    subscription: str = ID,
    **settings: str | None,
) -> subprocess.CompletedProcess[str]:
    """Run the operator's command with the local subscription."""
    place = ["--subscription", subscription, "--endpoint-url", account.url]
    return run_command(account, command, *arguments, *place, **settings)


def run_command(
    account: Subscription, *arguments: str, **settings: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the operator's command with exactly these arguments."""
    return subprocess.run(
        [str(binary("image-steward")), *arguments],
        env=azure_environment(account, settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
