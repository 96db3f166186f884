"""Parts of the schema that Pulumi's analyzer cannot derive from the components' annotations.

An enumeration in an annotation loses data at the plugin boundary (items of a list arrive empty, outputs fail).
So arguments are annotated as texts, and the schema alone has the values. Objects and lists are not marked as plain:
`wire_inputs` takes outputs for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from pydantic.alias_generators import to_camel, to_pascal

from elastic_iac.plugin.declared import DECLARED

_Json = dict[str, Any]
_TYPES = "#/types/"


def completed(analyzed: str, declared: Mapping[str, Mapping[str, _Json]] = DECLARED) -> str:
    """Add enumerations, defaults and the description of the package to a schema.

    Args:
        analyzed: The schema as JSON, from the analyzer.
        declared: JSON schemas of fields, by type or component and by the field's name in Python.
    """
    schema: _Json = json.loads(analyzed)
    schema |= {
        "displayName": "Elastic IaC",
        "description": metadata.metadata(schema["name"])["Summary"],
        "keywords": ["pulumi", "category/cloud", "kind/component", "autoscaling", "forecasting"],
        "license": "Apache-2.0",
    }
    enumerations = _Enumerations(schema)
    for owner, properties in _inputs(schema):
        for name, prop in properties.items():
            _open(prop)
            found = {to_camel(key): value for key, value in declared.get(owner, {}).items()}.get(name, {})
            enumerations.apply(owner, name, prop, found)
            if isinstance(found.get("default"), str | int | float):
                prop["default"] = found["default"]
    schema["types"] |= enumerations.types
    return json.dumps(schema)


def _inputs(schema: _Json) -> Iterator[tuple[str, dict[str, _Json]]]:
    """The inputs of all components and object types, by the name of their owner."""
    for token, resource in schema["resources"].items():
        yield token.rsplit(":", maxsplit=1)[-1], resource["inputProperties"]
    for token, kind in schema["types"].items():
        yield token.rsplit(":", maxsplit=1)[-1], kind.get("properties", {})


def _open(prop: _Json) -> None:
    """Let an object, a list or a map be an output."""
    if "$ref" in prop or prop.get("type") in {"array", "object"}:
        prop.pop("plain", None)
    for inner in ("items", "additionalProperties"):
        if inner in prop:
            _open(prop[inner])


class _Enumerations:
    """Types of the schema that name the values of a text."""

    def __init__(self, schema: _Json) -> None:
        self._package: str = schema["name"]
        self.types: dict[str, _Json] = {}

    def apply(self, owner: str, name: str, prop: _Json, declared: _Json) -> None:
        """Replace the type of a text, or of the texts of a list, by the enumeration that is declared for it."""
        if "items" in prop:
            self.apply(owner, name, prop["items"], declared.get("items", {}))
        values = declared.get("enum")
        if not values or prop.get("type") != "string":
            return
        del prop["type"]
        prop["$ref"] = _TYPES + self._token(owner, name, values)

    def _token(self, owner: str, name: str, values: list[str]) -> str:
        """The token of the enumeration, which is named by the field; by its owner too if another field of that name has other values."""
        kind = {"type": "string", "enum": [{"name": _constant(value), "value": value} for value in values]}
        field = to_pascal(name[0].upper() + name[1:])
        for candidate in (field, f"{owner}{field}"):
            token = f"{self._package}:index:{candidate}"
            if self.types.setdefault(token, kind) == kind:
                return token
        raise ValueError(f"two enumerations for {owner}.{name}")


def _constant(value: str) -> str:
    """The name of a value in languages with constants: 'seasonal-naive' is SeasonalNaive."""
    return to_pascal("".join(character if character.isalnum() else "_" for character in value).lower())
