"""The template for Azure, evaluated as Azure evaluates it, and the files of the function app."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from arm_template import SUBSCRIPTION, Deployed, Deployment, TemplateError, deploy
from harness import ROOT

DIRECTORY = ROOT / "infra/azure"
FUNCTIONS = DIRECTORY / "functions"
TEMPLATE = json.loads((DIRECTORY / "image-steward.json").read_text())
ACTIONS = json.loads((DIRECTORY / "actions.json").read_text())
NESTED = next(
    one for one in TEMPLATE["resources"] if one["type"].endswith("/deployments")
)
INNER = NESTED["properties"]["template"]
PACKAGE = "https://packages.example/image-steward.zip"
CHOICES = {"mode": ["plan", "apply"], "retireInstances": ["off", "stop", "terminate"]}
# The permission of an operation: provider, types, and what it does.
ACTION = re.compile(
    r"Microsoft\.[A-Za-z]+(/[A-Za-z]+)+/(read|write|delete|[a-z]+/action)"
)


def deployed(**parameters: Any) -> Deployment:
    return deploy(
        TEMPLATE, **{"policyText": "version = 1", "packageUri": PACKAGE} | parameters
    )


def every_deployment() -> Iterator[Deployment]:
    for values in product(*CHOICES.values()):
        for package in ["", PACKAGE]:
            yield deployed(
                **dict(zip(CHOICES, values, strict=True)), packageUri=package
            )


def of_type(deployment: Deployment, kind: str) -> list[Deployed]:
    return [one for one in deployment.all() if one.body["type"] == kind]


def role_actions(deployment: Deployment) -> list[str]:
    [role] = of_type(deployment, "Microsoft.Authorization/roleDefinitions")
    [permission] = role.body["properties"]["permissions"]
    assert not any(permission[key] for key in permission if key != "actions")
    return permission["actions"]


def settings(deployment: Deployment) -> dict[str, str]:
    [app] = of_type(deployment, "Microsoft.Web/sites")
    found = app.body["properties"]["siteConfig"]["appSettings"]
    names = [one["name"] for one in found]
    assert len(names) == len(set(names))
    return {one["name"]: one["value"] for one in found}


# The template itself.


def test_every_combination_of_parameters_can_be_deployed() -> None:
    assert sum(1 for _ in every_deployment()) == 12


def test_the_default_mode_changes_nothing() -> None:
    deployment = deploy(TEMPLATE, policyText="version = 1")
    assert settings(deployment)["STEWARD_MODE"] == "plan"
    assert settings(deployed(mode="apply"))["STEWARD_MODE"] == "apply"
    assert all(one.endswith("/read") for one in role_actions(deployment))


def test_every_parameter_is_described_and_used() -> None:
    without_default = []
    for name, one in TEMPLATE["parameters"].items():
        assert one["metadata"]["description"].endswith("."), name
        if "defaultValue" not in one:
            without_default.append(name)
    assert without_default == ["policyText"]
    used, used_inside = set(), set()
    for deployment in every_deployment():
        used |= deployment.used
        for nested in deployment.nested.values():
            used_inside |= nested.used
    for template, found in ((TEMPLATE, used), (INNER, used_inside)):
        for section in ("parameters", "variables"):
            unused = template[section].keys() - {
                name for kind, name in found if kind == section
            }
            assert not unused, section


@pytest.mark.parametrize(
    "parameters",
    [
        {"mode": "Apply"},
        {"retireInstances": "on"},
        {"policyText": ""},
        {"logDays": 29},
        {"logDays": "30"},
        {"schedule": ""},
    ],
)
def test_wrong_parameters_are_rejected(parameters: dict[str, Any]) -> None:
    with pytest.raises(TemplateError):
        deployed(**parameters)


def test_the_readme_lists_the_parameters() -> None:
    text = (DIRECTORY / "README.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \|(.*?)\|", text.partition("## Parameters")[2], re.MULTILINE
    )
    shown = {name: cell.strip().strip("`") for name, cell in rows}
    expected = {
        name: str(one.get("defaultValue", "required"))
        for name, one in TEMPLATE["parameters"].items()
    }
    expected["location"] = "location of the deployment"
    assert shown == expected


# Permissions.


def test_the_role_has_the_actions_of_the_list() -> None:
    assert ACTIONS.keys() == {"plan", "apply", "restore", "reap", "retire"}
    for name, actions in ACTIONS.items():
        assert actions == sorted(set(actions)), name
    everything = role_actions(deployed(mode="apply", retireInstances="terminate"))
    assert sorted(everything) == sorted(set().union(*ACTIONS.values()))
    for retire in CHOICES["retireInstances"]:
        found = role_actions(deployed(mode="plan", retireInstances=retire))
        assert sorted(found) == ACTIONS["plan"], retire
    without = set().union(*(ACTIONS[name] for name in ACTIONS if name != "retire"))
    assert set(role_actions(deployed(mode="apply"))) == without
    stop = set(role_actions(deployed(mode="apply", retireInstances="stop"))) - without
    assert stop == {"Microsoft.Compute/virtualMachines/deallocate/action"}


def test_no_action_is_a_pattern() -> None:
    for name, actions in ACTIONS.items():
        for action in actions:
            assert ACTION.fullmatch(action), (name, action)
    assert all(one.endswith("/read") for one in ACTIONS["plan"])


def test_roles_are_assigned_to_the_identity_of_the_functions_only() -> None:
    deployment = deployed()
    [role] = of_type(deployment, "Microsoft.Authorization/roleDefinitions")
    subscription = f"/subscriptions/{SUBSCRIPTION}"
    assert role.body["properties"]["assignableScopes"] == [subscription]
    found = {}
    for one in of_type(deployment, "Microsoft.Authorization/roleAssignments"):
        properties = one.body["properties"]
        assert properties["principalId"] == deployment.outputs["principalId"]
        assert properties["principalType"] == "ServicePrincipal"
        scope = one.id.rpartition("/providers/Microsoft.Authorization/")[0]
        role_id = properties["roleDefinitionId"]
        found[role_id.rpartition("/")[2]] = scope
        assert role_id.startswith(
            f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/"
        )
    accounts = of_type(deployment, "Microsoft.Storage/storageAccounts")
    [storage] = [one for one in accounts if not one.body["name"].startswith("stewardd")]
    [insights] = of_type(deployment, "Microsoft.Insights/components")
    assert found == {
        role.id.rpartition("/")[2]: subscription,
        # Storage Blob Data Owner and Monitoring Metrics Publisher.
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": storage.id,
        "3913510d-42f4-4e42-8a64-420c390055eb": insights.id,
    }


# The function app.


def test_settings_contain_no_secrets() -> None:
    text = json.dumps(TEMPLATE)
    assert not re.search(r"list[A-Z]\w*\(|[sS]ecure[sS]tring|AccountKey|\?sig=", text)
    found = settings(deployed(policyText="P", policyDigest="D", mode="apply"))
    # Without local authentication, the connection string allows nothing by itself.
    [insights] = of_type(deployed(), "Microsoft.Insights/components")
    assert insights.body["properties"]["DisableLocalAuth"] is True
    identity = found["AZURE_CLIENT_ID"]
    assert found == {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={identity};Authorization=AAD",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": found[
            "APPLICATIONINSIGHTS_CONNECTION_STRING"
        ],
        "AZURE_CLIENT_ID": identity,
        "AzureWebJobsStorage__accountName": found["AzureWebJobsStorage__accountName"],
        "AzureWebJobsStorage__clientId": identity,
        "AzureWebJobsStorage__credential": "managedidentity",
        "STEWARD_MODE": "apply",
        "STEWARD_POLICY": "env:STEWARD_POLICY_TEXT",
        "STEWARD_POLICY_DIGEST": "D",
        "STEWARD_POLICY_TEXT": "P",
        "STEWARD_PRUNE_SCHEDULE": "0 0 */12 * * *",
        "STEWARD_REAP_SCHEDULE": "0 30 */6 * * *",
        "STEWARD_RETIRE_SCHEDULE": "0 15 * * * *",
        "STEWARD_SUBSCRIPTION": SUBSCRIPTION,
        "STEWARD_TEMPLATE": "1",
    }


def test_the_package_can_only_be_written_by_the_identity() -> None:
    deployment = deployed()
    [app] = of_type(deployment, "Microsoft.Web/sites")
    accounts = {
        one.body["name"]: one.body["properties"]
        for one in of_type(deployment, "Microsoft.Storage/storageAccounts")
    }
    name = settings(deployment)["AzureWebJobsStorage__accountName"]
    assert accounts[name]["allowSharedKeyAccess"] is False
    for one in accounts:
        assert accounts[one]["allowBlobPublicAccess"] is False
        assert accounts[one]["minimumTlsVersion"] == "TLS1_2"
        assert re.fullmatch("[a-z0-9]{3,24}", one)
    config = app.body["properties"]["functionAppConfig"]
    storage = config["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    [identity] = of_type(deployment, "Microsoft.ManagedIdentity/userAssignedIdentities")
    assert storage["authentication"]["userAssignedIdentityResourceId"] == identity.id
    assert app.body["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": {identity.id: {}},
    }
    assert config["runtime"] == {"name": "custom", "version": "1.0"}
    policies = of_type(
        deployment, "Microsoft.Web/sites/basicPublishingCredentialsPolicies"
    )
    assert {one.id.rpartition("/")[2] for one in policies} == {"ftp", "scm"}
    assert not any(one.body["properties"]["allow"] for one in policies)


def names() -> dict[str, dict[str, Any]]:
    """The functions of the app, with their only binding."""
    found = {}
    for path in sorted(FUNCTIONS.glob("*/function.json")):
        text = json.loads(path.read_text())
        assert text.keys() == {"bindings"}, path
        [found[path.parent.name]] = text["bindings"]
    assert {one.name for one in FUNCTIONS.iterdir() if one.is_dir()} == found.keys()
    return found


def timers() -> dict[str, dict[str, Any]]:
    return {name: one for name, one in names().items() if one["type"] == "timerTrigger"}


def test_every_function_has_one_trigger() -> None:
    known = settings(deployed())
    for name, binding in names().items():
        assert binding["direction"] == "in", name
        if binding["type"] == "eventGridTrigger":
            assert binding == {
                "name": "event",
                "type": "eventGridTrigger",
                "direction": "in",
            }
            continue
        assert binding["type"] == "timerTrigger", name
        assert binding["name"] == "timer", name
        # Otherwise each start and each new instance would start a sweep.
        assert binding["runOnStartup"] is False, name
        assert binding["useMonitor"] is True, name
        assert binding["schedule"].strip("%") in known, name
        assert re.fullmatch(r"%\w+%", binding["schedule"]), name
    expected = {"prune-images", "reap-snapshots", "retire-instance-sweep"}
    assert timers().keys() == expected
    assert names().keys() - expected == {"tag-image", "retire-instance"}


def test_schedules_have_six_fields() -> None:
    for name in ("pruneSchedule", "reapSchedule", "retireSchedule"):
        fields = TEMPLATE["parameters"][name]["defaultValue"].split(" ")
        assert len(fields) == 6, name
        # Seconds and minutes are single values: no schedule runs more than once an hour.
        assert all(one.isdigit() for one in fields[:2]), name


def test_the_host_starts_the_custom_handler() -> None:
    host = json.loads((FUNCTIONS / "host.json").read_text())
    assert host.keys() == {
        "version",
        "functionTimeout",
        "logging",
        "extensionBundle",
        "customHandler",
    }
    assert host["version"] == "2.0"
    assert re.fullmatch(r"\d\d:\d\d:\d\d", host["functionTimeout"])
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    handler = host["customHandler"]
    # HTTP forwarding would send requests without the payload of the contract.
    assert handler.keys() == {"description"}
    assert handler["description"] == {
        "defaultExecutablePath": "steward-functions-azure"
    }


def test_the_settings_are_those_of_the_functions() -> None:
    source = (ROOT / "adapters/azure-functions/src/settings.rs").read_text()
    known = set(re.findall(r'^const [A-Z_]+: &str = "(.*)";$', source, re.MULTILINE))
    [version] = re.findall(r"TEMPLATE_VERSION: u32 = (\d+);", source)
    deployment = deployed()
    assert settings(deployment)["STEWARD_TEMPLATE"] == version
    assert deployment.outputs["templateVersion"] == version
    ours = {name for name in settings(deployment) if name.startswith("STEWARD_")}
    schedules = {one["schedule"].strip("%") for one in timers().values()}
    # The variable that STEWARD_POLICY names.
    written = ours - schedules - {"STEWARD_POLICY_TEXT"}
    assert known - written == {"STEWARD_ENDPOINT_URL", "FUNCTIONS_CUSTOMHANDLER_PORT"}
    assert written <= known
    table = (DIRECTORY / "README.md").read_text().partition("## Settings")[2]
    table = table.partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == known
    assert all(f"`{one}`" in table for one in schedules)


# Events.


def test_events_about_images_are_delivered_to_functions_that_exist() -> None:
    every = of_type(
        deployed(retireInstances="stop"),
        "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    )
    triggered = {
        name for name, one in names().items() if one["type"] == "eventGridTrigger"
    }
    assert {one.id.rpartition("/")[2] for one in every} == triggered
    for one in every:
        properties = one.body["properties"]
        assert properties["eventDeliverySchema"] == "EventGridSchema"
        destination = properties["destination"]
        assert destination["endpointType"] == "AzureFunction"
        target = destination["properties"]["resourceId"]
        assert target.endswith("/functions/" + one.id.rpartition("/")[2])
        assert destination["properties"]["maxEventsPerBatch"] == 1
        assert properties["filter"] == {
            "includedEventTypes": ["Microsoft.Resources.ResourceWriteSuccess"],
            "advancedFilters": [
                {
                    "operatorType": "StringIn",
                    "key": "data.operationName",
                    "values": [
                        "Microsoft.Compute/images/write",
                        "Microsoft.Compute/galleries/images/versions/write",
                    ],
                }
            ],
        }


def test_events_that_cannot_be_delivered_are_kept() -> None:
    deployment = deployed(retireInstances="stop")
    [container] = [
        one.id
        for one in deployment.all()
        if one.id.endswith("/containers/dead-letters")
    ]
    assert deployment.outputs["deadLetterContainerId"] == container
    every = of_type(deployment, "Microsoft.EventGrid/systemTopics/eventSubscriptions")
    assert every
    for one in every:
        properties = one.body["properties"]
        # Replication of a new version to other regions may take hours.
        assert properties["retryPolicy"] == {
            "maxDeliveryAttempts": 30,
            "eventTimeToLiveInMinutes": 1440,
        }
        dead = properties["deadLetterDestination"]
        assert dead["endpointType"] == "StorageBlob"
        account = dead["properties"]["resourceId"]
        name = dead["properties"]["blobContainerName"]
        assert f"{account}/blobServices/default/containers/{name}" == container
        assert container in one.body["dependsOn"]


def test_event_subscriptions_need_the_code() -> None:
    """Event Grid checks that the function exists."""
    kind = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
    for retire in CHOICES["retireInstances"]:
        assert not of_type(deployed(packageUri="", retireInstances=retire), kind)
    assert len(of_type(deployed(retireInstances="off"), kind)) == 1
    for one in of_type(deployed(retireInstances="terminate"), kind):
        assert any(need.endswith("/onedeploy") for need in one.body["dependsOn"])


def test_the_topic_is_of_this_subscription() -> None:
    [topic] = of_type(deployed(), "Microsoft.EventGrid/systemTopics")
    assert topic.body["location"] == "global"
    assert topic.body["properties"] == {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "topicType": "Microsoft.Resources.Subscriptions",
    }


# The evaluation itself rejects what Azure rejects.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "parameters('logDays')]\",",
            "parameters('days')]\",",
            "unknown parameter days",
        ),
        ("variables('appName')", "variables('app')", "unknown variable app"),
        ("[union(", "[join(", "unknown function join"),
        ("variables('actions').plan,", "variables('actions').read,", "no 'read'"),
        ("variables('planName'))]\",\n", "variables('planName')]\",\n", "expected"),
        (
            "'default', variables('packageContainer'))]\"",
            "variables('packageContainer'))]\"",
            "types",
        ),
        (
            "Microsoft.Web/serverfarms', variables",
            "Microsoft.Web/plans', variables",
            "unknown",
        ),
        ("outputs.principalId", "outputs.principal", "no 'principal'"),
        ("')), '2023-01-31').clientId", "')), '2023').clientId", "not an API version"),
    ],
)
def test_a_wrong_expression_is_found(old: str, new: str, message: str) -> None:
    text = json.dumps(TEMPLATE, indent=2)
    assert old in text, old
    with pytest.raises(TemplateError, match=re.escape(message)):
        deploy(json.loads(text.replace(old, new)), policyText="x", packageUri=PACKAGE)
