"""Creating a version from nothing, with Microsoft's clients, as `make verify-azure` does."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ResourceNotFoundError

from running_azure import compute_id, group_id

GROUP = "made"


def test_a_version_is_created_from_an_empty_disk(azure_standin):
    compute = azure_standin.compute
    path = group_id(GROUP)
    with pytest.raises(ResourceNotFoundError):
        compute.disks.begin_create_or_update(GROUP, "d", {"location": "westeurope"})
    made = azure_standin.arm("PUT", path, {"location": "westeurope"})
    assert (made.status, made.body["name"]) == (201, GROUP)
    assert azure_standin.arm("PUT", path, {"location": "westeurope"}).status == 200

    disk = {
        "location": "westeurope",
        "tags": {"Run": "1"},
        "properties": {
            "creationData": {"createOption": "Empty"},
            "diskSizeGB": 1,
            "osType": "Linux",
        },
    }
    found = compute.disks.begin_create_or_update(GROUP, "d", disk).result()
    assert found.properties.provisioning_state == "Succeeded"
    assert found.tags == {"Run": "1"}
    copy = {"createOption": "Copy", "sourceResourceId": found.id}
    snapshot = {"location": "westeurope", "properties": {"creationData": copy}}
    found = compute.snapshots.begin_create_or_update(GROUP, "s", snapshot).result()
    assert (found.properties.disk_size_gb, found.properties.os_type) == (1, "Linux")
    assert found.properties.time_created is not None

    policy = {"isSoftDeleteEnabled": True}
    gallery = {"location": "westeurope", "properties": {"softDeletePolicy": policy}}
    found = compute.galleries.begin_create_or_update(GROUP, "g", gallery).result()
    assert found.properties.soft_delete_policy.retention_period_in_days > 0
    definition = {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
        },
    }
    images = compute.gallery_images
    images.begin_create_or_update(GROUP, "g", "i", definition).result()
    source = {"osDiskImage": {"source": {"id": compute_id("snapshots", "s", GROUP)}}}
    version = {"location": "westeurope", "properties": {"storageProfile": source}}
    versions = compute.gallery_image_versions
    versions.begin_create_or_update(GROUP, "g", "i", "1.0.0", version).result()
    names = [one.name for one in versions.list_by_gallery_image(GROUP, "g", "i")]
    assert names == ["1.0.0"]

    os_disk = {"osType": "Linux", "osState": "Generalized"}
    os_disk |= {"snapshot": {"id": compute_id("snapshots", "s", GROUP)}}
    image = {
        "location": "westeurope",
        "properties": {"storageProfile": {"osDisk": os_disk}},
    }
    compute.images.begin_create_or_update(GROUP, "m", image).result()
    lock = f"{path}/providers/Microsoft.Authorization/locks/l"
    level = {"properties": {"level": "CanNotDelete"}}
    assert azure_standin.arm("PUT", lock, level).status == 201
    refused = azure_standin.arm("DELETE", compute_id("images", "m", GROUP))
    assert (refused.status, refused.code) == (409, "ScopeLocked")
    assert azure_standin.arm("DELETE", path).code == "ScopeLocked"
    assert azure_standin.arm("DELETE", lock).status == 200
    assert azure_standin.arm("DELETE", path).status == 200
    assert azure_standin.control("GET", "world")["resources"] == []
    assert azure_standin.arm("DELETE", path).status == 404
