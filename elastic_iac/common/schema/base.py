"""The base of all declared arguments: typed, frozen, with unknown fields refused.

A field is one line: its name, its kind, its default and its description (the docstring below it). `elastic_iac.common.generate` writes the
`TypedDict` of the same name, the reference page and the JSON schema from it; `elastic_iac.common.parsing` builds it from what a user gave.

- `Value[int]` accepts an output, which is checked when its value is known; a plain `int` decides which resources exist and must be at hand.
- A default of None means: no value, or one that the component derives; the description says which.
- Bounds, choices and defaults are declared, not described: the generator writes them into every description.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, cast, get_args

import pulumi
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from elastic_iac.common.validation import (
    ARN,
    PERCENT,
    PORT,
    SIZE,
    TEXT,
    Kind,
    Later,
    boolean,
    text_map,
    whole,
)
from forecasting.errors import SettingsError
from forecasting.settings import Settings, problems_of

T = TypeVar("T")
Value = T | pulumi.Output[T]
"""A value at hand or an output."""


class Arguments(BaseModel):
    """Arguments of a component, or an object among them: frozen, every field checked, unknown fields refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    def given(self, *names: str) -> dict[str, Any]:
        """The fields among `names` that the user gave, nested objects as dictionaries."""
        return {name: plain(getattr(self, name)) for name in names if name in self.model_fields_set}


def plain(value: Any) -> Any:
    """`value` with each `Arguments` as a dictionary of the fields that were given."""
    if isinstance(value, Arguments):
        return {
            name: plain(getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set
        }
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - of any items
    return value


def object_in(annotation: Any) -> type[Arguments] | None:
    """The `Arguments` that an annotation contains, itself or as items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Arguments):
        return annotation
    return next(filter(None, map(object_in, get_args(annotation))), None)


def whole_numbers(value: Any) -> Any:
    """`value` with floats such as 5.0 as integers: other languages send every number as a float."""
    if isinstance(value, Mapping):
        return {key: whole_numbers(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [whole_numbers(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def of(model: type[Settings], name: str) -> Kind[Any]:
    """The kind of a field that is declared in `forecasting.settings`: its check, bounds, default and description."""
    info = model.model_fields[name]
    annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return _settings_kind(annotation, _properties(model)[name], info.description or "")


def of_items(model: type[Settings], name: str) -> Kind[Any]:
    """The kind of the items of such a field."""
    item = get_args(model.model_fields[name].annotation)[0]
    return _settings_kind(item, _properties(model)[name]["items"], "")


@cache
def _properties(model: type[Settings]) -> dict[str, Any]:
    return model.model_json_schema()["properties"]


def _settings_kind(annotation: Any, schema: Mapping[str, Any], description: str) -> Kind[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def check(field: str, value: object) -> Any:
        try:
            adapter.validate_python(whole_numbers(value))
        except ValidationError as error:
            first = problems_of(error)[0]
            raise SettingsError(f"{field}{first.field}", first.value, first.expected) from error
        return value

    several: list[Mapping[str, Any]] = schema.get("anyOf", [])
    alternatives = [each for each in several if each.get("type") != "null"]
    merged: dict[str, Any] = {**(alternatives[0] if len(alternatives) == 1 else {}), **schema}
    kept = {key: value for key, value in merged.items() if key not in {"anyOf", "description", "title"}}
    return Kind(check, kept, description)


def _texts(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return dict(text_map(field, value))
    items = cast("Mapping[str, object]", value).items()
    return dict(text_map(field, {key: item.output if isinstance(item, Later) else item for key, item in items}))


Text = Annotated[Value[str], TEXT]
Arn = Annotated[Value[str], ARN]
Flag = Annotated[Value[bool], boolean]
PlainFlag = Annotated[bool, boolean]
Size = Annotated[Value[int], SIZE]
Percent = Annotated[Value[int], PERCENT]
Port = Annotated[Value[int], PORT]
Weight = Annotated[Value[int], whole(1, 999)]
Tags = Value[dict[str, Value[str]]]
TEXTS = Kind(_texts, {"type": "object", "additionalProperties": {"type": "string"}})
Texts = Annotated[Tags, TEXTS]
