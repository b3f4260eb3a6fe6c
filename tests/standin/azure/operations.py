"""Long-running operations, with the URLs at which clients poll them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from world_clock import written

SIGNATURE_LENGTH = 4000
"""Recorded URLs have 4 to 5 KB, because the signature contains a certificate."""


@dataclass(slots=True)
class Operation:
    """Ends at its time or after a number of polls, whichever is first."""

    number: int
    subscription: str
    location: str
    segment: str
    """The segment of its URL, such as `capsOperations`."""
    api_version: str
    started: datetime
    due: datetime
    polls: int
    """The polls that still return `InProgress`."""
    done: Callable[[datetime], None]
    """Applies the effect. The argument is the time at which the operation ended."""
    failed: Callable[[], None]
    error: tuple[str, str] | None = None
    """The code and the message if the operation is to fail."""
    status: str = "InProgress"
    ended: datetime | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(f"operation {self.number}".encode()).hexdigest()
        self.id = str(UUID(digest[:32]))

    def finish(self, at: datetime) -> None:
        """End the operation, if it has not ended."""
        if self.status != "InProgress":
            return
        self.ended = at
        if self.error is None:
            self.status = "Succeeded"
            self.done(at)
        else:
            self.status = "Failed"
            self.failed()

    def poll(self, now: datetime) -> None:
        """Count one poll."""
        if self.polls > 0:
            self.polls -= 1
        else:
            self.finish(now)

    def body(self) -> dict[str, Any]:
        """What the URL of `Azure-AsyncOperation` returns."""
        content: dict[str, Any] = {"startTime": written(self.started)}
        if self.ended is not None:
            content["endTime"] = written(self.ended)
        content["status"] = self.status
        if self.status == "Failed" and self.error is not None:
            code, message = self.error
            content["error"] = {"code": code, "message": message}
        content["name"] = self.id
        return content

    def query(self, monitor: bool) -> str:
        """The query of its URL. Its signature is checked when the URL is used."""
        signed = f"{self.id} {monitor}"
        text = hashlib.sha256(signed.encode()).hexdigest()
        certificate = (text * (SIGNATURE_LENGTH // len(text) + 1))[:SIGNATURE_LENGTH]
        head = "monitor=true&" if monitor else ""
        ticks = 639256574475014978 + self.number
        return (
            f"{head}api-version={self.api_version}&t={ticks}&c=MII{certificate}"
            f"&s={text[:43]}&h={text[-43:]}"
        )

    def urls(self, base: str) -> list[tuple[str, str]]:
        """The headers that name its URLs."""
        path = (
            f"{base}/subscriptions/{self.subscription}/providers/Microsoft.Compute/locations/"
            f"{self.location}/{self.segment}/{self.id}"
        )
        return [
            ("Azure-AsyncNotification", "Enabled"),
            ("Azure-AsyncOperation", f"{path}?{self.query(False)}"),
            ("Location", f"{path}?{self.query(True)}"),
        ]
