"""Settings of a component, made from the declaration of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from elastic_iac.common.generate import describe, kind_of
from elastic_iac.common.schema.base import Arguments, object_in


class Settings(BaseModel):
    """Strict, camelCase, and nothing that is not declared."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class Declared(Settings):
    """A component's arguments in camelCase, without those that the stack fills in; it is called STACK-NAME."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=False)
    name: str = ""

    def args(self, **from_stack: Any) -> Any:
        """The component's arguments: those of the stack, and above them its own."""
        return {**from_stack, **self.model_dump(exclude={"name"}, exclude_unset=True, exclude_none=True)}


class DeclaredPool(Declared):
    """The same of a pool."""

    @property
    def fleet_count(self) -> int:
        """Fleets that it has: the job must know before they are there."""
        own = self.args()
        return 0 if "forecast" not in own else len(own.get("shards") or [own])


class _As:
    """Validate a field by a model that is made at run time."""

    def __init__(self, model: type[Settings]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(self.model)


def declared(
    base: type[Declared],
    arguments: type[Arguments],
    *,
    without: Set[str],
    optional: Set[str] = frozenset(),
    named: bool = True,
) -> Any:
    """Metadata that makes a field the settings of a component, `without` what the stack fills in; `optional` unless they are given."""
    fields = _fields(arguments, without)
    fields |= {name: (fields[name][0] | None, Field(default=None)) for name in optional}
    if named:
        fields["name"] = (str, ...)
    return _As(create_model(arguments.__name__.removesuffix("Args"), __base__=base, **fields))


def _fields(arguments: type[Arguments], without: Set[str] = frozenset()) -> dict[str, Any]:
    fields: Mapping[str, Any] = {name: info for name, info in arguments.model_fields.items() if name not in without}
    return {
        name: (
            _literal(info.annotation, kind_of(info) if info.metadata else None),
            Field(default=... if info.is_required() else info.default, description=describe(info)),
        )
        for name, info in fields.items()
    }


def _literal(annotation: Any, kind: Any = None) -> Any:
    """The annotation for values at hand, with objects in camelCase."""
    if kind is not None:
        return Annotated[Any, kind]
    nested = object_in(annotation)
    if nested is None:
        return annotation
    model: Any = create_model(nested.__name__, __base__=Settings, **_fields(nested))
    is_list = any(get_origin(each) is list for each in (annotation, *get_args(annotation)))
    several = list[model] if is_list else model
    return several | None if type(None) in get_args(annotation) else several
