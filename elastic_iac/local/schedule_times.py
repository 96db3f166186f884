"""When a schedule of EventBridge Scheduler falls due.

Sources: GUIDE = EventBridge Scheduler user guide, "Schedule types"; INFERRED = not documented, the stricter reading taken.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from elastic_iac.local.wire import AwsError

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199  # GUIDE, cron: the years that the field takes


def occurrences(expression: str, zone: str, start: datetime, after: datetime) -> Iterator[datetime]:
    """The moments of a schedule that come after `after`, UTC.

    Args:
        expression: `rate(...)`, `cron(...)` or `at(...)`.
        zone: IANA name; for cron and at.
        start: When a rate is counted from (aware): its first moment (GUIDE: the start date; INFERRED: without one, the creation).
        after: Aware.

    Raises:
        AwsError: `ValidationException`, no such expression or zone.
    """
    try:
        place = ZoneInfo(zone)
    except (ValueError, OSError, KeyError) as error:
        raise _invalid(f"Invalid Schedule Expression Timezone {zone!r}.") from error
    if rate := _RATE.fullmatch(expression):
        return _rate(expression, rate, start, after)
    if cron := _CRON.fullmatch(expression):
        return _cron(expression, cron[1].split(), place, after)
    if at := _AT.fullmatch(expression):
        moment = datetime.fromisoformat(at[1]).replace(tzinfo=place).astimezone(UTC)
        return iter([moment] if moment > after else [])
    raise _refused(expression)


def _rate(expression: str, rate: re.Match[str], start: datetime, after: datetime) -> Iterator[datetime]:
    number, unit, plural = int(rate[1]), rate[2], rate[3]
    if number < 1 or (number == 1) == bool(plural):  # GUIDE: singular for 1, plural otherwise
        raise _refused(expression)
    step = number * _UNITS[unit]

    def moments() -> Iterator[datetime]:
        moment = start if start > after else start + ((after - start) // step + 1) * step
        while True:
            yield moment
            moment += step

    return moments()


def _cron(expression: str, fields: list[str], place: ZoneInfo, after: datetime) -> Iterator[datetime]:
    if len(fields) != 6:
        raise _refused(expression)
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):  # GUIDE: one of the two day fields is "?"
        raise _refused(expression)
    five = (minutes, hours, days.replace("?", "*"), months, _weekdays(weekdays.replace("?", "*")))
    meant = _years(expression, years)
    cronsim: Any = importlib.import_module("cronsim")  # no stubs: taken as Any
    try:
        simulated: Iterator[datetime] = cronsim.CronSim(" ".join(five), after.astimezone(place))
    except cronsim.CronSimError as error:
        raise _refused(expression) from error

    def moments() -> Iterator[datetime]:
        for moment in simulated:
            if moment.year > max(meant):
                return
            if moment.year in meant:
                yield moment.astimezone(UTC)

    return moments()


def _weekdays(field: str) -> str:
    """GUIDE: 1 is Sunday; in Unix cron 0 is. The number after `#` counts weeks, the one after `/` steps."""
    return re.sub(r"(?<![#/\d])\d", lambda day: str(int(day[0]) - 1), field)


def _years(expression: str, field: str) -> range | frozenset[int]:
    if field == "*":
        return range(_FIRST_YEAR, _LAST_YEAR + 1)
    years: set[int] = set()
    for part in field.split(","):
        bounds = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", part)
        if bounds is None:
            raise _refused(expression)
        years |= set(range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1))
    if not years or min(years) < _FIRST_YEAR or max(years) > _LAST_YEAR:
        raise _refused(expression)
    return frozenset(years)


def _refused(expression: str) -> AwsError:
    return _invalid(f"Invalid Schedule Expression {expression}.")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
