"""What is asked of the models: the arguments of `forecast`, checked and brought onto local steps near 1."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.errors import ForecastError, SettingsError
from forecasting.models.base import FloatArray
from forecasting.models.wallclock import WallClock

HISTORY_DAYS = 28
"""Older history is not read: weights, half-lives and bands were measured on four weeks."""

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Task:
    """Checked arguments.

    Attributes:
        load: The history on local steps over `2 ** unit`, NaN for gaps: a power of two, so that the division is exact and no magnitude overflows.
        bound: The same values where a step is censored, else NaN.
        unit: Exponent of the unit.
        steps_per_day: Steps in a day.
        clock: From UTC to local steps.
        future: UTC start of each step to forecast.
        quantiles: Ascending.
        model: `auto` or a model's name.
        budget_seconds: Time for all models together.
    """

    load: FloatArray
    bound: FloatArray
    unit: int
    steps_per_day: int
    clock: WallClock
    future: pd.DatetimeIndex
    quantiles: tuple[float, ...]
    model: str
    budget_seconds: float

    def in_load_unit(self, scaled: FloatArray) -> FloatArray:
        """Back from the task's unit; what no float can hold becomes the largest float."""
        with np.errstate(over="ignore"):
            return np.minimum(np.ldexp(scaled, self.unit), np.finfo(float).max)


def check(
    history: object,
    horizon: object,
    quantiles: Iterable[float],
    model: str,
    *,
    models: Collection[str],
    censored: object,
    time_zone: str,
    budget_seconds: float,
) -> Task:
    """Check the arguments of `forecast`; raises as it says."""
    series, step = _history(history)
    flags = _flags(censored, series)
    steps_per_day = _DAY // step
    steps = _horizon(horizon)
    levels = _quantiles(quantiles)
    if model not in models:
        raise SettingsError("model", model, f"one of {', '.join(models)}")
    if not budget_seconds > 0:
        raise SettingsError("budget_seconds", budget_seconds, "a number of seconds above 0")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise SettingsError("time_zone", time_zone, "an IANA time zone such as 'Europe/Berlin' or 'UTC'") from error

    series, flags = series.iloc[-HISTORY_DAYS * steps_per_day :], flags[-HISTORY_DAYS * steps_per_day :]
    values = series.to_numpy(float)
    if len(values) < steps_per_day or not np.isfinite(values).any():
        raise ForecastError(
            f"history: {np.isfinite(values).sum()} of {len(values)} steps are known; expected a day or more ({steps_per_day} steps of {step})"
        )
    past = cast("pd.DatetimeIndex", series.index)
    future = pd.date_range(past[-1] + step, periods=steps, freq=step)
    clock = WallClock.of(past, future, step, time_zone)
    unit = math.frexp(float(np.nanmax(values)))[1]
    scaled = np.ldexp(values, -unit)
    return Task(
        load=clock.to_local(scaled),
        bound=clock.to_local(np.where(flags, scaled, np.nan)),
        unit=unit,
        steps_per_day=steps_per_day,
        clock=clock,
        future=future,
        quantiles=levels,
        model=model,
        budget_seconds=budget_seconds,
    )


def _horizon(horizon: object) -> int:
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer):
        raise SettingsError("horizon", horizon, "a whole number of steps, at least 1")
    steps = int(cast("int", horizon))
    if steps < 1:
        raise SettingsError("horizon", steps, "a whole number of steps, at least 1")
    return steps


def _quantiles(quantiles: Iterable[float]) -> tuple[float, ...]:
    expected = "one or more numbers within (0, 1), e.g. (0.5, 0.9, 0.95)"
    try:
        levels = tuple(sorted({float(level) for level in quantiles}))
    except (TypeError, ValueError) as error:
        raise SettingsError("quantiles", quantiles, expected) from error
    if not levels or not all(0 < level < 1 for level in levels):
        raise SettingsError("quantiles", levels, expected)
    return levels


def _history(history: object) -> tuple[pd.Series[float], pd.Timedelta]:
    if not isinstance(history, pd.Series):
        raise SettingsError("history", type(history).__name__, "a pandas Series with a regular UTC DatetimeIndex")
    series = cast("pd.Series[Any]", history)
    index = series.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise SettingsError("history", f"index {index.dtype}", "a UTC DatetimeIndex (aware of its zone)")
    if len(index) < 2:
        raise ForecastError(f"history: {len(index)} steps; expected a day or more")
    step = index[1] - index[0]
    gaps = np.diff(index.as_unit("ns").asi8)
    if step <= pd.Timedelta(0) or (gaps != step.value).any():
        raise SettingsError("history", "an irregular index", "ascending stamps at one step, with NaN for gaps")
    if _DAY % step != pd.Timedelta(0):
        raise SettingsError("history", f"a step of {step}", "a step that divides a day, e.g. 5, 15 or 60 minutes")
    try:
        series = series.astype(float)
    except (TypeError, ValueError) as error:
        raise SettingsError("history", f"values of type {series.dtype}", "numbers, NaN for gaps") from error
    values = series.to_numpy()
    wrong = np.isinf(values) | (values < 0)
    if wrong.any():
        raise SettingsError("history", float(values[wrong][0]), "finite values >= 0, NaN for gaps")
    return series.tz_convert("UTC"), step


def _flags(censored: object, series: pd.Series[float]) -> npt.NDArray[np.bool_]:
    if censored is None:
        return np.zeros(len(series), bool)
    if not isinstance(censored, pd.Series):
        raise SettingsError("censored", type(censored).__name__, "a Series of bool with the history's index, or None")
    flags = cast("pd.Series[Any]", censored)
    if not flags.index.equals(series.index):
        raise SettingsError("censored", f"another index, of {len(flags)} steps", "the history's index")
    return flags.fillna(value=False).to_numpy(bool)
