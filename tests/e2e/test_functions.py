"""The functions: real binaries with the runtime of cargo-lambda, and real calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from events import image_event, scheduled_event
from harness import Account, Runtime
from outcomes import resources, taken, unread, with_result
from process import Died
from worlds import (
    DELETE_AFTER,
    DEPRECATION,
    DUE,
    DUE_SNAPSHOTS,
    INSTANCE,
    LEDGER_IMAGE,
    MARK,
    PLAIN,
    TAGS,
    ago,
    ami,
    image,
    image_ids,
    policy,
    recycled,
    snap,
    snapshot_ids,
    tagged_snapshot,
    tags_of,
    web_fleet,
)

APPLY = {"STEWARD_MODE": "apply"}


def new_image(**more: Any) -> dict[str, Any]:
    """An account in which web-9 was just created from the instance, with two disks."""
    fleet = web_fleet()
    made = image(9, 0, source_instance=INSTANCE, snapshots=[snap(9), snap(10)], **more)
    return fleet | {"images": [*fleet["images"], made]}


class TestTagImage:
    def test_image_and_snapshots_get_the_tags_of_the_instance(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        answer = runtime.invoke("tag-image", image_event(ami(9), "available"))
        assert answer["answer"] == "tagged"
        fleet = account.fleet()
        wanted = {
            "ManagedBy": "image-steward",
            "Team": "web",
            "image-steward:source-instance": INSTANCE,
        }
        assert tags_of(fleet, ami(9)) == wanted
        for snapshot in (snap(9), snap(10)):
            assert tags_of(fleet, snapshot) == wanted | {LEDGER_IMAGE: ami(9)}

    def test_the_same_event_twice_writes_nothing_the_second_time(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        event = image_event(ami(9), "available")
        runtime.invoke("tag-image", event)
        once = account.fleet()
        account.forget_calls()
        answer = runtime.invoke("tag-image", event)
        assert answer["answer"] == "tagged"
        assert answer["tagged"] == []
        assert account.mutating_calls() == []
        assert account.fleet() == once

    @pytest.mark.parametrize(
        ("event", "why"),
        [
            (image_event(ami(9), "failed"), "failed"),
            (image_event(ami(9), "deregistered"), "deregistered"),
            (image_event(ami(9), "disabled"), "disabled"),
            (image_event(ami(9), "dreaming"), "detail.State"),
            (image_event("snap-1", "available"), "detail.ImageId"),
            (image_event(ami(9), "available", detail={}), "detail.ImageId"),
            (image_event(ami(9), "available", detail=None), "detail.ImageId"),
            (image_event(ami(9), "available", account="999988887777"), "999988887777"),
            (image_event(ami(9), "available", region="us-east-1"), "us-east-1"),
            (
                image_event(ami(77), "available", time="2026-01-01T00:00:00Z"),
                "no longer exists",
            ),
            (image_event(ami(11), "available"), ""),
            (scheduled_event(), "schedule"),
            (image_event(ami(9), "available", source="local.ec2"), "not aws.ec2"),
            (image_event(ami(9), "available", account=None), "no account"),
            (image_event(ami(9), "available", region=None), "no Region"),
            (
                {"detail-type": "EC2 Spot", "source": "aws.ec2", "detail": {}},
                "unsupported",
            ),
            ({}, "malformed"),
            ([], "malformed"),
            (None, "malformed"),
            ("available", "malformed"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_not_for_it_is_answered_and_changes_nothing(
        self, account: Account, runtime: Runtime, event: Any, why: str
    ) -> None:
        fleet = new_image()
        foreign = image(11, 1, owner_id="999988887777", public=True, snapshots=[])
        account.load(fleet | {"images": [*fleet["images"], foreign]})
        before = account.fleet()
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        answer = runtime.invoke("tag-image", event)
        assert answer["answer"] == "ignored"
        assert why in answer["reason"]
        assert account.mutating_calls() == []
        assert account.fleet() == before
        # It still runs, and responds to the next event.
        assert runtime.invoke("tag-image", None)["answer"] == "ignored"

    def test_an_image_that_does_not_show_yet_is_an_error_so_that_lambda_retries(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        answer = runtime.invoke("tag-image", image_event(ami(77), "available"))
        assert f"{ami(77)} is not visible yet" in answer["errorMessage"]

    def test_an_old_image_that_is_enabled_again_keeps_its_mark(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        steps = tags_of(account.fleet(), ami(4))
        assert steps.keys() == {MARK, DEPRECATION}
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        runtime.invoke("tag-image", image_event(ami(4), "available"))
        tags = tags_of(account.fleet(), ami(4))
        assert tags == steps | {"ManagedBy": "image-steward"}

    def test_other_peoples_values_stay(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image(tags={"Team": "theirs", "Name": "mine"}))
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        runtime.invoke("tag-image", image_event(ami(9), "available"))
        tags = tags_of(account.fleet(), ami(9))
        assert tags["Team"] == "theirs"
        assert tags["Name"] == "mine"

    def test_plan_mode_says_what_it_would_write(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        before = account.fleet()
        runtime.start("tag-image", policy(tagging=TAGS))
        answer = runtime.invoke("tag-image", image_event(ami(9), "available"))
        assert answer["mode"] == "plan"
        assert set(resources(answer["tagged"])) == {ami(9), snap(9), snap(10)}
        assert account.mutating_calls() == []
        assert account.fleet() == before

    def test_a_part_that_failed_is_an_error_and_the_next_attempt_writes_the_rest(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        account.switch(
            fail={"CreateTags": [{"code": "InternalError", "match": snap(10)}]}
        )
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        event = image_event(ami(9), "available")
        answer = runtime.invoke("tag-image", event)
        assert "1 step failed, 2 succeeded" in answer["errorMessage"]
        account.switch()
        assert runtime.invoke("tag-image", event)["answer"] == "tagged"
        assert tags_of(account.fleet(), snap(10))[LEDGER_IMAGE] == ami(9)

    def test_an_emulator_sends_events_from_a_source_of_its_own(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        setting = {"STEWARD_EVENT_SOURCE": "local.ec2"}
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY, **setting)
        event = image_event(ami(9), "available")
        assert runtime.invoke("tag-image", event)["answer"] == "ignored"
        event["source"] = "local.ec2"
        assert runtime.invoke("tag-image", event)["answer"] == "tagged"

    def test_the_log_level_is_that_of_lambdas_controls(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        level = {"AWS_LAMBDA_LOG_LEVEL": "ERROR"}
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY, **level)
        runtime.invoke("tag-image", image_event(ami(9), "available"))
        assert {one.get("level", "ERROR") for one in runtime.logs("tag-image")} == {
            "ERROR"
        }

    def test_no_permission_to_tag_is_an_error(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        account.switch(deny=["CreateTags"])
        runtime.start("tag-image", policy(tagging=TAGS), **APPLY)
        answer = runtime.invoke("tag-image", image_event(ami(9), "available"))
        assert "ec2:CreateTags" in answer["errorMessage"]


class TestPruneImages:
    def test_plan_mode_is_the_default_and_calls_nothing_that_changes(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        before = account.fleet()
        runtime.start("prune-images", policy(PLAIN))
        answer = runtime.invoke("prune-images", scheduled_event())
        assert answer["mode"] == "plan"
        assert planned(answer, "deregister") == set(DUE)
        assert planned(answer, "expire") == {ami(3)}
        assert planned(answer, "rescue") == {ami(8)}
        assert account.mutating_calls() == []
        assert account.fleet() == before

    def test_apply_removes_what_is_due_and_nothing_else(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        before = account.fleet()
        runtime.start("prune-images", policy(), **APPLY)
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert taken(outcome, "deregister") == DUE
        assert taken(outcome, "expire") == [ami(3)]
        assert taken(outcome, "rescue") == [ami(8)]
        after = account.fleet()
        assert image_ids(before) - image_ids(after) == set(DUE)
        assert snapshot_ids(after) == snapshot_ids(before)
        for removed, snapshot in zip(DUE, DUE_SNAPSHOTS, strict=True):
            tags = tags_of(after, snapshot)
            assert tags[LEDGER_IMAGE] == removed
            assert tags[DELETE_AFTER] > ago(-6)
        assert MARK in tags_of(after, ami(3))
        assert MARK not in tags_of(after, ami(8))

    def test_an_image_whose_event_was_lost_is_tagged_after_the_steps(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(new_image())
        runtime.start("prune-images", policy(tagging=TAGS), **APPLY)
        answer = runtime.invoke("prune-images", scheduled_event())
        fleet = account.fleet()
        for resource in (ami(9), snap(9), snap(10)):
            assert resource in taken(answer["outcome"], "tag")
            assert tags_of(fleet, resource)["image-steward:source-instance"] == INSTANCE
            assert tags_of(fleet, resource)["Team"] == "web"
        calls = account.calls()
        tagged = position(calls, "CreateTags", snap(9))
        assert all(position(calls, "DeregisterImage", one) < tagged for one in DUE)

    def test_the_ledger_is_written_before_the_image_goes(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        runtime.start("prune-images", policy(), **APPLY)
        runtime.invoke("prune-images", scheduled_event())
        calls = account.calls()
        for removed, snapshot in zip(DUE, DUE_SNAPSHOTS, strict=True):
            ledger = position(calls, "CreateTags", snapshot)
            assert ledger < position(calls, "DeregisterImage", removed)

    def test_a_second_run_changes_nothing(
        self, account: Account, runtime: Runtime
    ) -> None:
        # Rescued because it is shared. The second run must not tag it again.
        shared = image(9, 80, marked=10, launch_permissions=["999988887777"])
        fleet = web_fleet()
        account.load(fleet | {"images": [*fleet["images"], shared]})
        runtime.start("prune-images", policy(), **APPLY)
        runtime.invoke("prune-images", scheduled_event())
        once = account.fleet()
        account.forget_calls()
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert taken(outcome, "deregister") == []
        assert account.mutating_calls() == []
        assert account.fleet() == once

    def test_a_source_that_cannot_be_read_refuses_everything(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        account.switch(deny=["DescribeLaunchTemplateVersions"])
        runtime.start("prune-images", policy(), **APPLY)
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        [source] = unread(outcome)
        assert source["source"] == "launch_templates"
        assert source["permission"] == "ec2:DescribeLaunchTemplateVersions"
        assert taken(outcome, "deregister") == []
        assert "DeregisterImage" not in account.mutating_calls()
        assert image_ids(account.fleet()) == image_ids(web_fleet())

    def test_it_stops_in_time_and_the_next_run_goes_on(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        runtime.start("prune-images", policy(), **APPLY)
        late = runtime.invoke("prune-images", scheduled_event(), seconds=10)["outcome"]
        assert set(DUE) <= set(resources(with_result(late, "not_reached")))
        assert taken(late, "deregister") == []
        assert image_ids(account.fleet()) == image_ids(web_fleet())
        next_run = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert taken(next_run, "deregister") == DUE

    def test_one_failure_is_reported_and_the_run_goes_on(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        account.switch(
            fail={
                "DeregisterImage": [{"code": "OperationNotPermitted", "match": ami(6)}]
            }
        )
        runtime.start("prune-images", policy(), **APPLY)
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert taken(outcome, "deregister") == [ami(5), ami(7)]
        [failure] = with_result(outcome, "failed")
        assert failure["resource"] == ami(6)
        assert failure["step"] == "deregister"
        assert failure["code"] == "OperationNotPermitted"

    def test_when_all_fails_it_is_an_error(
        self, account: Account, runtime: Runtime
    ) -> None:
        fleet = web_fleet()
        left = [
            one for one in fleet["images"] if one["image_id"] not in (ami(3), ami(8))
        ]
        other = image(20, 1, name="other", snapshots=[])
        instance = fleet["instances"][0] | {"image_id": ami(20)}
        account.load(fleet | {"images": [*left, other], "instances": [instance]})
        account.switch(deny=["DeregisterImage"])
        runtime.start("prune-images", policy(PLAIN), **APPLY)
        answer = runtime.invoke("prune-images", scheduled_event())
        assert "all steps failed (3)" in answer["errorMessage"]
        assert "ec2:DeregisterImage" in answer["errorMessage"]

    def test_an_answer_that_was_lost_on_the_way_is_no_failure(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        account.switch(lost_answer={"DeregisterImage": 1})
        runtime.start("prune-images", policy(), **APPLY)
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert with_result(outcome, "failed") == []
        assert taken(outcome, "deregister") == DUE

    def test_the_snapshots_go_with_the_image_when_the_policy_says_so(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        at_once = 'deregister_after = "7d", delete_snapshots_after = "0d"'
        runtime.start("prune-images", policy(at_once), **APPLY)
        outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
        assert taken(outcome, "delete_snapshot") == DUE_SNAPSHOTS
        assert snapshot_ids(account.fleet()).isdisjoint(DUE_SNAPSHOTS)
        assert "DeleteSnapshot" not in account.mutating_calls()

    @pytest.mark.parametrize(
        "event",
        [
            image_event(ami(5), "available"),
            image_event(ami(5), "deregistered"),
            {},
            None,
        ],
    )
    def test_only_the_schedule_makes_it_work(
        self, account: Account, runtime: Runtime, event: Any
    ) -> None:
        account.load(web_fleet())
        runtime.start("prune-images", policy(), **APPLY)
        assert runtime.invoke("prune-images", event)["answer"] == "ignored"
        assert account.mutating_calls() == []

    def test_every_log_line_is_json_and_images_are_fields(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        runtime.start("prune-images", policy(), **APPLY)
        runtime.invoke("prune-images", scheduled_event())
        # Metrics have a different format.
        logs = [one for one in runtime.logs("prune-images") if "_aws" not in one]
        assert all({"timestamp", "level", "message"} <= line.keys() for line in logs)
        gone = {line["image_id"] for line in logs if line["message"] == "deregistered"}
        assert gone == set(DUE)
        held = [line for line in logs if line.get("image_id") == ami(8)]
        assert any("in use" in line.get("reasons", "") for line in held)


class TestReapSnapshots:
    def test_the_event_reaps_what_backed_that_image(
        self, account: Account, runtime: Runtime
    ) -> None:
        gone = [recycled(40), recycled(41)]
        due = [tagged_snapshot(31, 40), tagged_snapshot(32, 41)]
        account.load(web_fleet() | {"snapshots": due, "recycled_images": gone})
        runtime.start("reap-snapshots", policy(), **APPLY)
        event = image_event(ami(40), "deregistered")
        outcome = runtime.invoke("reap-snapshots", event)["outcome"]
        assert taken(outcome, "delete_snapshot") == [snap(31)]
        left = snapshot_ids(account.fleet())
        assert snap(31) not in left
        assert snap(32) in left

    def test_the_schedule_reaps_all_that_is_due_and_no_other(
        self, account: Account, runtime: Runtime
    ) -> None:
        fleet = web_fleet()
        snapshots = [
            tagged_snapshot(31, 40),
            tagged_snapshot(32, 41),
            # Time remains, an image exists, an image uses it, somebody needs it.
            tagged_snapshot(33, 42, days=-1),
            tagged_snapshot(34, 1),
            tagged_snapshot(1, 43),
            tagged_snapshot(35, 44, **{"image-steward:keep": ""}),
            {"snapshot_id": snap(36), "description": f"Created for {ami(45)}"},
            # Its image has not been in the Recycle Bin for long enough, or is not in it.
            tagged_snapshot(37, 46),
            tagged_snapshot(38, 47),
            # Only a tag states that it was created for an image.
            tagged_snapshot(39, 40) | {"description": ""},
        ]
        gone = [recycled(number) for number in range(40, 46)]
        gone.append(recycled(46, 6))
        account.load(fleet | {"snapshots": snapshots, "recycled_images": gone})
        before = account.fleet()
        runtime.start("reap-snapshots", policy(), **APPLY)
        outcome = runtime.invoke("reap-snapshots", scheduled_event())["outcome"]
        assert taken(outcome, "delete_snapshot") == [snap(31), snap(32)]
        gone = snapshot_ids(before) - snapshot_ids(account.fleet())
        assert gone == {snap(31), snap(32)}

    def test_one_that_is_in_use_for_a_moment_longer_is_left_to_a_later_run(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(web_fleet())
        account.switch(snapshot_race={"first": 1, "times": 2})
        at_once = 'deregister_after = "7d", delete_snapshots_after = "1h"'
        for name in ("prune-images", "reap-snapshots"):
            runtime.start(name, policy(at_once), **APPLY)
        runtime.invoke("prune-images", scheduled_event())
        account.set_back(DELETE_AFTER, timedelta(hours=1, minutes=1))
        runs = [runtime.invoke("reap-snapshots", scheduled_event()) for _ in range(4)]
        later = [len(with_result(run["outcome"], "in_use")) for run in runs]
        deleted = [len(taken(run["outcome"], "delete_snapshot")) for run in runs]
        assert (later, deleted) == ([1, 1, 0, 0], [2, 0, 1, 0])
        assert all(with_result(run["outcome"], "failed") == [] for run in runs)
        assert snapshot_ids(account.fleet()).isdisjoint(DUE_SNAPSHOTS)

    def test_plan_mode_changes_nothing(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(
            web_fleet()
            | {
                "snapshots": [tagged_snapshot(31, 40)],
                "recycled_images": [recycled(40)],
            }
        )
        before = account.fleet()
        runtime.start("reap-snapshots", policy())
        answer = runtime.invoke("reap-snapshots", scheduled_event())
        assert answer["due"] == [snap(31)]
        assert account.mutating_calls() == []
        assert account.fleet() == before

    def test_without_a_look_at_the_images_nothing_is_deleted(
        self, account: Account, runtime: Runtime
    ) -> None:
        account.load(
            web_fleet()
            | {
                "snapshots": [tagged_snapshot(31, 40)],
                "recycled_images": [recycled(40)],
            }
        )
        account.switch(deny=["DescribeImages"])
        runtime.start("reap-snapshots", policy(), **APPLY)
        outcome = runtime.invoke("reap-snapshots", scheduled_event())["outcome"]
        [source] = unread(outcome)
        assert source["permission"] == "ec2:DescribeImages"
        assert account.mutating_calls() == []


class TestSettings:
    def test_the_policy_comes_from_a_variable(
        self, account: Account, runtime: Runtime
    ) -> None:
        settings = {"STEWARD_POLICY": "env:RULES", "RULES": policy()}
        self.assert_works(account, runtime, settings)

    def test_the_policy_comes_from_a_parameter(
        self, account: Account, runtime: Runtime
    ) -> None:
        settings = {"STEWARD_POLICY": "ssm:/steward/policy"}
        parameter = {"name": "/steward/policy", "value": policy()}
        self.assert_works(account, runtime, settings, ssm_parameters=[parameter])

    def test_the_policy_comes_from_a_named_file(
        self, account: Account, runtime: Runtime, tmp_path: Any
    ) -> None:
        (tmp_path / "mine.toml").write_text(policy())
        settings = {"STEWARD_POLICY": f"file:{tmp_path / 'mine.toml'}"}
        self.assert_works(account, runtime, settings)

    @staticmethod
    def assert_works(
        account: Account, runtime: Runtime, settings: dict[str, str], **more: Any
    ) -> None:
        account.load(web_fleet() | more)
        runtime.start("prune-images", **settings)
        answer = runtime.invoke("prune-images", scheduled_event())
        assert planned(answer, "deregister") == set(DUE)

    def test_a_changed_parameter_counts_from_the_next_event_on(
        self, account: Account, runtime: Runtime
    ) -> None:
        parameter = {"name": "/p", "value": policy()}
        account.load(web_fleet() | {"ssm_parameters": [parameter]})
        runtime.start("prune-images", STEWARD_POLICY="ssm:/p")
        runtime.invoke("prune-images", scheduled_event())
        changed = policy().replace("last = 2", "last = 8")
        account.load(web_fleet() | {"ssm_parameters": [parameter | {"value": changed}]})
        answer = runtime.invoke("prune-images", scheduled_event())
        assert planned(answer, "deregister") == set()

    @pytest.mark.parametrize("where", ["file", "variable", "parameter"])
    def test_a_policy_that_makes_no_sense_is_an_error_with_its_line(
        self, account: Account, runtime: Runtime, where: str
    ) -> None:
        text = policy().replace("last = 2", "lust = 2")
        parameter = {"name": "/p", "value": text}
        account.load(web_fleet() | {"ssm_parameters": [parameter]})
        settings: dict[str, str] = {
            "file": {},
            "variable": {"STEWARD_POLICY": "env:RULES", "RULES": text},
            "parameter": {"STEWARD_POLICY": "ssm:/p"},
        }[where]
        runtime.start("prune-images", text, **settings, **APPLY)
        answer = runtime.invoke("prune-images", scheduled_event())
        line = 1 + text[: text.index("lust")].count("\n")
        assert f":{line}:" in answer["errorMessage"], answer
        assert "lust" in answer["errorMessage"]
        assert account.mutating_calls() == []
        errors = [
            one for one in runtime.logs("prune-images") if one["level"] == "ERROR"
        ]
        assert any("lust" in str(one.get("error")) for one in errors)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({}, "policy.toml"),
            ({"STEWARD_POLICY": "ssm:/absent"}, "/absent does not exist"),
        ],
    )
    def test_a_policy_that_is_missing_is_an_error(
        self, account: Account, runtime: Runtime, settings: dict[str, str], says: str
    ) -> None:
        account.load(web_fleet())
        runtime.start("prune-images", **settings, **APPLY)
        answer = runtime.invoke("prune-images", scheduled_event())
        assert says in answer["errorMessage"]
        assert account.mutating_calls() == []

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"STEWARD_MODE": "yes"}, "STEWARD_MODE is `yes`; use `plan` or `apply`"),
            ({"STEWARD_POLICY": None}, "STEWARD_POLICY is not set; use file:PATH"),
            ({"STEWARD_POLICY": "policy.toml"}, "use file:PATH"),
            ({"STEWARD_POLICY": "ssm:/p#11"}, "with N from 2 to 10"),
            ({"STEWARD_TEMPLATE": "2"}, "the archives of the same release"),
            ({"STEWARD_POLICY": "env:ABSENT"}, "that variable does not exist"),
            ({"AWS_REGION": None}, "no Region"),
        ],
    )
    def test_settings_that_mean_nothing_stop_it_at_once(
        self,
        account: Account,
        runtime: Runtime,
        settings: dict[str, str | None],
        says: str,
    ) -> None:
        with pytest.raises(Died, match=says):
            runtime.start("prune-images", policy(), **settings)


def planned(answer: dict[str, Any], action: str) -> set[str]:
    return {one["image_id"] for one in answer["decisions"] if one["action"] == action}


def position(calls: list[dict[str, Any]], action: str, resource: str) -> int:
    found = [
        number
        for number, call in enumerate(calls)
        if call["action"] == action and resource in str(call["params"])
    ]
    assert len(found) == 1, found
    return found[0]


def test_every_version_of_a_template_counts_for_the_functions(
    account: Account, runtime: Runtime
) -> None:
    """An old version refers to an image and a snapshot that are due."""
    template = {
        "launch_template_id": "lt-00000000000000009",
        "default_version": 3,
        "versions": [
            {"version": 1, "image_id": DUE[0], "snapshots": [snap(31)]},
            {"version": 2, "image_id": ami(1)},
            {"version": 3, "image_id": ami(1)},
        ],
    }
    fleet = web_fleet()
    templates = [*fleet.get("launch_templates", []), template]
    account.load(
        fleet
        | {"launch_templates": templates}
        | {"snapshots": [tagged_snapshot(31, 40)], "recycled_images": [recycled(40)]}
    )
    every = policy().replace("[safety]", '[safety]\ntemplate_versions = "all"')
    for name in ("prune-images", "reap-snapshots"):
        runtime.start(name, every, STEWARD_MODE="apply")
        runtime.invoke(name, scheduled_event())
    assert DUE[0] in image_ids(account.fleet())
    assert snap(31) in snapshot_ids(account.fleet())
