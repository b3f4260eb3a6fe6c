"""DescribeImageReferences: instances, launch templates, parameters and recipes.

Its parameters are ids, but it counts as a listing: if listings are stale, so is its response. The
ARNs have AWS's usual form. No real response of the service was available.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import moto_side
from calls import AwsError, Call, answers
from listing import Paging, page

_PAGING = Paging(at_most=1000, default=None, at_least=5)
_MOST_IMAGES = 10
_DEPTH = 10
"""How many of the newest versions of a template are checked."""
_MOST_DEPTH = 10_000

Reference = dict[str, Any]
Options = dict[str, list[str]]


@answers("ec2", "DescribeImageReferences")
def describe_image_references(call: Call) -> dict[str, Any]:
    """The references in this account to up to ten images."""
    image_ids = list(dict.fromkeys(call.params.get("ImageIds", [])))
    if not 1 <= len(image_ids) <= _MOST_IMAGES:
        text = f"ImageIds takes 1 to {_MOST_IMAGES} ids"
        raise AwsError("InvalidParameterValue", text)
    kinds = {one["ResourceType"]: one for one in call.params.get("ResourceTypes", [])}
    every = call.params.get("IncludeAllResourceTypes", False)
    if every == bool(kinds):
        text = "either IncludeAllResourceTypes or ResourceTypes"
        raise AwsError("InvalidParameterCombination", text)
    found = [
        {"ImageId": image_id, "ResourceType": kind, "Arn": arn}
        for kind, holders in _HOLDERS.items()
        if every or kind in kinds
        for image_id, arn in holders(call, image_ids, _options(kinds.get(kind, {})))
    ]
    references, token = page(
        call, _PAGING, found, lambda one: f"{one['Arn']} {one['ImageId']}"
    )
    return {"ImageReferences": references, "NextToken": token}


def _options(kind: dict[str, Any]) -> Options:
    options = kind.get("ResourceTypeOptions", [])
    return {one["OptionName"]: one.get("OptionValues", []) for one in options}


Holders = Callable[[Call, list[str], Options], Iterator[tuple[str, str]]]
"""The image and the ARN of every reference of one kind, each pair once."""


def _instances(call: Call, image_ids: list[str], options: Options) -> Iterator:
    """In every state, including terminated, unless an option selects states."""
    states = options.get("state-name")
    for image_id in image_ids:
        for one in call.listed.instances_of(image_id):
            if states is None or one.state in states:
                yield image_id, _arn(call, "ec2", f"instance/{one.instance_id}")


def _templates(call: Call, image_ids: list[str], options: Options) -> Iterator:
    """Templates in which one of the newest versions has the image, or an alias of it.

    It is not verified whether AWS follows aliases here.
    """
    depth = _depth(options)
    names: dict[str, set[str]] = {image_id: {image_id} for image_id in image_ids}
    for alias in call.listed.aliases():
        value = moto_side.resolved(call, alias, call.listed)
        if value in names:
            names[value].add(alias)
    for image_id, words in names.items():
        holders = {
            template["launch_template_id"]
            for word in words
            for template in call.listed.templates_naming(word)
            if any(one["image_id"] == word for one in template["versions"][:depth])
        }
        for template_id in sorted(holders):
            yield image_id, _arn(call, "ec2", f"launch-template/{template_id}")


def _depth(options: Options) -> int:
    values = options.get("version-depth", [str(_DEPTH)])
    depth = int(values[0]) if len(values) == 1 and values[0].isdecimal() else 0
    if not 1 <= depth <= _MOST_DEPTH:
        # The limits are documented, the code is not.
        text = f"version-depth takes one number from 1 to {_MOST_DEPTH}"
        raise AwsError("InvalidParameterValue", text)
    return depth


def _parameters(call: Call, image_ids: list[str], _: Options) -> Iterator:
    """Parameters whose value is exactly the id."""
    for name, value in moto_side.values(call, call.listed).items():
        if value in image_ids:
            yield value, _arn(call, "ssm", f"parameter/{name.lstrip('/')}")


def _recipes(kind: str) -> Holders:
    """The Image Builder recipes of one kind."""

    def recipes(call: Call, image_ids: list[str], _: Options) -> Iterator:
        for one in call.listed.image_recipes.values():
            if one["kind"] == kind and one["image_id"] in image_ids:
                name = f"{kind}-recipe/{one['name']}/{one['version']}"
                yield one["image_id"], _arn(call, "imagebuilder", name)

    return recipes


_HOLDERS: dict[str, Holders] = {
    "ec2:Instance": _instances,
    "ec2:LaunchTemplate": _templates,
    "ssm:Parameter": _parameters,
    "imagebuilder:ImageRecipe": _recipes("image"),
    "imagebuilder:ContainerRecipe": _recipes("container"),
}


def _arn(call: Call, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{call.region.name}:{call.world.account}:{resource}"
