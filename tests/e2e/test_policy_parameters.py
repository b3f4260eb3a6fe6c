"""The functions' policy in Systems Manager parameters, and settings that do not match it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from binaries import binary
from events import image_event, scheduled_event
from harness import FUNCTIONS, Account, Runtime
from outcomes import taken
from process import Died
from worlds import (
    DUE,
    TAGS,
    ami,
    image,
    image_ids,
    policy,
    recycled,
    snap,
    tagged_snapshot,
    web_fleet,
)

APPLY = {"STEWARD_MODE": "apply"}
OLD = "i-00000000000000077"
STOP = '[instances]\nretire = "stop"'


def digest_of(text: str) -> str:
    """The output of `validate` for the policy."""
    command = [
        str(binary("image-steward")),
        "validate",
        "--policy",
        "-",
        "--format",
        "json",
    ]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return json.loads(done.stdout)["digest"]


def parts_of(text: str, count: int) -> list[str]:
    """The text in this many parts, split at line ends."""
    lines = text.splitlines()
    ends = [len(lines) * number // count for number in range(count + 1)]
    return ["\n".join(lines[a:b]) for a, b in pairwise(ends)]


def in_parts(text: str, count: int) -> list[dict[str, str]]:
    """The parameters of a policy with this many parts."""
    parts = enumerate(parts_of(text, count), start=1)
    return [{"name": f"/p/{number}", "value": part} for number, part in parts]


def busy_fleet() -> dict[str, Any]:
    """There is something to change for each function."""
    fleet = web_fleet()
    made = image(9, 0, source_instance=OLD, snapshots=[snap(9)])
    tags = {"image-steward:retire-when-imaged": "web-9"}
    old = {"instance_id": OLD, "image_id": ami(1), "tags": tags}
    return fleet | {
        "images": [*fleet["images"], made],
        "instances": [*fleet["instances"], old],
        "snapshots": [tagged_snapshot(31, 40)],
        "recycled_images": [recycled(40)],
    }


def event_for(name: str) -> dict[str, Any]:
    """An event on which the function changes something in the busy fleet."""
    if name in ("tag-image", "retire-instance"):
        return image_event(ami(9), "available")
    return scheduled_event()


def rules() -> str:
    """A policy with which each function changes something in the busy fleet."""
    return policy(tagging=TAGS, more=STOP)


@pytest.fixture(params=FUNCTIONS)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


def changes_nothing(
    account: Account, runtime: Runtime, name: str, **settings: str
) -> str:
    """The error of the function, which is also logged. Before it, the function read only the
    policy."""
    before = account.fleet()
    account.forget_calls()
    runtime.start(name, **settings | APPLY)
    answer = runtime.invoke(name, event_for(name))
    # On Lambda, the function's ARN contains the account. Here it calls STS.
    allowed = {"sts:GetCallerIdentity", "ssm:GetParameters"}
    assert {call["action"] for call in account.calls()} == allowed
    assert account.fleet() == before
    # lambda_runtime logs it again, with another message.
    [logged] = [one for one in runtime.logs(name) if one["message"] == "failed"]
    assert (logged["level"], logged["error"]) == ("ERROR", answer["errorMessage"])
    return answer["errorMessage"]


@pytest.mark.parametrize("place", ["ssm:/p/1", "ssm:/p#3", "ssm:/p#10"])
def test_each_function_reads_its_policy_with_one_call(
    account: Account, runtime: Runtime, name: str, place: str
) -> None:
    count = int(place.partition("#")[2] or 1)
    account.load(busy_fleet() | {"ssm_parameters": in_parts(rules(), count)})
    told = {"STEWARD_POLICY": place, "STEWARD_POLICY_DIGEST": digest_of(rules())}
    runtime.start(name, **told, STEWARD_TEMPLATE="1", **APPLY)
    answer = runtime.invoke(name, event_for(name))
    assert "errorMessage" not in answer, answer
    assert account.mutating_calls() != []
    [call] = [one for one in account.calls() if one["action"].startswith("ssm:")]
    assert call["action"] == "ssm:GetParameters"
    assert call["params"]["Names"] == [f"/p/{n + 1}" for n in range(count)]


def test_the_joined_parts_are_the_policy(account: Account, runtime: Runtime) -> None:
    account.load(web_fleet() | {"ssm_parameters": in_parts(rules(), 10)})
    told = {"STEWARD_POLICY": "ssm:/p#10", "STEWARD_POLICY_DIGEST": digest_of(rules())}
    runtime.start("prune-images", **told, **APPLY)
    outcome = runtime.invoke("prune-images", scheduled_event())["outcome"]
    assert set(taken(outcome, "deregister")) == set(DUE)
    assert image_ids(account.fleet()).isdisjoint(DUE)


def test_a_line_in_an_error_is_that_of_the_joined_parts(
    account: Account, runtime: Runtime
) -> None:
    text = rules().replace("max_fraction", "max_friction")
    line = 1 + text[: text.index("max_friction")].count("\n")
    account.load(busy_fleet() | {"ssm_parameters": in_parts(text, 3)})
    told = {"STEWARD_POLICY": "ssm:/p#3", "STEWARD_POLICY_DIGEST": digest_of(rules())}
    error = changes_nothing(account, runtime, "prune-images", **told)
    assert f"/p/1 to /p/3 joined:{line}:" in error


def test_missing_parts_are_named(account: Account, runtime: Runtime, name: str) -> None:
    [first, _, _, last] = in_parts(rules(), 4)
    account.load(busy_fleet() | {"ssm_parameters": [first, last]})
    told = {"STEWARD_POLICY": "ssm:/p#4", "STEWARD_POLICY_DIGEST": digest_of(rules())}
    error = changes_nothing(account, runtime, name, **told)
    assert "parameters /p/2, /p/3 do not exist in this account and Region" in error
    assert error.endswith("create them")


def test_parts_of_two_policies_are_not_mixed(
    account: Account, runtime: Runtime, name: str
) -> None:
    """While somebody writes the parts, the existing ones may be a valid policy that nobody
    intended."""
    new = rules().replace("last = 2", "last = 1").replace("n = 1.0", "n = 0.9")
    account.load(busy_fleet() | {"ssm_parameters": in_parts(rules(), 2)})
    later = in_parts(new, 2)
    account.control("PATCH", "fleet", {"ssm_parameters": later[:1]})
    told = {"STEWARD_POLICY": "ssm:/p#2", "STEWARD_POLICY_DIGEST": digest_of(new)}
    error = changes_nothing(account, runtime, name, **told)
    assert f"STEWARD_POLICY_DIGEST is {digest_of(new)}" in error
    assert "validate the whole policy, and deploy its digest" in error
    account.control("PATCH", "fleet", {"ssm_parameters": later[1:]})
    answer = runtime.invoke(name, event_for(name))
    assert "errorMessage" not in answer, answer
    assert account.mutating_calls() != []


def test_a_policy_is_not_cut(account: Account, runtime: Runtime, name: str) -> None:
    """The first parts alone are a valid policy, without the protections in the last one."""
    text = rules() + '\n[safety.keep_tags]\nLegal-Hold = "*"\n'
    lines = text.splitlines()
    parts = ["\n".join(lines[:4]), "\n".join(lines[4:-2]), "\n".join(lines[-2:])]
    assert digest_of("\n".join(parts)) == digest_of(text)
    assert digest_of("\n".join(parts[:2])) != digest_of(text)
    stored = [{"name": f"/p/{n + 1}", "value": part} for n, part in enumerate(parts)]
    account.load(busy_fleet() | {"ssm_parameters": stored})
    told = {"STEWARD_POLICY": "ssm:/p#2", "STEWARD_POLICY_DIGEST": digest_of(text)}
    error = changes_nothing(account, runtime, name, **told)
    assert "parts were added" in error


def test_one_parameter_is_held_to_its_digest_too(
    account: Account, runtime: Runtime, name: str
) -> None:
    account.load(busy_fleet() | {"ssm_parameters": [{"name": "/p", "value": rules()}]})
    other = digest_of(rules().replace("last = 2", "last = 1"))
    told = {"STEWARD_POLICY": "ssm:/p", "STEWARD_POLICY_DIGEST": other}
    error = changes_nothing(account, runtime, name, **told)
    assert f"the policy has the digest {digest_of(rules())}" in error


def test_a_secret_is_not_decrypted(account: Account, runtime: Runtime) -> None:
    secret = {"name": "/p", "value": rules(), "type": "SecureString"}
    account.load(busy_fleet() | {"ssm_parameters": [secret]})
    error = changes_nothing(account, runtime, "prune-images", STEWARD_POLICY="ssm:/p")
    assert "/p is of type SecureString" in error
    assert "only from type String" in error


def test_a_prefix_that_the_role_does_not_have_stops_everything(
    account: Account, runtime: Runtime, name: str
) -> None:
    text = rules().replace("[tagging]", '[tagging]\nprefix = "corp:"')
    account.load(busy_fleet() | {"ssm_parameters": [{"name": "/p", "value": text}]})
    told = {"STEWARD_POLICY": "ssm:/p", "STEWARD_TAG_PREFIX": "image-steward:"}
    error = changes_nothing(account, runtime, name, **told)
    assert "tagging.prefix is `corp:`" in error
    assert "tags with the prefix `image-steward:`" in error
    assert "run `make deploy`" in error
    told["STEWARD_TAG_PREFIX"] = "corp:"
    runtime.start(name, **told, **APPLY)
    answer = runtime.invoke(name, event_for(name))
    assert "errorMessage" not in answer, answer


@pytest.mark.parametrize("version", ["2", "0", ""])
def test_an_unknown_template_stops_the_start(
    account: Account, runtime: Runtime, name: str, version: str
) -> None:
    account.load(busy_fleet())
    says = f"STEWARD_TEMPLATE is `{version}`, but this version of image-steward requires version 1"
    with pytest.raises(Died, match=says) as died:
        runtime.start(name, rules(), STEWARD_TEMPLATE=version, **APPLY)
    [line] = [one for one in str(died.value).splitlines() if one.startswith("{")]
    logged = json.loads(line)
    assert (logged["level"], logged["message"]) == ("ERROR", "cannot start")
    assert "deploy the template and the archives of the same release" in logged["error"]
    assert account.calls() == []
