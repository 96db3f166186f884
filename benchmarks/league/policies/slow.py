"""Policies that need the libraries of `requirements/rivals`: Prophet and LightGBM, refitted daily."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.league.policies.controllers import DYNAMO, DYNAMO_DIFFERENCES
from benchmarks.league.policy import Controller, Past, Planner, register
from forecasting.models.base import FloatArray
from forecasting.models.extras import GradientBoosting, origin_features

MAPE_GATE = 0.2
MAPE_KNOBS = (1.0, 1.15, 1.3, 1.5)
PROPHET_WINDOW = 50
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)


def prophet_path(load: FloatArray, index: pd.DatetimeIndex, ahead: pd.DatetimeIndex) -> FloatArray:
    """Prophet with its defaults, without samples of uncertainty."""
    module: Any = import_module("prophet")
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    logging.getLogger("prophet").setLevel(logging.ERROR)
    model = module.Prophet(uncertainty_samples=0)
    model.fit(pd.DataFrame({"ds": index.tz_localize(None), "y": load}), seed=1)
    found = model.predict(pd.DataFrame({"ds": ahead.tz_localize(None)}))
    return np.asarray(found["yhat"], np.float64)


def gated_prophet(past: Past) -> FloatArray:
    """Prophet if its error on the last day, forecast from the days before, is below the gate.

    Beyond the gate nothing is predicted: reactive scaling alone.
    """
    day = past.steps_per_day
    if len(past.load) < 3 * day:
        return np.zeros((past.horizon, len(MAPE_KNOBS)))
    truth = past.load[-day:]
    held_out = prophet_path(past.load[:-day], past.index[:-day], past.index[-day:])
    known = truth > 0
    error = float(np.mean(np.abs(held_out[known] / truth[known] - 1))) if known.any() else np.inf
    if error > MAPE_GATE:
        return np.zeros((past.horizon, len(MAPE_KNOBS)))
    return prophet_path(past.load, past.index, past.ahead)[:, None] * np.array(MAPE_KNOBS)


def lightgbm_quantiles(past: Past) -> FloatArray | None:
    """One quantile regression a level: clock, lead, last day, last week, levels."""
    module: Any = import_module("lightgbm")
    day = past.steps_per_day
    origins = np.arange(len(past.load), 8 * day - 1, -max(day // 4, 1))[::-1]
    if len(origins) < 5:
        return None
    features, scale = origin_features(past.load, origins, past.horizon, day)
    ahead = origins[:-1, None] + np.arange(past.horizon)
    known = ahead < len(past.load)
    target = (past.load[np.minimum(ahead, len(past.load) - 1)] / scale[:-1, None])[known]
    found = np.empty((past.horizon, len(LEVELS)))
    for column, level in enumerate(LEVELS):
        parameters = {**GradientBoosting.parameters, "alpha": level}
        data = module.Dataset(features[:-1][known], target)
        booster = module.train(parameters, data, num_boost_round=GradientBoosting.rounds)
        found[:, column] = booster.predict(features[-1]) * scale[-1]
    return np.sort(found, axis=1)


def dynamo_prophet(load: FloatArray, first: int, ahead: int, steps_per_day: int) -> FloatArray:
    """Prophet on the last 50 samples for the next one, fitted anew every quarter of a day."""
    # The planner numbers its samples from an invented date as well.
    stamps = pd.date_range("2024-01-01", periods=len(load) + 1, freq=pd.Timedelta(days=1) / steps_per_day)
    found = np.empty(len(load) + 1 - first)
    every = max(steps_per_day // 4, 1)
    for start in range(first, len(load) + 1, every):
        known = slice(max(start - PROPHET_WINDOW, 0), start)
        stop = min(start + every, len(load) + 1)
        found[start - first : stop - first] = prophet_path(load[known], stamps[known], stamps[start:stop])
    return found[:, None]


POLICIES = (
    Planner(
        key="prophet-gate",
        label="Prophet with a MAPE gate",
        source="Kedify predictive scaler: Prophet, retrained periodically, ignored above modelMapeThreshold",
        differences="fitted daily at 15-min steps; the error is that of the last day, the gate 20 %",
        forecast=gated_prophet,
        knobs=MAPE_KNOBS,
        slow=True,
        library="prophet",
        every_hours=24,
        least_step_minutes=15,
    ),
    Planner(
        key="lightgbm",
        label="LightGBM quantiles",
        source="Ke et al. 2017, objective 'quantile'; direct multi-step regression",
        differences="60 rounds, fitted daily at 15-min steps on at most 28 days",
        forecast=lightgbm_quantiles,
        knobs=LEVELS,
        slow=True,
        library="lightgbm",
        every_hours=24,
        least_step_minutes=15,
    ),
    Controller(
        key="dynamo-prophet",
        label="Dynamo planner, Prophet",
        source=DYNAMO,
        differences=f"{DYNAMO_DIFFERENCES}; fitted every 6 h on 50 samples instead of at each sample",
        predict=dynamo_prophet,
        slow=True,
        library="prophet",
    ),
)

for policy in POLICIES:
    register(policy)
