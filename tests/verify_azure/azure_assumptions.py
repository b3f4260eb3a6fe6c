"""The assumptions that `make verify-azure` checks, by id.

The ids are the same as in docs/azure-assumptions.md. A test compares both.
"""

from __future__ import annotations

ASSUMPTIONS = {
    "actions-exist": "Azure lists every action of infra/azure/actions.json",
    "soft-deleted-action": "Azure lists the action for reading soft-deleted versions",
    "template-list": "the list of Image Builder templates is returned, or fails with "
    "MissingSubscriptionRegistration",
    "graph-query": "Resource Graph accepts the query of image-steward, with 1,000 rows for each page",
    "missing-version": "reading a missing version fails with status 404 and a code that means so",
    "delete-missing": "deleting a missing version returns status 204",
    "gallery-default-days": "a soft-delete policy without numbers is returned with a retention period",
    "image-created-time": "the list of resources has the creation time of a managed image",
    "image-system-data": "a managed image has its creation time in `systemData`",
    "image-source": "a managed image names the snapshot that it was created from",
    "graph-row": "Resource Graph returns a new snapshot with its type, location and properties",
    "published-at-start": "`publishedDate` is the time at which the creation of a version began",
    "creating-source": "a version names its source while it is created",
    "replication": "a complete version reports `Completed` for each of its Regions",
    "version-source": "a complete version names its source",
    "id-case": "an id in capitals finds the same resource",
    "rate-headers": "responses contain the remaining calls of their budget",
    "tag-colon": "the name of a tag may contain a colon",
    "tag-case": "a tag with another case of its name replaces the existing one",
    "tag-delete-value": "deleting a tag with another value deletes nothing",
    "tag-no-update": "a change of tags does not update a version",
    "update-echo": "an update that repeats the whole version keeps its tags, Regions and source",
    "end-of-life-past": "an end-of-life date in the past is accepted",
    "exclude-from-latest": "`excludeFromLatest` can be set",
    "busy-conflict": "a change during an update fails with status 409",
    "update-ends": "an update ends as `Succeeded`, and the version too",
    "end-of-life-removed": "an update without an end-of-life date removes it",
    "put-resets-tags": "an update without tags removes them",
    "patch-keeps-regions": "PATCH with a publishing profile without Regions keeps the Regions",
    "block-deletion": "blockDeletionBeforeEndOfLife prevents the deletion",
    "lock-code": "the deletion of a locked version fails with ScopeLocked",
    "delete-twice": "a second deletion while the first is running is not an error",
    "deleted-at-once": "after its deletion has succeeded, a version is not found",
    "soft-deleted-unlisted": "the list of versions does not contain a soft-deleted version",
    "soft-deleted-listed": "the list of soft-deleted versions has its id and times",
    "soft-deleted-tags": "the list of soft-deleted versions has its tags",
    "definition-kept": "a definition with a soft-deleted version cannot be deleted",
    "restore": "a PUT with `properties.restore` restores a soft-deleted version",
    "restored-tags": "a restored version has its former tags, although the PUT has none",
    "restored-profile": "a restored version has its former end-of-life date, and is still excluded",
    "image-deleted": "the deletion of a managed image is final",
}

QUESTIONS = frozenset(
    {
        "image-system-data",
        "patch-keeps-regions",
        "put-resets-tags",
        "restored-tags",
        "soft-deleted-action",
        "soft-deleted-tags",
        "tag-no-update",
    }
)
"""Statements on which nothing relies: image-steward works whether they are true or not. They are
answered with `yes` or `no`."""

NOT_CHECKED = [
    """whether virtual machines and instances of scale sets that name only a definition report
    `exactVersion`: create one from a definition, and read it and its disk""",
    """when Event Grid sends ResourceWriteSuccess for a version: deploy infra/azure, and compare the
    times""",
    "what happens to a shallow version whose source is deleted",
    "that Azure allows deleting a managed image from which virtual machines exist",
    "how fast the budgets of calls refill",
]
"""What this program does not check, because it starts no virtual machine and deploys nothing."""
