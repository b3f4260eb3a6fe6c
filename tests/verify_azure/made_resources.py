"""The resources that a run creates, all in one resource group, and their removal."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from arm_client import NOT_FOUND, Arm, ArmFailure

KEY = "image-steward-verify-azure"
"""The tag of everything that a run creates."""
FIRST, SECOND = "1.0.0", "1.0.1"


class MadeResources:
    """The resources of one run, in one location."""

    def __init__(self, arm: Arm, location: str) -> None:
        self.arm = arm
        self.location = location
        self.run = f"verify-{token_hex(4)}"
        self.name = f"{KEY}-{self.run}"
        self.group = f"{arm.scope}/resourceGroups/{self.name}"
        compute = f"{self.group}/providers/Microsoft.Compute"
        self.disk = f"{compute}/disks/empty"
        self.snapshot = f"{compute}/snapshots/source"
        self.image = f"{compute}/images/managed"
        # The name of a gallery has no hyphens.
        self.gallery = f"{compute}/galleries/{self.run.replace('-', '_')}"
        self.definition = f"{self.gallery}/images/linux"
        self.deleted = (
            f"{self.gallery}/softDeletedArtifactTypes/Images/artifacts/linux/versions"
        )
        self.failed: list[str] = []
        self.has_group = False

    def version(self, name: str = FIRST) -> str:
        """The id of a version."""
        return f"{self.definition}/versions/{name}"

    def body(self, **properties: Any) -> dict[str, Any]:
        """The body of a new resource."""
        tags = {KEY: self.run}
        return {"location": self.location, "tags": tags, "properties": properties}

    def create_group(self) -> None:
        """Create the resource group. Everything else is created in it."""
        body = {"location": self.location, "tags": {KEY: self.run}}
        self.arm.call("PUT", self.group, body).expect()
        self.has_group = True

    def create_sources(self) -> None:
        """Create an empty disk, its snapshot, and a managed image of the snapshot."""
        arm = self.arm
        empty = {"createOption": "Empty"}
        body = self.body(
            creationData=empty, diskSizeGB=1, osType="Linux", hyperVGeneration="V2"
        )
        arm.change("PUT", self.disk, body | {"sku": {"name": "Standard_LRS"}})
        copy = {"createOption": "Copy", "sourceResourceId": self.disk}
        body = self.body(creationData=copy, incremental=False)
        arm.change("PUT", self.snapshot, body | {"sku": {"name": "Standard_LRS"}})
        os_disk = {"osType": "Linux", "osState": "Generalized"}
        os_disk |= {"snapshot": {"id": self.snapshot}}
        body = self.body(storageProfile={"osDisk": os_disk}, hyperVGeneration="V2")
        arm.change("PUT", self.image, body)

    def create_gallery(self) -> None:
        """Create a gallery with soft delete, and a definition."""
        policy = {"isSoftDeleteEnabled": True}
        body = self.body(softDeletePolicy=policy)
        self.arm.change("PUT", self.gallery, body)
        identifier = {"publisher": KEY, "offer": KEY, "sku": self.run}
        body = self.body(
            osType="Linux",
            osState="Generalized",
            hyperVGeneration="V2",
            architecture="x64",
            identifier=identifier,
        )
        self.arm.change("PUT", self.definition, body)

    def new_version(self, **publishing: Any) -> dict[str, Any]:
        """The body of a new version of the snapshot."""
        regions = [{"name": self.location, "regionalReplicaCount": 1}]
        source = {"osDiskImage": {"source": {"id": self.snapshot}}}
        profile = {"targetRegions": regions} | publishing
        return self.body(publishingProfile=profile, storageProfile=source)

    def clean(self) -> None:
        """Delete everything: locks and versions first, the resource group last."""
        if not self.has_group:
            return
        for name in ("lock",):
            self._delete(
                f"{self.version()}/providers/Microsoft.Authorization/locks/{name}"
            )
        for name in (FIRST, SECOND):
            self._unblock(self.version(name))
            self._delete(self.version(name), "&bypassSoftDelete=true")
            self._delete(f"{self.deleted}/{name}")
        for path in (
            self.definition,
            self.gallery,
            self.image,
            self.snapshot,
            self.disk,
        ):
            self._delete(path)
        self._delete(self.group)

    def left(self) -> list[str]:
        """What is left of the run, and what could not be deleted."""

        def is_gone() -> bool:
            reply = self.arm.call("GET", self.group)
            return reply.status == 404

        try:
            gone = not self.has_group or self.arm.wait(is_gone)
        except ArmFailure as error:
            return [f"resource group {self.name}: {error}"]
        if gone:
            return []
        return [f"resource group {self.name}", *self.failed]

    def _unblock(self, path: str) -> None:
        """Remove what would prevent the deletion of a version."""
        try:
            reply = self.arm.call("GET", path)
            safety = (reply.body or {}).get("properties", {}).get("safetyProfile", {})
            if reply.status == 200 and safety.get("blockDeletionBeforeEndOfLife"):
                body = echo(reply.body)
                profile = body["properties"]["safetyProfile"]
                profile["blockDeletionBeforeEndOfLife"] = False
                self.arm.change("PUT", path, body)
        except (ArmFailure, TimeoutError) as error:
            self.failed.append(str(error))

    def _delete(self, path: str, query: str = "") -> None:
        try:
            reply = self.arm.call("DELETE", path, query=query)
            if reply.status != 404 and reply.code not in NOT_FOUND:
                self.arm.done(reply)
        except (ArmFailure, TimeoutError) as error:
            self.failed.append(str(error))


def echo(body: dict[str, Any]) -> dict[str, Any]:
    """A version as it was read, without the fields that Azure sets, as image-steward sends it."""
    read_only = ("id", "name", "type", "systemData", "etag")
    sent = {name: value for name, value in body.items() if name not in read_only}
    inner = ("provisioningState", "replicationStatus")
    properties = {
        name: value for name, value in body["properties"].items() if name not in inner
    }
    profile = dict(properties["publishingProfile"])
    profile.pop("publishedDate", None)
    return sent | {"properties": properties | {"publishingProfile": profile}}
