"""The fields of a short description of a world, with their defaults."""

from __future__ import annotations

from typing import Any

from checking import Field, flag, list_of, tags, text

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "99999999-9999-9999-9999-999999999999"
CREATED_AT = "2026-01-01T00:00:00Z"


def anything(value: Any) -> Any:
    """Any JSON value: its builder reads it."""
    return value


def unless_null(kind: Any) -> Any:
    """The kind, or null."""
    return lambda value: None if value is None else kind(value)


OPTIONAL_TEXT = Field(unless_null(text), None)
COMMON = {
    "name": Field(text),
    "subscription": OPTIONAL_TEXT,
    "group": OPTIONAL_TEXT,
    "location": OPTIONAL_TEXT,
    "tags": Field(unless_null(tags), None),
    "created_at": Field(unless_null(text), None),
    "created_by": OPTIONAL_TEXT,
    "state": Field(text, "Succeeded"),
}


def fields(**more: Any) -> dict[str, Field]:
    """The common fields, and those with these defaults."""
    return COMMON | {
        name: value if isinstance(value, Field) else Field(anything, value)
        for name, value in more.items()
    }


GALLERY = fields(
    soft_delete=None,
    sharing=None,
    shared_with={},
    description=None,
    definitions=[],
)
DEFINITION = fields(
    os_type="Linux",
    os_state="Generalized",
    generation="V2",
    architecture="x64",
    end_of_life=None,
    publisher="acme",
    offer="linux",
    sku=None,
    versions=[],
)
VERSION = fields(
    name=Field(text, ""),
    version=Field(text),
    published_at=CREATED_AT,
    regions=[],
    replicas=1,
    exclude_from_latest=False,
    end_of_life=None,
    block_deletion=None,
    allow_deletion_of_replicas=Field(flag, False),
    replication_mode=None,
    replication={},
    source=None,
    source_vm=None,
    os_disk_gib=30,
    os_disk_source=None,
    vhd=None,
    data_disks=[],
    soft_deleted_at=None,
)
IMAGE = fields(
    os_type="Linux",
    os_state="Generalized",
    generation="V2",
    source_vm=None,
    snapshot=None,
    managed_disk=None,
    vhd=None,
    os_disk_gib=30,
    data_disks=[],
    zone_resilient=False,
)
MACHINE = fields(
    image=None,
    exact_version=None,
    platform=None,
    size="Standard_D2s_v3",
    os_type="Linux",
    os_disk=None,
    data_disks=[],
    scale_set=None,
    power="running",
    generalized=False,
    delete_os_disk=False,
)
SCALE_SET = fields(
    mode="Uniform", image=None, platform=None, capacity=None, instances=[]
)
INSTANCE = fields(id=Field(text), name=Field(text, ""), image=None, latest_model=True)
DISK = fields(
    size_gib=30,
    image=None,
    source=None,
    attached_to=None,
    os_type="Linux",
    disk_state=None,
)
SNAPSHOT = fields(
    size_gib=30,
    source=None,
    incremental=True,
    os_type="Linux",
    disk_state="Unattached",
    immutability=None,
    completion_percent=None,
)
LOCK = fields(level="CanNotDelete", scope="subscription", notes=None)
TEMPLATE = fields(
    source=None, distribute=[], run_state="Succeeded", platform=None, exact_version=None
)
SUBSCRIPTION_ENTRY = {
    "id": Field(text),
    "name": OPTIONAL_TEXT,
    "state": Field(text, "Enabled"),
    "tenant": Field(text, TENANT),
    "readable": Field(flag, True),
    "tags": Field(unless_null(tags), None),
}
GROUP = {
    "name": Field(text),
    "subscription": OPTIONAL_TEXT,
    "location": OPTIONAL_TEXT,
    "tags": Field(unless_null(tags), None),
}
WORLD = {
    "now": Field(unless_null(text), None),
    "stopped": Field(flag, False),
    "subscription": Field(text, SUBSCRIPTION),
    "group": Field(text, "Images"),
    "location": Field(text, "westeurope"),
    "subscriptions": Field(anything, []),
    "groups": Field(anything, []),
    "galleries": Field(list_of(anything), []),
    "images": Field(list_of(anything), []),
    "virtual_machines": Field(list_of(anything), []),
    "scale_sets": Field(list_of(anything), []),
    "disks": Field(list_of(anything), []),
    "snapshots": Field(list_of(anything), []),
    "locks": Field(list_of(anything), []),
    "image_templates": Field(list_of(anything), []),
    "resources": Field(anything, []),
    "soft_deleted": Field(anything, []),
}
