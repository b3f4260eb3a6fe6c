"""Responses validate against the models of Microsoft's clients, and contain the fields of the
examples of the API specification."""

from __future__ import annotations

import json

import azure.mgmt.imagebuilder.models as image_builder
import pytest
from azure.mgmt.compute import models
from azure.mgmt.imagebuilder import ImageBuilderClient
from azure.mgmt.resource.locks import ManagementLockClient
from azure.mgmt.resource.subscriptions import SubscriptionClient
from azure.mgmt.resource.subscriptions import models as subscriptions

from azure_compare import paths, topmost
from azure_models import problems
from running_azure import (
    HERE,
    OTHER,
    SUBSCRIPTION,
    compute_id,
    gallery,
    group_id,
    listed,
    version_id,
)

FULL = {
    "now": "2026-11-28T00:00:00Z",
    "subscriptions": [{"id": SUBSCRIPTION, "name": "main"}, {"id": OTHER}],
    "galleries": [
        gallery(
            "1.0.0",
            {
                "version": "1.1.0",
                "regions": [
                    "westeurope",
                    {"name": "westus", "exclude_from_latest": True},
                ],
                "replication": {"westus": "Replicating"},
                "replication_mode": "Shallow",
                "end_of_life": "2027-01-01T00:00:00Z",
                "block_deletion": True,
                "allow_deletion_of_replicas": True,
                "source": "base",
                "data_disks": [10, {"size_gib": 20, "source": "snapshot:s1"}],
                "tags": {"a": "b"},
                "created_by": "builder@example.com",
            },
            {"version": "1.2.0", "vhd": "https://vhds.blob.core.windows.net/a/b.vhd"},
            {"version": "1.3.0", "source_vm": "vm1", "state": "Failed"},
            {"version": "0.9.0", "soft_deleted_at": "2026-11-27T00:00:00Z"},
            soft_delete={"retention_days": 14, "grace_days": 7},
            sharing="Groups",
            shared_with={"subscriptions": [OTHER], "tenants": ["t1"]},
            description="Golden images",
        ),
        gallery(name="public", sharing="Community"),
    ],
    "images": [
        {
            "name": "base",
            "source_vm": "vm1",
            "snapshot": "s1",
            "data_disks": [10],
            "created_by": "x",
        },
        {"name": "from-disk", "managed_disk": "d1", "zone_resilient": True},
        {"name": "from-vhd", "vhd": "https://vhds.blob.core.windows.net/a/b.vhd"},
    ],
    "virtual_machines": [
        {"name": "vm1", "image": "golden/web/1.0.0", "data_disks": ["d1"]},
        {"name": "vm2", "generalized": True, "power": "deallocated", "scale_set": "f"},
        {
            "name": "vm3",
            "image": {"sharedGalleryImageId": "/SharedGalleries/x-GOLDEN/Images/web"},
        },
    ],
    "scale_sets": [
        {"name": "u", "image": "golden/web", "instances": [{"id": "0"}]},
        {"name": "f", "mode": "Flexible"},
    ],
    "disks": [{"name": "free", "source": "s1"}],
    "snapshots": [
        {
            "name": "s1",
            "source": "free",
            "completion_percent": 100.0,
            "immutability": {
                "type": "Locked",
                "policyExpirationTime": "2027-01-01T00:00:00Z",
                "isPolicyExpired": False,
            },
        }
    ],
    "locks": [{"name": "l", "level": "ReadOnly", "notes": "n"}],
    "image_templates": [
        {"name": "t1", "source": "golden/web", "distribute": ["golden/web", "base"]},
        {"name": "t2", "source": "base", "distribute": ["golden/web"]},
        {"name": "t3", "distribute": ["golden/web"]},
    ],
}
GALLERY = compute_id("galleries", "golden")
STATES = ["creating", "deleting", "failed", "migrating", "succeeded", "updating"]
ARM = [
    (listed("galleries"), models.Gallery, ""),
    (GALLERY, models.Gallery, "&$expand=SharingProfile/Groups"),
    (f"{GALLERY}/images", models.GalleryImage, ""),
    (f"{GALLERY}/images/web/versions", models.GalleryImageVersion, ""),
    (version_id("1.1.0"), models.GalleryImageVersion, "&$expand=ReplicationStatus"),
    (
        f"{GALLERY}/softDeletedArtifactTypes/images/artifacts/web/versions",
        models.GallerySoftDeletedResource,
        "",
    ),
    (listed("images"), models.Image, ""),
    (listed("virtualMachines"), models.VirtualMachine, ""),
    (
        compute_id("virtualMachines", "vm2"),
        models.VirtualMachine,
        "&$expand=instanceView",
    ),
    (listed("virtualMachineScaleSets"), models.VirtualMachineScaleSet, ""),
    (
        compute_id("virtualMachineScaleSets", "u") + "/virtualMachines",
        models.VirtualMachineScaleSetVM,
        "",
    ),
    (listed("disks"), models.Disk, ""),
    (listed("snapshots"), models.Snapshot, ""),
]


@pytest.mark.parametrize(("path", "model", "query"), ARM)
def test_bodies_have_only_fields_and_values_of_the_specification(
    azure_standin, path, model, query
):
    azure_standin.load(**FULL)
    answer = azure_standin.arm("GET", path, query=query)
    assert answer.status == 200
    bodies = (
        azure_standin.every(path, query) if "value" in answer.body else [answer.body]
    )
    assert bodies
    for body in bodies:
        assert problems(body, model, models) == []


def test_bodies_of_image_templates_and_subscriptions(azure_standin):
    azure_standin.load(**FULL)
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.VirtualMachineImages"
    templates = azure_standin.every(f"{path}/imageTemplates")
    assert len(templates) == 3
    for body in templates:
        # The client requires an identity, which is not of interest here.
        found = problems(body, image_builder.ImageTemplate, image_builder)
        assert found == [".identity: missing"]
    for body in azure_standin.every("/subscriptions"):
        # The model of the client lacks this field.
        body.pop("managedByTenants")
        assert problems(body, subscriptions.Subscription, subscriptions) == []


def test_the_validation_finds_errors():
    """The judge itself: unknown, missing and wrong fields."""
    body = {
        "location": "westus",
        "other": 1,
        "properties": {
            "provisioningState": "Done",
            "publishingProfile": {
                "excludeFromLatest": "no",
                "publishedDate": "yesterday",
            },
        },
    }
    assert problems(body, models.GalleryImageVersion, models) == [
        ".other: unknown field",
        ".properties.publishingProfile.excludeFromLatest: 'no' is not bool",
        ".properties.publishingProfile.publishedDate: 'yesterday' is not a time",
        f".properties.provisioningState: 'Done' is not one of {STATES}",
        ".properties.storageProfile: missing",
    ]


def test_clients_of_other_providers(azure_standin):
    azure_standin.load(**FULL)
    settings = azure_standin.settings
    client = ImageBuilderClient(subscription_id=SUBSCRIPTION, **settings)
    found = list(client.virtual_machine_image_templates.list())
    assert [type(one.properties.source).__name__ for one in found] == [
        "ImageTemplateSharedImageVersionSource",
        "ImageTemplateManagedImageSource",
        "ImageTemplatePlatformImageSource",
    ]
    one = client.virtual_machine_image_templates.get("images", "t2").properties
    assert one.source.image_id == compute_id("images", "base")
    (lock,) = ManagementLockClient(
        subscription_id=SUBSCRIPTION, **settings
    ).management_locks.list_at_subscription_level()
    assert lock.level == "ReadOnly"
    found = list(SubscriptionClient(**settings).subscriptions.list())
    assert [one.subscription_id for one in found] == [SUBSCRIPTION, OTHER]


def example(name):
    return json.loads((HERE / "fixtures/examples" / f"{name}.json").read_text())["body"]


EXAMPLES = [
    # The expected differences are fields that the examples do not have, or that are not served.
    (
        "version_with_replication_status",
        version_id("1.1.0"),
        "&$expand=ReplicationStatus",
        {
            "properties.publishingProfile.targetRegions[].encryption",
            "properties.safetyProfile.policyViolations",
        },
    ),
    (
        "version_from_vhd",
        version_id("1.2.0"),
        "",
        {
            "properties.safetyProfile.blockDeletionBeforeEndOfLife",
            "properties.safetyProfile.policyViolations",
            "properties.publishingProfile.targetRegions[].excludeFromLatest",
            "properties.storageProfile.dataDiskImages",
        },
    ),
    ("gallery_with_groups", GALLERY, "&$expand=SharingProfile/Groups", set()),
    ("galleries", listed("galleries"), "", {"nextLink"}),
    ("definition", f"{GALLERY}/images/web", "", set()),
    (
        "soft_deleted_versions",
        f"{GALLERY}/softDeletedArtifactTypes/images/artifacts/web/versions",
        "",
        {"nextLink"},
    ),
    (
        "images",
        listed("images"),
        "",
        {
            "nextLink",
            "value[].properties.storageProfile.dataDisks[].blobUri",
            "value[].properties.storageProfile.dataDisks[].snapshot",
            "value[].properties.storageProfile.dataDisks[].storageAccountType",
        },
    ),
]


@pytest.mark.parametrize(("name", "path", "query", "not_served"), EXAMPLES)
def test_bodies_have_the_fields_of_the_examples(
    azure_standin, name, path, query, not_served
):
    azure_standin.load(**FULL)
    served = azure_standin.arm("GET", path, query=query).body
    assert topmost(paths(example(name)) - paths(served)) == not_served


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("version_with_replication_status", models.GalleryImageVersion),
        ("version_from_vhd", models.GalleryImageVersion),
        ("definition", models.GalleryImage),
        ("gallery_with_groups", models.Gallery),
    ],
)
def test_an_example_can_be_served_as_it_is(azure_standin, name, model):
    """A world can contain any body of Azure."""
    body = example(name) | {
        "id": f"{group_id()}/providers/Microsoft.Compute/"
        + {
            models.GalleryImageVersion: "galleries/golden/images/web/versions/9.0.0",
            models.GalleryImage: "galleries/golden/images/other",
            models.Gallery: "galleries/other",
        }[model]
    }
    azure_standin.load(galleries=[gallery()], resources=[body])
    served = azure_standin.arm("GET", body["id"]).body
    if model is models.Gallery:
        # Only a response that expands them contains the groups.
        assert served["properties"]["sharingProfile"] == {"permissions": "Groups"}
    elif "replicationStatus" in body["properties"]:
        assert "replicationStatus" not in served["properties"]
        expanded = azure_standin.arm(
            "GET", body["id"], query="&$expand=ReplicationStatus"
        )
        assert expanded.body == body
    else:
        assert served == body
    assert problems(served, model, models) == []
