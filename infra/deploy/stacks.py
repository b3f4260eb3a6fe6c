"""CloudFormation stacks: made and updated by change sets, so that a diff tells the truth."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError, WaiterError

from settings import Stop

INFRA = Path(__file__).resolve().parents[1]
_NO_CHANGES = re.compile("didn't contain changes|no updates|no changes", re.IGNORECASE)
# What a first attempt leaves behind when it failed or was never carried out: nothing of use.
_LEFT_OVER = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "CREATE_FAILED")
_HALF = {
    "UPDATE_ROLLBACK_FAILED": "run `aws cloudformation continue-update-rollback"
    " --stack-name {name}`, then this again",
    "ROLLBACK_FAILED": "run `make destroy`, then this again",
    "DELETE_FAILED": "run `make destroy` again; its events say what could not be deleted",
}
_WAIT = {"Delay": 5, "MaxAttempts": 240}


def is_ours(found: dict[str, str], tags: dict[str, str]) -> bool:
    """Whether something with the tags `found` belongs to the deployment with these."""
    return all(found.get(key) == value for key, value in tags.items())


class _Template(yaml.SafeLoader):
    """Reads a template; what CloudFormation would compute stays as it is written."""


_Template.add_multi_constructor("!", lambda loader, suffix, node: None)


@dataclass
class Stack:
    """One of our stacks."""

    cloudformation: Any
    name: str
    template: str
    tags: dict[str, str]
    delay: int = 5
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    def body(self, prefix: str) -> str:
        """The template, with the policy's prefix for tags in place of ours."""
        text = (INFRA / self.template).read_text()
        return text.replace("image-steward:", prefix)

    def parameters(self) -> dict[str, dict[str, Any]]:
        """What the template can be given, by name, with what each may be."""
        body = (INFRA / self.template).read_text()
        return yaml.load(body, _Template)["Parameters"]

    def found(self) -> dict[str, Any] | None:
        """The stack as it is; None when there is none. One that is not ours is not touched."""
        try:
            [found] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        if found["StackStatus"] == "DELETE_COMPLETE":
            return None
        tags = {one["Key"]: one["Value"] for one in found.get("Tags", [])}
        # One that was never carried out holds nothing, and may not have its tags yet.
        if found["StackStatus"] != "REVIEW_IN_PROGRESS" and not is_ours(
            tags, self.tags
        ):
            raise Stop(
                f"there is a stack {self.name} that is not of this deployment; write"
                " another STACK="
            )
        return found

    def present(self) -> dict[str, str]:
        """The parameters that the stack was deployed with."""
        parameters = (self.found() or {}).get("Parameters", [])
        return {one["ParameterKey"]: one["ParameterValue"] for one in parameters}

    def is_new(self) -> bool:
        """Whether there is none, or one of a first attempt with nothing in it."""
        found = self.found()
        return found is None or found["StackStatus"] in _LEFT_OVER

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack, by name."""
        outputs = (self.found() or {}).get("Outputs", [])
        return {one["OutputKey"]: one["OutputValue"] for one in outputs}

    def tidy(self) -> None:
        """Clear away what an earlier attempt left, or say what a person has to do."""
        found = self.found()
        status = found["StackStatus"] if found else ""
        if status == "UPDATE_ROLLBACK_COMPLETE":
            print(f"{self.name}: the last change of it failed, and was taken back.")
        if status in _LEFT_OVER:
            print(f"{self.name}: clearing away a first attempt ({status}).", flush=True)
            self.delete()
        elif status in _HALF:
            remedy = _HALF[status].format(name=self.name)
            raise Stop(f"the stack {self.name} is {status}: {remedy}")
        elif status.endswith("_IN_PROGRESS"):
            raise Stop(
                f"the stack {self.name} is {status}: wait for it, then try again"
            )

    def changes(self, prefix: str, parameters: dict[str, str]) -> ChangeSet | None:
        """The change set that makes the stack what it should be; None when it is that."""
        found = self.found()
        body = self.body(prefix)
        known = self.parameters().keys()
        present = self.present()
        # What is not said stays as it is deployed.
        values = [
            {"ParameterKey": key, "ParameterValue": parameters[key]}
            if key in parameters
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in sorted(known & (parameters.keys() | present.keys()))
        ]
        change = ChangeSet(
            self, f"deploy-{time.time_ns()}", "CREATE" if not found else "UPDATE"
        )
        self.cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=change.name,
            ChangeSetType=change.kind,
            TemplateBody=body,
            Parameters=values,
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in self.tags.items()],
        )
        return change if change.is_something() else None

    def delete(self) -> bool:
        """Delete the stack with all that is in it; whether there was one."""
        if self.found() is None:
            return False
        self._begun = datetime.now(UTC)
        self.cloudformation.delete_stack(StackName=self.name)
        self._wait("stack_delete_complete")
        return True

    def _wait(self, what: str) -> None:
        try:
            waiter = self.cloudformation.get_waiter(what)
            waiter.wait(StackName=self.name, WaiterConfig=_WAIT | {"Delay": self.delay})
        except WaiterError:
            raise Stop(
                f"the stack {self.name} did not get there: {self._why()}"
            ) from None

    def _why(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName=self.name)
        # Clocks differ. What failed in an earlier attempt is no answer.
        since = self._begun - timedelta(minutes=1)
        failed = [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}"
            for one in events["StackEvents"]
            if one.get("ResourceStatus", "").endswith("FAILED")
            and one["Timestamp"] >= since
        ]
        # The first failure is the cause; what came after was cancelled because of it.
        return failed[-1] if failed else "its events do not say why"


@dataclass
class ChangeSet:
    """A change set that is there to be carried out or discarded."""

    stack: Stack
    name: str
    kind: str

    def _described(self) -> dict[str, Any]:
        client = self.stack.cloudformation
        names = {"StackName": self.stack.name, "ChangeSetName": self.name}
        return client.describe_change_set(**names)

    def is_something(self) -> bool:
        """Wait until it is ready; an empty one is discarded at once."""
        for _ in range(240):
            found = self._described()
            if found["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            time.sleep(min(self.stack.delay, 2))
        reason = found.get("StatusReason", "")
        if found["Status"] == "FAILED" and not _NO_CHANGES.search(reason):
            self.discard()
            raise Stop(f"{self.stack.template} is not accepted: {reason}")
        if found["Status"] == "FAILED" or not found.get("Changes"):
            self.discard()
            return False
        return True

    def lines(self) -> list[str]:
        """What would change, a line each."""
        signs = {"Add": "+", "Modify": "~", "Remove": "-"}
        lines = []
        for change in self._described().get("Changes", []):
            one = change["ResourceChange"]
            sign = signs.get(one["Action"], "?")
            again = " (replaced)" if one.get("Replacement") == "True" else ""
            what = f"{one['ResourceType']} {one['LogicalResourceId']}"
            lines.append(f"  {sign} {what}{again}")
        return sorted(lines)

    def discard(self) -> None:
        """Delete it, and the empty stack that one for a new stack comes with."""
        client = self.stack.cloudformation
        client.delete_change_set(StackName=self.stack.name, ChangeSetName=self.name)
        found = self.stack.found()
        if found is not None and found["StackStatus"] == "REVIEW_IN_PROGRESS":
            self.stack.delete()

    def execute(self) -> None:
        """Carry it out, and wait until that is done."""
        client, name = self.stack.cloudformation, self.stack.name
        self.stack._begun = datetime.now(UTC)
        client.execute_change_set(StackName=name, ChangeSetName=self.name)
        done = {"CREATE": "stack_create_complete", "UPDATE": "stack_update_complete"}
        self.stack._wait(done[self.kind])
