"""The lists in responses that the adapter expects, compared with the service models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore.model import Shape

ADAPTER = Path(__file__).parents[2] / "adapters" / "aws" / "src"
CHECK = (ADAPTER / "response_check.rs").read_text()
READING = ("Describe", "Get", "List")


def strings(name: str) -> set[str]:
    """The strings in a Rust constant."""
    return set(
        re.findall(
            r'"([^"]+)"', re.search(rf"const {name}\b.*?\];", CHECK, re.DOTALL)[0]
        )
    )


@cache
def outputs() -> list[tuple[str, str, Shape]]:
    """Service, call and output of every XML call with which the adapter reads."""
    table = (ADAPTER / "api_call.rs").read_text()
    table = table[table.index("api_calls! {") :]
    session = botocore.session.get_session()
    found = []
    for service in ("ec2", "autoscaling"):
        calls = re.search(rf'"{service}" {{(.*?)}}', table, re.DOTALL)[1]
        model = session.get_service_model(service)
        for call in re.findall(r"(\w+): \w+ \[", calls):
            if call.startswith(READING) or call == "DeregisterImage":
                shape = model.operation_model(call).output_shape
                found.append((service, call, shape))
    return found


def members(
    shape: Shape, path: str = "", depth: int = 0
) -> Iterator[tuple[str, Shape]]:
    """All members of the shape, by the path of their names in the XML."""
    if depth > 12 or shape.type_name not in ("structure", "list"):
        return
    if shape.type_name == "list":
        yield from members(shape.member, f"{path}/*", depth + 1)
        return
    for key, member in shape.members.items():
        name = member.serialization.get("name", key)
        yield f"{path}/{name}", member
        yield from members(member, f"{path}/{name}", depth + 1)


def test_the_names_of_items_are_those_of_the_models() -> None:
    items = strings("ITEMS")
    for service, call, output in outputs():
        for path, member in members(output):
            if member.type_name == "list":
                name = "item" if service == "ec2" else "member"
                name = member.member.serialization.get("name", name)
                assert name in items, f"{call}{path}: {name}"


def test_what_is_taken_for_a_list_is_one_and_every_first_list_is() -> None:
    lists = strings("LISTS")
    known = {one.rsplit("/", 1)[-1]: one for one in lists}
    seen = set()
    for _, call, output in outputs():
        for path, member in members(output):
            name = path.rsplit("/", 1)[-1]
            listed = known.get(name)
            if listed and (
                listed == name or path.replace("*", "item").endswith(listed)
            ):
                assert member.type_name == "list", f"{call}{path}"
                seen.add(listed)
            # The list in the output itself.
            is_first = path.count("/") == 1 and member.type_name == "list"
            if is_first and not call.endswith("Attribute"):
                assert listed, f"{call}{path} is not among LISTS"
    assert seen == lists


def test_lists_that_the_sdk_makes_up_are_required_to_be_there() -> None:
    required = set(re.findall(r'\("(\w+)Response", "(\w+)"\)', CHECK))
    expected = {
        (call, name)
        for service, call, output in outputs()
        for name in output.required_members
        if output.members[name].type_name == "list"
    }
    assert required == expected
