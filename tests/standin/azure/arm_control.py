"""The control endpoint `/_standin/`: calls, world, clock and switches as plain JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arm_world import BadWorld, World, new_world
from budgets import Budgets
from faults import BadSwitches, Switches
from http_server import HttpRequest, HttpResponse
from make_world import BadFleet, make
from world_clock import written

PREFIX = "/_standin/"


@dataclass(slots=True)
class Logged:
    """One recorded call."""

    method: str
    path: str
    query: str
    operation: str
    """The permission, such as `Microsoft.Compute/galleries/images/versions/delete`."""
    subscription: str
    at: str
    agent: str
    status: int = 0
    code: str = ""
    """The code of the error, or an empty string."""

    def body(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class State:
    """The state that is kept between calls."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.switches = Switches({})
        self.budgets = Budgets()
        self.graph_world: World | None = None
        self.calls: list[Logged] = []


class Control:
    """Responds to control requests."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Callable[[HttpRequest], Any]] = {
            ("GET", "calls"): self._read_calls,
            ("DELETE", "calls"): self._reset_calls,
            ("GET", "world"): lambda _: self._state.world.written(),
            ("POST", "world"): self._replace_world,
            ("GET", "clock"): lambda _: self._clock(),
            ("POST", "clock"): self._set_clock,
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
        except (BadWorld, BadFleet) as error:
            return _json({"errors": error.errors}, 400)
        except BadSwitches as error:
            return _json({"errors": error.args[0]}, 400)
        except (ValueError, TypeError, KeyError) as error:
            return _json({"errors": [f"invalid request: {error!r}"]}, 400)

    def _read_calls(self, request: HttpRequest) -> Any:
        if request.argument("log"):
            return [one.body() for one in self._state.calls]
        counts = Counter(one.operation for one in self._state.calls)
        return dict(sorted(counts.items()))

    def _reset_calls(self, _: HttpRequest) -> Any:
        self._state.calls.clear()
        return {}

    def _replace_world(self, request: HttpRequest) -> Any:
        self._state.world = loaded(json.loads(request.body))
        budgets = Budgets()
        budgets.compute = self._state.switches.budgets
        budgets.arm = self._state.switches.arm_budgets
        self._state.budgets = budgets
        self._state.graph_world = self._graph_world()
        return {}

    def _clock(self) -> Any:
        clock = self._state.world.clock
        return {"now": written(clock.now()), "stopped": clock.stopped}

    def _set_clock(self, request: HttpRequest) -> Any:
        raw = json.loads(request.body)
        for name in raw.keys() - {"advance_seconds", "stopped"}:
            raise ValueError(f"unknown key {name!r}")
        clock = self._state.world.clock
        if "stopped" in raw:
            clock.stop(bool(raw["stopped"]))
        clock.advance(float(raw.get("advance_seconds", 0)))
        self._state.world.settle()
        return self._clock()

    def _set_switches(self, request: HttpRequest) -> Any:
        raw = json.loads(request.body)
        if not isinstance(raw, dict):
            raise BadSwitches(["the switches are not a JSON object"])
        state = self._state
        state.switches = Switches(raw)
        state.budgets = Budgets()
        state.budgets.compute = state.switches.budgets
        state.budgets.arm = state.switches.arm_budgets
        state.graph_world = self._graph_world()
        return {}

    def _graph_world(self) -> World | None:
        """With `graph_stale`, Resource Graph shows the content of this moment."""
        state = self._state
        return state.world.frozen() if state.switches.graph_stale else None


def loaded(raw: Any) -> World:
    """The world of a description, short or with ARM bodies."""
    return new_world(make(raw))


def _json(content: Any, status: int = 200) -> HttpResponse:
    body = json.dumps(content, indent=1) + "\n"
    return HttpResponse(body.encode(), "application/json", status)
