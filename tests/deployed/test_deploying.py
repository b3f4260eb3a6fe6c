"""Deploying itself: again, with mistakes, after half a deployment, and destroying."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from conftest import POLICY
from harness import FUNCTIONS, REGION
from local_aws import ACCOUNT, SOURCE, STACK, LocalAws, architecture


def functions(aws: LocalAws) -> dict[str, Any]:
    """Every function, with what a new deployment would change."""
    found = aws.client("lambda").list_functions()["Functions"]
    return {one["FunctionName"]: one for one in found}


def outputs(aws: LocalAws, stack: str) -> dict[str, str]:
    client = aws.client("cloudformation")
    [found] = client.describe_stacks(StackName=stack)["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}


def parameters(aws: LocalAws, stack: str) -> dict[str, str]:
    client = aws.client("cloudformation")
    [found] = client.describe_stacks(StackName=stack)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


def refuses(done: Any, *words: str) -> None:
    """It failed with one line that holds these words, and no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("deploy: "), done.stderr
    for word in words:
        assert word in last, last
    assert "Traceback" not in done.stderr


def test_doing_it_again_changes_nothing(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), deployed.stacks()
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert sum(line.endswith(": no changes.") for line in said) == 2 + len(FUNCTIONS)
    assert f"Deployed {STACK} in apply mode." in said, "the mode stays as it is"
    assert (functions(deployed), deployed.stacks()) == before
    done = deployed.deploy("diff", POLICY=str(policy))
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout


def test_a_difference_is_shown_and_not_made(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), deployed.stacks()
    changed = {"MODE": "plan", "PARAMETERS": "LogDays=60 FlexibleMinutes=5"}
    done = deployed.deploy("diff", POLICY=str(policy), **changed)
    assert done.returncode == 0, done.stderr
    for line in (
        "  ~ AWS::Logs::LogGroup PruneImagesLogs",
        f"  ~ function {STACK}-prune-images: STEWARD_MODE: apply → plan",
        "  ~ AWS::Scheduler::Schedule Prune",
    ):
        assert line in done.stdout.splitlines(), done.stdout
    assert (functions(deployed), deployed.stacks()) == before


def test_everything_is_as_it_was_said(deployed: LocalAws) -> None:
    client = deployed.client("lambda")
    roles = outputs(deployed, STACK)
    for name in FUNCTIONS:
        held = client.get_function(FunctionName=f"{STACK}-{name}")
        configuration = held["Configuration"]
        assert configuration["Role"] == roles[f"{name.title().replace('-', '')}RoleArn"]
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
    before = functions(deployed), deployed.stacks()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(policy_text)
    refuses(deployed.deploy(POLICY=str(wrong)), *words)
    assert (functions(deployed), deployed.stacks()) == before


def test_mistakes_are_one_line_with_the_remedy(
    deployed: LocalAws, policy: Path, tmp_path: Path
) -> None:
    before = functions(deployed), deployed.stacks()
    good = {"POLICY": str(policy)}
    keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for settings, words in (
        (good | keys, ["no AWS credentials", "AWS_PROFILE"]),
        (good | {"AWS_REGION": ""}, ["no Region", "REGION="]),
        (good | {"MODE": "yes"}, ["MODE is `yes`", "MODE=plan or MODE=apply"]),
        ({"POLICY": "absent.toml"}, ["there is no policy absent.toml"]),
        (good | {"PARAMETERS": "LogDays"}, ["`LogDays` is no KEY=VALUE"]),
        (good | {"PARAMETERS": "LogDay=3"}, ["no `LogDay`", "LogDays"]),
        (good | {"PARAMETERS": "Stack=x"}, ["no `Stack`"]),
        (good | {"PARAMETERS": "LogDays=2"}, ["LogDays is `2`", "1, 3, 5"]),
        (good | {"PARAMETERS": "RecycleBinDays=400"}, ["a number from 1 to 365"]),
        (good | {"PARAMETERS": "PruneSchedule=daily"}, ["PruneSchedule is `daily`"]),
        (good | {"PARAMETERS": "EventBus=nope"}, ["no event bus `nope`", "EventBus="]),
        (good | {"STACK": "Foo"}, ["STACK is `Foo`"]),
        (good | {"STACK": "default"}, ["STACK is `default`", "event bus"]),
        (good | {"FUNCTION_ENV": "A=1,B=2"}, ["FUNCTION_ENV", "comma"]),
        (good | {"PARAMETERS": "LogDays='3"}, ["PARAMETERS: No closing quotation"]),
        (good | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ["do not work"]),
    ):
        # At once, and again after the long build.
        for command in ("check", "deploy", "diff"):
            refuses(deployed.deploy(command, **settings), *words)
    assert deployed.deploy("check", **good).returncode == 0
    assert (functions(deployed), deployed.stacks()) == before


def test_apply_mode_asks_who_is_notified(aws: LocalAws, policy: Path) -> None:
    new = {"STACK": "quiet", "POLICY": str(policy), "MODE": "apply"}
    roles = "RecycleBin=off RetireInstances=stop"
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
    for notices, words in (
        ("", ["who is notified", "NoticeEmail=", "NoticeTopicArn=", "Notices=none"]),
        ("Notices=off", ["who is notified"]),
        (
            f"NoticeEmail=a@b.example NoticeTopicArn={topic}",
            ["both NoticeEmail and NoticeTopicArn"],
        ),
        ("Notices=none NoticeEmail=a@b.example", ["Notices is `none`", "NoticeEmail"]),
        (f"Notices=none NoticeTopicArn={topic}", ["Notices is `none`", "TopicArn"]),
        (f"NoticeTopicArn={topic}", [f"there is no topic {topic}", "NoticeEmail="]),
        (
            f"NoticeTopicArn={topic.replace(REGION, 'us-west-2')}",
            ["us-west-2", f"name a topic in {REGION}"],
        ),
    ):
        given = new | {"PARAMETERS": f"{roles} {notices}"}
        for command in ("check", "deploy", "diff"):
            refuses(aws.deploy(command, **given), *words)
    assert "quiet" not in aws.stacks()
    aws.client("sns").create_topic(Name="ops")
    for notices in (
        "Notices=none",
        "Notices=on",
        "NoticeEmail=a@b.example",
        f"NoticeTopicArn={topic}",
    ):
        done = aws.deploy("check", **new | {"PARAMETERS": f"{roles} {notices}"})
        assert done.returncode == 0, done.stderr
        warned = "does not name events.amazonaws.com" in done.stdout
        assert warned == ("TopicArn" in notices), done.stdout
    plan = new | {"MODE": "plan", "PARAMETERS": roles}
    assert aws.deploy("check", **plan).returncode == 0


@pytest.mark.parametrize(
    ("given", "parameters", "remedy"),
    [
        ('[instances]\nretire = "stop"', "", '"RetireInstances=stop"'),
        ('[instances]\nretire = "stop"', "RetireInstances=stop", None),
        ('[instances]\nretire = "stop"', "RetireInstances=terminate", None),
        (
            '[instances]\nretire = "terminate"',
            "RetireInstances=stop",
            '"RetireInstances=terminate"',
        ),
        ("", "", None),
        ('[safety]\nshared_images = "keep"', "", None),
        (
            '[safety]\nshared_images = "retire"',
            "RetireSharedImages=off",
            'safety.shared_images = "retire"',
        ),
        ('[safety]\nshared_images = "retire"', "RetireSharedImages=on", None),
        ('shared_images = "keep"', "", None),
        ('shared_images = "retire"', "", 'rule[0].shared_images = "retire"'),
        ('shared_images = "retire"', "RetireSharedImages=on", None),
    ],
)
def test_the_roles_may_do_what_the_policy_says(
    aws: LocalAws, tmp_path: Path, given: str, parameters: str, remedy: str | None
) -> None:
    policy = tmp_path / "policy.toml"
    rule = '[[rule]]\nname = "w"\nmatch = { name = "w" }\nkeep = { last = 1 }\n'
    policy.write_text(f"version = 1\n{rule}{given}\n")
    parameters = f"Notices=none {parameters}"
    new = {"STACK": "quiet", "POLICY": str(policy), "PARAMETERS": parameters}
    done = aws.deploy("check", MODE="apply", **new)
    if remedy:
        refuses(done, "the roles may not", "PARAMETERS=", remedy)
    else:
        assert done.returncode == 0, done.stderr
    done = aws.deploy("check", MODE="plan", **new)
    assert done.returncode == 0, done.stderr
    assert ("Warning: the policy has" in done.stdout) == bool(remedy), done.stdout


def test_the_parameters_that_may_be_read(aws: LocalAws, policy: Path) -> None:
    """By name, path or ARN."""
    new = {"STACK": "aliases", "POLICY": str(policy)}
    shared = f"arn:aws:ssm:{REGION}:111122223333:parameter/team/*"
    names = f"golden,/team/web/*,{shared}"
    given = f"RecycleBin=off ImageParameters={names}"
    done = aws.deploy(**new, PARAMETERS=given)
    assert done.returncode == 0, done.stdout + done.stderr
    arn = outputs(aws, "aliases")["PruneImagesRoleArn"]
    role = {"RoleName": arn.split("/")[-1], "PolicyName": "prune-images"}
    held = aws.client("iam").get_role_policy(**role)["PolicyDocument"]
    read = {one["Sid"]: one for one in held["Statement"]}
    mine = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
    assert read["ReadImageParameters"]["Resource"] == [
        f"{mine}/golden",
        f"{mine}/team/web/*",
        shared,
    ]
    for sid in ("ShareBack", "QueueKey"):
        assert sid not in read
    for wrong in ("*", "/*", "a b", "arn:aws:ssm:*:1:parameter/x", f"{mine}/*"):
        words = ["ImageParameters", "a path such as"]
        wrong = f"'ImageParameters={wrong}'"
        refuses(aws.deploy("check", **new, PARAMETERS=wrong), *words)
    assert aws.deploy("destroy", **new).returncode == 0


def test_another_bus_is_used_and_warned_of(deployed: LocalAws, policy: Path) -> None:
    """A bus of its own, or an existing one, on which others may put events as well."""
    variables = lambda: deployed.client("lambda").get_function_configuration(
        FunctionName=f"{STACK}-prune-images"
    )["Environment"]["Variables"]
    assert variables()["STEWARD_EVENT_BUS"] == STACK
    assert variables()["STEWARD_EVENT_SOURCE"] == SOURCE
    done = deployed.deploy("diff", POLICY=str(policy), PARAMETERS="EventBus=default")
    assert done.returncode == 0, done.stderr
    assert "can send notices in the name of image-steward" in done.stdout
    line = f"function {STACK}-prune-images: STEWARD_EVENT_BUS: {STACK} → default"
    assert line in done.stdout


def test_half_a_deployment_is_gone_on_with(deployed: LocalAws, policy: Path) -> None:
    """One function is lost, another rests because its deployment failed."""
    client = deployed.client("lambda")
    name, resting = f"{STACK}-retire-instance", f"{STACK}-prune-images"
    before = parameters(deployed, f"{STACK}-wiring")
    assert before["FlexibleMinutes"] == "1", "it was said long ago"
    client.delete_function(FunctionName=name)
    client.put_function_concurrency(
        FunctionName=resting, ReservedConcurrentExecutions=0
    )
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert f"  + function {name}" in said
    assert f"  ~ function {resting}: concurrency: 0 → 1" in said
    assert f"{STACK}-wiring: made anew, because a function was missing." in said
    client.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    allowed = json.loads(client.get_policy(FunctionName=name)["Policy"])
    callers = {one["Principal"]["Service"] for one in allowed["Statement"]}
    assert callers == {"events.amazonaws.com"}
    alone = client.get_function_concurrency(FunctionName=resting)
    assert alone["ReservedConcurrentExecutions"] == 1
    assert parameters(deployed, f"{STACK}-wiring") == before


def test_what_was_changed_by_hand_is_put_back(deployed: LocalAws, policy: Path) -> None:
    client = deployed.client("lambda")
    name = f"{STACK}-tag-image"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bootstrap", "#!/bin/sh")
    code = archive.getvalue()
    client.update_function_code(
        FunctionName=name, ZipFile=code, Architectures=["riscv64"]
    )
    client.update_function_configuration(
        FunctionName=name, Role=f"arn:aws:iam::{ACCOUNT}:role/other", MemorySize=512
    )
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stderr
    shown = [line.split(": ")[1] for line in done.stdout.splitlines() if name in line]
    assert shown == ["role", "memory", "architecture", "concurrency", "code or policy"]
    held = client.get_function(FunctionName=name)["Configuration"]
    assert held["Architectures"] == [architecture()]
    assert held["Role"] == outputs(deployed, STACK)["TagImageRoleArn"]
    assert held["MemorySize"] == 128
    reserved = client.get_function_concurrency(FunctionName=name)
    assert "ReservedConcurrentExecutions" not in reserved
    done = deployed.deploy("diff", POLICY=str(policy))
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout


def test_a_failed_upload_is_made_up_for(
    deployed: LocalAws, policy: Path, tmp_path: Path
) -> None:
    """The new mode and the old policy never run together."""
    client = deployed.client("lambda")
    name = f"{STACK}-prune-images"
    newer = tmp_path / "policy.toml"
    newer.write_text(policy.read_text().replace("last = 1", "last = 2"))
    with without_uploads(deployed.url) as url:
        done = deployed.deploy(POLICY=str(newer), AWS_ENDPOINT_URL_LAMBDA=url)
    refuses(done, f"deploying {STACK}-tag-image failed", "no upload today")
    for function in ("tag-image", "prune-images"):
        reserved = client.get_function_concurrency(FunctionName=f"{STACK}-{function}")
        resting = reserved.get("ReservedConcurrentExecutions") == 0
        assert resting == (function == "tag-image"), "the others were not touched yet"
    done = deployed.deploy("diff", POLICY=str(newer))
    assert f"function {name}: code or policy" in done.stdout
    assert deployed.deploy(POLICY=str(newer)).returncode == 0
    alone = client.get_function_concurrency(FunctionName=name)
    assert alone["ReservedConcurrentExecutions"] == 1
    assert deployed.deploy(POLICY=str(policy)).returncode == 0


@contextmanager
def without_uploads(upstream: str) -> Iterator[str]:
    """Lambda's address, behind which code cannot be uploaded."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if self.command == "PUT" and self.path.endswith("/code"):
                status, said = 400, b'{"message": "no upload today"}'
            else:
                there = HTTPConnection(urlsplit(upstream).netloc)
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                status, said = answer.status, answer.read()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Amzn-Errortype", "InvalidParameterValueException")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_DELETE = do

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_what_is_not_said_stays(deployed: LocalAws) -> None:
    """Mode and policy, after half a destruction too."""
    before = functions(deployed)
    deployed.client("cloudformation").delete_stack(StackName=f"{STACK}-wiring")
    done = deployed.deploy()
    assert done.returncode == 0, done.stderr
    assert "With the deployed policy, image-steward would:" in done.stdout
    assert f"Deployed {STACK} in apply mode." in done.stdout
    assert functions(deployed) == before


def test_the_example_never_acts_unless_it_is_named(aws: LocalAws) -> None:
    new = {"STACK": "new", "PARAMETERS": "RecycleBin=off"}
    for command in ("check", "deploy"):
        refuses(
            aws.deploy(command, MODE="apply", **new), "which policy?", "POLICY=FILE"
        )
    done = aws.deploy(**new)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deployed new in plan mode." in done.stdout
    for command in ("check", "deploy", "diff"):
        refuses(
            aws.deploy(command, MODE="apply", **new), "which policy?", "POLICY=FILE"
        )
    done = aws.deploy("diff", **new)
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout
    assert aws.deploy("destroy", **new).returncode == 0


def test_what_is_not_ours_is_not_touched(aws: LocalAws, policy: Path) -> None:
    """Neither stacks nor functions of others, nor the second stack of another one of ours."""
    shop = {"STACK": "shop", "POLICY": str(policy), "PARAMETERS": "RecycleBin=off"}
    queue = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "orders"}}
    }
    cloudformation = aws.client("cloudformation")
    body = json.dumps({"Resources": queue})
    cloudformation.create_stack(StackName="shop", TemplateBody=body)
    for command in ("deploy", "diff", "destroy"):
        refuses(aws.deploy(command, **shop), "a stack shop that is not of this deploy")
    assert aws.client("sqs").get_queue_url(QueueName="orders")
    cloudformation.delete_stack(StackName="shop")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bootstrap", "#!/bin/sh")
    client = aws.client("lambda")
    client.create_function(
        FunctionName="shop-tag-image",
        Runtime="provided.al2023",
        Role=f"arn:aws:iam::{ACCOUNT}:role/other",
        Handler="bootstrap",
        Code={"ZipFile": archive.getvalue()},
    )
    for command in ("deploy", "diff", "destroy"):
        refuses(aws.deploy(command, **shop), "a function shop-tag-image that is not of")
    client.delete_function(FunctionName="shop-tag-image")
    refuses(aws.deploy("destroy", STACK=f"{STACK}-wiring"), "not end in -wiring")


def test_destroying_leaves_nothing_and_touches_no_image(
    deployed: LocalAws, policy: Path
) -> None:
    events = deployed.client("events")
    mine = {"Name": "mine", "EventBusName": STACK}
    events.put_rule(**mine, EventPattern='{"source": ["image-steward"]}')
    before = functions(deployed), deployed.stacks()
    words = [f"the event bus {STACK}", "mine", "delete them"]
    refuses(deployed.deploy("destroy"), *words)
    assert (functions(deployed), deployed.stacks()) == before
    for rule in events.list_rules(EventBusName=STACK)["Rules"]:
        if rule["Name"] in ("mine", "listener"):
            place = {"Rule": rule["Name"], "EventBusName": STACK}
            ids = [one["Id"] for one in events.list_targets_by_rule(**place)["Targets"]]
            if ids:
                events.remove_targets(**place, Ids=ids)
            events.delete_rule(Name=rule["Name"], EventBusName=STACK)
    fleet = {"images": [{"image_id": "ami-00000007", "snapshots": ["snap-00000007"]}]}
    deployed.account.load(fleet)
    before = deployed.account.fleet()
    done = deployed.deploy("destroy")
    assert done.returncode == 0, done.stderr
    assert functions(deployed) == {}
    assert deployed.stacks() == {}
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
        ("events", "list_event_buses", "EventBuses"),
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
    given = "RecycleBin=off RetireInstances=stop"
    corp = {"STACK": "corp", "POLICY": str(policy), "PARAMETERS": given}
    done = aws.deploy(**corp)
    assert done.returncode == 0, done.stdout + done.stderr
    roles = outputs(aws, "corp")
    for name in ("reap-snapshots", "retire-instance"):
        arn = roles[f"{name.title().replace('-', '')}RoleArn"]
        role = {"RoleName": arn.split("/")[-1], "PolicyName": name}
        allowed = json.dumps(aws.client("iam").get_role_policy(**role))
        assert "aws:ResourceTag/corp/images:" in allowed
        assert "image-steward:" not in allowed
    document["tagging"] = {"prefix": "corp*"}
    policy.write_text(json.dumps(document))
    refuses(aws.deploy(**corp), "tagging.prefix is `corp*`")
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
    assert aws.stacks()["other"] == "REVIEW_IN_PROGRESS"
    other = {"STACK": "other", "POLICY": str(policy), "PARAMETERS": "RecycleBin=off"}
    done = aws.deploy("diff", **other)
    assert "  + stack other" in done.stdout.splitlines(), done.stdout + done.stderr
    assert aws.stacks()["other"] == "REVIEW_IN_PROGRESS", "a diff changes nothing"
    done = aws.deploy(**other)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "other: clearing away a first attempt" in done.stdout
    assert aws.deploy("destroy", **other).returncode == 0
    assert "other" not in aws.stacks()


def test_a_missing_binary_is_named(aws: LocalAws, policy: Path, tmp_path: Path) -> None:
    done = aws.deploy(binaries=tmp_path, STACK="none", POLICY=str(policy))
    refuses(done, "tag-image/bootstrap does not exist", "run `make functions`")
    assert "none" not in aws.stacks()
