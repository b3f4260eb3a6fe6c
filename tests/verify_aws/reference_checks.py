"""The references to the image that EC2 reports."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from account import Account, code_of, failure
from listing_checks import NOWHERE
from report import Report
from resources import KEY, Resources

_TYPES = [
    {
        "ResourceType": "ec2:Instance",
        "ResourceTypeOptions": [
            {
                "OptionName": "state-name",
                "OptionValues": [
                    "pending",
                    "running",
                    "shutting-down",
                    "stopping",
                    "stopped",
                ],
            }
        ],
    },
    {
        "ResourceType": "ec2:LaunchTemplate",
        "ResourceTypeOptions": [
            {"OptionName": "version-depth", "OptionValues": ["10"]},
        ],
    },
    {"ResourceType": "ssm:Parameter"},
    {"ResourceType": "imagebuilder:ImageRecipe"},
    {"ResourceType": "imagebuilder:ContainerRecipe"},
]
"""The request of image-steward."""


def references(account: Account, *images: str) -> list[dict[str, Any]]:
    """The references to the images."""
    found = account.ec2.describe_image_references(
        ImageIds=list(images), ResourceTypes=_TYPES
    )
    return found.get("ImageReferences", [])


def check_references(account: Account, report: Report, made: Resources) -> None:
    """First nothing refers to the image, then a parameter does, and a launch template."""
    with report.checking("empty-DescribeImageReferences"):
        references(account, made.image)
    with report.checking("references-missing-image"):
        try:
            found = references(account, made.image, NOWHERE)
            text = f"no error, {len(found)} references"
            report.judge("references-missing-image", True, text)
        except ClientError as error:
            code = code_of(error)
            holds = code.endswith("NotFound") or code.startswith("InvalidAMIID.")
            report.judge("references-missing-image", holds, code)
    names = ("references-parameter", "references-parameter-image")
    kinds = ("text", "aws:ec2:image")
    for check, kind, name in zip(names, kinds, made.parameters, strict=True):
        with report.checking(check):
            account.ssm.put_parameter(
                Name=name,
                Value=made.image,
                Type="String",
                DataType=kind,
                Tags=[{"Key": KEY, "Value": made.run}],
            )
            _judge(account, report, made, check, "ssm:Parameter", name)
    names = ("template-latest-is-default", "template-missing-version")
    with report.checking("references-template", *names):
        _check_template(account, report, made)


def _judge(
    account: Account, report: Report, made: Resources, check: str, kind: str, end: str
) -> None:
    def shown() -> list[str]:
        found = references(account, made.image)
        ours = (one for one in found if one["ResourceType"] == kind)
        return [one["Arn"] for one in ours if one["Arn"].endswith(end)]

    arns = account.wait(shown)
    text = arns[0] if arns else f"no {kind} is reported"
    report.judge(check, len(arns) == 1, text)


def _check_template(account: Account, report: Report, made: Resources) -> None:
    ec2 = account.ec2
    template = ec2.create_launch_template(
        LaunchTemplateName=f"{KEY}-{made.run}",
        LaunchTemplateData={"ImageId": made.image},
        TagSpecifications=made.tagged("launch-template"),
    )["LaunchTemplate"]["LaunchTemplateId"]
    versions = account.settle(
        ec2.describe_launch_template_versions,
        ("InvalidLaunchTemplateId.NotFound",),
        LaunchTemplateId=template,
        Versions=["$Latest", "$Default"],
    )["LaunchTemplateVersions"]
    text = f"{len(versions)} entries"
    report.judge("template-latest-is-default", len(versions) == 1, text)
    code = failure(
        ec2.describe_launch_template_versions,
        LaunchTemplateId=template,
        Versions=["1", "2"],
    )
    holds = code.endswith(("NotFound", "NotFoundException"))
    report.judge("template-missing-version", holds, code or "no error")
    end = f"launch-template/{template}"
    _judge(account, report, made, "references-template", "ec2:LaunchTemplate", end)
