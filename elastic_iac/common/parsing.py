"""Raw arguments to one frozen configuration: parsed once, with all problems reported at once."""

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast, overload

import pulumi
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from elastic_iac.common.schema.base import Arguments, Value, object_in
from elastic_iac.common.validation import NAME, Check, Later, is_literal
from forecasting.errors import SettingsError

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


class ArgumentsError(SettingsError):
    """Arguments that are wrong: `problems` has all of them, the first one's field, value and expectation are this error's own."""

    def __init__(self, problems: Sequence[SettingsError]) -> None:
        first = problems[0]
        super().__init__(first.field, first.value, first.expected)
        self.problems = tuple(problems)
        if len(problems) > 1:
            self.args = (f"{len(problems)} arguments are wrong:" + "".join(f"\n  {each}" for each in problems),)


class Problems(list[SettingsError]):
    """Problems that are collected until all arguments have been checked."""

    def refuse(self, field: str, value: object, expected: str) -> None:
        """Add a problem."""
        self.append(SettingsError(field, value, expected))

    @contextmanager
    def collect(self, at: str = "") -> Generator[None]:
        """Add the problems that are raised within, of the object at that path, and go on."""
        try:
            yield
        except SettingsError as error:
            for each in error.problems if isinstance(error, ArgumentsError) else (error,):
                self.refuse(f"{at}.{each.field}" if at else each.field, each.value, each.expected)

    def verified(self, field: str, value: Value[T], check: Check[T]) -> Value[T]:
        """The value, checked now if it is at hand, else when it is known."""
        if not is_literal(value):
            return pulumi.Output.from_input(value).apply(lambda known: check(field, known))
        with self.collect():
            return check(field, value)
        return value

    def report(self) -> None:
        """Raise what has been collected, if anything.

        Raises:
            ArgumentsError: with all problems.
        """
        if self:
            raise ArgumentsError(self)


def parse_component(declared: type[ArgumentsT], name: str, raw: object, check_name: Check[str] = NAME) -> ArgumentsT:
    """Build a component's arguments, and check its name.

    Raises:
        ArgumentsError: as `parse` does, a wrong name among the problems.
    """
    problems = Problems()
    problems.verified("name", name, check_name)
    try:
        arguments = parse(declared, raw)
    except ArgumentsError as error:
        raise ArgumentsError([*problems, *error.problems]) from error
    problems.report()
    return arguments


def parse(declared: type[ArgumentsT], raw: object, at: str = "") -> ArgumentsT:
    """Build the declared arguments from what the user gave.

    A field that is None is one that is not given. An output is replaced by one that is checked when its value is known.

    Raises:
        ArgumentsError: every literal that is wrong, every field that is missing or unknown.
    """
    prefix = f"{at}." if at else ""
    if not isinstance(raw, Mapping):
        raise ArgumentsError([SettingsError(at or "args", raw, f"an object of type {declared.__name__}")])
    try:
        return declared.model_validate(_marked(cast("Mapping[str, object]", raw), at))
    except ValidationError as error:
        problems = [_explained(declared, each, prefix) for each in sorted(error.errors(include_url=False), key=_order)]
        raise ArgumentsError(problems) from error


@overload
def lift(function: Callable[[T], U], value: Value[T], /) -> Value[U]: ...
@overload
def lift(function: Callable[[T, V], U], first: Value[T], second: Value[V], /) -> Value[U]: ...
@overload
def lift(function: Callable[..., U], /, *values: object) -> Value[U]: ...
def lift(function: Callable[..., U], /, *values: Any) -> Value[U]:
    """`function` of the values: now if all are at hand, else an output of it."""
    if all(map(is_literal, values)):
        return function(*values)
    return pulumi.Output.all(*values).apply(lambda known: function(*known))


def _marked(value: object, path: str) -> Any:
    """`value` with each output marked by its path, and without fields that are None."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        inside = f"{path}." if path else ""
        return {key: _marked(item, f"{inside}{key}") for key, item in items if item is not None}
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return [_marked(item, f"{path}[{index}]") for index, item in enumerate(items)]
    if isinstance(value, pulumi.Output) or inspect.isawaitable(value):
        return Later(path, pulumi.Output.from_input(cast("Any", value)))
    return value


def _order(error: ErrorDetails) -> int:
    """Unknown fields first: they explain those that are missing."""
    return 0 if error["type"] == "extra_forbidden" else 1


def _explained(declared: type[Arguments], error: ErrorDetails, prefix: str) -> SettingsError:
    kind, value = error["type"], error["input"]
    field = prefix + path_of(error["loc"])
    value = "an output" if isinstance(value, Later) else value
    if kind == "refused":
        context = error.get("ctx", {})
        inner = str(context["field"])
        joined = f"{field}{inner}" if not inner or inner[0] in ".[" else f"{field}.{inner}"
        return SettingsError(joined, context["value"], str(context["expected"]))
    if kind == "missing":
        return SettingsError(field, None, "a value: the field is required")
    if kind == "extra_forbidden":
        owner = _owner(declared, error["loc"])
        known = ", ".join(sorted(owner.model_fields))
        # Its value may be a secret in the wrong place.
        return SettingsError(field, str(error["loc"][-1]), f"no such field; {owner.__name__} has {known}")
    expected = {
        "list_type": "a list at hand; its items may be outputs",
        "dict_type": "a mapping at hand; its values may be outputs",
    }
    return SettingsError(field, value, expected.get(kind, "an object with its fields"))


def path_of(location: Sequence[str | int]) -> str:
    """A location as users write it: 'shards[1].name'."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _owner(declared: type[Arguments], location: Sequence[str | int]) -> type[Arguments]:
    """The object that an unknown field was given to."""
    owner = declared
    for part in location[:-1]:
        if isinstance(part, str) and part in owner.model_fields:
            owner = object_in(owner.model_fields[part].annotation) or owner
    return owner
