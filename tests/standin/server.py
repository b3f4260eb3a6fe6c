"""The WSGI application: finds out what is asked and who answers it."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

# These register their answers when they are imported.
import batch  # noqa: F401
import capacity  # noqa: F401
import deleting  # noqa: F401
import image_references  # noqa: F401
import images  # noqa: F401
import instances  # noqa: F401
import making  # noqa: F401
import moto_side
import references  # noqa: F401
import retention  # noqa: F401
import retiring  # noqa: F401
import sharing  # noqa: F401
import snapshots  # noqa: F401
import tags  # noqa: F401
import wire
from calls import ACTIONS, REFUSED, AwsError, Call, Incoming, LeaveToMoto, refuse
from control import PREFIX, Control, Logged, State
from world import DEFAULT_REGION, World

_SCOPE = re.compile(r"Credential=[^/]*/[0-9]*/([^/]*)/([^/]*)/aws4_request")


class Application:
    """One account behind one port.

    A single lock serialises everything: moto is not thread-safe, and a test
    that fails should fail the same way again.
    """

    def __init__(self, world: World, default_account: str) -> None:
        self._state = State(world, default_account)
        self._control = Control(self._state)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        with self._lock:
            if request.path.startswith(PREFIX):
                response = self._control.answer(request)
            else:
                response = self._answer(request, body)
        return response(environ, start)

    def _answer(self, request: Request, body: bytes) -> Response:
        call = _addressed(request, body)
        logged = Logged(call, time.monotonic())
        self._state.calls.append(logged)
        switches, account = self._state.switches, self._state.world.account
        try:
            switches.check(call, account)
            response = self._ours(call)
            if response is None:
                response = moto_side.forward(request.environ, body, account)
            if response.status_code < 400:
                switches.check_answer(call.service, call.action)
            else:
                logged.answer = str(response.status_code)
        except AwsError as error:
            logged.answer = error.code
            text, content_type = wire.write_error(call.service, error)
            response = Response(text, status=error.status, content_type=content_type)
        except Exception as error:  # noqa: BLE001
            # A slip of ours.  Status 400, so that no SDK hides it by retrying.
            traceback.print_exc()
            logged.answer = "StandInFailure"
            fault = AwsError("StandInFailure", repr(error))
            text, content_type = wire.write_error(call.service, fault)
            response = Response(text, status=400, content_type=content_type)
        return response

    def _ours(self, incoming: Incoming) -> Response | None:
        """The answer if the action is ours, None if it is moto's."""
        service, action = incoming.service, incoming.action
        answer = ACTIONS.get((service, action))
        if answer is None:
            if (service, action) in REFUSED or service in wire.REST_SERVICES:
                raise refuse(service, action)
            return None
        codec = wire.codec(service)
        world = self._state.world
        params = codec.read(action, incoming.path, incoming.body)
        if params.pop("DryRun", False):
            text = "Request would have succeeded, but DryRun flag is set."
            raise AwsError("DryRunOperation", text, 412)
        region = world.region(incoming.region)
        call = Call(service, action, params, world, region, self._state.switches)
        try:
            content = answer(call)
        except LeaveToMoto:
            return None
        return Response(codec.write(action, content), content_type=codec.content_type)


def _addressed(request: Request, body: bytes) -> Incoming:
    """What a request asks of whom.

    Service and Region come from the signature's scope, which any access key has.
    """
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    region, service = scope.groups() if scope else (DEFAULT_REGION, "unknown")
    if service in wire.REST_SERVICES:
        action = wire.codec(service).action_of(request.method, request.path)
    elif target := request.headers.get("X-Amz-Target"):
        action = target.rpartition(".")[2]
    else:
        form = wire.form_of(body) if body[:1] not in (b"{", b"") else {}
        action = form.get("Action", request.args.get("Action", "unknown"))
    return Incoming(service, region, action, request.path, body)
