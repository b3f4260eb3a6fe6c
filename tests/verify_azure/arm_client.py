"""Calls of Azure Resource Manager, and waiting. Needs nothing but Python and a token."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

T = TypeVar("T")
PUBLIC = "https://management.azure.com"
NOT_FOUND = ("NotFound", "ResourceNotFound", "ParentResourceNotFound")
VERSIONS = {
    "galleries": "2026-03-03",
    "disks": "2026-03-02",
    "snapshots": "2026-03-02",
    "images": "2026-04-01",
    "locks": "2020-05-01",
    "imagetemplates": "2025-10-01",
    "tags": "2021-04-01",
    "resources": "2021-04-01",
    "resourcegroups": "2021-04-01",
    "subscriptions": "2022-12-01",
    "providers": "2022-04-01",
}


class ArmFailure(Exception):
    """A call that failed."""


@dataclass
class Reply:
    """A response: its status, headers in lower case, and its JSON body."""

    call: str
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of the error, or an empty string."""
        body = self.body if isinstance(self.body, dict) else {}
        return (body.get("error") or {}).get("code", "")

    @property
    def text(self) -> str:
        """The status and the code."""
        return f"status {self.status} {self.code}".strip()

    def expect(self, *statuses: int) -> Reply:
        """Raise unless the status is one of these."""
        if self.status not in (statuses or (200, 201, 202, 204)):
            message = ""
            if isinstance(self.body, dict):
                message = (self.body.get("error") or {}).get("message", "")
            raise ArmFailure(f"{self.call}: {self.text} {message}".strip())
        return self


class Arm:
    """A subscription. `patience` is the time to wait for a state, `interval` that between polls."""

    def __init__(
        self, subscription: str, endpoint: str, patience: float, interval: float
    ) -> None:
        self.subscription = subscription
        self.endpoint = endpoint.rstrip("/")
        self.patience = patience
        self.interval = interval
        self._token = token(self.endpoint)
        self._context = ssl.create_default_context(
            cafile=os.environ.get("SSL_CERT_FILE")
        )

    @property
    def scope(self) -> str:
        """The path of the subscription."""
        return f"/subscriptions/{self.subscription}"

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> Reply:
        """One call. `query` begins with `&`."""
        url = f"{self.endpoint}{quote(path)}?api-version={version_of(path)}{query}"
        return self._send(method, url, body, f"{method} {path.rpartition('/')[2]}")

    def _send(self, method: str, url: str, body: Any, call: str) -> Reply:
        content = None if body is None else json.dumps(body).encode()
        request = Request(url, data=content, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        request.add_header("User-Agent", "image-steward verify-azure")
        for _ in range(5):
            reply = self._once(request, call)
            if reply.status != 429:
                break
            time.sleep(min(float(reply.headers.get("retry-after", 5)), self.patience))
        return reply

    def _once(self, request: Request, call: str) -> Reply:
        try:
            answer = urlopen(request, timeout=120, context=self._context)
        except HTTPError as error:
            answer = error
        except (URLError, OSError) as error:
            raise ArmFailure(f"{call}: {error}") from None
        try:
            with answer:
                text = answer.read()
        except (HTTPException, OSError) as error:
            raise ArmFailure(f"{call}: {error}") from None
        try:
            content = json.loads(text) if text.strip() else None
        except ValueError:
            content = None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(call, answer.status, headers, content)

    def get(self, path: str, query: str = "") -> Any:
        """The body of a resource. Raises if it does not exist."""
        return self.call("GET", path, query=query).expect(200).body

    def every(self, path: str, query: str = "") -> list[Any]:
        """The entries of a list. Links are followed only at the same host."""
        reply = self.call("GET", path, query=query).expect(200)
        found = list(reply.body["value"])
        while link := reply.body.get("nextLink"):
            if urlsplit(link).netloc != urlsplit(self.endpoint).netloc:
                raise ArmFailure(f"{path}: a link leads to another host")
            reply = self._send("GET", link, None, reply.call).expect(200)
            found += reply.body["value"]
        return found

    def done(self, reply: Reply) -> str:
        """Wait for the operation that a call started. Returns its last status."""
        reply.expect()
        at = reply.headers.get("azure-asyncoperation")
        if at is None:
            return "Succeeded"
        if urlsplit(at).netloc != urlsplit(self.endpoint).netloc:
            raise ArmFailure(f"{reply.call}: the operation is at another host")

        def status() -> str | None:
            found = self._send("GET", at, None, f"{reply.call}: operation").expect(200)
            self.error = (found.body.get("error") or {}).get("code", "")
            word = found.body.get("status", "")
            return word if word in ("Succeeded", "Failed", "Canceled") else None

        ended = self.wait(status)
        if ended is None:
            raise TimeoutError(f"{reply.call}: still running after {self.patience:g} s")
        return ended

    def change(self, method: str, path: str, body: Any = None, query: str = "") -> None:
        """A call and its operation. Raises unless both succeed."""
        ended = self.done(self.call(method, path, body, query))
        if ended != "Succeeded":
            raise ArmFailure(
                f"{method} {path.rpartition('/')[2]}: {ended} {self.error}"
            )

    def wait(self, probe: Callable[[], T], patience: float | None = None) -> T:
        """Poll until `probe` is true or the time is over, and return its last value."""
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        while not (found := probe()) and time.monotonic() < deadline:
            time.sleep(self.interval)
        return found


def version_of(path: str) -> str:
    """The API version for a path."""
    lower = path.lower()
    if lower.startswith("/providers/microsoft.authorization/provideroperations"):
        return VERSIONS["providers"]
    if "/providers/microsoft.resourcegraph/" in lower:
        return "2021-03-01"
    if "/providers/microsoft.resources/tags/" in lower:
        return VERSIONS["tags"]
    if "/providers/" in lower:
        kind = lower.rpartition("/providers/")[2].split("/")[1]
        return VERSIONS[kind]
    segments = lower.strip("/").split("/")
    return VERSIONS[segments[2] if len(segments) > 2 else "subscriptions"]


def token(endpoint: str) -> str:
    """An access token of the Azure CLI, for this endpoint only."""
    command = ["az", "account", "get-access-token", "-o", "json"]
    command += ["--scope", f"{endpoint}/.default"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ArmFailure(f"cannot run az: {error}") from None
    if done.returncode:
        raise ArmFailure(f"az account get-access-token: {done.stderr.strip()}")
    return json.loads(done.stdout)["accessToken"]
