"""The functions of Azure: the real program, which gets what the Functions host sends, and the local
subscription with the token endpoint of a managed identity."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from azure_app import FunctionApp, Invoked, cloud_event, event_grid, invocation, timer
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
from binaries import ROOT, binary
from local_azure import (
    ID,
    OTHER,
    Subscription,
    TokenServer,
    azure_environment,
    compute_id,
    version_id,
)
from process import Died
from worlds import ago

APPLY = {"STEWARD_MODE": "apply"}
TAGS = '[tagging]\nset = { ManagedBy = "image-steward" }\n'
RETIRE = '[instances]\nretire = "terminate"\n'
ORPHANS = '[orphans]\ndelete_after = "1d"\n'
NEW = version_id("golden/web/9.0.0")
SOURCE = compute_id("snapshots", "source")
ACTIONS = json.loads((ROOT / "infra/azure/actions.json").read_text())
UNLISTED = (
    "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions/read"
)
"""Called by sweeps, but in no published list of actions, so that no role can contain it."""


class Start(Protocol):
    """Starts the functions with a policy and settings."""

    def __call__(self, policy: str = ..., **settings: str | None) -> FunctionApp: ...


@pytest.fixture
def identity() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def start(subscription: Subscription, identity: TokenServer) -> Iterator[Start]:
    """Starts the functions. After the test, they only made calls that their role allows."""
    modes = []
    with ExitStack() as running:

        def start(
            policy: str = azure_policy(more=TAGS), **settings: str | None
        ) -> FunctionApp:
            modes.append(settings.get("STEWARD_MODE"))
            given = identity.variables | settings
            return running.enter_context(FunctionApp(subscription, policy, **given))

        yield start
        calls = subscription.calls()
    ours = {one["operation"] for one in calls if "image-steward" in one["agent"]}
    allowed = {UNLISTED, *ACTIONS["plan"]}
    if "apply" in modes:
        allowed = allowed.union(*ACTIONS.values())
    assert ours <= allowed


def new_world(**more: Any) -> dict[str, Any]:
    """A subscription in which the version 9.0.0 was just created from a snapshot."""
    new = version(9, 0, os_disk_source="snapshot:source") | more
    made = gallery(version(1, 20), version(2, 10), new)
    return web_world(
        galleries=[made], snapshots=[{"name": "source", "created_at": ago(1)}]
    )


def decided(invoked: Invoked) -> dict[str, str]:
    """The actions of a sweep of the images, by short name."""
    assert invoked.status == 200, invoked.logs
    found = invoked.answer["decisions"]
    return {"/".join(one["image_id"].split("/")[8::2]): one["action"] for one in found}


class TestPruneImages:
    def test_plan_mode_changes_nothing(
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**web_world())
        before = subscription.world()["resources"]
        app = start()
        for _ in range(2):
            invoked = app.run("prune-images")
            assert decided(invoked) == dict.fromkeys(web(2, 3, 4), "deprecate")
            assert invoked.answer["mode"] == "plan"
        assert subscription.changes() == []
        assert subscription.world()["resources"] == before

    def test_versions_are_retired_over_days(
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**web_world())
        app = start(**APPLY)
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
        self, subscription: Subscription, start: Start
    ) -> None:
        """A sweep uses nothing that an earlier one read, however short ago that was."""
        subscription.load(**web_world())
        app = start(**APPLY)
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
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**web_world())
        subscription.switch(deny=["Microsoft.Compute/virtualMachines/read"])
        app = start(azure_policy(), **APPLY)
        invoked = app.run("prune-images")
        assert "Microsoft.Compute/virtualMachines/read" in json.dumps(invoked.logs)
        assert subscription.changes() == []

    def test_the_role_has_no_action_for_soft_deleted_versions(
        self, subscription: Subscription, start: Start
    ) -> None:
        """If Azure denies reading them, images are retired, but no orphans are deleted."""
        subscription.load(**web_world())
        subscription.switch(deny=[UNLISTED])
        app = start(**APPLY)
        for _ in range(3):
            assert app.run("prune-images").status == 200
            subscription.let_pass(days=7)
        assert subscription.soft_deleted() == web(2, 3, 4)
        invoked = app.run("reap-snapshots")
        assert invoked.status == 200
        refusal = invoked.answer["outcome"]["refusal"]
        assert [one["permission"] for one in refusal["sources"]] == [UNLISTED]

    def test_when_all_steps_fail_the_invocation_fails(
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**web_world())
        subscription.switch(deny=["Microsoft.Resources/tags/write"])
        invoked = start(azure_policy(), **APPLY).run("prune-images")
        assert invoked.status == 500
        assert "all steps failed (3)" in invoked.logs[-1]
        assert "Microsoft.Resources/tags/write" in invoked.logs[-1]


@pytest.mark.parametrize("schema", [event_grid, cloud_event])
class TestTagImage:
    def test_a_new_version_and_its_source_get_tags(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        subscription.load(**new_world())
        app = start(**APPLY)
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
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        made = {"name": "base", "snapshot": "source"}
        subscription.load(images=[made], snapshots=[{"name": "source"}])
        image = compute_id("images", "base")
        invoked = start(**APPLY).deliver("tag-image", schema(image.upper()))
        assert invoked.status == 200, invoked.logs
        assert subscription.tags(image) == {"ManagedBy": "image-steward"}
        assert subscription.tags(SOURCE)[IMAGE] == image.lower()

    def test_plan_mode_changes_nothing(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        subscription.load(**new_world())
        answer = start().deliver("tag-image", schema(NEW)).answer
        tagged = {one["resource"] for one in answer["tagged"]}
        assert tagged == {NEW.lower(), SOURCE.lower()}
        assert subscription.changes() == []

    def test_an_incomplete_version_is_delivered_again(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        event = schema(NEW)
        subscription.load(**new_world(state="Creating"))
        app = start(**APPLY)
        invoked = app.deliver("tag-image", event)
        assert invoked.status == 500
        assert "is still pending; retry the event" in invoked.logs[-1]
        assert subscription.changes() == []
        subscription.load(**new_world())
        assert app.deliver("tag-image", event).status == 200
        assert subscription.tags(NEW) == {"ManagedBy": "image-steward"}

    def test_the_event_of_an_update_is_not_delivered_again(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        """Our own steps update versions, and raise such events."""
        subscription.load(**new_world(state="Updating"))
        invoked = start(**APPLY).deliver("tag-image", schema(NEW))
        assert (invoked.status, invoked.answer["answer"]) == (200, "ignored")
        assert subscription.changes() == []

    def test_a_version_that_is_not_visible_yet_or_no_longer_exists(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        subscription.load(**web_world())
        app = start(**APPLY)
        invoked = app.deliver("tag-image", schema(NEW))
        assert invoked.status == 500
        assert "is not visible yet; retry the event" in invoked.logs[-1]
        old = app.deliver("tag-image", schema(NEW, age=1))
        assert old.status == 200
        assert "no longer exists" in old.answer["reason"]
        assert subscription.changes() == []

    def test_what_is_not_for_it_is_ignored_without_a_call(
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        app = start(**APPLY)
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
        self, subscription: Subscription, start: Start, schema: Any
    ) -> None:
        app = start(**APPLY)
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
    subscription: Subscription, start: Start
) -> None:
    """The data is JSON, text, or a list with one event."""
    subscription.load(**new_world())
    app = start()
    event = event_grid(NEW)
    for data in (event, [event], json.dumps(event), json.dumps(json.dumps(event))):
        assert app.deliver("tag-image", data).status == 200
    assert app.send("GET", "/").logs == ["ready"]
    assert app.send("POST", "/other", invocation("other", timer=timer())).status == 404
    assert app.send("GET", "/prune-images").status == 405


def test_a_tag_event_takes_few_calls(subscription: Subscription, start: Start) -> None:
    """Independent of the number of images: Event Grid waits 30 seconds for the response."""
    subscription.load(**new_world())
    app = start(**APPLY)
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
        self, subscription: Subscription, start: Start, tag: str, by: str
    ) -> None:
        subscription.load(**source_world(tag))
        app = start(azure_policy(more=RETIRE), **APPLY)
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
        self, subscription: Subscription, start: Start
    ) -> None:
        app = start(azure_policy(more=RETIRE), **APPLY)
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
        app = start(azure_policy(), **APPLY)
        invoked = app.run("retire-instance-sweep")
        assert [one["instance_id"] for one in invoked.answer["kept"]] == [BUILDER]
        assert subscription.changes() == []


def test_orphans_are_tagged_and_then_deleted(
    subscription: Subscription, start: Start
) -> None:
    gone = canonical("golden/web/77.0.0")
    source = {"name": "source", "created_at": ago(90), "tags": {IMAGE: gone}}
    world = web_world(galleries=[gallery(version(1, 9), version(2, 8))])
    subscription.load(**world, snapshots=[source])
    rules = azure_policy(safety='recycle_bin = "optional"', more=ORPHANS)
    app = start(rules, **APPLY)
    assert app.run("reap-snapshots").answer["orphans"] == [SOURCE.lower()]
    assert DELETE_AFTER in subscription.tags(SOURCE)
    subscription.let_pass(days=2)
    assert app.run("reap-snapshots").answer["due"] == [SOURCE.lower()]
    assert SOURCE.lower() not in subscription.resources()


class TestConcurrency:
    def test_a_second_sweep_is_rejected_and_an_event_is_not(
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**new_world())
        subscription.switch(latency_seconds=0.3)
        app = start(**APPLY)
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

    def test_two_events_at_once(self, subscription: Subscription, start: Start) -> None:
        versions = [version(number, 0) for number in (8, 9)]
        subscription.load(**web_world(galleries=[gallery(*versions)]))
        subscription.switch(latency_seconds=0.1)
        app = start(**APPLY)
        ids = [version_id(f"golden/web/{number}.0.0") for number in (8, 9)]
        with ThreadPoolExecutor(2) as threads:
            events = [event_grid(one) for one in ids]
            done = list(threads.map(lambda one: app.deliver("tag-image", one), events))
        assert [one.status for one in done] == [200, 200]
        for one in ids:
            assert subscription.tags(one) == {"ManagedBy": "image-steward"}
        # Both waited for the same connection.
        assert len(app.lines("connected")) == 1


class TestIdentity:
    def test_the_token_is_of_the_managed_identity(
        self, subscription: Subscription, start: Start, identity: TokenServer
    ) -> None:
        """Other credentials in the environment are never taken."""
        subscription.load(**web_world())
        client = "44444444-4444-4444-4444-444444444444"
        others = {
            "AZURE_TENANT_ID": "33333333-3333-3333-3333-333333333333",
            "AZURE_CLIENT_SECRET": "not-a-secret",
            "AZURE_CLIENT_ID": client,
        }
        app = start(**others)
        for _ in range(2):
            assert app.run("prune-images").status == 200
        [request] = identity.requests
        assert request["resource"] == subscription.url
        assert request["client_id"] == client
        [connected] = app.lines("connected")
        assert connected["credentials"] == "managed-identity"
        assert "not-a-secret" not in app.process.said()
        agents = {one["agent"] for one in subscription.calls()}
        assert all("image-steward.functions" in agent for agent in agents)

    def test_a_failed_connection_fails_the_invocation_and_the_next_one_connects(
        self, subscription: Subscription, start: Start
    ) -> None:
        subscription.load(**web_world())
        app = start()
        subscription.switch(deny_subscriptions=[ID])
        invoked = app.run("prune-images")
        assert invoked.status == 500
        assert "cannot connect to Azure" in invoked.logs[-1]
        subscription.switch()
        assert app.run("prune-images").status == 200

    def test_a_refused_identity_fails_the_invocation(
        self, subscription: Subscription, start: Start
    ) -> None:
        invoked = start(IDENTITY_HEADER="wrong").run("prune-images")
        assert invoked.status == 500
        assert "cannot connect to Azure" in invoked.logs[-1]
        assert subscription.calls() == []

    def test_an_unknown_certificate_fails_the_invocation(
        self, subscription: Subscription, start: Start, tmp_path: Any
    ) -> None:
        other = Subscription()
        with other:
            invoked = start(SSL_CERT_FILE=str(other.ca_file)).run("prune-images")
        assert invoked.status == 500
        assert subscription.calls() == []


class TestSettings:
    def test_the_policy_comes_from_a_file_in_the_package(
        self, subscription: Subscription, start: Start, tmp_path: Any
    ) -> None:
        subscription.load(**web_world())
        file = tmp_path / "policy.toml"
        app = start(STEWARD_POLICY=f"file:{file}")
        missing = app.run("prune-images")
        assert missing.status == 500
        assert f"cannot read the policy {file}" in missing.logs[-1]
        file.write_text(azure_policy())
        assert decided(app.run("prune-images")).keys() == web(2, 3, 4)

    @pytest.mark.parametrize(
        ("policy", "settings", "says"),
        [
            (azure_policy(keep="lost = 2"), {}, "lost"),
            (azure_policy(keep='launched_within = "9d"'), {}, "launched_within"),
            (
                azure_policy(),
                {"STEWARD_POLICY_DIGEST": f"sha256:{7:064}"},
                "parameter policyDigest",
            ),
        ],
    )
    def test_a_policy_that_cannot_be_used_fails_the_invocation(
        self,
        subscription: Subscription,
        start: Start,
        policy: str,
        settings: dict[str, str],
        says: str,
    ) -> None:
        subscription.load(**web_world())
        app = start(policy, **settings, **APPLY)
        invoked = app.run("prune-images")
        assert invoked.status == 500
        assert says in invoked.logs[-1]
        assert subscription.calls() == []
        [failed] = app.lines("failed")
        assert says in failed["error"]
        assert failed["invocation_id"]

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"STEWARD_MODE": "yes"}, "STEWARD_MODE is `yes`; use `plan` or `apply`"),
            ({"STEWARD_POLICY": None}, "STEWARD_POLICY is not set"),
            ({"STEWARD_SUBSCRIPTION": "123456789012"}, "STEWARD_SUBSCRIPTION is"),
            ({"STEWARD_TEMPLATE": "2"}, "the package of the same release"),
            ({"FUNCTIONS_CUSTOMHANDLER_PORT": None}, "FUNCTIONS_CUSTOMHANDLER_PORT"),
            ({"STEWARD_ENDPOINT_URL": "http://127.0.0.1:1"}, "https://"),
        ],
    )
    def test_invalid_settings_end_the_program(
        self, start: Start, settings: dict[str, str | None], says: str
    ) -> None:
        with pytest.raises(Died, match="cannot start") as died:
            start(**settings)
        assert says in str(died.value)

    def test_a_port_in_use_ends_the_program(
        self, subscription: Subscription, start: Start
    ) -> None:
        app = start()
        with pytest.raises(Died, match="cannot listen on port"):
            start(FUNCTIONS_CUSTOMHANDLER_PORT=str(app.port))

    def test_it_listens_on_the_loopback_interface_only(
        self, subscription: Subscription, start: Start
    ) -> None:
        app = start()
        hexadecimal = f":{app.port:04X}"
        with open("/proc/net/tcp") as sockets:
            rows = [line.split() for line in sockets]
        listening = [one[1] for one in rows if one[1].endswith(hexadecimal)]
        assert listening
        assert all(one.startswith("0100007F:") for one in listening)


def test_the_program_needs_no_arguments_and_no_setting_to_fail_clearly(
    subscription: Subscription,
) -> None:
    done = subprocess.run(
        [str(binary("steward-functions-azure"))],
        env=azure_environment(subscription, {}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    [line] = map(json.loads, done.stdout.splitlines())
    assert (line["level"], line["message"]) == ("ERROR", "cannot start")
    assert "FUNCTIONS_CUSTOMHANDLER_PORT is not set" in line["error"]
