"""Checks of soft delete: deletion, the list of soft-deleted versions, and restoring."""

from __future__ import annotations

from typing import Any

from arm_client import NOT_FOUND, Arm
from azure_report import Report
from made_resources import KEY, MadeResources, echo
from reading_checks import same
from version_checks import after, settled, state

NAMES = (
    "delete-twice",
    "deleted-at-once",
    "soft-deleted-unlisted",
    "soft-deleted-listed",
    "soft-deleted-tags",
    "definition-kept",
    "restore",
    "restored-tags",
    "restored-profile",
)


def check_soft_delete(arm: Arm, report: Report, made: MadeResources) -> None:
    """Retire a version as the steps do, delete it, and restore it."""
    path = made.version()
    with report.checking(*NAMES):
        body = echo(arm.get(path))
        end = after(-1)
        profile = body["properties"]["publishingProfile"]
        profile |= {"endOfLifeDate": end, "excludeFromLatest": True}
        arm.change("PUT", path, body)
        settled(arm, path)
        tags = arm.get(path).get("tags") or {}
        _delete(arm, report, made)
        _check_list(arm, report, made)
        _restore(arm, report, made, tags, end)


def _delete(arm: Arm, report: Report, made: MadeResources) -> None:
    path = made.version()
    reply = arm.call("DELETE", path).expect(202, 204, 200)
    again = arm.call("DELETE", path)
    report.judge("delete-twice", again.status < 400, again.text)
    arm.done(reply)
    found = arm.call("GET", path)
    text = found.text
    if found.status == 200:
        text += f" {state(found.body)}"
    report.judge("deleted-at-once", found.status == 404, text)

    def is_gone() -> bool:
        reply = arm.call("GET", path)
        return reply.status == 404 and reply.code in NOT_FOUND

    arm.wait(is_gone)


def _check_list(arm: Arm, report: Report, made: MadeResources) -> None:
    path = made.version()
    listed = arm.every(f"{made.definition}/versions")
    holds = not any(same(one["id"], path) for one in listed)
    report.judge("soft-deleted-unlisted", holds, f"{len(listed)} versions")

    def entries() -> list[dict[str, Any]]:
        found = arm.every(made.deleted)
        return [
            one
            for one in found
            if same(one["properties"].get("resourceArmId", ""), path)
        ]

    found = arm.wait(entries)
    times = ("softDeletedTime", "consumptionEndTime", "hardDeletionTargetTime")
    properties = found[0]["properties"] if found else {}
    missing = [name for name in times if name not in properties]
    text = f"{len(found)} entries; missing: {', '.join(missing) or 'nothing'}"
    report.judge("soft-deleted-listed", bool(found) and not missing, text)
    tags = found[0].get("tags") if found else None
    report.judge("soft-deleted-tags", bool(tags), f"tags: {tags}")
    refused = arm.call("DELETE", made.definition)
    text = refused.text
    ended = arm.done(refused) if refused.status < 400 else "Failed"
    report.judge("definition-kept", ended != "Succeeded", text)


def _restore(
    arm: Arm, report: Report, made: MadeResources, tags: dict[str, str], end: str
) -> None:
    path = made.version()
    body = {"location": made.location, "properties": {"restore": True}}
    reply = arm.call("PUT", path, body)
    text = reply.text
    ended = arm.done(reply) if reply.status < 400 else "Failed"
    report.judge("restore", ended == "Succeeded", f"{text}, {ended}")
    settled(arm, path)
    version = arm.get(path)
    found = version.get("tags") or {}
    text = f"{sorted(found)}, before: {sorted(tags)}"
    report.judge("restored-tags", found == tags and KEY in found, text)
    profile = version["properties"]["publishingProfile"]
    is_same = (profile.get("endOfLifeDate") or "")[:10] == end[:10]
    holds = is_same and profile.get("excludeFromLatest") is True
    text = f"{ {name: profile.get(name) for name in ('endOfLifeDate', 'excludeFromLatest')} }"
    report.judge("restored-profile", holds, text)


def check_image_deletion(arm: Arm, report: Report, made: MadeResources) -> None:
    """Delete the managed image."""
    with report.checking("image-deleted"):
        arm.change("DELETE", made.image)
        reply = arm.call("GET", made.image)
        holds = reply.status == 404 and reply.code in NOT_FOUND
        report.judge("image-deleted", holds, reply.text)
