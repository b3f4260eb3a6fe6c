"""The clock of the world, which tests can set, advance and stop."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def written(moment: datetime) -> str:
    """A time as the Compute API writes it: 7 digits of a second, and the offset."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}0+00:00"


def parsed(text: str) -> datetime:
    """A time with any number of digits of a second."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


class Clock:
    """Runs at the speed of real time from the time that was set, unless it is stopped."""

    def __init__(self, start: datetime | None = None, stopped: bool = False) -> None:
        self._start = start or datetime.now(UTC)
        self._set_at = time.monotonic()
        self.stopped = stopped

    def now(self) -> datetime:
        """The current time of the world."""
        if self.stopped:
            return self._start
        return self._start + timedelta(seconds=time.monotonic() - self._set_at)

    def advance(self, seconds: float) -> None:
        """Move the clock forwards."""
        self._start += timedelta(seconds=seconds)

    def stop(self, stopped: bool) -> None:
        """Stop the clock at the current time, or let it continue."""
        self._start, self._set_at = self.now(), time.monotonic()
        self.stopped = stopped
