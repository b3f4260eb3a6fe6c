"""The templates, read by cfn-lint, by moto's CloudFormation, and by the rules of this project."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from harness import ROOT, VENV

TEMPLATES = {
    "foundation": ROOT / "infra/foundation.yaml",
    "wiring": ROOT / "infra/wiring.yaml",
    "examples": ROOT / "docs/events/examples.yaml",
}
OURS = ("foundation", "wiring")
# Types that carry no tags of their own.
WITHOUT_TAGS = {
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",  # Its group has them.
}
# What moto 5.2 knows nothing of and passes over, or does not list.
UNKNOWN_TO_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Rbin::Rule",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::Scheduler::ScheduleGroup",
}


class Loader(yaml.SafeLoader):
    """Reads `!Sub x` as `{"Sub": "x"}`."""


def _tagged(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _tagged)


def resources(name: str) -> dict[str, Any]:
    """The resources of a template, by their logical ids."""
    return yaml.load(TEMPLATES[name].read_text(), Loader)["Resources"]


def statements() -> list[tuple[str, dict[str, Any]]]:
    """Every statement of every role, with the role's name."""
    return [
        (name, statement)
        for name, one in resources("foundation").items()
        if one["Type"] == "AWS::IAM::Role"
        for policy in one["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def targets() -> list[tuple[str, dict[str, Any]]]:
    """Everything that is called by a rule or a schedule."""
    found = []
    for name, one in resources("wiring").items():
        properties = one["Properties"]
        if one["Type"] == "AWS::Events::Rule":
            found += [(name, target) for target in properties["Targets"]]
        if one["Type"] == "AWS::Scheduler::Schedule":
            found.append((name, properties["Target"]))
    return found


def as_list(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


def test_cfn_lint_has_nothing_to_say() -> None:
    command = [VENV / "bin/cfn-lint", *TEMPLATES.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", OURS)
def test_what_can_be_tagged_is(name: str) -> None:
    for logical, one in resources(name).items():
        if one["Type"] not in WITHOUT_TAGS:
            keys = {tag["Key"] for tag in one["Properties"]["Tags"]}
            assert keys == {"ManagedBy", "Stack"}, logical


@pytest.mark.parametrize("name", OURS)
def test_every_parameter_is_explained_and_has_a_default(name: str) -> None:
    parameters = yaml.load(TEMPLATES[name].read_text(), Loader)["Parameters"]
    for key, one in parameters.items():
        assert one["Description"].endswith((".", ".)")), key
        # `make deploy` takes these two from the foundation.
        if key not in ("DeadLetterQueueArn", "SchedulerRoleArn"):
            assert "Default" in one, key


def test_no_action_is_a_pattern() -> None:
    for role, statement in statements():
        for action in as_list(statement["Action"]):
            assert "*" not in action, (role, statement["Sid"])


@pytest.fixture(scope="module")
def authorization() -> dict[str, Any]:
    """AWS's service authorization reference, as cfn-lint carries it."""
    [path] = VENV.glob("lib/*/site-packages/**/Policies.json")
    return json.loads(path.read_text())


def test_everything_that_can_be_narrowed_is(authorization: dict[str, Any]) -> None:
    seen = 0
    for role, statement in statements():
        if "*" in as_list(statement["Resource"]) and statement["Effect"] == "Allow":
            for action in as_list(statement["Action"]):
                service, name = action.split(":")
                known = authorization[service]["Actions"][name.lower()]
                assert "Resources" not in known, (role, action)
                seen += 1
    assert seen > 30


def test_every_action_exists(authorization: dict[str, Any]) -> None:
    for role, statement in statements():
        for action in as_list(statement["Action"]):
            service, name = action.split(":")
            assert name.lower() in authorization[service]["Actions"], (role, action)


@pytest.mark.parametrize(
    ("action", "tag"),
    [
        ("ec2:DeleteSnapshot", "delete-after"),
        ("ec2:DeregisterImage", "expired-at"),
        ("ec2:DisableImage", "expired-at"),
        ("ec2:EnableImage", "expired-at"),
        ("ec2:EnableImageDeprecation", "expired-at"),
        ("ec2:ModifyImageAttribute", "expired-at"),
        ("ec2:StopInstances", "retire-when-imaged"),
        ("ec2:TerminateInstances", "retire-when-imaged"),
    ],
)
def test_what_removes_asks_for_the_mark(action: str, tag: str) -> None:
    meant = [one for _, one in statements() if action in as_list(one["Action"])]
    assert meant
    for statement in meant:
        key = f"aws:ResourceTag/image-steward:{tag}"
        assert statement["Condition"] == {"Null": {key: "false"}}


def test_marks_are_written_by_those_alone_who_act_on_them() -> None:
    for role, statement in statements():
        if statement["Effect"] == "Allow" and "ec2:CreateTags" in as_list(
            statement["Action"]
        ):
            narrowed = statement.get("Condition", {}).get("ForAllValues:StringLike")
            if role in ("TagImageRole", "PruneImagesRole"):
                assert narrowed is None, "the policy's own tags have any key"
            else:
                assert narrowed == {"aws:TagKeys": "image-steward:*"}, role
                assert statement["Condition"]["Null"] == {"aws:TagKeys": "false"}, role
        if "ec2:DeleteTags" in as_list(statement["Action"]):
            narrowed = statement["Condition"]["ForAllValues:StringLike"]
            assert narrowed == {"aws:TagKeys": "image-steward:*"}, role
            assert statement["Condition"]["Null"] == {"aws:TagKeys": "false"}, role
    [deny] = [one for _, one in statements() if one["Effect"] == "Deny"]
    keys = deny["Condition"]["ForAnyValue:StringEquals"]["aws:TagKeys"]
    # What tag-image does not write itself, of all that shared/src/model/tag_names.rs names.
    names = re.findall(
        r'name\("([a-z-]+)"\)', Path(ROOT, "shared/src/model/tag_names.rs").read_text()
    )
    written = {"created-by", "image", "source-image", "source-instance"}
    on_instances = {"retire-when-imaged"}
    others = set(names) - written - on_instances
    assert set(keys) == {f"image-steward:{name}" for name in others}


def test_the_rule_has_every_call_that_makes_an_image() -> None:
    """The pattern and the function know the same calls."""
    pattern = resources("wiring")["ImageMade"]["Properties"]["EventPattern"]
    parser = Path(ROOT, "adapters/eventbridge/src/parse_event.rs").read_text()
    [known] = re.findall(r"matches!\(\s*call,\s*([^)]*)\)", parser)
    names = re.findall(r'"(\w+)"', known)
    assert "CreateRestoreImageTask" in names
    assert pattern["detail"]["eventName"] == names


# The resources of every statement whose actions are not for describing and listing alone.
EC2 = "arn:${AWS::Partition}:ec2:${AWS::Region}:"
HERE = "${AWS::Region}:${AWS::AccountId}"
IMAGES, SNAPSHOTS = f"{EC2}:image/*", f"{EC2}:snapshot/*"
INSTANCES = f"{EC2}${{AWS::AccountId}}:instance/*"
PARAMETER = f"arn:${{AWS::Partition}}:ssm:{HERE}:parameter/*"
RESOURCES_OF_A_STATEMENT = {
    ("TagImageRole", "Tag"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "ReadAttributes"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "ReadReferencesThemselves"): [
        f"arn:${{AWS::Partition}}:imagebuilder:{HERE}:container-recipe/*",
        PARAMETER,
    ],
    ("PruneImagesRole", "ReadParameters"): [
        PARAMETER,
        "arn:${AWS::Partition}:ssm:${AWS::Region}::parameter/aws/service/*",
    ],
    ("PruneImagesRole", "ReadRules"): [f"arn:${{AWS::Partition}}:rbin:{HERE}:rule/*"],
    ("PruneImagesRole", "Tag"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "Mark"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "Step"): [IMAGES],
    ("PruneImagesRole", "DeleteMarkedSnapshots"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "ReadAttributes"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "ReadRules"): [f"arn:${{AWS::Partition}}:rbin:{HERE}:rule/*"],
    ("ReapSnapshotsRole", "MarkOrphans"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "DeleteMarkedSnapshots"): [SNAPSHOTS],
    ("RetireInstanceRole", "ReadAttributes"): [INSTANCES],
    ("RetireInstanceRole", "Retire"): [INSTANCES],
}


def test_every_statement_has_the_room_that_it_needs_and_no_more() -> None:
    function = {
        "TagImageRole": "tag-image",
        "PruneImagesRole": "prune-images",
        "ReapSnapshotsRole": "reap-snapshots",
        "RetireInstanceRole": "retire-instance",
        "SchedulerRole": None,
    }
    scheduled = {
        one["Properties"]["Target"]["Arn"]["Sub"]
        for one in resources("wiring").values()
        if one["Type"] == "AWS::Scheduler::Schedule"
    }
    assert len(scheduled) == 3
    groups = {
        one["Properties"]["LogGroupName"]["Sub"]
        for one in resources("foundation").values()
        if one["Type"] == "AWS::Logs::LogGroup"
    }
    for role, statement in statements():
        sid = statement["Sid"]
        found = [
            one.get("Sub", one) if isinstance(one, dict) else one
            for one in as_list(statement["Resource"])
        ]
        if sid == "DeadLetters":
            assert found == [{"GetAtt": "DeadLetters.Arn"}], role
        elif sid == "Tell":
            bus = f"arn:${{AWS::Partition}}:events:{HERE}:event-bus/${{EventBus}}"
            assert found == [bus], role
            source = {"events:source": "image-steward"}
            assert statement["Condition"] == {"StringEquals": source}, role
        elif sid == "Log":
            group = f"/aws/lambda/${{Stack}}-{function[role]}"
            assert group in groups
            assert found == [f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:{group}:*"]
        elif sid == "Invoke":
            assert set(found) == scheduled
        elif found == ["*"]:
            assert sid in ("Read", "ReadForReferences", "NeverMark"), (role, sid)
        else:
            assert found == RESOURCES_OF_A_STATEMENT[role, sid], (role, sid)
    for role, statement in statements():
        if statement["Sid"] in ("ReadForReferences", "ReadReferencesThemselves"):
            called = {"aws:CalledVia": "ec2-images.amazonaws.com"}
            assert statement["Condition"] == {"ForAnyValue:StringEquals": called}, role


def test_the_queue_and_the_topic_hear_this_stack_only() -> None:
    rules = f"arn:${{AWS::Partition}}:events:{HERE}:rule"
    names = [f"{rules}/${{Stack}}-*", f"{rules}/${{EventBus}}/${{Stack}}-*"]
    seen = 0
    for logical in ("DeadLettersPolicy", "TopicPolicy"):
        policy = resources("foundation")[logical]["Properties"]["PolicyDocument"]
        for statement in policy["Statement"]:
            if statement["Principal"] == {"Service": "events.amazonaws.com"}:
                told = statement["Condition"]["ArnLike"]["aws:SourceArn"]
                assert [one["Sub"] for one in told] == names
                seen += 1
    assert seen == 2
    for logical, one in resources("wiring").items():
        if one["Type"] == "AWS::Events::Rule":
            assert one["Properties"]["Name"]["Sub"].startswith("${Stack}-"), logical


def test_every_alarm_watches_what_is_there() -> None:
    names = {path.name for path in Path(ROOT, "functions").iterdir()}
    watched = set()
    for logical, one in resources("wiring").items():
        if one["Type"] != "AWS::CloudWatch::Alarm":
            continue
        alarm = one["Properties"]
        [dimension] = alarm["Dimensions"]
        if alarm["Namespace"] == "AWS/SQS":
            continue
        key = "FunctionName" if alarm["Namespace"] == "AWS/Lambda" else "Function"
        assert dimension["Name"] == key, logical
        name = dimension["Value"]["Sub"].removeprefix("${Stack}-")
        assert name in names, logical
        watched.add((name, alarm["MetricName"]))
        is_silence = alarm["MetricName"] == "Runs"
        silent = "breaching" if is_silence else "notBreaching"
        assert alarm["TreatMissingData"] == silent, logical
        compared = (
            "LessThanThreshold" if is_silence else "GreaterThanThreshold",
            1 if is_silence else 0,
            86400 if is_silence else 300,
        )
        found = (alarm["ComparisonOperator"], alarm["Threshold"], alarm["Period"])
        assert found == compared, logical
    assert {(name, "Errors") for name in names} < watched
    assert {("prune-images", "Refused"), ("prune-images", "Runs")} < watched
    sweeps = ("prune-images", "reap-snapshots", "retire-instance")
    assert {(name, "Failed") for name in sweeps} < watched


def test_images_are_swept_as_often_as_the_alarm_expects() -> None:
    parameters = yaml.load(TEMPLATES["wiring"].read_text(), Loader)["Parameters"]
    hours = re.fullmatch(r"rate\((\d+) hours\)", parameters["PruneSchedule"]["Default"])
    assert hours and int(hours[1]) < 24


def test_nothing_that_is_sent_is_lost() -> None:
    assert len(targets()) == 10
    for name, target in targets():
        assert target["DeadLetterConfig"] == {"Arn": {"Ref": "DeadLetterQueueArn"}}, (
            name
        )
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] > 0, name


def is_described(path: str, schema: dict[str, Any]) -> bool:
    """Whether the schema of an event describes a field with this path."""
    found = schema
    for word in re.findall(r"[\w-]+", path):
        if word.isdigit():
            found = found.get("items", {})
        else:
            found = found.get("properties", {}).get(word, {})
        # A field that may be null has two schemas.
        for option in (found, *found.get("anyOf", [])):
            if "$ref" in option:
                found = schema["$defs"][option["$ref"].removeprefix("#/$defs/")]
    return bool(found)


def test_what_is_passed_on_of_an_event_is_in_it() -> None:
    schemas = {}
    for file in Path(ROOT, "docs/events").glob("*.schema.json"):
        schema = json.loads(file.read_text())
        schemas[schema["title"]] = schema
    seen = 0
    for template in ("wiring", "examples"):
        for name, one in resources(template).items():
            if one["Type"] != "AWS::Events::Rule":
                continue
            for target in one["Properties"]["Targets"]:
                paths = target.get("InputTransformer", {}).get("InputPathsMap", {})
                for kind in one["Properties"]["EventPattern"]["detail-type"]:
                    for path in paths.values():
                        assert is_described(path, schemas[kind]), (name, kind, path)
                        seen += 1
    assert seen > 30


def test_every_function_says_where_its_failures_go() -> None:
    configs = {
        one["Properties"]["FunctionName"]["Sub"].removeprefix("${Stack}-"): one
        for one in resources("wiring").values()
        if one["Type"] == "AWS::Lambda::EventInvokeConfig"
    }
    names = {path.name for path in Path(ROOT, "functions").iterdir()}
    assert configs.keys() == names
    retries = {
        name: one["Properties"]["MaximumRetryAttempts"] for name, one in configs.items()
    }
    assert retries["prune-images"] == 0
    for one in configs.values():
        destination = one["Properties"]["DestinationConfig"]["OnFailure"]
        assert destination == {"Destination": {"Ref": "DeadLetterQueueArn"}}


def test_the_dashboard_shows_metrics_that_exist() -> None:
    source = Path(ROOT, "shared/src/report/metrics.rs").read_text()
    body = resources("wiring")["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    widgets = json.loads(body)["widgets"]
    lines = [line for one in widgets for line in one["properties"]["metrics"]]
    shown = {line[1] for line in lines if line[0] != "..."}
    alarms = {
        one["Properties"]["MetricName"]
        for one in resources("wiring").values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
        and one["Properties"]["Namespace"] == "ImageSteward"
    }
    assert len(shown) > 10
    for metric in shown | alarms:
        assert f'"{metric}"' in source, metric


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("cloudformation")


def created(moto: Any, name: str, parameters: dict[str, str]) -> dict[str, str]:
    """The outputs of a stack, after everything that moto knows of it was made."""
    moto.create_stack(
        StackName=name,
        TemplateBody=TEMPLATES[name].read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    [stack] = moto.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    listed = moto.list_stack_resources(StackName=name)["StackResourceSummaries"]
    made = {one["LogicalResourceId"] for one in listed}
    for logical, one in resources(name).items():
        if one["Type"] not in UNKNOWN_TO_MOTO:
            assert logical in made, (logical, one["Type"])
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def test_moto_accepts_both(moto: Any) -> None:
    notices = {"Notices": "on", "NoticeEmail": "owner@example.org"}
    outputs = created(moto, "foundation", notices)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "")
    for function in Path(ROOT, "functions").iterdir():
        role = f"{function.name.title().replace('-', '')}RoleArn"
        boto3.client("lambda").create_function(
            FunctionName=f"image-steward-{function.name}",
            Runtime="provided.al2023",
            Role=outputs[role],
            Handler="bootstrap",
            Code={"ZipFile": code.getvalue()},
        )
    names = ("DeadLetterQueueArn", "SchedulerRoleArn", "TopicArn")
    created(moto, "wiring", {name: outputs[name] for name in names})
    rules = boto3.client("events").list_rules()["Rules"]
    of_type = [one["Type"] for one in resources("wiring").values()]
    assert len(rules) == of_type.count("AWS::Events::Rule")
