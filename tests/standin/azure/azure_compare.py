"""Compares JSON bodies field by field."""

from __future__ import annotations

from typing import Any


def paths(value: Any, where: str = "") -> set[str]:
    """The paths of all fields. `[]` means every element of a list."""
    if isinstance(value, list):
        return {path for one in value for path in paths(one, f"{where}[]")}
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, one in value.items():
        path = f"{where}.{name}".lstrip(".")
        found |= {path} | paths(one, path)
    return found


def topmost(found: set[str]) -> set[str]:
    """The paths without those inside other paths of the set."""

    def inside(path: str) -> bool:
        return any(
            path.startswith((f"{one}.", f"{one}[]")) for one in found if one != path
        )

    return {one for one in found if not inside(one)}


def values(value: Any, where: str = "") -> dict[str, Any]:
    """The values by path, with the positions in lists."""
    if isinstance(value, list):
        parts = [values(one, f"{where}[{n}]") for n, one in enumerate(value)]
    elif isinstance(value, dict):
        parts = [
            values(one, f"{where}.{name}".lstrip(".")) for name, one in value.items()
        ]
    else:
        return {where: value}
    return {path: one for part in parts for path, one in part.items()}


def differences(recorded: Any, served: Any) -> tuple[set[str], set[str], set[str]]:
    """The fields that only one body has, recorded first, and those with other values."""
    left, right = paths(recorded), paths(served)
    ours, theirs = values(served), values(recorded)
    other = {path for path in theirs.keys() & ours.keys() if theirs[path] != ours[path]}
    return topmost(left - right), topmost(right - left), other
