"""A running stand-in for Azure, used over HTTPS, also by Microsoft's clients."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from azure.core.credentials import AccessToken
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.resourcegraph import ResourceGraphClient

HERE = Path(__file__).parent
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
API = {
    "Microsoft.Authorization": "2020-05-01",
    "Microsoft.VirtualMachineImages": "2025-10-01",
    "Microsoft.Resources": "2021-04-01",
    "Microsoft.ResourceGraph": "2021-03-01",
}


def start(ca_file: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a stand-in. Returns the process and its address."""
    command = [sys.executable, str(HERE), "--exit-with-parent", "--ca-file"]
    process = subprocess.Popen(
        [*command, str(ca_file), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:2] == ["listening", "on"], words
    return process, words[2]


class AnyToken:
    """A credential without a provider."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("any", int(time.time()) + 3600)


class Answer:
    """A response: its status, headers and JSON body."""

    def __init__(self, status: int, headers: Any, text: bytes) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of the error."""
        return self.body["error"]["code"]


class Azure:
    """A running stand-in: its control endpoint, plain calls, and clients without retries."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.url = url
        self.ca_file = ca_file
        self.context = ssl.create_default_context(cafile=str(ca_file))
        self.settings: dict[str, Any] = {
            "credential": AnyToken(),
            "base_url": url,
            "credential_scopes": [f"{url}/.default"],
            "connection_verify": str(ca_file),
            "retry_total": 0,
            "polling_interval": 0,
        }
        self.compute = ComputeManagementClient(
            subscription_id=SUBSCRIPTION, **self.settings
        )
        self.graph = ResourceGraphClient(**self.settings)

    def send(
        self,
        method: str,
        path: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A call with any path or URL."""
        url = path if path.startswith("https://") else f"{self.url}{path}"
        body = None if content is None else json.dumps(content).encode()
        sent = {"Authorization": "Bearer any"} if headers is None else headers
        request = Request(url, data=body, method=method, headers=sent)
        try:
            with urlopen(request, context=self.context) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def arm(
        self, method: str, path: str, content: Any = None, query: str = ""
    ) -> Answer:
        """A call with the API version of its type."""
        version = api_version(path)
        return self.send(method, f"{path}?api-version={version}{query}", content)

    def every(self, path: str, query: str = "") -> list[Any]:
        """The entries of all pages of a list."""
        found: list[Any] = []
        answer = self.arm("GET", path, query=query)
        while True:
            assert answer.status == 200, answer.text
            found += answer.body["value"]
            link = answer.body.get("nextLink")
            if link is None:
                return found
            answer = self.send("GET", link)

    def control(self, method: str, path: str, content: Any = None) -> Any:
        answer = self.send(method, f"/_standin/{path}", content)
        if answer.status == 200:
            return answer.body
        return {"status": answer.status} | answer.body

    def load(self, **world: Any) -> None:
        assert self.control("POST", "world", world) == {}

    def switch(self, **switches: Any) -> None:
        assert self.control("POST", "switches", switches) == {}

    def advance(self, **by: float) -> None:
        """Move the clock: `days=1`."""
        units = {"seconds": 1, "hours": 3600, "days": 86400}
        seconds = sum(units[name] * value for name, value in by.items())
        self.control("POST", "clock", {"advance_seconds": seconds})

    def calls(self) -> dict[str, int]:
        return self.control("GET", "calls")

    def resource(self, resource_id: str) -> Any:
        """A resource of the world, or None."""
        for one in self.control("GET", "world")["resources"]:
            if one["id"].lower() == resource_id.lower():
                return one
        return None


def api_version(path: str) -> str:
    """The API version of the type that a path names."""
    lower = path.lower()
    if "/providers/" not in lower:
        is_resources = "resourcegroups" in lower or lower.endswith("/resources")
        return "2021-04-01" if is_resources else "2022-12-01"
    provider = lower.rpartition("/providers/")[2]
    for name, version in API.items():
        if provider.startswith(name.lower()):
            return version
    kind = provider.split("/")[1]
    return {
        "galleries": "2026-03-03",
        "disks": "2026-03-02",
        "snapshots": "2026-03-02",
    }.get(kind, "2026-04-01")


def group_id(group: str = "Images", subscription: str = SUBSCRIPTION) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def compute_id(kind: str, name: str, group: str = "Images") -> str:
    return f"{group_id(group)}/providers/Microsoft.Compute/{kind}/{name}"


def version_id(version: str, definition: str = "web", gallery: str = "golden") -> str:
    return f"{compute_id('galleries', gallery)}/images/{definition}/versions/{version}"


def listed(kind: str, subscription: str = SUBSCRIPTION) -> str:
    return f"/subscriptions/{subscription}/providers/Microsoft.Compute/{kind}"


def gallery(*versions: Any, name: str = "golden", **more: Any) -> dict[str, Any]:
    """A gallery with the definition `web`."""
    entries = [{"version": one} if isinstance(one, str) else one for one in versions]
    return {"name": name, "definitions": [{"name": "web", "versions": entries}]} | more
