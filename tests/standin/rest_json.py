"""The REST-JSON and JSON protocols in both directions, using botocore's service models.

In REST-JSON, an action is a method and a path, and parameters are in the path and in a JSON body.
Only what this account needs is supported: no query strings, no timestamps.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from botocore.model import ServiceModel, Shape

from calls import AwsError, Incoming

_PLACE = re.compile(r"\{(\w+)\}")


class RestJson:
    """Parses the requests and writes the responses of one service."""

    content_type = "application/json"

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self._routes = [
            (operation.http["method"], _pattern(operation.http["requestUri"]), name)
            for name in model.operation_names
            if (operation := model.operation_model(name))
        ]

    def action_of(self, method: str, path: str) -> str:
        """The action of a request, or `unknown`."""
        for known, pattern, name in self._routes:
            if known == method and pattern.fullmatch(path):
                return name
        return "unknown"

    def read(self, call: Incoming) -> dict[str, Any]:
        """The parameters of a request, with boto3's names."""
        operation = self.model.operation_model(call.action)
        try:
            params = json.loads(call.body or b"{}")
        except ValueError:
            params = None
        if not isinstance(params, dict):
            text = "The body of the request is not a JSON object"
            raise AwsError("SerializationException", text)
        found = _pattern(operation.http["requestUri"]).fullmatch(call.path)
        parts = found.groupdict() if found else {}
        shape = operation.input_shape
        for member, inner in shape.members.items() if shape is not None else ():
            if inner.serialization.get("location") == "uri":
                params[member] = unquote(parts.get(inner.serialization["name"], ""))
        return params

    def write(self, action: str, answer: dict[str, Any]) -> bytes:
        """The JSON of a successful response."""
        shape = self.model.operation_model(action).output_shape
        return json.dumps(_known(shape, answer)).encode()


def _pattern(uri: str) -> re.Pattern[str]:
    """`/rules/{identifier}` as a pattern with a capture group for the placeholder."""
    return re.compile(_PLACE.sub(r"(?P<\1>[^/]+)", uri))


def _known(shape: Shape, value: Any) -> Any:
    """The value without None.

    A member that is not in the model is an error in this program, and fails here.
    """
    if shape.type_name == "structure":
        return {
            member: _known(shape.members[member], inner)
            for member, inner in value.items()
            if inner is not None
        }
    if shape.type_name == "list":
        return [_known(shape.member, inner) for inner in value]
    return value
