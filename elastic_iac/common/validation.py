"""Checks of a component's arguments: literals at once, before anything is registered; outputs when their value is known.

A check is a function of the field's name and its value that returns the value in the type the cloud wants or raises `SettingsError`.
"""

import base64
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast, get_args, get_origin

import pulumi
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from forecasting.errors import SettingsError

T = TypeVar("T")
Check = Callable[[str, object], T]


@dataclass(frozen=True, eq=False)
class Later:
    """An output among the arguments, with the path of its field."""

    path: str
    output: pulumi.Output[Any]


@dataclass(frozen=True, eq=False)
class Kind(Generic[T]):
    """A kind of argument: a check, and the same as JSON schema. As `Annotated` metadata it validates a field of `Arguments`."""

    check: Check[T]
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    description: str = ""

    def __call__(self, field: str, value: object) -> T:
        """The value in the type that the cloud needs; an output is checked when it is known.

        Raises:
            SettingsError: the value is wrong.
        """
        return self.check(field, value)

    def later(self, value: Later) -> pulumi.Output[T]:
        """The output, checked when its value is known."""
        return value.output.apply(lambda known: self.check(value.path, known))

    def __get_pydantic_core_schema__(self, source: Any, _handler: object) -> CoreSchema:
        outputs = takes_output(source)

        def validate(value: object) -> object:
            if isinstance(value, Later):
                if outputs:
                    return self.later(value)
                expected = "a value at hand: it decides which resources are declared"
                raise PydanticCustomError(
                    "refused", "{expected}", {"field": "", "value": "an output", "expected": expected}
                )
            try:
                return self.check("", value)
            except SettingsError as error:
                context = {"field": error.field, "value": error.value, "expected": error.expected}
                raise PydanticCustomError("refused", "{expected}", context) from error

        return core_schema.no_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return dict(self.schema)


def takes_output(annotation: Any) -> bool:
    """Whether an annotation has a union with `pulumi.Output`."""
    return any(get_origin(member) is pulumi.Output for member in (annotation, *get_args(annotation)))


def is_literal(value: object) -> bool:
    """Whether the value is at hand, neither an output nor something to await."""
    return not isinstance(value, pulumi.Output) and not inspect.isawaitable(value)


def checked(field: str, value: object, check: Check[T]) -> pulumi.Output[T]:
    """`value`, checked: now if it is a literal, else when it is known.

    Raises:
        SettingsError: a literal is wrong; a wrong output raises the same inside the deployment.
    """
    if is_literal(value):
        return pulumi.Output.from_input(check(field, value))
    return pulumi.Output.from_input(value).apply(lambda known: check(field, known))


def whole(at_least: int, at_most: int) -> Kind[int]:
    """A whole number; floats are accepted because other languages send nothing else."""
    expected = f"a whole number from {at_least} to {at_most}"

    def check(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise SettingsError(field, value, expected)
        if not at_least <= value <= at_most:
            raise SettingsError(field, value, expected)
        return int(value)

    return Kind(check, {"type": "integer", "minimum": at_least, "maximum": at_most})


def number(above: float, at_most: float) -> Kind[float]:
    """A number greater than `above` and at most `at_most`."""
    expected = f"a number above {above:g} and at most {at_most:g}"

    def check(field: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= at_most:
            raise SettingsError(field, value, expected)
        return float(value)

    return Kind(check, {"type": "number", "exclusiveMinimum": above, "maximum": at_most})


def _boolean(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(field, value, "true or false")
    return value


boolean = Kind(_boolean, {"type": "boolean"})
"""True or false, not a word for it."""


def matching(pattern: str, expected: str) -> Kind[str]:
    """A text of which the whole matches `pattern`."""
    compiled = re.compile(pattern)

    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise SettingsError(field, value, expected)
        return value

    return Kind(check, {"type": "string"})


def text_of(at_most: int) -> Kind[str]:
    """A text of so many bytes at most, as it is run at boot."""

    def check(field: str, value: object) -> str:
        if not isinstance(value, str):
            raise SettingsError(field, value, "a text")
        refuse_encoded(field, value)
        size = len(value.encode())
        if size > at_most:
            raise SettingsError(field, f"{size} bytes", f"at most {at_most} bytes: fetch the rest at boot")
        return value

    return Kind(check, {"type": "string"})


def one_of(*choices: str) -> Kind[str]:
    """One of a few words."""
    expected = f"one of {', '.join(map(repr, choices))}"

    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise SettingsError(field, value, expected)
        return value

    return Kind(check, {"type": "string", "enum": list(choices)})


def distinct(item: Kind[T], *, at_least: int, expected: str) -> Kind[list[T | pulumi.Output[T]]]:
    """A list of `at_least` different items, each of which may itself be an output."""

    def check(field: str, value: object) -> list[T | pulumi.Output[T]]:
        items = _items(value)
        literals = [each for each in items if not isinstance(each, Later)]
        if _is_single(value) or len(items) < at_least or any(literals.count(each) > 1 for each in literals):
            raise SettingsError(field, value, expected)
        return [
            item.later(each) if isinstance(each, Later) else item.check(f"{field}[{index}]", each)
            for index, each in enumerate(items)
        ]

    return Kind(check, {"type": "array", "items": item.schema, "minItems": at_least})


def _is_single(value: object) -> bool:
    return not isinstance(value, list | tuple)


def _items(value: object) -> list[object]:
    """The items of a list; none of anything else, above all not the letters of a text."""
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []


def plain_list(field: str, value: object) -> list[Any]:
    """A list whose length decides what is declared: its items may be outputs, itself not.

    Raises:
        SettingsError: it is an output, a single value or something else.
    """
    if not isinstance(value, list | tuple):
        raise SettingsError(field, value, "a list at hand; its items may be outputs")
    return _items(cast("object", value))


def text_map(field: str, value: object) -> Mapping[str, str]:
    """A mapping of texts to texts; values that are outputs are left to the cloud."""
    if not isinstance(value, Mapping):
        raise SettingsError(field, value, "a mapping of texts to texts")
    items = cast("Mapping[object, object]", value)
    for key, item in items.items():
        if not isinstance(key, str) or (is_literal(item) and not isinstance(item, str)):
            raise SettingsError(f"{field}.{key}", item, "a text")
    return cast("Mapping[str, str]", items)


NAME = matching(
    r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
    "1 to 40 lower-case letters, digits and inner hyphens: it becomes part of names in the cloud",
)
PORT = whole(1, 65535)
SIZE = whole(0, 100_000)
PERCENT = whole(0, 100)
PATH = matching(r"/[\x21-\x7e]{0,1023}", "a path that begins with '/'")
TEXT = matching(r"(?s).*\S.*", "a text that is not blank")
ARN = matching(r"arn:aws[a-z-]*:\S+", "an ARN, 'arn:aws:...'")
VPC_ID = matching(r"vpc-[0-9a-z]+", "a VPC's id, 'vpc-...'")
SUBNET_ID = matching(r"subnet-[0-9a-z]+", "a subnet's id, 'subnet-...'")
SECURITY_GROUP_ID = matching(r"sg-[0-9a-z]+", "a security group's id, 'sg-...'")
IMAGE_ID = matching(r"ami-[0-9a-z]+", "an image's id, 'ami-...'")
INSTANCE_TYPE = matching(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "an instance type such as 'm7i.large'")
IPV4_RANGE = matching(r"(\d{1,3}\.){3}\d{1,3}/(\d|[12]\d|3[0-2])", "an IPv4 range such as '10.0.0.0/16'")
IPV6_RANGE = matching(
    r"(?=[^/]*:[^/]*:)[0-9a-fA-F:]{2,39}/(\d|\d\d|1[01]\d|12[0-8])", "an IPv6 range such as '2001:db8::/32'"
)
CERTIFICATE_ARN = matching(r"arn:aws[a-z-]*:(acm|iam):\S+", "a certificate's ARN, 'arn:aws:acm:...'")


def _anything(field: str, value: object) -> Any:
    return value


ANYTHING = Kind(_anything, {"type": "string"})
"""A value that is checked where more is known."""


_BOOT_HEADERS = (
    *(b"#!", b"#cloud-", b"#include", b"#part-handler", b"## template:", b"Content-Type:", b"MIME-Version:"),
    *(b"<powershell>", b"<script>", b"\x1f\x8b"),
)
"""Starts of what boots an instance, by cloud-init and EC2Launch: https://docs.cloud-init.io/en/latest/explanation/format.html"""


def refuse_encoded(field: str, text: str) -> None:
    """Refuse a boot script that is base64 already: encoded twice, nothing of it runs.

    Raises:
        SettingsError: the text is base64 of a script or a cloud-init document.
    """
    packed = "".join(text.split())
    if len(packed) % 4 or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", packed):
        return
    if base64.b64decode(packed).lstrip().startswith(_BOOT_HEADERS):
        raise SettingsError(field, f"{text[:20]}...", "plain text: this is base64, and the component encodes it itself")
