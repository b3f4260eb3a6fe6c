"""DescribeImageReferences: instances, launch templates, parameters and recipes.

The ARNs follow AWS's usual form; the service's own answers were not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import moto_side
from calls import AwsError, Call, answers
from listing import Paging, page

_PAGING = Paging(at_most=1000, default=None, at_least=5)
_MOST_IMAGES = 10
_DEPTH = 10
"""How many versions of a template are looked at, from the newest."""

_MOST_DEPTH = 10_000

Reference = dict[str, Any]


@answers("ec2", "DescribeImageReferences")
def describe_image_references(call: Call) -> dict[str, Any]:
    """Who in this account refers to up to ten images."""
    image_ids = call.params.get("ImageIds", [])
    if not 1 <= len(image_ids) <= _MOST_IMAGES:
        text = f"ImageIds takes 1 to {_MOST_IMAGES} ids"
        raise AwsError("InvalidParameterValue", text)
    kinds = {one["ResourceType"]: one for one in call.params.get("ResourceTypes", [])}
    every = call.params.get("IncludeAllResourceTypes", False)
    if every == bool(kinds):
        text = "either IncludeAllResourceTypes or ResourceTypes"
        raise AwsError("InvalidParameterCombination", text)
    listers = {
        "ec2:Instance": _instances,
        "ec2:LaunchTemplate": _templates,
        "ssm:Parameter": _parameters,
        "imagebuilder:ImageRecipe": _image_recipes,
        "imagebuilder:ContainerRecipe": _container_recipes,
    }
    found = {
        (reference["Arn"], reference["ImageId"]): reference
        for kind, lister in listers.items()
        if every or kind in kinds
        for reference in lister(call, _options(kinds.get(kind, {})))
        if reference["ImageId"] in image_ids
    }
    references, token = page(
        call, _PAGING, found.values(), lambda one: f"{one['Arn']} {one['ImageId']}"
    )
    return {"ImageReferences": references, "NextToken": token}


def _options(kind: dict[str, Any]) -> dict[str, list[str]]:
    options = kind.get("ResourceTypeOptions", [])
    return {one["OptionName"]: one.get("OptionValues", []) for one in options}


def _instances(call: Call, options: dict[str, list[str]]) -> Iterator[Reference]:
    states = options.get("state-name")
    for one in call.region.instances.values():
        if states is None or one.state in states:
            arn = _arn(call, "ec2", f"instance/{one.instance_id}")
            yield _reference("ec2:Instance", arn, one.image_id)


def _templates(call: Call, options: dict[str, list[str]]) -> Iterator[Reference]:
    depth = _depth(options)
    for one in call.region.launch_templates.values():
        arn = _arn(call, "ec2", f"launch-template/{one['launch_template_id']}")
        for version in one["versions"][:depth]:
            if version["image_id"] is not None:
                image_id = moto_side.resolved(call, version["image_id"])
                yield _reference("ec2:LaunchTemplate", arn, image_id)


def _depth(options: dict[str, list[str]]) -> int:
    values = options.get("version-depth", [str(_DEPTH)])
    depth = int(values[0]) if len(values) == 1 and values[0].isdecimal() else 0
    if not 1 <= depth <= _MOST_DEPTH:
        text = f"version-depth takes one number from 1 to {_MOST_DEPTH}"
        raise AwsError("InvalidParameterValue", text)
    return depth


def _parameters(call: Call, _: dict[str, list[str]]) -> Iterator[Reference]:
    for one in moto_side.parameters(call.world.account, call.region.name):
        arn = _arn(call, "ssm", f"parameter/{one['name'].lstrip('/')}")
        yield _reference("ssm:Parameter", arn, one["value"])


def _image_recipes(call: Call, _: dict[str, list[str]]) -> Iterator[Reference]:
    yield from _recipes(call, "image", "imagebuilder:ImageRecipe")


def _container_recipes(call: Call, _: dict[str, list[str]]) -> Iterator[Reference]:
    yield from _recipes(call, "container", "imagebuilder:ContainerRecipe")


def _recipes(call: Call, kind: str, resource_type: str) -> Iterator[Reference]:
    for one in call.region.image_recipes.values():
        if one["kind"] == kind:
            name = f"{kind}-recipe/{one['name']}/{one['version']}"
            arn = _arn(call, "imagebuilder", name)
            yield _reference(resource_type, arn, one["image_id"])


def _reference(kind: str, arn: str, image_id: str) -> Reference:
    return {"ImageId": image_id, "ResourceType": kind, "Arn": arn}


def _arn(call: Call, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{call.region.name}:{call.world.account}:{resource}"
