"""The assumptions that `make verify-aws` checks, by id.

The ids are the same as in docs/aws-assumptions.md. A test compares both.
"""

from __future__ import annotations

EMPTY_LISTS = {
    # No recorded response shows these lists empty.
    "ListImagesInRecycleBin": "Images",
    "ListSnapshotsInRecycleBin": "Snapshots",
    "DescribeImageReferences": "ImageReferences",
    "DescribeLockedSnapshots": "Snapshots",
    "DescribeFleets": "Fleets",
    "DescribeSpotFleetRequests": "SpotFleetRequestConfigs",
    "DescribeSpotInstanceRequests": "SpotInstanceRequests",
    "DescribeComputeEnvironments": "computeEnvironments",
    "ListRules": "Rules",
    # Recorded responses show these lists empty.
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
"""Each call with the list that its response must contain even when the list is empty."""

ASSUMPTIONS = {
    f"empty-{call}": f"the response of {call} contains its list when the list is empty"
    for call in EMPTY_LISTS
} | {
    "response-end": "every response of EC2 and Auto Scaling ends with the end tag of its root element",
    "page-sizes": "the listings accept the page sizes that image-steward uses",
    "managed-resources": "DescribeInstances and DescribeLaunchTemplateVersions accept IncludeManagedResources",
    "image-ids-with-page-size": "EC2 rejects ImageIds together with MaxResults",
    "image-missing": "a call with an image id that never existed fails with InvalidAMIID.NotFound",
    "snapshot-missing": "DeleteSnapshot of a missing snapshot fails with InvalidSnapshot.NotFound",
    "filter-missing-id": "a missing id in a filter does not fail the call",
    "filter-literal": "a backslash before *, ? or \\ in a filter makes the character literal",
    "last-launched-absent": "an image that was never launched has no LastLaunchedTime",
    "protection-absent": "the protection of an unprotected image is `disabled` or absent",
    "deprecate-past": "EnableImageDeprecation rejects a time in the past",
    "deprecate-rounding": "the deprecation time is stored in full minutes, less than a minute off",
    "cancel-deprecation": "DisableImageDeprecation removes the deprecation time",
    "cancel-deprecation-twice": "DisableImageDeprecation succeeds for an image that is not deprecated",
    "deprecate-soon": "EnableImageDeprecation accepts a time one minute ahead",
    "deprecate-current-minute": "EnableImageDeprecation accepts the current time",
    "deprecated-listed": "listings show owners their own deprecated images",
    "references-missing-image": "DescribeImageReferences with a missing image succeeds, "
    "or fails with a not-found code",
    "references-parameter": "DescribeImageReferences reports a text parameter that contains the id",
    "references-parameter-image": "DescribeImageReferences reports a parameter of type "
    "aws:ec2:image",
    "references-template": "DescribeImageReferences reports a launch template without the version",
    "template-latest-is-default": "one entry is returned if $Latest and $Default are the same version",
    "template-missing-version": "DescribeLaunchTemplateVersions with a missing version fails "
    "with a not-found code",
    "share-listed": "DescribeImageAttribute lists an account with which the image is shared",
    "disable-hides": "a listing contains a disabled image only with IncludeDisabled",
    "disabled-state": "the state of a disabled image is `disabled`",
    "disable-unshares": "DisableImage removes the launch permissions",
    "disable-twice": "DisableImage of a disabled image succeeds",
    "disabled-not-shareable": "a disabled image cannot be shared",
    "disabled-pins-snapshot": "DeleteSnapshot of a disabled image's snapshot fails with InvalidSnapshot.InUse",
    "disable-keeps-deprecation": "DisableImage and EnableImage keep the deprecation time",
    "deprecate-again": "after a deprecation time has passed, a later time can be set",
    "disabled-deprecate": "a disabled image can be deprecated",
    "enable-unshared": "EnableImage does not restore launch permissions",
    "enable-twice": "EnableImage of an enabled image succeeds",
    "protection-word": "protection without a cooldown is `enabled-without-cooldown`",
    "protected-deregister": "DeregisterImage fails for a protected image",
    "protection-off": "without a cooldown, the protection ends at once",
    "rule-status": "a retention rule is first `pending` and then `available`",
    "rule-list-untold": "ListRules returns neither tags nor status",
    "rule-by-tag": "a rule for a tag does not cover an image with another value of the tag",
    "associated-skipped": "DeleteSnapshotResults reports `skipped` for a snapshot in use",
    "associated-success": "DeleteSnapshotResults reports `success` for a deleted snapshot",
    "deregister-twice": "a second DeregisterImage fails with InvalidAMIID.Unavailable or .NotFound",
    "deregistered-describe": "the id of a deregistered image is not listed, or causes an InvalidAMIID error",
    "bin-lists-image": "the Recycle Bin lists the image with its name and times",
    "bin-days": "an image stays in the bin for the retention period of the rule",
    "bin-tags-image": "DescribeTags returns the tags of an image in the bin",
    "bin-create-tags": "CreateTags changes the tags of an image in the bin",
    "bin-unknown-image": "ListImagesInRecycleBin omits an id that is not in the bin",
    "bin-frees-snapshot": "the snapshot of an image in the bin can be deleted",
    "bin-lists-snapshot": "the Recycle Bin lists the snapshot with its description and times",
    "bin-tags-snapshot": "DescribeTags returns the tags of a snapshot in the bin",
    "restore-without-snapshot": "restoring an image without its snapshot fails with "
    "InvalidSnapshot.NotFound",
    "restore-missing": "restoring a resource that is not in the bin fails with a not-found code",
    "restored-snapshot": "a restored snapshot has its former description and tags",
    "restored-image": "a restored image has its former state, name, snapshot and tags",
    "bin-unshares": "a restored image has no launch permissions",
    "bin-unshares-snapshot": "a restored snapshot has no volume permissions",
    "bin-keeps-deprecation": "a restored image has its former deprecation time",
    "bin-keeps-disabled": "a restored image that was disabled is still disabled",
    "bin-outlives-rules": "a resource in the bin stays there when its rule is deleted",
}
