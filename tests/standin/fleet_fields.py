"""The fields of the fleet file, with their kinds and defaults.

README.md documents the format. The tests' own reader sets the same defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import checking as check
from checking import BadFleet, Field
from instances import STATES
from world import DEFAULT_SIZE_GIB, NO_VOLUME

_LONG_AGO = "2026-01-01T00:00:00Z"
_AMI = check.an_id("ami")
_SNAP = check.an_id("snap")
_ACCOUNT = check.matching("[0-9]{12}", "an account of 12 digits")
_WORD = check.matching(".+", "a string of at least one character")
_VERSION = check.matching(r"\$Latest|\$Default|[1-9][0-9]*", "a template version")
_IMAGE_OR_ALIAS = check.matching(
    "ami-[0-9a-f]{8}([0-9a-f]{9})?|resolve:ssm:.+", "an image id or resolve:ssm:NAME"
)
_IMAGE_STATES = "available|pending|invalid|deregistered|transient|failed|error|disabled"

_TOP = {
    "account": Field(_ACCOUNT, None),
    "region": Field(check.matching("[a-z]{2}(-[a-z]+)+-[0-9]", "a Region"), None),
}
IMAGE = {
    "image_id": Field(_AMI),
    "name": Field(check.optional(check.text), None),
    "owner_id": Field(check.optional(_ACCOUNT), None),
    "created_at": Field(check.time, _LONG_AGO),
    "state": Field(check.matching(_IMAGE_STATES, "an image state"), "available"),
    "architecture": Field(check.text, "x86_64"),
    "platform": Field(check.optional(check.text), None),
    "description": Field(check.text, ""),
    "tags": Field(check.tags, {}),
    "snapshots": Field(check.list_of(_SNAP), []),
    "ephemeral": Field(check.list_of(check.text), []),
    "no_device": Field(check.list_of(check.text), []),
    "last_launched_at": Field(check.optional(check.time), None),
    "deprecation_time": Field(check.optional(check.time), None),
    "protected": Field(
        check.matching(
            "disabled|enabled-with(out)?-cooldown"
            r"|disabled after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
            "a deregistration protection",
        ),
        "disabled",
    ),
    "public": Field(check.flag, False),
    "launch_permissions": Field(
        check.list_of(
            check.matching(
                "[0-9]{12}|arn:.+:(organization|ou)/.+",
                "an account of 12 digits or an organization's ARN",
            )
        ),
        [],
    ),
    "source_instance": Field(check.optional(check.an_id("i")), None),
    "source_image": Field(check.optional(_AMI), None),
    "owner_alias": Field(check.optional(check.text), None),
}
SNAPSHOT = {
    "snapshot_id": Field(_SNAP),
    "owner_id": Field(check.optional(_ACCOUNT), None),
    "started_at": Field(check.time, _LONG_AGO),
    "size_gib": Field(check.count, DEFAULT_SIZE_GIB),
    "tags": Field(check.tags, {}),
    "description": Field(check.text, ""),
    "state": Field(
        check.matching("pending|completed|error|recoverable|recovering", "a state"),
        "completed",
    ),
    "volume_id": Field(_WORD, NO_VOLUME),
    "locked": Field(check.flag, False),
    "create_volume_permissions": Field(check.list_of(_ACCOUNT), []),
    "public": Field(check.flag, False),
}
INSTANCE = {
    "instance_id": Field(check.an_id("i")),
    "image_id": Field(_AMI),
    "state": Field(check.matching("|".join(STATES), "an instance state"), "running"),
    "tags": Field(check.tags, {}),
    "launched_at": Field(check.time, _LONG_AGO),
    "protected": Field(check.flag, False),
    "stop_protected": Field(check.flag, False),
    "group": Field(check.optional(_WORD), None),
    "spot_request": Field(check.optional(check.an_id("sir")), None),
    "volumes": Field(check.list_of(check.an_id("vol")), []),
    "kept_volumes": Field(check.list_of(check.an_id("vol")), []),
}
_TEMPLATE_VERSION = {
    "version": Field(check.count),
    # EC2 accepts any text when a template is created.
    "image_id": Field(check.optional(check.text), None),
    "snapshots": Field(check.list_of(_SNAP), []),
}
_TEMPLATE = {
    "launch_template_id": Field(check.an_id("lt")),
    "name": Field(check.optional(check.text), None),
    "default_version": Field(check.count, 1),
    "versions": Field(check.list_of(check.table(_TEMPLATE_VERSION)), []),
}
_CONFIGURATION = {
    "name": Field(check.text),
    "image_id": Field(_AMI),
    "snapshots": Field(check.list_of(_SNAP), []),
}
_SPECIFICATION = check.table(
    {
        "launch_template_id": Field(check.an_id("lt")),
        "version": Field(_VERSION, "$Default"),
    }
)
_OVERRIDE = {
    "instance_type": Field(check.optional(check.text), None),
    "launch_template": Field(check.optional(_SPECIFICATION), None),
    "image_id": Field(check.optional(_IMAGE_OR_ALIAS), None),
}
_MIXED = {
    "launch_template": Field(_SPECIFICATION),
    "overrides": Field(check.list_of(check.table(_OVERRIDE)), []),
}
_GROUP = {
    "name": Field(check.text),
    "launch_template": Field(check.optional(_SPECIFICATION), None),
    "launch_configuration": Field(check.optional(check.text), None),
    "mixed": Field(check.optional(check.table(_MIXED)), None),
}
# Their states are not checked, because readers must handle states that AWS adds.
_HELD = {
    "launch_templates": Field(check.list_of(_SPECIFICATION), []),
    "images": Field(check.list_of(_IMAGE_OR_ALIAS), []),
}
_FLEET = {
    "fleet_id": Field(
        check.matching(r"fleet-[\w-]+", "fleet-… and letters, digits or dashes")
    ),
    "state": Field(_WORD, "active"),
} | _HELD
_SPOT_FLEET = {
    "spot_fleet_request_id": Field(
        check.matching(r"sfr-[\w-]+", "sfr-… and letters, digits or dashes")
    ),
    "state": Field(_WORD, "active"),
} | _HELD
_SPOT_REQUEST = {
    "spot_instance_request_id": Field(
        check.matching(r"sir-[\w-]+", "sir-… and letters, digits or dashes")
    ),
    "state": Field(_WORD, "open"),
    "image_id": Field(_IMAGE_OR_ALIAS),
}
_COMPUTE_ENVIRONMENT = {
    "name": Field(check.matching(r"[\w-]+", "the name of a compute environment")),
    "status": Field(_WORD, "VALID"),
    "image_id": Field(check.optional(_IMAGE_OR_ALIAS), None),
    "image_id_overrides": Field(check.list_of(_IMAGE_OR_ALIAS), []),
    "launch_templates": Field(check.list_of(_SPECIFICATION), []),
}
_RECIPE = {
    "name": Field(check.matching(r"[\w-]+", "the name of a recipe")),
    "version": Field(check.matching(r"\d+\.\d+\.\d+", "a version like 1.0.0"), "1.0.0"),
    "kind": Field(check.matching("image|container", "image or container"), "image"),
    "image_id": Field(_AMI),
}
_RULE = {
    "rule_id": Field(check.matching(r"[\w-]+", "the id of a rule")),
    "resource": Field(check.matching("images|snapshots", "images or snapshots")),
    "days": Field(check.count_to(3650), 14),
    "in_effect": Field(check.flag, True),
    "tags": Field(check.tags, {}),
    "except": Field(check.tags, {}),
}
_PARAMETER = {
    "name": Field(
        check.matching(
            r"(?!/?(?i:aws|ssm))[\w./-]+", "a parameter name outside /aws and /ssm"
        )
    ),
    "value": Field(check.matching("(?s:.+)", "a value of at least one character")),
    "type": Field(
        check.matching("String|StringList|SecureString", "a type of parameters"),
        "String",
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One list of the fleet. `key` is the field with the id of its entries.

    A key of several fields is several paths. A nested field has a dot.
    """

    key: tuple[str, ...]
    fields: dict[str, Field]

    def id_of(self, entry: Any) -> tuple[Any, ...]:
        """The id of an entry, whether it is valid or not; None if it is missing."""
        return tuple(_at(entry, path) for path in self.key)


def _at(entry: Any, path: str) -> Any:
    for name in path.split("."):
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


def _recycled(what: str, fields: dict[str, Field]) -> Section:
    table = {
        what: Field(check.table(fields)),
        "entered_at": Field(check.time),
        "leaves_at": Field(check.time),
    }
    return Section((f"{what}.{what}_id",), table)


SECTIONS = {
    "images": Section(("image_id",), IMAGE),
    "snapshots": Section(("snapshot_id",), SNAPSHOT),
    "instances": Section(("instance_id",), INSTANCE),
    "launch_templates": Section(("launch_template_id",), _TEMPLATE),
    "launch_configurations": Section(("name",), _CONFIGURATION),
    "auto_scaling_groups": Section(("name",), _GROUP),
    "fleets": Section(("fleet_id",), _FLEET),
    "spot_fleets": Section(("spot_fleet_request_id",), _SPOT_FLEET),
    "spot_requests": Section(("spot_instance_request_id",), _SPOT_REQUEST),
    "compute_environments": Section(("name",), _COMPUTE_ENVIRONMENT),
    "image_recipes": Section(("name", "version", "kind"), _RECIPE),
    "ssm_parameters": Section(("name",), _PARAMETER),
    "retention_rules": Section(("rule_id",), _RULE),
    "recycled_images": _recycled("image", IMAGE),
    "recycled_snapshots": _recycled("snapshot", SNAPSHOT),
}
RULES_UNLESS_SAID = [
    {
        "rule_id": resource,
        "resource": resource,
        "days": 14,
        "in_effect": True,
        "tags": {},
        "except": {},
    }
    for resource in ("images", "snapshots")
]
"""The default retention rules of an account."""

Checked = dict[str, Any]


def checked(raw: Any) -> Checked:
    """The fleet with all defaults set. Raises BadFleet with all errors.

    `retention_rules` is None if the fleet does not contain them.
    """
    if not isinstance(raw, dict):
        raise BadFleet(["the fleet is not a JSON object"])
    errors: list[str] = []
    top = {key: value for key, value in raw.items() if key not in SECTIONS}
    fleet: Checked = {}
    try:
        fleet = check.entry(top, _TOP, "fleet")
    except BadFleet as error:
        errors += error.errors
    for name in SECTIONS:
        entries = raw.get(name, [])
        if isinstance(entries, list):
            fleet[name] = _checked_section(name, entries, errors)
        else:
            errors.append(f"{name}: is not a list")
    if errors:
        raise BadFleet(errors)
    errors = [*_both(fleet, "images"), *_both(fleet, "snapshots")]
    if errors:
        raise BadFleet(errors)
    if "retention_rules" not in raw:
        fleet["retention_rules"] = None
    return fleet


def _checked_section(name: str, entries: list[Any], errors: list[str]) -> list[Checked]:
    section = SECTIONS[name]
    seen: dict[tuple[Any, ...], Checked] = {}
    for index, one in enumerate(entries):
        words = " ".join(str(part) for part in section.id_of(one) if part)
        where = f"{name}[{index}]" + (f" ({words})" if words else "")
        try:
            good = check.entry(one, section.fields, where)
        except BadFleet as error:
            errors += error.errors
            continue
        identity = section.id_of(good)
        if identity in seen:
            errors.append(f"{where}: the {' and '.join(section.key)} is there twice")
        seen[identity] = good
        if name == "launch_templates":
            errors += [f"{where}: {text}" for text in _template_errors(good)]
    return list(seen.values())


def _template_errors(template: Checked) -> list[str]:
    numbers = [version["version"] for version in template["versions"]]
    if not numbers:
        return ["there are no versions"]
    errors = []
    if len(set(numbers)) < len(numbers):
        errors.append("a version is there twice")
    if template["default_version"] not in numbers:
        errors.append("default_version is none of the versions")
    return errors


def _both(fleet: Checked, name: str) -> list[str]:
    """The errors for resources that are both in the account and in its Recycle Bin."""
    live = {SECTIONS[name].id_of(one) for one in fleet[name]}
    bin_name = f"recycled_{name}"
    ids = [SECTIONS[bin_name].id_of(one) for one in fleet[bin_name]]
    return [
        f"{bin_name}[{index}] ({one[0]}): is among the {name} too"
        for index, one in enumerate(ids)
        if one in live
    ]
