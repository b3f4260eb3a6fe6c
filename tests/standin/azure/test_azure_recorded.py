"""Responses are compared field by field with responses that others recorded from Azure.

Each test describes the recorded world with the builder, sends the recorded request, and names every
difference. A difference that is not named, in either direction, fails.
"""

from __future__ import annotations

import json
import re

import pytest

from azure_compare import differences
from running_azure import HERE

CLI = "00000000-0000-0000-0000-000000000000"
CUSTODIAN = "ea42f556-5106-4743-99b0-c129bfa71a47"
SOFT_DELETE = "cli_test_gallery_soft_delete_policy_000001"
SPECIALIZED = "cli_test_gallery_specialized_000001"
PUBLISHED = "2026-09-22T06:56:50.576709+00:00"
DELETED = "2026-09-22T07:04:07.395472+00:00"
# Times have seven digits of a second on Azure, of which this server knows six.
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d?\+00:00")


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


# The recording, its world, then the fields that are not served, those that the recording does not
# have, and those whose values differ because Azure chooses them.
CASES = [
    ("gallery_with_soft_delete", soft_delete_world, set(), set(), {"uniqueName"}),
    ("version", soft_delete_world, {"properties.validationsProfile"}, set(), set()),
    (
        "soft_deleted_versions",
        lambda: soft_delete_world(soft_deleted_at=DELETED),
        set(),
        set(),
        set(),
    ),
    ("resource_group", group_world, set(), set(), set()),
    # Architecture was added to the API after this recording.
    ("definition", specialized_world, set(), {"properties.architecture"}, set()),
    ("gallery", specialized_world, set(), set(), {"uniqueName"}),
    (
        "snapshot",
        snapshot_world,
        set(),
        {
            "properties.networkAccessPolicy",
            "properties.osType",
            "properties.publicNetworkAccess",
        },
        {"hyperVGeneration", "sourceUniqueId", "uniqueId", "sku.name"},
    ),
    (
        "disks",
        disk_world,
        {
            "value[].properties.diskIOPSReadWrite",
            "value[].properties.diskMBpsReadWrite",
            "value[].properties.securityProfile",
            "value[].properties.supportedCapabilities",
            "value[].properties.supportsHibernation",
            "value[].properties.tier",
            "value[].zones",
        },
        set(),
        {"diskSizeBytes", "uniqueId"},
    ),
    (
        "virtual_machines",
        machine_world,
        {"value[].etag", "value[].properties.storageProfile.diskControllerType"},
        set(),
        {"vmId", "diskSizeGB", "storageAccountType"},
    ),
    (
        "scale_sets",
        scale_set_world,
        {
            "value[].properties.upgradePolicy.automaticOSUpgradePolicy",
            "value[].properties.virtualMachineProfile.priority",
        },
        {
            # Newer versions of the API have these.
            "value[].properties.orchestrationMode",
            "value[].properties.timeCreated",
            "value[].properties.virtualMachineProfile.osProfile",
            "value[].properties.virtualMachineProfile.storageProfile.osDisk.diskSizeGB",
            "value[].properties.virtualMachineProfile.storageProfile.osDisk.osType",
        },
        {"uniqueId", "name", "overprovision"},
    ),
    ("locks", lock_world, set(), set(), set()),
    (
        "image_template",
        template_world,
        {"properties.customize[]"},
        {"properties.lastRunStatus"},
        {"vmSize"},
    ),
]


def rounded(value):
    """The body with times of six digits."""
    return json.loads(TIME.sub(r"\g<1>+00:00", json.dumps(value)))


def same_time(one, other):
    """Whether two times differ only in the seventh digit."""
    return isinstance(one, str) and isinstance(other, str) and one[:25] == other[:25]


def at(body, path):
    """The value at a path with positions."""
    for name in re.findall(r"[^.\[\]]+", path):
        body = body[int(name)] if name.isdigit() else body[name]
    return body


@pytest.mark.parametrize(
    ("name", "world", "not_served", "more", "chosen"),
    CASES,
    ids=[one[0] for one in CASES],
)
def test_bodies_equal_recorded_bodies(
    azure_standin, name, world, not_served, more, chosen
):
    azure_standin.load(**world())
    wanted = recorded(name)
    method, url = wanted["request"].split()
    answer = azure_standin.arm(method, url.partition("?")[0])
    assert answer.status == wanted["status"]
    left, right, other = differences(wanted["body"], answer.body)
    if name == "image_template":
        # The recorded list has an element, and the served list is empty.
        left = (
            {"properties.customize[]"}
            if "properties.customize[].name" in left
            else left
        )
    assert (left, right) == (not_served, more)
    changed = {
        path
        for path in other
        if not same_time(at(wanted["body"], path), at(answer.body, path))
    }
    names = {path if path in chosen else path.rpartition(".")[2] for path in changed}
    assert {re.sub(r"^.*?(sku\.\w+)$", r"\1", one) for one in names} == chosen
    for header, text in wanted.get("headers", {}).items():
        assert without_numbers(answer.headers[header]) == without_numbers(text), header


def without_numbers(text):
    """A throttling header without the remaining numbers."""
    return re.sub(r"(?<=;)\d+|^\d+$", "N", text)


def test_the_course_of_a_deletion_and_a_restore(azure_standin):
    """Status codes, headers and bodies of a whole recorded course."""
    azure_standin.load(**soft_delete_world())
    wanted = recorded("version_deletion")
    path = wanted["request"].split()[1].partition("?")[0]
    answer = azure_standin.arm("DELETE", path)
    assert (answer.status, answer.text) == (202, b"")
    assert answer.headers["content-length"] == "0"
    for header, text in wanted["headers"].items():
        served, shape = answer.headers[header], text.partition("&t=")[0]
        if header in ("azure-asyncoperation", "location"):
            assert operation_url(served) == operation_url(shape)
            assert "&t=" in served
            assert len(served) > 4000
        else:
            assert without_numbers(served) == without_numbers(text)
    operation, location = (
        answer.headers["azure-asyncoperation"],
        answer.headers["location"],
    )
    polled = azure_standin.send("GET", operation)
    running = recorded("operation_in_progress")
    assert list(polled.body) == list(running["body"])
    assert polled.body["status"] == "InProgress"
    for header, text in running["headers"].items():
        assert without_numbers(polled.headers[header]) == without_numbers(text)
    azure_standin.send("GET", operation)
    polled = azure_standin.send("GET", operation)
    assert list(polled.body) == list(recorded("operation_succeeded")["body"])
    assert polled.body["status"] == "Succeeded"
    done = azure_standin.send("GET", location)
    assert (done.status, done.text) == (200, b"")
    wanted = recorded("version_restoring")
    answer = azure_standin.arm("PUT", path, {"location": "westus", "tags": {}})
    assert answer.status == wanted["status"]
    left, right, other = differences(wanted["body"], answer.body)
    assert (left, right) == (set(), set())
    assert other <= {"properties.publishingProfile.publishedDate"}
    assert answer.headers["location"] is None
    for header, text in wanted["headers"].items():
        if header == "azure-asyncoperation":
            assert operation_url(answer.headers[header]) == operation_url(text)
        else:
            assert without_numbers(answer.headers[header]) == without_numbers(text)


def operation_url(text):
    """The URL of an operation without what differs: host, id, version and signature."""
    text = re.sub(r"^https://[^/]+", "", text).partition("&t=")[0]
    text = re.sub(r"api-version=[\d-]+", "api-version", text)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\?)", "ID", text)


def test_creating_a_version_from_snapshots(azure_standin):
    azure_standin.load(**specialized_world())
    wanted = recorded("version_creating")
    path = wanted["request"].split()[1].partition("?")[0]
    storage = wanted["body"]["properties"]["storageProfile"]
    sources = {
        "osDiskImage": {"source": storage["osDiskImage"]["source"]},
        "dataDiskImages": [
            {"lun": one["lun"], "source": one["source"]}
            for one in storage["dataDiskImages"]
        ],
    }
    body = {
        "location": "eastus2",
        "tags": {},
        "properties": {
            "publishingProfile": {"targetRegions": [{"name": "eastus2"}]},
            "storageProfile": sources,
        },
    }
    answer = azure_standin.arm("PUT", path, body)
    assert answer.status == wanted["status"] == 201
    left, right, other = differences(wanted["body"], answer.body)
    # The API of 2019 had no safety profile.
    assert (left, right) == (set(), {"properties.safetyProfile"})
    assert other == {"properties.publishingProfile.publishedDate"}


def test_the_statuses_of_an_instance_view(azure_standin):
    azure_standin.load(
        subscription=CLI,
        group="clitest.rg000001",
        virtual_machines=[{"name": "vm000002"}],
    )
    wanted = recorded("instance_view")
    path = wanted["request"].split()[1].partition("?")[0]
    answer = azure_standin.arm("GET", path, query="&$expand=instanceView")
    served = answer.body["properties"]["instanceView"]["statuses"]
    left, right, other = differences(wanted["body"]["statuses"], served)
    assert (left, right, other) == ({"[].time"}, set(), set())


def test_a_resource_that_does_not_exist(azure_standin):
    azure_standin.load(**specialized_world())
    wanted = recorded("snapshot_not_found")
    answer = azure_standin.arm("GET", wanted["request"].split()[1].partition("?")[0])
    assert answer.status == wanted["status"]
    served, text = answer.body["error"], wanted["body"]["error"]
    assert served["code"] == text["code"]
    # Newer responses end with a link.
    assert served["message"].startswith(text["message"])
