"""Faults, throttling, the call log, the world and the process."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
from http.client import IncompleteRead
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from running_azure import (
    HERE,
    SUBSCRIPTION,
    compute_id,
    gallery,
    listed,
    start,
    version_id,
)

IMAGE = compute_id("images", "img")


@pytest.fixture
def filled(azure_standin):
    azure_standin.load(images=[{"name": "img"}], galleries=[gallery("1.0.0", "1.0.1")])
    return azure_standin


def test_the_nth_call_fails(filled):
    fault = {
        "method": "GET",
        "path": "/images/img$",
        "nth": 2,
        "times": 2,
        "status": 503,
        "code": "ServerBusy",
        "retry_after": 3,
    }
    filled.switch(faults=[fault])
    answers = [filled.arm("GET", IMAGE) for _ in range(4)]
    assert [one.status for one in answers] == [200, 503, 503, 200]
    assert (answers[1].code, answers[1].headers["retry-after"]) == ("ServerBusy", "3")


def test_a_fault_by_operation(filled):
    operation = "Microsoft.Compute/galleries/images/versions/DELETE"
    filled.switch(faults=[{"operation": operation, "status": 429, "retry_after": 1}])
    assert filled.arm("GET", version_id("1.0.0")).status == 200
    answer = filled.arm("DELETE", version_id("1.0.0"))
    assert (answer.status, answer.code) == (429, "TooManyRequests")
    # The call had no effect.
    assert (
        filled.resource(version_id("1.0.0"))["properties"]["provisioningState"]
        == "Succeeded"
    )


def test_a_lost_response(filled):
    filled.switch(faults=[{"method": "DELETE", "nth": 1, "lost": True}])
    answer = filled.arm("DELETE", version_id("1.0.0"))
    assert (answer.status, answer.code) == (500, "InternalServerError")
    assert (
        filled.resource(version_id("1.0.0"))["properties"]["provisioningState"]
        == "Deleting"
    )


def test_changed_bodies(filled):
    path = f"{compute_id('galleries', 'golden')}/images/web/versions"
    drop = "value[].properties.publishingProfile.excludeFromLatest"
    change = {"value[].properties.provisioningState": "Thinking"}
    filled.switch(faults=[{"path": "versions", "drop": drop, "set": change}])
    for one in filled.every(path):
        properties = one["properties"]
        assert properties["provisioningState"] == "Thinking"
        assert "excludeFromLatest" not in properties["publishingProfile"]
    stored = filled.resource(version_id("1.0.0"))
    assert stored["properties"]["provisioningState"] == "Succeeded"
    filled.switch(faults=[{"path": "versions", "drop": "value"}])
    assert filled.arm("GET", path).body == {}
    filled.switch(faults=[{"path": "versions", "body": "<html>"}])
    assert filled.arm("GET", path).text == b"<html>"


def test_truncated_bodies(filled):
    whole = filled.arm("GET", IMAGE).text
    filled.switch(faults=[{"method": "GET", "truncate": 40}])
    assert filled.arm("GET", IMAGE).text == whole[:40]
    filled.switch(faults=[{"method": "GET", "cut": 40}])
    with pytest.raises(IncompleteRead):
        filled.arm("GET", IMAGE)


def test_a_repeated_page_link(azure_standin):
    azure_standin.load(images=[{"name": f"img{n}"} for n in range(7)])
    azure_standin.switch(faults=[{"path": "images", "nth": 2, "repeat_page": True}])
    first = azure_standin.arm("GET", listed("images")).body
    second = azure_standin.send("GET", first["nextLink"]).body
    assert second["nextLink"] == first["nextLink"]


def test_slow_responses(filled):
    filled.switch(faults=[{"path": "img$", "nth": 1, "delay_seconds": 0.3}])
    times = []
    for _ in range(2):
        begin = time.monotonic()
        filled.arm("GET", IMAGE)
        times.append(time.monotonic() - begin)
    assert times[0] > 0.3 > times[1]
    filled.switch(latency_seconds=0.2)
    begin = time.monotonic()
    filled.arm("GET", IMAGE)
    assert time.monotonic() - begin > 0.2


def test_budgets(filled):
    filled.switch(budgets={"DeleteGalleryImageVersion": [1, 1000]})
    answer = filled.arm("DELETE", version_id("1.0.0"))
    header = "x-ms-ratelimit-remaining-resource"
    remaining = "Microsoft.Compute/DeleteGalleryImageVersion3Min;0,"
    remaining += "Microsoft.Compute/DeleteGalleryImageVersion30Min;999"
    assert (answer.status, answer.headers[header]) == (202, remaining)
    answer = filled.arm("DELETE", version_id("1.0.1"))
    assert answer.status == 429
    assert 170 <= int(answer.headers["retry-after"]) <= 180
    assert answer.headers[header] == remaining
    (detail,) = answer.body["error"]["details"]
    assert (detail["code"], detail["target"]) == (
        "TooManyRequests",
        "DeleteGalleryImageVersion3Min",
    )
    # Other groups are not affected, and a switch turns the budgets off.
    assert filled.arm("GET", version_id("1.0.1")).status == 200
    filled.switch(budgets=False)
    for _ in range(2):
        answer = filled.arm("DELETE", version_id("1.0.1"))
        assert answer.status == 202
        assert answer.headers[header].startswith(
            "Microsoft.Compute/DeleteGalleryImageVersion3Min;149,"
        )


def test_a_budget_fills_up_again(filled):
    filled.switch(budgets={"HighCostGetSubscriptionMaximum": [900]})
    header = "x-ms-ratelimit-remaining-resource"
    answer = filled.arm("GET", listed("virtualMachines"))
    name = "Microsoft.Compute/HighCostGetSubscriptionMaximum"
    assert answer.headers[header] == f"{name};899"
    for _ in range(5):
        filled.arm("GET", listed("virtualMachines"))
    time.sleep(1)
    answer = filled.arm("GET", listed("virtualMachines"))
    # Five tokens a second.
    assert int(answer.headers[header].partition(";")[2]) >= 897


def test_the_buckets_of_resource_manager(filled):
    filled.switch(arm_budgets={"deletes": [1, 0.5]})
    answer = filled.arm("DELETE", version_id("1.0.0"))
    assert answer.headers["x-ms-ratelimit-remaining-subscription-deletes"] == "0"
    answer = filled.arm("DELETE", version_id("1.0.1"))
    assert (answer.status, answer.code) == (429, "SubscriptionRequestsThrottled")
    assert answer.headers["retry-after"] == "2"


def test_the_call_log(filled):
    filled.control("DELETE", "calls")
    filled.arm("GET", listed("images"))
    filled.arm("GET", compute_id("images", "gone"))
    filled.arm("DELETE", version_id("1.0.0"))
    filled.send("GET", "/nothing")
    assert filled.calls() == {
        "Microsoft.Compute/galleries/images/versions/delete": 1,
        "Microsoft.Compute/images/read": 2,
        "unknown": 1,
    }
    log = filled.control("GET", "calls?log=1")
    assert [(one["method"], one["status"], one["code"]) for one in log] == [
        ("GET", 200, ""),
        ("GET", 404, "ResourceNotFound"),
        ("DELETE", 202, ""),
        ("GET", 404, "InvalidResourceType"),
    ]
    assert log[0]["subscription"] == SUBSCRIPTION
    assert log[0]["query"] == "api-version=2026-04-01"


@pytest.mark.parametrize(
    "switches",
    [
        {"typo": 1},
        {"page_size": 0},
        {"faults": [{"path": "x"}]},
        {"faults": [{"path": "(", "status": 500}]},
        {"faults": [{"status": "500"}]},
        {"budgets": {"NoGroup": [1, 1]}},
        {"budgets": {"GetGallery": [1]}},
        {"operations": {"poll": 1}},
        {"restored_tags": "maybe"},
        {"latency_seconds": 61},
    ],
)
def test_invalid_switches_change_nothing(azure_standin, switches):
    azure_standin.switch(page_size=7)
    answer = azure_standin.control("POST", "switches", switches)
    assert answer["status"] == 400
    assert answer["errors"]
    assert azure_standin.control("GET", "switches") == {"page_size": 7}


@pytest.mark.parametrize(
    "world",
    [
        {"typo": 1},
        {"images": [{"name": 1}]},
        {"images": [{"name": "a", "typo": 1}]},
        {
            "galleries": [
                {"name": "g", "definitions": [{"name": "d", "versions": [{}]}]}
            ]
        },
        {"resources": [{"id": "/subscriptions/x/resourceGroups/y/providers/a/b/c"}]},
        {"now": "tomorrow"},
    ],
)
def test_invalid_worlds_change_nothing(filled, world):
    before = filled.control("GET", "world")["resources"]
    answer = filled.control("POST", "world", world)
    assert answer["status"] == 400
    assert answer["errors"]
    assert filled.control("GET", "world")["resources"] == before


def test_the_written_world_can_be_loaded_again(azure_standin):
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        stopped=True,
        galleries=[
            gallery(
                {"version": "1.0.0", "replication": {"westeurope": "Failed"}},
                {"version": "0.9.0", "soft_deleted_at": "2026-11-27T00:00:00Z"},
                soft_delete=True,
                sharing="Groups",
                shared_with={"subscriptions": ["x"]},
            )
        ],
        virtual_machines=[{"name": "vm", "generalized": True}],
        locks=[{"name": "l"}],
    )
    written = azure_standin.control("GET", "world")
    azure_standin.load()
    assert azure_standin.every(listed("galleries")) == []
    azure_standin.load(**written)
    assert azure_standin.control("GET", "world") == written


def test_a_world_as_a_file(tmp_path):
    short = tmp_path / "short.json"
    short.write_text(json.dumps({"images": [{"name": "img"}]}))
    made = subprocess.run(
        [sys.executable, HERE / "make_world.py", short],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    long = tmp_path / "long.json"
    long.write_text(made)
    assert [one["name"] for one in json.loads(made)["resources"]] == ["img"]
    process, url = start(tmp_path / "ca.pem", "--world", str(long))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with urlopen(f"{url}/_standin/world", context=context) as answer:
        assert json.load(answer)["resources"][0]["name"] == "img"
    # The certificate is also valid for the name.
    with urlopen(
        url.replace("127.0.0.1", "localhost") + "/_standin/calls", context=context
    ) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_an_invalid_file_ends_the_program(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"images": [{"name": "img", "a": 1, "b": 2}]}))
    command = [sys.executable, str(HERE), "--ca-file", str(tmp_path / "ca.pem")]
    done = subprocess.run(
        [*command, "--world", str(bad)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count(str(bad)) == 2


def test_a_client_that_does_not_know_the_authority(azure_standin):
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"{azure_standin.url}/_standin/calls")
    # The server continues.
    assert azure_standin.calls() == {}


def test_ten_thousand_versions(azure_standin):
    azure_standin.load(galleries=[gallery(*(f"1.0.{n}" for n in range(10_000)))])
    azure_standin.switch(page_size=1000)
    begin = time.monotonic()
    path = f"{compute_id('galleries', 'golden')}/images/web/versions"
    assert len(azure_standin.every(path)) == 10_000
    assert time.monotonic() - begin < 10
