"""Lists in pages, linked by `nextLink`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

import arm_errors
from arm_world import Resource
from context import Call, answer
from http_server import HttpResponse


def token(content: Any) -> str:
    """An opaque page token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def untoken(text: str) -> Any:
    """The content of a page token."""
    try:
        return json.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError as error:
        text = "The provided skip token is not valid."
        raise arm_errors.bad_request("InvalidSkipToken", text) from error


def page(
    call: Call, resources: list[Resource], shown: Callable[[Resource], Any]
) -> HttpResponse:
    """The page that the call asks for. Pages continue after the order of a resource."""
    sent = call.argument("$skiptoken")
    after = untoken(sent) if sent else 0
    rest = sorted((one for one in resources if one.order > after), key=_order)
    size = call.switches.page_size or call.default_page_size
    content: dict[str, Any] = {"value": [shown(one) for one in rest[:size]]}
    if len(rest) > size:
        following = rest[size - 1].order
        if call.action.get("repeat_page"):
            following = after
        content["nextLink"] = _link(call, token(following))
    return answer(content)


def _order(resource: Resource) -> int:
    return resource.order


def _link(call: Call, text: str) -> str:
    kept = [
        (name, value)
        for name, value in parse_qsl(call.query, keep_blank_values=True)
        if name.lower() != "$skiptoken"
    ]
    arguments = [*kept, ("$skiptoken", text)]
    query = "&".join(
        f"{quote(name, safe='$')}={quote(value, safe='/$,')}"
        for name, value in arguments
    )
    return f"{call.base}{call.raw_path}?{query}"
