"""The template resource by resource, to detect accidental changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import ROOT
from test_templates import BUS, HERE, TEMPLATES, Loader, functions, resources

TEMPLATE: dict[str, Any] = yaml.load(TEMPLATES["image-steward"].read_text(), Loader)
FUNCTIONS = {
    "TagImage": "tag-image",
    "PruneImages": "prune-images",
    "ReapSnapshots": "reap-snapshots",
    "RetireInstance": "retire-instance",
}
NOTHING = {"Ref": "AWS::NoValue"}
RULES = "arn:${AWS::Partition}:events:" + HERE + ":rule"
# On the default bus, and on the bus for notices.
OURS = [
    {"Sub": f"{RULES}/${{NamePrefix}}-*"},
    {"Sub": [f"{RULES}/${{Name}}/${{NamePrefix}}-*", {"Name": BUS}]},
]
ALARMS = "arn:${AWS::Partition}:cloudwatch:" + HERE + ":alarm:${NamePrefix}-*"
OVER_TLS = {"Bool": {"aws:SecureTransport": "false"}}
EVENTBRIDGE = {"Service": "events.amazonaws.com"}
TOPIC = {"If": ["HasOwnTopic", {"Ref": "Topic"}, {"Ref": "NoticeTopicArn"}]}
RETRIES = {"MaximumRetryAttempts": 8, "MaximumEventAgeInSeconds": 7200}
LETTERS = {"GetAtt": "DeadLetters.Arn"}


def properties(logical: str) -> dict[str, Any]:
    """Everything in a resource except texts for people."""
    found = deepcopy(TEMPLATE["Resources"][logical]["Properties"])
    for text in ("Description", "AlarmDescription"):
        found.pop(text, None)
    return found


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by their logical ids."""
    found = TEMPLATE["Resources"].items()
    return {name: properties(name) for name, one in found if one["Type"] == kind}


def recycled(kind: str) -> dict[str, Any]:
    days = {
        "RetentionPeriodUnit": "DAYS",
        "RetentionPeriodValue": {"Ref": "RecycleBinDays"},
    }
    return {"ResourceType": kind, "RetentionPeriod": days}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def statement(
    sid: str, effect: str, who: Any, action: str, on: Any, when: Any = None
) -> dict[str, Any]:
    made = {"Sid": sid, "Effect": effect, "Principal": who, "Action": action}
    made |= {"Resource": on}
    return made | ({"Condition": when} if when else {})


def key(condition: str, parameter: str) -> dict[str, Any]:
    return {"If": [condition, {"Ref": parameter}, NOTHING]}


EXACT = {
    "Policy": {
        "Name": {"Sub": "/${NamePrefix}/policy/${Mode}"},
        "Type": "String",
        "Value": {"Ref": "PolicyText"},
    },
    "RecycledImages": recycled("EC2_IMAGE"),
    "RecycledSnapshots": recycled("EBS_SNAPSHOT"),
    "Bus": {"Name": {"Ref": "NamePrefix"}},
    "DeadLetters": {
        "QueueName": {"Sub": "${NamePrefix}-dead-letters"},
        # Two weeks, the maximum.
        "MessageRetentionPeriod": 14 * 24 * 60 * 60,
        "SqsManagedSseEnabled": {"If": ["HasQueueKey", NOTHING, True]},
        "KmsMasterKeyId": key("HasQueueKey", "QueueKeyArn"),
    },
    "DeadLettersPolicy": {
        "Queues": [{"Ref": "DeadLetters"}],
        "PolicyDocument": document(
            statement(
                "RulesOfThisStack",
                "Allow",
                EVENTBRIDGE,
                "sqs:SendMessage",
                LETTERS,
                {"ArnLike": {"aws:SourceArn": OURS}},
            ),
            statement("OnlyOverTls", "Deny", "*", "sqs:*", LETTERS, OVER_TLS),
        ),
    },
    "Topic": {
        "TopicName": {"Sub": "${NamePrefix}-notices"},
        "KmsMasterKeyId": key("HasTopicKey", "TopicKeyArn"),
    },
    "TopicPolicy": {
        "Topics": [{"Ref": "Topic"}],
        "PolicyDocument": document(
            statement("Rules", "Allow", EVENTBRIDGE, "sns:Publish", {"Ref": "Topic"}),
            statement(
                "NoRulesOfOthers",
                "Deny",
                EVENTBRIDGE,
                "sns:Publish",
                {"Ref": "Topic"},
                {
                    "Null": {"aws:SourceArn": "false"},
                    "ArnNotLike": {"aws:SourceArn": OURS},
                },
            ),
            statement(
                "AlarmsOfThisStack",
                "Allow",
                {"Service": "cloudwatch.amazonaws.com"},
                "sns:Publish",
                {"Ref": "Topic"},
                {
                    "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                    "ArnLike": {"aws:SourceArn": {"Sub": ALARMS}},
                },
            ),
            statement(
                "OnlyOverTls", "Deny", "*", "sns:Publish", {"Ref": "Topic"}, OVER_TLS
            ),
        ),
    },
    "Subscription": {
        "TopicArn": {"Ref": "Topic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "NoticeEmail"},
    },
    "Schedules": {"Name": {"Ref": "NamePrefix"}},
    "DeadLettersWait": {
        "AlarmName": {"Sub": "${NamePrefix}-dead-letters"},
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [
            {"Name": "QueueName", "Value": {"GetAtt": "DeadLetters.QueueName"}}
        ],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": {"If": ["HasTopic", [TOPIC], NOTHING]},
    },
}


@pytest.mark.parametrize("logical", EXACT)
def test_exactly_this_is_made(logical: str) -> None:
    assert properties(logical) == EXACT[logical]


def test_logs_are_kept_as_long_as_it_is_said() -> None:
    assert of_type("AWS::Logs::LogGroup") == {
        f"{logical}Logs": {
            "LogGroupName": {"Sub": f"/aws/lambda/${{NamePrefix}}-{name}"},
            "RetentionInDays": {"Ref": "LogDays"},
            "KmsKeyId": key("HasLogKey", "LogKeyArn"),
        }
        for logical, name in FUNCTIONS.items()
    }


def test_functions_are_found_where_the_parameters_say() -> None:
    """In addition to memory and time, which another test checks."""
    bucket = {"Sub": "${CodeBucket}-${AWS::Region}"}
    for logical, one in functions().items():
        found = one["Properties"]
        assert found["Architectures"] == [{"Ref": "Architecture"}], logical
        assert found["Handler"] == "bootstrap", logical
        assert found["Code"] == {
            "S3Bucket": {"If": ["HasBucketPerRegion", bucket, {"Ref": "CodeBucket"}]},
            "S3Key": {
                "Sub": f"${{CodePrefix}}{FUNCTIONS[logical]}-${{Architecture}}.zip"
            },
        }
        assert found["Environment"]["Variables"].keys() == {
            "STEWARD_EVENT_BUS",
            "STEWARD_MODE",
            "STEWARD_POLICY",
            "STEWARD_POLICY_DIGEST",
            "STEWARD_TAG_PREFIX",
            "STEWARD_TEMPLATE",
        }
        assert found["Environment"]["Variables"]["STEWARD_EVENT_BUS"] == BUS


def test_roles_are_assumed_by_their_services_only() -> None:
    """Another test checks the condition for Scheduler."""
    for logical, one in of_type("AWS::IAM::Role").items():
        service = "scheduler" if logical == "SchedulerRole" else "lambda"
        [trust] = one["AssumeRolePolicyDocument"]["Statement"]
        assert ("Condition" in trust) == (service == "scheduler"), logical
        trust.pop("Condition", None)
        assert trust == {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }, logical
        assert "ManagedPolicyArns" not in one, logical


def test_failures_are_tried_again_so_often() -> None:
    """An image sweep is not retried, because the next one continues."""
    retries = {
        "TagImage": 2,
        "PruneImages": 0,
        "ReapSnapshots": 1,
        "RetireInstance": 1,
    }
    assert of_type("AWS::Lambda::EventInvokeConfig") == {
        f"{logical}Failures": {
            "FunctionName": {"Ref": logical},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": retries[logical],
            "MaximumEventAgeInSeconds": 7200,
            "DestinationConfig": {"OnFailure": {"Destination": LETTERS}},
        }
        for logical in FUNCTIONS
    }


def of_ec2(detail_type: str, **detail: Any) -> dict[str, Any]:
    return {
        "source": ["aws.ec2"],
        "account": [{"Ref": "AWS::AccountId"}],
        "region": [{"Ref": "AWS::Region"}],
        "detail-type": [detail_type],
        "detail": detail,
    }


def ours(*detail_types: str, **more: Any) -> dict[str, Any]:
    return {"source": ["image-steward"], "detail-type": [*detail_types]} | more


AMI = "EC2 AMI State Change"
CALLS = ["CreateImage", "CopyImage", "RegisterImage", "CreateRestoreImageTask"]
PATTERNS = {
    "ImageAvailable": of_ec2(AMI, State=["available", "failed"]),
    "ImageGone": of_ec2(AMI, State=["deregistered", "disabled"]),
    "ImageMade": of_ec2(
        "AWS API Call via CloudTrail",
        eventSource=["ec2.amazonaws.com"],
        eventName=CALLS,
    ),
    "NoticeOfSteps": ours(
        "Image Expired",
        "Image Deprecated",
        "Image Disabled",
        detail={"next": {"action": [{"exists": True}]}},
    ),
    "NoticeOfSnapshots": ours("Snapshot Marked"),
    "NoticeOfRefusals": ours("Sweep Refused"),
}
# Which rule invokes which function, with its permission.
CALLED = {
    ("ImageAvailable", "TagImage"): "ImageAvailableTags",
    ("ImageAvailable", "RetireInstance"): "ImageAvailableRetires",
    ("ImageGone", "ReapSnapshots"): "ImageGoneReaps",
    ("ImageMade", "TagImage"): "ImageMadeTags",
}


def test_rules_match_exactly_these_events() -> None:
    found = of_type("AWS::Events::Rule")
    assert {name: one["EventPattern"] for name, one in found.items()} == PATTERNS
    # No other key can disable a rule.
    for name, one in found.items():
        bus = set() if name.startswith("Image") else {"EventBusName"}
        assert one.keys() == {"Name", "EventPattern", "Targets"} | bus, name


def test_rules_call_exactly_these_and_nobody_else() -> None:
    common = {"RetryPolicy": RETRIES, "DeadLetterConfig": {"Arn": LETTERS}}
    expected: dict[str, list[Any]] = {name: [] for name in PATTERNS}
    for rule, function in CALLED:
        target = {"Id": FUNCTIONS[function], "Arn": {"GetAtt": f"{function}.Arn"}}
        expected[rule].append(target | common)
    for rule, targets in of_type("AWS::Events::Rule").items():
        if rule.startswith("NoticeOf"):
            [target] = targets["Targets"]
            assert target.pop("InputTransformer").keys() == {
                "InputPathsMap",
                "InputTemplate",
            }
            expected[rule] = [{"Id": "topic", "Arn": TOPIC} | common]
        assert targets["Targets"] == expected[rule], rule


def test_functions_are_called_by_the_rules_that_call_them() -> None:
    assert of_type("AWS::Lambda::Permission") == {
        logical: {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"GetAtt": f"{function}.Arn"},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"GetAtt": f"{rule}.Arn"},
        }
        for (rule, function), logical in CALLED.items()
    }


def test_schedules_send_what_the_functions_know() -> None:
    sent = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}}
    parser = Path(ROOT, "adapters/eventbridge/src/parse_event.rs").read_text()
    assert f'SCHEDULER: &str = "{sent["source"]}"' in parser
    found = of_type("AWS::Scheduler::Schedule")
    for one in found.values():
        assert json.loads(one["Target"].pop("Input")) == sent
    assert found == {
        logical: {
            "Name": {"Sub": f"${{NamePrefix}}-{FUNCTIONS[function]}"},
            "GroupName": {"Ref": "Schedules"},
            "ScheduleExpression": {"Ref": f"{logical}Schedule"},
            "FlexibleTimeWindow": {
                "Mode": "FLEXIBLE",
                "MaximumWindowInMinutes": {"Ref": "FlexibleMinutes"},
            },
            "Target": {
                "Arn": {"GetAtt": f"{function}.Arn"},
                "RoleArn": {"GetAtt": "SchedulerRole.Arn"},
                "RetryPolicy": RETRIES,
                "DeadLetterConfig": {"Arn": LETTERS},
            },
        }
        for logical, function in (
            ("Prune", "PruneImages"),
            ("Reap", "ReapSnapshots"),
            ("Retire", "RetireInstance"),
        )
    }


def test_nothing_stays_when_the_stack_goes() -> None:
    """No `DeletionPolicy`, and no other attribute that only some resources have."""
    known = {"Type", "Properties", "Condition", "DependsOn"}
    for logical, one in resources("image-steward").items():
        assert one.keys() <= known, logical


def test_what_is_made_only_if() -> None:
    found = {
        logical: one["Condition"]
        for logical, one in resources("image-steward").items()
        if "Condition" in one
    }
    assert found == {
        "Policy": "HasPolicyText",
        "Bus": "HasOwnBus",
        "BusPolicy": "HasOwnBus",
        "Topic": "HasOwnTopic",
        "TopicPolicy": "HasOwnTopic",
        "Subscription": "HasEmail",
        "RecycledImages": "HasRecycleBin",
        "RecycledSnapshots": "HasRecycleBin",
        "QueueKey": "HasQueueKey",
        "ImageMade": "HasCreatedBy",
        "ImageMadeTags": "HasCreatedBy",
        "NoticeOfSteps": "HasTopic",
        "NoticeOfSnapshots": "HasTopic",
        "NoticeOfRefusals": "HasTopic",
    }


def value(one: Any, given: dict[str, str]) -> Any:
    """The value of a condition with these parameters."""
    if not isinstance(one, dict):
        return one
    [(function, argument)] = one.items()
    if function == "Ref":
        return given[argument]
    if function == "Condition":
        return value(TEMPLATE["Conditions"][argument], given)
    if function == "Join":
        return argument[0].join([value(argument[1], given)])
    values = [value(part, given) for part in argument]
    if function == "Not":
        [only] = values
        return not only
    if function == "Equals":
        left, right = values
        return left == right
    return {"And": all, "Or": any}[function](values)


def settings(**choices: str) -> Iterator[dict[str, str]]:
    """All combinations of these values, with the defaults of all other parameters."""
    defaults = {
        name: str(one.get("Default", "code"))
        for name, one in TEMPLATE["Parameters"].items()
    }
    for values in product(*(words.split(" ") for words in choices.values())):
        yield defaults | dict(zip(choices, values, strict=True))


def refused(rule: str, given: dict[str, str]) -> bool:
    """Whether a rule of the template rejects these parameters."""
    found = TEMPLATE["Rules"][rule]
    if not value(found.get("RuleCondition", True), given):
        return False
    return not all(value(one["Assert"], given) for one in found["Assertions"])


# Empty, and a value.
ANY = " x"
NOTICES = {"Notices": "on off none", "NoticeEmail": ANY, "NoticeTopicArn": ANY}


def test_one_policy_is_given() -> None:
    seen = []
    for given in settings(
        PolicyText=ANY, PolicyParameter=ANY, PolicyParts="1 2", PolicyDigest=ANY
    ):
        text, parameter = bool(given["PolicyText"]), bool(given["PolicyParameter"])
        whole = given["PolicyParts"] == "1" or (parameter and given["PolicyDigest"])
        fine = text != parameter and bool(whole)
        assert refused("OnePolicy", given) != fine, given
        seen.append(fine)
    assert (len(seen), sum(seen)) == (16, 5)


def test_somebody_is_notified_in_apply_mode() -> None:
    seen = []
    for given in settings(Mode="plan apply", **NOTICES):
        told = (given["NoticeEmail"], given["NoticeTopicArn"])
        nobody = given["Notices"] == "off" and not any(told)
        bad = given["Mode"] == "apply" and nobody
        assert refused("ApplyModeNotifies", given) == bad, given
        seen.append(bad)
    assert (len(seen), sum(seen)) == (24, 1)


def test_one_topic_at_most_is_given() -> None:
    seen = []
    for given in settings(Mode="plan apply", **NOTICES):
        chosen = bool(given["NoticeEmail"]) + bool(given["NoticeTopicArn"])
        bad = chosen > (0 if given["Notices"] == "none" else 1)
        assert refused("OneTopic", given) == bad, given
        seen.append(bad)
    assert (len(seen), sum(seen)) == (24, 10)


def test_every_rule_is_tested_and_says_what_to_do() -> None:
    rules = TEMPLATE["Rules"]
    assert rules.keys() == {"OnePolicy", "ApplyModeNotifies", "OneTopic"}
    for name, one in rules.items():
        for assertion in one["Assertions"]:
            assert assertion["AssertDescription"], name


def test_the_topic_that_notices_go_to() -> None:
    """For all parameters that the rules accept."""
    for given in settings(Mode="plan apply", **NOTICES):
        if refused("OneTopic", given):
            continue
        email, other = given["NoticeEmail"], given["NoticeTopicArn"]
        own = not other and (given["Notices"] == "on" or bool(email))
        told = {
            name: value({"Condition": name}, given)
            for name in ("HasOwnTopic", "HasOtherTopic", "HasTopic", "HasEmail")
        }
        assert told == {
            "HasOwnTopic": own,
            "HasOtherTopic": bool(other),
            "HasTopic": own or bool(other),
            "HasEmail": bool(email),
        }, given


@pytest.mark.parametrize(
    ("condition", "parameter", "values"),
    [
        ("HasBucketPerRegion", "CodeBucketPerRegion", {"on": True, "off": False}),
        ("HasPolicyText", "PolicyText", {"": False, "x": True}),
        ("HasParts", "PolicyParts", {"1": False, "2": True}),
        ("HasOwnBus", "EventBus", {"": True, "x": False}),
        ("HasRecycleBin", "RecycleBin", {"on": True, "off": False}),
        ("HasCreatedBy", "CreatedBy", {"on": True, "off": False}),
        ("RetiresSharedImages", "RetireSharedImages", {"on": True, "off": False}),
        (
            "TerminatesInstances",
            "RetireInstances",
            {"off": False, "stop": False, "terminate": True},
        ),
        (
            "StopsInstances",
            "RetireInstances",
            {"off": False, "stop": True, "terminate": True},
        ),
        ("HasImageParameters", "ImageParameters", {"": False, "x": True}),
        ("HasBoundary", "PermissionsBoundaryArn", {"": False, "x": True}),
        ("HasQueueKey", "QueueKeyArn", {"": False, "x": True}),
        ("HasTopicKey", "TopicKeyArn", {"": False, "x": True}),
        ("HasLogKey", "LogKeyArn", {"": False, "x": True}),
    ],
)
def test_conditions_hold_for_these_values(
    condition: str, parameter: str, values: dict[str, bool]
) -> None:
    for given in settings(**{parameter: " ".join(values)}):
        expected = values[given[parameter]]
        assert value({"Condition": condition}, given) == expected, given[parameter]


# Some YAML parsers read `on` and `off` without quotes as booleans.
DEFAULTS = {
    "Architecture": "arm64",
    "CodeBucketPerRegion": "off",
    "CodePrefix": "",
    "CreatedBy": "on",
    "EventBus": "",
    "FlexibleMinutes": 15,
    "ImageParameters": "",
    "LogDays": 30,
    "LogKeyArn": "",
    "Mode": "plan",
    "NamePrefix": "image-steward",
    "NoticeEmail": "",
    "NoticeTopicArn": "",
    "Notices": "off",
    "PermissionsBoundaryArn": "",
    "PolicyDigest": "",
    "PolicyParameter": "",
    "PolicyParts": 1,
    "PolicyText": "",
    "PruneSchedule": "rate(12 hours)",
    "QueueKeyArn": "",
    "ReapSchedule": "rate(6 hours)",
    "RecycleBin": "on",
    "RecycleBinDays": 14,
    "RetireInstances": "off",
    "RetireSchedule": "rate(1 hour)",
    "RetireSharedImages": "off",
    "RolePath": "/",
    "TopicKeyArn": "",
}


def test_what_is_not_said_is_careful() -> None:
    found = {
        name: one["Default"]
        for name, one in TEMPLATE["Parameters"].items()
        if "Default" in one
    }
    assert found == DEFAULTS
