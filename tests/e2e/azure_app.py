"""The functions of Azure as the Functions host runs them: one program, an HTTP request for each
invocation.

The requests have the form of Microsoft's page about custom handlers. For what the page does not
show, the source code of the host decides (`DefaultHttpWorkerService` in azure-functions-host).
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any, NamedTuple, Self

from binaries import ROOT, binary
from local_azure import ID, Subscription, azure_environment
from process import Process, free_port, wait_for
from worlds import ago

VERSION_WRITE = "Microsoft.Compute/galleries/images/versions/write"
IMAGE_WRITE = "Microsoft.Compute/images/write"
SUCCESS = "Microsoft.Resources.ResourceWriteSuccess"


class Invoked(NamedTuple):
    """The response to an invocation."""

    status: int
    logs: list[str]

    @property
    def answer(self) -> dict[str, Any]:
        """The response of the function, which is the last line of its log."""
        return json.loads(self.logs[-1])


class FunctionApp:
    """The program, started with the settings that the template writes."""

    def __init__(
        self, account: Subscription, policy: str, **settings: str | None
    ) -> None:
        self.port = free_port()
        environment: dict[str, str | None] = {
            "FUNCTIONS_CUSTOMHANDLER_PORT": str(self.port),
            "STEWARD_SUBSCRIPTION": ID,
            "STEWARD_MODE": "plan",
            "STEWARD_POLICY": "env:STEWARD_POLICY_TEXT",
            "STEWARD_POLICY_TEXT": policy,
            "STEWARD_POLICY_DIGEST": "",
            "STEWARD_TEMPLATE": "1",
            "STEWARD_ENDPOINT_URL": account.url,
        }
        command = [str(binary("steward-functions-azure"))]
        given = azure_environment(account, environment | settings)
        self.process = Process(command, given, ROOT)
        try:
            wait_for(self.process, lambda: bool(self.lines("listening")))
        except BaseException:
            self.process.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def lines(self, message: str | None = None) -> list[dict[str, Any]]:
        """The lines of its log, which are all JSON; only those with this message."""
        # The last line may be incomplete.
        complete = self.process.said().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in complete]
        return [one for one in lines if message in (None, one["message"])]

    def send(
        self, method: str, path: str, content: Any = None, text: str | None = None
    ) -> Invoked:
        """An HTTP request of the host."""
        body = json.dumps(content) if text is None else text
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Azure-Functions-Host/4.1040.300",
            "X-Azure-Functions-HostId": "image-steward",
            "X-Azure-Functions-InvocationId": str(uuid.uuid4()),
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body.encode(), headers)
            response = connection.getresponse()
            found = json.loads(response.read())
        finally:
            connection.close()
        assert found.keys() == {"Outputs", "Logs", "ReturnValue"}
        return Invoked(response.status, found["Logs"])

    def run(self, function: str) -> Invoked:
        """The schedule starts a function."""
        return self.send("POST", f"/{function}", invocation(function, timer=timer()))

    def deliver(self, function: str, event: Any) -> Invoked:
        """Event Grid delivers an event to a function."""
        return self.send("POST", f"/{function}", invocation(function, event=event))


def invocation(function: str, **data: Any) -> dict[str, Any]:
    """The body of the host's request: the data of the trigger by the name of its binding."""
    system = {
        "MethodName": function,
        "UtcNow": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "RandGuid": str(uuid.uuid4()),
    }
    return {"Data": data, "Metadata": {"sys": system}}


def timer() -> dict[str, Any]:
    """The data of a timer, as the host serializes its `TimerInfo`."""
    return {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": ago(0.5).replace("Z", "+00:00"),
            "LastUpdated": ago(0.5).replace("Z", "+00:00"),
            "Next": ago(0).replace("Z", "+00:00"),
        },
        "IsPastDue": False,
    }


def event_grid(
    resource_id: str, subscription: str = ID, age: float = 0, **changed: Any
) -> dict[str, Any]:
    """An event in the Event Grid schema, with the fields of Microsoft's example.

    It is `age` days old. `changed` replaces fields of its data.
    """
    operation = VERSION_WRITE if "/galleries/" in resource_id else IMAGE_WRITE
    data = {
        "authorization": {"scope": resource_id, "action": operation, "evidence": {}},
        "claims": {"aud": "https://management.core.windows.net/", "name": "Somebody"},
        "correlationId": str(uuid.uuid4()),
        "httpRequest": {},
        "resourceProvider": "Microsoft.Compute",
        "resourceUri": resource_id,
        "operationName": operation,
        "status": "Succeeded",
        "subscriptionId": subscription,
        "tenantId": "99999999-9999-9999-9999-999999999999",
    }
    return {
        "topic": f"/subscriptions/{subscription}",
        "subject": resource_id,
        "eventType": SUCCESS,
        "eventTime": ago(age),
        "id": str(uuid.uuid4()),
        "data": data | changed,
        "dataVersion": "2",
        "metadataVersion": "1",
    }


def cloud_event(resource_id: str, **more: Any) -> dict[str, Any]:
    """The same event as a CloudEvent."""
    event = event_grid(resource_id, **more)
    return {
        "specversion": "1.0",
        "type": event["eventType"],
        "source": event["topic"],
        "id": event["id"],
        "time": event["eventTime"],
        "subject": event["subject"],
        "data": event["data"],
    }
