"""A call that was parsed and allowed, and what its handlers use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import arm_errors
from arm_paths import Target
from arm_types import Kind
from arm_world import Resource, World
from faults import Switches
from http_server import HttpResponse
from operations import Operation

JSON = "application/json; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One call of the management API."""

    method: str
    target: Target
    query: str
    raw_body: bytes
    base: str
    """The scheme, host and port that the client used."""
    raw_path: str
    kind: Kind
    world: World
    switches: Switches
    default_page_size: int
    graph_world: World | None = None
    """The content that Resource Graph shows, if it is not the current content."""
    action: dict[str, Any] = field(default_factory=dict)
    """The fault of this call."""

    def argument(self, name: str) -> str | None:
        """The last value of a query argument, whose name is case-insensitive."""
        for key, values in parse_qs(self.query, keep_blank_values=True).items():
            if key.lower() == name.lower():
                return values[-1]
        return None

    def flag(self, name: str) -> bool:
        """A query argument that is true or false."""
        return (self.argument(name) or "").lower() == "true"

    def expands(self, what: str) -> bool:
        """Whether `$expand` names this."""
        wanted = (self.argument("$expand") or "").lower().split(",")
        return what.lower() in wanted

    @property
    def api_version(self) -> str:
        """The API version, which was checked."""
        return self.argument("api-version") or ""

    def body(self) -> dict[str, Any]:
        """The JSON object in the body."""
        try:
            content = json.loads(self.raw_body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            text = "The request content was invalid and could not be deserialized."
            raise arm_errors.bad_request("InvalidRequestContent", text)
        return content

    def missing(self) -> arm_errors.ArmError:
        """The error for a resource that does not exist."""
        target = self.target
        if self.world.group_of(target.key) is None and target.group is not None:
            return arm_errors.group_not_found(target.group)
        if not self.world.parent_exists(target.key):
            path = "/".join(target.names[:-1])
            return arm_errors.parent_not_found(self.method, path)
        provider, *types = self.kind.name.split("/")
        pairs = zip(types, target.names, strict=True)
        name = "/".join([provider, *(part for pair in pairs for part in pair)])
        return arm_errors.not_found(target.path, name, target.group)

    def resource(self) -> Resource:
        """The resource of the path. Raises if it does not exist."""
        found = self.world.resources.get(self.target.key)
        if found is None:
            raise self.missing()
        return found

    def check_locks(self, key: str, operation: str) -> None:
        """Raise if a lock forbids a delete or write operation."""
        forbidding = [
            one
            for one in self.world.locks_on(key)
            if one.properties["level"] == "ReadOnly"
            or (operation == "delete" and one.properties["level"] == "CanNotDelete")
        ]
        if forbidding:
            scopes = [one.body["id"].rpartition("/providers/")[0] for one in forbidding]
            raise arm_errors.locked(self.target.path, operation, scopes)

    def started(
        self, resource: Resource, done: Any, failed: Any, segment: str | None = None
    ) -> Operation:
        """Start a long-running operation on a resource."""
        settings, now = self.switches.operations, self.world.clock.now()
        location = resource.body.get("location", "westeurope")
        operation = Operation(
            number=len(self.world.operations) + 1,
            subscription=self.target.subscription or "",
            location=location.replace(" ", "").lower(),
            segment=segment or self.kind.operations,
            api_version=self.api_version,
            started=now,
            due=now + timedelta(seconds=settings.seconds),
            polls=settings.polls,
            done=done,
            failed=failed,
            error=settings.error(self.method, self.target.path),
        )
        resource.operation = operation
        self.world.start(operation)
        return operation

    def running(
        self, operation: Operation, status: int, content: Any = None
    ) -> HttpResponse:
        """The response that names a long-running operation."""
        headers = operation.urls(self.base)
        if status != 202:
            # A PUT is polled at the operation, and then read again.
            headers = [one for one in headers if one[0] != "Location"]
        wait = self.switches.operations.retry_after
        if wait is not None:
            headers.append(("Retry-After", str(wait)))
        return answer(content, status, headers)


def answer(
    content: Any, status: int = 200, headers: list[tuple[str, str]] | None = None
) -> HttpResponse:
    """A JSON response, or an empty one."""
    body = b"" if content is None else json.dumps(content).encode()
    return HttpResponse(body, JSON, status, list(headers or []))
