"""How often a schedule begins a sweep."""

from __future__ import annotations

import re

_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
# What the other alarms expect of every schedule, and what is assumed of a cron expression.
_DAY = 86_400
# The functions' timeout.
_LONGEST = 900
# Three periods of an alarm are at most a week.
_MOST = 604_800 // 3


def period(expression: str, flexible_minutes: int) -> int:
    """Seconds in which at least one sweep ends, whenever they begin."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    interval = int(found[1]) * _SECONDS[found[2]] if found else _DAY
    return min(interval + flexible_minutes * 60 + _LONGEST, _MOST)
