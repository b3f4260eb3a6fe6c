"""Validates infra/azure/image-steward.json against the schemas that Microsoft publishes.

Not a part of the test suite, because the schemas are large and in no package. Run it after a change
to the template, with a checkout of github.com/Azure/azure-resource-manager-schemas:

    .venv/bin/python tests/infra/arm_schema.py CHECKOUT
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from arm_template import deploy

ROOT = Path(__file__).parents[2]
BASE = "https://schema.management.azure.com/schemas/"


def main(checkout: Path) -> int:
    @cache
    def retrieve(uri: str) -> Resource[Any]:
        path = checkout / "schemas" / uri.removeprefix(BASE).split("#")[0]
        return Resource(json.loads(path.read_text()), DRAFT4)

    # The schemas refer to each other with a `#` after the name of the file.
    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    template = json.loads((ROOT / "infra/azure/image-steward.json").read_text())
    everything = deploy(
        template,
        policyText="version = 1",
        mode="apply",
        retireInstances="stop",
        packageUri="https://packages.example/image-steward.zip",
    )
    wrong = 0
    for one in (deployed.body for deployed in everything.all()):
        # Added by `deploy`.
        one.get("properties", {}).pop("outputs", None)
        found = definition(checkout, one)
        if not found:
            print(f"no schema: {one['type']} {one['apiVersion']}")
            wrong += 1
            continue
        uri, extra = found
        validator = Draft4Validator({"$ref": uri}, registry=registry)
        errors = sorted(validator.iter_errors(one), key=str)
        for error in errors:
            print(f"{one['type']} {one['name']}: {'/'.join(map(str, error.path))}:")
            print(f"  {error.message[:300]}")
        document = retrieve(uri).contents
        unknown = unknown_keys(one, document, uri, extra)
        # The schema does not describe the properties of this extension.
        if one["name"].endswith("/onedeploy"):
            unknown = []
        for key in unknown:
            print(f"{one['type']} {one['name']}: unknown property {key}")
        wrong += bool(errors or unknown)
        print(f"{'FAILED' if errors or unknown else 'ok'}: {one['type']} {one['name']}")
    return 1 if wrong else 0


def definition(
    checkout: Path, one: dict[str, Any]
) -> tuple[str, frozenset[str]] | None:
    """The URI of the definition of a resource, and the keys that every resource may have."""
    common = frozenset(["comments", "condition", "dependsOn", "scope", "resourceGroup"])
    for path in sorted(checkout.glob(f"schemas/{one['apiVersion']}/*.json")):
        text = json.loads(path.read_text())
        for kind in sorted(key for key in text if key.endswith("esourceDefinitions")):
            for name, schema in text[kind].items():
                types = schema.get("properties", {}).get("type", {}).get("enum", [])
                if one["type"] in types:
                    uri = f"{BASE}{one['apiVersion']}/{path.name}#/{kind}/{name}"
                    return uri, common
    return None


def unknown_keys(
    value: Any, document: Any, reference: str, extra: frozenset[str]
) -> list[str]:
    """The keys that the schema does not mention, which it accepts nevertheless."""
    return _unknown(value, {"$ref": "#" + reference.partition("#")[2]}, document, extra)


def _resolved(schema: Any, document: Any) -> Any:
    """The schema that a reference names. `None` for the schema of expressions."""
    while "$ref" in schema:
        file, _, path = schema["$ref"].partition("#/")
        if file:
            return None
        schema = document
        for word in path.split("/"):
            schema = schema[word]
    return schema


def _unknown(
    value: Any, schema: Any, document: Any, extra: frozenset[str] = frozenset()
) -> list[str]:
    schema = _resolved(schema, document)
    if schema is None:
        return []
    options = [_resolved(one, document) for one in schema.get("oneOf", [])]
    options = [one for one in options if one is not None]
    if isinstance(value, list):
        [items] = [one["items"] for one in [schema, *options] if "items" in one] or [{}]
        return [key for one in value for key in _unknown(one, items, document)]
    if not isinstance(value, dict):
        return []
    found = []
    for option in options or [{}]:
        if "oneOf" in option and not option.get("properties"):
            found.append(_unknown(value, option, document, extra))
            continue
        known = schema.get("properties", {}) | option.get("properties", {})
        other = option.get("additionalProperties", schema.get("additionalProperties"))
        if not known and other is None:
            # An object without a description, or anything.
            found.append([])
            continue
        unknown = []
        for key, one in value.items():
            inner = known.get(key, other)
            if isinstance(inner, dict):
                unknown += [f"{key}/{name}" for name in _unknown(one, inner, document)]
            elif key not in extra:
                unknown.append(key)
        found.append(unknown)
    return min(found, key=len)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
