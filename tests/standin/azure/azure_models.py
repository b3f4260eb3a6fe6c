"""Validates bodies against the models of Microsoft's clients, which are generated from the API
specification."""

from __future__ import annotations

import enum
import types
import typing
from datetime import datetime
from typing import Any


def problems(body: Any, model: type, models: Any, where: str = "") -> list[str]:
    """What the model does not allow: unknown or missing fields, other types, unknown values."""
    if not isinstance(body, dict):
        return [f"{where}: {body!r} is not an object"]
    model = _by_discriminator(body, model)
    hints = typing.get_type_hints(model, localns={"_models": models})
    fields = {}
    for name in hints:
        field = _field(model, name)
        if field is not None:
            fields[getattr(field, "_rest_name_input", None) or name] = hints[name]
    found = [f"{where}.{name}: unknown field" for name in body if name not in fields]
    for name, hint in fields.items():
        path = f"{where}.{name}"
        if name in body:
            found += _value(body[name], hint, models, path)
        elif not _optional(hint):
            found.append(f"{path}: missing")
    return found


def _by_discriminator(body: dict[str, Any], model: type) -> type:
    mapping = getattr(model, "__mapping__", {})
    return mapping.get(body.get("type"), model)


def _field(model: type, name: str) -> Any:
    for base in model.__mro__:
        field = base.__dict__.get(name)
        if type(field).__name__ == "_RestField":
            return field
    return None


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _value(value: Any, hint: Any, models: Any, where: str) -> list[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [one for one in arguments if one is not type(None)]
        enums = [
            one for one in kinds if isinstance(one, type) and issubclass(one, enum.Enum)
        ]
        if enums:
            known = {str(member.value).lower() for member in enums[0]}
            if str(value).lower() in known:
                return []
            return [f"{where}: {value!r} is not one of {sorted(known)}"]
        return _value(value, kinds[0], models, where)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{where}: {value!r} is not {arguments}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is not a list"]
        return [
            text
            for number, one in enumerate(value)
            for text in _value(one, arguments[0], models, f"{where}[{number}]")
        ]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is not an object"]
        return [
            text
            for name, one in value.items()
            for text in _value(one, arguments[1], models, f"{where}.{name}")
        ]
    if hint is datetime:
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return [f"{where}: {value!r} is not a time"]
        return []
    if hint is float and isinstance(value, int):
        return []
    if hint in (str, int, float, bool):
        # A bool is an int in Python.
        right = isinstance(value, hint) and isinstance(value, bool) == (hint is bool)
        return [] if right else [f"{where}: {value!r} is not {hint.__name__}"]
    return problems(value, hint, models, where)
