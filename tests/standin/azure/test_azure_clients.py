"""Microsoft's clients drive the routes of everything except galleries; errors; Resource Graph."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from running_azure import SUBSCRIPTION, compute_id, gallery, version_id

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def names(found):
    return [one.name for one in found]


def slow(azure_standin):
    """Operations end only when the clock is advanced."""
    azure_standin.switch(
        operations={"polls": 10**6, "seconds": 60, "retry_after": None}
    )


def test_managed_images(azure_standin):
    azure_standin.load(
        images=[
            {"name": f"img{number}", "data_disks": [10, 20], "source_vm": "builder"}
            for number in range(4)
        ]
    )
    images = azure_standin.compute.images
    assert names(images.list()) == ["img0", "img1", "img2", "img3"]
    assert len(list(images.list_by_resource_group("IMAGES"))) == 4
    one = images.get("images", "IMG1").properties
    assert one.source_virtual_machine.id == compute_id("virtualMachines", "builder")
    profile = one.storage_profile
    assert (profile.os_disk.os_type, profile.os_disk.os_state) == (
        "Linux",
        "Generalized",
    )
    assert [(disk.lun, disk.disk_size_gb) for disk in profile.data_disks] == [
        (0, 10),
        (1, 20),
    ]
    assert images.begin_delete("images", "img1").result() is None
    assert names(images.list()) == ["img0", "img2", "img3"]


def test_virtual_machines(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0")],
        virtual_machines=[
            {"name": "vm1", "image": "golden/web/1.0.0", "data_disks": ["d1"]},
            {"name": "vm2", "generalized": True, "power": "deallocated"},
        ],
    )
    machines = azure_standin.compute.virtual_machines
    assert names(machines.list_all()) == ["vm1", "vm2"]
    assert names(machines.list("images")) == ["vm1", "vm2"]
    one = machines.get("images", "vm1").properties
    assert one.instance_view is None
    # The resource group is in capitals, as Azure writes references in virtual machines.
    reference = one.storage_profile.image_reference.id
    assert reference != version_id("1.0.0")
    assert reference.lower() == version_id("1.0.0").lower()
    view = machines.get("images", "vm2", expand="instanceView").properties.instance_view
    codes = [one.code for one in view.statuses]
    assert "OSState/generalized" in codes
    assert "PowerState/deallocated" in codes
    machines.begin_deallocate("images", "vm1").result()
    view = machines.get("images", "vm1", expand="instanceView").properties.instance_view
    assert "PowerState/deallocated" in [one.code for one in view.statuses]
    disks = azure_standin.compute.disks
    assert {one.name: bool(one.managed_by) for one in disks.list()} == {
        "vm1_OsDisk_1": True,
        "d1": True,
        "vm2_OsDisk_1": True,
    }
    machines.begin_delete("images", "vm1").result()
    assert names(machines.list_all()) == ["vm2"]
    detached = disks.get("images", "vm1_OsDisk_1")
    assert (detached.managed_by, detached.properties.disk_state) == (None, "Unattached")


def test_scale_sets_and_their_instances(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0", "1.0.1")],
        scale_sets=[
            {
                "name": "uniform",
                "image": "golden/web",
                "instances": [
                    {"id": "0", "image": "golden/web/1.0.0", "latest_model": False},
                    {"id": "1"},
                ],
            },
            {"name": "flexible", "mode": "Flexible", "image": "golden/web/1.0.1"},
        ],
    )
    sets = azure_standin.compute.virtual_machine_scale_sets
    found = {one.name: one for one in sets.list_all()}
    assert {name: one.properties.orchestration_mode for name, one in found.items()} == {
        "uniform": "Uniform",
        "flexible": "Flexible",
    }
    assert names(sets.list("images")) == ["uniform", "flexible"]
    profile = sets.get("images", "uniform").properties.virtual_machine_profile
    assert "/resourcegroups/" in profile.storage_profile.image_reference.id
    instances = azure_standin.compute.virtual_machine_scale_set_vms
    listed = list(instances.list("images", "uniform"))
    assert [
        (one.instance_id, one.properties.latest_model_applied) for one in listed
    ] == [
        ("0", False),
        ("1", True),
    ]
    one = instances.get("images", "uniform", "0").properties
    reference = one.storage_profile.image_reference.id
    assert reference.lower() == version_id("1.0.0").lower()


def test_disks_and_snapshots(azure_standin):
    azure_standin.load(
        disks=[{"name": "copy", "image": "golden/web/1.0.0", "size_gib": 64}],
        snapshots=[
            {"name": "snap", "source": "copy"},
            {"name": "shared", "disk_state": "ActiveSAS"},
            {
                "name": "kept",
                "immutability": {"type": "Locked", "isPolicyExpired": False},
            },
        ],
    )
    disks, snapshots = azure_standin.compute.disks, azure_standin.compute.snapshots
    creation = disks.get("images", "copy").properties.creation_data
    assert creation.gallery_image_reference.id == version_id("1.0.0")
    assert names(disks.list_by_resource_group("images")) == ["copy"]
    assert names(snapshots.list()) == ["snap", "shared", "kept"]
    assert len(list(snapshots.list_by_resource_group("images"))) == 3
    source = snapshots.get("images", "snap").properties.creation_data
    assert source.source_resource_id == compute_id("disks", "copy")
    for name in ("shared", "kept"):
        with pytest.raises(ResourceExistsError) as caught:
            snapshots.begin_delete("images", name)
        assert caught.value.error.code == "OperationNotAllowed"
    snapshots.begin_delete("images", "snap").result()
    disks.begin_delete("images", "copy").result()
    assert names(snapshots.list()) == ["shared", "kept"]
    assert names(disks.list()) == []


def test_resource_graph(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0")],
        virtual_machines=[
            {"name": f"vm{n}", "image": "golden/web/1.0.0"} for n in range(5)
        ],
    )
    query = "resources | where type =~ 'Microsoft.Compute/virtualMachines'"
    request = QueryRequest(subscriptions=[SUBSCRIPTION], query=query)
    found, pages = [], 0
    while True:
        answer = azure_standin.graph.resources(request)
        pages += 1
        found += [row["name"] for row in answer.data]
        assert (answer.total_records, answer.result_truncated) == (5, "false")
        if answer.skip_token is None:
            break
        request.options = QueryRequestOptions(skip_token=answer.skip_token)
    assert (found, pages) == ([f"vm{n}" for n in range(5)], 2)
    with pytest.raises(HttpResponseError) as caught:
        azure_standin.graph.resources(
            QueryRequest(subscriptions=[SUBSCRIPTION], query="resources | count")
        )
    assert caught.value.error.code == "BadRequest"


def test_errors_have_the_form_that_the_clients_know(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0")],
        locks=[{"name": "keep", "scope": "golden/web/1.0.0"}],
    )
    versions = azure_standin.compute.gallery_image_versions
    with pytest.raises(ResourceExistsError) as caught:
        versions.begin_delete("images", "golden", "web", "1.0.0")
    assert caught.value.error.code == "ScopeLocked"
    with pytest.raises(ResourceNotFoundError) as caught:
        versions.get("images", "golden", "web", "9.9.9")
    assert caught.value.error.code == "ResourceNotFound"
    azure_standin.switch(deny=["Microsoft.Compute/images/read"])
    with pytest.raises(HttpResponseError) as caught:
        list(azure_standin.compute.images.list())
    assert (caught.value.status_code, caught.value.error.code) == (
        403,
        "AuthorizationFailed",
    )
    azure_standin.switch(faults=[{"status": 401, "code": "ExpiredAuthenticationToken"}])
    with pytest.raises(ClientAuthenticationError):
        list(azure_standin.compute.images.list())


def test_failed_operations(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")], images=[{"name": "img"}])
    azure_standin.switch(
        operations={
            "retry_after": None,
            "fail": [{"match": "DELETE", "code": "InternalError", "message": "failed"}],
        }
    )
    compute = azure_standin.compute
    with pytest.raises(HttpResponseError) as caught:
        compute.gallery_image_versions.begin_delete(
            "images", "golden", "web", "1.0.0"
        ).result()
    assert caught.value.error.code == "InternalError"
    version = compute.gallery_image_versions.get("images", "golden", "web", "1.0.0")
    assert version.properties.provisioning_state == "Failed"
    with pytest.raises(HttpResponseError):
        compute.images.begin_delete("images", "img").result()
    assert (
        compute.images.get("images", "img").properties.provisioning_state == "Succeeded"
    )
