"""The permissions, credentials and limits on the page about Azure are those of the program."""

from __future__ import annotations

import json
import re

from azure_worlds import gallery, machine
from book import DOCS
from harness import DONE, ROOT
from local_azure import OTHER, Subscription, azure_steward
from worlds import ago

PAGE = (DOCS / "azure.md").read_text()
ADAPTER = ROOT / "adapters/azure/src"
ACTIONS: dict[str, list[str]] = json.loads(
    (ROOT / "infra/azure/actions.json").read_text()
)
# The columns of the table, and the uses in the file.
COLUMNS = {
    "plan": "plan",
    "apply": "apply",
    "restore": "restore",
    "orphans": "reap",
    "retire": "retire",
}
# No published list contains it, so the deployed role does not either.
UNLISTED = (
    "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions/read"
)


def test_the_table_has_all_actions() -> None:
    [head] = re.findall(r"^\| action \|(.*)\|$", PAGE, re.MULTILINE)
    assert [one.strip() for one in head.split("|")] == list(COLUMNS)
    rows = re.findall(r"^\| `(Microsoft\.[\w./]+)` \|(.*)\|$", PAGE, re.MULTILINE)
    told: dict[str, set[str]] = {use: set() for use in COLUMNS.values()}
    for action, cells in rows:
        uses = [one.strip() == "yes" for one in cells.split("|")]
        assert len(uses) == len(COLUMNS), action
        assert any(uses), action
        for use, is_used in zip(COLUMNS.values(), uses, strict=True):
            if is_used:
                told[use].add(action)
    assert told["plan"] - set(ACTIONS["plan"]) == {UNLISTED}
    told["plan"].discard(UNLISTED)
    assert told == {use: set(actions) for use, actions in ACTIONS.items()}
    assert len({action for action, _ in rows}) == len(rows)


def test_the_role_is_for_applying_and_restoring() -> None:
    [text] = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    role = json.loads(text)
    # The role Reader has all actions that end like this.
    needed = {*ACTIONS["apply"], *ACTIONS["restore"]}
    assert role["Actions"] == sorted(one for one in needed if not one.endswith("/read"))


def test_the_kinds_of_credentials_are_in_order() -> None:
    text = (ADAPTER / "credentials.rs").read_text()
    kinds = re.search(
        r"enum CredentialKind \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE
    )
    assert kinds
    names = re.findall(r"^    (\w+),$", kinds[1], re.MULTILINE)
    kebab = [re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in names]
    told = re.findall(r"^\| `([a-z-]+)` \| (?:`[A-Z]|no other)", PAGE, re.MULTILINE)
    assert told == kebab
    assert set(re.findall(r"`(AZURE_\w+|IDENTITY_\w+)`", PAGE)) - {
        "AZURE_SUBSCRIPTION_ID"
    } == set(re.findall(r'= "(AZURE_\w+|IDENTITY_\w+)";', text))


def constant(file: str, name: str) -> int:
    """A number in the adapter, or the seconds of a duration."""
    text = (ADAPTER / file).read_text()
    found = re.search(rf"const {name}: \w+ =\s+(?:Duration::from_secs\()?(\d+)", text)
    assert found, name
    return int(found[1])


def test_the_numbers_are_those_of_the_adapter() -> None:
    replication = constant("galleries.rs", "MAX_REPLICATION_READ")
    text = " ".join(PAGE.split())
    for phrase in (
        f"the {replication} newest and the {replication} highest versions",
        f"at most {2 * replication} for each definition",
        f"older than {constant('azure.rs', 'MAX_LISTING_AGE')} seconds",
        f"older than {constant('azure.rs', 'MAX_GALLERY_AGE')} seconds",
        f"at most {constant('rate_limit.rs', 'MAX_CONCURRENT')} calls at a time",
        f"at most {constant('retry.rs', 'MAX_RETRY_AFTER') // 60} minutes",
        f"up to {constant('retry.rs', 'MAX_ATTEMPTS')} times",
    ):
        assert phrase in text, phrase
    live = (ROOT / "cli/src/live.rs").read_text()
    minutes = re.search(
        r"PATIENCE: Duration = Duration::from_secs\((\d+) \* 60\)", live
    )
    assert minutes
    assert f"up to {minutes[1]} minutes for each change" in text


def test_the_types_of_resource_graph_are_named() -> None:
    source = (ADAPTER / "launch_sources.rs").read_text()
    listed = re.search(r'GRAPH_TYPES: &str = "(.*?)";', source, re.DOTALL)
    assert listed
    types = re.findall(r"'microsoft\.([\w./]+)'", listed[1])
    # The first three are read by other calls, too.
    names = {
        "azurefleet/fleets": "Compute Fleet",
        "batch/batchaccounts/pools": "Batch pools",
        "devopsinfrastructure/pools": "Managed DevOps Pools",
        "servicefabric/managedclusters/nodetypes": "Service Fabric managed clusters",
        "devtestlab/labs/customimages": "DevTest Labs",
        "devcenter/devcenters/devboxdefinitions": "Dev Box",
        "labservices/labs": "Lab Services",
    }
    assert types[3:] == list(names)
    assert all(name in PAGE for name in names.values())


def versions(count: int) -> list[dict[str, str]]:
    """Versions of different ages."""
    return [
        {"version": f"1.{number}.0", "published_at": ago(900 - number)}
        for number in range(count)
    ]


def test_an_inventory_takes_as_many_calls_as_in_the_example(
    subscription: Subscription,
) -> None:
    own = gallery(*versions(30))
    own["definitions"].append({"name": "db", "versions": versions(5)})
    shared = gallery(*versions(50), name="shared", sharing="Groups")
    shared["shared_with"] = {"subscriptions": [OTHER], "tenants": []}
    subscription.load(
        galleries=[own, shared],
        virtual_machines=[machine("vm", "golden/web/1.0.0")],
        scale_sets=[{"name": "set", "image": "golden/web"}],
    )
    subscription.switch(page_size=1000)
    assert azure_steward(subscription, "inventory").returncode == DONE
    told = re.search(r"S = 1 and U = 1 take (\d+) calls", " ".join(PAGE.split()))
    assert told
    assert sum(subscription.call_counts().values()) == int(told[1])
