"""The checks of `make demo-azure`, which read the subscription and not the output of image-steward.

They are only a demonstration: tests/e2e, tests/scenarios and the property tests check each rule
separately.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from checks import Check
from make_subscription import SUBSCRIPTION

KEEP = "image-steward:keep"
EXPIRED_AT = "image-steward:expired-at"
IMAGE_TAG = "image-steward:image"
SOURCES = ("/snapshots/", "/disks/")
USERS = (
    "/virtualmachines/",
    "/virtualmachinescalesets/",
    "/disks/",
    "/imagetemplates/",
)
IMAGE_ID = re.compile(
    r"/subscriptions/[^/\"]+/resourcegroups/[^/\"]+/providers/microsoft\.compute/"
    r"(?:images/[^/\"]+|galleries/[^/\"]+/images/[^/\"]+(?:/versions/[^/\"]+)?)"
)
Resources = dict[str, dict[str, Any]]


@dataclass
class World:
    """The subscription at one point in time. All ids are in lower case."""

    images: Resources
    """The gallery image versions and the managed images of the subscription."""
    sources: Resources
    """Snapshots and disks."""
    soft_deleted: set[str]
    in_use: set[str]
    protected: set[str]
    everything_else: Resources
    """Virtual machines, scale sets, galleries, locks …, as stored in the local subscription."""


def look(account: Any) -> World:
    """Read the subscription."""
    resources = account.resources()
    images = {
        one: body
        for one, body in resources.items()
        if is_image(one) and one.split("/")[2] == SUBSCRIPTION
    }
    sources = {
        one: body
        for one, body in resources.items()
        if any(kind in one for kind in SOURCES)
    }
    deleted = account.world()["soft_deleted"]
    return World(
        images=images,
        sources=sources,
        soft_deleted={one["resource"]["id"].lower() for one in deleted},
        in_use=images_in_use(resources, images),
        protected={one for one in images if is_protected(one, images[one], resources)},
        everything_else={
            one: body
            for one, body in resources.items()
            if one not in images and one not in sources
        },
    )


def is_image(resource_id: str) -> bool:
    """Whether this is the id of a gallery image version or of a managed image."""
    return IMAGE_ID.fullmatch(resource_id) is not None and (
        "/versions/" in resource_id or "/galleries/" not in resource_id
    )


def images_in_use(resources: Resources, images: Resources) -> set[str]:
    """All images whose id is in a resource that runs or can start virtual machines.

    The id of a definition means the version that would be started today.
    """
    used = set()
    for one, body in resources.items():
        if not any(kind in f"{one}/" for kind in USERS):
            continue
        location = body.get("location", "")
        for found in IMAGE_ID.findall(json.dumps(body).lower()):
            if found in images:
                used.add(found)
            elif "/versions/" not in found:
                used |= latest(images, found, location)
    return used


def latest(images: Resources, definition: str, location: str) -> set[str]:
    """The version that would be started today: the highest number that is complete in the Region."""
    there = [
        one
        for one, body in images.items()
        if one.startswith(f"{definition}/versions/") and starts_in(body, location)
    ]
    return {max(there, key=number)} if there else set()


def number(version_id: str) -> tuple[int, ...]:
    """The number of a version."""
    return tuple(map(int, version_id.rpartition("/")[2].split(".")))


def starts_in(version: dict[str, Any], location: str) -> bool:
    """Whether `latest` can mean this version in a Region."""
    properties = version["properties"]
    profile = properties["publishingProfile"]
    status = version.get("_hidden", {}).get("replicationStatus", {}).get("summary", [])
    complete = {plain(one["region"]) for one in status if one["state"] == "Completed"}
    open_to = {
        plain(one["name"])
        for one in profile["targetRegions"]
        if not one.get("excludeFromLatest")
    }
    return (
        properties["provisioningState"] == "Succeeded"
        and not profile["excludeFromLatest"]
        and plain(location) in complete & open_to
    )


def plain(location: str) -> str:
    """A location without spaces and in lower case."""
    return location.replace(" ", "").lower()


def is_protected(one: str, image: dict[str, Any], resources: Resources) -> bool:
    """Whether a tag, a lock, a date or a shared gallery protects the image."""
    gallery = resources.get("/".join(one.split("/")[:9]), {}).get("properties", {})
    sharing = gallery.get("sharingProfile", {}).get("permissions", "Private")
    properties = image["properties"]
    end = properties.get("publishingProfile", {}).get("endOfLifeDate")
    blocks = properties.get("safetyProfile", {}).get("blockDeletionBeforeEndOfLife")
    scopes = [
        lock.partition("/providers/microsoft.authorization/")[0]
        for lock in resources
        if "/locks/" in lock
    ]
    locked = any(f"{one}/".startswith(f"{scope}/") for scope in scopes)
    return (
        KEEP in (image.get("tags") or {})
        or locked
        or sharing != "Private"
        or (blocks and datetime.fromisoformat(end) > datetime.now(UTC))
    )


def check(before: World, stages: list[World], after: World) -> Iterator[Check]:
    """Compare the subscription before the first run and after the last one.

    `stages` are the subscription after each run, in order.
    """
    removed = before.images.keys() - after.images.keys()
    used = before.in_use
    wrong = {one for one in used if not can_be_started(after, one)}
    yield _each("images in use", used, "exist and are not retired", wrong)

    what = "images that are excluded by tag, locked, protected or shared"
    wrong = {one for one in before.protected if not is_untouched(before, after, one)}
    yield _each(what, before.protected, "are unchanged", wrong)

    wrong = {one for one in removed if not took_every_step(one, stages)}
    yield _each("removed images", removed, "were tagged and retired before", wrong)

    versions = {one for one in removed if "/versions/" in one}
    lost = versions - after.soft_deleted
    yield _each("removed versions", versions, "can be restored", lost)

    newest = newest_of_each_family(before)
    wrong = newest - after.images.keys()
    yield _each("the newest images of each family", newest, "exist", wrong)

    gone = before.sources.keys() - after.sources.keys()
    due = {one for one in before.sources if is_orphan(before, one)}
    words = "without an image, with our tag, are deleted, and no others"
    yield _each("snapshots and disks", due, words, due ^ gone)

    were, are = before.everything_else, after.everything_else
    changed = sorted(
        one
        for one in were.keys() | are.keys()
        if _without_times(were.get(one)) != _without_times(are.get(one))
    )
    figures = (
        f"{len(were)} virtual machines, scale sets, galleries, locks … are unchanged"
    )
    yield Check("nothing else has changed", figures, changed)


def check_restored(after: World, back: World, image: str, kept: str) -> Check:
    """The image is restored and excluded until `kept`; nothing else is restored."""
    wrong = sorted(back.images.keys() - after.images.keys() - {image})
    tags = back.images.get(image, {}).get("tags") or {}
    if not can_be_started(back, image) or tags.get(KEEP) != kept:
        wrong.insert(0, image)
    name = "/".join(image.split("/")[8::2])
    return Check("restored image", f"{name}, kept until {kept}", wrong)


def _each(what: str, checked: set[str], words: str, wrong: set[str]) -> Check:
    good = len(checked - wrong)
    return Check(what, f"{good} of {len(checked)} {words}", sorted(wrong))


def can_be_started(world: World, image: str) -> bool:
    """Whether it exists, is neither past its end of life nor excluded, nor tagged as expired."""
    found = world.images.get(image)
    if found is None:
        return False
    profile = found["properties"].get("publishingProfile", {})
    return (
        EXPIRED_AT not in (found.get("tags") or {})
        and "endOfLifeDate" not in profile
        and not profile.get("excludeFromLatest", False)
    )


def is_untouched(before: World, after: World, image: str) -> bool:
    """Whether nothing has changed, except for the dates, which the demo moves."""
    then, now = before.images[image], after.images.get(image)
    return _without_times(then) == _without_times(now)


def took_every_step(image: str, stages: list[World]) -> bool:
    """Whether the last states before its removal were those of the steps, in order."""
    seen = [state(world.images[image]) for world in stages if image in world.images]
    expected = ["expired", "excluded"] if "/versions/" in image else ["expired"]
    return list(dict.fromkeys(seen)) == expected


def state(image: dict[str, Any]) -> str:
    """The step that an image has reached."""
    profile = image["properties"].get("publishingProfile")
    tagged = EXPIRED_AT in (image.get("tags") or {})
    if profile is None:
        return "expired" if tagged else "current"
    ended = "endOfLifeDate" in profile
    if profile["excludeFromLatest"]:
        return "excluded" if tagged and ended else "odd"
    return {(True, True): "expired", (False, False): "current"}.get(
        (tagged, ended), "odd"
    )


def newest_of_each_family(world: World) -> set[str]:
    """The newest complete version of each definition."""
    families: dict[str, list[str]] = {}
    for one, body in world.images.items():
        if body["properties"]["provisioningState"] != "Succeeded":
            continue
        if "/versions/" in one:
            families.setdefault(one.rpartition("/versions/")[0], []).append(one)

    def published(one: str) -> str:
        return world.images[one]["properties"]["publishingProfile"]["publishedDate"]

    return {max(members, key=published) for members in families.values()}


def is_orphan(world: World, source: str) -> bool:
    """Whether our tag names an image that does not exist."""
    image = (world.sources[source].get("tags") or {}).get(IMAGE_TAG)
    return image is not None and image.lower() not in world.images


def _without_times(content: Any) -> Any:
    """The content without its times, which the demo moves back."""
    text = json.dumps(content, sort_keys=True)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME", text)
