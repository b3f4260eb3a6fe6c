"""ModifyImageAttribute: the launch permissions and the description of an image."""

from __future__ import annotations

import re
from typing import Any

from calls import AwsError, Call, answers
from images import own_image, unavailable
from world import Image

_OLDER = {
    "UserIds": "UserId",
    "UserGroups": "Group",
    "OrganizationArns": "OrganizationArn",
    "OrganizationalUnitArns": "OrganizationalUnitArn",
}
"""The lists in the API's older format, with their meaning in the newer one."""
_SHAPES = {
    "UserId": "[0-9]{12}",
    "Group": "all",
    "OrganizationArn": "arn:.+:organization/.+",
    "OrganizationalUnitArn": "arn:.+:ou/.+",
}


@answers("ec2", "ModifyImageAttribute")
def modify_image_attribute(call: Call) -> dict[str, Any]:
    """Launch permissions, in both formats of the API, and the description."""
    image = own_image(call)
    change = call.params.get("LaunchPermission", {})
    adds, removes = list(change.get("Add", [])), list(change.get("Remove", []))
    older = removes if call.params.get("OperationType") == "remove" else adds
    for names, name in _OLDER.items():
        older += [{name: value} for value in call.params.get(names, [])]
    for permission in adds + removes:
        _check(permission)
    if adds and image.state == "disabled":
        # It is documented that it cannot be shared. The code is not verified.
        raise unavailable(image.image_id)
    if "Description" in call.params:
        image.description = call.params["Description"].get("Value", "")
    for permission in removes:
        _change(image, permission, False)
    for permission in adds:
        _change(image, permission, True)
    return {}


def _check(permission: dict[str, str]) -> None:
    """One permission, in the format of its kind."""
    for kind, holder in permission.items():
        if not re.fullmatch(_SHAPES[kind], holder):
            text = f'Invalid attribute item value "{holder}" for {kind} item type.'
            raise AwsError("InvalidAMIAttributeItemValue", text)
    if len(permission) != 1:
        text = "A launch permission names one account, group or organization"
        raise AwsError("InvalidParameterCombination", text)


def _change(image: Image, permission: dict[str, str], shared: bool) -> None:
    [(kind, holder)] = permission.items()
    if kind == "Group":
        image.public = shared
    elif shared and holder not in image.launch_permissions:
        image.launch_permissions = [*image.launch_permissions, holder]
    elif not shared:
        left = [one for one in image.launch_permissions if one != holder]
        image.launch_permissions = left
