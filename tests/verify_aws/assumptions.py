"""All assumptions that a run checks: the id, and the claim in one sentence.

The ids are those in docs/aws-assumptions.md. A test compares both.
"""

from __future__ import annotations

EMPTY_LISTS = {
    # No recorded response shows these.
    "ListImagesInRecycleBin": "Images",
    "ListSnapshotsInRecycleBin": "Snapshots",
    "DescribeImageReferences": "ImageReferences",
    "DescribeLockedSnapshots": "Snapshots",
    "DescribeFleets": "Fleets",
    "DescribeSpotFleetRequests": "SpotFleetRequestConfigs",
    "DescribeSpotInstanceRequests": "SpotInstanceRequests",
    "DescribeComputeEnvironments": "computeEnvironments",
    "ListRules": "Rules",
    # Recorded responses show these.
    "DescribeImages": "Images",
    "DescribeSnapshots": "Snapshots",
    "DescribeInstances": "Reservations",
    "DescribeLaunchTemplates": "LaunchTemplates",
    "DescribeLaunchTemplateVersions": "LaunchTemplateVersions",
    "DescribeLaunchConfigurations": "LaunchConfigurations",
    "DescribeAutoScalingGroups": "AutoScalingGroups",
    "DescribeAutoScalingInstances": "AutoScalingInstances",
    "DescribeTags": "Tags",
    "DescribeImageAttribute": "LaunchPermissions",
    "DescribeSnapshotAttribute": "CreateVolumePermissions",
    "DeregisterImage": "DeleteSnapshotResults",
}
"""Each call with the list that its response must contain even if it is empty."""

ASSUMPTIONS = {
    f"empty-{call}": f"the response of {call} holds its list when the list is empty"
    for call in EMPTY_LISTS
} | {
    "response-end": "every response of EC2 and Auto Scaling ends with the end tag of its root",
    "page-sizes": "the listings take the page sizes that image-steward uses",
    "managed-resources": "DescribeInstances and DescribeLaunchTemplateVersions accept IncludeManagedResources",
    "image-ids-with-page-size": "ImageIds together with MaxResults is refused",
    "image-missing": "an image id that never existed is InvalidAMIID.NotFound",
    "snapshot-missing": "DeleteSnapshot of a missing snapshot is InvalidSnapshot.NotFound",
    "filter-missing-id": "a missing id in a filter does not fail the call",
    "filter-literal": "a backslash before *, ? and \\ in a filter means the character itself",
    "last-launched-absent": "an image that was never launched has no LastLaunchedTime",
    "protection-absent": "an unprotected image has the protection `disabled`, or none",
    "deprecate-past": "EnableImageDeprecation refuses a time in the past",
    "deprecate-rounding": "the deprecation time has full minutes, less than a minute off",
    "cancel-deprecation": "DisableImageDeprecation removes the deprecation time",
    "cancel-deprecation-twice": "DisableImageDeprecation is no error without a deprecation",
    "deprecate-soon": "EnableImageDeprecation accepts a time one minute ahead",
    "deprecate-current-minute": "EnableImageDeprecation accepts the current time",
    "deprecated-listed": "a deprecated image stays in its owner's listings",
    "references-missing-image": "DescribeImageReferences with a missing image succeeds, "
    "or fails as not found",
    "references-parameter": "DescribeImageReferences reports a text parameter that holds the id",
    "references-parameter-image": "DescribeImageReferences reports a parameter of type "
    "aws:ec2:image",
    "references-template": "DescribeImageReferences reports a launch template, without version",
    "template-latest-is-default": "one entry where $Latest and $Default are the same version",
    "template-missing-version": "a missing version fails DescribeLaunchTemplateVersions "
    "as not found",
    "share-listed": "DescribeImageAttribute lists an account that the image is shared with",
    "disable-hides": "a disabled image is listed only with IncludeDisabled",
    "disabled-state": "the state of a disabled image is `disabled`",
    "disable-unshares": "DisableImage removes the launch permissions",
    "disable-twice": "DisableImage of a disabled image is no error",
    "disabled-not-shareable": "a disabled image cannot be shared",
    "disabled-pins-snapshot": "the snapshot of a disabled image is InvalidSnapshot.InUse",
    "disable-keeps-deprecation": "DisableImage and EnableImage keep the deprecation time",
    "deprecate-again": "a deprecation time that has passed can be set again, to a later one",
    "disabled-deprecate": "a disabled image can be deprecated",
    "enable-unshared": "EnableImage does not restore launch permissions",
    "enable-twice": "EnableImage of an image that is not disabled is no error",
    "protection-word": "protection without a cooldown is `enabled-without-cooldown`",
    "protected-deregister": "DeregisterImage fails for a protected image",
    "protection-off": "without a cooldown the protection ends at once",
    "rule-status": "a retention rule goes from `pending` to `available`",
    "rule-list-untold": "ListRules reports neither tags nor status",
    "rule-by-tag": "a rule for a tag leaves out an image with another value of it",
    "associated-skipped": "DeleteSnapshotResults reports `skipped` for a snapshot in use",
    "associated-success": "DeleteSnapshotResults reports `success` for a deleted snapshot",
    "deregister-twice": "DeregisterImage twice is InvalidAMIID.Unavailable or .NotFound",
    "deregistered-describe": "a deregistered id is in no response, or an InvalidAMIID error",
    "bin-lists-image": "the Recycle Bin lists the image with name and times",
    "bin-days": "an image leaves the bin when the days of the rule are over",
    "bin-tags-image": "DescribeTags shows the tags of an image in the bin",
    "bin-create-tags": "CreateTags changes the tags of an image in the bin",
    "bin-unknown-image": "ListImagesInRecycleBin leaves out an id that is not in the bin",
    "bin-frees-snapshot": "an image in the bin does not prevent deleting its snapshot",
    "bin-lists-snapshot": "the Recycle Bin lists the snapshot with description and times",
    "bin-tags-snapshot": "DescribeTags shows the tags of a snapshot in the bin",
    "restore-without-snapshot": "restoring an image without its snapshot is "
    "InvalidSnapshot.NotFound",
    "restore-missing": "restoring a resource that is not in the bin fails as not found",
    "restored-snapshot": "a restored snapshot has its description and its tags",
    "restored-image": "a restored image has its state, name, snapshot and tags",
    "bin-unshares": "an image comes back from the bin without launch permissions",
    "bin-unshares-snapshot": "a snapshot comes back from the bin without volume permissions",
    "bin-keeps-deprecation": "an image comes back from the bin with its deprecation time",
    "bin-keeps-disabled": "a disabled image comes back from the bin disabled",
    "bin-outlives-rules": "a resource in the bin stays there when its rule is deleted",
}
