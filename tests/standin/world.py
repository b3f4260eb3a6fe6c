"""The account: images, snapshots, instances and what refers to images.

Field names are those of the fleet file.  Times are strings in UTC, with
milliseconds only where they were given, and go on the wire as they are here,
except that most of EC2's wire times carry `.000`: see `with_millis`.
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
"""What an image is named with that stands in a parameter."""
NO_VOLUME = "vol-ffffffff"
"""The volume of a snapshot that was not made from one, such as a copy."""


def timestamp(moment: datetime) -> str:
    """A moment as the fleet file writes it."""
    moment = moment.astimezone(UTC)
    millis = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{millis}Z"


def now() -> str:
    """The present second."""
    return timestamp(datetime.now(UTC).replace(microsecond=0))


def with_millis(at: str | None) -> str | None:
    """A time as DescribeImages writes it: always with milliseconds."""
    return at if at is None or "." in at else f"{at[:-1]}.000Z"


def new_id(prefix: str) -> str:
    """A fresh id such as `ami-0…`, in today's 17-digit form."""
    return f"{prefix}-0{token_hex(8)}"


@lru_cache(maxsize=200_000)
def listing_order(key: str) -> tuple[int, str]:
    """AWS promises no order, so listings use one that is plainly not sorted."""
    return crc32(key.encode()), key


@dataclass(slots=True)
class Image:
    """An AMI.  `devices` is the block device mapping in boto3's spelling."""

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
    """Until this `time.monotonic()` the image is pending."""

    def state_now(self) -> str:
        """The state, which for a fresh image changes by itself."""
        if self.state == "available" and self.ready_at > time.monotonic():
            return "pending"
        return self.state

    def unshare(self) -> None:
        """Take all launch permissions away."""
        self.public, self.launch_permissions = False, []

    def snapshot_ids(self) -> list[str]:
        """The snapshots of the mapping, each once, in its order."""
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
    """The last image that named this snapshot, once that is deregistered."""
    race_left: int | None = None
    """How many more deletes the race answers InUse; None before the first."""

    def unshare(self) -> None:
        """Take the right to make volumes from it away from everybody else."""
        self.public, self.create_volume_permissions = False, []


@dataclass(slots=True)
class Instance:
    """An EC2 instance, as far as images are concerned."""

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
    """Those that are deleted with it."""
    kept_volumes: list[str] = field(default_factory=list)


T = TypeVar("T", Image, Snapshot)


@dataclass(slots=True)
class Recycled(Generic[T]):
    """Something in the Recycle Bin, as it was, and from when until when."""

    resource: T
    entered_at: str
    leaves_at: str

    def is_gone(self) -> bool:
        """Whether its time is over, so that nobody can take it back any more."""
        return datetime.fromisoformat(self.leaves_at) <= datetime.now(UTC)


class Bin(Generic[T]):
    """One half of the Recycle Bin, by id; what is past its time is not there."""

    def __init__(self) -> None:
        self._held: dict[str, Recycled[T]] = {}

    def put(self, resource_id: str, recycled: Recycled[T]) -> None:
        """Add, or replace what has this id."""
        self._held[resource_id] = recycled

    def get(self, resource_id: str) -> Recycled[T] | None:
        """What has this id, if it is still there."""
        found = self._held.get(resource_id)
        return None if found is None or found.is_gone() else found

    def forget(self, resource_id: str) -> None:
        """Take it out, if it is there."""
        self._held.pop(resource_id, None)

    def present(self) -> dict[str, Recycled[T]]:
        """Everything that is still there."""
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
"""What changes through the fleet endpoint only, and is kept in the fleet's form."""


class Index:
    """Who names something, in the order in which they came to do so."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}

    def add(self, named: str, holder: str) -> None:
        """From now on the holder names this."""
        self._holders.setdefault(named, {})[holder] = None

    def drop(self, named: str, holder: str) -> None:
        """The holder does not name this any more."""
        holders = self._holders.get(named, {})
        holders.pop(holder, None)
        if not holders:
            self._holders.pop(named, None)

    def holders_of(self, named: str) -> list[str]:
        """Who names this."""
        return list(self._holders.get(named, ()))

    def named(self) -> list[str]:
        """Everything that somebody names."""
        return list(self._holders)


class Region:
    """The resources of one Region, with the indexes that frequent calls need."""

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
        """Every image that was here once; those in the Recycle Bin too."""
        self.races = 0
        """How many snapshots of deregistered images were deleted so far."""
        self.parameters: dict[str, str] | None = None
        """The SSM parameters of a copy; those of the account itself are moto's."""
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
        """Take a launch template away, if it is there."""
        if (old := self.launch_templates.pop(template_id, None)) is not None:
            for image_id in named_by(old):
                self._index_of(image_id).drop(image_id, template_id)

    def deregister(self, image: Image) -> None:
        """Take an image away; its snapshots stay."""
        self._forget_uses(image.image_id)
        del self.images[image.image_id]
        self.deregistered[image.image_id] = image
        for snapshot_id in image.snapshot_ids():
            if not self.users_of(snapshot_id) and snapshot_id in self.snapshots:
                self.snapshots[snapshot_id].released_by = image.image_id

    def recycle_image(self, recycled: Recycled[Image]) -> None:
        """Put an image into the Recycle Bin; it is not in the account any more."""
        image = recycled.resource
        if image.image_id in self.images:
            self.deregister(self.images[image.image_id])
        self.deregistered[image.image_id] = image
        self.recycled_images.put(image.image_id, recycled)

    def recycle_snapshot(self, recycled: Recycled[Snapshot]) -> None:
        """Put a snapshot into the Recycle Bin; it is not in the account any more."""
        snapshot_id = recycled.resource.snapshot_id
        self.snapshots.pop(snapshot_id, None)
        self.recycled_snapshots.put(snapshot_id, recycled)

    def users_of(self, snapshot_id: str) -> list[str]:
        """The existing images whose mapping names this snapshot."""
        return self._users.holders_of(snapshot_id)

    def instances_of(self, image_id: str) -> list[Instance]:
        """The instances that were started from this image."""
        return [self.instances[one] for one in self._instances_of.holders_of(image_id)]

    def templates_naming(self, image_id: str) -> list[dict[str, Any]]:
        """The launch templates of which any version has this image, or this alias."""
        holders = self._index_of(image_id).holders_of(image_id)
        return [self.launch_templates[one] for one in holders]

    def aliases(self) -> list[str]:
        """All that versions of launch templates have in place of an image."""
        return self._templates_of_alias.named()

    def _index_of(self, image_id: str) -> Index:
        is_alias = image_id.startswith(ALIAS)
        return self._templates_of_alias if is_alias else self._templates_of

    def _forget_uses(self, image_id: str) -> None:
        if (old := self.images.get(image_id)) is not None:
            for snapshot_id in old.snapshot_ids():
                self._users.drop(snapshot_id, image_id)


def named_by(template: dict[str, Any]) -> set[str]:
    """The images, and aliases, that the versions of a launch template have."""
    found = {version["image_id"] for version in template["versions"]}
    return {image_id for image_id in found if image_id is not None}


class World:
    """One account in all its Regions."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.home = region
        """The Region that the fleet file filled."""
        self.events: list[dict[str, Any]] = []
        """The entries that the event bus took, with their detail as JSON."""
        self._regions: dict[str, Region] = {}

    def region(self, name: str) -> Region:
        """A Region; those that nobody filled are empty."""
        if name not in self._regions:
            self._regions[name] = Region(name)
        return self._regions[name]

    def regions(self) -> list[Region]:
        """The Regions that somebody filled or asked for."""
        return list(self._regions.values())
