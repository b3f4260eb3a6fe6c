"""ministack with features that its CloudFormation lacks. local_aws runs it.

It adds policies of event buses, which ministack stores but does not enforce, and the concurrency of
functions.
"""

from __future__ import annotations

from typing import Any

from ministack import app
from ministack.services import eventbridge, lambda_svc
from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]


def create(
    logical_id: str, properties: Properties, stack_name: str
) -> tuple[str, Properties]:
    """Like PutPermission with a policy."""
    bus, sid = properties["EventBusName"], properties["StatementId"]
    policies = eventbridge._event_bus_policies
    policy = policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    others = [one for one in policy["Statement"] if one["Sid"] != sid]
    statement = {"Sid": sid} | properties["Statement"]
    policies[bus] = policy | {"Statement": [*others, statement]}
    return f"{bus}|{sid}", {}


def update(
    physical_id: str, old: Properties, new: Properties, stack_name: str
) -> tuple[str, Properties]:
    """Overwrites the statement."""
    return create(physical_id, new, stack_name)


def delete(physical_id: str, properties: Properties) -> None:
    """Like RemovePermission."""
    bus, _, sid = physical_id.partition("|")
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": sid})


provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = {
    "create": create,
    "update": update,
    "delete": delete,
}

_FUNCTION = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]


def with_concurrency(name: str, properties: Properties) -> None:
    """Like PutFunctionConcurrency."""
    if reserved := properties.get("ReservedConcurrentExecutions"):
        given = {"ReservedConcurrentExecutions": int(reserved)}
        lambda_svc._put_function_concurrency(name, given)


def create_function(
    logical_id: str, properties: Properties, stack_name: str
) -> tuple[str, Properties]:
    """The function with its reserved concurrency."""
    made = _ORIGINAL["create"](logical_id, properties, stack_name)
    with_concurrency(made[0], properties)
    return made


_ORIGINAL = dict(_FUNCTION)
_FUNCTION["create"] = create_function

if __name__ == "__main__":
    app.main()
