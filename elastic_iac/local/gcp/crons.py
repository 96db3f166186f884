"""The extended cron of scaling schedules: five fields and an optional year, in a time zone.

API, AutoscalingPolicyScalingSchedule.schedule. The day's fields and what daylight saving does to them are cronsim's, which follows Debian's cron
(INFERRED, Google does not say): a start at a local time that does not exist happens at the next minute that does, one that exists twice happens
the first time; an expression whose minute or hour begins with `*` goes by elapsed time instead.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_YEARS = range(1970, 2100)  # INFERRED
_SLACK = timedelta(hours=3)  # more than any zone's clock is ever moved by; cronsim goes by local time


class CronError(ValueError):
    """The expression or the zone is none."""


class Cron:
    """One expression in one zone. Moments are aware; answers are UTC."""

    def __init__(self, expression: str, zone: str) -> None:
        """Read it.

        Raises:
            CronError: it cannot be read, or there is no such zone.
        """
        fields = expression.split()
        if len(fields) not in {5, 6} or not all(_FIELD.fullmatch(field) for field in fields):
            raise CronError("expected minute, hour, day of month, month, day of week and an optional year")
        try:
            self._zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise CronError(f"{zone!r} is not a time zone of the tz database") from error
        self._expression = " ".join(fields[:5])
        self._years = _parsed_years(fields[5]) if len(fields) == 6 else frozenset(_YEARS)
        self._simulated(datetime(2026, 1, 1, tzinfo=UTC), reverse=False)  # raises where a field is out of range

    def starts(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """All starts with begin <= start <= end, in order of time."""
        moment = max(begin, datetime(min(self._years), 1, 1, tzinfo=UTC) - timedelta(days=1)) - _SLACK
        simulated = self._simulated(moment, reverse=False)
        for start in simulated:
            if start > end:
                return
            if start < begin:  # within the slack, perhaps of the year before
                continue
            if self._local_year(start) not in self._years:
                later = [year for year in self._years if year > self._local_year(start)]
                if later:
                    yield from self.starts(max(begin, datetime(min(later), 1, 1, tzinfo=self._zone)), end)
                return
            yield start

    @functools.cached_property
    def _only(self) -> datetime | None:
        """The start of an expression for one moment, such as `45 15 18 5 *` of one year; None for any other."""
        if len(self._years) > 1 or not all(field.isdigit() for field in self._expression.split()[:4]):
            return None
        (year,) = self._years
        starts = self.starts(datetime(year - 1, 12, 31, tzinfo=UTC), datetime(year + 1, 1, 2, tzinfo=UTC))
        found = list(itertools.islice(starts, 2))
        return found[0] if len(found) == 1 else None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first start after the moment; None: there is none."""
        if self._only:
            return self._only if self._only > moment else None
        return next(self.starts(moment + timedelta(seconds=1), datetime(max(_YEARS) + 1, 1, 1, tzinfo=UTC)), None)

    def last_until(self, moment: datetime) -> datetime | None:
        """The last start at the moment or before; None: there is none."""
        if self._only:
            return self._only if self._only <= moment else None
        for start in self._simulated(moment + _SLACK, reverse=True):
            if start > moment:
                continue
            if self._local_year(start) in self._years:
                return start
            earlier = [year for year in self._years if year < self._local_year(start)]
            return self.last_until(datetime(max(earlier), 12, 31, 23, 59, 59, tzinfo=self._zone)) if earlier else None
        return None

    def _local_year(self, start: datetime) -> int:
        return start.astimezone(self._zone).year

    def _simulated(self, moment: datetime, *, reverse: bool) -> Iterator[datetime]:
        cronsim: Any = importlib.import_module("cronsim")
        try:
            runs = cronsim.CronSim(self._expression, moment.astimezone(self._zone), reverse=reverse)
        except cronsim.CronSimError as error:
            raise CronError(str(error)) from error
        return (run.astimezone(UTC) for run in runs)


@functools.lru_cache(maxsize=4096)
def cron(expression: str, zone: str) -> Cron:
    """The same cron, read once.

    Raises:
        CronError: it cannot be read, or there is no such zone.
    """
    return Cron(expression, zone)


def _parsed_years(field: str) -> frozenset[int]:
    years: set[int] = set()
    for item in field.split(","):
        match = re.fullmatch(r"(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?", item)
        if match is None:
            raise CronError(f"Bad year: {field}")
        star, first, last, step = match.groups()
        begin = _YEARS.start if star else int(first)
        end = _YEARS.stop - 1 if star or (step and not last) else int(last or first)
        if begin not in _YEARS or end not in _YEARS or begin > end or step == "0":
            raise CronError(f"Bad year: {field}")
        years.update(range(begin, end + 1, int(step or 1)))
    return frozenset(years)
