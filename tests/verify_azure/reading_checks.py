"""Checks that only read, and those of what a run creates first."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from arm_client import NOT_FOUND, Arm
from azure_report import Report
from made_resources import MadeResources

ROOT = Path(__file__).resolve().parents[2]
UNLISTED = (
    "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions/read"
)
PROVIDERS = "/providers/Microsoft.Authorization/providerOperations"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
NO_SUCH = "/providers/Microsoft.Compute/images/does-not-exist"


def check_actions(arm: Arm, report: Report) -> None:
    """Compare the actions of the role with those that Azure lists."""
    with report.checking("actions-exist", "soft-deleted-action"):
        file = json.loads((ROOT / "infra/azure/actions.json").read_text())
        actions = {action for listed in file.values() for action in listed}
        known: set[str] = set()
        for provider in sorted({one.partition("/")[0] for one in (*actions, UNLISTED)}):
            query = "&$expand=resourceTypes"
            known |= operations(arm.get(f"{PROVIDERS}/{provider}", query))
        missing = sorted(one for one in actions if one.lower() not in known)
        text = f"{len(actions) - len(missing)} of {len(actions)} are listed"
        text += f"; not listed: {', '.join(missing)}" if missing else ""
        report.judge("actions-exist", not missing, text)
        report.judge("soft-deleted-action", UNLISTED.lower() in known, UNLISTED)


def operations(provider: dict[str, Any]) -> set[str]:
    """The names of all operations of a provider, in lower case."""
    found = [one["name"] for one in provider.get("operations", [])]
    for kind in provider.get("resourceTypes", []):
        found += [one["name"] for one in kind.get("operations", [])]
    return {one.lower() for one in found}


def graph(arm: Arm, text: str) -> Any:
    """The response of a Resource Graph query."""
    body = {
        "subscriptions": [arm.subscription],
        "query": text,
        "options": {
            "$top": 1000,
            "resultFormat": "objectArray",
            "allowPartialScopes": False,
        },
    }
    return arm.call("POST", GRAPH, body)


def check_reads(arm: Arm, report: Report) -> None:
    """Check lists and queries that need no resources."""
    with report.checking("template-list"):
        path = f"{arm.scope}/providers/Microsoft.VirtualMachineImages/imageTemplates"
        reply = arm.call("GET", path)
        expected = (
            reply.status == 200 or reply.code == "MissingSubscriptionRegistration"
        )
        report.judge("template-list", expected, reply.text)
    with report.checking("graph-query"):
        kinds = (
            "'microsoft.compute/virtualmachines', 'microsoft.batch/batchaccounts/pools'"
        )
        named = "tostring(properties) contains '/images/'"
        reply = graph(
            arm,
            f"resources | where type in~ ({kinds}) | where {named} "
            "| project id, type, location, properties",
        )
        holds = reply.status == 200 and isinstance(reply.body.get("data"), list)
        report.judge("graph-query", holds, reply.text)


def check_missing(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check reading and deleting a version that does not exist."""
    missing = made.version("99.0.0")
    with report.checking("missing-version"):
        reply = arm.call("GET", missing)
        holds = reply.status == 404 and reply.code in NOT_FOUND
        report.judge("missing-version", holds, reply.text)
    with report.checking("delete-missing"):
        reply = arm.call("DELETE", missing)
        report.judge("delete-missing", reply.status == 204, reply.text)


def check_sources(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check the managed image, and how Resource Graph shows a new resource."""
    began = time.monotonic()
    with report.checking("image-created-time"):
        query = "&$filter=resourceType%20eq%20'Microsoft.Compute/images'&$expand=createdTime"
        listed = arm.every(f"{arm.scope}/resources", query)
        times = [
            one.get("createdTime") for one in listed if same(one["id"], made.image)
        ]
        report.judge("image-created-time", any(times), f"createdTime: {times}")
    with report.checking("image-system-data", "image-source"):
        image = arm.get(made.image)
        data = image.get("systemData") or {}
        report.judge(
            "image-system-data", "createdAt" in data, f"systemData: {sorted(data)}"
        )
        disk = image["properties"]["storageProfile"]["osDisk"]
        source = (disk.get("snapshot") or {}).get("id", "")
        report.judge(
            "image-source", same(source, made.snapshot), f"osDisk: {sorted(disk)}"
        )
    with report.checking("graph-row"):
        query = f"resources | where id =~ '{made.snapshot}'"
        query += " | project id, type, location, properties"

        def rows() -> list[dict[str, Any]]:
            return graph(arm, query).expect(200).body["data"]

        found = arm.wait(rows)
        seconds = time.monotonic() - began
        fields = {"id", "type", "location", "properties"}
        holds = bool(found) and fields <= found[0].keys()
        text = f"{len(found)} rows after {seconds:.0f} s"
        if found:
            text += (
                f", type {found[0].get('type')}, location {found[0].get('location')}"
            )
        report.judge("graph-row", holds, text)


def check_gallery(arm: Arm, report: Report, made: MadeResources) -> None:
    """Check the soft-delete policy that was sent without numbers."""
    with report.checking("gallery-default-days"):
        policy = arm.get(made.gallery)["properties"].get("softDeletePolicy") or {}
        days = policy.get("retentionPeriodInDays")
        holds = policy.get("isSoftDeleteEnabled") is True and isinstance(days, int)
        report.judge("gallery-default-days", holds, f"softDeletePolicy: {policy}")


def same(one: str, other: str) -> bool:
    """Whether two ids are the same in any spelling."""
    return one.lower() == other.lower()
