"""Forecast a load: models compete on rolling origins inside the history, their weighted mean is the forecast, its errors are the bands."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.calendar import Calendar
from forecasting.models.bands import Bands
from forecasting.models.base import DEFAULT_QUANTILES, FloatArray, Forecast, ModelChoice, PointModel
from forecasting.models.extras import EXTRA_MODELS
from forecasting.models.fourier import FourierAutoregression
from forecasting.models.naive import SeasonalNaive
from forecasting.models.origins import Origins
from forecasting.models.profile import DayMean, MedianDay, WeeklyMedian, WeeklyProfile, WeekMedian
from forecasting.models.statistical import Arima, Ets, Harmonic, Sarima
from forecasting.models.task import Task, check

WEIGHT_POWER = 10
"""A model's weight is its error to this negative power."""
RANGE_FACTOR = 10.0
"""A prediction this many times the history's largest load has diverged."""
BUDGET_SHARE = 0.5
"""What one model may take of the time that is left: one slow model leaves room for the others."""

NAIVE_DAY = SeasonalNaive("seasonal-naive-day", 1)
NAIVE_WEEK = SeasonalNaive("seasonal-naive-week", 7)
BLEND: tuple[PointModel, ...] = (
    WeeklyProfile(),
    WeeklyMedian("weekly-median"),
    WeeklyMedian("weekly-median-level", level_share=0.5),
    FourierAutoregression("fourier-ar-sqrt", "sqrt"),
    FourierAutoregression("fourier-ar-log", "log"),
    MedianDay(),
    WeekMedian(),
    DayMean(),
    NAIVE_DAY,
)
"""The models of `auto`: closed forms, together about 20 ms. statsmodels' models beside them were measured to gain nothing."""
MODELS: tuple[PointModel, ...] = (*BLEND, NAIVE_WEEK, Ets(), Harmonic(), Sarima(), Arima())
"""The models that need nothing but the job's own requirements."""
ALL_MODELS: tuple[PointModel, ...] = (*MODELS, *EXTRA_MODELS)
"""All that can be asked for by name."""


class _LeftOut(Exception):  # noqa: N818 - a verdict on a model, not an error of the program
    """Why a model is not in the forecast."""


def forecast(
    history: pd.Series[float],
    horizon: int,
    quantiles: Iterable[float] = DEFAULT_QUANTILES,
    model: str = "auto",
    *,
    censored: pd.Series[bool] | None = None,
    time_zone: str = "UTC",
    budget_seconds: float = 20.0,
    calendar: Calendar | None = None,
) -> Forecast:
    """Forecast quantiles of a load.

    The same input gives the same result, unless a model overruns the budget in one run and not in the other. While it runs, warnings of the
    whole process are collected (`warnings.catch_warnings`): call it from one thread at a time.

    Args:
        history: Load per step: regular, ascending UTC DatetimeIndex (start of the step; a step divides a day), values >= 0, NaN for gaps. The
            last 28 days are used.
        horizon: Steps to forecast, from the step after the history on.
        quantiles: Quantiles wanted, each within (0, 1); they come back sorted and unique.
        model: `auto` weighs the models of `BLEND` by their errors on rolling origins inside the history; else the name of one of `ALL_MODELS`.
            One that fails is replaced by the seasonal naive model and named in `Forecast.model.left_out`.
        censored: True where the load is a lower bound (saturated fleet, refused requests); same index. Such a step is read as the larger of its
            value and what its season lets expect, so it never pulls the forecast down.
        time_zone: IANA zone whose days and weeks the load follows.
        budget_seconds: Time for all models together; one that takes more than half of what is left is left out. It is not interrupted.
        calendar: Holidays, events and exclusions of the history and the horizon: the models see gaps there, and coming occasions multiply the
            forecast by what earlier ones, anywhere in the history given, did to the load.

    Returns:
        Quantiles per step (UTC), non-negative, finite and not crossing, and what was chosen.

    Raises:
        SettingsError: an argument is wrong; names it, its value and what would be right.
        ForecastError: less than a day of history, or nothing known in it.
    """
    names = ("auto", *(candidate.name for candidate in ALL_MODELS))
    task = check(
        history if calendar is None else calendar.without_special(history),
        horizon,
        quantiles,
        model,
        models=names,
        censored=censored,
        time_zone=time_zone,
        budget_seconds=budget_seconds,
    )
    found = run(task, BLEND if model == "auto" else [candidate for candidate in ALL_MODELS if candidate.name == model])
    if calendar is None:
        return found
    kept = "the exclusions leave too little of the last four weeks: their load is learnt from all the same"
    return Forecast(
        found.quantiles.mul(calendar.factors(history, task.future), axis=0),
        replace(found.model, notes=(kept,) if calendar.keeps_excluded(history) else ()),
    )


def run(task: Task, models: Sequence[PointModel], clock: Callable[[], float] = time.monotonic) -> Forecast:
    """Hold the tournament of `models`, in their order; `clock` gives seconds."""
    origins = Origins.of(task)
    predictions: dict[str, FloatArray] = {}
    left_out: dict[str, str] = {}
    deadline = clock() + task.budget_seconds
    for model in models:
        try:
            predictions[model.name] = _predict(model, task, origins, deadline, clock)
        except _LeftOut as reason:
            left_out[model.name] = str(reason)
    if not predictions:
        floor = NAIVE_WEEK if len(origins.load) >= 7 * task.steps_per_day else NAIVE_DAY
        predictions[floor.name] = floor.predict(origins.load, origins.positions, task.clock.horizon, task.steps_per_day)

    weights = {name: origins.relative_error(found) ** -WEIGHT_POWER for name, found in predictions.items()}
    total = sum(weights.values())
    weights = {name: weight / total for name, weight in weights.items()}
    blend = _blend(np.stack(list(predictions.values())), np.array(list(weights.values())))
    choice = ModelChoice(
        name=task.model,
        weights=weights,
        errors={name: task.in_load_unit(np.array(origins.error(found))).item() for name, found in predictions.items()},
        left_out=left_out,
        origins=origins.judged,
    )
    columns = pd.Index(task.quantiles, name="quantile")
    return Forecast(pd.DataFrame(_quantiles(task, origins, blend), index=task.future, columns=columns), choice)


def _predict(
    model: PointModel, task: Task, origins: Origins, deadline: float, clock: Callable[[], float]
) -> FloatArray:
    """A model's predictions from every origin, shape (origins, horizon), NaN for origins with too little history before.

    Raises:
        _LeftOut: it cannot, failed, or is not to be trusted.
    """
    day, needed = task.steps_per_day, model.minimum_steps(task.steps_per_day)
    if len(origins.load) < needed:
        raise _LeftOut(f"needs {needed / day:.3g} days of history; there are {len(origins.load) / day:.3g}")
    started = clock()
    share = BUDGET_SHARE * (deadline - started)
    if share <= 0:
        raise _LeftOut(f"the budget of {task.budget_seconds:g} s was spent before its turn")
    able = origins.positions >= needed
    found = np.full((len(origins.positions), task.clock.horizon), np.nan)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            found[able] = model.predict(origins.load, origins.positions[able], task.clock.horizon, day)
        except Exception as error:  # whatever a model raises leaves it out, by name
            raise _LeftOut(f"{type(error).__name__}: {error}"[:200]) from error
    if clock() - started > share:
        raise _LeftOut(f"took {clock() - started:.3g} s; its share of the budget was {share:.3g} s")
    doubts = [str(warning.message) for warning in caught if "Convergence" in warning.category.__name__]
    if doubts:
        raise _LeftOut(f"did not converge: {doubts[0]}"[:200])
    if not np.isfinite(found[-1]).all():
        raise _LeftOut("diverged: its forecast is not finite")
    if np.nanmax(np.abs(found)) > RANGE_FACTOR * max(float(origins.load.max()), 1e-9):
        raise _LeftOut(f"diverged: more than {RANGE_FACTOR:g} times the largest load of the history")
    return np.maximum(found, 0.0)


def _blend(stack: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean of predictions (models, origins, horizon), at each origin over the models that know it; NaN where none does."""
    known = np.isfinite(stack)
    total = np.einsum("m,moh->oh", weights, np.where(known, stack, 0.0))
    shares = np.einsum("m,moh->oh", weights, known.astype(float))
    return np.where(shares > 0, total / np.where(shares > 0, shares, 1.0), np.nan)


def _quantiles(task: Task, origins: Origins, blend: FloatArray) -> FloatArray:
    """Quantiles per UTC step in the load's unit, shape (horizon, quantiles)."""
    bands = Bands.of(origins.actual, blend[:-1], origins.weights, float(origins.load.mean()), task.steps_per_day)
    if bands is not None:
        local = bands.quantiles(blend[-1], task.quantiles)
    else:
        # Too few origins have a future to err in. What the history strayed from its own median stands in: wide, and true to its shape.
        stray = np.quantile(origins.load, task.quantiles) - np.median(origins.load)
        local = blend[-1][:, None] + stray[None, :]
    days = (np.arange(task.clock.horizon) + 1) / task.steps_per_day
    local = local * origins.level.ahead(days, task.quantiles)
    local = local + origins.peaks.quantiles(np.arange(task.clock.horizon), task.quantiles, task.steps_per_day)
    # A few large errors in a short history say nothing of what is beyond all that was ever seen.
    most = RANGE_FACTOR * float(np.nanmax(task.load))
    return task.in_load_unit(np.clip(local[task.clock.leads], 0.0, most))
