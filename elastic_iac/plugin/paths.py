"""Paths of arguments, from a component's own names to those of the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, TypeDefinition

_PART = re.compile(r"\[(\d+)\]|([^.\[]+)")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def type_of(prop: PropertyDefinition, types: Mapping[str, TypeDefinition]) -> TypeDefinition | None:
    """The object type of a property; None if it is of another kind."""
    found = types.get((prop.ref or "").rsplit(":", maxsplit=1)[-1])
    return None if found is None or found.enum else found


def property_path(field: str, component: ComponentDefinition, types: Mapping[str, TypeDefinition]) -> tuple[str, str]:
    """Translate a field's path.

    Args:
        field: The path with Python's names: 'forecast.events[0].load_factor'.
        component: Definition of the component.
        types: Definitions of the object types, by name.

    Returns:
        The path with the schema's names ('forecast.events[0].loadFactor') as far as the schema goes, and the rest of `field` beyond it.
    """
    path = ""
    properties, names = component.inputs, component.inputs_mapping
    prop: PropertyDefinition | None = None
    for part in _PART.finditer(field):
        index, key = part.groups()
        if prop is None:  # a field of an object
            name = {python: schema for schema, python in names.items()}.get(key or "")
            if name is None:
                return f"{path}.{field[part.start() :]}".removeprefix("."), ""
            path, prop = f"{path}.{name}".removeprefix("."), properties[name]
        elif index is not None and prop.items is not None:
            path, prop = f"{path}[{index}]", prop.items
        elif key is not None and prop.additional_properties is not None:
            prop = prop.additional_properties
            if type_of(prop, types) is None:  # the key is all of the rest, dots and brackets included
                return _with_key(path, field[part.start() :]), ""
            path = _with_key(path, key)
        else:
            return path, field[part.start() :]
        kind = type_of(prop, types)
        if kind is not None:
            properties, names, prop = kind.properties, kind.properties_mapping, None
    return path, ""


def _with_key(path: str, key: str) -> str:
    return f"{path}.{key}" if _KEY.fullmatch(key) else f'{path}["{key}"]'


def within(path: str, other: str) -> bool:
    """Whether a path is another one or leads into it."""
    return path == other or (path.startswith(other) and path[len(other)] in ".[")
