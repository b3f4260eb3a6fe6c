"""Builds virtual machines, scale sets, disks and snapshots."""

from __future__ import annotations

from typing import Any

from checking import entry
from make_base import Body, Builder, as_kind, guid
from make_fields import CREATED_AT, DISK, INSTANCE
from world_clock import parsed, written


def image_reference(made: Builder, one: Body, spell: Any = str) -> Body:
    """The `imageReference` of a virtual machine or a scale set."""
    if one.get("platform") is not None:
        found: Body = dict(one["platform"])
    elif one["image"] is None:
        found = {
            "publisher": "Canonical",
            "offer": "ubuntu-24_04-lts",
            "sku": "server",
            "version": "latest",
            "exactVersion": "24.04.202601010",
        }
    elif isinstance(one["image"], dict):
        found = dict(one["image"])
    else:
        found = {"id": spell(made.reference(one["image"]))}
    if one.get("exact_version") is not None:
        found["exactVersion"] = one["exact_version"]
    return found


def machine(made: Builder, one: Body) -> None:
    scope = f"{made.machine_scope(one)}/providers/Microsoft.Compute"
    resource_id = f"{scope}/virtualMachines/{one['name']}"
    small = f"{made.scope(one)}/providers/Microsoft.Compute"
    os_disk = one["os_disk"] or f"{one['name']}_OsDisk_1"
    reference = image_reference(made, one, _capital_group)
    properties: Body = {
        "hardwareProfile": {"vmSize": one["size"]},
        "provisioningState": one["state"],
        "vmId": guid(resource_id),
        "storageProfile": {
            "imageReference": reference,
            "osDisk": {
                "osType": one["os_type"],
                "name": os_disk,
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {
                    "storageAccountType": "Premium_LRS",
                    "id": f"{scope}/disks/{os_disk}",
                },
                "deleteOption": "Delete" if one["delete_os_disk"] else "Detach",
                "diskSizeGB": 30,
            },
            "dataDisks": [
                {
                    "lun": lun,
                    "name": name,
                    "createOption": "Attach",
                    "caching": "None",
                    "managedDisk": {
                        "storageAccountType": "Premium_LRS",
                        "id": f"{small}/disks/{name}",
                    },
                    "deleteOption": "Detach",
                    "diskSizeGB": 30,
                    "toBeDetached": False,
                }
                for lun, name in enumerate(one["data_disks"])
            ],
        },
        "timeCreated": written(parsed(one["created_at"] or CREATED_AT)),
    }
    if one["scale_set"] is not None:
        properties["virtualMachineScaleSet"] = {
            "id": made.reference(as_kind("scale_set", one["scale_set"]))
        }
    kind = "Microsoft.Compute/virtualMachines"
    body = made.add(one, kind, resource_id, properties)
    body["_hidden"] = {"power": one["power"], "generalized": one["generalized"]}
    known = {raw.get("name") for raw in made.raw["disks"]}
    disks = [(os_disk, _launched(one)), *((n, None) for n in one["data_disks"])]
    for name, image in disks:
        if name not in known:
            common = {n: one[n] for n in ("subscription", "group", "location")}
            raw = common | {"name": name, "attached_to": one["name"], "image": image}
            if one["power"] == "deallocated":
                raw["disk_state"] = "Reserved"
            disk(made, entry(raw, DISK, name))


def _launched(one: Body) -> str | None:
    """The image that the disk of a virtual machine names: a version, if it is known."""
    image = one["image"] if isinstance(one["image"], str) else None
    if image is None or one["exact_version"] is None or image.count("/") != 1:
        return image
    return f"{image}/{one['exact_version']}"


def scale_set(made: Builder, one: Body) -> None:
    scope = f"{made.machine_scope(one)}/providers/Microsoft.Compute"
    resource_id = f"{scope}/virtualMachineScaleSets/{one['name']}"
    count = len(one["instances"]) if one["capacity"] is None else one["capacity"]
    profile = {
        "osProfile": {"computerNamePrefix": one["name"][:9]},
        "storageProfile": {
            "osDisk": {
                "osType": "Linux",
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {"storageAccountType": "Premium_LRS"},
                "diskSizeGB": 30,
            },
            "imageReference": image_reference(made, one, _small_group),
        },
    }
    properties = {
        "singlePlacementGroup": one["mode"] == "Uniform",
        "orchestrationMode": one["mode"],
        "provisioningState": one["state"],
        "overprovision": False,
        "uniqueId": guid(resource_id),
        "timeCreated": written(parsed(one["created_at"] or CREATED_AT)),
        "virtualMachineProfile": profile,
    }
    if one["mode"] == "Uniform":
        properties["upgradePolicy"] = {"mode": "Manual"}
    kind = "Microsoft.Compute/virtualMachineScaleSets"
    sku = {"name": "Standard_D2s_v3", "tier": "Standard", "capacity": count}
    made.add(one, kind, resource_id, properties, sku=sku)
    for number, raw in enumerate(one["instances"]):
        where = f"{one['name']}.instances[{number}]"
        _instance(made, one, resource_id, entry(raw, INSTANCE, where))


def _instance(made: Builder, scale_set: Body, scale_set_id: str, one: Body) -> None:
    inner = one | {"image": one["image"] or scale_set["image"], "platform": None}
    scope = scale_set_id.rpartition("/virtualMachineScaleSets/")[0]
    disk = f"{scale_set['name']}_{one['id']}_OsDisk_1"
    properties = {
        "latestModelApplied": one["latest_model"],
        "modelDefinitionApplied": "VirtualMachineScaleSet",
        "vmId": guid(f"{scale_set_id}/{one['id']}"),
        "hardwareProfile": {"vmSize": "Standard_D2s_v3"},
        "storageProfile": {
            "imageReference": image_reference(made, inner),
            "osDisk": {
                "osType": "Linux",
                "createOption": "FromImage",
                "name": disk,
                "managedDisk": {"id": f"{scope}/disks/{disk}"},
            },
            "dataDisks": [],
        },
        "provisioningState": one["state"],
    }
    one["location"] = one["location"] or scale_set["location"]
    resource_id = f"{scale_set_id}/virtualMachines/{one['id']}"
    kind = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
    body = made.add(one, kind, resource_id, properties, instanceId=one["id"])
    body["name"] = f"{scale_set['name']}_{one['id']}"


def disk(made: Builder, one: Body) -> None:
    scope = f"{made.machine_scope(one)}/providers/Microsoft.Compute"
    creation: Body = {"createOption": "Empty"}
    if one["image"] is not None and isinstance(one["image"], str):
        found = made.reference(one["image"])
        creation = {"createOption": "FromImage", "imageReference": {"id": found}}
        if "/galleries/" in found.lower():
            creation["galleryImageReference"] = {"id": found}
    if one["source"] is not None:
        source = made.reference(as_kind("snapshot", one["source"]))
        creation = {"createOption": "Copy", "sourceResourceId": source}
    owner = None
    if one["attached_to"] is not None:
        machine = one["attached_to"]
        small = f"{made.scope(one)}/providers/Microsoft.Compute/virtualMachines"
        owner = machine if machine.startswith("/") else f"{small}/{machine}"
    state = one["disk_state"] or ("Attached" if owner else "Unattached")
    properties = _volume(made, one, creation, state)
    resource_id = f"{scope}/disks/{one['name']}"
    kind = "Microsoft.Compute/disks"
    sku = {"name": "Premium_LRS", "tier": "Premium"}
    made.add(one, kind, resource_id, properties, managedBy=owner, sku=sku)


def snapshot(made: Builder, one: Body) -> None:
    scope = f"{made.machine_scope(one)}/providers/Microsoft.Compute"
    resource_id = f"{scope}/snapshots/{one['name']}"
    source = made.reference(as_kind("disk", one["source"] or "gone"))
    creation = {
        "createOption": "Copy",
        "sourceResourceId": source,
        "sourceUniqueId": guid(source),
    }
    properties = _volume(made, one, creation, one["disk_state"])
    properties["incremental"] = one["incremental"]
    if one["incremental"]:
        properties["incrementalSnapshotFamilyId"] = guid(f"family {source}")
    if one["completion_percent"] is not None:
        properties["completionPercent"] = one["completion_percent"]
    if one["immutability"] is not None:
        properties["immutabilityPolicy"] = one["immutability"]
    kind = "Microsoft.Compute/snapshots"
    sku = {"name": "Standard_ZRS", "tier": "Standard"}
    made.add(one, kind, resource_id, properties, sku=sku)


def _volume(made: Builder, one: Body, creation: Body, state: str) -> Body:
    return {
        "osType": one["os_type"],
        "hyperVGeneration": "V2",
        "creationData": creation,
        "diskSizeGB": one["size_gib"],
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "timeCreated": written(parsed(one["created_at"] or CREATED_AT)),
        "provisioningState": one["state"],
        "diskState": state,
        "diskSizeBytes": one["size_gib"] * 1024**3,
        "uniqueId": guid(f"volume {one['name']}"),
    }


def _capital_group(resource_id: str) -> str:
    """The spelling of references in virtual machines."""
    head, mark, rest = resource_id.partition("/resourceGroups/")
    group, slash, tail = rest.partition("/")
    return f"{head}{mark}{group.upper()}{slash}{tail}"


def _small_group(resource_id: str) -> str:
    """The spelling of references in scale sets."""
    return resource_id.replace("/resourceGroups/", "/resourcegroups/")
