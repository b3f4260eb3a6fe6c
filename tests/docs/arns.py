"""ARNs of resources that refer to images, as in an inventory."""

from __future__ import annotations

PLACE = "eu-central-1:123456789012"
FORMS = {
    "instance": f"arn:aws:ec2:{PLACE}:instance/{{name}}",
    "launch_template": f"arn:aws:ec2:{PLACE}:launch-template/{{name}}",
    "auto_scaling_group": (
        f"arn:aws:autoscaling:{PLACE}:autoScalingGroup:0:autoScalingGroupName/{{name}}"
    ),
    "compute_environment": f"arn:aws:batch:{PLACE}:compute-environment/{{name}}",
    "ssm_parameter": f"arn:aws:ssm:{PLACE}:parameter/{{name}}",
    "image_recipe": f"arn:aws:imagebuilder:{PLACE}:image-recipe/{{name}}",
}


def arn(kind: str, name: str) -> str:
    """The ARN of the resource with this kind and name."""
    return FORMS[kind].format(name=name)
