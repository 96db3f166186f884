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
    enumerations: dict[str, _Json] = {}
    for owner, declared_as, properties in _inputs(schema):
        fields = {to_camel(key): value for key, value in declared.get(declared_as, {}).items()}
        for name, prop in properties.items():
            found = fields.get(name, {})
            _open(prop)
            token = f"{schema['name']}:index:{owner}{name[0].upper()}{name[1:]}"
            enumerations |= _enumerate(token, prop, found)
            if isinstance(found.get("default"), str | int | float):
                prop["default"] = found["default"]
    schema["types"] |= enumerations
    return json.dumps(schema)


def _inputs(schema: _Json) -> Iterator[tuple[str, str, dict[str, _Json]]]:
    """The inputs of all components and object types: name of their owner, name of its declaration, properties."""
    for token, resource in schema["resources"].items():
        name = token.rsplit(":", maxsplit=1)[-1]
        yield name, f"{name}Args", resource["inputProperties"]
    for token, kind in schema["types"].items():
        name = token.rsplit(":", maxsplit=1)[-1]
        yield name, name, kind.get("properties", {})


def _open(prop: _Json) -> None:
    """Let an object, a list or a map be an output."""
    if "$ref" in prop or prop.get("type") in {"array", "object"}:
        prop.pop("plain", None)
    for inner in ("items", "additionalProperties"):
        if inner in prop:
            _open(prop[inner])


def _enumerate(token: str, prop: _Json, declared: _Json) -> dict[str, _Json]:
    """Replace the type of a text, or of the texts of a list, by the enumeration that is declared for it, if any."""
    if "items" in prop:
        return _enumerate(token, prop["items"], declared.get("items", {}))
    values = declared.get("enum")
    if not values or prop.get("type") != "string":
        return {}
    del prop["type"]
    prop["$ref"] = _TYPES + token
    return {token: {"type": "string", "enum": [{"name": _constant(value), "value": value} for value in values]}}


def _constant(value: str) -> str:
    """The name of a value in languages with constants: 'seasonal-naive' is SeasonalNaive."""
    return to_pascal("".join(character if character.isalnum() else "_" for character in value).lower())
