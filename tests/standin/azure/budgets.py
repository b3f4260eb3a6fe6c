"""Throttling: the budgets of operation groups, and the headers that report them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from arm_errors import ArmError
from arm_types import BUDGETS, Kind

WINDOWS = (180, 1800)
EPSILON = 1e-6
"""A bucket can be created slightly after the time at which it is read."""
GLOBAL = {"reads": 3750, "writes": 3000, "deletes": 3000}
PER_SUBSCRIPTION = {"reads": 250, "writes": 200, "deletes": 200}


@dataclass(slots=True)
class Bucket:
    """A token bucket that is full again after its window."""

    capacity: float
    per_second: float
    level: float
    filled_at: float

    def level_at(self, now: float) -> float:
        """Add the tokens since the last use."""
        filled = self.level + max(0.0, now - self.filled_at) * self.per_second
        self.level = min(self.capacity, filled)
        self.filled_at = now
        return self.level


def bucket(capacity: float, per_second: float) -> Bucket:
    """A full bucket."""
    return Bucket(capacity, per_second, capacity, time.monotonic())


class Budgets:
    """The budgets of the Compute provider and of Resource Manager, per subscription.

    They refill in real time, not in the time of the world: the client waits in real time.
    """

    def __init__(self) -> None:
        self.compute: dict[str, tuple[int, ...]] | None = dict(BUDGETS)
        """None: the budgets are never used up."""
        self.arm: dict[str, tuple[float, float]] = {}
        """For reads, writes and deletes: the capacity, and the tokens per second."""
        self._buckets: dict[tuple[str, str, int], Bucket] = {}

    def take(self, subscription: str, kind: Kind, method: str, listed: bool) -> list:
        """Use one request, and return the headers. Raises if a budget is used up."""
        access = {"GET": "reads", "DELETE": "deletes"}.get(method, "writes")
        headers = self._arm(subscription, access)
        group = _group(kind, method, listed)
        if group is None:
            return headers
        return headers + self._compute(subscription, group)

    def _arm(self, subscription: str, access: str) -> list[tuple[str, str]]:
        name = "x-ms-ratelimit-remaining-subscription"
        rest = GLOBAL[access] - 1
        own = PER_SUBSCRIPTION[access] - 1
        if access in self.arm:
            capacity, per_second = self.arm[access]
            key = (subscription, access, 0)
            one = self._buckets.setdefault(key, bucket(capacity, per_second))
            own = int(one.level_at(time.monotonic())) - 1
            if own < 0:
                raise _arm_throttled(subscription, access, per_second)
            one.level -= 1
        headers = [(f"{name}-global-{access}", str(rest))]
        if access != "reads" or access in self.arm:
            headers.append((f"{name}-{access}", str(own)))
        return headers

    def _compute(self, subscription: str, group: str) -> list[tuple[str, str]]:
        if self.compute is None:
            budget, now = BUDGETS[group], None
        else:
            budget, now = self.compute.get(group, BUDGETS[group]), time.monotonic()
        left = []
        buckets = []
        # One number needs only the first window.
        for window, capacity in zip(WINDOWS, budget, strict=False):
            key = (subscription, group, window)
            one = self._buckets.setdefault(key, bucket(capacity, capacity / window))
            buckets.append(one)
            left.append(capacity if now is None else int(one.level_at(now) + EPSILON))
        texts = [f"{group}{window // 60}Min" for window in WINDOWS]
        texts = texts if len(budget) > 1 else [group]
        if min(left) < 1:
            at = left.index(min(left))
            wait = max(1, round((1 - buckets[at].level) / buckets[at].per_second))
            remaining = _remaining(texts, left)
            raise _compute_throttled(texts[at], budget[at], wait, remaining)
        if now is not None:
            for one in buckets:
                one.level -= 1
        return _remaining(texts, [one - 1 for one in left])


def _remaining(names: list[str], left: list[int]) -> list[tuple[str, str]]:
    parts = [
        f"Microsoft.Compute/{name};{count}"
        for name, count in zip(names, left, strict=True)
    ]
    return [("x-ms-ratelimit-remaining-resource", ",".join(parts))]


def _group(kind: Kind, method: str, listed: bool) -> str | None:
    if method == "GET":
        return kind.list_budget if listed else kind.budget
    return kind.delete_budget if method == "DELETE" else kind.write_budget


def _compute_throttled(
    name: str, allowed: int, wait: int, remaining: list[tuple[str, str]]
) -> ArmError:
    """The format is that of Microsoft's page about Compute throttling."""
    detail = {
        "code": "TooManyRequests",
        "target": name,
        "message": f'{{"operationGroup":"{name}","allowedRequestCount":{allowed},'
        f'"measuredRequestCount":{allowed + 1}}}',
    }
    text = (
        "The server rejected the request because too many requests have been received "
        "for this subscription."
    )
    headers = [("Retry-After", str(wait)), *remaining]
    return ArmError(429, "OperationNotAllowed", text, headers, [detail])


def _arm_throttled(subscription: str, access: str, per_second: float) -> ArmError:
    wait = max(1, round(1 / per_second)) if per_second else 60
    text = (
        f"Number of '{access}' requests for subscription '{subscription}' exceeded. Please "
        f"try again after '{wait}' seconds after additional tokens are available."
    )
    headers = [("Retry-After", str(wait))]
    return ArmError(429, "SubscriptionRequestsThrottled", text, headers)
