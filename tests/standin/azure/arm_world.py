"""The world: subscriptions, and resources as the bodies that Azure returns.

Resources are kept as ARM bodies, so that a world file can contain any field. `make_world.py` builds
these bodies from short descriptions.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from arm_paths import is_within, key_of, parent, parse
from arm_types import GALLERIES, KINDS, LOCKS, VERSIONS
from operations import Operation
from world_clock import Clock, parsed, written

Body = dict[str, Any]


class BadWorld(Exception):
    """The world file is invalid."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(slots=True)
class Resource:
    """One resource."""

    body: Body
    key: str
    type: str
    order: int
    """Increases with every resource. Pages continue after it."""
    hidden: Body = field(default_factory=dict)
    """What only `$expand` returns, and the state that no response contains."""
    operation: Operation | None = None
    """The last long-running operation on the resource."""

    @property
    def properties(self) -> Body:
        """The properties, which may be missing in the body."""
        return self.body.setdefault("properties", {})

    @property
    def subscription(self) -> str:
        """The key of the subscription."""
        return self.key.split("/")[2]


@dataclass(slots=True)
class SoftDeleted:
    """A gallery image version in the soft-deleted state."""

    resource: Resource
    at: datetime
    consumption_end: datetime
    target: datetime
    """When it is deleted permanently."""

    def body(self, with_dates: bool) -> Body:
        """The entry of the listing of soft-deleted versions."""
        stored = self.resource.body
        names = stored["id"].split("/")
        gallery, definition, version = "/".join(names[:-4]), names[-3], names[-1]
        properties = {
            "resourceArmId": stored["id"],
            "softDeletedTime": written(self.at),
            "softDeletedArtifactType": "Images",
        }
        if with_dates:
            properties["consumptionEndTime"] = written(self.consumption_end)
            properties["hardDeletionTargetTime"] = written(self.target)
        return {
            "name": version,
            "id": f"{gallery}/softDeletedArtifactTypes/Images/artifacts/{definition}"
            f"/versions/{version}",
            "type": "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions",
            "location": stored["location"],
            "properties": properties,
        }


@dataclass(slots=True)
class Ghost:
    """A deleted resource that a GET still finds for some time."""

    resource: Resource
    reads: int


class World:
    """All content. `settle` must be called before each use: time changes the content."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.subscriptions: dict[str, Body] = {}
        self.unreadable: set[str] = set()
        self.groups: dict[str, Body] = {}
        self.resources: dict[str, Resource] = {}
        self.soft_deleted: dict[str, SoftDeleted] = {}
        self.operations: dict[str, Operation] = {}
        self.ghosts: dict[str, Ghost] = {}
        self._due: list[tuple[datetime, int, Operation]] = []
        self._collections: dict[str, dict[str, Resource]] = {}
        self._by_type: dict[tuple[str, str], dict[str, Resource]] = {}
        self._order = 0

    def add(self, body: Body, hidden: Body | None = None) -> Resource:
        """Add a resource, or replace the one with this id."""
        key = key_of(body["id"])
        if key in self.resources:
            self.remove(key)
        self._order += 1
        resource = Resource(body, key, parse(key).type, self._order, hidden or {})
        _hide(resource)
        self.put_back(resource)
        return resource

    def put_back(self, resource: Resource) -> None:
        """Add a resource that was removed."""
        self.resources[resource.key] = resource
        for index in self._indexes(resource):
            index[resource.key] = resource

    def remove(self, key: str) -> Resource | None:
        """Remove a resource, if it exists."""
        resource = self.resources.pop(key, None)
        if resource is not None:
            for index in self._indexes(resource):
                index.pop(key, None)
        return resource

    def linger(self, resource: Resource, reads: int) -> None:
        """Let the next GETs still find a deleted resource, as `Deleting`."""
        if reads > 0:
            resource.properties["provisioningState"] = "Deleting"
            self.ghosts[resource.key] = Ghost(resource, reads)

    def _indexes(self, resource: Resource) -> Iterator[dict[str, Resource]]:
        collection, _, _ = resource.key.rpartition("/")
        yield self._collections.setdefault(collection, {})
        pair = (resource.subscription, resource.type)
        yield self._by_type.setdefault(pair, {})

    def find(self, resource_id: str) -> Resource | None:
        """The resource with this id, in any spelling."""
        return self.resources.get(key_of(resource_id))

    def collection(self, key: str) -> list[Resource]:
        """The resources of a collection, such as the versions of a definition."""
        return list(self._collections.get(key, {}).values())

    def of_type(self, subscription: str, type_key: str) -> list[Resource]:
        """All resources of a type in a subscription."""
        return list(self._by_type.get((subscription.lower(), type_key), {}).values())

    def nested(self, key: str) -> list[str]:
        """The ids of the resources in a resource, also of soft-deleted versions."""
        inside = [
            one.body["id"]
            for one in self.resources.values()
            if one.type != LOCKS and one.key.startswith(key + "/")
        ]
        return inside + [
            one.body(False)["id"]
            for deleted_key, one in self.soft_deleted.items()
            if deleted_key.startswith(key + "/")
        ]

    def locks_on(self, key: str) -> list[Resource]:
        """The locks that apply to a resource: its own, and those of its parents."""
        locks = self.of_type(key.split("/")[2], LOCKS)
        return [
            one
            for one in locks
            if is_within(
                key, one.key.rpartition("/providers/microsoft.authorization")[0]
            )
        ]

    def start(self, operation: Operation) -> None:
        """Register a long-running operation."""
        self.operations[operation.id] = operation
        heapq.heappush(self._due, (operation.due, operation.number, operation))

    def settle(self) -> None:
        """Complete what is due, and delete what has left the soft-deleted state."""
        now = self.clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, operation = heapq.heappop(self._due)
            operation.finish(operation.due)
        gone = [key for key, one in self.soft_deleted.items() if one.target <= now]
        for key in gone:
            del self.soft_deleted[key]

    def group_of(self, key: str) -> Body | None:
        """The resource group of a key."""
        return self.groups.get("/".join(key.split("/")[:5]))

    def parent_exists(self, key: str) -> bool:
        """Whether the resource or resource group in which a resource is exists."""
        above = parent(key)
        return above in self.resources or above in self.groups

    def policy_of(self, version: Resource) -> Body:
        """The soft-delete policy of the gallery of a version."""
        gallery = self.resources[parent(parent(version.key))]
        return gallery.properties.get("softDeletePolicy") or {}

    def frozen(self) -> World:
        """A copy of the content for readers that see an older state."""
        copied = World(self.clock)
        copied.unreadable = set(self.unreadable)
        copied.subscriptions = copy.deepcopy(self.subscriptions)
        for one in self.resources.values():
            copied.add(copy.deepcopy(one.body), copy.deepcopy(one.hidden))
        return copied

    def written(self) -> Body:
        """The content in the format of a world file, valid as the body of a POST."""
        return {
            "now": written(self.clock.now()),
            "stopped": self.clock.stopped,
            "subscriptions": [
                one | ({"readable": False} if key in self.unreadable else {})
                for key, one in self.subscriptions.items()
            ],
            "groups": list(self.groups.values()),
            "resources": [_written(one) for one in self.resources.values()],
            "soft_deleted": [
                {
                    "resource": _written(one.resource),
                    "at": written(one.at),
                    "consumption_end": written(one.consumption_end),
                    "target": written(one.target),
                }
                for one in self.soft_deleted.values()
            ],
        }


def _hide(resource: Resource) -> None:
    """Take out what only `$expand` returns."""
    properties, hidden = resource.body.get("properties", {}), resource.hidden
    if resource.type == VERSIONS and "replicationStatus" in properties:
        hidden.setdefault("replicationStatus", properties.pop("replicationStatus"))
    profile = properties.get("sharingProfile") or {}
    if resource.type == GALLERIES and "groups" in profile:
        hidden.setdefault("groups", profile.pop("groups"))


def _written(resource: Resource) -> Body:
    hidden = {"_hidden": resource.hidden} if resource.hidden else {}
    return copy.deepcopy(resource.body) | copy.deepcopy(hidden)


def new_world(raw: Any) -> World:
    """The world of a world file with ARM bodies. Raises `BadWorld`."""
    if not isinstance(raw, dict):
        raise BadWorld(["the world is not an object"])
    known = {"now", "stopped", "subscriptions", "groups", "resources", "soft_deleted"}
    errors = [f"unknown key {key!r}" for key in raw if key not in known]
    try:
        start = parsed(raw["now"]) if raw.get("now") else None
        world = World(Clock(start, raw.get("stopped", False)))
        for one in raw.get("subscriptions", []):
            body = {key: value for key, value in one.items() if key != "readable"}
            key = one["subscriptionId"].lower()
            world.subscriptions[key] = body
            if not one.get("readable", True):
                world.unreadable.add(key)
        for one in raw.get("groups", []):
            world.groups[key_of(one["id"])] = one
        for number, one in enumerate(raw.get("resources", [])):
            errors += _added(world, one, f"resources[{number}]")
        for one in raw.get("soft_deleted", []):
            body = copy.deepcopy(one["resource"])
            hidden = body.pop("_hidden", {})
            key = key_of(body["id"])
            world._order += 1
            resource = Resource(body, key, VERSIONS, world._order, hidden)
            world.soft_deleted[key] = SoftDeleted(
                resource,
                parsed(one["at"]),
                parsed(one["consumption_end"]),
                parsed(one["target"]),
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        errors.append(f"the world cannot be read: {error!r}")
    if errors:
        raise BadWorld(errors)
    return world


def _added(world: World, raw: Body, where: str) -> list[str]:
    body = copy.deepcopy(raw)
    hidden = body.pop("_hidden", {})
    kind = parse(body["id"]).type
    if kind not in KINDS:
        return [f"{where}: unknown resource type {kind!r} of {body['id']!r}"]
    group = "/".join(key_of(body["id"]).split("/")[:5])
    if kind != LOCKS and group not in world.groups:
        return [f"{where}: {body['id']!r} is in a group that the world does not have"]
    world.add(body, hidden)
    return []
