"""The rules of the Recycle Bin: what they cover, and their service.

The Recycle Bin service ("rbin") has only the rules. EC2 has the contents of the bin, see
`recycling.py`.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from calls import AwsError, Call, answers
from listing import Paging, page

_PAGING = Paging(
    at_most=1000,
    default=1000,
    bad_size="ValidationException",
    bad_token="ValidationException",
)
_KINDS = {"images": "EC2_IMAGE", "snapshots": "EBS_SNAPSHOT"}
_MOST_DAYS = 365
_UNKNOWN_HERE = ("ResourceTags", "ExcludeResourceTags", "LockState")

Rule = dict[str, Any]


def days_kept(rules: list[Rule], resource: str, tags: dict[str, str]) -> int | None:
    """How many days the bin keeps a resource; None if no rule covers it."""
    return max((r["days"] for r in rules if _covers(r, resource, tags)), default=None)


def _covers(rule: Rule, resource: str, tags: dict[str, str]) -> bool:
    """Whether the rule is in effect for a resource of this kind with these tags.

    AWS does not document the meaning of a tag without a value. Here it is a tag with an empty
    value.
    """
    included = any(tags.get(key) == value for key, value in rule["tags"].items())
    excluded = any(tags.get(key) == value for key, value in rule["except"].items())
    return (
        rule["resource"] == resource
        and rule["in_effect"]
        and (included or not rule["tags"])
        and not excluded
    )


@answers("rbin", "ListRules")
def list_rules(call: Call) -> dict[str, Any]:
    """The rules of one kind, including pending ones, without their tags."""
    kind = call.params.get("ResourceType")
    if kind not in (*_KINDS.values(), "EBS_VOLUME"):
        text = "ResourceType must be one of EBS_SNAPSHOT, EC2_IMAGE, EBS_VOLUME"
        raise AwsError("ValidationException", text)
    for name in _UNKNOWN_HERE:
        if name in call.params:
            text = f"the stand-in does not choose rules by {name}"
            raise AwsError("ValidationException", text)
    rules = [
        rule
        for rule in call.region.retention_rules.values()
        if _KINDS[rule["resource"]] == kind
    ]
    rules, token = page(call, _PAGING, rules, lambda rule: rule["rule_id"])
    return {"Rules": [_summary(call, rule) for rule in rules], "NextToken": token}


@answers("rbin", "GetRule")
def get_rule(call: Call) -> dict[str, Any]:
    """One rule with its tags, and whether it is in effect yet."""
    rule_id = call.params.get("Identifier", "")
    rule = call.region.retention_rules.get(rule_id)
    if rule is None:
        raise _no_such_rule(rule_id)
    return _summary(call, rule) | {
        "ResourceType": _KINDS[rule["resource"]],
        "ResourceTags": _tags(rule["tags"]),
        "ExcludeResourceTags": _tags(rule["except"]),
        "Status": "available" if rule["in_effect"] else "pending",
    }


@answers("rbin", "CreateRule")
def create_rule(call: Call) -> dict[str, Any]:
    """A rule, unlocked and in effect immediately. AWS takes up to 30 minutes for the first."""
    kinds = {wire: ours for ours, wire in _KINDS.items()}
    kind = call.params.get("ResourceType")
    period = call.params.get("RetentionPeriod", {})
    days = period.get("RetentionPeriodValue", 0)
    tags, excluded = (_pairs(call, name) for name in _UNKNOWN_HERE[:2])
    if "LockConfiguration" in call.params:
        raise AwsError("ValidationException", "the stand-in does not lock rules")
    if kind not in kinds or period.get("RetentionPeriodUnit") != "DAYS":
        text = "ResourceType or the unit of RetentionPeriod is wrong"
        raise AwsError("ValidationException", text)
    if not 1 <= days <= _MOST_DAYS or (tags and excluded):
        text = f"1 to {_MOST_DAYS} days, and tags or exclusion tags but not both"
        raise AwsError("ValidationException", text)
    rule = {
        "rule_id": token_hex(6)[:11],
        "resource": kinds[kind],
        "days": days,
        "in_effect": True,
        "tags": tags,
        "except": excluded,
    }
    call.region.retention_rules[rule["rule_id"]] = rule
    summary = _summary(call, rule)
    told = ("Identifier", "RetentionPeriod", "LockState", "RuleArn")
    return {name: summary[name] for name in told} | {
        "Description": call.params.get("Description"),
        "Tags": call.params.get("Tags"),
        "ResourceType": kind,
        "ResourceTags": _tags(tags),
        "Status": "pending",
    }


@answers("rbin", "DeleteRule")
def delete_rule(call: Call) -> dict[str, Any]:
    """Delete a rule. Resources in the bin stay there for their retention."""
    rule_id = call.params.get("Identifier", "")
    if call.region.retention_rules.pop(rule_id, None) is None:
        raise _no_such_rule(rule_id)
    return {}


def _pairs(call: Call, name: str) -> dict[str, str]:
    tags = call.params.get(name, [])
    return {one["ResourceTagKey"]: one.get("ResourceTagValue", "") for one in tags}


def _no_such_rule(rule_id: str) -> AwsError:
    text = f"Rule with identifier {rule_id} was not found."
    return AwsError("ResourceNotFoundException", text, 404)


def _summary(call: Call, rule: Rule) -> dict[str, Any]:
    where = f"{call.region.name}:{call.world.account}"
    return {
        "Identifier": rule["rule_id"],
        "Description": "",
        "RetentionPeriod": {
            "RetentionPeriodValue": rule["days"],
            "RetentionPeriodUnit": "DAYS",
        },
        "LockState": "unlocked",
        "RuleArn": f"arn:aws:rbin:{where}:rule/{rule['rule_id']}",
    }


def _tags(tags: dict[str, str]) -> list[dict[str, str | None]]:
    """A tag without a value has none in the response either."""
    return [
        {"ResourceTagKey": key, "ResourceTagValue": value or None}
        for key, value in tags.items()
    ]
