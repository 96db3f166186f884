"""Inputs of a `Construct` call with objects and lists at hand, whichever part of them the caller gave as an output or a secret.

A component decides from the shape of an object which resources it declares. The engine sends a whole object that is an output (or a secret) as one
marked value, which Pulumi's host hands on as one `Output`. Its value is part of the message, so the marker is moved inwards: to the fields of the
object, which stay outputs with the same dependencies and the same secrecy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.struct_pb2 import ListValue, Struct, Value
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, TypeDefinition

from elastic_iac.plugin.paths import type_of

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's marker
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# Constants of Pulumi's wire protocol.


@dataclass(frozen=True)
class Marker:
    """The marker of an output: what it depends on, and whether it is secret."""

    dependencies: frozenset[str] = frozenset()
    secret: bool = False

    def __or__(self, other: Marker) -> Marker:
        """The marker of a value within another."""
        return Marker(self.dependencies | other.dependencies, self.secret or other.secret)

    def on(self, value: Value | None) -> Value:
        """An output of the value; of an unknown one if it is None."""
        if self == Marker() and value is not None:
            return value
        fields = {
            _SIGNATURE: Value(string_value=_OUTPUT),
            "dependencies": _list(Value(string_value=urn) for urn in sorted(self.dependencies)),
            "secret": Value(bool_value=self.secret),
        }
        return _struct(fields if value is None else {**fields, "value": value})


@dataclass(frozen=True)
class Prepared:
    """Inputs with objects at hand, and the paths of those that are secrets."""

    inputs: Struct
    secrets: frozenset[str]


def with_objects_at_hand(
    inputs: Struct,
    dependencies: Mapping[str, Iterable[str]],
    component: ComponentDefinition,
    types: Mapping[str, TypeDefinition],
) -> Prepared:
    """Move the markers of outputs inwards, away from what a component needs at hand.

    Args:
        inputs: The component's inputs in wire form.
        dependencies: URNs that a whole input depends on, by its name. They are part of the result's markers.
        component: Definition of the component.
        types: Definitions of the object types, by name.

    Raises:
        InputPropertiesError: a value that must be at hand is not known during a preview.
    """
    moving = _Moving(types)
    result: dict[str, Value] = {}
    for name, value in inputs.fields.items():
        marker = Marker(frozenset(dependencies.get(name, ())))
        outer = Marker() if _holds_marker(value) else marker
        found = component.inputs.get(name)
        result[name] = outer.on(value) if found is None else moving.moved(value, found, outer, name)
    if moving.problems:
        raise InputPropertiesError(f"{component.name}: values that must be at hand", moving.problems)
    return Prepared(Struct(fields=result), frozenset(moving.secrets))


@dataclass(frozen=True)
class _Moving:
    types: Mapping[str, TypeDefinition]
    problems: list[InputPropertyErrorDetails] = field(default_factory=list[InputPropertyErrorDetails])
    secrets: set[str] = field(default_factory=set[str])

    def moved(self, value: Value, prop: PropertyDefinition, outer: Marker, path: str) -> Value:
        """The value with its marker, and the one around it, on its innermost parts."""
        inner, marker = _unmarked(value)
        marker |= outer
        if marker.secret:
            self.secrets.add(path)
        kind = type_of(prop, self.types)
        if inner is None:
            return marker.on(None) if kind is None else self._unknown(kind, marker, path)
        if kind is not None and inner.HasField("struct_value"):
            return self._object(inner.struct_value, kind, marker, path)
        if prop.items is not None and inner.HasField("list_value") and self._at_hand(prop, prop.items):
            items = enumerate(inner.list_value.values)
            return _list(self.moved(item, prop.items, marker, f"{path}[{index}]") for index, item in items)
        values = prop.additional_properties
        if values is not None and inner.HasField("struct_value") and self._at_hand(prop, values):
            fields = inner.struct_value.fields.items()
            return _struct({key: self.moved(item, values, marker, f"{path}.{key}") for key, item in fields})
        return inner if prop.plain else marker.on(inner)

    def _at_hand(self, prop: PropertyDefinition, item: PropertyDefinition) -> bool:
        return bool(prop.plain) or type_of(item, self.types) is not None

    def _object(self, given: Struct, kind: TypeDefinition, marker: Marker, path: str) -> Value:
        fields: dict[str, Value] = {}
        for name, value in given.fields.items():
            prop = kind.properties.get(name)
            fields[name] = marker.on(value) if prop is None else self.moved(value, prop, marker, f"{path}.{name}")
        return _struct(fields)

    def _unknown(self, kind: TypeDefinition, marker: Marker, path: str) -> Value:
        """An object that is not known during a preview: its required fields, none of them known."""
        fields: dict[str, Value] = {}
        for name, prop in kind.properties.items():
            if prop.optional:
                continue
            inner = type_of(prop, self.types)
            if inner is not None:
                fields[name] = self._unknown(inner, marker, f"{path}.{name}")
            elif prop.plain:
                reason = "not known during a preview; expected a value at hand: it decides which resources are declared"
                self.problems.append({"property_path": f"{path}.{name}", "reason": reason})
            else:
                fields[name] = marker.on(None)
        return _struct(fields)


def _unmarked(value: Value) -> tuple[Value | None, Marker]:
    """The value within markers (None if it is unknown), and what they say."""
    if not value.HasField("struct_value"):
        return (None if value.string_value == _UNKNOWN else value), Marker()
    fields = value.struct_value.fields
    signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else ""
    if signature not in {_OUTPUT, _SECRET}:
        return value, Marker()
    urns = fields["dependencies"].list_value.values if "dependencies" in fields else ()
    secret = signature == _SECRET or ("secret" in fields and fields["secret"].bool_value)
    marker = Marker(frozenset(urn.string_value for urn in urns), secret)
    if "value" not in fields:
        return None, marker
    inner, within = _unmarked(fields["value"])
    return inner, marker | within


def _holds_marker(value: Value) -> bool:
    """Whether the value or a part of it is an output that names its own dependencies."""
    if value.HasField("list_value"):
        return any(map(_holds_marker, value.list_value.values))
    if not value.HasField("struct_value"):
        return False
    fields = value.struct_value.fields
    if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _OUTPUT:
        return True
    return any(map(_holds_marker, fields.values()))


def _struct(fields: Mapping[str, Value]) -> Value:
    return Value(struct_value=Struct(fields=fields))


def _list(values: Iterable[Value]) -> Value:
    return Value(list_value=ListValue(values=values))
