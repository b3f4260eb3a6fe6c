"""The templates, checked with cfn-lint, with moto's CloudFormation, and against the rules of this
project."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from policy_sentry.querying.actions import get_action_data

from binaries import LAMBDAS
from harness import ROOT, VENV

TEMPLATES = {
    "image-steward": ROOT / "infra/image-steward.yaml",
    "examples": ROOT / "docs/events/examples.yaml",
}
ROLES = ["TagImageRole", "PruneImagesRole", "ReapSnapshotsRole", "RetireInstanceRole"]
# Resource types that moto 5.2 skips because it does not support them, or does not list.
UNKNOWN_TO_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::EventBusPolicy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Rbin::Rule",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::Scheduler::ScheduleGroup",
}


class Loader(yaml.SafeLoader):
    """Parses `!Sub x` as `{"Sub": "x"}`."""


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


def branches(value: Any) -> list[Any]:
    """The possible values of an `!If`. A value without one is returned unchanged."""
    if isinstance(value, dict) and value.keys() == {"If"}:
        return [one for branch in value["If"][1:] for one in branches(branch)]
    return [] if value == {"Ref": "AWS::NoValue"} else [value]


def statements() -> list[tuple[str, dict[str, Any]]]:
    """All statements of all roles with the role's name, for any parameters."""
    found = []
    for name, one in resources("image-steward").items():
        if one["Type"] == "AWS::IAM::Role":
            documents = one["Properties"]["Policies"]
            roles = [name]
        elif one["Type"] == "AWS::IAM::Policy":
            documents = [one["Properties"]]
            roles = [role["Ref"] for role in one["Properties"]["Roles"]]
        else:
            continue
        for document in documents:
            for given in document["PolicyDocument"]["Statement"]:
                for role, statement in product(roles, branches(given)):
                    found.append((role, statement))
    return found


def actions(statement: dict[str, Any]) -> list[str]:
    """All possible actions of a statement."""
    found = [one for branch in branches(statement["Action"]) for one in as_list(branch)]
    return sorted(set(found))


def targets() -> list[tuple[str, dict[str, Any]]]:
    """Everything that a rule or a schedule invokes."""
    found = []
    for name, one in resources("image-steward").items():
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


def parameters() -> dict[str, Any]:
    """The parameters of the template."""
    return yaml.load(TEMPLATES["image-steward"].read_text(), Loader)["Parameters"]


def test_every_parameter_is_explained_and_has_a_default() -> None:
    for key, one in parameters().items():
        assert one["Description"].endswith("."), key
        # The bucket has no default.
        assert "Default" in one or key == "CodeBucket", key


def test_every_way_to_deploy_it_needs_s3_anyway() -> None:
    """CloudFormation accepts a template over 51,200 bytes only from S3, and at most 1 MB."""
    size = TEMPLATES["image-steward"].stat().st_size
    assert size < 80_000, "docs/deployment.md says how large it is"
    shown = re.search(r"about (\d+) KB", Path(ROOT, "docs/deployment.md").read_text())
    assert shown and abs(int(shown[1]) - size / 1000) < 2, size


def test_nothing_wakes_a_function_before_it_is_complete() -> None:
    """Its invoke permission and its schedule are created after its failure destination."""
    every = resources("image-steward")
    seen = 0
    for logical, one in every.items():
        if one["Type"] == "AWS::Lambda::Permission":
            function = one["Properties"]["FunctionName"]["GetAtt"].removesuffix(".Arn")
        elif one["Type"] == "AWS::Scheduler::Schedule":
            function = one["Properties"]["Target"]["Arn"]["GetAtt"].removesuffix(".Arn")
        else:
            continue
        assert one["DependsOn"] == f"{function}Failures", logical
        failures = every[f"{function}Failures"]["Properties"]
        assert failures["FunctionName"] == {"Ref": function}
        # Its policy is attached first too: without it, the role may not read the policy.
        assert every[function]["DependsOn"] == "EveryFunction"
        seen += 1
    assert seen == 7


def test_the_recycle_bin_outlives_what_removes() -> None:
    """A resource is created after those to which it refers, and deleted before them."""
    for logical in ("PruneImages", "ReapSnapshots"):
        [tag] = resources("image-steward")[f"{logical}Role"]["Properties"]["Tags"]
        both = [{"Ref": "RecycledImages"}, {"Ref": "RecycledSnapshots"}]
        joined = {"Join": [" ", both]}
        assert tag["Value"] == {"If": ["HasRecycleBin", joined, "none"]}


def test_functions_are_as_they_were_measured() -> None:
    """Memory and time: docs/cost.md. Concurrency 1: sweeps must not overlap."""
    expected = {
        "tag-image": (128, 60, None),
        "prune-images": (256, 900, 1),
        "reap-snapshots": (256, 900, 1),
        "retire-instance": (128, 120, 1),
    }
    found = {}
    for logical, one in functions().items():
        held = one["Properties"]
        name = held["FunctionName"]["Sub"].removeprefix("${NamePrefix}-")
        found[name] = (
            held["MemorySize"],
            held["Timeout"],
            held.get("ReservedConcurrentExecutions"),
        )
        assert held["Role"] == {"GetAtt": f"{logical}Role.Arn"}
        assert held["LoggingConfig"] == {"LogGroup": {"Ref": f"{logical}Logs"}}
        assert held["Code"]["S3Key"] == {
            "Sub": f"${{CodePrefix}}{name}-${{Architecture}}.zip"
        }
        assert held["Runtime"] == "provided.al2023"
    assert found == expected
    assert found.keys() == set(LAMBDAS)


def functions() -> dict[str, Any]:
    """The functions by their logical ids."""
    return {
        logical: one
        for logical, one in resources("image-steward").items()
        if one["Type"] == "AWS::Lambda::Function"
    }


def test_mode_and_policy_change_together() -> None:
    """The name of the parameter contains the mode, so that one update of a function changes both."""
    policy = resources("image-steward")["Policy"]["Properties"]
    assert policy["Name"] == {"Sub": "/${NamePrefix}/policy/${Mode}"}
    for one in functions().values():
        variables = one["Properties"]["Environment"]["Variables"]
        assert variables["STEWARD_MODE"] == {"Ref": "Mode"}
        assert branches(variables["STEWARD_POLICY"]) == [
            {"Sub": "ssm:${Policy}"},
            {"Sub": "ssm:${PolicyParameter}#${PolicyParts}"},
            {"Sub": "ssm:${PolicyParameter}"},
        ]
        digest = variables["STEWARD_POLICY_DIGEST"]
        assert digest == {"If": ["HasPolicyText", "", {"Ref": "PolicyDigest"}]}
        assert variables["STEWARD_TAG_PREFIX"] == "image-steward:"
        version = yaml.load(TEMPLATES["image-steward"].read_text(), Loader)["Outputs"]
        assert version["TemplateVersion"]["Value"] == variables["STEWARD_TEMPLATE"]


def test_no_action_is_a_pattern() -> None:
    for role, statement in statements():
        for action in actions(statement):
            assert "*" not in action, (role, statement["Sid"])


def documented(action: str) -> list[dict[str, Any]]:
    """AWS's service authorization reference for an action, by resource type."""
    service, name = action.split(":")
    found = get_action_data(service, name)
    assert found, f"there is no action {action}"
    return found[service]


def kind(arn: str) -> str:
    """The service and resource type of an ARN."""
    _, _, service, _, _, resource = arn.replace("AWS::", "").split(":", 5)
    return f"{service}:{resource.partition('/')[0]}"


def keys_for(action: str, arns: list[str]) -> Iterator[set[str]]:
    """The condition keys that AWS documents for an action, by its resource types."""
    rows = documented(action)
    if "*" in arns:
        yield {key for row in rows for key in row["condition_keys"]}
        return
    kinds = {kind(arn) for arn in arns}
    for row in rows:
        if (
            row["resource_arn_format"] != "*"
            and kind(row["resource_arn_format"]) in kinds
        ):
            yield set(row["condition_keys"])


def test_everything_that_can_be_narrowed_is() -> None:
    seen = 0
    for role, statement in statements():
        if "*" in as_list(statement["Resource"]) and statement["Effect"] == "Allow":
            for action in actions(statement):
                formats = {row["resource_arn_format"] for row in documented(action)}
                assert formats == {"*"}, (role, action)
                seen += 1
    assert seen > 30


# Keys of every request, for any action.
GLOBAL = {"aws:CalledVia"}


def test_services_know_the_keys_of_every_condition() -> None:
    """A condition on a key that a request does not have is never met, or always."""
    seen = 0
    for role, statement in statements():
        used = {
            key for one in statement.get("Condition", {}).values() for key in one
        } - GLOBAL
        if not used:
            continue
        arns = [
            as_list(one["Sub"])[0] if "Sub" in one else "*"
            for one in as_list(statement["Resource"])
        ]
        for action in actions(statement):
            every = list(keys_for(action, arns))
            assert every, (role, action, arns)
            for known, key in product(every, used):
                # Each tag has its own key.
                key = re.sub(r"(?<=ResourceTag/).*", "${TagKey}", key)
                assert key in known, (role, statement["Sid"], action, key)
                seen += 1
    assert seen > 40


def test_our_own_resources_only() -> None:
    """All changes of an image or a snapshot require the account as its owner."""
    seen = 0
    for role, statement in statements():
        resources_ = json.dumps(statement["Resource"])
        if statement["Effect"] == "Deny" or not re.search(
            "::(image|snapshot)/", resources_
        ):
            continue
        owner = statement["Condition"]["StringEquals"]
        assert owner == {"ec2:Owner": {"Ref": "AWS::AccountId"}}, (role, statement)
        seen += 1
    assert seen == 10


def only_if(condition: str, role: str, action: str) -> list[Any]:
    """All statements in which the template allows an action, all of which need a condition."""
    [policy] = resources("image-steward")[role]["Properties"]["Policies"]
    found = []
    for given in policy["PolicyDocument"]["Statement"]:
        if action in json.dumps(given):
            assert given["If"][0] == condition, (role, action)
            assert given["If"][2] == {"Ref": "AWS::NoValue"}
            found.append(given["If"][1])
    assert found, (role, action)
    return found


def test_what_harms_most_has_to_be_chosen() -> None:
    conditions = yaml.load(TEMPLATES["image-steward"].read_text(), Loader)["Conditions"]
    only_if("RetiresSharedImages", "PruneImagesRole", "ec2:ModifyImageAttribute")
    only_if("HasImageParameters", "PruneImagesRole", "ImageParameters")
    only_if("StopsInstances", "RetireInstanceRole", "ec2:StopInstances")
    [retire] = only_if("StopsInstances", "RetireInstanceRole", "ec2:TerminateInstances")
    assert retire["Action"]["If"] == [
        "TerminatesInstances",
        ["ec2:StopInstances", "ec2:TerminateInstances"],
        ["ec2:StopInstances"],
    ]
    said = lambda name, value: {"Equals": [{"Ref": name}, value]}
    assert conditions["RetiresSharedImages"] == said("RetireSharedImages", "on")
    assert conditions["TerminatesInstances"] == said("RetireInstances", "terminate")
    assert conditions["StopsInstances"] == {"Not": [said("RetireInstances", "off")]}
    for name, default in (
        ("RetireSharedImages", "off"),
        ("RetireInstances", "off"),
        ("ImageParameters", ""),
    ):
        assert parameters()[name]["Default"] == default
    # In addition to the selected ones, AWS's public parameters, and those that EC2 reads.
    read = {
        statement["Sid"]
        for _, statement in statements()
        if any(one.startswith("ssm:GetParameter") for one in actions(statement))
    }
    assert read == {
        "ReadPublicParameters",
        "ReadImageParameters",
        "ReadReferencesThemselves",
        "ReadPolicy",
    }


@pytest.mark.parametrize("role", ROLES)
def test_no_function_writes_what_only_people_write(role: str) -> None:
    mine = [one for name, one in statements() if name == role]
    for action in ("ec2:CreateTags", "ec2:DeleteTags"):
        [deny] = [
            one for one in mine if one["Sid"] == "NeverKeep" and action in actions(one)
        ]
        assert deny["Effect"] == "Deny"
        assert deny["Resource"] == "*"
        [keys] = deny["Condition"].values()
        assert {"image-steward:keep", "image-steward:retire-when-imaged"} <= set(
            keys["aws:TagKeys"]
        )
        assert deny["Condition"].keys() == {"ForAnyValue:StringEquals"}


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
    meant = [one for _, one in statements() if action in actions(one)]
    assert meant
    for statement in meant:
        key = f"aws:ResourceTag/image-steward:{tag}"
        assert statement["Condition"]["Null"] == {key: "false"}


def test_roles_are_assumed_for_this_stack_only() -> None:
    for name, one in resources("image-steward").items():
        if one["Type"] != "AWS::IAM::Role":
            continue
        properties = one["Properties"]
        assert properties["Path"] == {"Ref": "RolePath"}, name
        [boundary] = branches(properties["PermissionsBoundary"])
        assert boundary == {"Ref": "PermissionsBoundaryArn"}, name
        [trust] = properties["AssumeRolePolicyDocument"]["Statement"]
        if name == "SchedulerRole":
            group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}"
            assert trust["Condition"] == {
                "StringEquals": {
                    "aws:SourceAccount": {"Ref": "AWS::AccountId"},
                    "aws:SourceArn": {"Sub": f"{group}:schedule-group/${{NamePrefix}}"},
                }
            }


def test_only_the_functions_put_events_on_the_own_bus() -> None:
    policy = resources("image-steward")["BusPolicy"]["Properties"]
    statement = policy["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Action"] == "events:PutEvents"
    assert statement["Resource"] == {"GetAtt": "Bus.Arn"}
    roles = [{"GetAtt": f"{role}.Arn"} for role in ROLES]
    [(operator, keys)] = statement["Condition"].items()
    # A negated operator also matches a request without the key.
    assert (operator, keys) == ("ArnNotEquals", {"aws:PrincipalArn": roles})
    may = {role for role, one in statements() if "events:PutEvents" in actions(one)}
    assert may == set(ROLES)


def test_events_are_believed_of_this_account_and_region_only() -> None:
    seen = 0
    for logical, one in resources("image-steward").items():
        if one["Type"] != "AWS::Events::Rule":
            continue
        pattern = one["Properties"]["EventPattern"]
        if pattern["source"] == ["image-steward"]:
            own = {"If": ["HasOwnBus", {"GetAtt": "Bus.Name"}, {"Ref": "EventBus"}]}
            assert one["Properties"]["EventBusName"] == own, logical
        else:
            assert "EventBusName" not in one["Properties"], logical
            assert pattern["source"] == ["aws.ec2"], logical
            assert pattern["account"] == [{"Ref": "AWS::AccountId"}], logical
            assert pattern["region"] == [{"Ref": "AWS::Region"}], logical
        seen += 1
    assert seen == 6


@pytest.mark.parametrize("logical", ["DeadLettersPolicy", "TopicPolicy"])
def test_the_queue_and_the_topic_are_reached_over_tls_only(logical: str) -> None:
    policy = resources("image-steward")[logical]["Properties"]["PolicyDocument"]
    [deny] = [one for one in policy["Statement"] if one["Sid"] == "OnlyOverTls"]
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(
    ("logical", "key", "parameter"),
    [
        ("DeadLetters", "KmsMasterKeyId", "QueueKeyArn"),
        ("Topic", "KmsMasterKeyId", "TopicKeyArn"),
        ("TagImageLogs", "KmsKeyId", "LogKeyArn"),
        ("PruneImagesLogs", "KmsKeyId", "LogKeyArn"),
        ("ReapSnapshotsLogs", "KmsKeyId", "LogKeyArn"),
        ("RetireInstanceLogs", "KmsKeyId", "LogKeyArn"),
    ],
)
def test_keys_can_be_chosen(logical: str, key: str, parameter: str) -> None:
    found = resources("image-steward")[logical]["Properties"][key]
    assert branches(found) == [{"Ref": parameter}]


def test_marks_are_written_by_those_alone_who_act_on_them() -> None:
    for role, statement in statements():
        if statement["Effect"] == "Deny":
            continue
        if "ec2:CreateTags" in actions(statement):
            narrowed = statement["Condition"].get("ForAllValues:StringLike")
            if role in ("TagImageRole", "PruneImagesRole"):
                assert narrowed is None, "the policy's own tags have any key"
            else:
                assert narrowed == {"aws:TagKeys": "image-steward:*"}, role
                assert statement["Condition"]["Null"] == {"aws:TagKeys": "false"}, role
        if "ec2:DeleteTags" in actions(statement):
            narrowed = statement["Condition"]["ForAllValues:StringLike"]
            assert narrowed == {"aws:TagKeys": "image-steward:*"}, role
            assert statement["Condition"]["Null"] == {"aws:TagKeys": "false"}, role
    [deny] = [one for _, one in statements() if one["Sid"] == "NeverState"]
    keys = deny["Condition"]["ForAnyValue:StringEquals"]["aws:TagKeys"]
    # Tags that tag-image does not write.
    written = {"created-by", "image", "source-image", "source-instance"}
    others = set(tag_names()) - written
    assert set(keys) == {f"image-steward:{name}" for name in others}


def tag_names() -> list[str]:
    """The names of our tags, without the prefix."""
    text = Path(ROOT, "shared/src/model/tag_names.rs").read_text()
    names = re.findall(r'name\("([a-z-]+)"\)', text)
    assert "expired-at" in names
    return names


def test_the_rule_has_every_call_that_makes_an_image() -> None:
    """The pattern and the function have the same calls."""
    pattern = resources("image-steward")["ImageMade"]["Properties"]["EventPattern"]
    parser = Path(ROOT, "adapters/eventbridge/src/parse_event.rs").read_text()
    [known] = re.findall(r"matches!\(\s*call,\s*([^)]*)\)", parser)
    names = re.findall(r'"(\w+)"', known)
    assert "CreateRestoreImageTask" in names
    assert pattern["detail"]["eventName"] == names


# The resources of all statements with actions other than Describe and List.
EC2 = "arn:${AWS::Partition}:ec2:${AWS::Region}:"
HERE = "${AWS::Region}:${AWS::AccountId}"
IMAGES, SNAPSHOTS = f"{EC2}:image/*", f"{EC2}:snapshot/*"
INSTANCES = f"{EC2}${{AWS::AccountId}}:instance/*"
PARAMETER = f"arn:${{AWS::Partition}}:ssm:{HERE}:parameter/*"
BUS = {"If": ["HasOwnBus", {"Ref": "NamePrefix"}, {"Ref": "EventBus"}]}
RESOURCES_OF_A_STATEMENT = {
    ("TagImageRole", "Tag"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "ReadAttributes"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "ReadReferencesThemselves"): [
        f"arn:${{AWS::Partition}}:imagebuilder:{HERE}:container-recipe/*",
        PARAMETER,
    ],
    ("PruneImagesRole", "ReadPublicParameters"): [
        "arn:${AWS::Partition}:ssm:${AWS::Region}::parameter/aws/service/*",
    ],
    ("PruneImagesRole", "ReadImageParameters"): [{"Ref": "ImageParameters"}],
    ("PruneImagesRole", "RestoreSharing"): [IMAGES],
    ("PruneImagesRole", "ReadRules"): [f"arn:${{AWS::Partition}}:rbin:{HERE}:rule/*"],
    ("PruneImagesRole", "Tag"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "RemoveStateTags"): [IMAGES, SNAPSHOTS],
    ("PruneImagesRole", "Step"): [IMAGES],
    ("PruneImagesRole", "DeleteTaggedSnapshots"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "ReadAttributes"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "ReadRules"): [f"arn:${{AWS::Partition}}:rbin:{HERE}:rule/*"],
    ("ReapSnapshotsRole", "TagOrphans"): [SNAPSHOTS],
    ("ReapSnapshotsRole", "DeleteTaggedSnapshots"): [SNAPSHOTS],
    ("RetireInstanceRole", "ReadAttributes"): [INSTANCES],
    ("RetireInstanceRole", "Retire"): [INSTANCES],
}


def named(value: dict[str, str]) -> str:
    """The ARN of a function that is invoked by its name, or by its attribute."""
    if "Sub" in value:
        return value["Sub"]
    properties = functions()[value["GetAtt"].removesuffix(".Arn")]["Properties"]
    place = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function"
    return f"{place}:{properties['FunctionName']['Sub']}"


def test_every_statement_has_the_room_that_it_needs_and_no_more() -> None:
    function = {
        "TagImageRole": "tag-image",
        "PruneImagesRole": "prune-images",
        "ReapSnapshotsRole": "reap-snapshots",
        "RetireInstanceRole": "retire-instance",
        "SchedulerRole": None,
    }
    scheduled = {
        named(one["Properties"]["Target"]["Arn"])
        for one in resources("image-steward").values()
        if one["Type"] == "AWS::Scheduler::Schedule"
    }
    assert len(scheduled) == 3
    for role, statement in statements():
        sid = statement["Sid"]
        found = [
            one.get("Sub", one) if isinstance(one, dict) else one
            for one in as_list(statement["Resource"])
        ]
        if sid == "DeadLetters":
            assert found == [{"GetAtt": "DeadLetters.Arn"}], role
        elif sid == "QueueKey":
            assert found == [{"Ref": "QueueKeyArn"}], role
            via = {"kms:ViaService": {"Sub": "sqs.${AWS::Region}.amazonaws.com"}}
            assert statement["Condition"] == {"StringEquals": via}, role
        elif sid == "PublishEvents":
            bus = f"arn:${{AWS::Partition}}:events:{HERE}:event-bus/${{Name}}"
            assert found == [[bus, {"Name": BUS}]], role
            source = {"events:source": "image-steward"}
            assert statement["Condition"] == {"StringEquals": source}, role
        elif sid == "Log":
            logs = f"{role.removesuffix('Role')}Logs"
            assert found == [{"GetAtt": f"{logs}.Arn"}], role
            group = resources("image-steward")[logs]["Properties"]["LogGroupName"]
            assert group == {"Sub": f"/aws/lambda/${{NamePrefix}}-{function[role]}"}
        elif sid == "ReadPolicy":
            place = f"arn:${{AWS::Partition}}:ssm:{HERE}:parameter"
            own, named_, parts = (
                one["Sub"]
                for branch in branches(statement["Resource"])
                for one in as_list(branch)
            )
            assert own == f"{place}/${{NamePrefix}}/policy/*"
            assert named_ == f"{place}${{PolicyParameter}}"
            assert parts == f"{place}${{PolicyParameter}}/*"
        elif sid == "Invoke":
            assert set(found) == scheduled
        elif found == ["*"]:
            known = ("Read", "ReadForReferences", "NeverState", "NeverKeep")
            assert sid in known, (role, sid)
        else:
            assert found == RESOURCES_OF_A_STATEMENT[role, sid], (role, sid)
    for role, statement in statements():
        if statement["Sid"] in ("ReadForReferences", "ReadReferencesThemselves"):
            called = {"aws:CalledVia": "ec2-images.amazonaws.com"}
            assert statement["Condition"] == {"ForAnyValue:StringEquals": called}, role


def test_the_queue_and_the_topic_hear_this_stack_only() -> None:
    rules = f"arn:${{AWS::Partition}}:events:{HERE}:rule"
    names = [
        {"Sub": f"{rules}/${{NamePrefix}}-*"},
        {"Sub": [f"{rules}/${{Name}}/${{NamePrefix}}-*", {"Name": BUS}]},
    ]
    policy = lambda logical: {
        one["Sid"]: one
        for one in resources("image-steward")[logical]["Properties"]["PolicyDocument"][
            "Statement"
        ]
    }
    queue = policy("DeadLettersPolicy")
    assert queue.keys() == {"RulesOfThisStack", "OnlyOverTls"}
    told = queue["RulesOfThisStack"]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert told == names
    topic = policy("TopicPolicy")
    expected = {"Rules", "NoRulesOfOthers", "AlarmsOfThisStack", "OnlyOverTls"}
    assert topic.keys() == expected
    denied = topic["NoRulesOfOthers"]["Condition"]
    assert denied["ArnNotLike"]["aws:SourceArn"] == names
    alarms = topic["AlarmsOfThisStack"]["Condition"]
    arn = f"arn:${{AWS::Partition}}:cloudwatch:{HERE}:alarm:${{NamePrefix}}-*"
    assert alarms["ArnLike"]["aws:SourceArn"] == {"Sub": arn}
    for logical, one in resources("image-steward").items():
        if one["Type"] == "AWS::Events::Rule":
            for name in branches(one["Properties"]["Name"]):
                assert name["Sub"].startswith("${NamePrefix}-"), logical
        if one["Type"] == "AWS::CloudWatch::Alarm":
            assert one["Properties"]["AlarmName"]["Sub"].startswith("${NamePrefix}-")


# For each metric: comparison, threshold, period, number of periods, and the treatment of missing
# data.
SOON = ("Sum", "GreaterThanThreshold", 0, 300, 1, "notBreaching")


def expected_alarm(name: str, metric: str) -> tuple[Any, ...]:
    if metric == "Runs":
        return ("Sum", "LessThanThreshold", 1, 86400, 1, "breaching")
    if metric == "NotReached":
        # Schedules run at least once a day, so every sweep of a day was cut short.
        return ("Minimum", "GreaterThanThreshold", 0, 86400, 1, "notBreaching")
    return SOON


def test_every_alarm_watches_what_is_there() -> None:
    names = set(LAMBDAS)
    watched = set()
    for logical, one in resources("image-steward").items():
        if one["Type"] != "AWS::CloudWatch::Alarm":
            continue
        alarm = one["Properties"]
        topic = {"If": ["HasOwnTopic", {"Ref": "Topic"}, {"Ref": "NoticeTopicArn"}]}
        action = {"If": ["HasTopic", [topic], {"Ref": "AWS::NoValue"}]}
        assert alarm["AlarmActions"] == action, logical
        [dimension] = alarm["Dimensions"]
        if alarm["Namespace"] == "AWS/SQS":
            watched.add(("queue", alarm["MetricName"]))
            continue
        key = "FunctionName" if alarm["Namespace"] == "AWS/Lambda" else "Function"
        assert dimension["Name"] == key, logical
        function = functions()[dimension["Value"]["Ref"]]["Properties"]["FunctionName"]
        name = function["Sub"].removeprefix("${NamePrefix}-")
        assert name in names, logical
        assert alarm["AlarmName"]["Sub"].startswith(f"${{NamePrefix}}-{name}-")
        watched.add((name, alarm["MetricName"]))
        found = (
            alarm["Statistic"],
            alarm["ComparisonOperator"],
            alarm["Threshold"],
            alarm["Period"],
            alarm["EvaluationPeriods"],
            alarm["TreatMissingData"],
        )
        assert found == expected_alarm(name, alarm["MetricName"]), logical
    sweeps = {"prune-images", "reap-snapshots", "retire-instance"}
    assert watched == (
        {("queue", "ApproximateNumberOfMessagesVisible")}
        | {(name, metric) for name in names for metric in ("Errors", "EventsLost")}
        | {(name, m) for name in sweeps for m in ("Runs", "Failed", "NotReached")}
        | {("prune-images", "Refused"), ("reap-snapshots", "Refused")}
    )


def test_images_are_swept_as_often_as_the_alarm_expects() -> None:
    for name in ("Prune", "Reap", "Retire"):
        default = parameters()[f"{name}Schedule"]["Default"]
        hours = re.fullmatch(r"rate\((\d+) hours?\)", default)
        assert hours and int(hours[1]) < 24, name


def test_nothing_that_is_sent_is_lost() -> None:
    assert len(targets()) == 10
    for name, target in targets():
        assert target["DeadLetterConfig"] == {"Arn": {"GetAtt": "DeadLetters.Arn"}}, (
            name
        )
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] > 0, name


def is_described(path: str, schema: dict[str, Any]) -> bool:
    """Whether the schema of an event contains a field with this path."""
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
    for template in ("image-steward", "examples"):
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


# The values that may be in quotes in a notice: ids, dates, fixed words, and the name of a tag,
# whose prefix must not contain quotes for `make deploy`.
PLAIN = {
    "$.detail-type",
    "$.detail.account",
    "$.detail.delete_after",
    "$.detail.function",
    "$.detail.image_id",
    "$.detail.next.action",
    "$.detail.next.at",
    "$.detail.opt_out_tag",
    "$.detail.region",
    "$.detail.snapshot_id",
}


def test_no_text_breaks_a_notice() -> None:
    """EventBridge does not escape a quoted text. It writes an object as JSON."""
    seen = 0
    for name, one in resources("image-steward").items():
        if one["Type"] != "AWS::Events::Rule" or not name.startswith("NoticeOf"):
            continue
        [target] = one["Properties"]["Targets"]
        transformer = target["InputTransformer"]
        paths, template = transformer["InputPathsMap"], transformer["InputTemplate"]
        in_quotes = set()
        for text in re.findall(r'"[^"]*"', template):
            in_quotes |= set(re.findall(r"<(\w+)>", text))
        bare = set(re.findall(r"<(\w+)>", re.sub(r'"[^"]*"', "", template)))
        assert {paths[key] for key in in_quotes} <= PLAIN, name
        assert {paths[key] for key in bare} == {"$.detail"}, name
        assert in_quotes | bare == paths.keys(), name
        rendered = template.replace("<detail>", '{"text": "\\"\\n"}')
        assert json.loads(rendered)["detail"] == {"text": '"\n'}, name
        seen += 1
    assert seen == 3


def test_every_function_says_where_its_failures_go() -> None:
    configs = {
        functions()[one["Properties"]["FunctionName"]["Ref"]]["Properties"][
            "FunctionName"
        ]["Sub"].removeprefix("${NamePrefix}-"): one
        for one in resources("image-steward").values()
        if one["Type"] == "AWS::Lambda::EventInvokeConfig"
    }
    names = set(LAMBDAS)
    assert configs.keys() == names
    retries = {
        name: one["Properties"]["MaximumRetryAttempts"] for name, one in configs.items()
    }
    assert retries["prune-images"] == 0
    for one in configs.values():
        destination = one["Properties"]["DestinationConfig"]["OnFailure"]
        assert destination == {"Destination": {"GetAtt": "DeadLetters.Arn"}}


def test_the_dashboard_shows_metrics_that_exist() -> None:
    source = Path(ROOT, "shared/src/report/metrics.rs").read_text()
    body = resources("image-steward")["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    widgets = json.loads(body)["widgets"]
    lines = [line for one in widgets for line in one["properties"]["metrics"]]
    shown = {line[1] for line in lines if line[0] != "..."}
    alarms = {
        one["Properties"]["MetricName"]
        for one in resources("image-steward").values()
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


def created(
    moto: Any, name: str, parameters: dict[str, str], is_whole: bool = True
) -> dict[str, str]:
    """The outputs of a stack, after everything that moto supports (`is_whole`) was created."""
    s3 = boto3.client("s3")
    here = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket="code", CreateBucketConfiguration=here)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "")
    for function in LAMBDAS:
        key = f"v1/{function}-arm64.zip"
        s3.put_object(Bucket="code", Key=key, Body=code.getvalue())
    s3.put_object(Bucket="code", Key="t.yaml", Body=TEMPLATES[name].read_bytes())
    parameters = {
        "CodeBucket": "code",
        "CodePrefix": "v1/",
        "PolicyText": "version = 1",
    } | (parameters)
    moto.create_stack(
        StackName=name,
        TemplateURL="https://code.s3.eu-central-1.amazonaws.com/t.yaml",
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
        is_made = one.get("Condition") != "HasQueueKey"
        if is_whole and is_made and one["Type"] not in UNKNOWN_TO_MOTO:
            assert logical in made, (logical, one["Type"])
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def test_moto_accepts_it(moto: Any) -> None:
    notices = {"NoticeEmail": "owner@example.org"}
    outputs = created(moto, "image-steward", notices)
    assert outputs["TopicArn"].endswith(":image-steward-notices")
    assert outputs["EventBusName"] == "image-steward"
    names = {
        one["FunctionName"]
        for one in boto3.client("lambda").list_functions()["Functions"]
    }
    assert names == {f"image-steward-{name}" for name in LAMBDAS}
    policy = boto3.client("ssm").get_parameter(Name="/image-steward/policy/plan")
    assert policy["Parameter"]["Value"] == "version = 1"
    client = boto3.client("events")
    rules = client.list_rules()["Rules"]
    notices = client.list_rules(EventBusName="image-steward")["Rules"]
    of_type = [one["Type"] for one in resources("image-steward").values()]
    assert len(rules) + len(notices) == of_type.count("AWS::Events::Rule")
    assert len(notices) == 3


@pytest.mark.parametrize(
    ("parameters", "topic"),
    [
        ({}, None),
        ({"Notices": "none", "NoticeEmail": "a@b.example"}, None),
        ({"Notices": "on"}, ":image-steward-notices"),
        ({"NoticeTopicArn": "arn:aws:sns:eu-central-1:111122223333:ops"}, ":ops"),
    ],
)
def test_who_is_notified(
    moto: Any, parameters: dict[str, str], topic: str | None
) -> None:
    outputs = created(moto, "image-steward", parameters, is_whole=False)
    assert ("TopicArn" in outputs) == (topic is not None)
    if topic:
        assert outputs["TopicArn"].endswith(topic)
    topics = boto3.client("sns").list_topics()["Topics"]
    assert bool(topics) == (topic == ":image-steward-notices")


def test_keys_paths_and_boundaries(moto: Any) -> None:
    here = "arn:aws:kms:eu-central-1:123456789012:key"
    parameters = {
        "QueueKeyArn": f"{here}/queue",
        "TopicKeyArn": f"{here}/topic",
        "LogKeyArn": f"{here}/log",
        "RolePath": "/ops/images/",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "NoticeEmail": "a@b.example",
        "EventBus": "existing",
    }
    boto3.client("events").create_event_bus(Name="existing")
    outputs = created(moto, "image-steward", parameters, is_whole=False)
    assert outputs["EventBusName"] == "existing"
    assert ":role/ops/images/" in outputs["PruneImagesRoleArn"]
    for role in boto3.client("iam").list_roles()["Roles"]:
        found = boto3.client("iam").get_role(RoleName=role["RoleName"])["Role"]
        boundary = found["PermissionsBoundary"]["PermissionsBoundaryArn"]
        assert boundary == parameters["PermissionsBoundaryArn"]
    sqs = boto3.client("sqs")
    url = outputs["DeadLetterQueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert found["Attributes"]["KmsMasterKeyId"] == f"{here}/queue"
