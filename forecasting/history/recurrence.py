"""Recurring days of high load that models of days and weeks cannot follow.

Month-ends, first days, every second Friday, a sale once a year: the history shows them, the forecast
does not. They are named with a rule of RFC 5545, to be declared as an event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.history.chance import chance_of

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

HIGH = 1.5
"""A day is high if its load, or that of its highest hour, exceeds this factor of the usual one."""
USUAL_QUANTILE = 1 / 3
"""Of the same weekday in the weeks around: below the median, as every second of them may be high."""
WEEKS_AROUND = (-4, -3, -2, -1, 1, 2, 3, 4)
LEAST_AROUND = 3
LEAST_SHARE = 0.75
"""A rule holds if at least this share of its days are high."""
LEAST_SEEN, LEAST_YEARS = 3, 2
"""High days that a rule must have, and one that comes once a year."""
CHANCE = 0.01
"""Most probability that any of the rules would hold so well if high days came at random."""
MOST_RULES = 3
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_PLACES = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}


@dataclass(frozen=True)
class RecurringDay:
    """A rule whose days are high.

    Attributes:
        rule: RFC 5545.
        words: Its days, in the plural.
        seen: High days among them.
        known: Its days in the history.
        factor: Median of the load of the high ones over the usual load.
        first: The first day of the rule in the history.
    """

    rule: str
    words: str
    seen: int
    known: int
    factor: float
    first: date

    @property
    def advice(self) -> str:
        """Text for a user."""
        return (
            f"{self.seen} of {self.known} {self.words} had {self.factor:.2g} times the usual load, and the models "
            f"follow days and weeks only: declare an event with `repeats: {self.rule}` and `learn_factor: true` "
            f"that starts on {self.first}"
        )


@dataclass(frozen=True)
class _Rule:
    rule: str
    words: str
    days: BoolArray
    least: int = LEAST_SEEN


def recurring_days(load: pd.Series[float], time_zone: str) -> tuple[RecurringDay, ...]:
    """The rules that explain the high days of a history best, each day counted once.

    Args:
        load: Regular UTC steps, NaN for gaps and for events that are declared.
        time_zone: IANA zone of the days.
    """
    if not len(load):
        return ()
    ratio, days = _ratios(load, time_zone)
    known = np.isfinite(ratio)
    if known.sum() < 7 * (LEAST_AROUND + 1):
        return ()
    high = known & (np.nan_to_num(ratio) >= HIGH)
    rules = list(_rules(days))
    rate = float(high.sum() / known.sum())
    found: list[RecurringDay] = []
    left = high.copy()
    while len(found) < MOST_RULES:
        best = max(rules, key=lambda rule: _gain(rule, left, known), default=None)
        if best is None or not _holds(best, left, known, rate, len(rules)):
            break
        seen = best.days & left
        factor = float(np.median(ratio[seen]))
        first = days[int(np.argmax(best.days))].date()
        known_days = int((best.days & known).sum())
        found.append(RecurringDay(best.rule, best.words, int(seen.sum()), known_days, factor, first))
        left &= ~best.days
    return tuple(found)


def _ratios(load: pd.Series[float], time_zone: str) -> tuple[FloatArray, pd.DatetimeIndex]:
    """Load of each whole local day over the usual one, by its mean or its highest hour."""
    hours = load.tz_convert(time_zone).resample("1h").mean()
    by_day = hours.groupby(pd.DatetimeIndex(hours.index).tz_localize(None).normalize())
    whole = by_day.count() >= 22
    days = pd.DatetimeIndex(whole.index)
    ratios = [_over_usual(np.asarray(each.where(whole), np.float64)) for each in (by_day.mean(), by_day.max())]
    return np.fmax(*ratios), days


def _over_usual(values: FloatArray) -> FloatArray:
    at = np.arange(len(values))[None] + 7 * np.array(WEEKS_AROUND)[:, None]
    around = np.where((at >= 0) & (at < len(values)), values[np.clip(at, 0, len(values) - 1)], np.nan)
    count = np.isfinite(around).sum(axis=0)
    ranked = np.sort(around, axis=0)
    place = np.floor(USUAL_QUANTILE * np.maximum(count - 1, 0)).astype(np.int64)
    usual = np.take_along_axis(ranked, place[None], axis=0)[0]
    some = (count >= LEAST_AROUND) & (np.nan_to_num(usual) > 0)
    return np.where(some, values / np.where(some, usual, 1.0), np.nan)


def _rules(days: pd.DatetimeIndex) -> Iterator[_Rule]:
    """All rules that are tried."""
    day, month, weekday = (np.asarray(each) for each in (days.day, days.month, days.day_of_week))
    left = np.asarray(days.days_in_month) - day
    yield _Rule("FREQ=MONTHLY;BYMONTHDAY=-1", "last days of a month", left == 0)
    for number in range(1, 29):
        yield _Rule(f"FREQ=MONTHLY;BYMONTHDAY={number}", f"days {number} of a month", day == number)
    working = weekday < 5
    names = ",".join(WEEKDAYS[:5])
    last = working & ((left == 0) | ((weekday == 4) & (left <= 2)))
    first = working & ((day == 1) | ((weekday == 0) & (day <= 3)))
    yield _Rule(f"FREQ=MONTHLY;BYDAY={names};BYSETPOS=-1", "last working days of a month", last)
    yield _Rule(f"FREQ=MONTHLY;BYDAY={names};BYSETPOS=1", "first working days of a month", first)
    week = np.asarray((days - pd.Timestamp("1970-01-05")).days) // 7
    for of_week, (short, name) in enumerate(zip(WEEKDAYS, _DAYS, strict=True)):
        here = weekday == of_week
        for phase in range(2):
            yield _Rule(
                f"FREQ=WEEKLY;INTERVAL=2;BYDAY={short}", f"every second of the {name}", here & (week % 2 == phase)
            )
        for place, word in _PLACES.items():
            in_month = here & ((left < 7) if place < 0 else ((day - 1) // 7 + 1 == place))
            yield _Rule(f"FREQ=MONTHLY;BYDAY={place}{short}", f"{word} {name} of a month", in_month)
            for number in np.unique(month).tolist():
                yield _Rule(
                    f"FREQ=YEARLY;BYMONTH={number};BYDAY={place}{short}",
                    f"{word} {name} of month {number}",
                    in_month & (month == number),
                    LEAST_YEARS,
                )


def _gain(rule: _Rule, high: BoolArray, known: BoolArray) -> int:
    seen = int((rule.days & high).sum())
    return seen - 2 * (int((rule.days & known).sum()) - seen)


def _holds(rule: _Rule, high: BoolArray, known: BoolArray, rate: float, tried: int) -> bool:
    seen, among = int((rule.days & high).sum()), int((rule.days & known).sum())
    if seen < max(rule.least, LEAST_SHARE * among):
        return False
    return chance_of(seen, among, rate) * tried < CHANCE
