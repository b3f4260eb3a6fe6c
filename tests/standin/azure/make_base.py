"""What the builders of all resources use: resource groups, ids, references and common fields."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from checking import entry
from make_fields import CREATED_AT, GROUP, SUBSCRIPTION_ENTRY
from world_clock import parsed, written

Body = dict[str, Any]
REGIONS = {
    name.replace(" ", "").lower(): name
    for name in (
        "West US",
        "West US 2",
        "West US 3",
        "East US",
        "East US 2",
        "Central US",
        "North Central US",
        "South Central US",
        "West Central US",
        "Canada Central",
        "Canada East",
        "Brazil South",
        "North Europe",
        "West Europe",
        "UK South",
        "UK West",
        "France Central",
        "Germany West Central",
        "Switzerland North",
        "Norway East",
        "Sweden Central",
        "Poland Central",
        "Italy North",
        "Spain Central",
        "UAE North",
        "South Africa North",
        "Israel Central",
        "Central India",
        "South India",
        "East Asia",
        "Southeast Asia",
        "Japan East",
        "Japan West",
        "Korea Central",
        "Australia East",
        "Australia Southeast",
        "Australia Central",
    )
}
"""The display names of locations."""


def region_name(location: str) -> str:
    """The display name, in which target regions are written."""
    return REGIONS.get(location.replace(" ", "").lower(), location)


def guid(seed: str) -> str:
    """A GUID that depends only on the text."""
    return str(UUID(hashlib.sha256(seed.encode()).hexdigest()[:32]))


class Builder:
    """Collects the bodies of a world."""

    def __init__(self, raw: Body) -> None:
        self.raw = raw
        self.resources: list[Body] = list(raw["resources"])
        self.soft_deleted: list[Body] = list(raw["soft_deleted"])
        self.groups: dict[str, Body] = {}
        self.subscriptions: dict[str, Body] = {}
        self.homes: dict[str, str] = {}
        """The scope of each gallery and image by name, for short references."""

    def add_subscription(self, raw: Body) -> None:
        if "subscriptionId" in raw:
            self.subscriptions[raw["subscriptionId"].lower()] = raw
            return
        one = entry(raw, SUBSCRIPTION_ENTRY, "subscriptions")
        body: Body = {
            "id": f"/subscriptions/{one['id']}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": one["id"],
            "tenantId": one["tenant"],
            "displayName": one["name"] or one["id"],
            "state": one["state"],
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }
        if one["tags"] is not None:
            body["tags"] = one["tags"]
        if not one["readable"]:
            body["readable"] = False
        self.subscriptions[one["id"].lower()] = body

    def add_group(self, raw: Body) -> None:
        if "id" in raw:
            self.groups[raw["id"].lower()] = raw
            return
        one = entry(raw, GROUP, "groups")
        self.group(one["subscription"], one["name"], one["location"], one["tags"])

    def group(
        self,
        subscription: str | None,
        name: str,
        location: str | None = None,
        labels: Body | None = None,
    ) -> str:
        """The id of a resource group, which is added if it does not exist."""
        subscription = subscription or self.raw["subscription"]
        if subscription.lower() not in self.subscriptions:
            self.add_subscription({"id": subscription})
        group_id = f"/subscriptions/{subscription}/resourceGroups/{name}"
        self.groups.setdefault(
            group_id.lower(),
            {
                "id": group_id,
                "name": name,
                "type": "Microsoft.Resources/resourceGroups",
                "location": location or self.raw["location"],
                "tags": labels or {},
                "properties": {"provisioningState": "Succeeded"},
            },
        )
        return group_id

    def scope(self, one: Body) -> str:
        """The id of the resource group of an entry, in its own spelling."""
        return self.group(one["subscription"], one["group"] or self.raw["group"])

    def machine_scope(self, one: Body) -> str:
        """Virtual machines, disks and snapshots have their resource group in capitals."""
        head, _, name = self.scope(one).rpartition("/")
        return f"{head}/{name.upper()}"

    def reference(self, text: str) -> str:
        """The id of a short reference to a version, a definition or a managed image."""
        if text.startswith("/"):
            return text
        kind, colon, name = text.rpartition(":")
        parts = name.split("/")
        home = self.homes.get(parts[0].lower())
        if home is None:
            home = self.group(None, self.raw["group"])
        if colon:
            types = {
                "vm": "virtualMachines",
                "disk": "disks",
                "snapshot": "snapshots",
                "image": "images",
                "gallery": "galleries",
                "scale_set": "virtualMachineScaleSets",
            }
            return f"{home}/providers/Microsoft.Compute/{types[kind]}/{name}"
        base = f"{home}/providers/Microsoft.Compute"
        if len(parts) == 1:
            return f"{base}/images/{name}"
        found = f"{base}/galleries/{parts[0]}/images/{parts[1]}"
        return found if len(parts) == 2 else f"{found}/versions/{parts[2]}"

    def add(
        self,
        one: Body,
        kind: str,
        resource_id: str,
        properties: Body,
        **more: Any,
    ) -> Body:
        """Add a body with the fields that all resources have."""
        body: Body = {
            "name": resource_id.rpartition("/")[2],
            "id": resource_id,
            "type": kind,
            "location": one["location"] or self.raw["location"],
        }
        if one["tags"] is not None:
            body["tags"] = one["tags"]
        body |= {name: value for name, value in more.items() if value is not None}
        if one["created_by"] is not None:
            moment = one["created_at"] or CREATED_AT
            body["systemData"] = {
                "createdBy": one["created_by"],
                "createdByType": "User",
                "createdAt": written(parsed(moment)),
            }
        body["properties"] = properties
        self.resources.append(body)
        return body


def as_kind(kind: str, reference: str) -> str:
    """A short name as a reference to this kind."""
    return reference if "/" in reference or ":" in reference else f"{kind}:{reference}"
