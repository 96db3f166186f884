"""Models of other libraries, for who wants them; where a library is not installed, its model is left out by name.

LightGBM and Prophet come with the extra `models`; statsforecast is installed by hand, as its metadata ask for an older pandas than the job's. They
stand outside `auto`: each alone loses to it on the mean and is slower by ten to a hundred times. Prophet's and statsforecast's models know no rolling
origins, so they are fitted anew at a few of them, the newest; LightGBM is trained twice, as statsmodels' models are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from forecasting.models.base import FloatArray, IntArray
from forecasting.models.fourier import fourier_terms
from forecasting.models.naive import look_back, values_at
from forecasting.models.profile import trailing_mean

Path = Callable[[FloatArray, int, int], FloatArray]
"""(history without gaps, horizon, steps per day) -> what comes after it, shape (horizon,)."""


@dataclass(frozen=True)
class Refitted:
    """A model that is fitted anew at each origin: only at the end and at one origin a day before it, rows of NaN elsewhere."""

    name: str
    path: Path
    origins: int

    def minimum_steps(self, steps_per_day: int) -> int:
        """A week."""
        return 7 * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        found = np.full((len(origins), horizon), np.nan)
        ages = origins[-1] - origins
        for row in np.flatnonzero((ages % steps_per_day == 0) & (ages <= self.origins * steps_per_day)):
            found[row] = self.path(load[: origins[row]], horizon, steps_per_day)
        return found


def prophet_path(load: FloatArray, horizon: int, steps_per_day: int) -> FloatArray:
    """Prophet with its defaults, no samples of uncertainty."""
    module: Any = import_module("prophet")
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    # Any Monday will do: a model sees positions on the local clock, not dates.
    stamps = pd.date_range("2024-01-01", periods=len(load) + horizon, freq=pd.Timedelta(days=1) / steps_per_day)
    model = module.Prophet(uncertainty_samples=0)
    model.fit(pd.DataFrame({"ds": stamps[: len(load)], "y": load}), seed=1)
    return np.asarray(model.predict(pd.DataFrame({"ds": stamps[len(load) :]}))["yhat"], np.float64)


def auto_arima_path(load: FloatArray, horizon: int, steps_per_day: int) -> FloatArray:
    """AutoARIMA of statsforecast on what daily and weekly Fourier terms leave."""
    models: Any = import_module("statsforecast.models")
    terms = fourier_terms(len(load) + horizon, steps_per_day)
    past = terms[: len(load)]
    gram = past.T @ past + 1e-6 * len(load) * np.eye(terms.shape[1])
    coefficients = np.linalg.solve(gram, past.T @ load)
    found = models.AutoARIMA(seasonal=False).forecast(y=load - past @ coefficients, h=horizon)
    return np.asarray(found["mean"] + terms[len(load) :] @ coefficients, np.float64)


def mstl_path(load: FloatArray, horizon: int, steps_per_day: int) -> FloatArray:
    """MSTL of statsforecast with daily and weekly seasons; AutoETS carries the trend on."""
    models: Any = import_module("statsforecast.models")
    seasons = [steps_per_day, *([7 * steps_per_day] if len(load) >= 14 * steps_per_day else [])]
    model = models.MSTL(season_length=seasons, trend_forecaster=models.AutoETS(model="ZZN"))
    return np.asarray(model.forecast(y=load, h=horizon)["mean"], np.float64)


@dataclass(frozen=True)
class GradientBoosting:
    """LightGBM's median regression over origins every 6 h: clock, lead, last day, last week, levels, all relative to the last day's mean."""

    name: str = "lightgbm"
    rounds: ClassVar[int] = 60
    parameters: ClassVar[dict[str, Any]] = {
        "objective": "quantile",
        "alpha": 0.5,
        "num_leaves": 15,
        "learning_rate": 0.1,
        "min_data_in_leaf": 40,
        "verbose": -1,
        "num_threads": 1,
        "deterministic": True,
        "seed": 1,
    }

    def minimum_steps(self, steps_per_day: int) -> int:
        """Ten days: a week to look back, and some to learn from."""
        return 10 * steps_per_day

    def predict(self, load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int) -> FloatArray:
        """See `PointModel.predict`."""
        module: Any = import_module("lightgbm")
        found = np.empty((len(origins), horizon))
        for known, rows in ((int(origins[0]), slice(0, -1)), (int(origins[-1]), slice(-1, None))):
            if not len(origins[rows]):
                continue
            past = np.arange(known, 8 * steps_per_day - 1, -max(steps_per_day // 4, 1), dtype=np.int64)[::-1]
            features, scale = origin_features(load[:known], past, horizon, steps_per_day)
            ahead = past[:, None] + np.arange(horizon)
            seen = ahead < known
            target = (load[np.minimum(ahead, known - 1)] / scale[:, None])[seen]
            booster = module.train(dict(self.parameters), module.Dataset(features[seen], target), self.rounds)
            features, scale = origin_features(load, origins[rows], horizon, steps_per_day)
            flat = booster.predict(features.reshape(-1, features.shape[2]))
            found[rows] = np.reshape(flat, features.shape[:2]) * scale[:, None]
        return found


def origin_features(
    load: FloatArray, origins: IntArray, horizon: int, steps_per_day: int
) -> tuple[FloatArray, FloatArray]:
    """What each origin knows of each lead, shape (origins, horizon, 7), and the last day's mean, shape (origins,), that loads are relative to."""
    leads = np.arange(horizon)
    ahead = origins[:, None] + leads
    scale = trailing_mean(load, origins, steps_per_day) + 1e-9
    recent = trailing_mean(load, origins, max(steps_per_day // 8, 1)) / scale
    newest = values_at(load, origins - 1) / scale
    features = [
        ahead % steps_per_day / steps_per_day,
        ahead // steps_per_day % 7,
        np.broadcast_to(leads, ahead.shape),
        look_back(load, origins, leads, 7 * steps_per_day) / scale[:, None],
        look_back(load, origins, leads, steps_per_day) / scale[:, None],
        np.broadcast_to(recent[:, None], ahead.shape),
        np.broadcast_to(newest[:, None], ahead.shape),
    ]
    return np.stack(features, axis=2).astype(np.float64), scale


LIBRARIES = {"lightgbm": "lightgbm", "prophet": "prophet", "auto-arima": "statsforecast", "mstl": "statsforecast"}
"""What each of `EXTRA_MODELS` imports."""

EXTRA_MODELS = (
    GradientBoosting(),
    Refitted("prophet", prophet_path, origins=7),
    Refitted("auto-arima", auto_arima_path, origins=4),
    Refitted("mstl", mstl_path, origins=4),
)
