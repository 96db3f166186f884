"""Days that are not like others: holidays, the user's events, and what must not be learnt from.

The models see gaps where such days were, so that last Monday's holiday is no pattern of Mondays. On coming occasions the forecast is multiplied by a
factor: the user's own (applied by the plan), or one learnt from earlier occurrences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.errors import SettingsError
from forecasting.models.task import HISTORY_DAYS
from forecasting.settings import Event, Fleet

Span = tuple[datetime, datetime]
"""Start and end (exclusive), aware."""

PRIOR_OCCURRENCES = 1.0
"""What is known of an occasion beforehand counts as one occurrence that changed nothing; of a holiday's name, as one like the country's others."""
SMALLEST_FACTOR, LARGEST_FACTOR = 0.05, 20.0
"""What one occurrence may say: a load that was nearly zero says nothing in logarithms."""
COMPARED_WEEKS = (-3, -2, -1, 1, 2, 3)
LEAST_DAYS = 1.0
"""Where less than this would be left of what the models read, nothing is left out."""


@dataclass(frozen=True)
class Occasion:
    """A holiday or an event.

    Attributes:
        name: What a person calls it.
        kind: Occasions of one kind lend each other their factors, e.g. `holiday US`; of an event, its own name.
        spans: When it was and will be, ascending.
        learnt: Its factor is learnt; otherwise the plan applies what the user expects.
    """

    name: str
    kind: str
    spans: tuple[Span, ...]
    learnt: bool = True


@dataclass(frozen=True)
class Calendar:
    """What is special about the days of a history and of the horizon after it.

    Attributes:
        occasions: Holidays and events.
        exclusions: Incidents and tests: not learnt from.
        time_zone: IANA zone whose clock the load follows.
    """

    occasions: tuple[Occasion, ...] = ()
    exclusions: tuple[Span, ...] = ()
    time_zone: str = "UTC"

    @classmethod
    def of(cls, fleet: Fleet, first: datetime, last: datetime) -> Calendar:
        """A fleet's calendar from `first` to `last` (aware).

        Raises:
            SettingsError: no holidays are known for a country or its part.
        """
        holidays = [each for code in fleet.holidays for each in holiday_occasions(code, first, last, fleet.time_zone)]
        events = [_event_occasion(event, first, last, fleet.time_zone) for event in fleet.events]
        excluded = tuple((each.start, each.end) for each in fleet.exclusions)
        return cls((*holidays, *(each for each in events if each.spans)), excluded, fleet.time_zone)

    def without_special(self, load: pd.Series[float]) -> pd.Series[float]:
        """The load with gaps where an occasion or an exclusion was; without the occasions only, or as it is, where too little would be left."""
        for spans in ((*self.exclusions, *self._spans()), self.exclusions):
            usual = _without(load, spans)
            if _is_enough(usual):
                return usual
        return load

    def by_day(self) -> Calendar:
        """The same for series of a step a day, whose stamps are the local days written as UTC: a day is as long as any other there."""
        zone = ZoneInfo(self.time_zone)
        as_utc = [
            replace(each, spans=tuple((_wall(start, zone), _wall(end, zone)) for start, end in each.spans))
            for each in self.occasions
        ]
        return Calendar(tuple(as_utc), tuple((_wall(start, zone), _wall(end, zone)) for start, end in self.exclusions))

    def without_excluded(self, load: pd.Series[float]) -> pd.Series[float]:
        """The load with gaps where an exclusion was."""
        return _without(load, self.exclusions)

    def keeps_excluded(self, load: pd.Series[float]) -> bool:
        """Whether the exclusions are learnt from all the same: without them too little of what the models read would be left."""
        usual = _without(load, self.exclusions)
        return not _is_enough(usual) and int(usual.notna().sum()) < int(load.notna().sum())

    def factors(self, load: pd.Series[float], future: pd.DatetimeIndex) -> pd.Series[float]:
        """The factor of each coming step, learnt from what the load was at earlier occurrences relative to the same weekdays around them.

        Occasions that share a step, such as one holiday of several countries, have one factor there, of all that is known of any of them: what
        happened on a day counts once, whoever has a name for it.

        Args:
            load: All history there is, not only what the models read; regular UTC steps, NaN for gaps.
            future: UTC start of the coming steps.
        """
        step = load.index[1] - load.index[0]
        found = np.ones(len(future))
        coming = [each for each in self.occasions if each.learnt and _within(future, step, each.spans).any()]
        if not coming:
            return pd.Series(found, index=future)
        ratios = self._ratios(load)
        shared, group = np.unique([_within(future, step, each.spans) for each in coming], axis=1, return_inverse=True)
        for number, column in enumerate(shared.T):
            together = [occasion for occasion, there in zip(coming, column, strict=True) if there]
            found[group.ravel() == number] = np.exp(_shrunk(together, ratios))
        return pd.Series(found, index=future)

    def _spans(self) -> tuple[Span, ...]:
        return tuple(span for occasion in self.occasions for span in occasion.spans)

    def _ratios(self, load: pd.Series[float]) -> list[tuple[Occasion, Span, float]]:
        """Logarithm of what the load was multiplied by at each past occurrence."""
        step, values = load.index[1] - load.index[0], load.to_numpy(float)
        usual = load.mask(_within(load.index, step, (*self.exclusions, *self._spans())))
        local = pd.DatetimeIndex(load.index).tz_convert(ZoneInfo(self.time_zone)).tz_localize(None)
        excluded = _within(load.index, step, self.exclusions)
        by_clock = pd.Series(usual.to_numpy(float), index=local)
        by_clock = by_clock[~by_clock.index.duplicated()]
        around = [by_clock.reindex(local + pd.Timedelta(weeks=weeks)).to_numpy(float) for weeks in COMPARED_WEEKS]
        counts = np.isfinite(around).sum(axis=0)
        expected = np.nansum(around, axis=0) / np.where(counts, counts, np.nan)
        found: list[tuple[Occasion, Span, float]] = []
        for occasion in self.occasions:
            for span in occasion.spans:
                inside = _within(load.index, step, (span,)) & ~excluded & np.isfinite(expected) & np.isfinite(values)
                total = float(expected[inside].sum())
                if total > 0:
                    ratio = float(values[inside].sum()) / total
                    found.append((occasion, span, float(np.log(np.clip(ratio, SMALLEST_FACTOR, LARGEST_FACTOR)))))
        return found


def _shrunk(together: list[Occasion], ratios: list[tuple[Occasion, Span, float]]) -> float:
    """The mean of occasions that share a step, drawn to their kinds', which is drawn to no effect. Each span counts once."""
    kinds, names = {each.kind for each in together}, {(each.kind, each.name) for each in together}
    kind = {span: ratio for other, span, ratio in ratios if other.kind in kinds}.values()
    own = {span: ratio for other, span, ratio in ratios if (other.kind, other.name) in names}.values()
    pooled = sum(kind) / (len(kind) + PRIOR_OCCURRENCES)
    return (sum(own) + PRIOR_OCCURRENCES * pooled) / (len(own) + PRIOR_OCCURRENCES)


def holiday_occasions(code: str, first: datetime, last: datetime, time_zone: str) -> list[Occasion]:
    """The public holidays of a country, or of a part of it, that are no weekend: a weekend's load is what it is already.

    Args:
        code: ISO 3166 code, e.g. 'US' or 'DE-BY'.
        first: Aware.
        last: Aware.
        time_zone: IANA zone of the days.

    Raises:
        SettingsError: `holidays` knows no such country or part.
    """
    module: Any = import_module("holidays")
    country, _, part = code.partition("-")
    zone = ZoneInfo(time_zone)
    days = [moment.astimezone(zone).date() for moment in (first, last)]
    try:
        known: Any = module.country_holidays(country, subdiv=part or None, years=range(days[0].year, days[1].year + 1))
    except NotImplementedError as error:
        raise SettingsError(
            "holidays", code, "an ISO 3166 code of a country, or of a part of it, such as 'US' or 'DE-BY'"
        ) from error
    by_name: dict[str, list[Span]] = {}
    for day, name in sorted(known.items()):
        if days[0] <= day <= days[1] and day.weekday() not in known.weekend:
            by_name.setdefault(str(name), []).append(_day(day, zone))
    return [Occasion(name, f"holiday {code}", tuple(spans)) for name, spans in by_name.items()]


def _day(day: date, zone: ZoneInfo) -> Span:
    starts = [datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + timedelta(days=1))]
    return starts[0], starts[1]


def _event_occasion(event: Event, first: datetime, last: datetime, time_zone: str) -> Occasion:
    spans = tuple(event.spans(first, last, time_zone))
    return Occasion(event.name, f"event {event.name}", spans, learnt=event.learn_factor)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=UTC)


def _without(load: pd.Series[float], spans: Iterable[Span]) -> pd.Series[float]:
    return load.mask(_within(load.index, load.index[1] - load.index[0], spans))


def _is_enough(load: pd.Series[float]) -> bool:
    step = load.index[1] - load.index[0]
    read = load.iloc[-(pd.Timedelta(days=HISTORY_DAYS) // step) :]
    return bool(read.notna().sum() * step >= pd.Timedelta(days=LEAST_DAYS))


def _within(index: pd.Index[Any], step: pd.Timedelta, spans: Iterable[Span]) -> npt.NDArray[np.bool_]:
    """The steps that a span touches, also by a part."""
    inside = np.zeros(len(index), bool)
    stamps = pd.DatetimeIndex(index)
    for start, end in spans:
        inside |= np.asarray((stamps < pd.Timestamp(end)) & (stamps + step > pd.Timestamp(start)))
    return inside
