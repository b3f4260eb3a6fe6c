"""Azure Resource Graph: only the queries that image-steward sends.

A query names a table, and has `where` steps with conditions on fields, joined by `and` or `or`,
then optionally `project` and `order by`:

    resources | where type in~ ('microsoft.compute/virtualmachines') | project id, properties
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import arm_errors
from arm_types import INSTANCES
from arm_world import Resource, World
from context import Call, answer
from http_server import HttpResponse
from pages import token, untoken

TABLES = {
    "resources": lambda one: one.type != INSTANCES,
    "computeresources": lambda one: one.type == INSTANCES,
}
MOST_ROWS = 1000
QUOTA = 15
Row = dict[str, Any]
Step = Callable[[list[Row]], list[Row]]

CONDITION = re.compile(
    r"\s*(?:tolower\(|tostring\()*\s*(?P<field>[A-Za-z_][\w.]*)\s*\)*\s*"
    r"(?P<operator>=~|==|in~|in|contains)\s*"
    r"(?P<values>\((?:\s*(?:'[^']*'|\"[^\"]*\")\s*,?)*\s*\)|'[^']*'|\"[^\"]*\")\s*"
)
TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def query(call: Call) -> HttpResponse:
    """The rows of a query. Subscriptions that the caller cannot read are silently missing."""
    body = call.body()
    options = body.get("options") or {}
    world = call.graph_world or call.world
    asked = [one.lower() for one in body.get("subscriptions") or world.subscriptions]
    hidden = world.unreadable | call.switches.deny_subscriptions
    readable = [
        one for one in asked if one in world.subscriptions and one not in hidden
    ]
    if not readable:
        raise _bad(
            "NoValidSubscriptionsInQueryRequest",
            "There must be at least one subscription that is eligible to contain resources. "
            f"Given: '{','.join(asked)}'.",
        )
    table, steps = _parsed(str(body.get("query")))
    rows = [
        _row(one, world)
        for one in world.resources.values()
        if one.subscription in readable and TABLES[table](one)
    ]
    for step in steps:
        rows = step(rows)
    return _page(call, rows, options)


def _page(call: Call, rows: list[Row], options: dict[str, Any]) -> HttpResponse:
    start = untoken(options["$skipToken"]) if options.get("$skipToken") else 0
    top = options.get("$top", MOST_ROWS)
    if not 1 <= top <= MOST_ROWS:
        raise _bad("InvalidTopValue", f"$top must be from 1 to {MOST_ROWS}.")
    size = min(top, call.switches.page_size or call.default_page_size)
    shown = rows[start : start + size]
    more = start + size < len(rows)
    content: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": len(shown),
        "data": shown,
        "facets": [],
        "resultTruncated": "false",
    }
    if call.switches.graph_truncated:
        content["resultTruncated"] = "true"
    elif more:
        following = start if call.action.get("repeat_page") else start + size
        content["$skipToken"] = token(following)
    headers = [
        ("x-ms-user-quota-remaining", str(QUOTA - 1)),
        ("x-ms-user-quota-resets-after", "00:00:05"),
        ("x-ms-ratelimit-remaining-tenant-resource-requests", str(QUOTA - 1)),
    ]
    if call.switches.graph_subscription_limit:
        headers.append(("x-ms-tenant-subscription-limit-hit", "true"))
    return answer(content, headers=headers)


def _row(resource: Resource, world: World) -> Row:
    """A row has its own spelling: the type and the resource group are in lower case."""
    body = resource.body
    subscription = world.subscriptions[resource.subscription]
    group = (world.group_of(resource.key) or {}).get("name", "")
    spelled = body["id"].split("/")
    if len(spelled) > 4 and spelled[3].lower() == "resourcegroups":
        spelled[3:5] = ["resourceGroups", group.lower()]
    return {
        "id": "/".join(spelled),
        "name": body["name"],
        "type": body.get("type", resource.type).lower(),
        "tenantId": subscription.get("tenantId", ""),
        "kind": "",
        "location": body.get("location", "").replace(" ", "").lower(),
        "resourceGroup": group.lower(),
        "subscriptionId": subscription["subscriptionId"],
        "managedBy": body.get("managedBy", ""),
        "sku": body.get("sku"),
        "plan": body.get("plan"),
        "properties": body.get("properties"),
        "tags": body.get("tags"),
        "identity": body.get("identity"),
        "zones": body.get("zones"),
        "extendedLocation": None,
    }


def _parsed(text: str) -> tuple[str, list[Step]]:
    parts = [one.strip() for one in _pipes(text)]
    table = parts[0].lower()
    if table not in TABLES:
        raise _invalid(parts[0])
    return table, [_step(one) for one in parts[1:]]


def _pipes(text: str) -> list[str]:
    """Split at `|` outside of quotes."""
    return re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^|'\"])+", text) or [""]


def _step(text: str) -> Step:
    word, _, rest = text.partition(" ")
    if word == "where":
        wanted = _conditions(rest)
        return lambda rows: [one for one in rows if wanted(one)]
    if word == "project":
        names = [one.strip() for one in rest.split(",")]
        if all(re.fullmatch(r"[A-Za-z]\w*", one) for one in names):
            return lambda rows: [{n: row.get(n) for n in names} for row in rows]
    if re.fullmatch(r"order\s+by\s+id(\s+asc)?", text):
        return lambda rows: sorted(rows, key=lambda one: one["id"].lower())
    raise _invalid(text)


def _conditions(text: str) -> Callable[[Row], bool]:
    """Conditions joined only by `and`, or only by `or`."""
    found, joins, at = [], set(), 0
    while True:
        match = CONDITION.match(text, at)
        if match is None:
            raise _invalid(text)
        found.append(_condition(match))
        at = match.end()
        if at == len(text):
            break
        joined = re.compile(r"(and|or)\s+").match(text, at)
        if joined is None:
            raise _invalid(text)
        joins.add(joined[1])
        at = joined.end()
    if len(joins) > 1:
        raise _invalid(text)
    every = all if joins != {"or"} else any
    return lambda row: every(one(row) for one in found)


def _condition(match: re.Match[str]) -> Callable[[Row], bool]:
    path = match["field"].split(".")
    exact = match["operator"] in ("==", "in")
    within = match["operator"] == "contains"
    values = [single or double for single, double in TEXT.findall(match["values"])]
    wanted = set(values) if exact else {one.lower() for one in values}

    def holds(row: Row) -> bool:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if within:
            text = value if isinstance(value, str) else json.dumps(value)
            return any(one in text.lower() for one in wanted)
        text = value if isinstance(value, str) else ""
        return (text if exact else text.lower()) in wanted

    return holds


def _invalid(text: str) -> arm_errors.ArmError:
    return _bad("InvalidQuery", f"This query is not supported: {text!r}.")


def _bad(code: str, message: str) -> arm_errors.ArmError:
    text = "Please provide below info when asking for support."
    details = [{"code": code, "message": message}]
    return arm_errors.ArmError(400, "BadRequest", text, None, details)
