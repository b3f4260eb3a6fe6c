"""The EC2 and query protocols in both directions, using botocore's service models.

Requests: form fields such as `Filter.1.Value.2` become nested dicts and lists. Responses: dicts
become XML. Only what this account needs is supported: no blobs and no maps. Timestamps are strings
already, see `world.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from calls import AwsError, Incoming
from rest_json import RestJson

Writer = Callable[[list[str], str, Any], None]

JSON_SERVICES = ("ssm", "rbin", "batch", "events")
REST_SERVICES = ("rbin", "batch")

_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'


def form_of(body: bytes) -> dict[str, str]:
    """The flat form fields of a query request."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def has_action(service: str, action: str) -> bool:
    """Whether AWS has this action. Detects misspelled switches."""
    try:
        return action in codec(service).model.operation_names
    except UnknownServiceError:
        return False


@cache
def codec(service: str) -> Codec | RestJson:
    """The codec of a service by its signing name, loaded once."""
    raw = Loader().load_service_model(service, "service-2")
    model = ServiceModel(raw, service)
    if model.metadata["protocol"] in ("rest-json", "json"):
        return RestJson(model)
    return Codec(model)


class Codec:
    """Parses the requests and writes the responses of one service."""

    content_type = "text/xml;charset=UTF-8"

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self._ec2 = self.model.metadata["protocol"] == "ec2"
        self._writers: dict[str, dict[str, tuple[str, Writer]]] = {}

    def read(self, call: Incoming) -> dict[str, Any]:
        """The parameters of a query request, with boto3's names."""
        shape = self.model.operation_model(call.action).input_shape
        return {} if shape is None else self._read(shape, _tree(call.form))

    def _read(self, shape: Shape, node: Any) -> Any:
        kind = shape.type_name
        if kind == "structure":
            fields = node if isinstance(node, dict) else {}
            return {
                member: self._read(inner, fields[name])
                for member, inner in shape.members.items()
                if (name := self._field(member, inner)) in fields
            }
        if kind == "list":
            items = node if isinstance(node, dict) else {}
            if not self._ec2 and not shape.serialization.get("flattened"):
                items = items.get(shape.member.serialization.get("name", "member"), {})
            indices = sorted((key for key in items if key.isdecimal()), key=int)
            return [self._read(shape.member, items[index]) for index in indices]
        if kind == "boolean":
            return str(node).lower() == "true"
        if kind in ("integer", "long"):
            try:
                return int(node)
            except (TypeError, ValueError):
                text = f"'{node}' is not a whole number"
                raise AwsError("InvalidParameterValue", text) from None
        return node

    def _field(self, member: str, shape: Shape) -> str:
        if not self._ec2:
            return shape.serialization.get("name", member)
        if "queryName" in shape.serialization:
            return shape.serialization["queryName"]
        name = shape.serialization.get("name", member)
        return name[0].upper() + name[1:]

    def write(self, action: str, answer: dict[str, Any]) -> bytes:
        """The XML of a successful response."""
        shape = self.model.operation_model(action).output_shape
        namespace = self.model.metadata["xmlNamespace"]
        request_id = uuid4()
        out = [_PROLOGUE, f'<{action}Response xmlns="{namespace}">']
        if self._ec2:
            out.append(f"<requestId>{request_id}</requestId>")
            if shape is not None:
                self._write_members(out, shape, answer)
        else:
            if shape is not None:
                result = shape.serialization.get("resultWrapper", f"{action}Result")
                out.append(f"<{result}>")
                self._write_members(out, shape, answer)
                out.append(f"</{result}>")
            out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId>")
            out.append("</ResponseMetadata>")
        out.append(f"</{action}Response>")
        return "".join(out).encode()

    def _write_members(
        self, out: list[str], shape: Shape, values: dict[str, Any]
    ) -> None:
        members = self._writers.get(shape.name)
        if members is None:
            members = self._writers[shape.name] = {
                member: (inner.serialization.get("name", member), self._writer(inner))
                for member, inner in shape.members.items()
            }
        for member, value in values.items():
            # A member that is not in the model is an error in this program, so it fails.
            tag, write = members[member]
            if value is not None:
                write(out, tag, value)

    def _writer(self, shape: Shape) -> Writer:
        kind = shape.type_name
        if kind == "structure":

            def write(out: list[str], tag: str, value: Any) -> None:
                out.append(f"<{tag}>")
                self._write_members(out, shape, value)
                out.append(f"</{tag}>")

        elif kind == "list":
            item = shape.member.serialization.get("name", "member")
            write_item = self._writer(shape.member)

            def write(out: list[str], tag: str, value: Any) -> None:
                out.append(f"<{tag}>")
                for element in value:
                    write_item(out, item, element)
                out.append(f"</{tag}>")

        elif kind == "boolean":

            def write(out: list[str], tag: str, value: Any) -> None:
                out.append(f"<{tag}>{'true' if value else 'false'}</{tag}>")

        else:

            def write(out: list[str], tag: str, value: Any) -> None:
                out.append(f"<{tag}>{escape(str(value))}</{tag}>")

        return write


def _tree(form: dict[str, str]) -> dict[str, Any]:
    """`{"A.1.B": "x"}` as `{"A": {"1": {"B": "x"}}}`."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            deeper = node.get(part)
            if not isinstance(deeper, dict):
                deeper = node[part] = {}
            node = deeper
        node[last] = value
    return tree


def write_error(service: str, error: AwsError) -> tuple[bytes, str]:
    """The body and content type of an error, in the format of this service.

    JSON services have the code in a header or in the body. SDKs read both.
    """
    if service in JSON_SERVICES:
        body = json.dumps({"__type": error.code, "message": error.message})
        return body.encode(), "application/x-amz-json-1.1"
    code, message = escape(error.code), escape(error.message)
    detail = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        body = (
            f"<Response><Errors><Error>{detail}</Error></Errors>"
            f"<RequestID>{uuid4()}</RequestID></Response>"
        )
    else:
        fault = "Receiver" if error.status >= 500 else "Sender"
        body = (
            f"<ErrorResponse><Error><Type>{fault}</Type>{detail}</Error>"
            f"<RequestId>{uuid4()}</RequestId></ErrorResponse>"
        )
    return f"{_PROLOGUE}{body}".encode(), "text/xml;charset=UTF-8"
