"""The rules of the Recycle Bin: what they cover, and the service that tells them.

Recycle Bin ("rbin") knows the rules only.  What is in the bin is EC2's, see
`recycling.py`.
"""

from __future__ import annotations

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
_UNKNOWN_HERE = ("ResourceTags", "ExcludeResourceTags", "LockState")

Rule = dict[str, Any]


def days_kept(rules: list[Rule], resource: str, tags: dict[str, str]) -> int | None:
    """For how many days the bin keeps something; None when no rule covers it."""
    return max((r["days"] for r in rules if _covers(r, resource, tags)), default=None)


def _covers(rule: Rule, resource: str, tags: dict[str, str]) -> bool:
    """Whether the rule is in effect for something of this kind with these tags.

    What AWS means by a tag without a value is not documented; here it is one with
    an empty value.
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
    """The rules of one kind, pending ones too; their tags are not told here."""
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
        text = f"Rule with identifier {rule_id} was not found."
        raise AwsError("ResourceNotFoundException", text, 404)
    return _summary(call, rule) | {
        "ResourceType": _KINDS[rule["resource"]],
        "ResourceTags": _tags(rule["tags"]),
        "ExcludeResourceTags": _tags(rule["except"]),
        "Status": "available" if rule["in_effect"] else "pending",
    }


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
    """A tag without a value has none on the wire either."""
    return [
        {"ResourceTagKey": key, "ResourceTagValue": value or None}
        for key, value in tags.items()
    ]
