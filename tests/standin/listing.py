"""Pagination and filters of all Describe calls.

A page token contains the last item of its page, not an offset: if an image is deregistered between
two pages, no other must be skipped.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from calls import AwsError, Call
from world import Region, listing_order

T = TypeVar("T")
Values = Callable[[Any], Iterable[str | None]]


@dataclass(frozen=True, slots=True)
class Paging:
    """The pagination of an action. `default=None` returns everything in one page."""

    at_most: int
    default: int | None
    at_least: int = 1
    size: str = "MaxResults"
    token: str = "NextToken"
    bad_size: str = "InvalidParameterValue"
    bad_token: str = "InvalidParameterValue"


def page(
    call: Call, paging: Paging, items: Iterable[T], key: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """One page of the items in listing order, and the token of the next."""
    number, after = _read_token(call.params.get(paging.token), paging)
    call.switches.check_page(call.service, call.action, number)
    asked = call.params.get(paging.size)
    if asked is not None and not paging.at_least <= asked <= paging.at_most:
        raise AwsError(
            paging.bad_size,
            f"Value ( {asked} ) for parameter {paging.size} is invalid. "
            f"Expecting a value between {paging.at_least} and {paging.at_most}.",
        )
    size = asked if asked is not None else paging.default
    ordered = sorted(items, key=lambda item: listing_order(key(item)))
    if after is not None:
        start = listing_order(after)
        ordered = [item for item in ordered if listing_order(key(item)) > start]
    if size is None or len(ordered) <= size:
        return ordered, None
    chosen = ordered[:size]
    return chosen, _write_token(number + 1, key(chosen[-1]))


def _write_token(number: int, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([number, after]).encode()).decode()


def _read_token(token: str | None, paging: Paging) -> tuple[int, str | None]:
    if not token:
        return 1, None
    try:
        number, after = json.loads(base64.urlsafe_b64decode(token))
        return int(number), str(after)
    except (binascii.Error, ValueError, TypeError):
        raise AwsError(paging.bad_token, f"The token '{token}' is not valid.") from None


_ID_FILTERS = {
    "block-device-mapping.snapshot-id",
    "image-id",
    "instance-id",
    "resource-id",
    "snapshot-id",
    "spot-instance-request-id",
}


def shown(call: Call, *ids: str) -> Region:
    """The state for the call: the current one, or the one that listings show if the call has no
    ids.

    A filter by id counts as an id.
    """
    named = any(call.params.get(name) for name in ids) or any(
        one.get("Name") in _ID_FILTERS for one in call.params.get("Filters", [])
    )
    return call.region if named else call.listed


def not_both(call: Call, ids: str, paging: Paging) -> None:
    """EC2 rejects a page size together with a list of ids."""
    if call.params.get(ids) and call.params.get(paging.size) is not None:
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameter {ids} cannot be used with the parameter {paging.size}",
        )


def filtered(
    call: Call, items: Iterable[T], known: dict[str, Values], *, tagged: bool = False
) -> list[T]:
    """The items that pass all filters of the call.

    `known` returns an item's values for each filter name. `tag:KEY` and `tag-key` are added for
    items with tags.
    """
    kept = list(items)
    for wanted in call.params.get("Filters", []):
        name, patterns = wanted.get("Name", ""), wanted.get("Values", [])
        values = known.get(name) or _values_of_tags(name, tagged)
        kept = [
            item
            for item in kept
            if any(
                value is not None and _like(value, pattern)
                for value in values(item)
                for pattern in patterns
            )
        ]
    return kept


def _values_of_tags(name: str, tagged: bool) -> Values:
    if tagged and name == "tag-key":
        return lambda item: item.tags
    if tagged and name.startswith("tag:"):
        tag = name.removeprefix("tag:")
        return lambda item: [item.tags.get(tag)]
    raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")


_WILD = re.compile(r"[*?\\]")


def has_wildcard(pattern: str) -> bool:
    """Whether a filter's value contains wildcards."""
    return _WILD.search(pattern) is not None


def _like(value: str, pattern: str) -> bool:
    """EC2's wildcards are * and ?, and a backslash escapes them."""
    if not has_wildcard(pattern):
        return value == pattern
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    meanings = {"*": ".*", "?": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    words = [meanings.get(part) or re.escape(part[-1]) for part in parts]
    return re.compile("".join(words), re.DOTALL)


def tag_set(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags in the format of all EC2 responses."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
