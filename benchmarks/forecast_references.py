"""What a user could pick instead: each rival as its own library runs it, with the intervals that the library gives.

A rival without intervals of its own (last value, ARIMA, Theta) gets our bands from rolling origins, which flatters it. Rivals of the extra `models`
are imported when they are first asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.extras import GradientBoosting, origin_features
from forecasting.models.fourier import fourier_terms
from forecasting.models.gaps import fill_gaps

Quantiles = Callable[[FloatArray, pd.DatetimeIndex, int, int], FloatArray]
"""(history without gaps, its steps, horizon, steps per day) -> quantiles .5, .9 and .95, shape (horizon, 3)."""

_INTERVALS = (80, 90)
"""Central intervals whose upper ends are the .9 and .95 quantiles."""
_LEVELS = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class Reference:
    """A rival.

    Attributes:
        name: As the table shows it.
        library: The module that it needs.
        quantiles: What it forecasts.
    """

    name: str
    library: str
    quantiles: Quantiles

    @property
    def installed(self) -> bool:
        """Whether its library is here."""
        return find_spec(self.library) is not None

    def forecast(self, history: pd.Series[float], horizon: int) -> FloatArray:
        """Quantiles .5, .9 and .95 of the `horizon` steps after a history, not negative and not crossing, shape (horizon, 3)."""
        index = pd.DatetimeIndex(history.index)
        steps_per_day = pd.Timedelta(days=1) // (index[1] - index[0])
        load = fill_gaps(np.asarray(history, np.float64), steps_per_day)
        return np.sort(np.maximum(self.quantiles(load, index, horizon, steps_per_day), 0.0), axis=1)


@dataclass(frozen=True)
class LastValue:
    """The newest value, for the whole horizon."""

    name: str = "last-value"

    def minimum_steps(self, steps_per_day: int) -> int:
        return steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        return np.repeat(load[origins - 1][:, None], horizon, axis=1)


def theta(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """statsmodels' Theta method, daily season taken out additively."""
    module: Any = import_module("statsmodels.tsa.forecasting.theta")
    fitted = module.ThetaModel(load, period=steps_per_day, method="additive", use_test=False).fit()
    upper = [fitted.prediction_intervals(horizon, alpha=1 - level / 100)["upper"] for level in _INTERVALS]
    return np.column_stack([fitted.forecast(horizon), *upper])


def auto_arima(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """statsforecast's AutoARIMA on what daily and weekly Fourier terms leave."""
    models: Any = import_module("statsforecast.models")
    terms = fourier_terms(len(load) + horizon, steps_per_day)
    ridge = 1e-6 * len(load) * np.eye(terms.shape[1])
    past = terms[: len(load)]
    coefficients = np.linalg.solve(past.T @ past + ridge, past.T @ load)
    found = models.AutoARIMA(seasonal=False).forecast(y=load - past @ coefficients, h=horizon, level=list(_INTERVALS))
    ahead: FloatArray = np.asarray(terms[len(load) :] @ coefficients, np.float64)
    return np.asarray(_upper(found) + ahead[:, None], np.float64)


def mstl(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """statsforecast's MSTL with daily and weekly seasons; AutoETS carries the trend on."""
    models: Any = import_module("statsforecast.models")
    seasons = [steps_per_day, *([7 * steps_per_day] if len(load) >= 14 * steps_per_day else [])]
    model = models.MSTL(season_length=seasons, trend_forecaster=models.AutoETS(model="ZZN"))
    return _upper(model.forecast(y=load, h=horizon, level=list(_INTERVALS)))


def prophet(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """Prophet with its defaults; quantiles of its own samples."""
    module: Any = import_module("prophet")
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    stamps = index.tz_localize(None)
    model = module.Prophet(uncertainty_samples=300)
    model.fit(pd.DataFrame({"ds": stamps, "y": load}), seed=1)
    ahead = pd.date_range(stamps[-1] + (stamps[1] - stamps[0]), periods=horizon, freq=stamps[1] - stamps[0])
    np.random.seed(1)  # noqa: NPY002 - Prophet draws from the global generator
    samples = model.predictive_samples(pd.DataFrame({"ds": ahead}))["yhat"]
    return np.quantile(np.asarray(samples, float), _LEVELS, axis=1).T


def lightgbm(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """LightGBM, one quantile regression a level, over origins every 6 h of the history: clock, lead, last day, last week, levels."""
    module: Any = import_module("lightgbm")
    spacing = max(steps_per_day // 4, 1)
    origins = np.arange(len(load), min(8 * steps_per_day, len(load)) - 1, -spacing)[::-1]
    features, scale = origin_features(load, origins, horizon, steps_per_day)
    ahead = origins[:-1, None] + np.arange(horizon)
    known = ahead < len(load)
    target = (load[np.minimum(ahead, len(load) - 1)] / scale[:-1, None])[known]
    found = np.empty((horizon, len(_LEVELS)))
    for column, level in enumerate(_LEVELS):
        parameters = {**GradientBoosting.parameters, "alpha": level}
        data = module.Dataset(features[:-1][known], target)
        booster = module.train(parameters, data, num_boost_round=GradientBoosting.rounds)
        found[:, column] = booster.predict(features[-1]) * scale[-1]
    return found


def _upper(found: dict[str, Any]) -> FloatArray:
    return np.column_stack([found["mean"], *(found[f"hi-{level}"] for level in _INTERVALS)]).astype(np.float64)


def last_week(load: FloatArray, index: pd.DatetimeIndex, horizon: int, steps_per_day: int) -> FloatArray:
    """Last week's load, with quantiles of its own errors at origins every 6 h of the last 14 days.

    The yardstick of all ratios: it shares no code with the intervals of the forecast, so that a
    change of these does not move it. Errors are scaled by load^.7, their weight halves in 14 days.
    """
    spacing, week = max(steps_per_day // 4, 1), 7 * steps_per_day
    origins = np.arange(len(load), max(len(load) - 14 * steps_per_day, week) - 1, -spacing)[1:]
    positions = (origins if len(origins) else np.array([len(load)]))[:, None] + np.arange(horizon)
    known = (positions < len(load)) & (positions >= week)
    back = np.where(known, positions - week * (1 + np.arange(horizon) // week), 0)
    level = float(load.mean()) + 1e-12
    idle = bool((load[back][known] < 0.01 * level).mean() > 0.05) if known.any() else False
    errors = (load[np.where(known, positions, 0)] - load[back]) / _scale(load[back], level, idle=idle)
    ages = np.broadcast_to(np.exp2((positions[:, :1] - len(load)) / (14 * steps_per_day)), known.shape)
    point = load[len(load) - min(week, len(load)) + np.arange(horizon) % min(week, len(load))]
    found = np.repeat(point[:, None], len(_LEVELS), axis=1)
    bucket = np.digitize((np.arange(horizon) + 1) * 24 / steps_per_day, (6, 24))
    for each in np.unique(bucket):
        columns = bucket == each
        sample, weights = (part[:, columns][known[:, columns]] for part in (errors, ages))
        if len(sample):
            order = np.argsort(sample)
            total = np.cumsum(weights[order])
            at = np.array((0.5, *_LEVELS)) * total[-1]
            found_at: FloatArray = np.asarray(np.interp(at, total - weights[order] / 2, sample[order]), np.float64)
            offsets = found_at[0] + (found_at[1:] - found_at[0]) * 1.1
            found[columns] += offsets * _scale(point[columns], level, idle=idle)[:, None]
    return found


def _scale(load: FloatArray, level: float, *, idle: bool) -> FloatArray:
    if idle:  # a forecast of next to nothing has no part in the size of its errors
        return np.full_like(load, level)
    return np.asarray(np.maximum(load, 0.01 * level) ** 0.7 * level**0.3, np.float64)


LAST_WEEK = Reference("last-week", "numpy", last_week)
"""Not slow: it runs on every load."""
REFERENCES = (
    Reference("theta", "statsmodels", theta),
    Reference("lightgbm", "lightgbm", lightgbm),
    Reference("prophet", "prophet", prophet),
    Reference("mstl-autoets", "statsforecast", mstl),
    Reference("autoarima-fourier", "statsforecast", auto_arima),
)
