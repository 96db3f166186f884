"""Forecasts from the average shape of past days and weeks, scaled to the present level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.naive import look_back, median_of_known, values_at

_TINY = 1e-9
"""Keeps ratios finite; loads are of a magnitude near 1."""


def trailing_mean(load: FloatArray, origins: IntArray, steps: int) -> FloatArray:
    """Mean of the (at most) `steps` values before each origin, shape (origins,)."""
    total = np.concatenate([[0.0], np.cumsum(load)])
    first = np.maximum(origins - steps, 0)
    return (total[origins] - total[first]) / np.maximum(origins - first, 1)


@dataclass(frozen=True)
class WeeklyProfile:
    """The weekly profile of the last four weeks, weights halving a week, times the present level.

    The level is the load of the last 24 hours relative to the profile; that of the last 3 hours is mixed in and fades over hours.
    """

    name: str = "weekly-profile"
    weeks: ClassVar[int] = 4
    fade_hours: ClassVar[float] = 6.0
    largest_ratio: ClassVar[float] = 4.0

    def minimum_steps(self, steps_per_day: int) -> int:
        """A week, and the day whose level is compared with it."""
        return 8 * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        leads = np.arange(-steps_per_day, horizon)
        profile = self._profile(load, origins, leads, 7 * steps_per_day)
        recent = profile[:, :steps_per_day]
        short = max(steps_per_day // 8, 1)
        day_ratio = self._ratio(load, origins, recent)
        short_ratio = self._ratio(load, origins, recent[:, -short:])
        fade = np.exp(-np.arange(horizon) * 24.0 / (steps_per_day * self.fade_hours))
        level = day_ratio[:, None] * (short_ratio / day_ratio)[:, None] ** fade[None, :]
        return profile[:, steps_per_day:] * level

    def _profile(self, load: FloatArray, origins: IntArray, leads: IntArray, week: int) -> FloatArray:
        latest = look_back(load, origins, leads, week)
        total, weights = np.zeros_like(latest), np.zeros_like(latest)
        for weeks_back in range(self.weeks):
            value = look_back(load, origins - week * weeks_back, leads, week) if weeks_back else latest
            known = np.isfinite(value)
            total += np.where(known, value, 0.0) * 0.5**weeks_back
            weights += known * 0.5**weeks_back
        return np.where(np.isfinite(latest), total / np.maximum(weights, _TINY), np.nan)

    def _ratio(self, load: FloatArray, origins: IntArray, profile: FloatArray) -> FloatArray:
        level = trailing_mean(load, origins, profile.shape[1])
        ratio = (level + _TINY) / (profile.mean(axis=1) + _TINY)
        return np.clip(ratio, 1.0 / self.largest_ratio, self.largest_ratio)


@dataclass(frozen=True)
class WeeklyMedian:
    """The median of the same time in the last four weeks, as it is or at half of the present level.

    Where the calendar drives the load, yesterday's level is noise, and a median ignores a week that
    was unlike the others. The level is additive: half of the last day's mean residual stays over the
    horizon, the mean residual of the last 3 hours fades over hours.
    """

    name: str
    level_share: float | None = None
    weeks: ClassVar[int] = 4
    fade_hours: ClassVar[float] = 6.0

    def minimum_steps(self, steps_per_day: int) -> int:
        """A week, and a day more to compare the level of."""
        return (7 if self.level_share is None else 8) * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        before = 0 if self.level_share is None else steps_per_day
        median = self._median(load, origins, np.arange(-before, horizon), 7 * steps_per_day)
        if self.level_share is None:
            return median
        residuals = load[origins[:, None] + np.arange(-before, 0)] - median[:, :before]
        day = self.level_share * residuals.mean(axis=1)[:, None]
        short = residuals[:, -max(steps_per_day // 8, 1) :].mean(axis=1)[:, None]
        fade = np.exp(-np.arange(horizon) * 24.0 / (steps_per_day * self.fade_hours))
        return median[:, before:] + day + (short - day) * fade

    def _median(self, load: FloatArray, origins: IntArray, leads: IntArray, week: int) -> FloatArray:
        found = np.stack([look_back(load, origins - week * back, leads, week) for back in range(self.weeks)])
        return median_of_known(found)


@dataclass(frozen=True)
class MedianDay:
    """The median day of the last seven, times the square root of the level of the last day relative to them."""

    name: str = "median-day"

    def minimum_steps(self, steps_per_day: int) -> int:
        """One day: its median is the seasonal naive forecast."""
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        lags = steps_per_day * np.arange(1, 8)
        days = values_at(load, origins[:, None, None] + np.arange(steps_per_day)[None, None, :] - lags[None, :, None])
        known = np.isfinite(days).all(axis=2)
        median = np.full((len(origins), steps_per_day), np.nan)
        for count in np.unique(known.sum(axis=1)):
            rows = known.sum(axis=1) == count
            if count:
                median[rows] = np.median(days[rows, :count], axis=1)
        day, week = (trailing_mean(load, origins, count * steps_per_day) for count in (1, 7))
        level = np.sqrt((day + _TINY) / (week + _TINY))
        return (median * level[:, None])[:, np.arange(horizon) % steps_per_day]


@dataclass(frozen=True)
class WeekMedian:
    """The median of the last seven days, at every step: best where nothing repeats."""

    name: str = "week-median"

    def minimum_steps(self, steps_per_day: int) -> int:
        """One day."""
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        week = 7 * steps_per_day
        medians = np.empty(len(origins))
        whole = origins >= week
        medians[whole] = np.median(load[origins[whole, None] - np.arange(1, week + 1)], axis=1)
        medians[~whole] = [np.median(load[:origin]) for origin in origins[~whole].tolist()]
        return np.repeat(medians[:, None], horizon, axis=1)


@dataclass(frozen=True)
class DayMean:
    """The mean of the last seven days, weights halving a day, at every step: follows a level that moved, whatever repeats."""

    name: str = "day-mean"
    days: ClassVar[int] = 7
    half_life_days: ClassVar[float] = 1.0

    def minimum_steps(self, steps_per_day: int) -> int:
        """One day."""
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        ages = np.arange(1, self.days * steps_per_day + 1)
        weights = np.exp2(-ages / (self.half_life_days * steps_per_day))
        past = values_at(load, origins[:, None] - ages)
        known = np.isfinite(past)
        level = (np.where(known, past, 0.0) @ weights) / (known @ weights)
        return np.repeat(level[:, None], horizon, axis=1)
