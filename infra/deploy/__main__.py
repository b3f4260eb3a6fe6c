"""Puts image-steward into an account, says what that would change, or takes it out again.

The order is that of what needs what: the foundation (roles, logs, queue, Recycle Bin),
the functions, the wiring (rules, schedules, alarms). Taking out goes the other way.
Run by `make deploy`, `make diff` and `make destroy`.
"""

from __future__ import annotations

import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import checks
import functions
from functions import FUNCTIONS, Deployment
from settings import Settings, Stop, from_command_line
from stacks import Stack


class Target:
    """One stack's place in one account and Region."""

    def __init__(self, settings: Settings, session: boto3.Session) -> None:
        self.settings = settings
        self.region: str = session.region_name
        self.client = session.client("lambda")
        name = settings.stack
        self.tags = {"ManagedBy": "image-steward", "Stack": name}
        cloudformation = session.client("cloudformation")
        self.foundation = Stack(cloudformation, name, "foundation.yaml", self.tags)
        self.wiring = Stack(cloudformation, f"{name}-wiring", "wiring.yaml", self.tags)

    def present_mode(self) -> str | None:
        """The mode of the functions that are there; None when there are none."""
        for function in FUNCTIONS:
            name = f"{self.settings.stack}-{function.name}"
            found = functions.deployed(self.client, name)
            if found is not None:
                variables = found["Configuration"].get("Environment", {})
                return variables.get("Variables", {}).get("STEWARD_MODE", "plan")
        return None

    def deployment(self, policy: Any, mode: str) -> Deployment:
        """The functions as they should be."""
        settings = self.settings
        parameters = (self.foundation.found() or {}).get("Parameters", [])
        present = {one["ParameterKey"]: one["ParameterValue"] for one in parameters}
        bus = settings.parameters.get("EventBus") or present.get("EventBus", "default")
        return Deployment(
            client=self.client,
            cargo_lambda=checks.cargo_lambda(),
            stack=settings.stack,
            mode=mode,
            policy=policy,
            binaries=settings.binaries,
            event_bus=bus,
            more_env=settings.function_env,
            tags=self.tags,
        )

    def parameters(self) -> dict[str, str]:
        """What the templates are given, but for the foundation's outputs."""
        return {"Stack": self.settings.stack} | self.settings.parameters

    def wiring_parameters(self) -> dict[str, str]:
        """The same with the foundation's outputs."""
        outputs = self.foundation.outputs()
        found = {
            key: outputs.get(key, "")
            for key in ("DeadLetterQueueArn", "SchedulerRoleArn", "TopicArn")
        }
        return self.parameters() | found


def deploy(target: Target) -> None:
    """Make everything what it should be. Doing so twice changes nothing."""
    settings = target.settings
    present = target.present_mode()
    policy = checks.policy(settings, target.region, is_first=target.wiring.is_new())
    prefix = checks.tag_prefix(policy)
    mode = settings.mode or present or "plan"
    deployment = target.deployment(policy, mode)
    for function in FUNCTIONS:
        deployment.binary(function)
    target.foundation.tidy()
    target.wiring.tidy()
    _update(target.foundation, prefix, target.parameters())
    outputs = target.foundation.outputs()
    for function in FUNCTIONS:
        lines = deployment.differences(function, outputs[function.role])
        if not lines:
            print(f"{deployment.name(function)}: no changes.", flush=True)
            continue
        print("\n".join(lines), flush=True)
        deployment.deploy(function, outputs[function.role])
    _update(target.wiring, prefix, target.wiring_parameters())
    also = "" if mode == "apply" else " MODE=apply turns it to removing."
    print(f"Deployed {settings.stack} in {mode} mode.{also}")


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
    checks.chosen_policy(target.settings, is_first=target.wiring.is_new())


def diff(target: Target) -> None:
    """Say what `deploy` would change."""
    settings = target.settings
    present = target.present_mode()
    policy = checks.policy(settings, target.region, is_first=target.wiring.is_new())
    prefix = checks.tag_prefix(policy)
    deployment = target.deployment(policy, settings.mode or present or "plan")
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
    elif change := target.wiring.changes(prefix, target.wiring_parameters()):
        lines += change.lines()
        change.discard()
    print("\n".join(lines) if lines else "No changes.")


def destroy(target: Target) -> None:
    """Take everything of ours out. Images and snapshots, in the bin too, stay as they are."""
    name = target.settings.stack
    if not target.settings.is_sure:
        print(f"This deletes the stack {name} with its functions, logs and queue.")
        print("Images, snapshots and what is in the Recycle Bin stay as they are.")
        if input("Go on? Type the name of the stack: ").strip() != name:
            raise Stop("not confirmed; nothing was deleted")
    done = [stack for stack in (target.wiring,) if stack.delete()]
    names = [f"{name}-{function.name}" for function in FUNCTIONS]
    gone = [one for one in names if functions.delete(target.client, one)]
    done += [stack for stack in (target.foundation,) if stack.delete()]
    deleted = [stack.name for stack in done] + gone
    print(
        f"Deleted: {', '.join(sorted(deleted))}." if deleted else "Nothing was there."
    )


COMMANDS = {"check": check, "deploy": deploy, "diff": diff, "destroy": destroy}


def main() -> int:
    """Run the command; a failure is one line and the exit code 1."""
    try:
        settings = from_command_line()
        target = Target(settings, checks.session(settings))
        COMMANDS[settings.command](target)
    except Stop as stop:
        print(f"deploy: {stop}", file=sys.stderr)
        return 1
    except (ClientError, BotoCoreError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("deploy: interrupted; run it again to go on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
