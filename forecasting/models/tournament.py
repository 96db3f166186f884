"""Forecast a load: models compete on rolling origins inside the history, their weighted mean is the forecast, their errors are its bands."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from forecasting.errors import ForecastError, SettingsError
from forecasting.models.bands import Bands
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, Forecast, IntArray, ModelChoice, PointModel
from forecasting.models.fourier import FourierAutoregression
from forecasting.models.gaps import fill_gaps, lift_censored
from forecasting.models.naive import SeasonalNaive
from forecasting.models.profile import MedianDay, WeeklyProfile, WeekMean
from forecasting.models.statistical import Arima, Ets, Sarima
from forecasting.models.wallclock import WallClock

DAY = pd.Timedelta(days=1)
HISTORY_DAYS = 28
"""Older history is not read: four weeks are what the weights and half-lives were measured on."""
ORIGIN_DAYS = 14
ORIGIN_HOURS = 6
WEIGHT_POWER = 5
"""Weights are the mean absolute error to this negative power."""
RANGE_FACTOR = 10.0
"""A prediction this many times beyond the history's largest load has diverged."""

NAIVE_DAY = SeasonalNaive("seasonal-naive-day", 1)
NAIVE_WEEK = SeasonalNaive("seasonal-naive-week", 7)
MODELS: tuple[PointModel, ...] = (
    NAIVE_DAY,
    NAIVE_WEEK,
    WeeklyProfile(),
    FourierAutoregression("fourier-ar", logarithm=False),
    FourierAutoregression("fourier-ar-log", logarithm=True),
    MedianDay(),
    WeekMean(),
    Ets(),
    Sarima(),
    Arima(),
)
"""All models of `auto`, the cheap ones first: the budget is spent in this order."""


def forecast(
    history: pd.Series[float],
    horizon: int,
    quantiles: Iterable[float] = DEFAULT_QUANTILES,
    model: str = "auto",
    *,
    censored: pd.Series[bool] | None = None,
    time_zone: str = "UTC",
    budget_seconds: float = 20.0,
) -> Forecast:
    """Forecast quantiles of a load.

    The same input gives the same result, as long as no model overruns the budget.

    Args:
        history: Load per step: regular, ascending UTC DatetimeIndex (start of the step; a step divides a day), values >= 0, NaN for gaps. The
            last 28 days are used.
        horizon: Steps to forecast, from the step after the history on.
        quantiles: Quantiles wanted, each within (0, 1); they come back sorted and unique.
        model: `auto` weighs all models by their errors on rolling origins inside the history; else a model's name. A model that fails is
            replaced by the seasonal naive one and named in `Forecast.model.left_out`.
        censored: True where the load is a lower bound (saturated fleet, refused requests); same index. Such a step is read as the larger of its
            value and what its season lets expect, so it never pulls the forecast down.
        time_zone: IANA zone whose days and weeks the load follows.
        budget_seconds: Models are left out once this much time is spent. A model that has started is not interrupted.

    Returns:
        Quantiles per step (UTC), non-negative, finite and not crossing, and what was chosen.

    Raises:
        SettingsError: an argument is wrong; names it, its value and what would be right.
        ForecastError: less than a day of history, or nothing known in it.
    """
    task = _Task.of(history, horizon, quantiles, model, censored, time_zone, budget_seconds)
    return run(task, MODELS)


@dataclass(frozen=True)
class _Task:
    """Checked arguments. `load` and `bound` are on local steps and divided by a power of two, `unit`, so that no magnitude overflows."""

    load: FloatArray
    bound: FloatArray
    unit: int
    steps_per_day: int
    clock: WallClock
    future: pd.DatetimeIndex
    quantiles: tuple[float, ...]
    model: str
    budget_seconds: float

    @classmethod
    def of(
        cls,
        history: object,
        horizon: object,
        quantiles: Iterable[float],
        model: str,
        censored: object,
        time_zone: str,
        budget_seconds: float,
    ) -> _Task:
        series, step = _checked_history(history)
        steps_per_day = DAY // step
        if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
            raise SettingsError("horizon", horizon, "a whole number of steps, at least 1")
        levels = tuple(sorted({float(level) for level in quantiles}))
        if not levels or not all(0 < level < 1 for level in levels):
            raise SettingsError("quantiles", levels, "one or more numbers within (0, 1), e.g. (0.5, 0.9, 0.95)")
        names = ("auto", *(candidate.name for candidate in MODELS))
        if model not in names:
            raise SettingsError("model", model, f"one of {', '.join(names)}")
        if not (isinstance(budget_seconds, (int, float)) and budget_seconds > 0):
            raise SettingsError("budget_seconds", budget_seconds, "a number of seconds above 0")
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError("time_zone", time_zone, "an IANA time zone such as 'Europe/Berlin' or 'UTC'") from error
        flags = _checked_flags(censored, series)

        series, flags = series.iloc[-HISTORY_DAYS * steps_per_day :], flags[-HISTORY_DAYS * steps_per_day :]
        values = series.to_numpy(float)
        if len(values) < steps_per_day or not np.isfinite(values).any():
            known = int(np.isfinite(values).sum())
            raise ForecastError(
                f"history: {known} known of {len(values)} steps of {step}; expected at least a day ({steps_per_day} steps)"
            )
        past = cast("pd.DatetimeIndex", series.index)
        future = pd.date_range(past[-1] + step, periods=int(horizon), freq=step)
        clock = WallClock.of(past, future, step, time_zone)
        unit = math.frexp(float(np.nanmax(values)))[1]
        scaled = np.ldexp(values, -unit)
        return cls(
            clock.to_local(scaled),
            clock.to_local(np.where(flags, scaled, np.nan)),
            unit,
            steps_per_day,
            clock,
            future,
            levels,
            model,
            float(budget_seconds),
        )


def _checked_history(history: object) -> tuple[pd.Series[float], pd.Timedelta]:
    if not isinstance(history, pd.Series):
        raise SettingsError("history", type(history).__name__, "a pandas Series with a regular UTC DatetimeIndex")
    series = cast("pd.Series[Any]", history)
    index = series.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise SettingsError("history", f"index {index.dtype}", "a UTC DatetimeIndex (tz-aware)")
    if len(index) < 2:
        raise ForecastError(f"history: {len(index)} steps; expected at least a day")
    step = cast("pd.Timedelta", index[1] - index[0])
    stamps = index.as_unit("ns").asi8
    if step <= pd.Timedelta(0) or not (np.diff(stamps) == step.value).all():
        raise SettingsError("history", "an irregular index", "ascending stamps at one step, with NaN for gaps")
    if DAY % step != pd.Timedelta(0):
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


def _checked_flags(censored: object, series: pd.Series[float]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if censored is None:
        return np.zeros(len(series), bool)
    if not isinstance(censored, pd.Series) or not cast("pd.Series[Any]", censored).index.equals(series.index):
        raise SettingsError("censored", type(censored).__name__, "a Series of bool with the history's index")
    return cast("pd.Series[Any]", censored).fillna(value=False).to_numpy(bool)


@dataclass(frozen=True)
class _Entrant:
    """A model that finished: its predictions from the rolling origins and, in the last row, from the end of the history."""

    name: str
    predictions: FloatArray
    error: float
    relative_error: float


def run(task: _Task, models: Sequence[PointModel], clock: Callable[[], float] = time.monotonic) -> Forecast:
    """The tournament of `models`, in their order, by a given clock (seconds)."""
    floor = NAIVE_WEEK if len(task.load) >= 7 * task.steps_per_day else NAIVE_DAY
    lifted = lift_censored(task.load, task.bound, task.steps_per_day)
    load = fill_gaps(lifted, task.steps_per_day)
    origins = _origins(len(load), task.steps_per_day)
    horizon = task.clock.horizon
    ahead = origins[:-1, None] + np.arange(horizon)
    actual = np.where(ahead < len(load), lifted[np.minimum(ahead, len(load) - 1)], np.nan)
    reference = NAIVE_DAY.predict(load, origins, horizon, task.steps_per_day)

    entrants: dict[str, _Entrant] = {}
    left_out: dict[str, str] = {}
    wanted = [candidate for candidate in models if task.model in ("auto", candidate.name)]
    deadline = clock() + task.budget_seconds
    for candidate in wanted:
        outcome = _enter(candidate, load, origins, task, actual, reference, deadline, clock)
        if isinstance(outcome, str):
            left_out[candidate.name] = outcome
        else:
            entrants[candidate.name] = outcome
    if not entrants:
        predictions = np.maximum(floor.predict(load, origins, horizon, task.steps_per_day), 0.0)
        entrants[floor.name] = _Entrant(floor.name, predictions, *_errors(predictions[:-1], actual, reference[:-1]))

    names = list(entrants)
    weights = np.array([max(entrants[name].relative_error, 1e-6) for name in names]) ** -WEIGHT_POWER
    weights /= weights.sum()
    stack = np.stack([entrants[name].predictions for name in names])
    blend = _blend(stack, weights)
    quantiles = _quantiles(task, load, actual, blend)
    choice = ModelChoice(
        name=task.model,
        weights=dict(zip(names, weights.tolist(), strict=True)),
        errors={name: _in_unit(np.array(entrants[name].error), task.unit).item() for name in names},
        left_out=left_out,
        origins=len(origins) - 1,
    )
    frame = pd.DataFrame(quantiles, index=task.future, columns=pd.Index(task.quantiles, name="quantile"))
    return Forecast(frame, choice)


def _origins(steps: int, steps_per_day: int) -> IntArray:
    """Every six hours of the last 14 days that a day of history comes before, and the end of the history."""
    spacing = max(steps_per_day * ORIGIN_HOURS // 24, 1)
    earliest = max(steps - ORIGIN_DAYS * steps_per_day, steps_per_day)
    return np.arange(steps, earliest - 1, -spacing, dtype=np.int64)[::-1]


def _enter(
    model: PointModel,
    load: FloatArray,
    origins: IntArray,
    task: _Task,
    actual: FloatArray,
    reference: FloatArray,
    deadline: float,
    clock: Callable[[], float],
) -> _Entrant | str:
    """Run a model and judge it: an entrant, or why it is left out."""
    needed = model.minimum_steps(task.steps_per_day)
    if len(load) < needed:
        return f"needs {needed / task.steps_per_day:.3g} days of history, has {len(load) / task.steps_per_day:.3g}"
    if clock() >= deadline:
        return f"the budget of {task.budget_seconds:g} s was spent before it ran"
    eligible = origins >= min(needed, origins[-1])
    predictions = np.full((len(origins), task.clock.horizon), np.nan)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            predictions[eligible] = model.predict(load, origins[eligible], task.clock.horizon, task.steps_per_day)
        except Exception as error:  # noqa: BLE001 - a model is foreign ground: whatever it raises leaves it out, by name
            return f"{type(error).__name__}: {error}"[:200]
    if clock() >= deadline:
        return f"overran the budget of {task.budget_seconds:g} s"
    doubt = next((str(warning.message) for warning in caught if "Converge" in warning.category.__name__), None)
    if doubt is not None:
        return f"did not converge: {doubt}"[:200]
    if not np.isfinite(predictions[-1]).all():
        return "diverged: the forecast is not finite"
    if np.nanmax(np.abs(predictions)) > RANGE_FACTOR * load.max():
        return f"diverged: more than {RANGE_FACTOR:g} times the largest load"
    predictions = np.maximum(predictions, 0.0)
    return _Entrant(model.name, predictions, *_errors(predictions[:-1], actual, reference[:-1]))


def _errors(predictions: FloatArray, actual: FloatArray, reference: FloatArray) -> tuple[float, float]:
    """Mean absolute error, and its ratio to the daily naive forecast's on the same steps (models differ in where they can predict)."""
    known = np.isfinite(predictions) & np.isfinite(actual)
    if not known.any():
        return 0.0, 1.0
    error = float(np.abs(predictions - actual)[known].mean())
    naive = float(np.abs(reference - actual)[known].mean())
    return error, (error + 1e-9) / (naive + 1e-9)


def _blend(stack: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean of predictions (models, origins, horizon), each row by the models that have it."""
    known = np.isfinite(stack)
    total = np.einsum("m,moh->oh", weights, np.where(known, stack, 0.0))
    shares = np.einsum("m,moh->oh", weights, known.astype(float))
    return np.where(shares > 0, total / np.where(shares > 0, shares, 1.0), np.nan)


def _quantiles(task: _Task, load: FloatArray, actual: FloatArray, blend: FloatArray) -> FloatArray:
    """Quantiles per UTC step, in the load's unit; shape (horizon, quantiles)."""
    level = float(load.mean())
    hours = (np.arange(task.clock.horizon) + 1) * 24.0 / task.steps_per_day
    if (np.isfinite(actual) & np.isfinite(blend[:-1])).any():
        local = Bands.of(actual, blend[:-1], level, hours).quantiles(blend[-1], task.quantiles)
    else:
        # One day only: no origin has a future to err in. What the day itself strayed from its median stands in.
        local = blend[-1][:, None] + (np.quantile(load, task.quantiles) - np.median(load))[None, :]
    return _in_unit(np.maximum(local[task.clock.leads], 0.0), task.unit)


def _in_unit(scaled: FloatArray, unit: int) -> FloatArray:
    """Back to the load's own unit; what no float can hold becomes the largest float."""
    with np.errstate(over="ignore"):
        return np.minimum(np.ldexp(scaled, unit), np.finfo(float).max)
