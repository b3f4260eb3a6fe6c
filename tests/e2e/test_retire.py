"""retire-instance and created-by, as processes, and the published events."""

from __future__ import annotations

import time
from typing import Any

import pytest

from events import image_event, scheduled_event
from harness import Account, Runtime
from outcomes import taken, with_result
from worlds import ACCOUNT, ago, ami, image, policy, snap, tags_of, web_fleet

APPLY = {"STEWARD_MODE": "apply"}
TAG = "image-steward:retire-when-imaged"
OLD = "i-00000000000000077"
VOLUME = "vol-00000000000000077"
STOP = '[instances]\nretire = "stop"'
TERMINATE = '[instances]\nretire = "terminate"'


def imaged(**more: Any) -> dict[str, Any]:
    """web-9 was created from an instance that was tagged to be retired at that time."""
    fleet = web_fleet()
    made = image(9, 0, source_instance=OLD, snapshots=[snap(9)])
    old = {"instance_id": OLD, "image_id": ami(1), "tags": {TAG: "web-9"}}
    old |= {"launched_at": ago(30), "volumes": [VOLUME]} | more
    held = {"snapshot_id": snap(9), "volume_id": VOLUME}
    images = [*fleet["images"], made]
    instances = [*fleet["instances"], old]
    return fleet | {"images": images, "snapshots": [held], "instances": instances}


def state(account: Account) -> str:
    [found] = [
        one["state"]
        for one in account.fleet()["instances"]
        if one["instance_id"] == OLD
    ]
    return found


def told(account: Account) -> list[str]:
    return [one["DetailType"] for one in account.control("GET", "events")]


@pytest.mark.parametrize("event", [image_event(ami(9), "available"), scheduled_event()])
@pytest.mark.parametrize(
    ("more", "end"), [(STOP, "stopped"), (TERMINATE, "terminated")], ids=["stop", "end"]
)
def test_it_goes_once_its_image_is_there(
    account: Account, runtime: Runtime, event: Any, more: str, end: str
) -> None:
    account.load(imaged())
    runtime.start("retire-instance", policy(more=more), **APPLY)
    answer = runtime.invoke("retire-instance", event)
    assert [one["instance_id"] for one in answer["retired"]] == [OLD]
    assert state(account) == end
    assert told(account)[-1] == "Instance Retired"
    account.forget_calls()
    runtime.invoke("retire-instance", event)
    assert account.mutating_calls() == []


def test_it_stays_unless_the_policy_retires_instances(
    account: Account, runtime: Runtime
) -> None:
    account.load(imaged())
    runtime.start("retire-instance", policy(), **APPLY)
    answer = runtime.invoke("retire-instance", scheduled_event())
    [kept] = answer["kept"]
    assert [reason["reason"] for reason in kept["reasons"]] == ["not_allowed"]
    answer = runtime.invoke("retire-instance", image_event(ami(9), "available"))
    assert answer["answer"] == "ignored"
    assert "the policy does not retire instances" in answer["reason"]
    assert (account.mutating_calls(), state(account)) == ([], "running")
    [line] = [one for one in runtime.logs("retire-instance") if "_aws" in one]
    # From the sweep, not from the event. Alarms use these metrics of every sweep.
    assert (line["Runs"], line["NotReached"]) == (1, 0)
    told = {one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert {"Runs", "NotReached"} <= told


def test_plan_mode_only_says_so(account: Account, runtime: Runtime) -> None:
    account.load(imaged())
    runtime.start("retire-instance", policy(more=STOP))
    answer = runtime.invoke("retire-instance", image_event(ami(9), "available"))
    assert (answer["mode"], len(answer["retired"])) == ("plan", 1)
    assert (account.mutating_calls(), state(account)) == ([], "running")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"protected": True}, "termination protection"),
        ({"stop_protected": True}, "stop protection"),
        ({"group": "web"}, "part of the Auto Scaling group web"),
        ({"tags": {TAG: "web-9", "image-steward:keep": ""}}, "excluded by tag"),
        ({"tags": {TAG: "web-12"}}, "the image was created from i-00000000000000001"),
        ({"tags": {TAG: "web-99"}}, "image `web-99` not found"),
        ({"launched_at": "2999-01-01T00:00:00Z"}, ", after the image was created"),
        ({"state": "stopping"}, "the instance is stopping"),
        ({"spot_request": "sir-00000001"}, "part of the Spot request sir-00000001"),
        ({"volumes": [VOLUME, "vol-00000001"]}, "not in the image: vol-00000001"),
    ],
)
def test_what_it_must_not_retire_is_left_with_one_line_in_the_log(
    account: Account, runtime: Runtime, more: dict[str, Any], why: str
) -> None:
    fleet = imaged(**more)
    fleet["images"].append(image(12, 0, source_instance="i-00000000000000001"))
    account.load(fleet)
    before = state(account)
    runtime.start("retire-instance", policy(more=TERMINATE), **APPLY)
    runtime.invoke("retire-instance", scheduled_event())
    assert (account.mutating_calls(), state(account)) == ([], before)
    lines = [one for one in runtime.logs("retire-instance") if "reasons" in one]
    [line] = [one for one in lines if one["instance_id"] == OLD]
    assert why in line["reasons"]


@pytest.mark.parametrize(
    ("image_state", "snapshot_state"),
    [("pending", "completed"), ("available", "error")],
)
def test_an_image_that_is_not_complete_retires_nothing(
    account: Account, runtime: Runtime, image_state: str, snapshot_state: str
) -> None:
    fleet = imaged()
    fleet["images"][-1]["state"] = image_state
    fleet["snapshots"][-1]["state"] = snapshot_state
    account.load(fleet)
    runtime.start("retire-instance", policy(more=STOP), **APPLY)
    runtime.invoke("retire-instance", image_event(ami(9), "available"))
    assert (account.mutating_calls(), state(account)) == ([], "running")


def test_who_made_an_image_is_written_down(account: Account, runtime: Runtime) -> None:
    account.load(web_fleet() | {"images": [image(9, 0)]})
    runtime.start("tag-image", policy(), **APPLY)
    alice = f"arn:aws:sts::{ACCOUNT}:assumed-role/Packer/alice"
    event = image_event(ami(9), "available") | {
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "ec2.amazonaws.com",
            "eventName": "CreateImage",
            "userIdentity": {"type": "AssumedRole", "arn": alice},
            "responseElements": {"imageId": ami(9)},
        },
    }
    runtime.invoke("tag-image", event)
    fleet = account.fleet()
    for resource in (ami(9), snap(9)):
        assert tags_of(fleet, resource)["image-steward:created-by"] == alice
    assert told(account) == ["Image Tagged"]


def test_a_bus_that_denies_all_events_fails_no_sweep(
    account: Account, runtime: Runtime
) -> None:
    account.load(web_fleet())
    account.switch(deny=["events:PutEvents"])
    runtime.start("prune-images", policy(), **APPLY)
    before = {one["image_id"]: one["tags"] for one in account.fleet()["images"]}
    answer = runtime.invoke("prune-images", scheduled_event())
    assert with_result(answer["outcome"], "failed") == []
    logs = runtime.logs("prune-images")
    lines = [one for one in logs if one.get("message") == "events were lost"]
    # The notices for the deferred images, and of the sweep.
    lost = sum(one["lost"] for one in lines)
    assert answer["events_lost"] == lost > 1
    [metrics] = [one for one in logs if "_aws" in one]
    assert metrics["EventsLost"] == lost
    held = {
        one["image_id"]: one["reasons"][-1]["reason"]
        for one in answer["decisions"]
        if one["action"] == "wait"
    }
    assert ami(3) in held and set(held.values()) == {"not_announced"}
    rescued = set(taken(answer["outcome"], "rescue"))
    after = {one["image_id"]: one["tags"] for one in account.fleet()["images"]}
    assert before.keys() == after.keys(), "not announced"
    changed = {one for one, tags in after.items() if tags != before[one]}
    assert changed == rescued


def test_notices_come_before_the_tag_and_once(
    account: Account, runtime: Runtime
) -> None:
    account.load(web_fleet())
    runtime.start("prune-images", policy(), **APPLY)
    runtime.invoke("prune-images", scheduled_event())
    steps = ("Image Deprecated", "Image Disabled", "Image Deregistered")
    took = sum(told(account).count(step) for step in steps)
    assert told(account).count("Image Expired") == took > 1
    calls = [(one["action"], str(one["params"])) for one in account.calls()]
    first = next(n for n, (name, _) in enumerate(calls) if "PutEvents" in name)
    [tagged] = [
        n
        for n, (name, told) in enumerate(calls)
        if "expired-at" in told and name == "CreateTags"
    ]
    assert first < tagged


def test_a_bus_that_does_not_answer_costs_no_sweep_its_answer(
    account: Account, runtime: Runtime, black_hole: str
) -> None:
    account.load(web_fleet())
    there = {"AWS_ENDPOINT_URL_EVENTBRIDGE": black_hole}
    runtime.start("prune-images", policy(), **APPLY, **there)
    began = time.monotonic()
    answer = runtime.invoke("prune-images", scheduled_event(), seconds=17)
    assert time.monotonic() - began < 17, "the function would have been cut off"
    assert with_result(answer["outcome"], "failed") == []
    lines = [one for one in runtime.logs("prune-images") if "lost" in one]
    assert sum(one["lost"] for one in lines) == answer["events_lost"] >= 1


def test_rejected_events_are_sent_again(account: Account, runtime: Runtime) -> None:
    account.load(web_fleet())
    account.switch(reject_events=2)
    runtime.start("prune-images", policy(), **APPLY)
    runtime.invoke("prune-images", scheduled_event())
    assert "Sweep Completed" in told(account)
    assert not [one for one in runtime.logs("prune-images") if "lost" in one]


def test_nobody_is_told_without_a_bus(account: Account, runtime: Runtime) -> None:
    account.load(web_fleet())
    runtime.start("prune-images", policy(), STEWARD_EVENT_BUS=None, **APPLY)
    runtime.invoke("prune-images", scheduled_event())
    assert told(account) == []
    assert "events:PutEvents" not in [one["action"] for one in account.calls()]


def test_metrics_are_one_line_of_the_log(account: Account, runtime: Runtime) -> None:
    account.load(web_fleet())
    before = len(account.fleet()["images"])
    runtime.start("prune-images", policy(), **APPLY)
    runtime.invoke("prune-images", scheduled_event())
    [line] = [one for one in runtime.logs("prune-images") if "_aws" in one]
    assert line["ImagesSeen"] == before
    assert line["ImagesDeregistered"] == before - len(account.fleet()["images"])
    assert line["Runs"] == 1
    assert 0 < line["Seconds"] < 30


def test_what_has_no_effect_is_in_the_log_and_in_the_event(
    account: Account, runtime: Runtime
) -> None:
    account.load(web_fleet())
    near = '[[rule]]\nname = "near"\nmatch = { name = "web" }\nkeep = { last = 1 }\n'
    runtime.start("prune-images", policy(more=near))
    runtime.invoke("prune-images", scheduled_event())
    events = account.control("GET", "events")
    [swept] = [one for one in events if one["DetailType"] == "Sweep Completed"]
    [note] = swept["Detail"]["notes"]
    assert (note["note"], note["warning"]) == ("rule_matches_nothing", True)
    assert note["text"].startswith(
        "rule near: no image matches; no name matches `web`; "
    )
    logs = runtime.logs("prune-images")
    [line] = [
        one
        for one in logs
        if one.get("message") == "policy setting or tag has no effect"
    ]
    assert (line["level"], line["note"]) == ("WARN", "rule_matches_nothing")
    assert line["text"] == note["text"]
