"""Microsoft's clients drive every route that they cover."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.mgmt.compute import models
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from running_azure import OTHER, SUBSCRIPTION, compute_id, gallery, version_id

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def names(found):
    return [one.name for one in found]


def slow(azure_standin):
    """Operations end only when the clock is advanced."""
    azure_standin.switch(
        operations={"polls": 10**6, "seconds": 60, "retry_after": None}
    )


def test_galleries_definitions_and_versions(azure_standin):
    azure_standin.load(
        galleries=[
            gallery(
                *(f"1.0.{number}" for number in range(7)),
                soft_delete={"retention_days": 31, "grace_days": 8},
                sharing="Groups",
                shared_with={"subscriptions": [OTHER], "tenants": ["t1"]},
            ),
            gallery(name="other"),
        ]
    )
    compute = azure_standin.compute
    assert names(compute.galleries.list()) == ["golden", "other"]
    assert names(compute.galleries.list_by_resource_group("IMAGES")) == [
        "golden",
        "other",
    ]
    plain = compute.galleries.get("images", "golden").properties
    assert plain.soft_delete_policy.retention_period_in_days == 31
    assert plain.soft_delete_policy.is_soft_delete_enabled is True
    assert (plain.sharing_profile.permissions, plain.sharing_profile.groups) == (
        "Groups",
        None,
    )
    expanded = compute.galleries.get(
        "images", "golden", expand="SharingProfile/Groups"
    ).properties
    groups = [(one.type, one.ids) for one in expanded.sharing_profile.groups]
    assert groups == [("Subscriptions", [OTHER]), ("AADTenants", ["t1"])]
    (definition,) = compute.gallery_images.list_by_gallery("images", "golden")
    assert definition.properties.os_state == "Generalized"
    found = compute.gallery_images.get("images", "golden", "web")
    assert found.properties.architecture == "x64"
    # Three pages of three.
    versions = compute.gallery_image_versions.list_by_gallery_image(
        "images", "golden", "web"
    )
    assert names(versions) == [f"1.0.{number}" for number in range(7)]
    one = compute.gallery_image_versions.get("images", "golden", "web", "1.0.3")
    assert one.properties.replication_status is None
    profile = one.properties.publishing_profile
    assert profile.published_date == datetime(2026, 1, 1, tzinfo=UTC)
    assert [region.name for region in profile.target_regions] == ["West Europe"]
    expanded = compute.gallery_image_versions.get(
        "images", "golden", "web", "1.0.3", expand="ReplicationStatus"
    )
    assert expanded.properties.replication_status.aggregated_state == "Completed"
    assert azure_standin.calls() == {
        "Microsoft.Compute/galleries/images/read": 2,
        "Microsoft.Compute/galleries/images/versions/read": 5,
        "Microsoft.Compute/galleries/read": 4,
    }


def test_delete_into_the_soft_deleted_state_and_restore(azure_standin):
    policy = {"retention_days": 31, "grace_days": 8}
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        stopped=True,
        galleries=[
            gallery({"version": "1.0.0", "tags": {"a": "b"}}, soft_delete=policy)
        ],
    )
    slow(azure_standin)
    versions = azure_standin.compute.gallery_image_versions
    poller = versions.begin_delete("images", "golden", "web", "1.0.0")
    state = versions.get("images", "golden", "web", "1.0.0").properties
    assert state.provisioning_state == "Deleting"
    azure_standin.advance(seconds=60)
    assert poller.result() is None
    assert names(versions.list_by_gallery_image("images", "golden", "web")) == []
    with pytest.raises(ResourceNotFoundError):
        versions.get("images", "golden", "web", "1.0.0")
    listing = azure_standin.compute.soft_deleted_resource.list_by_artifact_name
    (deleted,) = listing("images", "golden", "images", "web")
    assert deleted.name == "1.0.0"
    properties = deleted.properties
    assert properties.resource_arm_id == version_id("1.0.0")
    assert datetime.fromisoformat(properties.soft_deleted_time) == NOW
    assert properties.consumption_end_time == datetime(2026, 12, 29, tzinfo=UTC)
    assert properties.hard_deletion_target_time == datetime(2027, 1, 6, tzinfo=UTC)
    restored = versions.begin_create_or_update(
        "images", "golden", "web", "1.0.0", {"location": "westeurope", "tags": {}}
    )
    azure_standin.advance(seconds=60)
    assert restored.result().properties.provisioning_state == "Succeeded"
    assert names(listing("images", "golden", "images", "web")) == []
    assert names(versions.list_by_gallery_image("images", "golden", "web")) == ["1.0.0"]


def test_restore_with_the_property_restore(azure_standin):
    entry = {"version": "1.0.0", "soft_deleted_at": "2026-11-27T00:00:00Z"}
    azure_standin.load(
        now="2026-11-28T00:00:00Z", galleries=[gallery(entry, soft_delete=True)]
    )
    poller = azure_standin.compute.gallery_image_versions.begin_update(
        "images",
        "golden",
        "web",
        "1.0.0",
        models.GalleryImageVersionUpdate(
            properties=models.GalleryImageVersionProperties(
                restore=True, storage_profile=models.GalleryImageVersionStorageProfile()
            )
        ),
    )
    assert poller.result().properties.provisioning_state == "Succeeded"


def test_update_of_a_version_by_reading_changing_and_writing(azure_standin):
    azure_standin.load(
        galleries=[gallery({"version": "1.0.0", "regions": ["westeurope", "westus"]})]
    )
    slow(azure_standin)
    versions = azure_standin.compute.gallery_image_versions
    version = versions.get("images", "golden", "web", "1.0.0")
    profile = version.properties.publishing_profile
    profile.exclude_from_latest = True
    profile.end_of_life_date = NOW
    for region in profile.target_regions:
        region.exclude_from_latest = True
    poller = versions.begin_create_or_update(
        "images", "golden", "web", "1.0.0", version
    )
    state = versions.get("images", "golden", "web", "1.0.0").properties
    assert state.provisioning_state == "Updating"
    azure_standin.advance(seconds=60)
    updated = poller.result().properties
    assert updated.provisioning_state == "Succeeded"
    profile = updated.publishing_profile
    assert (profile.exclude_from_latest, profile.end_of_life_date) == (True, NOW)
    assert profile.published_date == datetime(2026, 1, 1, tzinfo=UTC)
    regions = [(one.name, one.exclude_from_latest) for one in profile.target_regions]
    assert regions == [("West Europe", True), ("West US", True)]


def test_create_a_version(azure_standin):
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        stopped=True,
        galleries=[gallery()],
        images=[{"name": "base"}],
    )
    slow(azure_standin)
    source = models.GalleryArtifactVersionFullSource(id=compute_id("images", "base"))
    body = models.GalleryImageVersion(
        location="West Europe",
        properties=models.GalleryImageVersionProperties(
            storage_profile=models.GalleryImageVersionStorageProfile(source=source)
        ),
    )
    versions = azure_standin.compute.gallery_image_versions
    poller = versions.begin_create_or_update("images", "golden", "web", "2.0.0", body)
    state = versions.get("images", "golden", "web", "2.0.0").properties
    assert state.provisioning_state == "Creating"
    azure_standin.advance(seconds=60)
    created = poller.result()
    assert created.properties.provisioning_state == "Succeeded"
    assert created.properties.publishing_profile.published_date == NOW
    assert created.properties.storage_profile.source.id == compute_id("images", "base")


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
    # The group is in capitals, as Azure writes references in virtual machines.
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


def test_delete_of_a_gallery_and_a_definition(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    compute = azure_standin.compute
    for delete in (
        lambda: compute.galleries.begin_delete("images", "golden"),
        lambda: compute.gallery_images.begin_delete("images", "golden", "web"),
    ):
        with pytest.raises(ResourceExistsError) as caught:
            delete()
        assert caught.value.error.code == "CannotDeleteResource"
    compute.gallery_image_versions.begin_delete(
        "images", "golden", "web", "1.0.0"
    ).result()
    compute.gallery_images.begin_delete("images", "golden", "web").result()
    compute.galleries.begin_delete("images", "golden").result()
    assert names(compute.galleries.list()) == []
