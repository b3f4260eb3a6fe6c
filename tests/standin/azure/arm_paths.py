"""Parses the paths of requests and the ids of resources.

Ids are case-insensitive: keys are in lower case, and responses contain the stored spelling.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote


def key_of(resource_id: str) -> str:
    """The key of a resource id."""
    return resource_id.rstrip("/").lower()


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a resource, a collection or an action.

    A path with an even number of segments after the provider names a resource. Otherwise the last
    segment is a collection, or an action for a POST.
    """

    path: str
    """The path as it was sent, decoded."""
    subscription: str | None
    group: str | None
    provider: str
    """The namespace in lower case, or an empty string."""
    types: tuple[str, ...]
    """The type segments in lower case, without a collection's."""
    names: tuple[str, ...]
    last: str | None
    """The collection or action in lower case, if the path does not name a resource."""
    scope: str
    """For an extension resource such as a lock, the id to which it applies."""

    @property
    def key(self) -> str:
        """The key of the path."""
        return key_of(self.path)

    @property
    def type(self) -> str:
        """The resource type in lower case, with the collection as the last part."""
        parts = [self.provider, *self.types]
        if self.last is not None:
            parts.append(self.last)
        return "/".join(parts)

    @property
    def name(self) -> str:
        """The name of the resource."""
        return self.names[-1] if self.names else ""


def parse(raw: str) -> Target:
    """The target of a path. Paths without a provider name subscriptions or resource groups."""
    segments = [unquote(one) for one in raw.strip("/").split("/")]
    lower = [one.lower() for one in segments]
    subscription = group = None
    if lower[0] == "subscriptions" and len(segments) > 1:
        subscription = segments[1]
    if len(segments) > 3 and lower[2] == "resourcegroups":
        group = segments[3]
    path = "/" + "/".join(segments)
    if "providers" not in lower:
        return Target(path, subscription, group, "", (), (), None, path)
    at = len(lower) - 1 - lower[::-1].index("providers")
    scope = "/" + "/".join(segments[:at])
    rest = segments[at + 1 :]
    provider, pairs = (rest[0].lower() if rest else ""), rest[1:]
    types = tuple(one.lower() for one in pairs[0::2])
    names = tuple(pairs[1::2])
    last = types[-1] if len(types) > len(names) else None
    return Target(
        path,
        subscription,
        group,
        provider,
        types[: len(names)],
        names,
        last,
        scope,
    )


def parent(key: str) -> str:
    """The key of the resource in which a nested resource is, or of its resource group."""
    head, _, _ = key.rpartition("/")
    head, _, _ = head.rpartition("/")
    base, _, tail = head.rpartition("/providers/")
    return base if "/" not in tail else head


def type_of(resource_id: str) -> str:
    """The resource type of an id, in lower case."""
    target = parse(resource_id)
    return target.type


def is_within(key: str, scope: str) -> bool:
    """Whether a resource is in a scope, or is the scope."""
    return key == scope or key.startswith(scope + "/")
