"""Launch sources: EC2 fleets, Spot fleets and Spot requests.

Their states are from the fleet file, and never change. Instant fleets are not modeled, because AWS
lists them only by id.
"""

from __future__ import annotations

from typing import Any

from calls import AwsError, Call, answers
from listing import Paging, Values, filtered, page, shown
from references import specification

_MADE = "2026-01-01T00:00:00.000Z"
_PAGING = Paging(at_most=1000, default=1000)
_FLEET_TYPE = "maintain"
_FLEET_FILTERS: dict[str, Values] = {
    "fleet-state": lambda one: [one["state"]],
    "type": lambda one: [_FLEET_TYPE],
}
_REQUEST_FILTERS: dict[str, Values] = {
    "state": lambda one: [one["state"]],
    "launch.image-id": lambda one: [one["image_id"]],
    "spot-instance-request-id": lambda one: [one["spot_instance_request_id"]],
}

Entry = dict[str, Any]


@answers("ec2", "DescribeFleets")
def describe_fleets(call: Call) -> dict[str, Any]:
    """EC2 fleets in every state, from the fleet file."""
    held = shown(call, "FleetIds").fleets
    fleets = _chosen(call, held, "FleetIds", "InvalidFleetId.NotFound")
    fleets = filtered(call, fleets, _FLEET_FILTERS)
    fleets, token = page(call, _PAGING, fleets, lambda one: one["fleet_id"])
    described = [
        {
            "FleetId": one["fleet_id"],
            "FleetState": one["state"],
            "ActivityStatus": "fulfilled",
            "CreateTime": _MADE,
            "Type": _FLEET_TYPE,
            "LaunchTemplateConfigs": _fleet_configs(call, one),
            "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
        }
        for one in fleets
    ]
    return {"Fleets": described, "NextToken": token}


def _fleet_configs(call: Call, fleet: Entry) -> list[Entry]:
    """One for each template. The first has the images, which override its own."""
    configs: list[Entry] = [
        {"LaunchTemplateSpecification": specification(call, one), "Overrides": []}
        for one in fleet["launch_templates"]
    ]
    if fleet["images"] and not configs:
        configs = [{}]
    if fleet["images"]:
        configs[0]["Overrides"] = [{"ImageId": one} for one in fleet["images"]]
    return configs


@answers("ec2", "DescribeSpotFleetRequests")
def describe_spot_fleet_requests(call: Call) -> dict[str, Any]:
    """Spot fleets in every state, from the fleet file."""
    ids, code = "SpotFleetRequestIds", "InvalidSpotFleetRequestId.NotFound"
    fleets = _chosen(call, shown(call, ids).spot_fleets, ids, code)
    fleets, token = page(
        call, _PAGING, fleets, lambda one: one["spot_fleet_request_id"]
    )
    described = [
        {
            "SpotFleetRequestId": one["spot_fleet_request_id"],
            "SpotFleetRequestState": one["state"],
            "ActivityStatus": "fulfilled",
            "CreateTime": _MADE,
            "SpotFleetRequestConfig": _spot_fleet_config(call, one),
        }
        for one in fleets
    ]
    return {"SpotFleetRequestConfigs": described, "NextToken": token}


def _spot_fleet_config(call: Call, fleet: Entry) -> Entry:
    return {
        "IamFleetRole": f"arn:aws:iam::{call.world.account}:role/spot-fleet",
        "TargetCapacity": 1,
        "Type": "maintain",
        "LaunchSpecifications": [{"ImageId": one} for one in fleet["images"]],
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": specification(call, one), "Overrides": []}
            for one in fleet["launch_templates"]
        ],
    }


@answers("ec2", "DescribeSpotInstanceRequests")
def describe_spot_instance_requests(call: Call) -> dict[str, Any]:
    """Spot requests in every state, from the fleet file."""
    ids, code = "SpotInstanceRequestIds", "InvalidSpotInstanceRequestID.NotFound"
    requests = _chosen(call, shown(call, ids).spot_requests, ids, code)
    requests = filtered(call, requests, _REQUEST_FILTERS)
    requests, token = page(
        call, _PAGING, requests, lambda one: one["spot_instance_request_id"]
    )
    described = [
        {
            "SpotInstanceRequestId": one["spot_instance_request_id"],
            "State": one["state"],
            "CreateTime": _MADE,
            "Type": "one-time",
            "ProductDescription": "Linux/UNIX",
            "LaunchSpecification": {"ImageId": one["image_id"]},
        }
        for one in requests
    ]
    return {"SpotInstanceRequests": described, "NextToken": token}


def _chosen(call: Call, held: dict[str, Entry], ids: str, code: str) -> list[Entry]:
    """All, or those with the ids. One unknown id fails the call.

    The code for fleets is not verified, the codes for Spot are documented.
    """
    wanted = dict.fromkeys(call.params.get(ids) or held)
    for one in wanted:
        if one not in held:
            raise AwsError(code, f"The id '{one}' does not exist")
    return [held[one] for one in wanted]
