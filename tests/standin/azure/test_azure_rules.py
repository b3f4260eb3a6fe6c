"""The rules of Resource Manager: spelling, versions of the API, permissions, locks, tags, pages."""

from __future__ import annotations

import json

import pytest

from running_azure import (
    OTHER,
    SUBSCRIPTION,
    compute_id,
    gallery,
    group_id,
    listed,
    version_id,
)

IMAGE = compute_id("images", "img")
TAGS = "/providers/Microsoft.Resources/tags/default"


def merge(azure_standin, tags, operation="Merge", resource_id=IMAGE):
    body = {"operation": operation, "properties": {"tags": tags}}
    return azure_standin.arm("PATCH", f"{resource_id}{TAGS}", body)


def test_ids_match_in_any_case_and_keep_their_spelling(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    stored = version_id("1.0.0")
    for path in (stored.upper(), stored.lower(), stored.swapcase()):
        answer = azure_standin.arm("GET", path)
        assert answer.body["id"] == stored
        # The log contains the path as it was sent.
        assert azure_standin.control("GET", "calls?log=1")[-1]["path"] == path


@pytest.mark.parametrize(
    ("path", "version", "code"),
    [
        (IMAGE, "2019-01-01", "NoRegisteredProviderFound"),
        (IMAGE, "", "MissingApiVersionParameter"),
        (version_id("1.0.0"), "2026-04-01", "NoRegisteredProviderFound"),
        ("/subscriptions", "2026-04-01", "InvalidApiVersionParameter"),
    ],
)
def test_the_version_of_the_api_is_checked(azure_standin, path, version, code):
    azure_standin.load(images=[{"name": "img"}], galleries=[gallery("1.0.0")])
    query = f"?api-version={version}" if version else ""
    answer = azure_standin.send("GET", f"{path}{query}")
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}])
def test_a_bearer_token_is_required(azure_standin, headers):
    answer = azure_standin.send(
        "GET", f"{IMAGE}?api-version=2026-04-01", headers=headers
    )
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")


def test_what_does_not_exist(azure_standin):
    azure_standin.load(images=[{"name": "img"}], galleries=[gallery("1.0.0")])
    cases = {
        compute_id("images", "gone"): "ResourceNotFound",
        compute_id("images", "img", "gone"): "ResourceGroupNotFound",
        version_id("1.0.0", gallery="gone"): "ParentResourceNotFound",
        version_id("1.0.0", definition="gone"): "ParentResourceNotFound",
        f"{compute_id('galleries', 'gone')}/images": "ParentResourceNotFound",
        f"{group_id('gone')}/providers/Microsoft.Compute/images": "ResourceGroupNotFound",
        listed("images", OTHER): "SubscriptionNotFound",
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites": "InvalidResourceType",
        group_id("gone"): "ResourceGroupNotFound",
    }
    for path, code in cases.items():
        answer = azure_standin.arm("GET", path)
        assert (answer.status, answer.code) == (404, code), path


def test_pages_continue_although_entries_go(azure_standin):
    azure_standin.load(images=[{"name": f"img{n}"} for n in range(8)])
    azure_standin.switch(page_size=2, operations={"seconds": 0})
    answer = azure_standin.arm("GET", listed("images"))
    names = []
    while True:
        names += [one["name"] for one in answer.body["value"]]
        # Whatever was read is deleted: the following pages must not skip anything.
        for one in answer.body["value"]:
            azure_standin.arm("DELETE", one["id"])
        link = answer.body.get("nextLink")
        if link is None:
            break
        assert link.startswith(f"{azure_standin.url}{listed('images')}?api-version=")
        answer = azure_standin.send("GET", link)
    assert names == [f"img{n}" for n in range(8)]
    assert azure_standin.every(listed("images")) == []


def test_the_query_of_a_list_is_in_its_links(azure_standin):
    azure_standin.load(galleries=[gallery(*(f"1.0.{n}" for n in range(4)))])
    path = f"{compute_id('galleries', 'golden')}/images/web/versions"
    found = azure_standin.every(path, "&$expand=ReplicationStatus")
    assert all("replicationStatus" in one["properties"] for one in found)
    answer = azure_standin.arm("GET", path, query="&$skiptoken=bad")
    assert (answer.status, answer.code) == (400, "InvalidSkipToken")


def test_subscriptions_that_the_caller_cannot_read(azure_standin):
    azure_standin.load(
        subscriptions=[{"id": SUBSCRIPTION}, {"id": OTHER, "readable": False}],
        images=[{"name": "img", "subscription": OTHER}],
    )
    found = azure_standin.every("/subscriptions")
    assert [one["subscriptionId"] for one in found] == [SUBSCRIPTION]
    for path in (listed("images", OTHER), f"/subscriptions/{OTHER}"):
        answer = azure_standin.arm("GET", path)
        assert (answer.status, answer.code) == (403, "AuthorizationFailed")
    answer = azure_standin.arm("GET", f"/subscriptions/{SUBSCRIPTION}")
    assert answer.body["displayName"] == SUBSCRIPTION
    azure_standin.switch(deny_subscriptions=[SUBSCRIPTION.upper()])
    assert azure_standin.every("/subscriptions") == []
    assert azure_standin.arm("GET", listed("images")).status == 403


def test_permissions(azure_standin):
    azure_standin.load(images=[{"name": "img"}], galleries=[gallery("1.0.0")])
    azure_standin.switch(
        deny=["Microsoft.Compute/images/delete", "Microsoft.Compute/galleries/*"]
    )
    answer = azure_standin.arm("DELETE", IMAGE)
    assert (answer.status, answer.code) == (403, "AuthorizationFailed")
    assert "'Microsoft.Compute/images/delete'" in answer.body["error"]["message"]
    assert azure_standin.arm("GET", IMAGE).status == 200
    assert azure_standin.arm("GET", version_id("1.0.0")).status == 403


LEVELS = {
    "subscription": "subscription",
    "group": "group:Images",
    "gallery": "gallery:golden",
    "definition": "golden/web",
    "version": "golden/web/1.0.0",
}


@pytest.mark.parametrize("scope", LEVELS)
def test_locks_on_a_version_and_its_parents(azure_standin, scope):
    azure_standin.load(
        galleries=[gallery("1.0.0")],
        locks=[{"name": "l", "scope": LEVELS[scope], "level": "CanNotDelete"}],
    )
    answer = azure_standin.arm("DELETE", version_id("1.0.0"))
    assert (answer.status, answer.code) == (409, "ScopeLocked")
    assert (
        merge(azure_standin, {"a": "b"}, resource_id=version_id("1.0.0")).status == 200
    )
    (lock,) = azure_standin.every(
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/locks"
    )
    assert azure_standin.arm("DELETE", lock["id"]).status == 200
    assert azure_standin.arm("DELETE", version_id("1.0.0")).status == 202


def test_locks_elsewhere_do_not_apply(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0", "1.0.01"), gallery("1.0.0", name="golden2")],
        locks=[
            {"name": "l1", "scope": "golden/web/1.0.01"},
            {"name": "l2", "scope": "gallery:golden2"},
            {"name": "l3", "scope": "group:Images2"},
        ],
    )
    assert azure_standin.arm("DELETE", version_id("1.0.0")).status == 202


def test_a_read_only_lock_forbids_writing(azure_standin):
    azure_standin.load(
        galleries=[gallery("1.0.0")],
        virtual_machines=[{"name": "vm"}],
        locks=[{"name": "l", "scope": "group:Images", "level": "ReadOnly"}],
    )
    machine = compute_id("virtualMachines", "vm")
    answers = [
        azure_standin.arm("DELETE", version_id("1.0.0")),
        azure_standin.arm("PUT", version_id("1.0.0"), {"location": "x"}),
        azure_standin.arm("PATCH", version_id("1.0.0"), {"tags": {}}),
        merge(azure_standin, {"a": "b"}, resource_id=version_id("1.0.0")),
        azure_standin.arm("POST", f"{machine}/deallocate"),
        azure_standin.arm("DELETE", machine),
    ]
    assert [(one.status, one.code) for one in answers] == [(409, "ScopeLocked")] * 6
    locks = f"{group_id()}/providers/Microsoft.Authorization/locks"
    assert [one["name"] for one in azure_standin.every(locks)] == ["l"]


def test_tags_are_merged_and_deleted(azure_standin):
    azure_standin.load(images=[{"name": "img", "tags": {"Team": "web", "b": "1"}}])
    answer = merge(azure_standin, {"team": "api", "image-steward:expired-at": "x"})
    assert answer.status == 200
    # Names are case-insensitive: the tag keeps its spelling.
    assert answer.body["properties"]["tags"] == {
        "Team": "api",
        "b": "1",
        "image-steward:expired-at": "x",
    }
    answer = merge(azure_standin, {"TEAM": "other", "b": ""}, "Delete")
    # A value that differs deletes nothing, an empty one always.
    assert answer.body["properties"]["tags"] == {
        "Team": "api",
        "image-steward:expired-at": "x",
    }
    read = azure_standin.arm("GET", f"{IMAGE}{TAGS}")
    assert read.body == answer.body
    assert (
        azure_standin.arm("GET", IMAGE).body["tags"] == read.body["properties"]["tags"]
    )
    assert merge(azure_standin, {"c": "d"}, "Replace").body["properties"]["tags"] == {
        "c": "d"
    }
    answer = azure_standin.arm(
        "PUT", f"{IMAGE}{TAGS}", {"properties": {"tags": {"e": "f"}}}
    )
    assert answer.body["properties"]["tags"] == {"e": "f"}
    assert azure_standin.arm("DELETE", f"{IMAGE}{TAGS}").status == 200
    assert azure_standin.arm("GET", f"{IMAGE}{TAGS}").body["properties"]["tags"] == {}
    assert azure_standin.calls()["Microsoft.Resources/tags/write"] == 4


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({f"t{n}": "" for n in range(51)}, "InvalidTagsCount"),
        ({"n" * 513: "v"}, "InvalidTagNameLength"),
        ({"n": "v" * 257}, "InvalidTagValueLength"),
        ({"a/b": "v"}, "InvalidTagNameCharacters"),
        ({"Microsoft.x": "v"}, "ReservedTagName"),
    ],
)
def test_limits_of_tags(azure_standin, tags, code):
    azure_standin.load(images=[{"name": "img"}])
    answer = merge(azure_standin, tags)
    assert (answer.status, answer.code) == (400, code)
    assert "tags" not in azure_standin.resource(IMAGE)
    assert merge(azure_standin, {"n" * 512: "v" * 256}).status == 200


def test_tagging_can_update_a_version(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    azure_standin.switch(tags_update_versions=True, operations={"seconds": 60})
    assert (
        merge(azure_standin, {"a": "b"}, resource_id=version_id("1.0.0")).status == 200
    )
    answer = azure_standin.arm("GET", version_id("1.0.0"))
    assert answer.body["properties"]["provisioningState"] == "Updating"
    assert azure_standin.arm("DELETE", version_id("1.0.0")).code == "Conflict"
    azure_standin.advance(seconds=60)
    assert azure_standin.arm("DELETE", version_id("1.0.0")).status == 202


def test_an_image_from_which_a_machine_is_being_created(azure_standin):
    azure_standin.load(
        images=[{"name": "img"}],
        virtual_machines=[{"name": "vm", "image": "img", "state": "Creating"}],
    )
    answer = azure_standin.arm("DELETE", IMAGE)
    assert (answer.status, answer.code) == (409, "OperationNotAllowed")
    assert "'vm' are being provisioned" in answer.body["error"]["message"]


def test_an_attached_disk_cannot_be_deleted(azure_standin):
    azure_standin.load(virtual_machines=[{"name": "vm", "delete_os_disk": True}])
    disk = compute_id("disks", "vm_OsDisk_1")
    answer = azure_standin.arm("DELETE", disk)
    assert (answer.status, answer.code) == (409, "OperationNotAllowed")
    azure_standin.switch(operations={"seconds": 0})
    azure_standin.arm("DELETE", compute_id("virtualMachines", "vm"))
    # The machine asked to delete its disk.
    assert azure_standin.arm("GET", disk).status == 404


def test_resource_groups(azure_standin):
    azure_standin.load(images=[{"name": f"i{n}", "group": f"g{n}"} for n in range(5)])
    path = f"/subscriptions/{SUBSCRIPTION}/resourcegroups"
    assert [one["name"] for one in azure_standin.every(path)] == [
        f"g{n}" for n in range(5)
    ]
    assert azure_standin.arm("GET", f"{path}/G3").body["id"] == group_id("g3")
    found = azure_standin.every(f"{group_id('G3')}/providers/Microsoft.Compute/images")
    assert [one["name"] for one in found] == ["i3"]


def test_the_list_of_resources_has_the_creation_times_of_managed_images(azure_standin):
    days = [f"2026-01-0{number}T00:00:00Z" for number in range(1, 6)]
    azure_standin.load(
        images=[
            {"name": f"i{n}", "created_at": at, "tags": {"Team": "web"}}
            for n, at in enumerate(days)
        ],
        snapshots=[{"name": "s"}],
    )
    path = f"/subscriptions/{SUBSCRIPTION}/resources"
    images = "&$filter=resourceType%20eq%20'Microsoft.Compute/images'"
    found = azure_standin.every(path, f"{images}&$expand=createdTime")
    assert [f"{one['createdTime'][:19]}Z" for one in found] == days
    assert found[1].pop("createdTime")
    assert found[1] == {
        "id": compute_id("images", "i1"),
        "name": "i1",
        "type": "Microsoft.Compute/images",
        "location": "westeurope",
        "tags": {"Team": "web"},
    }
    assert not any("createdTime" in one for one in azure_standin.every(path, images))
    # No other response contains it.
    for one in azure_standin.every(listed("images")):
        assert "createdTime" not in json.dumps(one)
    other = azure_standin.arm("GET", path, query="&$filter=name%20eq%20'i1'")
    assert (other.status, other.code) == (400, "InvalidFilterInQueryString")
