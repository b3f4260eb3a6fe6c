"""Deploying itself: again, with mistakes, after half a deployment, and taking it out.

Runs last, because it takes out what the other tests here use.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import POLICY
from local_aws import FUNCTIONS, STACK, LocalAws


def functions(aws: LocalAws) -> dict[str, Any]:
    """Every function, with what a new deployment would change."""
    found = aws.client("lambda").list_functions()["Functions"]
    return {one["FunctionName"]: one for one in found}


def stacks(aws: LocalAws) -> dict[str, str]:
    found = aws.client("cloudformation").describe_stacks()["Stacks"]
    return {
        one["StackName"]: one["StackStatus"]
        for one in found
        if one["StackStatus"] != "DELETE_COMPLETE"
    }


def refuses(done: Any, *words: str) -> None:
    """It failed with one line that holds these words, and no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("deploy: "), done.stderr
    for word in words:
        assert word in last, last
    assert "Traceback" not in done.stderr


def test_doing_it_again_changes_nothing(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), stacks(deployed)
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert sum(line.endswith(": no changes.") for line in said) == 2 + len(FUNCTIONS)
    assert f"Deployed {STACK} in apply mode." in said, "the mode stays as it is"
    assert (functions(deployed), stacks(deployed)) == before
    done = deployed.deploy("diff", POLICY=str(policy))
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout


def test_a_difference_is_shown_and_not_made(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), stacks(deployed)
    changed = {"MODE": "plan", "PARAMETERS": "LogDays=60 FlexibleMinutes=5"}
    done = deployed.deploy("diff", POLICY=str(policy), **changed)
    assert done.returncode == 0, done.stderr
    for line in (
        "  ~ AWS::Logs::LogGroup PruneImagesLogs",
        f"  ~ function {STACK}-prune-images: STEWARD_MODE: apply → plan",
        "  ~ AWS::Scheduler::Schedule Prune",
    ):
        assert line in done.stdout.splitlines(), done.stdout
    assert (functions(deployed), stacks(deployed)) == before


def test_everything_is_as_it_was_said(deployed: LocalAws) -> None:
    client = deployed.client("lambda")
    for name in FUNCTIONS:
        held = client.get_function(FunctionName=f"{STACK}-{name}")
        configuration = held["Configuration"]
        assert configuration["Role"].endswith(f"role/{STACK}-{name}")
        assert configuration["Runtime"] == "provided.al2023"
        assert configuration["Environment"]["Variables"]["STEWARD_MODE"] == "apply"
        assert held["Tags"]["ManagedBy"] == "image-steward"
        # AWS returns it without a qualifier too.
        retries = client.get_function_event_invoke_config(
            FunctionName=f"{STACK}-{name}", Qualifier="$LATEST"
        )
        assert retries["DestinationConfig"]["OnFailure"]["Destination"].endswith(
            f"{STACK}-dead-letters"
        )
        if name == "prune-images":
            assert retries["MaximumRetryAttempts"] == 0
    alone = client.get_function_concurrency(FunctionName=f"{STACK}-prune-images")
    assert alone["ReservedConcurrentExecutions"] == 1


@pytest.mark.parametrize(
    ("policy_text", "words"),
    [
        ("version = 2\n", ["`image-steward validate` failed", "nothing was changed"]),
        (POLICY.replace("keep = { last = 1 }", "keep = {}"), ["nothing was changed"]),
    ],
)
def test_a_wrong_policy_never_reaches_the_account(
    deployed: LocalAws, tmp_path: Path, policy_text: str, words: list[str]
) -> None:
    before = functions(deployed), stacks(deployed)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(policy_text)
    refuses(deployed.deploy(POLICY=str(wrong)), *words)
    assert (functions(deployed), stacks(deployed)) == before


def test_mistakes_are_one_line_with_the_remedy(
    deployed: LocalAws, policy: Path, tmp_path: Path
) -> None:
    before = functions(deployed), stacks(deployed)
    good = {"POLICY": str(policy)}
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for settings, words in (
        (good | keys, ["no AWS credentials", "AWS_PROFILE"]),
        (good | {"REGION": ""}, ["no Region", "REGION="]),
        (good | {"MODE": "yes"}, ["MODE is `yes`", "MODE=plan or MODE=apply"]),
        ({"POLICY": "absent.toml"}, ["there is no policy absent.toml"]),
        ({}, ["which policy?", "POLICY=FILE"]),
        (good | {"PARAMETERS": "LogDays"}, ["`LogDays` is no KEY=VALUE"]),
        (good | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ["do not work"]),
    ):
        # At once, and again after the long build.
        for command in ("check", "deploy", "diff"):
            refuses(deployed.deploy(command, **settings), *words)
    assert deployed.deploy("check", **good).returncode == 0
    assert (functions(deployed), stacks(deployed)) == before


def test_half_a_deployment_is_gone_on_with(deployed: LocalAws, policy: Path) -> None:
    name = f"{STACK}-retire-instance"
    deployed.client("lambda").delete_function(FunctionName=name)
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stderr
    assert f"  + function {name}" in done.stdout.splitlines()
    assert name in functions(deployed)


def test_destroying_leaves_nothing_and_touches_no_image(
    deployed: LocalAws, policy: Path
) -> None:
    fleet = {"images": [{"image_id": "ami-00000007", "snapshots": ["snap-00000007"]}]}
    deployed.account.load(fleet)
    before = deployed.account.fleet()
    done = deployed.deploy("destroy")
    assert done.returncode == 0, done.stderr
    assert functions(deployed) == {}
    assert stacks(deployed) == {}
    left = deployed.client("logs").describe_log_groups(
        logGroupNamePrefix="/aws/lambda/"
    )
    assert left["logGroups"] == []
    roles = deployed.client("iam").list_roles()["Roles"]
    assert [one["RoleName"] for one in roles if STACK in one["RoleName"]] == []
    for client, listing, key in (
        ("sqs", "list_queues", "QueueUrls"),
        ("sns", "list_topics", "Topics"),
        ("scheduler", "list_schedules", "Schedules"),
        ("cloudwatch", "describe_alarms", "MetricAlarms"),
        ("cloudwatch", "list_dashboards", "DashboardEntries"),
        ("events", "list_rules", "Rules"),
    ):
        found = getattr(deployed.client(client), listing)().get(key, [])
        assert STACK not in str(found), (client, found)
    assert deployed.account.fleet() == before
    assert deployed.account.mutating_calls() == []
    done = deployed.deploy("destroy")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Nothing was there.")


def test_the_roles_know_the_prefix_of_the_policy(aws: LocalAws, tmp_path: Path) -> None:
    """Of one in JSON, whatever its file is named."""
    rule = {"name": "web", "match": {"name": "web-*"}, "keep": {"last": 1}}
    document = {"version": 1, "rule": [rule], "tagging": {"prefix": "corp/images:"}}
    policy = tmp_path / "policy"
    policy.write_text(json.dumps(document))
    corp = {"STACK": "corp", "POLICY": str(policy), "PARAMETERS": "RecycleBin=off"}
    done = aws.deploy(**corp)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("reap-snapshots", "retire-instance"):
        role = {"RoleName": f"corp-{name}", "PolicyName": name}
        allowed = json.dumps(aws.client("iam").get_role_policy(**role))
        assert "aws:ResourceTag/corp/images:" in allowed
        assert "image-steward:" not in allowed
    document["tagging"] = {"prefix": "corp*"}
    policy.write_text(json.dumps(document))
    refuses(aws.deploy(**corp), "the prefix `corp*`")
    assert aws.deploy("destroy", **corp).returncode == 0


def test_a_first_attempt_that_failed_is_cleared_away(
    aws: LocalAws, policy: Path
) -> None:
    """A change set for a new stack was made, and never carried out."""
    aws.client("cloudformation").create_change_set(
        StackName="other",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}',
    )
    assert stacks(aws)["other"] == "REVIEW_IN_PROGRESS"
    other = {"STACK": "other", "POLICY": str(policy), "PARAMETERS": "RecycleBin=off"}
    done = aws.deploy("diff", **other)
    assert "  + stack other" in done.stdout.splitlines(), done.stdout + done.stderr
    assert stacks(aws)["other"] == "REVIEW_IN_PROGRESS", "a diff changes nothing"
    done = aws.deploy(**other)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "other: clearing away a first attempt" in done.stdout
    assert aws.deploy("destroy", **other).returncode == 0
    assert "other" not in stacks(aws)


def test_a_missing_binary_is_named(aws: LocalAws, policy: Path, tmp_path: Path) -> None:
    done = aws.deploy(binaries=tmp_path, STACK="none", POLICY=str(policy))
    refuses(done, "tag-image/bootstrap does not exist", "run `make functions`")
    assert "none" not in stacks(aws)
