"""Gallery image versions: operations, soft delete, and what Azure refuses."""

from __future__ import annotations

import pytest

from running_azure import OTHER, compute_id, gallery, version_id

POLICY = {"retention_days": 10, "grace_days": 5}
DELETED = f"{compute_id('galleries', 'golden')}/softDeletedArtifactTypes/images"
DELETED_VERSIONS = f"{DELETED}/artifacts/web/versions"


def state(azure_standin, version="1.0.0"):
    answer = azure_standin.arm("GET", version_id(version))
    return (
        answer.body["properties"]["provisioningState"] if answer.status == 200 else None
    )


def write(azure_standin, change, version="1.0.0", method="PUT"):
    """Read a version, change it, and write it back."""
    body = azure_standin.arm("GET", version_id(version)).body
    change(body)
    return azure_standin.arm(method, version_id(version), body)


def test_an_operation_ends_after_a_number_of_polls(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    azure_standin.switch(operations={"polls": 3, "seconds": 1e6, "retry_after": 7})
    answer = azure_standin.arm("DELETE", version_id("1.0.0"))
    assert (answer.status, answer.headers["retry-after"]) == (202, "7")
    url = answer.headers["azure-asyncoperation"]
    polled = [azure_standin.send("GET", url) for _ in range(5)]
    assert [one.body["status"] for one in polled] == ["InProgress"] * 3 + [
        "Succeeded"
    ] * 2
    assert [one.headers["retry-after"] for one in polled] == ["7"] * 3 + [None] * 2
    assert state(azure_standin) is None


def test_an_operation_ends_by_the_clock_without_polls(azure_standin):
    azure_standin.load(
        now="2026-11-28T00:00:00Z", stopped=True, galleries=[gallery("1.0.0")]
    )
    azure_standin.switch(operations={"polls": 99, "seconds": 60})
    location = azure_standin.arm("DELETE", version_id("1.0.0")).headers["location"]
    azure_standin.advance(seconds=59)
    assert state(azure_standin) == "Deleting"
    answer = azure_standin.send("GET", location)
    assert (answer.status, answer.headers["location"]) == (202, location)
    azure_standin.advance(seconds=1)
    assert state(azure_standin) is None
    assert azure_standin.send("GET", location).status == 200
    assert azure_standin.arm("DELETE", version_id("1.0.0")).status == 204


def test_the_signature_of_an_operation_url_is_checked(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    url = azure_standin.arm("DELETE", version_id("1.0.0")).headers[
        "azure-asyncoperation"
    ]
    for changed in (url[:-1], url.partition("&t=")[0], url + "&more=1"):
        answer = azure_standin.send("GET", changed)
        assert (answer.status, answer.code) == (403, "InvalidOperationSignature")
    assert azure_standin.send("GET", url).status == 200


def test_a_second_deletion_joins_the_first(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    urls = {
        azure_standin.arm("DELETE", version_id("1.0.0")).headers["azure-asyncoperation"]
        for _ in range(2)
    }
    assert len(urls) == 1


def test_a_failed_deletion_leaves_the_version_failed(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0", "1.0.1")])
    fail = [
        {"match": "DELETE .*/1.0.0$", "code": "Conflict", "message": "m", "times": 1}
    ]
    azure_standin.switch(operations={"polls": 0, "fail": fail})
    url = azure_standin.arm("DELETE", version_id("1.0.0")).headers[
        "azure-asyncoperation"
    ]
    polled = azure_standin.send("GET", url)
    assert polled.status == 200
    assert polled.body["status"] == "Failed"
    assert polled.body["error"] == {"code": "Conflict", "message": "m"}
    assert state(azure_standin) == "Failed"
    # Once is enough, and another version is not affected.
    for version in ("1.0.0", "1.0.1"):
        answer = azure_standin.arm("DELETE", version_id(version))
        azure_standin.send("GET", answer.headers["azure-asyncoperation"])
        assert state(azure_standin, version) is None


def test_a_failed_update_restores_the_former_content(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    azure_standin.switch(operations={"polls": 0, "fail": [{"match": "PUT"}]})

    def exclude(body):
        body["properties"]["publishingProfile"]["excludeFromLatest"] = True

    answer = write(azure_standin, exclude)
    assert answer.body["properties"]["publishingProfile"]["excludeFromLatest"] is True
    azure_standin.send("GET", answer.headers["azure-asyncoperation"])
    properties = azure_standin.arm("GET", version_id("1.0.0")).body["properties"]
    assert properties["provisioningState"] == "Failed"
    assert properties["publishingProfile"]["excludeFromLatest"] is False


def test_soft_deleted_versions_are_restored_or_leave_for_good(azure_standin):
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        stopped=True,
        galleries=[gallery("1.0.0", "1.0.1", "1.0.2", soft_delete=POLICY)],
    )
    azure_standin.switch(operations={"seconds": 0})
    for version in ("1.0.0", "1.0.1"):
        azure_standin.arm("DELETE", version_id(version))
    found = azure_standin.every(DELETED_VERSIONS)
    assert [one["name"] for one in found] == ["1.0.0", "1.0.1"]
    assert found[0]["properties"]["consumptionEndTime"].startswith("2026-12-08T00")
    assert found[0]["properties"]["hardDeletionTargetTime"].startswith("2026-12-13T00")
    listed = azure_standin.every(
        f"{compute_id('galleries', 'golden')}/images/web/versions"
    )
    assert [one["name"] for one in listed] == ["1.0.2"]
    # Recoverable until the target time.
    azure_standin.advance(days=14)
    answer = azure_standin.arm("PUT", version_id("1.0.1"), {"location": "westeurope"})
    assert answer.status == 200
    azure_standin.advance(days=1)
    assert azure_standin.every(DELETED_VERSIONS) == []
    assert (state(azure_standin), state(azure_standin, "1.0.1")) == (None, "Succeeded")
    assert (
        azure_standin.arm("PUT", version_id("1.0.0"), {"location": "x"}).status == 400
    )


def test_older_versions_of_the_api_have_no_dates(azure_standin):
    entry = {"version": "1.0.0", "soft_deleted_at": "2026-11-27T00:00:00Z"}
    azure_standin.load(
        now="2026-11-28T00:00:00Z", galleries=[gallery(entry, soft_delete=POLICY)]
    )
    answer = azure_standin.send("GET", f"{DELETED_VERSIONS}?api-version=2024-03-03")
    (one,) = answer.body["value"]
    assert set(one["properties"]) == {
        "resourceArmId",
        "softDeletedTime",
        "softDeletedArtifactType",
    }
    url = f"{compute_id('galleries', 'golden')}?api-version=2024-03-03"
    policy = azure_standin.send("GET", url).body["properties"]["softDeletePolicy"]
    assert policy == {"isSoftDeleteEnabled": True}


@pytest.mark.parametrize(
    ("switch", "body", "tags"),
    [
        ("lost", {}, {}),
        ("kept", {}, {"a": "b"}),
        ("lost", {"tags": {"c": "d"}}, {"c": "d"}),
        ("kept", {"tags": {}}, {}),
    ],
)
def test_tags_of_a_restored_version(azure_standin, switch, body, tags):
    entry = {
        "version": "1.0.0",
        "tags": {"a": "b"},
        "soft_deleted_at": "2026-11-27T00:00:00Z",
    }
    azure_standin.load(
        now="2026-11-28T00:00:00Z", galleries=[gallery(entry, soft_delete=POLICY)]
    )
    azure_standin.switch(restored_tags=switch, operations={"seconds": 0})
    answer = azure_standin.arm("PUT", version_id("1.0.0"), {"location": "x"} | body)
    assert answer.body["tags"] == tags
    assert azure_standin.resource(version_id("1.0.0"))["tags"] == tags


def test_a_failed_restore_leaves_the_version_soft_deleted(azure_standin):
    entry = {"version": "1.0.0", "soft_deleted_at": "2026-11-27T00:00:00Z"}
    azure_standin.load(
        now="2026-11-28T00:00:00Z", galleries=[gallery(entry, soft_delete=POLICY)]
    )
    azure_standin.switch(operations={"polls": 0, "fail": [{"match": "PUT"}]})
    answer = azure_standin.arm("PUT", version_id("1.0.0"), {"location": "x"})
    azure_standin.send("GET", answer.headers["azure-asyncoperation"])
    assert state(azure_standin) is None
    assert len(azure_standin.every(DELETED_VERSIONS)) == 1


@pytest.mark.parametrize("query", ["&bypassSoftDelete=true", ""])
def test_bypassing_soft_delete(azure_standin, query):
    azure_standin.load(galleries=[gallery("1.0.0", soft_delete=POLICY)])
    azure_standin.switch(operations={"seconds": 0})
    azure_standin.arm("DELETE", version_id("1.0.0"), query=query)
    assert len(azure_standin.every(DELETED_VERSIONS)) == (0 if query else 1)
    if not query:
        path = f"{DELETED_VERSIONS}/1.0.0"
        assert azure_standin.arm("DELETE", path).status == 202
        assert azure_standin.every(DELETED_VERSIONS) == []
        assert azure_standin.arm("DELETE", path).status == 204


def test_what_azure_refuses(azure_standin):
    blocked = {"block_deletion": True, "end_of_life": "2026-12-01T00:00:00Z"}
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        stopped=True,
        galleries=[
            gallery(
                {"version": "1.0.0"} | blocked,
                {"version": "1.0.1", "state": "Failed"},
                {"version": "1.0.2", "state": "Updating"},
                {"version": "1.0.3", "state": "Creating"},
                soft_delete=POLICY,
            ),
            gallery({"version": "1.0.1", "state": "Failed"}, name="plain"),
        ],
    )
    azure_standin.switch(operations={"seconds": 0})
    codes = {
        version: azure_standin.arm("DELETE", version_id(version)).code
        for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.3")
    }
    assert codes == {
        "1.0.0": "OperationNotAllowed",
        "1.0.1": "OperationNotAllowed",
        "1.0.2": "Conflict",
        "1.0.3": "Conflict",
    }
    # A gallery without soft delete deletes a failed version, and the date passes.
    failed = version_id("1.0.1", gallery="plain")
    assert azure_standin.arm("DELETE", failed).status == 202
    azure_standin.advance(days=3)
    assert azure_standin.arm("DELETE", version_id("1.0.0")).status == 202


def test_updates_replace_the_content(azure_standin):
    version = {
        "version": "1.0.0",
        "regions": ["westeurope", "westus"],
        "tags": {"a": "b"},
        "end_of_life": "2027-01-01T00:00:00Z",
    }
    azure_standin.load(galleries=[gallery(version)])
    azure_standin.switch(operations={"seconds": 0})

    def without(name):
        return lambda body: body["properties"]["publishingProfile"].pop(name)

    for method in ("PUT", "PATCH"):
        # Without the regions, replicas would be removed.
        answer = write(azure_standin, without("targetRegions"), method=method)
        assert (answer.status, answer.code) == (409, "OperationNotAllowed")
    answer = write(azure_standin, without("endOfLifeDate"))
    assert answer.status == 200
    stored = azure_standin.resource(version_id("1.0.0"))
    assert "endOfLifeDate" not in stored["properties"]["publishingProfile"]
    assert write(azure_standin, lambda body: body.pop("tags")).body["tags"] == {}

    def other_source(body):
        body["properties"]["storageProfile"]["source"] = {"id": "/other"}

    assert write(azure_standin, other_source).code == "PropertyChangeNotAllowed"

    def wrong_date(body):
        body["properties"]["publishingProfile"]["endOfLifeDate"] = "soon"

    assert write(azure_standin, wrong_date).status == 400


def test_a_replica_can_be_removed_if_the_version_allows_it(azure_standin):
    version = {
        "version": "1.0.0",
        "regions": ["westeurope", "westus"],
        "allow_deletion_of_replicas": True,
    }
    azure_standin.load(galleries=[gallery(version)])
    azure_standin.switch(operations={"seconds": 0})

    def drop(body):
        del body["properties"]["publishingProfile"]["targetRegions"][1]

    assert write(azure_standin, drop).status == 200
    answer = azure_standin.arm(
        "GET", version_id("1.0.0"), query="&$expand=ReplicationStatus"
    )
    summary = answer.body["properties"]["replicationStatus"]["summary"]
    assert [one["region"] for one in summary] == ["West Europe"]


def test_reads_after_a_deletion_can_lag_behind(azure_standin):
    azure_standin.load(galleries=[gallery("1.0.0")])
    azure_standin.switch(operations={"seconds": 0}, lingering_reads=2)
    azure_standin.arm("DELETE", version_id("1.0.0"))
    states = [state(azure_standin) for _ in range(3)]
    assert states == ["Deleting", "Deleting", None]


def test_a_definition_with_soft_deleted_versions_cannot_be_deleted(azure_standin):
    entry = {"version": "1.0.0", "soft_deleted_at": "2026-11-27T00:00:00Z"}
    azure_standin.load(
        now="2026-11-28T00:00:00Z", galleries=[gallery(entry, soft_delete=POLICY)]
    )
    path = f"{compute_id('galleries', 'golden')}/images/web"
    assert azure_standin.arm("DELETE", path).code == "CannotDeleteResource"


def test_names_of_parents_in_ids(azure_standin):
    """A resource group, a gallery and a definition can have the names of types."""
    azure_standin.load(
        now="2026-11-28T00:00:00Z",
        group="versions",
        galleries=[
            {
                "name": "galleries",
                "soft_delete": POLICY,
                "definitions": [{"name": "images", "versions": [{"version": "1.0.0"}]}],
            }
        ],
    )
    azure_standin.switch(operations={"seconds": 0})
    base = compute_id("galleries", "galleries", "versions")
    assert (
        azure_standin.arm("DELETE", f"{base}/images/images/versions/1.0.0").status
        == 202
    )
    path = f"{base}/softDeletedArtifactTypes/images/artifacts/images/versions"
    (found,) = azure_standin.every(path)
    assert found["id"] == f"{path}/1.0.0".replace(
        "/images/artifacts", "/Images/artifacts"
    )
    assert OTHER not in found["id"]
