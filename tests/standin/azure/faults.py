"""Switches: injected faults, set with `POST /_standin/switches`. All are deterministic."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any

from arm_types import BUDGETS
from http_server import HttpResponse

MOST_SECONDS = 60


class BadSwitches(Exception):
    """The switches are invalid. The argument contains all reasons."""


ACTIONS = {
    "status": int,
    "code": str,
    "message": str,
    "retry_after": int,
    "drop": str,
    "set": dict,
    "truncate": int,
    "cut": int,
    "body": str,
    "delay_seconds": (int, float),
    "repeat_page": bool,
    "lost": bool,
}
CONDITIONS = {
    "method": str,
    "path": str,
    "operation": str,
    "nth": int,
    "times": int,
}


@dataclass(slots=True)
class Fault:
    """What happens to the calls that match."""

    method: str | None
    path: re.Pattern[str] | None
    operation: str | None
    skip: int
    """The matching calls before the first that fails."""
    times: int | None
    """The calls that fail; None means all."""
    action: dict[str, Any]

    def takes(self, method: str, path: str, operation: str) -> bool:
        """Whether this call fails. Counts it if it matches."""
        if self.method not in (None, method):
            return False
        if self.path is not None and not self.path.search(path):
            return False
        if self.operation is not None and self.operation.lower() != operation.lower():
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class FailedOperation:
    """Long-running operations that end as failed."""

    match: re.Pattern[str]
    """Matched against the method and the path."""
    code: str
    message: str
    times: int | None


@dataclass(slots=True)
class OperationSettings:
    """How long operations take, and which fail."""

    polls: int = 2
    seconds: float = 30
    retry_after: int | None = 1
    fail: list[FailedOperation] = field(default_factory=list)

    def error(self, method: str, path: str) -> tuple[str, str] | None:
        """The error with which the operation of this call ends."""
        for one in self.fail:
            if one.times == 0 or not one.match.search(f"{method} {path}"):
                continue
            if one.times is not None:
                one.times -= 1
            return one.code, one.message
        return None


class Switches:
    """All switches."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = copy.deepcopy(raw)
        self._errors: list[str] = []
        known = {
            "page_size": (int, None),
            "deny": (list, []),
            "deny_subscriptions": (list, []),
            "faults": (list, []),
            "operations": (dict, {}),
            "budgets": ((dict, bool), True),
            "arm_budgets": (dict, {}),
            "latency_seconds": ((int, float), 0),
            "graph_stale": (bool, False),
            "graph_truncated": (bool, False),
            "graph_subscription_limit": (bool, False),
            "restored_tags": (str, "lost"),
            "tags_update_versions": (bool, False),
            "lingering_reads": (int, 0),
            "granted": (list, ["*"]),
        }
        for name, value in raw.items():
            if name not in known:
                self._errors.append(f"unknown switch {name!r}")
            elif not isinstance(value, known[name][0]):
                self._errors.append(f"{name}: {value!r} has the wrong type")
        if self._errors:
            raise BadSwitches(self._errors)

        def value(name: str) -> Any:
            return raw.get(name, known[name][1])

        self.page_size: int | None = value("page_size")
        self.deny = [one.lower() for one in value("deny")]
        self.deny_subscriptions = {one.lower() for one in value("deny_subscriptions")}
        self.faults = [self._fault(one, n) for n, one in enumerate(value("faults"))]
        self.operations = self._operations(value("operations"))
        self.budgets: dict[str, tuple[int, ...]] | None = self._budgets(
            value("budgets")
        )
        self.arm_budgets = {
            name: (float(one[0]), float(one[1]))
            for name, one in value("arm_budgets").items()
        }
        self.latency_seconds = float(value("latency_seconds"))
        self.graph_stale: bool = value("graph_stale")
        self.graph_truncated: bool = value("graph_truncated")
        self.graph_subscription_limit: bool = value("graph_subscription_limit")
        self.restored_tags: str = value("restored_tags")
        self.tags_update_versions: bool = value("tags_update_versions")
        self.lingering_reads: int = value("lingering_reads")
        self.granted: list[str] = value("granted")
        if self.page_size is not None and self.page_size < 1:
            self._errors.append("page_size: must be at least 1")
        if self.restored_tags not in ("lost", "kept"):
            self._errors.append("restored_tags: must be 'lost' or 'kept'")
        if not 0 <= self.latency_seconds <= MOST_SECONDS:
            self._errors.append(f"latency_seconds: not from 0 to {MOST_SECONDS}")
        if self._errors:
            raise BadSwitches(self._errors)

    def _fault(self, raw: dict[str, Any], number: int) -> Fault:
        where = f"faults[{number}]"
        known = ACTIONS | CONDITIONS
        for name, one in raw.items():
            if name not in known:
                self._errors.append(f"{where}: unknown key {name!r}")
            elif not isinstance(one, known[name]):
                self._errors.append(f"{where}.{name}: {one!r} has the wrong type")
        action = {name: one for name, one in raw.items() if name in ACTIONS}
        if not action:
            self._errors.append(f"{where}: has no effect")
        path = raw.get("path")
        return Fault(
            raw.get("method"),
            self._pattern(path, f"{where}.path") if path is not None else None,
            raw.get("operation"),
            raw.get("nth", 1) - 1,
            raw.get("times", 1 if "nth" in raw else None),
            action,
        )

    def _pattern(self, text: str, where: str) -> re.Pattern[str]:
        try:
            return re.compile(text, re.IGNORECASE)
        except re.error as error:
            self._errors.append(f"{where}: {error}")
            return re.compile("")

    def _operations(self, raw: dict[str, Any]) -> OperationSettings:
        for name in raw.keys() - {"polls", "seconds", "retry_after", "fail"}:
            self._errors.append(f"operations: unknown key {name!r}")
        fail = [
            FailedOperation(
                self._pattern(one.get("match", ""), f"operations.fail[{number}]"),
                one.get("code", "InternalExecutionError"),
                one.get("message", "An internal execution error occurred."),
                one.get("times"),
            )
            for number, one in enumerate(raw.get("fail", []))
        ]
        default = OperationSettings()
        return OperationSettings(
            raw.get("polls", default.polls),
            raw.get("seconds", default.seconds),
            raw.get("retry_after", default.retry_after),
            fail,
        )

    def _budgets(self, raw: dict[str, Any] | bool) -> dict[str, tuple[int, ...]] | None:
        if raw is False:
            return None
        budgets = dict(BUDGETS)
        for name, one in ({} if raw is True else raw).items():
            if name not in BUDGETS:
                self._errors.append(f"budgets: unknown operation group {name!r}")
            elif not (isinstance(one, list) and len(one) == len(BUDGETS[name])):
                count = len(BUDGETS[name])
                self._errors.append(f"budgets.{name}: needs a list of {count}")
            else:
                budgets[name] = tuple(one)
        return budgets

    def denies(self, permission: str) -> bool:
        """Whether the caller lacks a permission. `*` at the end matches anything."""
        wanted = permission.lower()
        return any(
            wanted.startswith(one[:-1]) if one.endswith("*") else wanted == one
            for one in self.deny
        )

    def fault(self, method: str, path: str, operation: str) -> dict[str, Any] | None:
        """The fault of this call, if there is one."""
        taken = [one.takes(method, path, operation) for one in self.faults]
        for took, one in zip(taken, self.faults, strict=True):
            if took:
                return one.action
        return None


def changed(action: dict[str, Any], response: HttpResponse) -> HttpResponse:
    """The response after a fault that changes its body."""
    body = response.body
    if "drop" in action or "set" in action:
        content = json.loads(body)
        if "drop" in action:
            _change(content, action["drop"].split("."), None)
        for path, value in action.get("set", {}).items():
            _change(content, path.split("."), (value,))
        body = json.dumps(content).encode()
    if "body" in action:
        body = action["body"].encode()
    if "truncate" in action:
        body = body[: action["truncate"]]
    cut = action.get("cut")
    return HttpResponse(
        body, response.content_type, response.status, response.headers, cut
    )


def _change(content: Any, path: list[str], value: tuple[Any] | None) -> None:
    """Set or remove a field. `[]` after a name means every element of the list."""
    name, rest = path[0], path[1:]
    every = name.endswith("[]")
    name = name.removesuffix("[]")
    if not isinstance(content, dict):
        return
    if not rest:
        if value is None:
            content.pop(name, None)
        else:
            content[name] = copy.deepcopy(value[0])
        return
    inner = content.get(name)
    for one in inner if every and isinstance(inner, list) else [inner]:
        _change(one, rest, value)
