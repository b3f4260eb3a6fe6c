"""Moto's part: every action that is not ours, and the SSM parameters.

Moto is imported only when something needs it, because that takes longer than
everything else at the start.
"""

from __future__ import annotations

import os
from functools import cache
from io import BytesIO
from typing import Any

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from calls import Call

_ALIAS = "resolve:ssm:"


@cache
def _application() -> Any:
    # Moto would make up 1,301 public images, and answer for a fixed account.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    from moto.moto_server import werkzeug_app

    return werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)


def forward(environ: dict[str, Any], body: bytes, account: str) -> Response:
    """Moto's answer to the request, for this account whatever the access key."""
    inner = dict(environ)
    inner["wsgi.input"] = BytesIO(body)
    inner["HTTP_X_MOTO_ACCOUNT_ID"] = account
    chunks, status, headers = run_wsgi_app(_application(), inner)
    return Response(b"".join(chunks), status=status, headers=headers)


def _parameters(account: str, region: str) -> Any:
    _application()
    from moto.ssm.models import ssm_backends

    return ssm_backends[account][region]


def reset() -> None:
    """Forget everything that moto holds, if it was used at all."""
    if _application.cache_info().currsize:
        from moto.moto_api._internal import moto_api_backend

        moto_api_backend.reset()


def put_parameter(account: str, region: str, name: str, value: str) -> None:
    """Set one SSM parameter."""
    _parameters(account, region).put_parameter(
        name=name,
        description="",
        value=value,
        parameter_type="String",
        allowed_pattern="",
        keyid="",
        overwrite=True,
        tags=[],
        data_type="text",
        tier=None,
        policies=None,
    )


def parameters(account: str, region: str) -> list[dict[str, str]]:
    """The SSM parameters as the fleet file writes them, without AWS's own."""
    if not _application.cache_info().currsize:
        return []
    held = dict(_parameters(account, region)._parameters)
    # The keys have lost the slash of one-level names; the parameters have not.
    latest = [versions[-1] for versions in held.values() if versions]
    return [
        {"name": one.name, "value": one.value}
        for one in sorted(latest, key=lambda one: one.name)
        if not one.name.startswith("/aws/")
    ]


def resolved(call: Call, image_id: str) -> str:
    """The image behind `resolve:ssm:NAME`; the alias itself if there is none."""
    if not image_id.startswith(_ALIAS):
        return image_id
    backend = _parameters(call.world.account, call.region.name)
    parameter = backend.get_parameter(image_id.removeprefix(_ALIAS))
    return image_id if parameter is None else parameter.value
