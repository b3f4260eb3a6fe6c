"""Evaluates an Azure Resource Manager template, as far as this repository uses the language.

A function, parameter or variable that does not exist is an error, and so is a `reference()` to a
resource that the template does not deploy. Values that only Azure knows are made up, but always the
same. The language is described at learn.microsoft.com/azure/azure-resource-manager/templates.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TOKENS = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|'(?P<text>(?:[^']|'')*)'|(?P<number>-?\d+)"
    r"|(?P<mark>[().,\[\]]))"
)
# The properties that the template reads of each resource type.
PROPERTIES = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": {
        "principalId": str(uuid.UUID(int=1)),
        "clientId": str(uuid.UUID(int=2)),
    },
    "Microsoft.Storage/storageAccounts": {
        "primaryEndpoints": {"blob": "https://account.blob.core.example/"}
    },
    "Microsoft.Insights/components": {
        "ConnectionString": "InstrumentationKey=0;IngestionEndpoint=https://in.example/"
    },
}


class TemplateError(Exception):
    """An expression that Azure would reject."""


@dataclass
class Deployed:
    """A resource with its evaluated properties."""

    id: str
    body: dict[str, Any]


@dataclass
class Deployment:
    """An evaluated template, with the resources of its nested templates."""

    scope: str
    parameters: dict[str, Any]
    template: dict[str, Any]
    resources: list[Deployed] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    nested: dict[str, Deployment] = field(default_factory=dict)
    # The parameters and variables that expressions read.
    used: set[tuple[str, str]] = field(default_factory=set)

    def all(self) -> Iterator[Deployed]:
        """The resources of this deployment and of the nested ones."""
        yield from self.resources
        for one in self.nested.values():
            yield from one.all()


def deploy(template: dict[str, Any], **given: Any) -> Deployment:
    """Evaluates a template at subscription scope."""
    return _deploy(template, given, f"/subscriptions/{SUBSCRIPTION}")


def _deploy(template: dict[str, Any], given: dict[str, Any], scope: str) -> Deployment:
    unknown = given.keys() - template["parameters"].keys()
    if unknown:
        raise TemplateError(f"unknown parameters: {sorted(unknown)}")
    deployment = Deployment(scope, {}, template)
    for name, one in template["parameters"].items():
        if name in given:
            value = given[name]
        elif "defaultValue" in one:
            value = evaluate(one["defaultValue"], deployment)
        else:
            raise TemplateError(f"parameter {name} has no value")
        if value not in one.get("allowedValues", [value]):
            raise TemplateError(f"parameter {name} must not be {value!r}")
        kind = {"string": str, "int": int, "array": list, "bool": bool}[one["type"]]
        if type(value) is not kind:
            raise TemplateError(f"parameter {name} is not of type {one['type']}")
        size = len(value) if kind is str else value
        limits = ("minLength", "maxLength") if kind is str else ("minValue", "maxValue")
        if size < one.get(limits[0], size) or size > one.get(limits[1], size):
            raise TemplateError(f"parameter {name} is too small or too large")
        deployment.parameters[name] = value
    # References are only possible to resources that exist, so names are evaluated first.
    included = [
        one
        for one in template["resources"]
        if evaluate(one.get("condition", True), deployment)
    ]
    ids = [resource_id_of(one, deployment) for one in included]
    duplicates = {one for one in ids if ids.count(one) > 1}
    if duplicates:
        raise TemplateError(f"deployed twice: {sorted(duplicates)}")
    deployment.resources = [
        Deployed(id, {"type": one["type"]})
        for id, one in zip(ids, included, strict=True)
    ]
    for deployed, one in _in_order(deployment, included):
        if one["type"] == "Microsoft.Resources/deployments":
            inner = one["properties"]
            values = {
                name: evaluate(value["value"], deployment)
                for name, value in inner["parameters"].items()
            }
            group = evaluate(one["resourceGroup"], deployment)
            place = f"{scope}/resourceGroups/{group}"
            nested = _deploy(inner["template"], values, place)
            deployment.nested[deployed.id] = nested
            inner = {
                key: value for key, value in inner.items() if key != "template"
            } | {"outputs": {k: {"value": v} for k, v in nested.outputs.items()}}
            one = one | {"properties": inner}
        deployed.body = evaluate(one, deployment)
    for name, one in template.get("outputs", {}).items():
        deployment.outputs[name] = evaluate(one["value"], deployment)
    return deployment


def _in_order(
    deployment: Deployment, included: list[dict[str, Any]]
) -> Iterator[tuple[Deployed, dict[str, Any]]]:
    """The resources, each after those that it depends on."""
    done: set[str] = set()
    known = {one.id for one in deployment.resources}
    # Azure ignores a dependency on a resource whose condition is false.
    skipped = {
        resource_id_of(one, deployment)
        for one in deployment.template["resources"]
        if one not in included
    }
    waiting = list(zip(deployment.resources, included, strict=True))
    while waiting:
        ready = []
        for deployed, one in waiting:
            needs = {evaluate(need, deployment) for need in one.get("dependsOn", [])}
            missing = needs - known - skipped
            if missing:
                raise TemplateError(f"{deployed.id} depends on unknown {missing}")
            if needs - skipped <= done:
                ready.append((deployed, one))
        if not ready:
            raise TemplateError("circular dependencies")
        for pair in ready:
            waiting.remove(pair)
            yield pair
            done.add(pair[0].id)


def resource_id_of(resource: dict[str, Any], deployment: Deployment) -> str:
    """The ID of a resource of a template."""
    name = evaluate(resource["name"], deployment)
    kind, scope = resource["type"], deployment.scope
    if kind == "Microsoft.Resources/resourceGroups":
        return f"{scope}/resourceGroups/{name}"
    if "resourceGroup" in resource:
        scope += f"/resourceGroups/{evaluate(resource['resourceGroup'], deployment)}"
    if "scope" in resource:
        scope = evaluate(resource["scope"], deployment)
    return _id(scope, kind, name.split("/"))


def _id(scope: str, kind: str, names: list[str]) -> str:
    provider, *types = kind.split("/")
    if len(types) != len(names) or not all(names):
        raise TemplateError(f"{kind} has {len(types)} types, but the names {names}")
    pairs = [
        part for pair in zip(types, names, strict=True) for part in pair if pair[1]
    ]
    return "/".join([scope, "providers", provider, *pairs])


def evaluate(value: Any, deployment: Deployment) -> Any:
    """A value of a template, with all expressions in it evaluated."""
    if isinstance(value, dict):
        return {
            evaluate(key, deployment): evaluate(one, deployment)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [evaluate(one, deployment) for one in value]
    if not (
        isinstance(value, str) and value.startswith("[") and not value.startswith("[[")
    ):
        return value
    if not value.endswith("]"):
        raise TemplateError(f"not an expression: {value}")
    return _Expression(value[1:-1], deployment).result()


class _Expression:
    """A recursive descent parser that evaluates while it reads."""

    def __init__(self, text: str, deployment: Deployment) -> None:
        self.text, self.deployment = text, deployment
        self.tokens, at = [], 0
        while at < len(text):
            found = TOKENS.match(text, at)
            if not found:
                raise TemplateError(f"unexpected {text[at:]!r} in {text}")
            at = found.end()
            self.tokens.append((found.lastgroup, found[found.lastgroup or 0]))
        self.at = 0

    def result(self) -> Any:
        value = self.value()
        if self.at != len(self.tokens):
            raise TemplateError(f"unexpected {self.tokens[self.at]} in {self.text}")
        return value

    def take(self, *expected: str) -> tuple[str | None, str]:
        token = self.tokens[self.at] if self.at < len(self.tokens) else (None, "")
        if expected and token[1] not in expected:
            raise TemplateError(f"expected {expected}, not {token} in {self.text}")
        self.at += 1
        return token

    def peek(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "mark":
            return self.tokens[self.at][1]
        return ""

    def value(self) -> Any:
        kind, text = self.take()
        if kind == "text":
            value: Any = text.replace("''", "'")
        elif kind == "number":
            value = int(text)
        elif kind == "name":
            self.take("(")
            value = self.call(text)
        else:
            raise TemplateError(f"unexpected {text!r} in {self.text}")
        while self.peek() in (".", "["):
            if self.take()[1] == ".":
                key = self.take()[1]
            else:
                key = self.value()
                self.take("]")
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                raise TemplateError(f"no {key!r} in {self.text}") from None
        return value

    def call(self, name: str) -> Any:
        arguments = []
        while self.peek() != ")":
            arguments.append(self.value())
            if self.peek() == ",":
                self.take()
                # An empty argument.
                if self.peek() == ")":
                    raise TemplateError(f"unexpected ) in {self.text}")
        self.take(")")
        try:
            function = FUNCTIONS[name]
        except KeyError:
            raise TemplateError(f"unknown function {name} in {self.text}") from None
        try:
            return function(self.deployment, *arguments)
        except TypeError as error:
            raise TemplateError(f"{name}: {error} in {self.text}") from None


def _parameters(deployment: Deployment, name: str) -> Any:
    deployment.used.add(("parameters", name))
    if name not in deployment.parameters:
        raise TemplateError(f"unknown parameter {name}")
    return deployment.parameters[name]


def _variables(deployment: Deployment, name: str) -> Any:
    deployment.used.add(("variables", name))
    if name not in deployment.template["variables"]:
        raise TemplateError(f"unknown variable {name}")
    return evaluate(deployment.template["variables"][name], deployment)


def _resource_id(deployment: Deployment, *words: str) -> str:
    scope, rest = deployment.scope, list(words)
    if "/" not in words[0]:
        subscription, group, *rest = words
        scope = f"/subscriptions/{subscription}/resourceGroups/{group}"
    elif "/resourceGroups/" not in scope:
        raise TemplateError(f"no resource group for {words[0]}")
    return _id(scope, rest[0], rest[1:])


def _subscription_resource_id(_: Deployment, kind: str, *names: str) -> str:
    if kind == "Microsoft.Resources/resourceGroups":
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{names[0]}"
    return _id(f"/subscriptions/{SUBSCRIPTION}", kind, list(names))


def _reference(deployment: Deployment, id: str, version: str) -> Any:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
        raise TemplateError(f"not an API version: {version}")
    for one in deployment.resources:
        if one.id == id:
            if one.body["type"] == "Microsoft.Resources/deployments":
                # The outputs. Unknown while only the names are evaluated.
                return one.body["properties"]
            return PROPERTIES[one.body["type"]]
    raise TemplateError(f"reference to {id}, which is not deployed")


def _format(_: Deployment, text: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: str(values[int(found[1])]), text)


def _union(_: Deployment, *lists: list[Any]) -> list[Any]:
    return list(dict.fromkeys(one for each in lists for one in each))


def _subscription(_: Deployment) -> dict[str, str]:
    return {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION}


def _group(deployment: Deployment) -> dict[str, str]:
    if "/resourceGroups/" not in deployment.scope:
        raise TemplateError("resourceGroup() in a deployment to a subscription")
    return {"id": deployment.scope, "name": deployment.scope.rpartition("/")[2]}


def _unique(_: Deployment, *words: str) -> str:
    return "u" + hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda _, *values: all(values),
    "deployment": lambda _: {"location": "westeurope", "name": "deployment"},
    "empty": lambda _, value: not value,
    "equals": lambda _, one, other: one == other,
    "extensionResourceId": lambda _, scope, kind, *names: _id(scope, kind, list(names)),
    "format": _format,
    "guid": lambda _, *words: str(uuid.uuid5(uuid.NAMESPACE_OID, "\0".join(words))),
    "if": lambda _, condition, one, other: one if condition else other,
    "not": lambda _, value: not value,
    "parameters": _parameters,
    "reference": _reference,
    "resourceGroup": _group,
    "resourceId": _resource_id,
    "subscription": _subscription,
    "subscriptionResourceId": _subscription_resource_id,
    "union": _union,
    "uniqueString": _unique,
    "variables": _variables,
}
