"""Microsoft's clients drive the routes of galleries, definitions and versions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.mgmt.compute import models

from running_azure import OTHER, compute_id, gallery, version_id

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
