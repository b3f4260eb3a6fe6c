"""moto's part: all actions that are not ours, and the SSM parameters.

moto is imported only when it is needed, because the import takes longer than the rest of the start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

from werkzeug.test import create_environ, run_wsgi_app

from calls import Call
from http_server import HttpRequest, HttpResponse
from world import ALIAS, Region

_OWN_HEADERS = ("connection", "content-length", "content-type", "date")


@cache
def _application() -> Any:
    # moto would create 1,301 public images, and respond for a fixed account.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    from moto.moto_server import werkzeug_app

    return werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)


def forward(request: HttpRequest, account: str) -> HttpResponse:
    """moto's response to the request, for this account with any access key."""
    environ = create_environ(
        path=unquote(request.path),
        query_string=request.query,
        method=request.method,
        headers=list(request.headers.items()),
        data=request.body,
    )
    environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
    chunks, status, headers = run_wsgi_app(_application(), environ)
    kept = [(k, v) for k, v in headers if k.lower() not in _OWN_HEADERS]
    return HttpResponse(
        b"".join(chunks),
        headers.get("Content-Type", "text/plain"),
        int(status.partition(" ")[0]),
        kept,
    )


def _parameters(account: str, region: str) -> Any:
    _application()
    from moto.ssm.models import ssm_backends

    return ssm_backends[account][region]


def volume_size(account: str, region: str, volume_id: str) -> int | None:
    """The size in GiB of a volume from CreateVolume; None if there is none."""
    _application()
    from moto.ec2.models import ec2_backends

    volume = ec2_backends[account][region].volumes.get(volume_id)
    return None if volume is None else int(volume.size)


def reset() -> None:
    """Clear the state of moto, if it was used at all."""
    if _application.cache_info().currsize:
        from moto.moto_api._internal import moto_api_backend

        moto_api_backend.reset()


def put_parameter(account: str, region: str, one: Mapping[str, str]) -> None:
    """Set one SSM parameter in the format of the fleet file."""
    _parameters(account, region).put_parameter(
        name=one["name"],
        description="",
        value=one["value"],
        parameter_type=one["type"],
        allowed_pattern="",
        keyid="",
        overwrite=True,
        tags=[],
        data_type="text",
        tier=None,
        policies=None,
    )


def parameters(account: str, region: str) -> list[dict[str, str]]:
    """The SSM parameters in the format of the fleet file, without AWS's own."""
    if not _application.cache_info().currsize:
        return []
    held = dict(_parameters(account, region)._parameters)
    # The keys lack the slash of one-level names, the parameters do not.
    latest = [versions[-1] for versions in held.values() if versions]
    return [
        {"name": one.name, "value": one.decrypt(one.value), "type": one.parameter_type}
        for one in sorted(latest, key=lambda one: one.name)
        if not one.name.startswith("/aws/")
    ]


def readable(account: str, region: str) -> dict[str, str]:
    """The values of the parameters that EC2 can read. EC2 decrypts none."""
    held = parameters(account, region)
    return {one["name"]: one["value"] for one in held if one["type"] != "SecureString"}


def values(call: Call, region: Region) -> dict[str, str]:
    """The parameters of the Region, or of the copy that a listing shows, that EC2 can read."""
    if region.parameters is not None:
        return region.parameters
    return readable(call.world.account, region.name)


def resolved(call: Call, image_id: str, region: Region) -> str:
    """The image for `resolve:ssm:NAME`, or the alias itself if there is none."""
    if not image_id.startswith(ALIAS):
        return image_id
    name = image_id.removeprefix(ALIAS)
    if region.parameters is not None:
        return region.parameters.get(name, image_id)
    parameter = _parameters(call.world.account, region.name).get_parameter(name)
    if parameter is None or parameter.parameter_type == "SecureString":
        return image_id
    return parameter.value
