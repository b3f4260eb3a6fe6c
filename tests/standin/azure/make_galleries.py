"""Builds galleries, definitions, versions and managed images."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from checking import entry
from make_base import Body, Builder, as_kind, guid, region_name
from make_fields import CREATED_AT, DEFINITION, VERSION
from world_clock import parsed, written


def gallery(made: Builder, one: Body) -> None:
    resource_id = (
        f"{made.scope(one)}/providers/Microsoft.Compute/galleries/{one['name']}"
    )
    subscription = resource_id.split("/")[2]
    properties: Body = {}
    if one["description"] is not None:
        properties["description"] = one["description"]
    properties["identifier"] = {"uniqueName": f"{subscription}-{one['name'].upper()}"}
    properties["provisioningState"] = one["state"]
    hidden: Body = {}
    if one["sharing"] is not None:
        properties["sharingProfile"] = {"permissions": one["sharing"]}
        if one["sharing"] == "Community":
            properties["sharingProfile"]["communityGalleryInfo"] = {
                "publicNamePrefix": one["name"],
                "communityGalleryEnabled": True,
                "publicNames": [f"{one['name']}-{guid(resource_id)}"],
            }
        kinds = {"subscriptions": "Subscriptions", "tenants": "AADTenants"}
        hidden["groups"] = [
            {"type": kinds[name], "ids": ids}
            for name, ids in one["shared_with"].items()
        ]
    if one["soft_delete"] is not None:
        properties["softDeletePolicy"] = _policy(one["soft_delete"])
    body = made.add(one, "Microsoft.Compute/galleries", resource_id, properties)
    if hidden:
        body["_hidden"] = hidden
    for number, raw in enumerate(one["definitions"]):
        where = f"{one['name']}.definitions[{number}]"
        definition(made, one, resource_id, entry(raw, DEFINITION, where))


def definition(made: Builder, gallery: Body, gallery_id: str, one: Body) -> None:
    resource_id = f"{gallery_id}/images/{one['name']}"
    properties = {
        "hyperVGeneration": one["generation"],
        "architecture": one["architecture"],
        "osType": one["os_type"],
        "osState": one["os_state"],
        "identifier": {
            "publisher": one["publisher"],
            "offer": one["offer"],
            "sku": one["sku"] or one["name"],
        },
        "provisioningState": one["state"],
    }
    if one["end_of_life"] is not None:
        properties["endOfLifeDate"] = written(parsed(one["end_of_life"]))
    one["location"] = one["location"] or gallery["location"]
    made.add(one, "Microsoft.Compute/galleries/images", resource_id, properties)
    for number, raw in enumerate(one["versions"]):
        where = f"{gallery['name']}.{one['name']}.versions[{number}]"
        version(made, gallery, one, resource_id, entry(raw, VERSION, where))


def version(
    made: Builder, gallery: Body, definition: Body, definition_id: str, one: Body
) -> None:
    one["location"] = one["location"] or definition["location"]
    home = one["location"] or made.raw["location"]
    regions = [_region(made, one, raw) for raw in one["regions"] or [home]]
    profile: Body = {
        "targetRegions": regions,
        "replicaCount": one["replicas"],
        "excludeFromLatest": one["exclude_from_latest"],
    }
    if one["published_at"] is not None:
        profile["publishedDate"] = written(parsed(one["published_at"]))
    if one["end_of_life"] is not None:
        profile["endOfLifeDate"] = written(parsed(one["end_of_life"]))
    profile["storageAccountType"] = "Standard_LRS"
    if one["replication_mode"] is not None:
        profile["replicationMode"] = one["replication_mode"]
    safety = {
        "reportedForPolicyViolation": False,
        "allowDeletionOfReplicatedLocations": one["allow_deletion_of_replicas"],
    }
    if one["block_deletion"] is not None:
        safety["blockDeletionBeforeEndOfLife"] = one["block_deletion"]
    properties = {
        "publishingProfile": profile,
        "storageProfile": _version_storage(made, one, definition),
        "safetyProfile": safety,
        "provisioningState": one["state"],
    }
    if one["tags"] is None:
        one["tags"] = {}
    resource_id = f"{definition_id}/versions/{one['version']}"
    kind = "Microsoft.Compute/galleries/images/versions"
    body = made.add(one, kind, resource_id, properties)
    states = {
        name.replace(" ", "").lower(): s for name, s in one["replication"].items()
    }
    body["_hidden"] = {"replicationStatus": _replication(regions, states)}
    if one["soft_deleted_at"] is not None:
        made.resources.remove(body)
        _soft_delete(made, gallery, body, one["soft_deleted_at"])


def _soft_delete(made: Builder, gallery: Body, body: Body, at: str) -> None:
    policy = _policy(gallery["soft_delete"] or True)
    moment = parsed(at)
    end = moment + timedelta(days=policy["retentionPeriodInDays"])
    target = end + timedelta(days=policy["gracePeriodInDays"])
    made.soft_deleted.append(
        {
            "resource": body,
            "at": written(moment),
            "consumption_end": written(end),
            "target": written(target),
        }
    )


def _region(made: Builder, one: Body, raw: Any) -> Body:
    raw = {"name": raw} if isinstance(raw, str) else raw
    region: Body = {
        "name": region_name(raw["name"]),
        "regionalReplicaCount": raw.get("replicas", one["replicas"]),
        "storageAccountType": raw.get("storage", "Standard_LRS"),
    }
    if "exclude_from_latest" in raw:
        region["excludeFromLatest"] = raw["exclude_from_latest"]
    return region


def _version_storage(made: Builder, one: Body, definition: Body) -> Body:
    """The source is empty for the disks of a virtual machine, and absent for an image.

    Every version has a source. By default, it is a managed image that does not exist any more.
    """
    storage: Body = {}
    if all(
        one[name] is None for name in ("source", "source_vm", "os_disk_source", "vhd")
    ):
        base = f"{made.scope(one)}/providers/Microsoft.Compute/images"
        storage["source"] = {"id": f"{base}/{definition['name']}-{one['version']}"}
    disk: Body = {"sizeInGB": one["os_disk_gib"], "hostCaching": "ReadWrite"}
    if one["source"] is not None:
        storage["source"] = {"id": made.reference(one["source"])}
    if one["source_vm"] is not None:
        source = made.reference(as_kind("vm", one["source_vm"]))
        storage["source"] = {"virtualMachineId": source}
        disk["source"] = {}
    if one["os_disk_source"] is not None:
        disk["source"] = {"id": made.reference(one["os_disk_source"])}
    if one["vhd"] is not None:
        group = made.group(None, made.raw["group"])
        account = f"{group}/providers/Microsoft.Storage/storageAccounts/vhds"
        disk["source"] = {"uri": one["vhd"], "storageAccountId": account}
    storage["osDiskImage"] = disk
    if one["data_disks"]:
        storage["dataDiskImages"] = [
            _data_disk(made, lun, raw) for lun, raw in enumerate(one["data_disks"])
        ]
    return storage


def _data_disk(made: Builder, lun: int, raw: Any) -> Body:
    raw = {"size_gib": raw} if isinstance(raw, int) else raw
    disk: Body = {
        "lun": lun,
        "sizeInGB": raw["size_gib"],
        "hostCaching": "ReadOnly",
    }
    if raw.get("source") is not None:
        disk["source"] = {"id": made.reference(raw["source"])}
    return disk


def image(made: Builder, one: Body) -> None:
    scope = f"{made.scope(one)}/providers/Microsoft.Compute"
    properties: Body = {}
    if one["source_vm"] is not None:
        source = made.reference(as_kind("vm", one["source_vm"]))
        properties["sourceVirtualMachine"] = {"id": source}
    disk: Body = {
        "osType": one["os_type"],
        "osState": one["os_state"],
        "diskSizeGB": one["os_disk_gib"],
        "caching": "ReadWrite",
        "storageAccountType": "Premium_LRS",
    }
    if one["snapshot"] is not None:
        disk["snapshot"] = {"id": made.reference(as_kind("snapshot", one["snapshot"]))}
    # An image that was captured from a virtual machine names its disks.
    machine = f"{scope}/disks/{one['source_vm'] or one['name']}"
    if one["managed_disk"] is not None:
        disk["managedDisk"] = {
            "id": made.reference(as_kind("disk", one["managed_disk"]))
        }
    elif one["snapshot"] is None and one["vhd"] is None:
        disk["managedDisk"] = {"id": f"{machine}_OsDisk_1"}
    if one["vhd"] is not None:
        disk["blobUri"] = one["vhd"]
    properties["storageProfile"] = {
        "osDisk": disk,
        "dataDisks": [
            {
                "lun": lun,
                "managedDisk": {"id": f"{machine}_DataDisk_{lun}"},
                "diskSizeGB": size,
                "caching": "None",
            }
            for lun, size in enumerate(one["data_disks"])
        ],
        "zoneResilient": one["zone_resilient"],
    }
    properties["provisioningState"] = one["state"]
    properties["hyperVGeneration"] = one["generation"]
    resource_id = f"{scope}/images/{one['name']}"
    body = made.add(one, "Microsoft.Compute/images", resource_id, properties)
    # Only the listing of all resources returns it.
    created_at = written(parsed(one["created_at"] or CREATED_AT))
    body["_hidden"] = {"createdTime": created_at}


def _policy(raw: Any) -> Body:
    if isinstance(raw, bool):
        raw = {"enabled": raw}
    return {
        "isSoftDeleteEnabled": raw.get("enabled", True),
        "retentionPeriodInDays": raw.get("retention_days", 7),
        "gracePeriodInDays": raw.get("grace_days", 7),
    }


def _replication(regions: list[Body], states: dict[str, str]) -> Body:
    """`states` are by location; a region without one has completed."""
    summary = []
    for one in regions:
        state = states.get(one["name"].replace(" ", "").lower(), "Completed")
        progress = 100 if state == "Completed" else 50
        summary.append(
            {
                "region": one["name"],
                "state": state,
                "details": "",
                "progress": progress,
            }
        )
    found = {one["state"] for one in summary}
    if found == {"Completed"}:
        aggregated = "Completed"
    else:
        aggregated = "Failed" if "Failed" in found else "InProgress"
    return {"aggregatedState": aggregated, "summary": summary}
