"""Resource Graph: the queries that it accepts, and its traps."""

from __future__ import annotations

import pytest

from running_azure import OTHER, SUBSCRIPTION, compute_id, gallery, version_id

URL = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
MACHINES = "resources | where type =~ 'microsoft.compute/virtualmachines'"


def ask(azure_standin, query, subscriptions=(SUBSCRIPTION,), **options):
    body = {"subscriptions": list(subscriptions), "query": query, "options": options}
    return azure_standin.send("POST", URL, body)


def names(answer):
    assert answer.status == 200, answer.text
    return [row["name"] for row in answer.body["data"]]


@pytest.fixture
def filled(azure_standin):
    azure_standin.load(
        subscriptions=[{"id": SUBSCRIPTION}, {"id": OTHER}],
        galleries=[gallery("1.0.0", "1.1.0")],
        virtual_machines=[
            {"name": "vm1", "image": "golden/web/1.0.0"},
            {"name": "vm2", "image": "golden/web", "subscription": OTHER},
        ],
        scale_sets=[{"name": "u", "image": "golden/web", "instances": [{"id": "0"}]}],
        image_templates=[{"name": "t", "source": "golden/web"}],
    )
    return azure_standin


def test_queries(filled):
    both = (SUBSCRIPTION, OTHER)
    assert names(ask(filled, MACHINES, both)) == ["vm1", "vm2"]
    assert names(ask(filled, MACHINES)) == ["vm1"]
    instances = "computeresources | where type =~ "
    instances += "'microsoft.compute/virtualmachinescalesets/virtualmachines'"
    assert names(ask(filled, instances)) == ["u_0"]
    kinds = "('microsoft.compute/virtualMachineScaleSets', "
    kinds += '"microsoft.virtualmachineimages/imagetemplates")'
    query = f"resources | where type in~ {kinds} | order by id asc"
    assert sorted(names(ask(filled, query))) == ["t", "u"]
    wanted = compute_id("virtualMachines", "VM1").lower()
    query = f"{MACHINES} | where id in~ ('{wanted}', '/x') | project name, type"
    answer = ask(filled, query)
    assert answer.body["data"] == [
        {"name": "vm1", "type": "microsoft.compute/virtualmachines"}
    ]
    reference = "properties.storageProfile.imageReference.id"
    query = (
        f"{MACHINES} and tostring({reference}) in~ ('{version_id('1.0.0').lower()}')"
    )
    assert names(ask(filled, query, both)) == ["vm1"]
    query = f"{MACHINES} | where name == 'vm1' or name == 'vm2'"
    assert names(ask(filled, query, both)) == ["vm1", "vm2"]


def test_rows_have_their_own_spelling(filled):
    (row,) = ask(filled, MACHINES).body["data"]
    assert row["id"] == compute_id("virtualMachines", "vm1", "images")
    assert row["type"] == "microsoft.compute/virtualmachines"
    assert (row["resourceGroup"], row["subscriptionId"]) == ("images", SUBSCRIPTION)
    compute = filled.arm("GET", row["id"]).body
    assert compute["id"] != row["id"]
    assert compute["properties"] == row["properties"]


@pytest.mark.parametrize(
    "query",
    [
        "resources",
        "Resources | where type =~ 'x' | project id",
    ],
)
def test_the_smallest_queries(filled, query):
    assert ask(filled, query).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "",
        "securityresources | where type =~ 'x'",
        "resources | count",
        "resources | where type startswith 'x'",
        "resources | where type =~ x",
        "resources | where type =~ 'x' and",
        "resources | where type =~ 'x' and name == 'a' or name == 'b'",
        "resources | extend a = 1",
        "resources | project id = name",
        "resources | order by name",
    ],
)
def test_other_queries_are_refused(filled, query):
    answer = ask(filled, query)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.body["error"]["details"][0]["code"] == "InvalidQuery"


def test_pages_and_quota(azure_standin):
    azure_standin.load(virtual_machines=[{"name": f"vm{n}"} for n in range(5)])
    answer = ask(azure_standin, MACHINES, **{"$top": 2})
    assert (answer.body["totalRecords"], answer.body["count"]) == (5, 2)
    assert answer.body["resultTruncated"] == "false"
    assert answer.headers["x-ms-user-quota-remaining"] == "14"
    assert answer.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    token = answer.body["$skipToken"]
    rest = ask(azure_standin, MACHINES, **{"$skipToken": token, "$top": 1000})
    assert names(answer) + names(rest) == [f"vm{n}" for n in range(5)]
    assert "$skipToken" not in rest.body
    assert ask(azure_standin, MACHINES, **{"$top": 1001}).status == 400


def test_unreadable_subscriptions_are_silently_missing(filled):
    filled.switch(deny_subscriptions=[OTHER])
    answer = ask(filled, MACHINES, (SUBSCRIPTION, OTHER))
    assert names(answer) == ["vm1"]
    assert answer.body["resultTruncated"] == "false"
    answer = ask(filled, MACHINES, (OTHER,))
    code = answer.body["error"]["details"][0]["code"]
    assert code == "NoValidSubscriptionsInQueryRequest"


def test_stale_and_truncated_results(filled):
    filled.switch(graph_stale=True, operations={"seconds": 0})
    filled.arm("DELETE", compute_id("virtualMachines", "vm1"))
    assert filled.arm("GET", compute_id("virtualMachines", "vm1")).status == 404
    assert names(ask(filled, MACHINES)) == ["vm1"]
    filled.switch(graph_truncated=True, graph_subscription_limit=True)
    answer = ask(filled, "resources")
    assert answer.body["resultTruncated"] == "true"
    assert "$skipToken" not in answer.body
    assert answer.headers["x-ms-tenant-subscription-limit-hit"] == "true"
    assert names(ask(filled, MACHINES)) == []
