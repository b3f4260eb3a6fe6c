"""The account: images, snapshots, instances and references to images.

The fields have the names of the fleet file. Times are strings in UTC, with milliseconds only if the
fleet file has them. They are returned unchanged, except that most times in EC2 responses contain
`.000`: see `with_millis`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from secrets import token_hex
from typing import Any, Generic, TypeVar
from zlib import crc32

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "eu-central-1"
DEFAULT_SIZE_GIB = 8
ALIAS = "resolve:ssm:"
"""The image field for an image in a parameter."""
NO_VOLUME = "vol-ffffffff"
"""The volume of a snapshot without one, for example of a copy."""


def timestamp(moment: datetime) -> str:
    """A time in the format of the fleet file."""
    moment = moment.astimezone(UTC)
    millis = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{millis}Z"


def now() -> str:
    """The current second."""
    return timestamp(datetime.now(UTC).replace(microsecond=0))


def with_millis(at: str | None) -> str | None:
    """A time in the format of DescribeImages, always with milliseconds."""
    return at if at is None or "." in at else f"{at[:-1]}.000Z"


def new_id(prefix: str) -> str:
    """A new id such as `ami-0…`, with 17 digits."""
    return f"{prefix}-0{token_hex(8)}"


@lru_cache(maxsize=200_000)
def listing_order(key: str) -> tuple[int, str]:
    """AWS guarantees no order, so listings have one that is clearly unsorted."""
    return crc32(key.encode()), key


@dataclass(slots=True)
class Image:
    """An AMI. `devices` is the block device mapping in boto3's format."""

    image_id: str
    name: str
    owner_id: str
    created_at: str
    devices: list[dict[str, Any]] = field(default_factory=list)
    state: str = "available"
    architecture: str = "x86_64"
    platform: str | None = None
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    root_device: str | None = None
    last_launched_at: str | None = None
    deprecation_time: str | None = None
    protected: str = "disabled"
    public: bool = False
    launch_permissions: list[str] = field(default_factory=list)
    source_instance: str | None = None
    source_image: str | None = None
    source_region: str | None = None
    owner_alias: str | None = None
    ready_at: float = 0.0
    """The image is pending until this `time.monotonic()`."""

    def state_now(self) -> str:
        """The state. A new image becomes available by itself."""
        if self.state == "available" and self.ready_at > time.monotonic():
            return "pending"
        return self.state

    def unshare(self) -> None:
        """Remove all launch permissions."""
        self.public, self.launch_permissions = False, []

    def snapshot_ids(self) -> list[str]:
        """The snapshots in the mapping, without duplicates, in its order."""
        found = (device.get("Ebs", {}).get("SnapshotId") for device in self.devices)
        return list(dict.fromkeys(snapshot for snapshot in found if snapshot))


@dataclass(slots=True)
class Snapshot:
    """An EBS snapshot."""

    snapshot_id: str
    owner_id: str
    started_at: str
    size_gib: int = DEFAULT_SIZE_GIB
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""
    state: str = "completed"
    volume_id: str = NO_VOLUME
    locked: bool = False
    create_volume_permissions: list[str] = field(default_factory=list)
    public: bool = False
    released_by: str | None = None
    """The last image that used this snapshot, if it is deregistered."""
    race_left: int | None = None
    """How many more deletes return InUse because of the race; None before the first."""

    def unshare(self) -> None:
        """Make the snapshot private."""
        self.public, self.create_volume_permissions = False, []


@dataclass(slots=True)
class Instance:
    """An EC2 instance, with the fields that are needed here."""

    instance_id: str
    image_id: str
    state: str = "running"
    tags: dict[str, str] = field(default_factory=dict)
    launched_at: str = "2026-01-01T00:00:00Z"
    protected: bool = False
    stop_protected: bool = False
    group: str | None = None
    spot_request: str | None = None
    volumes: list[str] = field(default_factory=list)
    """The volumes that are deleted with it."""
    kept_volumes: list[str] = field(default_factory=list)


T = TypeVar("T", Image, Snapshot)


@dataclass(slots=True)
class Recycled(Generic[T]):
    """A resource in the Recycle Bin, with the start and end of its retention."""

    resource: T
    entered_at: str
    leaves_at: str

    def is_gone(self) -> bool:
        """Whether its retention has ended, so that it cannot be restored."""
        return datetime.fromisoformat(self.leaves_at) <= datetime.now(UTC)


class Bin(Generic[T]):
    """The images or the snapshots in the Recycle Bin, by id, without those whose retention has
    ended."""

    def __init__(self) -> None:
        self._held: dict[str, Recycled[T]] = {}

    def put(self, resource_id: str, recycled: Recycled[T]) -> None:
        """Add a resource, or replace the one with this id."""
        self._held[resource_id] = recycled

    def get(self, resource_id: str) -> Recycled[T] | None:
        """The resource with this id, if it is still in the bin."""
        found = self._held.get(resource_id)
        return None if found is None or found.is_gone() else found

    def forget(self, resource_id: str) -> None:
        """Remove it, if it is in the bin."""
        self._held.pop(resource_id, None)

    def present(self) -> dict[str, Recycled[T]]:
        """All resources that are still in the bin."""
        return {key: one for key, one in self._held.items() if not one.is_gone()}


ENTRY_SECTIONS = (
    "launch_configurations",
    "auto_scaling_groups",
    "fleets",
    "spot_fleets",
    "spot_requests",
    "compute_environments",
    "image_recipes",
    "retention_rules",
)
"""Content that changes only through the fleet endpoint, stored in the fleet format."""


class Index:
    """The references to each value, in the order in which they were added."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}

    def add(self, named: str, holder: str) -> None:
        """Add a reference."""
        self._holders.setdefault(named, {})[holder] = None

    def drop(self, named: str, holder: str) -> None:
        """Remove a reference."""
        holders = self._holders.get(named, {})
        holders.pop(holder, None)
        if not holders:
            self._holders.pop(named, None)

    def holders_of(self, named: str) -> list[str]:
        """The references to this value."""
        return list(self._holders.get(named, ()))

    def named(self) -> list[str]:
        """All values with references."""
        return list(self._holders)


class Region:
    """The resources of one Region, with indexes for frequent calls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.images: dict[str, Image] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.instances: dict[str, Instance] = {}
        self.launch_templates: dict[str, dict[str, Any]] = {}
        self.launch_configurations: dict[str, dict[str, Any]] = {}
        self.auto_scaling_groups: dict[str, dict[str, Any]] = {}
        self.fleets: dict[str, dict[str, Any]] = {}
        self.spot_fleets: dict[str, dict[str, Any]] = {}
        self.spot_requests: dict[str, dict[str, Any]] = {}
        self.compute_environments: dict[str, dict[str, Any]] = {}
        self.image_recipes: dict[tuple[str, ...], dict[str, Any]] = {}
        self.retention_rules: dict[str, dict[str, Any]] = {}
        self.recycled_images: Bin[Image] = Bin()
        self.recycled_snapshots: Bin[Snapshot] = Bin()
        self.deregistered: dict[str, Image] = {}
        """All images that ever existed here, including those in the Recycle Bin."""
        self.races = 0
        """How many snapshots of deregistered images were deleted so far."""
        self.parameters: dict[str, str] | None = None
        """The SSM parameters of a copy. moto has the account's own."""
        self._users = Index()
        self._instances_of = Index()
        self._templates_of = Index()
        self._templates_of_alias = Index()

    def put_image(self, image: Image) -> None:
        """Add or replace an image."""
        self._forget_uses(image.image_id)
        self.images[image.image_id] = image
        self.deregistered.pop(image.image_id, None)
        self.recycled_images.forget(image.image_id)
        for snapshot_id in image.snapshot_ids():
            self._users.add(snapshot_id, image.image_id)

    def put_snapshot(self, snapshot: Snapshot) -> None:
        """Add or replace a snapshot."""
        self.snapshots[snapshot.snapshot_id] = snapshot
        self.recycled_snapshots.forget(snapshot.snapshot_id)

    def put_instance(self, instance: Instance) -> None:
        """Add or replace an instance."""
        if (old := self.instances.get(instance.instance_id)) is not None:
            self._instances_of.drop(old.image_id, old.instance_id)
        self._instances_of.add(instance.image_id, instance.instance_id)
        self.instances[instance.instance_id] = instance

    def put_launch_template(self, template: dict[str, Any]) -> None:
        """Add or replace a launch template, its versions from the newest."""
        template_id = template["launch_template_id"]
        self.forget_launch_template(template_id)
        for image_id in named_by(template):
            self._index_of(image_id).add(image_id, template_id)
        self.launch_templates[template_id] = template

    def forget_launch_template(self, template_id: str) -> None:
        """Remove a launch template, if it exists."""
        if (old := self.launch_templates.pop(template_id, None)) is not None:
            for image_id in named_by(old):
                self._index_of(image_id).drop(image_id, template_id)

    def deregister(self, image: Image) -> None:
        """Remove an image. Its snapshots remain."""
        self._forget_uses(image.image_id)
        del self.images[image.image_id]
        self.deregistered[image.image_id] = image
        for snapshot_id in image.snapshot_ids():
            if not self.users_of(snapshot_id) and snapshot_id in self.snapshots:
                self.snapshots[snapshot_id].released_by = image.image_id

    def recycle_image(self, recycled: Recycled[Image]) -> None:
        """Move an image from the account to the Recycle Bin."""
        image = recycled.resource
        if image.image_id in self.images:
            self.deregister(self.images[image.image_id])
        self.deregistered[image.image_id] = image
        self.recycled_images.put(image.image_id, recycled)

    def recycle_snapshot(self, recycled: Recycled[Snapshot]) -> None:
        """Move a snapshot from the account to the Recycle Bin."""
        snapshot_id = recycled.resource.snapshot_id
        self.snapshots.pop(snapshot_id, None)
        self.recycled_snapshots.put(snapshot_id, recycled)

    def users_of(self, snapshot_id: str) -> list[str]:
        """The existing images that use this snapshot."""
        return self._users.holders_of(snapshot_id)

    def instances_of(self, image_id: str) -> list[Instance]:
        """The instances of this image."""
        return [self.instances[one] for one in self._instances_of.holders_of(image_id)]

    def templates_naming(self, image_id: str) -> list[dict[str, Any]]:
        """The launch templates in which any version has this image, or this alias."""
        holders = self._index_of(image_id).holders_of(image_id)
        return [self.launch_templates[one] for one in holders]

    def aliases(self) -> list[str]:
        """All image fields in versions of launch templates."""
        return self._templates_of_alias.named()

    def _index_of(self, image_id: str) -> Index:
        is_alias = image_id.startswith(ALIAS)
        return self._templates_of_alias if is_alias else self._templates_of

    def _forget_uses(self, image_id: str) -> None:
        if (old := self.images.get(image_id)) is not None:
            for snapshot_id in old.snapshot_ids():
                self._users.drop(snapshot_id, image_id)


def named_by(template: dict[str, Any]) -> set[str]:
    """The images and aliases in the versions of a launch template."""
    found = {version["image_id"] for version in template["versions"]}
    return {image_id for image_id in found if image_id is not None}


class World:
    """One account with all its Regions."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.home = region
        """The Region that the fleet file filled."""
        self.events: list[dict[str, Any]] = []
        """The entries that the event bus accepted, with their detail as JSON."""
        self._regions: dict[str, Region] = {}

    def region(self, name: str) -> Region:
        """A Region, which is empty unless it was filled."""
        if name not in self._regions:
            self._regions[name] = Region(name)
        return self._regions[name]

    def regions(self) -> list[Region]:
        """The Regions that were filled or used."""
        return list(self._regions.values())
