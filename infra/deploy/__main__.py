"""Puts image-steward into an account, says what that would change, or takes it out again.

The order is that of what needs what: the foundation (roles, logs, queue, Recycle Bin),
the functions, the wiring (rules, schedules, alarms). Taking out goes the other way.
Run by `make deploy`, `make diff` and `make destroy`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import checks
import functions
import schedules
from checks import Caller
from functions import EVENT_SOURCE, FUNCTIONS, Deployment, Function
from settings import EXAMPLE, Settings, Stop, from_command_line
from stacks import Stack


class Target:
    """One stack's place in one account and Region."""

    def __init__(self, settings: Settings, caller: Caller) -> None:
        self.settings = settings
        self.caller = caller
        session = caller.session
        self.region: str = session.region_name
        self.client = session.client("lambda")
        self.events = session.client("events")
        self.sns = session.client("sns")
        name = settings.stack
        self.tags = {"ManagedBy": "image-steward", "Stack": name}
        cloudformation = session.client("cloudformation")
        self.foundation = Stack(cloudformation, name, "foundation.yaml", self.tags)
        self.wiring = Stack(cloudformation, f"{name}-wiring", "wiring.yaml", self.tags)

    def name(self, function: Function) -> str:
        """The name that AWS knows the function by."""
        return f"{self.settings.stack}-{function.name}"

    @contextmanager
    def choices(self) -> Iterator[tuple[str, Path]]:
        """Mode and policy: what was said, or else as deployed, or else to begin with."""
        found = [
            functions.deployed(self.client, self.name(one), self.tags)
            for one in FUNCTIONS
        ]
        present = [one for one in found if one is not None]
        mode = self.settings.mode or functions.present_mode(present) or "plan"
        if self.settings.policy is not None:
            yield mode, self.settings.policy
            return
        deployed, example = functions.present_policy(present), EXAMPLE.read_bytes()
        policy = deployed or example
        if mode == "apply" and policy == example:
            raise Stop(
                "which policy? The example shows what a policy can say; write your own,"
                " and POLICY=FILE"
            )
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "the deployed policy" if deployed else EXAMPLE.name)
            copy.write_bytes(policy)
            yield mode, copy

    @cached_property
    def _deployed(self) -> dict[str, str]:
        """The parameters of both stacks as this run found them."""
        present = self.wiring.present() | self.foundation.present()
        if "EventSource" not in present:
            # The wiring was lost, and the functions were not.
            name = self.name(FUNCTIONS[0])
            held = functions.deployed(self.client, name, self.tags)
            if held and (source := functions.variables(held).get(EVENT_SOURCE)):
                present["EventSource"] = source
        return present

    def value(self, key: str) -> str:
        """A parameter as it was said, or else as it is deployed, or else its default."""
        known = self.foundation.parameters() | self.wiring.parameters()
        default = str(known[key]["Default"])
        return ({key: default} | self._deployed | self.settings.parameters)[key]

    def event_bus(self) -> str:
        """The name of the bus: our own one is named after the stack."""
        return self.value("EventBus") or self.settings.stack

    def deployment(self, policy: Path, mode: str) -> Deployment:
        """The functions as they should be."""
        settings = self.settings
        return Deployment(
            client=self.client,
            cargo_lambda=checks.cargo_lambda(),
            stack=settings.stack,
            mode=mode,
            policy=policy,
            binaries=settings.binaries,
            event_bus=self.event_bus(),
            event_source=self.value("EventSource"),
            more_env=settings.function_env,
            tags=self.tags,
        )

    def parameters(self) -> dict[str, str]:
        """What the templates are given, but for the foundation's outputs."""
        given = self.settings.parameters
        if names := given.get("ImageParameters"):
            arns = checks.parameter_arns(names, self.caller)
            given = given | {"ImageParameters": ",".join(arns)}
        return {"Stack": self.settings.stack} | given

    def wiring_parameters(self) -> dict[str, str]:
        """The same with the foundation's outputs."""
        outputs = self.foundation.outputs()
        found = {
            key: outputs.get(key, "")
            for key in ("DeadLetterQueueArn", "SchedulerRoleArn", "TopicArn")
        }
        # Both stacks know the bus: an interrupted change must not leave them with two.
        both = {key: self.value(key) for key in ("EventBus", "EventSource")}
        return self.parameters() | both | self.periods() | found

    def periods(self) -> dict[str, str]:
        """The periods of the alarms for sweeps that do not finish."""
        flexible = int(self.value("FlexibleMinutes"))
        return {
            f"{name}Period": str(
                schedules.period(self.value(f"{name}Schedule"), flexible)
            )
            for name in ("Prune", "Reap", "Retire")
        }

    def wiring_parameters_to_be(self) -> dict[str, str]:
        """The same as they will be when the foundation has been changed."""
        return self.wiring_parameters() | {"TopicArn": self.topic_to_be()}

    def topic_to_be(self) -> str:
        """The ARN of the topic as the foundation's template decides about it; empty for none."""
        notices = self.value("Notices")
        if notices == "none":
            return ""
        if other := self.value("NoticeTopicArn"):
            return other
        if notices == "on" or self.value("NoticeEmail"):
            return self.caller.arn("sns", f"{self.settings.stack}-notices")
        return ""

    def check(self, mode: str, policy: Path) -> None:
        """Stop at what can be seen to be wrong before anything is built."""
        self.parameters()
        if bus := self.value("EventBus"):
            checks.event_bus(self.events, bus)
        checks.notices(mode, self.value)
        if topic := self.value("NoticeTopicArn"):
            checks.topic(self.sns, topic, self.region)
        checks.permissions(mode, policy, self.value)


def deploy(target: Target) -> None:
    """Make everything what it should be. Doing so twice changes nothing."""
    with target.choices() as (mode, policy):
        _deploy(target, mode, policy)
    also = "" if mode == "apply" else " MODE=apply turns it to removing."
    print(f"Deployed {target.settings.stack} in {mode} mode.{also}")
    if mode == "apply" and (topic := target.topic_to_be()):
        checks.subscribers(target.sns, topic)


def _deploy(target: Target, mode: str, policy: Path) -> None:
    target.check(mode, policy)
    prefix = checks.policy(target.settings, policy, target.region)
    deployment = target.deployment(policy, mode)
    for function in FUNCTIONS:
        deployment.binary(function)
    target.foundation.tidy()
    target.wiring.tidy()
    _update(target.foundation, prefix, target.parameters())
    is_missing = any(deployment.is_missing(function) for function in FUNCTIONS)
    # With a function its permissions and its on-failure destination are gone, which
    # CloudFormation does not see.
    kept = target.wiring.present() if is_missing else {}
    if is_missing and target.wiring.delete():
        print(f"{target.wiring.name}: made anew, because a function was missing.")
    outputs = target.foundation.outputs()
    for function in FUNCTIONS:
        lines = deployment.differences(function, outputs[function.role])
        if not lines:
            print(f"{deployment.name(function)}: no changes.", flush=True)
            continue
        print("\n".join(lines), flush=True)
        deployment.deploy(function, outputs[function.role])
    _update(target.wiring, prefix, kept | target.wiring_parameters())


def _update(stack: Stack, prefix: str, parameters: dict[str, str]) -> None:
    change = stack.changes(prefix, parameters)
    if change is None:
        print(f"{stack.name}: no changes.", flush=True)
        return
    print(f"{stack.name}:", *change.lines(), sep="\n", flush=True)
    change.execute()


def check(target: Target) -> None:
    """Say what is missing, as far as that can be seen before anything is built."""
    checks.cargo_lambda()
    with target.choices() as (mode, policy):
        target.check(mode, policy)


def diff(target: Target) -> None:
    """Say what `deploy` would change."""
    with target.choices() as (mode, policy):
        lines = _differences(target, mode, policy)
    print("\n".join(lines) if lines else "No changes.")


def _differences(target: Target, mode: str, policy: Path) -> list[str]:
    target.check(mode, policy)
    prefix = checks.policy(target.settings, policy, target.region)
    deployment = target.deployment(policy, mode)
    lines = []
    outputs = target.foundation.outputs()
    if target.foundation.is_new():
        lines.append(f"  + stack {target.foundation.name}")
    elif change := target.foundation.changes(prefix, target.parameters()):
        lines += change.lines()
        change.discard()
    for function in FUNCTIONS:
        lines += deployment.differences(function, outputs.get(function.role, ""))
    if target.wiring.is_new():
        lines.append(f"  + stack {target.wiring.name}")
    elif change := target.wiring.changes(prefix, target.wiring_parameters_to_be()):
        lines += change.lines()
        change.discard()
    return lines


def destroy(target: Target) -> None:
    """Take everything of ours out. Images and snapshots, in the bin too, stay as they are."""
    name = target.settings.stack
    if not target.settings.is_sure:
        print(f"This deletes the stack {name} with its functions, logs and queue.")
        print("Images, snapshots and what is in the Recycle Bin stay as they are.")
        if _asked("Go on? Type the name of the stack: ") != name:
            raise Stop("not confirmed; nothing was deleted. YES=1 confirms")
    if target.value("EventBus") == "":
        checks.rules_of_others(target.events, name)
    done = [stack for stack in (target.wiring,) if stack.delete()]
    names = [target.name(function) for function in FUNCTIONS]
    gone = [one for one in names if functions.delete(target.client, one, target.tags)]
    done += [stack for stack in (target.foundation,) if stack.delete()]
    deleted = [stack.name for stack in done] + gone
    print(
        f"Deleted: {', '.join(sorted(deleted))}." if deleted else "Nothing was there."
    )


def _asked(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        print()
        return ""


COMMANDS = {"check": check, "deploy": deploy, "diff": diff, "destroy": destroy}


def main() -> int:
    """Run the command; a failure is one line and the exit code 1."""
    try:
        settings = from_command_line()
        target = Target(settings, checks.caller(settings))
        known = target.foundation.parameters() | target.wiring.parameters()
        checks.stack_name(settings.stack, known)
        checks.parameters(settings.parameters, known)
        COMMANDS[settings.command](target)
    except Stop as stop:
        print(f"deploy: {stop}", file=sys.stderr)
        return 1
    except (ClientError, BotoCoreError, OSError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("deploy: interrupted; run it again to go on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
