"""A former state of the account, which listings show during the `stale_seconds` switch.

AWS's listings are delayed. A program that plans with them must read resources again by id before it
changes anything. This switch shows whether it does.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TypeVar

import moto_side
from world import ENTRY_SECTIONS, Image, Region, Snapshot, World

T = TypeVar("T", Image, Snapshot)


class Stale:
    """A copy of the account, and how long listings show it."""

    def __init__(self, world: World, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._regions = {
            region.name: _copy(world, region) for region in world.regions()
        }

    def region(self, name: str) -> Region | None:
        """The former state of the Region; None after the time is over."""
        if time.monotonic() > self._until:
            return None
        # A Region that nobody had used at that time was empty.
        return self._regions.setdefault(name, Region(name))


def _copy(world: World, region: Region) -> Region:
    """Values that are changed in place are copied. Values that are only replaced are shared."""
    twin = Region(region.name)
    for image in region.images.values():
        twin.put_image(_twin_of(image))
    for snapshot in region.snapshots.values():
        twin.put_snapshot(_twin_of(snapshot))
    for instance in region.instances.values():
        twin.put_instance(replace(instance, tags=dict(instance.tags)))
    for template in region.launch_templates.values():
        twin.put_launch_template(template)
    for one in region.recycled_images.present().values():
        twin.recycle_image(replace(one, resource=_twin_of(one.resource)))
    for one in region.recycled_snapshots.present().values():
        twin.recycle_snapshot(replace(one, resource=_twin_of(one.resource)))
    for section in ENTRY_SECTIONS:
        getattr(twin, section).update(getattr(region, section))
    twin.deregistered |= region.deregistered
    twin.parameters = moto_side.readable(world.account, region.name)
    return twin


def _twin_of(resource: T) -> T:
    return replace(resource, tags=dict(resource.tags))
