"""Headroom for the peaks that a step's mean does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.history.base import History
from forecasting.history.chance import chance_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_HEADROOM = 3.0
"""A step whose peaks are more than three times its mean is better served by a shorter step."""

MIN_STEPS = 96
"""Fewer steps than this (a day at 15 min) say too little: no headroom is learnt."""

RECURRING_FACTOR = 1.3
"""A ratio of peak to mean above this factor of the usual one is a peak within the step."""
RECURRING_SHARE = 0.5
"""A peak recurs if more than this share of the steps at its time have one."""
CHANCE = 0.05
"""Most probability that peaks at random times would recur at any time."""
LEAST_WEEKS = 3
"""Fewer occurrences of a time of the week do not tell it from the same time of other days."""
_WEEK = 7


@dataclass(frozen=True)
class Headroom:
    """Factors from the mean load of a step to its peak.

    Attributes:
        factor: Of every step.
        by_step: Factors of steps with a recurring peak, such as jobs at the full hour, by local time
            of the week from Monday on, 1 for all other steps; empty if no peak recurs.
        time_zone: IANA zone of the local time.
    """

    factor: float = 1.0
    by_step: tuple[float, ...] = ()
    time_zone: str = "UTC"

    @classmethod
    def of(cls, history: History, quantile: float, time_zone: str = "UTC") -> Headroom:
        """Learn the factors at `quantile` from a clean history.

        A peak of minutes that recurs is not bounded by MAX_HEADROOM: the load needs it at that time.
        """
        found = _Ratios.of(history)
        if found is None:
            return cls()
        slots, per_day = _time_of_week(found.index, _step(history.load), time_zone)
        recurring = found.recurring(slots, per_day)
        if not recurring.any():
            return cls(found.factor(quantile))
        inside = recurring[slots]
        by_step = np.ones(_WEEK * per_day)
        day = slots % per_day
        for time in np.unique(np.flatnonzero(recurring) % per_day).tolist():
            factor = float(np.quantile(found.ratio[inside & found.high & (day == time)], quantile))
            by_step[time::per_day] = np.where(recurring[time::per_day], factor, 1.0)
        rest = found.without(inside)
        return cls(rest.factor(quantile) if rest else 1.0, tuple(by_step.tolist()), time_zone)

    def over(self, index: pd.DatetimeIndex) -> FloatArray:
        """The factor of each step of a regular index."""
        found = np.full(len(index), self.factor)
        if not self.by_step:
            return found
        slots, _ = _time_of_week(index, pd.Timedelta(minutes=_WEEK * 1440 // len(self.by_step)), self.time_zone)
        return np.maximum(found, np.array(self.by_step)[slots])


@dataclass(frozen=True)
class _Ratios:
    """Peak and mean of the known steps of a history, each of shape (steps,)."""

    index: pd.DatetimeIndex
    peak: FloatArray
    mean: FloatArray

    @classmethod
    def of(cls, history: History) -> _Ratios | None:
        """None if the source is no finer than the step or the history is too short."""
        step = _step(history.load)
        if _step(history.fine) >= step:
            return None
        steps = history.fine.resample(step)
        peak, mean = np.asarray(steps.max(), np.float64), np.asarray(steps.mean(), np.float64)
        known = np.isfinite(peak) & (mean > 0)
        if known.sum() < MIN_STEPS:
            return None
        index = pd.DatetimeIndex(steps.max().index)
        return cls(index[known], peak[known], mean[known])

    @property
    def ratio(self) -> FloatArray:
        return self.peak / self.mean

    @property
    def high(self) -> npt.NDArray[np.bool_]:
        """Steps with a peak inside them that sizes the fleet: at night ratios are large and instances few."""
        usual = float(np.median(self.ratio))
        return (self.ratio > RECURRING_FACTOR * usual) & (self.peak >= np.median(self.mean))

    def factor(self, quantile: float) -> float:
        """The ratio at a quantile over the busy half, at most MAX_HEADROOM."""
        busy = self.mean >= np.median(self.mean)
        return float(min(max(np.quantile(self.ratio[busy], quantile), 1.0), MAX_HEADROOM))

    def recurring(self, slots: IntArray, per_day: int) -> npt.NDArray[np.bool_]:
        """Times of the week with a recurring peak, shape (7 x steps of a day,)."""
        week = _WEEK * per_day
        high = self.high
        known, peaks = np.bincount(slots, minlength=week), np.bincount(slots[high], minlength=week)
        day_known, day_peaks = (np.tile(each.reshape(_WEEK, -1).sum(axis=0), _WEEK) for each in (known, peaks))
        rate = float(high.mean())
        by_week = _above_chance(known, peaks, rate, week)
        by_day = _above_chance(day_known, day_peaks, rate, per_day)
        # Peaks of working days are none of Sundays.
        often = (peaks > RECURRING_SHARE * known) | (known < LEAST_WEEKS)
        return by_week | (by_day & often)

    def without(self, steps: npt.NDArray[np.bool_]) -> _Ratios | None:
        """The other steps, None if they are too few."""
        if (~steps).sum() < MIN_STEPS:
            return None
        return _Ratios(self.index[~steps], self.peak[~steps], self.mean[~steps])


def _above_chance(known: IntArray, peaks: IntArray, rate: float, tried: int) -> npt.NDArray[np.bool_]:
    """Times with peaks on most of their days, more than chance gives to any of the times tried."""
    pairs: list[tuple[int, int]] = list(zip(known.tolist(), peaks.tolist(), strict=True))
    recur = {
        (among, seen): seen > RECURRING_SHARE * among and chance_of(seen, among, rate) * tried < CHANCE
        for among, seen in set(pairs)
    }
    return np.array([recur[pair] for pair in pairs])


def learn_headroom(history: History, quantile: float) -> float:
    """Ratio of the highest fine sample inside a step to the step's mean, at `quantile` over the fleet's busy half.

    A perfect forecast of 15-min means leaves 3 % of real load uncovered, because capacity must carry the peak and not the mean. The busy half is
    what sizes a fleet; at night the ratio is large and the instances are few.

    Args:
        history: The clean history; `fine` is at the source's own step.
        quantile: Share of steps whose peak is to be covered, 0 < quantile < 1.

    Returns:
        A factor >= 1, or 1.0 where the source is no finer than the step or the history is too short.
    """
    found = _Ratios.of(history)
    return found.factor(quantile) if found else 1.0


def _time_of_week(index: pd.DatetimeIndex, step: pd.Timedelta, time_zone: str) -> tuple[IntArray, int]:
    """Step of the local week from Monday on, and the steps of a day."""
    local = index.tz_convert(time_zone)
    minutes = int(step / pd.Timedelta(minutes=1))
    per_day = 1440 // minutes
    of_day = (np.asarray(local.hour) * 60 + np.asarray(local.minute)) // minutes
    return np.asarray(local.day_of_week * per_day + of_day, np.int64), per_day


def _step(series: pd.Series[float]) -> pd.Timedelta:
    index = pd.DatetimeIndex(series.index)
    return pd.Timedelta(index[1] - index[0])
