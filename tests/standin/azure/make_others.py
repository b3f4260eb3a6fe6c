"""Builds Image Builder templates and locks."""

from __future__ import annotations

from make_base import Body, Builder


def template(made: Builder, one: Body) -> None:
    group = made.scope(one).replace("/resourceGroups/", "/resourcegroups/")
    scope = f"{group}/providers/Microsoft.VirtualMachineImages"
    resource_id = f"{scope}/imageTemplates/{one['name']}"
    properties = {
        "provisioningState": one["state"],
        "source": _template_source(made, one),
        "customize": [],
        "distribute": [_distributor(made, text) for text in one["distribute"]],
        "lastRunStatus": {"runState": one["run_state"]},
        "buildTimeoutInMinutes": 0,
        "vmProfile": {"vmSize": "Standard_D2s_v3", "osDiskSizeGB": 0},
    }
    kind = "Microsoft.VirtualMachineImages/imageTemplates"
    made.add(one, kind, resource_id, properties)


def _template_source(made: Builder, one: Body) -> Body:
    if one["source"] is None:
        return {
            "type": "PlatformImage",
            "publisher": "Canonical",
            "offer": "ubuntu-24_04-lts",
            "sku": "server",
            "version": "latest",
        }
    found = made.reference(one["source"])
    if "/galleries/" not in found.lower():
        return {"type": "ManagedImage", "imageId": found}
    source = {"type": "SharedImageVersion", "imageVersionId": found}
    if one["exact_version"] is not None:
        source["exactVersion"] = one["exact_version"]
    return source


def _distributor(made: Builder, text: str) -> Body:
    found = made.reference(text)
    if "/galleries/" not in found.lower():
        return {
            "type": "ManagedImage",
            "runOutputName": found.rpartition("/")[2],
            "artifactTags": {},
            "imageId": found,
            "location": made.raw["location"],
        }
    return {
        "type": "SharedImage",
        "runOutputName": found.rpartition("/")[2],
        "artifactTags": {},
        "galleryImageId": found,
        "replicationRegions": [made.raw["location"]],
    }


def lock(made: Builder, one: Body) -> None:
    scope = one["scope"]
    subscription = one["subscription"] or made.raw["subscription"]
    if scope == "subscription":
        scope = f"/subscriptions/{subscription}"
    elif scope.startswith("group:"):
        scope = made.group(one["subscription"], scope.removeprefix("group:"))
    else:
        scope = made.reference(scope)
    resource_id = f"{scope}/providers/Microsoft.Authorization/locks/{one['name']}"
    properties = {"level": one["level"]}
    if one["notes"] is not None:
        properties["notes"] = one["notes"]
    made.resources.append(
        {
            "properties": properties,
            "id": resource_id,
            "type": "Microsoft.Authorization/locks",
            "name": one["name"],
        }
    )
