"""Checking a fleet file: reports all errors with their positions."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from world import timestamp

_REQUIRED = object()


class BadFleet(Exception):
    """The fleet file is invalid. `errors` contains the positions and causes."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class BadValue(Exception):
    """A value is invalid for its field."""


Kind = Callable[[Any], Any]
"""Checks a value, and returns it in our format."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an entry: its kind, and its default."""

    kind: Kind
    default: Any = _REQUIRED


def entry(raw: Any, fields: dict[str, Field], where: str) -> dict[str, Any]:
    """The entry with all defaults set. Raises BadFleet."""
    if not isinstance(raw, dict):
        raise BadFleet([f"{where}: is not an object"])
    errors = [f"{where}: unknown key {key!r}" for key in raw if key not in fields]
    checked: dict[str, Any] = {}
    for key, field in fields.items():
        if key not in raw:
            if field.default is _REQUIRED:
                errors.append(f"{where}: there is no {key!r}")
            checked[key] = deepcopy(field.default)
            continue
        try:
            checked[key] = field.kind(raw[key])
        except BadValue as error:
            errors.append(f"{where}: {key} {error}")
        except BadFleet as error:
            errors += [f"{where}: {key}{inner}" for inner in error.errors]
    if errors:
        raise BadFleet(errors)
    return checked


def text(value: Any) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise BadValue(f"is {value!r}, which is not a string")
    return value


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise BadValue(f"is {value!r}, which is neither true nor false")
    return value


def count(value: Any) -> int:
    """An integer from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadValue(f"is {value!r}, which is not a whole number from 1")
    return value


def count_to(most: int) -> Kind:
    """An integer from 1 to the maximum."""

    def check(value: Any) -> int:
        if count(value) > most:
            raise BadValue(f"is {value!r}, which is more than {most}")
        return value

    return check


def time(value: Any) -> str:
    """A time with its offset, stored in UTC."""
    try:
        moment = datetime.fromisoformat(text(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadValue(f"is {value!r}, which is not a time like 2026-01-02T03:04:05Z")
    return timestamp(moment)


def an_id(prefix: str) -> Kind:
    """An AWS id with this prefix, of 8 or 17 hexadecimal digits."""
    shape = re.compile(f"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})")

    def check(value: Any) -> str:
        if not shape.fullmatch(text(value)):
            raise BadValue(
                f"is {value!r}, which is not {prefix}- and 8 or 17 of 0-9 and a-f"
            )
        return value

    return check


def matching(pattern: str, meaning: str) -> Kind:
    """A string that matches the pattern."""
    shape = re.compile(pattern)

    def check(value: Any) -> str:
        if not shape.fullmatch(text(value)):
            raise BadValue(f"is {value!r}, which is not {meaning}")
        return value

    return check


def optional(kind: Kind) -> Kind:
    """The kind, or null."""
    return lambda value: None if value is None else kind(value)


def list_of(kind: Kind) -> Kind:
    """A list whose elements are of the kind."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise BadValue(f"is {value!r}, which is not a list")
        return [kind(element) for element in value]

    return check


def tags(value: Any) -> dict[str, str]:
    """An object of strings."""
    if not isinstance(value, dict) or not all(
        isinstance(one, str) for one in value.values()
    ):
        raise BadValue(f"is {value!r}, which is not an object of strings")
    return dict(value)


def table(fields: dict[str, Field]) -> Kind:
    """An object with these fields."""
    return lambda value: entry(value, fields, "")
