"""AWS Batch: the compute environments with their images and templates."""

from __future__ import annotations

from typing import Any

from calls import Call, answers
from listing import Paging, page, shown

# Batch's response to an invalid page size or token is not verified.
_PAGING = Paging(
    at_most=100,
    default=100,
    size="maxResults",
    token="nextToken",
    bad_size="ClientException",
    bad_token="ClientException",
)

Entry = dict[str, Any]


@answers("batch", "DescribeComputeEnvironments")
def describe_compute_environments(call: Call) -> dict[str, Any]:
    """All environments, or those with the names or ARNs. Unknown ones are omitted."""
    held = shown(call, "computeEnvironments").compute_environments
    wanted = call.params.get("computeEnvironments") or list(held)
    names = dict.fromkeys(one.rpartition("/")[2] for one in wanted)
    chosen = [held[name] for name in names if name in held]
    chosen, token = page(call, _PAGING, chosen, lambda one: one["name"])
    described = [_described(call, one) for one in chosen]
    return {"computeEnvironments": described, "nextToken": token}


def _described(call: Call, environment: Entry) -> Entry:
    name = environment["name"]
    where = f"{call.region.name}:{call.world.account}"
    return {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": f"arn:aws:batch:{where}:compute-environment/{name}",
        "ecsClusterArn": f"arn:aws:ecs:{where}:cluster/{name}",
        "type": "MANAGED",
        "state": "ENABLED",
        "status": environment["status"],
        "containerOrchestrationType": "ECS",
        "computeResources": {
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": 256,
            "instanceTypes": ["optimal"],
            "subnets": [],
            "imageId": environment["image_id"],
            "ec2Configuration": [
                {"imageType": "ECS_AL2023", "imageIdOverride": image_id}
                for image_id in environment["image_id_overrides"]
            ],
            "launchTemplate": _launch_template(environment["launch_templates"]),
        },
    }


def _launch_template(entries: list[Entry]) -> Entry | None:
    """The first image is the environment's own, the others are overrides."""
    if not entries:
        return None
    own, *others = (
        {"launchTemplateId": one["launch_template_id"], "version": one["version"]}
        for one in entries
    )
    return own | {"overrides": others}
