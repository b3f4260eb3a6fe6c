"""The functions of Azure: the real program, which gets what the Functions host sends, and the local
subscription with the token endpoint of a managed identity."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azure_app import (
    APPLY,
    UNLISTED,
    StartFunctions,
    cloud_event,
    decided,
    event_grid,
    invocation,
    timer,
)
from azure_worlds import (
    DELETE_AFTER,
    EXPIRED_AT,
    IMAGE,
    azure_policy,
    canonical,
    gallery,
    version,
    web,
    web_world,
)
from local_azure import (
    OTHER,
    Subscription,
    compute_id,
    version_id,
)
from worlds import ago

RETIRE = '[instances]\nretire = "terminate"\n'
ORPHANS = '[orphans]\ndelete_after = "1d"\n'
NEW = version_id("golden/web/9.0.0")
SOURCE = compute_id("snapshots", "source")


def new_world(**more: Any) -> dict[str, Any]:
    """A subscription in which the version 9.0.0 was just created from a snapshot."""
    new = version(9, 0, os_disk_source="snapshot:source") | more
    made = gallery(version(1, 20), version(2, 10), new)
    return web_world(
        galleries=[made], snapshots=[{"name": "source", "created_at": ago(1)}]
    )


class TestPruneImages:
    def test_plan_mode_changes_nothing(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**web_world())
        before = subscription.world()["resources"]
        app = start_functions()
        for _ in range(2):
            invoked = app.run("prune-images")
            assert decided(invoked) == dict.fromkeys(web(2, 3, 4), "deprecate")
            assert invoked.answer["mode"] == "plan"
        assert subscription.changes() == []
        assert subscription.world()["resources"] == before

    def test_versions_are_retired_over_days(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**web_world())
        app = start_functions(**APPLY)
        expired = web(2, 3, 4)
        assert decided(app.run("prune-images")) == dict.fromkeys(expired, "deprecate")
        for name in expired:
            assert "endOfLifeDate" in subscription.profile(name)
            assert EXPIRED_AT in subscription.tags(version_id(name))
        subscription.let_pass(days=7)
        assert decided(app.run("prune-images")) == dict.fromkeys(expired, "disable")
        assert all(subscription.profile(one)["excludeFromLatest"] for one in expired)
        subscription.let_pass(days=6)
        assert decided(app.run("prune-images")) == {}
        subscription.let_pass(days=1)
        assert decided(app.run("prune-images")) == dict.fromkeys(expired, "deregister")
        assert subscription.versions() == web(1, 5, 6)
        assert subscription.soft_deleted() == expired
        for name in web(1, 5, 6):
            assert "endOfLifeDate" not in subscription.profile(name)
            assert EXPIRED_AT not in subscription.tags(version_id(name))
        # One connection for all sweeps.
        assert len(app.lines("connected")) == 1

    def test_what_came_into_use_between_two_sweeps_is_seen(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        """A sweep uses nothing that an earlier one read, however short ago that was."""
        subscription.load(**web_world())
        app = start_functions(**APPLY)
        app.run("prune-images")
        subscription.let_pass(days=14)
        world = subscription.world()
        vm = json.loads(
            json.dumps(subscription.one(compute_id("virtualMachines", "vm")))
            .replace("/versions/1.0.0", "/versions/4.0.0")
            .replace("virtualMachines/vm", "virtualMachines/new")
        )
        world["resources"].append(vm | {"name": "new"})
        subscription.control("POST", "world", world)
        app.run("prune-images")
        subscription.let_pass(days=14)
        app.run("prune-images")
        assert subscription.versions() == web(1, 4, 5, 6)

    def test_a_sweep_without_a_permission_removes_nothing(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**web_world())
        subscription.switch(deny=["Microsoft.Compute/virtualMachines/read"])
        app = start_functions(azure_policy(), **APPLY)
        invoked = app.run("prune-images")
        refusal = invoked.answer["outcome"]["refusal"]
        assert "Microsoft.Compute/virtualMachines/read" in json.dumps(refusal)
        # Only new images get tags.
        assert set(subscription.changes()) <= {"PATCH Microsoft.Resources/tags/write"}
        for name in web(*range(1, 7)):
            assert EXPIRED_AT not in subscription.tags(version_id(name))

    def test_the_role_has_no_action_for_soft_deleted_versions(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        """If Azure denies reading them, images are retired, but no orphans are deleted."""
        subscription.load(**web_world())
        subscription.switch(deny=[UNLISTED])
        app = start_functions(**APPLY)
        for _ in range(3):
            assert app.run("prune-images").status == 200
            subscription.let_pass(days=7)
        assert subscription.soft_deleted() == web(2, 3, 4)
        invoked = app.run("reap-snapshots")
        assert invoked.status == 200
        refusal = invoked.answer["outcome"]["refusal"]
        assert [one["permission"] for one in refusal["sources"]] == [UNLISTED]

    def test_when_all_steps_fail_the_invocation_fails(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**web_world())
        subscription.switch(deny=["Microsoft.Resources/tags/write"])
        invoked = start_functions(azure_policy(), **APPLY).run("prune-images")
        assert invoked.status == 500
        assert "all steps failed (3)" in invoked.logs[-1]
        assert "Microsoft.Resources/tags/write" in invoked.logs[-1]


@pytest.mark.parametrize("schema", [event_grid, cloud_event])
class TestTagImage:
    def test_a_new_version_and_its_source_get_tags(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        subscription.load(**new_world())
        app = start_functions(**APPLY)
        invoked = app.deliver("tag-image", schema(NEW))
        assert invoked.status == 200, invoked.logs
        assert invoked.answer["answer"] == "tagged"
        assert subscription.tags(NEW) == {"ManagedBy": "image-steward"}
        assert subscription.tags(SOURCE) == {
            "ManagedBy": "image-steward",
            IMAGE: NEW.lower(),
        }
        # The event may be delivered again, and our own writes raise more events.
        subscription.forget_calls()
        again = app.deliver("tag-image", schema(NEW))
        assert (again.status, again.answer["tagged"]) == (200, [])
        assert subscription.changes() == []

    def test_the_event_of_a_managed_image(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        made = {"name": "base", "snapshot": "source"}
        subscription.load(images=[made], snapshots=[{"name": "source"}])
        image = compute_id("images", "base")
        invoked = start_functions(**APPLY).deliver("tag-image", schema(image.upper()))
        assert invoked.status == 200, invoked.logs
        assert subscription.tags(image) == {"ManagedBy": "image-steward"}
        assert subscription.tags(SOURCE)[IMAGE] == image.lower()

    def test_plan_mode_changes_nothing(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        subscription.load(**new_world())
        answer = start_functions().deliver("tag-image", schema(NEW)).answer
        tagged = {one["resource"] for one in answer["tagged"]}
        assert tagged == {NEW.lower(), SOURCE.lower()}
        assert subscription.changes() == []

    def test_an_incomplete_version_is_delivered_again(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        event = schema(NEW)
        subscription.load(**new_world(state="Creating"))
        app = start_functions(**APPLY)
        invoked = app.deliver("tag-image", event)
        assert invoked.status == 500
        assert "is still pending; retry the event" in invoked.logs[-1]
        assert subscription.changes() == []
        subscription.load(**new_world())
        assert app.deliver("tag-image", event).status == 200
        assert subscription.tags(NEW) == {"ManagedBy": "image-steward"}

    def test_the_event_of_an_update_is_not_delivered_again(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        """Our own steps update versions, and raise such events."""
        subscription.load(**new_world(state="Updating"))
        invoked = start_functions(**APPLY).deliver("tag-image", schema(NEW))
        assert (invoked.status, invoked.answer["answer"]) == (200, "ignored")
        assert subscription.changes() == []

    def test_a_version_that_is_not_visible_yet_or_no_longer_exists(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        subscription.load(**web_world())
        app = start_functions(**APPLY)
        invoked = app.deliver("tag-image", schema(NEW))
        assert invoked.status == 500
        assert "is not visible yet; retry the event" in invoked.logs[-1]
        old = app.deliver("tag-image", schema(NEW, age=1))
        assert old.status == 200
        assert "no longer exists" in old.answer["reason"]
        assert subscription.changes() == []

    def test_what_is_not_for_it_is_ignored_without_a_call(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        app = start_functions(**APPLY)
        theirs = version_id("golden/web/9.0.0", subscription=OTHER)
        kind = "eventType" if schema is event_grid else "type"
        events = [
            schema(theirs, subscription=OTHER),
            schema(NEW, subscriptionId=OTHER),
            schema(NEW, operationName="Microsoft.Compute/disks/write"),
            schema(NEW) | {kind: "Microsoft.Resources.ResourceDeleteSuccess"},
        ]
        for event in events:
            invoked = app.deliver("tag-image", event)
            assert invoked.status == 200, invoked.logs
            assert "event ignored" in invoked.logs[-1]
        assert subscription.calls() == []

    def test_what_is_malformed_is_delivered_again(
        self, subscription: Subscription, start_functions: StartFunctions, schema: Any
    ) -> None:
        app = start_functions(**APPLY)
        good = schema(NEW)
        other = version_id("golden/web/8.0.0")
        for event in (
            {},
            [],
            "event",
            "{",
            7,
            [good, good],
            good | {"subject": "golden/web/9.0.0"},
            good | {"data": None},
            schema(NEW, resourceUri=other),
            {name: one for name, one in good.items() if name != "subject"},
        ):
            assert app.deliver("tag-image", event).status == 400, event
        assert app.send("POST", "/tag-image", text="{").status == 400
        assert app.send("POST", "/tag-image", {"Data": {"timer": {}}}).status == 400
        assert subscription.calls() == []
        # It continues.
        assert app.send("GET", "/").status == 200


def test_the_documented_forms_of_the_data(
    subscription: Subscription, start_functions: StartFunctions
) -> None:
    """The data is JSON, text, or a list with one event."""
    subscription.load(**new_world())
    app = start_functions()
    event = event_grid(NEW)
    for data in (event, [event], json.dumps(event), json.dumps(json.dumps(event))):
        assert app.deliver("tag-image", data).status == 200
    assert app.send("GET", "/").logs == ["ready"]
    assert app.send("POST", "/other", invocation("other", timer=timer())).status == 404
    assert app.send("GET", "/prune-images").status == 405


def test_a_tag_event_takes_few_calls(
    subscription: Subscription, start_functions: StartFunctions
) -> None:
    """Independent of the number of images: Event Grid waits 30 seconds for the response."""
    subscription.load(**new_world())
    app = start_functions(**APPLY)
    app.deliver("tag-image", event_grid(NEW))
    counts = dict(subscription.call_counts())
    assert counts == {
        "Microsoft.Resources/subscriptions/read": 1,
        "Microsoft.Authorization/locks/read": 1,
        "Microsoft.Compute/galleries/read": 1,
        "Microsoft.Compute/galleries/images/read": 1,
        "Microsoft.Compute/galleries/images/versions/read": 1,
        "Microsoft.Compute/snapshots/read": 1,
        "Microsoft.Resources/tags/write": 2,
    }


def source_world(tag: str, generalized: bool = True) -> dict[str, Any]:
    """A virtual machine with the retire tag, and the version that was created from it."""
    asked = {"image-steward:retire-when-imaged": tag}
    built = {
        "name": "builder",
        "image": None,
        "created_at": ago(1),
        "generalized": generalized,
        "tags": asked,
    }
    new = version(9, 0, source_vm="builder")
    world = web_world(galleries=[gallery(version(1, 20), new)])
    machines = [*world["virtual_machines"], built]
    return world | {"virtual_machines": machines}


BUILDER = compute_id("virtualMachines", "builder").lower()


class TestRetireInstance:
    @pytest.mark.parametrize("tag", ["golden/web/9.0.0", NEW, NEW.lower()])
    @pytest.mark.parametrize("by", ["event", "schedule"])
    def test_a_generalized_machine_with_the_tag_is_deleted(
        self,
        subscription: Subscription,
        start_functions: StartFunctions,
        tag: str,
        by: str,
    ) -> None:
        subscription.load(**source_world(tag))
        app = start_functions(azure_policy(more=RETIRE), **APPLY)
        if by == "event":
            invoked = app.deliver("retire-instance", event_grid(NEW))
        else:
            invoked = app.run("retire-instance-sweep")
        assert invoked.status == 200, invoked.logs
        [retired] = invoked.answer["retired"]
        assert retired["instance_id"] == BUILDER
        assert BUILDER not in subscription.resources()
        assert compute_id("virtualMachines", "vm").lower() in subscription.resources()

    def test_no_other_machine_is_deleted(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        app = start_functions(azure_policy(more=RETIRE), **APPLY)
        for world in (
            source_world("golden/web/1.0.0"),
            source_world("golden/web/9.0.0", generalized=False),
        ):
            subscription.load(**world)
            assert app.run("retire-instance-sweep").status == 200
            assert app.deliver("retire-instance", event_grid(NEW)).status == 200
            assert subscription.changes() == []
        # The policy does not allow it.
        subscription.load(**source_world("golden/web/9.0.0"))
        app = start_functions(azure_policy(), **APPLY)
        invoked = app.run("retire-instance-sweep")
        assert [one["instance_id"] for one in invoked.answer["kept"]] == [BUILDER]
        assert subscription.changes() == []


def test_orphans_are_tagged_and_then_deleted(
    subscription: Subscription, start_functions: StartFunctions
) -> None:
    gone = canonical("golden/web/77.0.0")
    source = {"name": "source", "created_at": ago(90), "tags": {IMAGE: gone}}
    world = web_world(galleries=[gallery(version(1, 9), version(2, 8))])
    subscription.load(**world, snapshots=[source])
    rules = azure_policy(safety='recycle_bin = "optional"', more=ORPHANS)
    app = start_functions(rules, **APPLY)
    assert app.run("reap-snapshots").answer["orphans"] == [SOURCE.lower()]
    assert DELETE_AFTER in subscription.tags(SOURCE)
    subscription.let_pass(days=2)
    assert app.run("reap-snapshots").answer["due"] == [SOURCE.lower()]
    assert SOURCE.lower() not in subscription.resources()


class TestConcurrency:
    def test_a_second_sweep_is_rejected_and_an_event_is_not(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**new_world())
        subscription.switch(latency_seconds=0.3)
        app = start_functions(**APPLY)
        with ThreadPoolExecutor(3) as threads:
            first = threads.submit(app.run, "prune-images")
            while not subscription.calls():
                pass
            event = threads.submit(app.deliver, "tag-image", event_grid(NEW))
            second = app.run("prune-images")
            assert second.status == 503
            assert "this function runs already" in second.logs[-1]
            assert event.result().status == 200
            assert first.result().status == 200
        assert app.run("prune-images").status == 200

    def test_two_events_at_once(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        versions = [version(number, 0) for number in (8, 9)]
        subscription.load(**web_world(galleries=[gallery(*versions)]))
        subscription.switch(latency_seconds=0.1)
        app = start_functions(**APPLY)
        ids = [version_id(f"golden/web/{number}.0.0") for number in (8, 9)]
        with ThreadPoolExecutor(2) as threads:
            events = [event_grid(one) for one in ids]
            done = list(threads.map(lambda one: app.deliver("tag-image", one), events))
        assert [one.status for one in done] == [200, 200]
        for one in ids:
            assert subscription.tags(one)["ManagedBy"] == "image-steward"
        # Both waited for the same connection.
        assert len(app.lines("connected")) == 1
