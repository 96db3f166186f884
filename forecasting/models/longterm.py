"""Weeks to a year ahead, a day a step: for reservations and budgets, not for schedules.

Little of a year ahead can be known from weeks of history, and the bands say so: level, days of the week, a damped trend, a yearly season once more
than a year is known; the uncertainty of the level grows with the square root of the lead, as a random walk's does.
A trend is carried no further than it was seen for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.errors import ForecastError
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, Forecast, IntArray, ModelChoice

BoolArray = npt.NDArray[np.bool_]

LEAST_DAYS = 14
MOST_DAYS = 365
LEVEL_HALF_LIFE_DAYS = 14.0
TREND_WEEKS = 26
"""Older weeks say nothing of the present trend."""
TREND_PRIOR_WEEKS = 8.0
"""A trend seen for so many weeks is believed by half."""
TREND_DAMPING = 0.95
"""Share of the trend that is left a week later: none lasts a year."""
YEARLY_FROM_DAYS = 400
YEARLY_HARMONICS = 2
RANGE_FACTOR = 10.0
"""Nothing is forecast above so many times the largest day seen, and a day above so many times all others is not learnt from."""
LEAST_WEEKLY_DRIFT = 0.02
"""Standard deviation of the log level's change in a week that is assumed at least: a quiet month promises no quiet year."""


@dataclass(frozen=True)
class _Parts:
    """The history's logarithm in parts, each of shape (days,) but `week`, of shape (7,)."""

    week: FloatArray
    yearly: FloatArray
    rest: FloatArray


def forecast_days(daily: pd.Series[float], days: int, quantiles: Sequence[float] = DEFAULT_QUANTILES) -> Forecast:
    """Forecast the mean load of each of the coming days.

    Args:
        daily: Mean load of each day (regular DatetimeIndex, a day a step, with a time zone), at least 14 days; NaN for gaps. All of it is read.
        days: How many, 1 to 365.
        quantiles: Each within (0, 1).

    Raises:
        ForecastError: less than 14 days are known, or more than 365 are asked for.
    """
    values = np.asarray(daily, np.float64)
    known = np.isfinite(values)
    if known.sum() < LEAST_DAYS:
        raise ForecastError(f"history: {known.sum()} days are known; expected {LEAST_DAYS} or more for daily steps")
    if not 1 <= days <= MOST_DAYS:
        raise ForecastError(f"days: {days}; expected 1 to {MOST_DAYS}")
    index = pd.DatetimeIndex(daily.index)
    future = pd.date_range(index[-1], periods=days + 1, freq="D")[1:]
    values = _without_lone_spike(values, known)
    known = np.isfinite(values)
    if not values[known].any():
        path = np.zeros((days, len(quantiles)))
    else:
        # A hundredth of the mean keeps an idle day's logarithm from outweighing the busy ones.
        offset = 0.01 * float(values[known].mean())
        weekdays = np.arange(len(values) + days) % 7
        parts = _parts(np.log(values + offset), weekdays[: len(values)], days)
        level, trend = _level_and_trend(parts.rest)
        weeks = np.arange(1, days + 1) / 7
        # No longer ahead than it was seen for.
        carried = np.minimum(weeks, len(values) / 7)
        damped = trend * (1 - TREND_DAMPING**carried) / (1 - TREND_DAMPING)
        middle = level + damped + parts.week[weekdays[len(values) :]] + parts.yearly[len(values) :]
        spread = np.sqrt(_day_noise(parts.rest) ** 2 + _weekly_drift(parts.rest) ** 2 * weeks)
        normal = np.array([NormalDist().inv_cdf(quantile) for quantile in sorted(quantiles)])
        most = RANGE_FACTOR * float(values[known].max())
        path = np.clip(np.exp(middle[:, None] + spread[:, None] * normal) - offset, 0.0, most)
    columns = pd.Index(sorted(quantiles), name="quantile")
    return Forecast(
        pd.DataFrame(path, index=future, columns=columns), ModelChoice("daily", {"level-weekday-trend": 1.0})
    )


def _without_lone_spike(values: FloatArray, known: BoolArray) -> FloatArray:
    most = RANGE_FACTOR * float(np.sort(values[known])[-2])
    found = values.copy()
    found[known & (values > most)] = np.nan
    return found


def _parts(series: FloatArray, weekdays: IntArray, days: int) -> _Parts:
    """Weekday effects, the yearly season for the history and `days` more, and what they leave."""
    yearly = np.zeros(len(series) + days)
    if len(series) >= YEARLY_FROM_DAYS:
        time = np.arange(len(series) + days)
        angles = 2 * np.pi * np.outer(time / 365.25, np.arange(1, YEARLY_HARMONICS + 1))
        terms = np.hstack([np.ones((len(time), 1)), time[:, None] / len(series), np.sin(angles), np.cos(angles)])
        past, known = terms[: len(series)], np.isfinite(series)
        gram = past[known].T @ past[known] + 1e-3 * known.sum() * np.eye(terms.shape[1])
        coefficients = np.asarray(np.linalg.inv(gram) @ (past[known].T @ series[known]), np.float64)
        yearly = np.asarray(terms[:, 2:] @ coefficients[2:], np.float64)
    rest = series - yearly[: len(series)]
    around = pd.Series(rest).rolling(7, center=True, min_periods=4).median().to_numpy(float)
    week = np.array([_shrunken_median((rest - around)[weekdays == day]) for day in range(7)])
    return _Parts(week - week.mean(), yearly, rest - (week - week.mean())[weekdays])


def _shrunken_median(sample: FloatArray) -> float:
    sample = sample[np.isfinite(sample)]
    return float(np.median(sample)) * len(sample) / (len(sample) + 1) if len(sample) else 0.0


def _level_and_trend(rest: FloatArray) -> tuple[float, float]:
    """The present level, and its change a week: the median slope between weeks (Theil 1950, Sen 1968), drawn to none."""
    weekly = _weekly_means(rest)[-TREND_WEEKS:]
    trend = 0.0
    if len(weekly) >= 4:
        first, last = np.triu_indices(len(weekly), 1)
        slope = float(np.nanmedian((weekly[last] - weekly[first]) / (last - first)))
        trend = slope * len(weekly) / (len(weekly) + TREND_PRIOR_WEEKS)
    ages = np.arange(len(rest))[::-1]
    weights = np.where(np.isfinite(rest), np.exp2(-ages / LEVEL_HALF_LIFE_DAYS), 0.0)
    # Each day as it would be today: a mean of the past alone lags behind a trend.
    today = np.where(weights > 0, rest, 0.0) + trend * ages / 7
    return float((weights * today).sum() / weights.sum()), trend


def _weekly_means(rest: FloatArray) -> FloatArray:
    weeks = len(rest) // 7
    days = rest[len(rest) - 7 * weeks :].reshape(weeks, 7)
    counts = np.isfinite(days).sum(axis=1)
    return np.where(counts, np.nansum(days, axis=1) / np.maximum(counts, 1), np.nan)


def _day_noise(rest: FloatArray) -> float:
    """Standard deviation of a day around its fortnight, by the median absolute deviation."""
    around = pd.Series(rest).rolling(14, min_periods=4).median().to_numpy(float)
    return 1.4826 * float(np.nanmedian(np.abs(rest - around)))


def _weekly_drift(rest: FloatArray) -> float:
    """Standard deviation of the level's changes from week to week about the usual one: a steady trend is no drift."""
    changes = np.diff(_weekly_means(rest))
    changes = changes[np.isfinite(changes)]
    # Two weeks give one change: it is taken with the least that is assumed.
    return float(
        np.sqrt(LEAST_WEEKLY_DRIFT**2 + (np.mean((changes - np.median(changes)) ** 2) if len(changes) else 0.0))
    )
