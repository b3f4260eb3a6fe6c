"""Other references to images: launch templates and Auto Scaling."""

from __future__ import annotations

from typing import Any

import moto_side
from calls import AwsError, Call, answers
from listing import Paging, Values, filtered, page, shown
from making import device_name
from world import new_id

_MADE = "2026-01-01T00:00:00.000Z"
_TEMPLATES = Paging(at_most=200, default=200)
_SCALING = Paging(
    at_most=100,
    default=50,
    size="MaxRecords",
    bad_size="ValidationError",
    bad_token="InvalidNextToken",
)
_VERSION_FILTERS: dict[str, Values] = {
    "image-id": lambda entry: [entry[1].get("image_id")],
    "is-default-version": lambda entry: [str(_is_default(*entry)).lower()],
}


@answers("ec2", "DescribeLaunchTemplates")
def describe_launch_templates(call: Call) -> dict[str, Any]:
    """The templates themselves, without their images."""
    templates = list(call.listed.launch_templates.values())
    ids = call.params.get("LaunchTemplateIds", [])
    names = call.params.get("LaunchTemplateNames", [])
    if ids or names:
        templates = [_template(call, {"LaunchTemplateId": one}) for one in ids]
        templates += [_template(call, {"LaunchTemplateName": one}) for one in names]
    by_name: dict[str, Values] = {"launch-template-name": lambda one: [one["name"]]}
    templates = filtered(call, templates, by_name)
    templates, token = page(
        call, _TEMPLATES, templates, lambda one: one["launch_template_id"]
    )
    described = [_described(call, one) for one in templates]
    return {"LaunchTemplates": described, "NextToken": token}


@answers("ec2", "DescribeLaunchTemplateVersions")
def describe_launch_template_versions(call: Call) -> dict[str, Any]:
    """Any versions of one template, or only $Latest and $Default of all templates."""
    wanted = call.params.get("Versions", [])
    if "LaunchTemplateId" in call.params or "LaunchTemplateName" in call.params:
        templates = [_template(call, call.params)]
    else:
        templates = list(call.listed.launch_templates.values())
        if not wanted or not set(wanted) <= {"$Latest", "$Default"}:
            text = "Without a launch template, Versions are $Latest and $Default only"
            raise AwsError("InvalidParameterCombination", text)
    entries = [
        (template, version)
        for template in templates
        for version in _versions(call, template, wanted)
    ]
    entries = filtered(call, entries, _VERSION_FILTERS)
    entries, token = page(
        call,
        _TEMPLATES,
        entries,
        lambda entry: f"{entry[0]['launch_template_id']} {entry[1]['version']}",
    )
    described = [_described_version(call, *entry) for entry in entries]
    return {"LaunchTemplateVersions": described, "NextToken": token}


@answers("ec2", "CreateLaunchTemplate")
def create_launch_template(call: Call) -> dict[str, Any]:
    """A template with one version. Only the images and snapshots in its data are stored.

    Tags are not stored: no template in the fleet file has any.
    """
    name = call.params.get("LaunchTemplateName", "")
    if any(one["name"] == name for one in call.region.launch_templates.values()):
        text = f"Launch template name already in use: {name}"
        raise AwsError("InvalidLaunchTemplateName.AlreadyExistsException", text)
    data = call.params.get("LaunchTemplateData", {})
    devices = (one.get("Ebs", {}) for one in data.get("BlockDeviceMappings", []))
    version = {
        "version": 1,
        "image_id": data.get("ImageId"),
        "snapshots": [one["SnapshotId"] for one in devices if "SnapshotId" in one],
    }
    template = {
        "launch_template_id": new_id("lt"),
        "name": name,
        "default_version": 1,
        "versions": [version],
    }
    call.region.put_launch_template(template)
    return {"LaunchTemplate": _described(call, template)}


@answers("ec2", "DeleteLaunchTemplate")
def delete_launch_template(call: Call) -> dict[str, Any]:
    """Deleted with all its versions."""
    template = _template(call, call.params)
    call.region.forget_launch_template(template["launch_template_id"])
    return {"LaunchTemplate": _described(call, template)}


def _described(call: Call, template: dict[str, Any]) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template["launch_template_id"],
        "LaunchTemplateName": template["name"],
        "CreateTime": _MADE,
        "CreatedBy": f"arn:aws:iam::{call.world.account}:user/demo",
        "DefaultVersionNumber": template["default_version"],
        "LatestVersionNumber": _latest(template),
    }


def _template(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    held = call.region.launch_templates
    if (template_id := params.get("LaunchTemplateId")) is not None:
        if template_id in held:
            return held[template_id]
        text = f"The specified launch template, with template ID {template_id}, "
        raise AwsError("InvalidLaunchTemplateId.NotFound", text + "does not exist.")
    name = params.get("LaunchTemplateName")
    for template in held.values():
        if template["name"] == name:
            return template
    text = f"The specified launch template, with template name {name}, does not exist."
    raise AwsError("InvalidLaunchTemplateName.NotFoundException", text)


def _latest(template: dict[str, Any]) -> int:
    return max(version["version"] for version in template["versions"])


def _is_default(template: dict[str, Any], version: dict[str, Any]) -> bool:
    return version["version"] == template["default_version"]


def _versions(
    call: Call, template: dict[str, Any], wanted: list[str]
) -> list[dict[str, Any]]:
    held = {str(version["version"]): version for version in template["versions"]}
    if wanted:
        named = {
            "$Latest": str(_latest(template)),
            "$Default": str(template["default_version"]),
        }
        # One entry if $Latest is $Default. AWS's response in this case is not verified.
        numbers = dict.fromkeys(named.get(version, version) for version in wanted)
        for number in numbers:
            if number not in held:
                template_id = template["launch_template_id"]
                text = f"Could not find launch template version {number} of "
                code = "InvalidLaunchTemplateId.VersionNotFound"
                raise AwsError(code, text + template_id)
        return [held[number] for number in numbers]
    least = int(call.params.get("MinVersion", 0))
    most = int(call.params.get("MaxVersion", _latest(template)))
    return [one for one in template["versions"] if least <= one["version"] <= most]


def _described_version(
    call: Call, template: dict[str, Any], version: dict[str, Any]
) -> dict[str, Any]:
    image_id = version["image_id"]
    if image_id is not None and call.params.get("ResolveAlias"):
        image_id = moto_side.resolved(call, image_id, call.region)
    return {
        "LaunchTemplateId": template["launch_template_id"],
        "LaunchTemplateName": template["name"],
        "VersionNumber": version["version"],
        "CreateTime": _MADE,
        "CreatedBy": f"arn:aws:iam::{call.world.account}:user/demo",
        "DefaultVersion": _is_default(template, version),
        "LaunchTemplateData": {
            "ImageId": image_id,
            "InstanceType": "t3.micro",
            "BlockDeviceMappings": _devices(version["snapshots"]),
        },
    }


def _devices(snapshots: list[str]) -> list[dict[str, Any]]:
    """A volume from each of these snapshots."""
    return [
        {"DeviceName": device_name(index), "Ebs": {"SnapshotId": snapshot_id}}
        for index, snapshot_id in enumerate(snapshots)
    ]


def _named(call: Call, parameter: str, kind: str) -> tuple[list[Any], str | None]:
    """A page of all, or of those in the parameter. Unknown ones are omitted."""
    held = getattr(shown(call, parameter), kind)
    names = call.params.get(parameter) or list(held)
    chosen = [held[name] for name in names if name in held]
    return page(call, _SCALING, chosen, lambda one: one["name"])


@answers("autoscaling", "DescribeLaunchConfigurations")
def describe_launch_configurations(call: Call) -> dict[str, Any]:
    """Launch configurations with their images."""
    chosen, token = _named(call, "LaunchConfigurationNames", "launch_configurations")
    described = [
        {
            "LaunchConfigurationName": one["name"],
            "LaunchConfigurationARN": _arn(call, "launchConfiguration", one["name"]),
            "ImageId": one["image_id"],
            "InstanceType": "t3.micro",
            "BlockDeviceMappings": _devices(one["snapshots"]),
            "CreatedTime": _MADE,
        }
        for one in chosen
    ]
    return {"LaunchConfigurations": described, "NextToken": token}


@answers("autoscaling", "DescribeAutoScalingGroups")
def describe_auto_scaling_groups(call: Call) -> dict[str, Any]:
    """Auto Scaling groups, with their launch template, mixed instances policy or launch
    configuration."""
    chosen, token = _named(call, "AutoScalingGroupNames", "auto_scaling_groups")
    described = [
        {
            "AutoScalingGroupName": one["name"],
            "AutoScalingGroupARN": _arn(call, "autoScalingGroup", one["name"]),
            "LaunchConfigurationName": one["launch_configuration"],
            "LaunchTemplate": specification(call, one["launch_template"]),
            "MixedInstancesPolicy": _mixed(call, one["mixed"]),
            "MinSize": 0,
            "MaxSize": 1,
            "DesiredCapacity": 0,
            "DefaultCooldown": 300,
            "AvailabilityZones": [f"{call.region.name}a"],
            "HealthCheckType": "EC2",
            "CreatedTime": _MADE,
        }
        for one in chosen
    ]
    return {"AutoScalingGroups": described, "NextToken": token}


def specification(call: Call, entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """A template and its version, in the format of all launch sources."""
    if entry is None:
        return None
    template_id = entry["launch_template_id"]
    template = call.region.launch_templates.get(template_id, {})
    return {
        "LaunchTemplateId": template_id,
        "LaunchTemplateName": template.get("name"),
        "Version": entry["version"],
    }


def _mixed(call: Call, entry: dict[str, Any] | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    overrides = [
        {
            "InstanceType": one["instance_type"],
            "LaunchTemplateSpecification": specification(call, one["launch_template"]),
            "ImageId": one["image_id"],
        }
        for one in entry["overrides"]
    ]
    named = specification(call, entry["launch_template"])
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": named,
            "Overrides": overrides,
        }
    }


def _arn(call: Call, kind: str, name: str) -> str:
    where = f"{call.region.name}:{call.world.account}"
    return f"arn:aws:autoscaling:{where}:{kind}:0:{kind}Name/{name}"
