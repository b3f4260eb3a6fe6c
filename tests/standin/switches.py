"""Switches: injected faults, set with `POST /_standin/switches`.

All are deterministic, so that failing tests are reproducible.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import wire
from calls import AwsError, Incoming

SERVICES = ("ec2", "autoscaling", "ssm", "sts", "rbin", "batch", "events")
KNOWN: dict[str, type | tuple[type, ...]] = {
    "deny": list,
    "fail": dict,
    "fail_page": dict,
    "lost_answer": dict,
    "buckets": dict,
    "snapshot_race": dict,
    "no_delete_associated": bool,
    "associated_result": dict,
    "pending_seconds": (int, float),
    "forget_deregistered": bool,
    "stale_seconds": (int, float),
    "latency_seconds": (int, float),
    "reject_events": int,
}
MOST_LATENCY = 60
RETURN_CODES = (
    "success",
    "skipped",
    "missing-permissions",
    "internal-error",
    "client-error",
)


class BadSwitches(Exception):
    """The switches are invalid. The argument contains all reasons."""


@dataclass(slots=True)
class Failure:
    """An error for the next calls of an action."""

    code: str
    message: str
    status: int
    times: int | None
    match: str | None


@dataclass(slots=True)
class Bucket:
    """EC2's throttling of one action: the current number of tokens, and the refill rate."""

    capacity: float
    per_second: float
    level: float
    filled_at: float
    _lock: Lock = field(default_factory=Lock)

    def take(self) -> bool:
        """Take one token, if there is one.

        This has a separate lock that is held only briefly: a throttled call must not wait for the
        account.
        """
        with self._lock:
            now = time.monotonic()
            self.level += (now - self.filled_at) * self.per_second
            self.level, self.filled_at = min(self.level, self.capacity), now
            if self.level < 1:
                return False
            self.level -= 1
            return True


@dataclass(slots=True)
class Race:
    """How often DeleteSnapshot still finds the deregistered image."""

    every: int = 0
    first: int = 0
    times: int = 1


class Switches:
    """The current switches. Counters in them are decremented here."""

    def __init__(self, raw: dict[str, Any]) -> None:
        errors = [f"unknown switch {name!r}" for name in sorted(raw.keys() - KNOWN)]
        errors += [
            f"{name}: {raw[name]!r} has the wrong type"
            for name, kind in KNOWN.items()
            if name in raw and not isinstance(raw[name], kind)
        ]
        if errors:
            raise BadSwitches(errors)
        self.raw = raw
        self._deny = {_action(name, errors) for name in raw.get("deny", [])}
        self._fail = {
            _action(name, errors): [
                _failure(one, f"fail.{name}", errors)
                for one in (entry if isinstance(entry, list) else [entry])
            ]
            for name, entry in raw.get("fail", {}).items()
        }
        self._fail_page = _counts("fail_page", raw, errors)
        self._lost = _counts("lost_answer", raw, errors)
        self._buckets = _buckets(raw.get("buckets", {}), errors)
        self.race = _race(raw.get("snapshot_race", {}), errors)
        self.delete_associated = not raw.get("no_delete_associated", False)
        self.associated_result: dict[str, str] = raw.get("associated_result", {})
        for code in self.associated_result.values():
            if code not in RETURN_CODES:
                errors.append(f"associated_result: unknown return code {code!r}")
        self.pending_seconds = float(raw.get("pending_seconds", 0))
        self.stale_seconds = float(raw.get("stale_seconds", 0))
        self.latency_seconds = float(raw.get("latency_seconds", 0))
        if not 0 <= self.latency_seconds <= MOST_LATENCY:
            errors.append(f"latency_seconds: not a number from 0 to {MOST_LATENCY}")
        self.forget_deregistered = bool(raw.get("forget_deregistered", False))
        self._reject_events = int(raw.get("reject_events", 0))
        if errors:
            raise BadSwitches(errors)

    def denies(self, service: str, action: str) -> bool:
        """Whether the caller lacks the permission for this action."""
        return (service, action) in self._deny

    def refusal(self, call: Incoming, account: str) -> AwsError | None:
        """The error for a caller without permission, or with too many calls.

        Unlike everything below, this can be called from many threads at once.
        """
        service, action = call.service, call.action
        if self.denies(service, action):
            return _denial(service, action, account)
        bucket = self._buckets.get((service, action))
        if bucket is not None and not bucket.take():
            return _throttled(service)
        return None

    def check(self, call: Incoming) -> None:
        """Raise the injected error for this call, if there is one."""
        service, action = call.service, call.action
        for failure in self._fail.get((service, action), []):
            if failure.times == 0:
                continue
            if failure.match is not None and failure.match not in call.text():
                continue
            if failure.times is not None:
                failure.times -= 1
            raise AwsError(failure.code, failure.message, failure.status)

    def rejects_event(self) -> bool:
        """Whether the event bus rejects the next entry."""
        self._reject_events -= 1
        return self._reject_events >= 0

    def check_page(self, service: str, action: str, number: int) -> None:
        """Raise if this page of a listing is set to fail. It fails every time."""
        if self._fail_page.get((service, action)) == number:
            raise _internal_error()

    def check_answer(self, service: str, action: str) -> None:
        """Raise if the response to a call that took effect is set to be lost."""
        left = self._lost.get((service, action), 0)
        if left > 0:
            self._lost[service, action] = left - 1
            raise _internal_error()


def _internal_error() -> AwsError:
    return AwsError("InternalError", "An internal error has occurred", 500)


def _throttled(service: str) -> AwsError:
    """The error of the REST services is not verified."""
    if service in wire.REST_SERVICES:
        return AwsError("ThrottlingException", "Rate exceeded", 429)
    return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)


def _denial(service: str, action: str, account: str) -> AwsError:
    user = f"arn:aws:iam::{account}:user/demo"
    reason = (
        f"User: {user} is not authorized to perform: {service}:{action} "
        f"because no identity-based policy allows the {service}:{action} action"
    )
    if service == "ec2":
        text = f"You are not authorized to perform this operation. {reason}"
        return AwsError("UnauthorizedOperation", text, 403)
    if service == "ssm":
        return AwsError("AccessDeniedException", reason, 400)
    if service in wire.REST_SERVICES:
        return AwsError("AccessDeniedException", reason, 403)
    return AwsError("AccessDenied", reason, 403)


def _action(name: str, errors: list[str]) -> tuple[str, str]:
    """`DescribeImages` or `autoscaling:DescribeAutoScalingGroups` as a key."""
    service, colon, action = name.rpartition(":")
    for candidate in (service,) if colon else SERVICES:
        if candidate in SERVICES and wire.has_action(candidate, action):
            return candidate, action
    errors.append(f"AWS has no action {name!r}")
    return service, action


def _counts(
    switch: str, raw: dict[str, Any], errors: list[str]
) -> dict[tuple[str, str], int]:
    counts = {}
    for name, number in raw.get(switch, {}).items():
        if not isinstance(number, int) or number < 1:
            errors.append(f"{switch}.{name}: {number!r} is not a positive number")
        counts[_action(name, errors)] = number
    return counts


def _failure(raw: dict[str, Any], where: str, errors: list[str]) -> Failure:
    if not isinstance(raw, dict):
        errors.append(f"{where}: {raw!r} is not an object")
        raw = {"code": ""}
    for name in raw.keys() - {"code", "message", "status", "times", "match"}:
        errors.append(f"{where}: unknown key {name!r}")
    if "code" not in raw:
        errors.append(f"{where}: there is no code")
    code = raw.get("code", "")
    server_side = {"RequestLimitExceeded": 503, "Unavailable": 503}
    server_side |= {"InternalError": 500, "InternalFailure": 500}
    return Failure(
        code=code,
        message=raw.get("message", f"{code}, because a switch says so"),
        status=raw.get("status", server_side.get(code, 400)),
        times=raw.get("times"),
        match=raw.get("match"),
    )


def _buckets(
    raw: dict[str, dict[str, float]], errors: list[str]
) -> dict[tuple[str, str], Bucket]:
    buckets = {}
    for name, entry in raw.items():
        try:
            capacity, per_second = entry["capacity"], entry["per_second"]
            if not (capacity >= 1 and per_second >= 0):
                raise ValueError
            bucket = Bucket(capacity, per_second, capacity, time.monotonic())
            buckets[_action(name, errors)] = bucket
        except (KeyError, TypeError, ValueError):
            text = "needs a capacity from 1 and a number per_second"
            errors.append(f"buckets.{name}: {text}")
    return buckets


def _race(raw: dict[str, int], errors: list[str]) -> Race:
    for name in raw.keys() - {"every", "first", "times"}:
        errors.append(f"snapshot_race: unknown key {name!r}")
    return Race(
        every=raw.get("every", 0), first=raw.get("first", 0), times=raw.get("times", 1)
    )
