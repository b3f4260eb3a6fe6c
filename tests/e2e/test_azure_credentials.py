"""Credentials for Azure: which kind is taken, and what the command says if it does not work."""

from __future__ import annotations

import pytest

from azure_worlds import web_world
from harness import DONE, FAILED
from local_azure import (
    ID,
    OTHER,
    Subscription,
    TokenServer,
    azure_environment,
    azure_steward,
)

SECRET = {
    "AZURE_TENANT_ID": "33333333-3333-3333-3333-333333333333",
    "AZURE_CLIENT_ID": "44444444-4444-4444-4444-444444444444",
    "AZURE_CLIENT_SECRET": "not-a-secret",
}


def test_the_azure_cli_is_the_default(subscription: Subscription) -> None:
    subscription.load(**web_world())
    before = len(subscription.az_calls())
    done = azure_steward(subscription, "inventory")
    assert done.returncode == DONE, done.stderr
    assert "credentials: azure-cli" in done.stderr
    # One token serves all calls of a run. Its audience is the endpoint itself, so that a wrong
    # endpoint never receives a token for Azure.
    [call] = subscription.az_calls()[before:]
    assert (
        call == f"account get-access-token -o json --scope {subscription.url}/.default"
    )


def test_a_managed_identity_is_taken_if_its_variables_are_set(
    subscription: Subscription,
) -> None:
    subscription.load(**web_world())
    subscription.log_out()
    with TokenServer() as server:
        done = azure_steward(subscription, "inventory", **server.variables)
        assert done.returncode == DONE, done.stderr
        assert "credentials: managed-identity" in done.stderr
        [request] = server.requests
        assert request["resource"] == subscription.url
        user = {"AZURE_CLIENT_ID": SECRET["AZURE_CLIENT_ID"]}
        done = azure_steward(subscription, "inventory", **server.variables, **user)
        assert done.returncode == DONE, done.stderr
        assert server.requests[-1]["client_id"] == user["AZURE_CLIENT_ID"]


def test_the_option_overrides_the_variables(subscription: Subscription) -> None:
    subscription.load(**web_world())
    with TokenServer() as server:
        arguments = ("inventory", "--credentials", "azure-cli")
        done = azure_steward(subscription, *arguments, **server.variables)
        assert done.returncode == DONE, done.stderr
        assert "credentials: azure-cli" in done.stderr
        assert server.requests == []


def test_no_other_kind_is_tried_after_a_failure(subscription: Subscription) -> None:
    """A run must never continue as somebody else."""
    subscription.load(**web_world())
    before = len(subscription.az_calls())
    with TokenServer() as server:
        wrong = server.variables | {"IDENTITY_HEADER": "wrong"}
        done = azure_steward(subscription, "inventory", **wrong)
    assert done.returncode == FAILED
    assert "managed identity" in done.stderr.lower().replace(
        "managedidentity", "managed identity"
    )
    assert len(subscription.az_calls()) == before
    assert subscription.calls() == []


def test_a_logged_out_azure_cli_is_one_clear_line(subscription: Subscription) -> None:
    subscription.log_out()
    done = azure_steward(subscription, "inventory")
    assert done.returncode == FAILED
    assert "az login" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert subscription.calls() == []


def test_without_the_azure_cli_the_error_says_so(subscription: Subscription) -> None:
    done = azure_steward(subscription, "inventory", PATH="/nowhere")
    assert done.returncode == FAILED
    assert "az not found on PATH" in done.stderr


@pytest.mark.parametrize("missing", ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"])
def test_incomplete_variables_name_the_missing_one(
    subscription: Subscription, missing: str
) -> None:
    given = {name: value for name, value in SECRET.items() if name != missing}
    done = azure_steward(subscription, "inventory", **given)
    assert done.returncode == FAILED
    assert f"{missing} is not set" in done.stderr
    assert subscription.calls() == []


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        ("environment", "AZURE_CLIENT_SECRET"),
        ("workload-identity", "AZURE_CLIENT_ID"),
    ],
)
def test_a_kind_without_its_variables_names_one(
    subscription: Subscription, kind: str, variable: str
) -> None:
    done = azure_steward(subscription, "inventory", "--credentials", kind)
    assert done.returncode == FAILED
    assert f"{variable} is not set" in done.stderr


def test_a_rejected_token_is_an_error_about_the_credentials(
    subscription: Subscription,
) -> None:
    subscription.load(**web_world())
    rejected = {"status": 401, "code": "InvalidAuthenticationToken", "message": "no"}
    subscription.switch(faults=[rejected])
    done = azure_steward(subscription, "inventory")
    assert done.returncode == FAILED
    assert "Microsoft.Resources/subscriptions/read" in done.stderr


def test_a_token_that_expires_during_a_run_is_renewed(
    subscription: Subscription,
) -> None:
    subscription.load(**web_world())
    expired = {
        "status": 401,
        "code": "ExpiredAuthenticationToken",
        "operation": "Microsoft.Compute/galleries/read",
        "nth": 1,
    }
    subscription.switch(faults=[expired])
    before = len(subscription.az_calls())
    done = azure_steward(subscription, "inventory")
    assert done.returncode == DONE, done.stderr
    assert len(subscription.az_calls()) - before == 2


@pytest.mark.parametrize(
    "world",
    [{}, {"subscriptions": [{"id": ID}, {"id": OTHER, "readable": False}]}],
    ids=["unknown", "unreadable"],
)
def test_a_subscription_that_cannot_be_read_is_named(
    subscription: Subscription, world: dict[str, object]
) -> None:
    subscription.load(**world)
    done = azure_steward(subscription, "inventory", subscription=OTHER)
    assert done.returncode == FAILED
    assert OTHER in done.stderr
    # It fails with the first call.
    assert len(subscription.calls()) == 1


def test_a_certificate_of_an_unknown_authority_is_rejected(
    subscription: Subscription,
) -> None:
    done = azure_steward(subscription, "inventory", SSL_CERT_FILE=None)
    assert done.returncode == FAILED
    assert "certificate" in done.stderr.lower()
    assert subscription.calls() == []


def test_an_endpoint_without_tls_is_rejected(subscription: Subscription) -> None:
    done = azure_steward(
        subscription, "inventory", "--endpoint-url", "http://127.0.0.1:9"
    )
    assert done.returncode != DONE
    assert subscription.calls() == []


def test_no_secret_is_printed(subscription: Subscription) -> None:
    subscription.load(**web_world())
    done = azure_steward(subscription, "inventory", "-vv", **SECRET)
    said = done.stdout + done.stderr
    assert SECRET["AZURE_CLIENT_SECRET"] not in said
    done = azure_steward(subscription, "inventory", "-vv")
    assert "of-the-azure-cli" not in done.stdout + done.stderr


def test_the_environment_of_the_tests_has_no_credentials(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*SECRET, "IDENTITY_ENDPOINT", "ARM_CLIENT_SECRET"):
        monkeypatch.setenv(name, "theirs")
    environment = azure_environment(subscription, {})
    assert "theirs" not in environment.values()
