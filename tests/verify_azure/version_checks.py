"""Checks of a gallery image version: its creation, tags, updates and what protects it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from arm_client import Arm, ArmFailure
from azure_report import Report
from made_resources import FIRST, KEY, MadeResources, echo
from reading_checks import same

LIMIT = "x-ms-ratelimit-remaining-resource"
COLON = "image-steward:expired-at"


def after(days: float) -> str:
    """The time in this many days."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def sources(version: dict[str, Any]) -> list[str]:
    """The ids that a version names as its source."""
    storage = version["properties"].get("storageProfile", {})
    parts = [storage.get("source") or {}]
    parts.append((storage.get("osDiskImage") or {}).get("source") or {})
    return [part["id"] for part in parts if part.get("id")]


def state(version: dict[str, Any]) -> str:
    """The provisioning state."""
    return version["properties"]["provisioningState"]


def check_creation(arm: Arm, report: Report, made: MadeResources) -> None:
    """Create a version and check it while it is created and after that."""
    path = made.version()
    before = datetime.now(UTC)
    reply = arm.call("PUT", path, made.new_version())
    names = ("published-at-start", "creating-source", "replication", "version-source")
    with report.checking(*names):
        version = arm.get(path)
        text = f"state {state(version)}, sources: {len(sources(version))}"
        report.judge("creating-source", bool(sources(version)), text)
        published = version["properties"]["publishingProfile"].get("publishedDate")
        if published is None:
            report.judge(
                "published-at-start", False, "no publishedDate during creation"
            )
        else:
            moment = datetime.fromisoformat(published[:19] + "+00:00")
            late = abs((moment - before).total_seconds())
            report.judge(
                "published-at-start", late < 120, f"{late:.0f} s from the call"
            )
    ended = arm.done(reply)
    if ended != "Succeeded":
        raise ArmFailure(f"the version could not be created: {ended} {arm.error}")
    with report.checking(*names):
        version = arm.get(path, "&$expand=ReplicationStatus")
        status = version["properties"].get("replicationStatus") or {}
        states = [one.get("state") for one in status.get("summary", [])]
        report.judge("replication", states == ["Completed"], f"summary: {states}")
        found = sources(version)
        holds = any(same(one, made.snapshot) for one in found)
        report.judge("version-source", holds, f"{len(found)} sources")
    with report.checking("id-case", "rate-headers"):
        reply = arm.call(
            "GET", path.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/")
        )
        holds = reply.status == 200 and same(reply.body["id"], path)
        report.judge("id-case", holds, reply.text)
        value = reply.headers.get(LIMIT, "")
        report.judge("rate-headers", "Microsoft.Compute/" in value, f"{LIMIT}: {value}")


def change_tags(arm: Arm, path: str, operation: str, tags: dict[str, str]) -> None:
    """Change the tags of a resource as image-steward does."""
    body = {"operation": operation, "properties": {"tags": tags}}
    arm.change("PATCH", f"{path}/providers/Microsoft.Resources/tags/default", body)


def check_tags(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check the tags API on a version."""
    path = made.version()
    with report.checking("tag-colon", "tag-no-update", "tag-case", "tag-delete-value"):
        change_tags(arm, path, "Merge", {COLON: "one"})
        version = arm.get(path)
        report.judge("tag-no-update", state(version) == "Succeeded", state(version))
        settled(arm, path)
        tags = arm.get(path).get("tags") or {}
        report.judge("tag-colon", tags.get(COLON) == "one", f"{sorted(tags)}")
        change_tags(arm, path, "Merge", {COLON.upper(): "two"})
        settled(arm, path)
        tags = arm.get(path)["tags"]
        names = [name for name in tags if name.lower() == COLON]
        holds = len(names) == 1 and tags[names[0]] == "two"
        report.judge("tag-case", holds, f"{ {name: tags[name] for name in names} }")
        change_tags(arm, path, "Delete", {names[0]: "other"})
        settled(arm, path)
        tags = arm.get(path).get("tags") or {}
        report.judge("tag-delete-value", names[0] in tags, f"{sorted(tags)}")


def settled(arm: Arm, path: str) -> None:
    """Wait until no operation runs on a version."""
    if not arm.wait(lambda: state(arm.get(path)) == "Succeeded"):
        raise TimeoutError("the version is still changing")


def check_updates(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check updates as the steps send them."""
    path = made.version()
    names = ("update-echo", "end-of-life-past", "exclude-from-latest", "busy-conflict")
    with report.checking(*names, "update-ends"):
        before = arm.get(path)
        body = echo(before)
        profile = body["properties"]["publishingProfile"]
        profile |= {"endOfLifeDate": after(-1), "excludeFromLatest": True}
        reply = arm.call("PUT", path, body)
        report.judge("end-of-life-past", reply.status < 400, reply.text)
        reply.expect()
        if state(arm.get(path)) == "Updating":
            second = arm.call("PUT", path, body)
            report.judge("busy-conflict", second.status == 409, second.text)
        else:
            report.unchecked("busy-conflict", "the update ended at once")
        ended = arm.done(reply)
        settled(arm, path)
        report.judge("update-ends", ended == "Succeeded", ended)
        version = arm.get(path)
        found = version["properties"]["publishingProfile"]
        holds = found.get("excludeFromLatest") is True
        report.judge("exclude-from-latest", holds, f"{sorted(found)}")
        kept = {
            "tags": version.get("tags") == before.get("tags"),
            "Regions": len(found["targetRegions"]) == 1,
            "source": sources(version) == sources(before),
        }
        lost = [name for name, holds in kept.items() if not holds]
        report.judge("update-echo", not lost, f"lost: {', '.join(lost) or 'nothing'}")


def check_other_updates(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check what image-steward avoids or needs for undoing, on a version of this run."""
    path = made.version()
    with report.checking("end-of-life-removed"):
        body = echo(arm.get(path))
        profile = body["properties"]["publishingProfile"]
        profile.pop("endOfLifeDate", None)
        profile["excludeFromLatest"] = False
        arm.change("PUT", path, body)
        settled(arm, path)
        found = arm.get(path)["properties"]["publishingProfile"]
        holds = (
            not found.get("endOfLifeDate") and found.get("excludeFromLatest") is False
        )
        report.judge("end-of-life-removed", holds, f"{sorted(found)}")
    with report.checking("patch-keeps-regions"):
        profile = {"endOfLifeDate": after(30)}
        body = {"properties": {"publishingProfile": profile}}
        reply = arm.call("PATCH", path, body)
        if reply.status >= 400:
            report.judge("patch-keeps-regions", False, reply.text)
        else:
            arm.done(reply)
            settled(arm, path)
            found = arm.get(path)["properties"]["publishingProfile"]
            regions = [one["name"] for one in found.get("targetRegions", [])]
            report.judge("patch-keeps-regions", len(regions) == 1, f"{regions}")
    with report.checking("put-resets-tags"):
        body = echo(arm.get(path))
        body.pop("tags", None)
        arm.change("PUT", path, body)
        settled(arm, path)
        tags = arm.get(path).get("tags") or {}
        report.judge("put-resets-tags", not tags, f"{sorted(tags)}")
        change_tags(arm, path, "Merge", {KEY: made.run, COLON: "saved"})
        settled(arm, path)


def check_protection(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check what refuses a deletion."""
    path = made.version()
    lock = f"{path}/providers/Microsoft.Authorization/locks/lock"
    with report.checking("lock-code"):
        reply = arm.call("PUT", lock, {"properties": {"level": "CanNotDelete"}})
        reply.expect(200, 201)
        refused = arm.call("DELETE", path)
        holds = refused.status == 409 and refused.code == "ScopeLocked"
        report.judge("lock-code", holds, refused.text)
        arm.call("DELETE", lock).expect(200, 204)
        if refused.status < 400:
            raise ArmFailure(f"{FIRST} was deleted in spite of a lock")
    with report.checking("block-deletion"):
        body = echo(arm.get(path))
        safety = body["properties"].setdefault("safetyProfile", {})
        safety["blockDeletionBeforeEndOfLife"] = True
        body["properties"]["publishingProfile"]["endOfLifeDate"] = after(30)
        arm.change("PUT", path, body)
        settled(arm, path)
        refused = arm.call("DELETE", path)
        text = refused.text
        ended = arm.done(refused) if refused.status < 400 else "Failed"
        holds = ended == "Failed"
        report.judge("block-deletion", holds, text)
        if not holds:
            raise ArmFailure(f"{FIRST} was deleted before its end-of-life date")
        body = echo(arm.get(path))
        body["properties"]["safetyProfile"]["blockDeletionBeforeEndOfLife"] = False
        arm.change("PUT", path, body)
        settled(arm, path)
