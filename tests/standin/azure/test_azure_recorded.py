"""Responses are compared field by field with responses that others recorded from Azure.

Each test describes the recorded world with the builder, sends the recorded request, and names every
difference. A difference that is not named, in either direction, fails.
"""

from __future__ import annotations

import re

import pytest

from azure_compare import differences
from recorded_worlds import (
    CLI,
    DELETED,
    disk_world,
    group_world,
    lock_world,
    machine_world,
    recorded,
    scale_set_world,
    snapshot_world,
    soft_delete_world,
    specialized_world,
    template_world,
)

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
        {
            "properties.customize[].name",
            "properties.customize[].sha256Checksum",
            "properties.customize[].type",
        },
        {"properties.lastRunStatus"},
        {"vmSize"},
    ),
]


def same_time(one, other):
    """Whether two times are equal: this server does not know the seventh digit of a second."""
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
