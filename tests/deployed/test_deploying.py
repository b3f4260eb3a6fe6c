"""Deployments: repeated, with errors, after a failed first deployment, and destroying."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import PARAMETERS, POLICY
from harness import FUNCTIONS, REGION
from local_aws import (
    ACCOUNT,
    BUCKET,
    STACK,
    LocalAws,
    architecture,
    archives,
    eventually,
)

SHARED = '[safety]\nshared_images = "retire"\n'


def functions(aws: LocalAws) -> dict[str, Any]:
    """All functions, with the fields that a new deployment would change."""
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
    """It failed with a one-line message that contains these words, and without a traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("deploy: "), done.stderr
    for word in words:
        assert word in last, last
    assert "Traceback" not in done.stderr


def test_doing_it_again_changes_nothing(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), parameters(deployed, STACK)
    done = deployed.deploy(POLICY=str(policy))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"No changes to deploy. Stack {STACK} is up to date" in done.stdout
    assert (functions(deployed), parameters(deployed, STACK)) == before
    assert before[1]["Mode"] == "apply", "the mode stays as it is"
    done = deployed.deploy("diff", POLICY=str(policy))
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout


def test_a_difference_is_shown_and_not_made(deployed: LocalAws, policy: Path) -> None:
    before = functions(deployed), deployed.stacks()
    changed = {"MODE": "plan", "PARAMETERS": "LogDays=60 FlexibleMinutes=5"}
    done = deployed.deploy("diff", POLICY=str(policy), **changed)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert "  Modify AWS::Logs::LogGroup PruneImagesLogs RetentionInDays" in shown
    assert "  Modify AWS::SSM::Parameter Policy (replaced) Name" in shown
    [changed] = [line for line in shown if "Lambda::Function PruneImages" in line]
    assert "Environment" in changed
    assert (functions(deployed), deployed.stacks()) == before


def test_everything_is_as_it_was_said(deployed: LocalAws) -> None:
    client = deployed.client("lambda")
    roles = outputs(deployed, STACK)
    for name in FUNCTIONS:
        configuration = client.get_function(FunctionName=f"{STACK}-{name}")[
            "Configuration"
        ]
        assert configuration["Role"] == roles[f"{name.title().replace('-', '')}RoleArn"]
        assert configuration["Runtime"] == "provided.al2023"
        variables = configuration["Environment"]["Variables"]
        assert variables["STEWARD_MODE"] == "apply"
        assert variables["STEWARD_POLICY"] == f"ssm:/{STACK}/policy/apply"
        assert variables["STEWARD_EVENT_BUS"] == STACK
        # AWS also returns it without a qualifier.
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
    policy = deployed.client("ssm").get_parameter(Name=f"/{STACK}/policy/apply")
    assert policy["Parameter"]["Value"] == POLICY


@pytest.mark.parametrize(
    ("policy_text", "words"),
    [
        ("version = 2\n", ["cannot use the policy", "nothing was changed"]),
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
    large = tmp_path / "large.toml"
    large.write_text(POLICY + "# more\n" * 600)
    larger = tmp_path / "larger.toml"
    larger.write_text(POLICY + "# more\n" * 1200)
    secret = {"Name": "/secret", "Value": POLICY, "Type": "SecureString"}
    deployed.client("ssm").put_parameter(**secret, Overwrite=True)
    elsewhere = deployed.client("s3", "us-west-2")
    place = {"LocationConstraint": "us-west-2"}
    elsewhere.create_bucket(Bucket="elsewhere", CreateBucketConfiguration=place)
    for settings, words in (
        (good | keys, ["no valid AWS credentials"]),
        (good | {"AWS_REGION": ""}, ["no Region", "REGION="]),
        ({"POLICY": "absent.toml"}, ["No such file", "absent.toml"]),
        ({"POLICY": str(large)}, ["more than 4096", "an advanced one"]),
        (
            {"POLICY": str(larger)},
            ["more than 4096", "in parts", "PolicyParameter="],
        ),
        (
            good | {"PARAMETERS": "PolicyParameter=/mine"},
            ["two policies", "POLICY, PolicyText, PolicyParameter"],
        ),
        ({"PARAMETERS": "PolicyParameter=/a PolicyText=x"}, ["two policies"]),
        ({"PARAMETERS": "PolicyParameter=/secret"}, ["/secret of type String"]),
        ({"PARAMETERS": "PolicyParameter=/secret:1"}, ["no SSM parameter /secret:1"]),
        (good | {"BUCKET": "s3://absent"}, ["no S3 bucket", "BUCKET=NAME"]),
        (good | {"PARAMETERS": "RetireInstances=Stop"}, ["RetireInstances"]),
        (good | {"TEMPLATE": "/absent.yaml"}, ["No such file", "/absent.yaml"]),
        (
            good | {"BUCKET": "absent"},
            ["no bucket absent in this account", "aws s3 mb s3://absent"],
        ),
        (good | {"BUCKET": "elsewhere"}, ["elsewhere is in us-west-2", "aws s3 mb"]),
        (
            {"PARAMETERS": "PolicyParameter=/absent"},
            ["no SSM parameter /absent of type String", "create it"],
        ),
        (
            {"PARAMETERS": "PolicyParameter=/absent PolicyParts=2"},
            ["no SSM parameter", "/absent/1", "/absent/2"],
        ),
        (good | {"MODE": "yes"}, ["Mode"]),
        (good | {"PARAMETERS": "LogDays"}, ["is not KEY=VALUE"]),
        (good | {"PARAMETERS": "LogDays='3"}, ["No closing quotation"]),
        (
            good | {"PARAMETERS": "LogDay=3"},
            ["`LogDay` in PARAMETERS is not KEY=VALUE", "LogDays"],
        ),
        (
            good | {"PARAMETERS": "CodePrefix=x"},
            ["`CodePrefix` in PARAMETERS is not KEY=VALUE"],
        ),
        (good | {"PARAMETERS": "LogDays=2"}, ["LogDays"]),
        (good | {"PARAMETERS": "PruneSchedule=daily"}, ["PruneSchedule"]),
        (good | {"STEWARD": "/absent"}, ["image-steward is not installed", "STEWARD="]),
        (good | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ["credentials"]),
    ):
        refuses(deployed.deploy(**settings), *words)
    # `check` reports the errors that need no build.
    refuses(
        deployed.deploy("check", **good, BUCKET="absent"),
        "no bucket absent in this account",
    )
    assert deployed.deploy("check", **good).returncode == 0
    assert (functions(deployed), deployed.stacks()) == before


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), ["No such file", "ARCHIVES=DIR"]),
        (lambda path: path.write_bytes(b"?"), ["not a zip file", "ARCHIVES=DIR"]),
        (lambda path: packed(path, b"#!/bin/sh"), ["is for another platform"]),
        (lambda path: path.write_bytes(damaged(path)), ["ARCHIVES=DIR"]),
        (
            lambda path: packed(path, elf(183 if architecture() == "x86_64" else 62)),
            [f"not for {architecture()}", "use another archive"],
        ),
        (lambda path: packed(path, elf(8)), ["is for another platform"]),
    ],
)
def test_an_archive_that_cannot_run_is_not_deployed(
    deployed: LocalAws, policy: Path, tmp_path: Path, spoil: Any, words: list[str]
) -> None:
    before = functions(deployed)
    copy = tmp_path / "archives"
    shutil.copytree(archives(), copy)
    name = f"prune-images-{architecture()}.zip"
    spoil(copy / name)
    refuses(deployed.deploy(POLICY=str(policy), ARCHIVES=str(copy)), name, *words)
    assert functions(deployed) == before


def packed(path: Path, binary: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bootstrap", binary)


def damaged(path: Path) -> bytes:
    """The archive with other bytes in the middle of its only file."""
    body = bytearray(path.read_bytes())
    body[60:400] = bytes(340)
    return bytes(body)


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little")


def test_apply_mode_asks_who_is_notified(aws: LocalAws, policy: Path) -> None:
    """The rules of the template require it, so it applies to every way of deploying."""
    new = {"STACK": "quiet", "POLICY": str(policy), "MODE": "apply"}
    roles = "RecycleBin=off RetireInstances=stop"
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
    for notices, words in (
        ("", ["needs a recipient", "NoticeEmail", "NoticeTopicArn"]),
        ("Notices=off", ["needs a recipient"]),
        (f"NoticeEmail=a@b.example NoticeTopicArn={topic}", ["not both"]),
        ("Notices=none NoticeEmail=a@b.example", ['Notices is "none"']),
        (f"Notices=none NoticeTopicArn={topic}", ['Notices is "none"']),
    ):
        given = new | {"PARAMETERS": f"{roles} {notices}"}
        refuses(aws.deploy("check", **given), *words)
    assert aws.stacks().get("quiet") in (None, "REVIEW_IN_PROGRESS")
    for notices in (
        "Notices=none",
        "Notices=on",
        "NoticeEmail=a@b.example",
        f"NoticeTopicArn={topic}",
    ):
        done = aws.deploy("check", **new | {"PARAMETERS": f"{roles} {notices}"})
        assert done.returncode == 0, done.stderr
    plan = new | {"MODE": "plan", "PARAMETERS": roles}
    assert aws.deploy("check", **plan).returncode == 0


def test_there_is_one_policy(aws: LocalAws, policy: Path) -> None:
    new = {"STACK": "one-policy", "PARAMETERS": "RecycleBin=off"}
    refuses(aws.deploy(**new), "no policy", "POLICY=FILE")
    cloudformation = aws.client("cloudformation")
    for given, words in (
        ({}, "There is no policy"),
        ({"PolicyText": "a", "PolicyParameter": "/b"}, "There are two policies"),
        (
            {"PolicyText": "a", "PolicyParts": "2"},
            "PolicyParts greater than 1 requires PolicyParameter",
        ),
        (
            {"PolicyParameter": "/a", "PolicyParts": "2"},
            "PolicyParts greater than 1 requires PolicyDigest",
        ),
    ):
        given = {"CodeBucket": BUCKET, "RecycleBin": "off"} | given
        with pytest.raises(cloudformation.exceptions.ClientError, match=words):
            cloudformation.create_stack(
                StackName="one-policy",
                TemplateBody=aws.template.read_text(),
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in given.items()
                ],
            )


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
            '"RetireSharedImages=on"',
        ),
        ('[safety]\nshared_images = "retire"', "RetireSharedImages=on", None),
        ('shared_images = "keep"', "", None),
        ('shared_images = "retire"', "", '"RetireSharedImages=on"'),
        ('shared_images = "retire"', "RetireSharedImages=on", None),
    ],
)
def test_the_roles_may_do_what_the_policy_says(
    aws: LocalAws, tmp_path: Path, given: str, parameters: str, remedy: str | None
) -> None:
    policy = tmp_path / "policy.toml"
    rule = '[[rule]]\nname = "w"\nmatch = { name = "w" }\nkeep = { last = 1 }\n'
    policy.write_text(f"version = 1\n{rule}{given}\n")
    parameters = f"Notices=none RecycleBin=off {parameters}"
    new = {"STACK": "quiet", "POLICY": str(policy), "PARAMETERS": parameters}
    done = aws.deploy("check", MODE="apply", **new)
    if remedy:
        refuses(done, "this policy requires PARAMETERS=", remedy)
    else:
        assert done.returncode == 0, done.stderr
    done = aws.deploy("check", MODE="plan", **new)
    assert done.returncode == 0, done.stderr
    assert ("Warning: this policy" in done.stdout) == bool(remedy), done.stdout


def test_a_policy_in_parameters(deployed: LocalAws, policy: Path) -> None:
    """One parameter, or parts in order. The functions read the current values."""
    ssm = deployed.client("ssm")
    head, rule, rest = POLICY.partition("[[rule]]")
    ssm.put_parameter(Name="/mine/parts/1", Value=head, Type="String")
    ssm.put_parameter(Name="/mine/parts/2", Value=rule + rest, Type="String")
    parts = f"{PARAMETERS} PolicyParameter=/mine/parts PolicyParts=2"
    done = deployed.deploy(PARAMETERS=parts)
    assert done.returncode == 0, done.stdout + done.stderr
    variables = deployed.client("lambda").get_function_configuration(
        FunctionName=f"{STACK}-prune-images"
    )["Environment"]["Variables"]
    assert variables["STEWARD_POLICY"] == "ssm:/mine/parts#2"
    assert parameters(deployed, STACK)["PolicyText"] == ""
    assert "error" not in swept(deployed)
    # Somebody writes only one part. The mixture is valid, but nobody intended it.
    more = rest.replace("last = 1", "last = 2")
    assert more != rest
    new = {"Type": "String", "Overwrite": True}
    ssm.put_parameter(Name="/mine/parts/2", Value=rule + more, **new)
    assert "PolicyDigest" in swept(deployed)["error"]
    # The message is about the current parts.
    assert deployed.deploy().returncode == 0
    assert "error" not in swept(deployed)
    assert deployed.deploy(POLICY=str(policy)).returncode == 0
    assert parameters(deployed, STACK)["PolicyParameter"] == ""
    assert "error" not in swept(deployed)


def swept(aws: LocalAws) -> dict[str, str]:
    """The result of an image sweep: with an `error`, or without."""
    event = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}}
    done = aws.client("lambda").invoke(
        FunctionName=f"{STACK}-prune-images", Payload=json.dumps(event)
    )
    said = json.loads(done["Payload"].read())
    return {"error": said["errorMessage"]} if "FunctionError" in done else {}


def test_a_policy_that_is_not_valid_does_nothing_and_counts_for_the_alarm(
    deployed: LocalAws,
) -> None:
    """Somebody changes the parameter manually, without any checks."""
    deployed.account.load(
        {"account": ACCOUNT, "region": REGION, "images": [{"image_id": "ami-00000007"}]}
    )
    before = deployed.account.fleet()
    [alarm] = deployed.client("cloudwatch").describe_alarms(
        AlarmNames=[f"{STACK}-prune-images-errors"]
    )["MetricAlarms"]
    assert "error" not in swept(deployed)
    errors = counted(deployed, alarm)
    deployed.account.forget_calls()
    ssm, name = deployed.client("ssm"), f"/{STACK}/policy/apply"
    ssm.put_parameter(Name=name, Value="version = 2", Type="String", Overwrite=True)
    assert "invalid policy" in swept(deployed)["error"]
    assert deployed.account.fleet() == before
    assert deployed.account.mutating_calls() == []
    # One in a period is enough.
    assert counted(deployed, alarm) - errors == 1 > alarm["Threshold"]
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["EvaluationPeriods"] == 1
    assert alarm["ActionsEnabled"]
    assert alarm["AlarmActions"] == [outputs(deployed, STACK)["TopicArn"]]
    ssm.put_parameter(Name=name, Value=POLICY, Type="String", Overwrite=True)
    assert "error" not in swept(deployed)
    assert counted(deployed, alarm) - errors == 1


def counted(aws: LocalAws, alarm: dict[str, Any]) -> float:
    """The sum of the metric of an alarm over the last day."""
    assert alarm["Statistic"] == "Sum"
    now = datetime.now(UTC)
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(minutes=1),
        Period=alarm["Period"],
        Statistics=["Sum"],
    )
    return sum(one["Sum"] for one in found["Datapoints"])


def test_another_version_of_the_template_is_refused(
    deployed: LocalAws, policy: Path, tmp_path: Path
) -> None:
    """Both the functions of this version and this program make no changes."""
    newer = tmp_path / "newer.yaml"
    text = deployed.template.read_text()
    for old in ('STEWARD_TEMPLATE: "1"', 'TemplateVersion: { Value: "1" }'):
        assert old in text
        text = text.replace(old, old.replace('"1"', '"2"'))
    newer.write_text(text)
    assert deployed.deploy(POLICY=str(policy), TEMPLATE=str(newer)).returncode == 0
    assert "error" in swept(deployed)
    for command in ("deploy", "diff", "check", "destroy"):
        refuses(deployed.deploy(command), "template version 2", "newer release")
    s3, cloudformation = deployed.client("s3"), deployed.client("cloudformation")
    s3.put_object(Bucket=BUCKET, Key="old.yaml", Body=deployed.template.read_bytes())
    cloudformation.update_stack(
        StackName=STACK,
        TemplateURL=f"https://s3.{REGION}.amazonaws.com/{BUCKET}/old.yaml",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": key, "UsePreviousValue": True}
            for key in parameters(deployed, STACK)
        ],
    )
    eventually(lambda: deployed.stacks()[STACK] == "UPDATE_COMPLETE")
    assert deployed.deploy(POLICY=str(policy)).returncode == 0
    assert "error" not in swept(deployed)


def test_the_difference_of_another_bus_is_shown(
    deployed: LocalAws, policy: Path
) -> None:
    done = deployed.deploy("diff", POLICY=str(policy), PARAMETERS="EventBus=default")
    assert done.returncode == 0, done.stderr
    line = "  Modify AWS::Events::Rule NoticeOfSteps EventBusName, Name"
    assert line in done.stdout.splitlines(), done.stdout
    assert deployed.deploy("diff").stdout.splitlines()[-1] == "No changes."


def test_another_bucket_gets_the_archives(deployed: LocalAws, policy: Path) -> None:
    s3, place = deployed.client("s3"), {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="third", CreateBucketConfiguration=place)
    key = parameters(deployed, STACK)["CodePrefix"]
    assert deployed.deploy(BUCKET="third").returncode == 0
    found = s3.list_objects_v2(Bucket="third", Prefix=key)["Contents"]
    assert len(found) == len(FUNCTIONS)
    assert deployed.deploy(BUCKET=BUCKET).returncode == 0


def test_a_difference_uploads_no_archive(aws: LocalAws, policy: Path) -> None:
    new = {"STACK": "new", "POLICY": str(policy)}
    done = aws.deploy("diff", **new, PARAMETERS="RecycleBin=off RetireInstances=stop")
    assert "  Add AWS::Lambda::Function TagImage" in done.stdout, done.stderr
    found = aws.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="new/")["Contents"]
    assert [one["Key"] for one in found if one["Key"].endswith(".zip")] == []
    assert "new" not in aws.stacks()


def test_what_is_not_said_stays(deployed: LocalAws) -> None:
    before = functions(deployed), parameters(deployed, STACK)
    done = deployed.deploy()
    assert done.returncode == 0, done.stderr
    assert (functions(deployed), parameters(deployed, STACK)) == before
    assert before[1]["FlexibleMinutes"] == "1", "it was said long ago"


def test_what_is_not_ours_is_not_touched(aws: LocalAws, policy: Path) -> None:
    shop = {"STACK": "shop", "POLICY": str(policy), "PARAMETERS": "RecycleBin=off"}
    queue = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "orders"}}
    }
    cloudformation = aws.client("cloudformation")
    body = json.dumps({"Resources": queue})
    cloudformation.create_stack(StackName="shop", TemplateBody=body)
    for command in ("deploy", "diff", "destroy"):
        refuses(
            aws.deploy(command, **shop), "shop is another application's stack", "STACK="
        )
    cloudformation.delete_stack(StackName="shop")
    # Nor by the name of a parameter.
    known = {"AlertPolicyParameter": {"Type": "String", "Default": "x"}}
    body = json.dumps({"Resources": queue, "Parameters": known})
    cloudformation.create_stack(StackName="shop", TemplateBody=body)
    for command in ("deploy", "diff", "destroy"):
        refuses(
            aws.deploy(command, **shop), "shop is another application's stack", "STACK="
        )
    assert aws.client("sqs").get_queue_url(QueueName="orders")
    cloudformation.delete_stack(StackName="shop")


def test_destroying_leaves_nothing_and_touches_no_image(
    deployed: LocalAws, policy: Path
) -> None:
    s3 = deployed.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"{STACK}/{REGION}/notes", Body=b"mine")
    refuses(deployed.deploy("destroy", YES=""), "this deletes", "confirm with YES=1")
    events = deployed.client("events")
    for rule in events.list_rules(EventBusName=STACK)["Rules"]:
        if rule["Name"] == "listener":
            place = {"Rule": rule["Name"], "EventBusName": STACK}
            ids = [one["Id"] for one in events.list_targets_by_rule(**place)["Targets"]]
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
    # Objects of others in the bucket remain.
    objects = deployed.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{STACK}/")
    assert [one["Key"] for one in objects["Contents"]] == [f"{STACK}/{REGION}/notes"]
    named = deployed.client("ssm").describe_parameters()["Parameters"]
    assert [one["Name"] for one in named if STACK in one["Name"]] == []
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
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        f"The stack {STACK} does not exist.",
    )


def test_the_roles_know_the_prefix_of_the_policy(aws: LocalAws, tmp_path: Path) -> None:
    """A JSON policy, whatever the name of its file is."""
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
    assert aws.deploy("destroy", **corp).returncode == 0


def test_a_first_attempt_that_failed_is_cleared_away(
    aws: LocalAws, policy: Path
) -> None:
    """A bus with the same name already exists, so CloudFormation rolls back."""
    other = {"STACK": "other", "POLICY": str(policy)}
    other["PARAMETERS"] = "RecycleBin=off RetireInstances=stop"
    aws.client("events").create_event_bus(Name="other")
    refuses(aws.deploy(**other), "Bus: ", "already exists")
    assert aws.stacks()["other"] == "ROLLBACK_COMPLETE"
    refuses(aws.deploy("diff", **other), "the first deployment failed; `make deploy`")
    aws.client("events").delete_event_bus(Name="other")
    done = aws.deploy(**other)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deleting the failed first deployment." in done.stdout
    assert aws.deploy("destroy", **other).returncode == 0
    assert "other" not in aws.stacks()


def test_a_region_without_a_service_is_named(aws: LocalAws, policy: Path) -> None:
    """The emulator does not support Recycle Bin rules, as a Region may not support schedules."""
    new = {"STACK": "far", "POLICY": str(policy), "PARAMETERS": "RetireInstances=stop"}
    words = ["Unrecognized resource types: [AWS::Rbin::Rule]", "choose another Region"]
    refuses(aws.deploy(**new), *words)
    assert "far" not in aws.stacks()


def test_make_runs_it_with_ready_archives(aws: LocalAws, policy: Path) -> None:
    """Without cargo, because nothing is built."""
    given = {"POLICY": str(policy), "STACK": "made", "ARCHIVES": str(archives())}
    done = aws.make("deploy", **given, PARAMETERS="RecycleBin=off RetireInstances=stop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully created/updated stack - made" in done.stdout
    assert "cargo" not in done.stdout + done.stderr
    done = aws.make("diff", **given)
    assert done.stdout.splitlines()[-1] == "No changes.", done.stdout + done.stderr
    assert aws.make("destroy", STACK="made").returncode == 0
    assert "made" not in aws.stacks()
