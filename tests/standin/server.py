"""The application: parses requests, and passes them to their actions."""

from __future__ import annotations

import re
import threading
import time
import traceback

# Importing these modules registers their actions.
import batch  # noqa: F401
import capacity  # noqa: F401
import deleting  # noqa: F401
import events  # noqa: F401
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
from http_server import HttpRequest, HttpResponse
from world import DEFAULT_REGION, World

_APP = re.compile(r"\bapp/(\S+)")
_SCOPE = re.compile(r"Credential=[^/]*/[0-9]*/([^/]*)/([^/]*)/aws4_request")


class Application:
    """One account on one port.

    A single lock serializes all access to the account: moto is not thread-safe, and failing tests
    should be reproducible.
    """

    def __init__(self, world: World, default_account: str) -> None:
        self._state = State(world, default_account)
        self._control = Control(self._state)
        self._lock = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(PREFIX):
            with self._lock:
                return self._control.answer(request)
        call = _addressed(request)
        app = _APP.search(request.headers.get("user-agent", ""))
        logged = Logged(call, time.monotonic(), app.group(1) if app else "")
        state = self._state
        # Network latency. A call that only waits for this does not delay others.
        if state.switches.latency_seconds:
            time.sleep(state.switches.latency_seconds)
        action = f"{call.service}:{call.action}"
        state.by_app.setdefault(logged.app, set()).add(action)
        refusal = state.switches.refusal(call, state.world.account)
        if refusal is not None:
            state.calls.append(logged)
            return _failed(logged, refusal)
        with self._lock:
            state.calls.append(logged)
            return self._answer(request, logged)

    def _answer(self, request: HttpRequest, logged: Logged) -> HttpResponse:
        call, switches = logged.call, self._state.switches
        try:
            switches.check(call)
            response = self._ours(call)
            if response is None:
                response = moto_side.forward(request, self._state.world.account)
            if response.status < 400:
                switches.check_answer(call.service, call.action)
            else:
                logged.answer = str(response.status)
            return response
        except AwsError as error:
            return _failed(logged, error)
        except Exception as error:  # noqa: BLE001
            # An error in this program. With status 400, no SDK hides it by retrying.
            traceback.print_exc()
            return _failed(logged, AwsError("StandInFailure", repr(error)))

    def _ours(self, incoming: Incoming) -> HttpResponse | None:
        """The response if the action is ours, None if it is moto's."""
        service, action = incoming.service, incoming.action
        answer = ACTIONS.get((service, action))
        if answer is None:
            if (service, action) in REFUSED or service in wire.REST_SERVICES:
                raise refuse(service, action)
            return None
        codec = wire.codec(service)
        params = codec.read(incoming)
        if params.pop("DryRun", False):
            text = "Request would have succeeded, but DryRun flag is set."
            raise AwsError("DryRunOperation", text, 412)
        state = self._state
        call = Call(
            service,
            action,
            params,
            state.world,
            state.world.region(incoming.region),
            state.listed(incoming.region),
            state.switches,
        )
        try:
            content = answer(call)
        except LeaveToMoto:
            return None
        return HttpResponse(codec.write(action, content), codec.content_type)


def _failed(logged: Logged, error: AwsError) -> HttpResponse:
    logged.answer = error.code
    body, content_type = wire.write_error(logged.call.service, error)
    return HttpResponse(body, content_type, error.status)


def _addressed(request: HttpRequest) -> Incoming:
    """The service and the action of a request.

    Service and Region are from the scope of the signature, which any access key has.
    """
    scope = _SCOPE.search(request.headers.get("authorization", ""))
    region, service = scope.groups() if scope else (DEFAULT_REGION, "unknown")
    form: dict[str, str] = {}
    if service in wire.REST_SERVICES:
        action = wire.codec(service).action_of(request.method, request.path)
    elif target := request.headers.get("x-amz-target"):
        action = target.rpartition(".")[2]
    else:
        form = wire.form_of(request.body or request.query.encode())
        action = form.get("Action", "unknown")
    return Incoming(service, region, action, request.path, request.body, form)
