"""The application: checks requests as Resource Manager does, and passes them to their handlers."""

from __future__ import annotations

import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import arm_errors
import arm_tags
import creating
import deletes
import faults
import reads
import resource_graph
import versions
from arm_control import PREFIX, Control, Logged, State
from arm_errors import ArmError
from arm_paths import Target, parse
from arm_types import (
    GRAPH,
    GROUPS,
    KINDS,
    LOCKS,
    MACHINES,
    OPERATIONS,
    PERMISSIONS,
    RESOURCES,
    SOFT_DELETED,
    SUBSCRIPTIONS,
    TAGS,
    VERSIONS,
    Kind,
)
from context import Call, answer
from http_server import HttpRequest, HttpResponse, Server
from world_clock import written

Handler = Callable[[Call], HttpResponse]


def poll(call: Call) -> HttpResponse:
    """The state of a long-running operation. The signature in the URL must be intact."""
    operation = call.world.operations.get(call.target.name.lower())
    if operation is None:
        text = f"The operation '{call.target.name}' was not found."
        raise ArmError(404, "OperationNotFound", text)
    monitor = call.flag("monitor")
    if call.query != operation.query(monitor):
        text = "The signature of the operation URL is not valid."
        raise ArmError(403, "InvalidOperationSignature", text)
    operation.poll(call.world.clock.now())
    wait = call.switches.operations.retry_after
    headers = [] if wait is None else [("Retry-After", str(wait))]
    if not monitor:
        running = operation.status == "InProgress"
        return answer(operation.body(), headers=headers if running else [])
    if operation.status == "InProgress":
        location = ("Location", f"{call.base}{call.raw_path}?{call.query}")
        return answer(None, 202, [location, *headers])
    if operation.error is not None:
        code, message = operation.error
        raise arm_errors.conflict(code, message)
    return answer(None)


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, and the permission that it needs."""

    handler: Handler
    permission: str
    listed: bool = False


def route(method: str, target: Target) -> tuple[Route, Kind] | None:
    """The route of a request, or None if this server does not have it."""
    kind_name = target.type
    if not target.provider:
        return _outside_providers(method, target)
    if target.last is not None:
        action = (method, "/".join(target.types), target.last)
        if action == ("POST", "virtualmachines", "deallocate"):
            kind = KINDS[MACHINES]
            permission = f"{kind.name}/deallocate/action"
            return Route(deletes.deallocate, permission), kind
        kind = KINDS.get(kind_name)
        if kind is None:
            return None
        if method == "POST" and kind_name == GRAPH:
            return Route(resource_graph.query, f"{kind.name}/read"), kind
        if method != "GET" or kind_name in (GRAPH, TAGS, *OPERATIONS):
            return None
        handler = _LISTS.get(kind_name, reads.collection)
        return Route(handler, f"{kind.name}/read", listed=True), kind
    kind = KINDS.get(kind_name)
    handler = _RESOURCES.get(kind_name, _COMMON).get(method)
    if kind is None or handler is None:
        return None
    access = {"GET": "read", "DELETE": "delete"}.get(method, "write")
    if kind_name == TAGS and method == "DELETE":
        access = "delete"
    return Route(handler, f"{kind.name}/{access}"), kind


def _outside_providers(method: str, target: Target) -> tuple[Route, Kind] | None:
    segments = target.key.strip("/").split("/")
    if segments[0] != "subscriptions":
        return None
    if method != "GET":
        change = _GROUPS.get(method)
        is_group = len(segments) == 4 and segments[2] == "resourcegroups"
        if change is None or not is_group:
            return None
        kind, (access, handler) = KINDS[GROUPS], change
        return Route(handler, f"{kind.name}/{access}"), kind
    if len(segments) <= 2:
        kind = KINDS[SUBSCRIPTIONS]
        listed = len(segments) == 1
        return Route(reads.subscriptions, f"{kind.name}/read", listed), kind
    if segments[2] == "resources" and len(segments) == 3:
        kind = KINDS[RESOURCES]
        return Route(reads.resources, f"{kind.name}/read", listed=True), kind
    if segments[2] == "resourcegroups" and len(segments) <= 4:
        kind = KINDS[GROUPS]
        return Route(reads.groups, f"{kind.name}/read", len(segments) == 3), kind
    return None


_LISTS: dict[str, Handler] = {
    SOFT_DELETED: reads.soft_deleted,
    PERMISSIONS: reads.permissions,
}
_COMMON: dict[str, Handler] = {"GET": reads.get, "DELETE": deletes.delete}
_TAGS: dict[str, Handler] = {
    "GET": arm_tags.read,
    "PATCH": arm_tags.patch,
    "PUT": arm_tags.put,
    "DELETE": arm_tags.delete,
}
_VERSIONS: dict[str, Handler] = {
    "GET": reads.get,
    "PUT": versions.put,
    "PATCH": versions.patch,
    "DELETE": versions.delete,
}
_GROUPS: dict[str, tuple[str, Handler]] = {
    "PUT": ("write", creating.put_group),
    "DELETE": ("delete", creating.delete_group),
}
_RESOURCES: dict[str, dict[str, Handler]] = {
    **{one: _COMMON | {"PUT": creating.put} for one in creating.TYPES},
    VERSIONS: _VERSIONS,
    TAGS: _TAGS,
    LOCKS: {
        "GET": reads.get,
        "PUT": creating.put_lock,
        "DELETE": deletes.delete_lock,
    },
    SOFT_DELETED: {"DELETE": reads.delete_soft_deleted},
    **{one: {"GET": poll} for one in OPERATIONS},
}


class Application:
    """Azure Resource Manager on one port. One lock serializes all access to the world."""

    def __init__(self, state: State, page_size: int) -> None:
        self._state = state
        self._control = Control(state)
        self._lock = threading.Lock()
        self._page_size = page_size

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(PREFIX):
            with self._lock:
                self._state.world.settle()
                return self._control.answer(request)
        if self._state.switches.latency_seconds:
            time.sleep(self._state.switches.latency_seconds)
        with self._lock:
            self._state.world.settle()
            response, delay = self._logged(request)
        if delay:
            time.sleep(min(delay, faults.MOST_SECONDS))
        return response

    def _logged(self, request: HttpRequest) -> tuple[HttpResponse, float]:
        target = parse(request.path)
        found = route(request.method, target)
        permission = found[0].permission if found else "unknown"
        logged = Logged(
            request.method,
            request.path,
            request.query,
            permission,
            (target.subscription or "").lower(),
            written(self._state.world.clock.now()),
            request.headers.get("user-agent", ""),
        )
        self._state.calls.append(logged)
        switches = self._state.switches
        action = switches.fault(request.method, request.path, permission) or {}
        try:
            response = self._answer(request, target, found, action)
        except ArmError as error:
            logged.code = error.code
            response = answer(error.body(), error.status, error.headers)
        except Exception as error:  # noqa: BLE001
            # An error in this program. With status 418, no client hides it by retrying.
            traceback.print_exc()
            logged.code = "StandInFailure"
            body = ArmError(418, "StandInFailure", repr(error)).body()
            response = answer(body, 418)
        if action:
            response = faults.changed(action, response)
        logged.status = response.status
        return response, float(action.get("delay_seconds", 0))

    def _answer(
        self,
        request: HttpRequest,
        target: Target,
        found: tuple[Route, Kind] | None,
        action: dict[str, Any],
    ) -> HttpResponse:
        state = self._state
        if not request.headers.get("authorization", "").startswith("Bearer "):
            text = "Authentication failed. The 'Authorization' header is missing."
            challenge = [("WWW-Authenticate", 'Bearer error="invalid_token"')]
            raise ArmError(401, "AuthenticationFailed", text, challenge)
        if found is None:
            text = f"The stand-in does not have {request.method} {request.path}."
            raise ArmError(404, "InvalidResourceType", text)
        taken, kind = found
        host = request.headers.get("host", "localhost")
        call = Call(
            request.method,
            target,
            request.query,
            request.body,
            f"https://{host}",
            request.path,
            kind,
            state.world,
            state.switches,
            self._page_size,
            state.graph_world,
            action,
        )
        _check_version(call)
        self._check_access(call, taken)
        headers = state.budgets.take(
            (target.subscription or "").lower(), kind, request.method, taken.listed
        )
        if "status" in action and not action.get("lost"):
            raise _injected(action)
        try:
            response = taken.handler(call)
        except ArmError as error:
            error.headers += headers
            raise
        if action.get("lost"):
            # The call took effect, but the client does not learn that.
            raise _injected({"status": 500} | action)
        response.headers += headers
        return response

    def _check_access(self, call: Call, taken: Route) -> None:
        subscription = call.target.subscription
        world, switches = call.world, self._state.switches
        scope = call.target.path
        if subscription is not None:
            key = subscription.lower()
            if key not in world.subscriptions:
                text = f"The subscription '{subscription}' could not be found."
                raise ArmError(404, "SubscriptionNotFound", text)
            if key in world.unreadable | switches.deny_subscriptions:
                raise arm_errors.forbidden(taken.permission, scope)
        if switches.denies(taken.permission):
            raise arm_errors.forbidden(taken.permission, scope)


def _check_version(call: Call) -> None:
    version = call.argument("api-version")
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise arm_errors.bad_request("MissingApiVersionParameter", text)
    if version in call.kind.api_versions:
        return
    known = ", ".join(call.kind.api_versions)
    provider, _, name = call.kind.name.partition("/")
    if provider == "Microsoft.Resources":
        text = f"The api-version '{version}' is invalid. The supported versions are '{known}'."
        raise arm_errors.bad_request("InvalidApiVersionParameter", text)
    text = (
        f"No registered resource provider found for location '' and API version '{version}' "
        f"for type '{name}'. The supported api-versions are '{known}'."
    )
    raise arm_errors.bad_request("NoRegisteredProviderFound", text)


def _injected(action: dict[str, Any]) -> ArmError:
    status = action["status"]
    default = {
        429: "TooManyRequests",
        403: "AuthorizationFailed",
        503: "ServiceUnavailable",
    }.get(status, "InternalServerError")
    wait = action.get("retry_after")
    headers = [] if wait is None else [("Retry-After", str(wait))]
    message = action.get("message", "A switch of the stand-in causes this error.")
    return ArmError(status, action.get("code", default), message, headers)


class TlsServer(Server):
    """The HTTP server with TLS. Handshakes happen in the thread of the connection."""

    def __init__(
        self,
        host: str,
        port: int,
        application: Application,
        verbose: bool,
        context: ssl.SSLContext,
    ) -> None:
        self._context = context
        super().__init__(host, port, application, verbose)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept a connection without waiting for the client's handshake."""
        connection, address = super().get_request()
        wrapped = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection or rejects the certificate is normal."""
        if self.verbose or not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
