"""The worlds of recorded responses, as short descriptions."""

from __future__ import annotations

import json

from running_azure import HERE

CLI = "00000000-0000-0000-0000-000000000000"
CUSTODIAN = "ea42f556-5106-4743-99b0-c129bfa71a47"
SOFT_DELETE = "cli_test_gallery_soft_delete_policy_000001"
SPECIALIZED = "cli_test_gallery_specialized_000001"
PUBLISHED = "2026-09-22T06:56:50.576709+00:00"
DELETED = "2026-09-22T07:04:07.395472+00:00"


def recorded(name):
    return json.loads((HERE / "fixtures/recorded" / f"{name}.json").read_text())


def version(**more):
    return {
        "version": "1.1.1",
        "published_at": PUBLISHED,
        "source_vm": f"/subscriptions/{CLI}/resourceGroups/{SOFT_DELETE}/providers/"
        "Microsoft.Compute/virtualMachines/vm1",
    } | more


def soft_delete_world(**more):
    return {
        "now": DELETED,
        "stopped": True,
        "subscription": CLI,
        "group": SOFT_DELETE,
        "location": "westus",
        "galleries": [
            {
                "name": "sig_000002",
                "soft_delete": {"retention_days": 31, "grace_days": 8},
                "definitions": [{"name": "img_000003", "versions": [version(**more)]}],
            }
        ],
    }


def specialized_world(**more):
    return {
        "subscription": CLI,
        "group": SPECIALIZED,
        "location": "eastus2",
        "galleries": [
            {
                "name": "gallery1",
                "tags": {},
                "definitions": [
                    {
                        "name": "image1",
                        "tags": {},
                        "os_state": "Specialized",
                        "publisher": "publisher1",
                        "offer": "offer1",
                        "sku": "sku1",
                    }
                ],
            }
        ],
    } | more


def machine_world():
    return {
        "subscription": CUSTODIAN,
        "group": "test_disk_type_modify",
        "location": "southcentralus",
        "virtual_machines": [
            {
                "name": "c7n-test-vm",
                "platform": {
                    "publisher": "microsoftwindowsdesktop",
                    "offer": "windows-10",
                    "sku": "win10-22h2-avd-g2",
                    "version": "latest",
                },
                "exact_version": "19045.6093.250705",
                "size": "Standard_B1s",
                "os_type": "Windows",
                "os_disk": "c7n-test-vm_OsDisk_1_ff7628b46249419c95e5151982c9cf41",
                "data_disks": ["c7n-test-disk2"],
                "created_at": "2025-07-23T18:35:43.825046+00:00",
            }
        ],
    }


def disk_world():
    group = f"/subscriptions/{CUSTODIAN}/resourceGroups/rg-npr-infra-devops"
    galleries = f"{group}/providers/Microsoft.Compute/galleries"
    return {
        "subscription": CUSTODIAN,
        "group": "rg-npr-infra-devops",
        "location": "eastus",
        "disks": [
            {
                "name": "pkros6gak8euqcq",
                "tags": {
                    "app": "historian_img",
                    "env": "npr_infra_devops",
                    "provisioner": "packer",
                },
                "image": f"{galleries}/gal_npr_infradevops_eastus_amd/images/"
                "vena-base-Ubuntu-2204/versions/250627.19.42",
                "created_at": "2025-06-27T20:25:30.853945+00:00",
            },
            {
                "name": "vm-playwright-windows-ui-test_OsDisk_1_"
                "3d311f3b73de4580b0cf68238a9d0c52",
                "attached_to": "vm-playwright-windows-ui-test",
                "image": f"{galleries}/gal_npr_infradevops_eastus/images/"
                "vena-playwright-windows-ui-test/versions/1.0.0",
                "os_type": "Windows",
                "size_gib": 127,
                "created_at": "2025-05-16T18:40:43.923975+00:00",
            },
        ],
    }


def scale_set_world():
    return {
        "subscription": CUSTODIAN,
        "group": "test_vmss",
        "location": "eastus",
        "scale_sets": [
            {
                "name": "cctestvmss",
                "capacity": 2,
                "platform": {
                    "publisher": "OpenLogic",
                    "offer": "CentOS",
                    "sku": "7.2",
                    "version": "latest",
                },
            }
        ],
    }


def snapshot_world():
    return specialized_world(
        snapshots=[
            {
                "name": "s2",
                "tags": {},
                "source": "d2",
                "size_gib": 10,
                "incremental": False,
                "created_at": "2019-11-21T05:44:30.916675+00:00",
            }
        ]
    )


def lock_world():
    network = (
        "providers/Microsoft.Network/virtualNetworks/cli.lock.rsrcmzuh6nco5564l535o"
    )
    group = (
        "cli_test_readonly_resource_locklftzghcwwmkh4gbdknewamhfls7o6ffh4hi3he6rghhz"
    )
    return {
        "subscription": CLI,
        "locks": [
            {
                "name": "cli-test-lock1",
                "level": "ReadOnly",
                "scope": f"/subscriptions/{CLI}/resourcegroups/{group}/{network}",
            },
            {
                "name": "cli-test-lock000002",
                "level": "ReadOnly",
                "notes": "notes000003",
                "scope": "group:cli_test_cannotdelete_resource_group_lock000001",
            },
        ],
    }


def template_world():
    return {
        "subscription": CLI,
        "group": "img_tmpl_managed000001",
        "location": "westus",
        "image_templates": [
            {
                "name": "template02",
                "tags": {},
                "source": "img_1",
                "distribute": ["img_2"],
            }
        ],
    }


def group_world():
    labels = recorded("resource_group")["body"]["tags"]
    groups = [{"name": SOFT_DELETE, "location": "westus", "tags": labels}]
    return {"subscription": CLI, "groups": groups}
