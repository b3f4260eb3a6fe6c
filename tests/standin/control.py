"""The control endpoint `/_standin/`: calls, fleet and switches as plain JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError

import fleet
import fleet_fields
import wire
from calls import AwsError, Incoming
from checking import BadFleet
from http_server import HttpRequest, HttpResponse
from stale import Stale
from switches import BadSwitches, Switches
from world import Region, World

PREFIX = "/_standin/"


@dataclass(slots=True)
class Logged:
    """One recorded call. Its parameters are parsed only when they are requested."""

    call: Incoming
    at: float
    app: str = ""
    """The calling program, from the SDK's user agent."""
    answer: str = "ok"

    def name(self) -> str:
        """`DescribeImages`, or with its service for services other than EC2."""
        call = self.call
        return call.action if call.service == "ec2" else f"{call.service}:{call.action}"

    def params(self) -> Any:
        """The parameters with boto3's names, if the service is known."""
        call = self.call
        if call.service not in wire.REST_SERVICES and call.body.startswith(b"{"):
            try:
                return json.loads(call.body)
            except ValueError:
                return {}
        try:
            return wire.codec(call.service).read(call)
        except (UnknownServiceError, OperationNotFoundError, AwsError):
            return call.form


class State:
    """The state that is kept between calls."""

    def __init__(self, world: World, default_account: str) -> None:
        self.world = world
        self.default_account = default_account
        self.switches = Switches({})
        self.stale: Stale | None = None
        self.calls: list[Logged] = []
        self.by_app: dict[str, set[str]] = {}
        """All actions that each program has ever called. Nothing resets them."""
        self.started = time.monotonic()

    def listed(self, region: str) -> Region:
        """The state of a Region that listings show."""
        then = self.stale.region(region) if self.stale is not None else None
        return self.world.region(region) if then is None else then


class Control:
    """Responds to control requests."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Callable[[HttpRequest], Any]] = {
            ("GET", "calls"): self._read_calls,
            ("DELETE", "calls"): self._reset_calls,
            ("GET", "apps"): self._read_apps,
            ("GET", "events"): lambda _: self._state.world.events,
            ("DELETE", "events"): self._reset_events,
            ("GET", "fleet"): self._read_fleet,
            ("POST", "fleet"): self._replace_fleet,
            ("PATCH", "fleet"): self._add_to_fleet,
            ("GET", "switches"): lambda _: self._state.switches.raw,
            ("POST", "switches"): self._set_switches,
        }

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The JSON response. Problems with the request are in `errors`."""
        what = request.path.removeprefix(PREFIX).strip("/")
        route = self._routes.get((request.method, what))
        if route is None:
            known = ", ".join(
                f"{method} {PREFIX}{path}" for method, path in self._routes
            )
            return _json({"errors": [f"there is only {known}"]}, 404)
        try:
            return _json(route(request))
        except BadFleet as error:
            return _json({"errors": error.errors}, 400)
        except BadSwitches as error:
            return _json({"errors": error.args[0]}, 400)
        except ValueError as error:
            return _json({"errors": [f"not JSON: {error}"]}, 400)

    def _read_calls(self, request: HttpRequest) -> Any:
        if request.argument("log"):
            return [
                {
                    "action": logged.name(),
                    "params": logged.params(),
                    "region": logged.call.region,
                    "answer": logged.answer,
                    "at": round(logged.at - self._state.started, 4),
                }
                for logged in self._state.calls
            ]
        return dict(sorted(Counter(one.name() for one in self._state.calls).items()))

    def _read_apps(self, _: HttpRequest) -> Any:
        """The minimal permissions of each program: a list for IAM."""
        return {app: sorted(one) for app, one in sorted(self._state.by_app.items())}

    def _reset_events(self, _: HttpRequest) -> Any:
        self._state.world.events.clear()
        return {}

    def _reset_calls(self, _: HttpRequest) -> Any:
        self._state.calls.clear()
        return {}

    def _read_fleet(self, request: HttpRequest) -> Any:
        world = self._state.world
        return fleet.written(
            world, world.region(request.argument("region") or world.home)
        )

    def _replace_fleet(self, request: HttpRequest) -> Any:
        checked = fleet_fields.checked(json.loads(request.body))
        self._state.world = fleet.new_world(checked, self._state.default_account)
        return {}

    def _add_to_fleet(self, request: HttpRequest) -> Any:
        checked = fleet_fields.checked(json.loads(request.body))
        world = self._state.world
        if checked["account"] not in (None, world.account):
            raise BadFleet(["fleet: account cannot change while it is in use"])
        fleet.add(world, checked)
        return {}

    def _set_switches(self, request: HttpRequest) -> Any:
        raw = json.loads(request.body)
        if not isinstance(raw, dict):
            raise BadSwitches(["the switches are not a JSON object"])
        switches, state = Switches(raw), self._state
        seconds = switches.stale_seconds
        state.switches = switches
        state.stale = Stale(state.world, seconds) if seconds else None
        return {}


def _json(content: Any, status: int = 200) -> HttpResponse:
    body = json.dumps(content, indent=1) + "\n"
    return HttpResponse(body.encode(), "application/json", status)
