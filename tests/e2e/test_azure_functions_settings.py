"""The functions of Azure: their identity, settings and policy."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from azure_app import APPLY, StartFunctions, decided
from azure_worlds import azure_policy, web, web_world
from binaries import binary
from local_azure import ID, Subscription, TokenServer, azure_environment
from process import Died


class TestIdentity:
    def test_the_token_is_of_the_managed_identity(
        self,
        subscription: Subscription,
        start_functions: StartFunctions,
        managed_identity: TokenServer,
    ) -> None:
        """Other credentials in the environment are never taken."""
        subscription.load(**web_world())
        client = "44444444-4444-4444-4444-444444444444"
        others = {
            "AZURE_TENANT_ID": "33333333-3333-3333-3333-333333333333",
            "AZURE_CLIENT_SECRET": "not-a-secret",
            "AZURE_CLIENT_ID": client,
        }
        app = start_functions(**others)
        for _ in range(2):
            assert app.run("prune-images").status == 200
        [request] = managed_identity.requests
        assert request["resource"] == subscription.url
        assert request["client_id"] == client
        [connected] = app.lines("connected")
        assert connected["credentials"] == "managed-identity"
        assert "not-a-secret" not in app.process.said()
        agents = {one["agent"] for one in subscription.calls()}
        assert all("image-steward.functions" in agent for agent in agents)

    def test_a_failed_connection_fails_the_invocation_and_the_next_one_connects(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        subscription.load(**web_world())
        app = start_functions()
        subscription.switch(deny_subscriptions=[ID])
        invoked = app.run("prune-images")
        assert invoked.status == 500
        assert "cannot connect to Azure" in invoked.logs[-1]
        subscription.switch()
        assert app.run("prune-images").status == 200

    def test_a_refused_identity_fails_the_invocation(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        invoked = start_functions(IDENTITY_HEADER="wrong").run("prune-images")
        assert invoked.status == 500
        assert "cannot connect to Azure" in invoked.logs[-1]
        assert subscription.calls() == []

    def test_an_unknown_certificate_fails_the_invocation(
        self, subscription: Subscription, start_functions: StartFunctions, tmp_path: Any
    ) -> None:
        other = Subscription()
        with other:
            invoked = start_functions(SSL_CERT_FILE=str(other.ca_file)).run(
                "prune-images"
            )
        assert invoked.status == 500
        assert subscription.calls() == []


class TestSettings:
    def test_the_policy_comes_from_a_file_in_the_package(
        self, subscription: Subscription, start_functions: StartFunctions, tmp_path: Any
    ) -> None:
        subscription.load(**web_world())
        file = tmp_path / "policy.toml"
        app = start_functions(STEWARD_POLICY=f"file:{file}")
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
        start_functions: StartFunctions,
        policy: str,
        settings: dict[str, str],
        says: str,
    ) -> None:
        subscription.load(**web_world())
        app = start_functions(policy, **settings, **APPLY)
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
        self,
        start_functions: StartFunctions,
        settings: dict[str, str | None],
        says: str,
    ) -> None:
        with pytest.raises(Died, match="cannot start") as died:
            start_functions(**settings)
        assert says in str(died.value)

    def test_a_port_in_use_ends_the_program(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        app = start_functions()
        with pytest.raises(Died, match="cannot listen on port"):
            start_functions(FUNCTIONS_CUSTOMHANDLER_PORT=str(app.port))

    def test_it_listens_on_the_loopback_interface_only(
        self, subscription: Subscription, start_functions: StartFunctions
    ) -> None:
        app = start_functions()
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
