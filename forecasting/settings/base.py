"""What all settings share: strict types, and errors that name the field, the value and what would be right."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from forecasting.errors import SettingsError

SETTINGS_VERSION = 1
"""Written by this release. A release reads its own version and the one before it, so that components and job update apart."""

READABLE_VERSIONS = (1,)
VERSION_DESCRIPTION = f"Version of the settings; readable: {', '.join(map(str, READABLE_VERSIONS))}."

_SLUG = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
_TEXT = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
_REGION = r"^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$"
BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
PREFIX = r"^([A-Za-z0-9!_.'()-]+(/[A-Za-z0-9!_.'()-]+)*)?$"
GCS_BUCKET = r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$"
STATISTIC = r"^(Sum|Average|Minimum|Maximum|SampleCount|p(\d{1,2}(\.\d{1,2})?|100))$"
PROJECT = r"^([a-z0-9.-]+:)?[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
LOCATION = r"^[a-z]+-[a-z]+[0-9]+(-[a-z])?$"
RESOURCE = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
LABEL = r"^[A-Za-z_][A-Za-z0-9_-]{0,99}$"
METRIC_TYPE = r"^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_.:-]+)+$"
HOLIDAY_CODE = r"^[A-Z]{2}(-[A-Z0-9]{1,4})?$"
_WORDS = {
    HOLIDAY_CODE: "an ISO 3166 code of a country, or of a part of it, such as 'US' or 'DE-BY'",
    BUCKET: "a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens",
    PREFIX: "letters, digits and ! _ . ' ( ) - in parts joined by single slashes, with none at either end",
    STATISTIC: "Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p95",
    GCS_BUCKET: "a bucket's name: lower-case letters, digits, dots, hyphens and underscores",
    PROJECT: "a project's id: a letter, then lower-case letters, digits and inner hyphens, at most 30 in all (not its number)",
    LOCATION: "a region such as 'europe-west1' or a zone such as 'europe-west1-b'",
    RESOURCE: "1 to 63 lower-case letters, digits and inner hyphens, a letter first",
    LABEL: "a label's name: letters, digits, underscores and hyphens",
    METRIC_TYPE: "a metric's type such as 'loadbalancing.googleapis.com/https/request_count'",
    _SLUG: "1 to 40 lower-case letters, digits and inner hyphens",
    _TEXT: "one line of text, without control or bidirectional characters",
    _REGION: "a region such as 'eu-central-1' (not a zone)",
}
_TYPES = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "fields with their values",
    "string_too_short": "text that is not blank",
    "string_type": "text",
    "too_short": "at least one item",
    "tuple_type": "a list",
}
_CRON_FIELD = r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?"
_CRON = re.compile(rf"{_CRON_FIELD}(,{_CRON_FIELD})*")
_RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")
_EVENTBRIDGE_CRON = re.compile(r"cron\(([^()]*)\)")
_EVENTBRIDGE_FIELD = re.compile(r"[0-9A-Za-z*?/,#-]+")


class Settings(BaseModel):
    """Frozen; unknown fields, numbers that are not finite and values of another type are errors."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True, hide_input_in_errors=True
    )


def refused(field: str, value: object, expected: str) -> PydanticCustomError:
    """The error of a validator that sees the whole model: it names the field that is wrong."""
    return PydanticCustomError("refused", "{expected}", {"field": field, "value": value, "expected": expected})


def _check_version(value: object) -> object:
    if _is_newer(value):
        raise ValueError(f"{_readable()}: these settings are of a newer release, so update elastic-iac first")
    if type(value) is not int or value not in READABLE_VERSIONS:
        raise ValueError(_readable())
    return value


def _is_newer(version: object) -> bool:
    return type(version) is int and version > max(READABLE_VERSIONS)


def _readable() -> str:
    return f"a version that this release reads: {', '.join(map(str, READABLE_VERSIONS))}"


def _check_time_zone(value: str) -> str:
    try:
        if value != "UTC":  # known without a time-zone database, which Windows has not
            ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("an IANA time zone such as 'Europe/Berlin' or 'UTC'") from error
    return value


def _check_time(value: object) -> object:
    expected = "a time with its UTC offset, such as '2026-11-27T08:00:00+01:00'"
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(expected) from error
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise ValueError(expected)
    if not 1970 <= time.year <= 2200:
        raise ValueError(f"{expected}, of a year from 1970 to 2200")
    return time


def _check_schedule(value: str) -> str:
    expected = (
        "five cron fields such as '*/15 * * * *', 'rate(15 minutes)', or EventBridge's six: 'cron(0/15 * * * ? *)', "
        "with ? for the day of the month or of the week"
    )
    if _RATE.fullmatch(value):
        return value
    if eventbridge := _EVENTBRIDGE_CRON.fullmatch(value):
        fields = eventbridge[1].split()
        days = (fields[2:3] + fields[4:5]).count("?")
        if len(fields) != 6 or days != 1 or not all(map(_EVENTBRIDGE_FIELD.fullmatch, fields)):
            raise ValueError(expected)
        return value
    fields = value.split()
    if len(fields) != 5 or not all(_CRON.fullmatch(field) for field in fields):
        raise ValueError(expected)
    try:
        cronsim: Any = importlib.import_module("cronsim")
    except ImportError:  # a component is installed without the job's requirements; the job reads the settings again
        return value
    try:
        cronsim.CronSim(value, datetime(2026, 1, 1))  # noqa: DTZ001 - only parsed
    except cronsim.CronSimError as error:
        raise ValueError(f"{expected} ({error})") from error
    return value


def _check_group_name(value: str) -> str:
    """The name becomes part of an ARN in an IAM policy, where `*` and `?` match any characters and `${...}` is a variable."""
    if not value.isprintable() or any(each in value for each in ("*", "?", "${")):
        raise ValueError("a group's name: one line of printable characters, without * ? and ${, which IAM expands")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024, pattern=_TEXT)]
GroupName = Annotated[Text, AfterValidator(_check_group_name)]
"""Name of an Auto Scaling group, which is safe in a policy and on a page."""
Slug = Annotated[str, StringConstraints(pattern=_SLUG)]
"""Lower-case letters, digits and inner hyphens, 1 to 40 characters: it becomes part of names in the cloud."""
Region = Annotated[str, StringConstraints(pattern=_REGION)]
Int = Annotated[int, Field(strict=True)]
Float = Annotated[float, Field(strict=True)]
Bool = Annotated[bool, Field(strict=True)]
Version = Annotated[Int, BeforeValidator(_check_version)]
TimeZoneName = Annotated[str, AfterValidator(_check_time_zone)]
Time = Annotated[AwareDatetime, BeforeValidator(_check_time)]
ScheduleExpression = Annotated[Text, AfterValidator(_check_schedule)]

SettingsT = TypeVar("SettingsT", bound=Settings)


def validated(kind: type[SettingsT], data: object) -> SettingsT:
    """Validate `data` as `kind`.

    Raises:
        SettingsError: the first thing wrong. A version that cannot be read, then a field that is not known come first: they explain the others.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first, *others = problems_of(error)
        more = f" (and {len(others)} more)" if others else ""
        raise SettingsError(
            first.field or kind.__name__.lower(), _shown(first.value), f"{first.expected}{more}", newer=first.newer
        ) from error


def problems_of(error: ValidationError) -> list[SettingsError]:
    """All problems, each by field, value and what would be right; those that explain others first."""
    # A list whose only item is wrong is reported as too short as well.
    errors = [each for each in error.errors(include_url=False) if each["type"] != "too_short" or not each["input"]]
    return [_problem(each) for each in sorted(errors, key=_precedence)]


def _problem(error: ErrorDetails) -> SettingsError:
    field, value, expected = _explained(error)
    newer = error["type"] == "extra_forbidden" or (_precedence(error) == 0 and _is_newer(value))
    return SettingsError(field, value, expected, newer=newer)


def _precedence(error: ErrorDetails) -> int:
    if error["loc"][-1:] == ("version",):
        return 0
    return 1 if error["type"] == "extra_forbidden" else 2


def _explained(error: ErrorDetails) -> tuple[str, object, str]:
    """The field, its value and what would be right. An unknown field's value is not shown: it may be a secret."""
    kind, context, field = error["type"], error.get("ctx", {}), ".".join(_path(error["loc"]))
    if kind == "refused":
        return f"{field}.{context['field']}".removeprefix("."), context["value"], str(context["expected"])
    if kind == "extra_forbidden":
        name = str(error["loc"][-1])
        close = difflib.get_close_matches(name, sorted(set(_field_names(Settings))), n=1)
        return field, name, f"a known field{f'; did you mean {close[0]!r}?' if close else ''}"
    if kind == "missing":
        return field, None, "a value: the field is required"
    if kind == "union_tag_not_found":
        return f"{field}.kind", None, "a value: the field is required"
    if kind == "union_tag_invalid":
        return f"{field}.kind", context["tag"], f"one of {context['expected_tags']}"
    return field, error["input"], _expected(error)


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "string_pattern_mismatch":
        pattern = str(error.get("ctx", {})["pattern"])
        return _WORDS.get(pattern, f"text that matches {pattern}")
    if error["type"] in _TYPES:
        return _TYPES[error["type"]]
    message = re.sub(r"^(Value error, |Input should be )", "", error["msg"])
    return message[:1].lower() + message[1:]


def _path(location: tuple[int | str, ...]) -> Iterator[str]:
    """The location as written in a file: without the tag that pydantic puts behind a field of several kinds."""
    for position, part in enumerate(location):
        if not position or location[position - 1] not in {"source", "store", "target"}:
            yield str(part)


def _field_names(kind: type[Settings]) -> Iterator[str]:
    for child in kind.__subclasses__():
        yield from child.model_fields
        yield from _field_names(child)


def _shown(value: object) -> object:
    """The value for the message, short: a whole job in an error helps nobody."""
    text = repr(value)
    return value if len(text) <= 80 else f"{text[:77]}..."
