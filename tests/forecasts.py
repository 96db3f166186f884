"""Histories to forecast, and what every forecast must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from forecasting import Forecast
from forecasting.models.base import FloatArray
from forecasting.models.task import Task, check


def series(values: FloatArray, step: str = "1h", start: str = "2026-01-05T00:00Z") -> pd.Series[float]:
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq=step))


def shape(hours: npt.NDArray[Any]) -> FloatArray:
    """A daily and weekly load around 100."""
    days = np.asarray(hours) / 24
    return 100 + 40 * np.sin(2 * np.pi * days) + 20 * np.cos(2 * np.pi * days / 7)


def weeks(count: int, noise: float = 3.0) -> pd.Series[float]:
    hours = np.arange(count * 168)
    return series(shape(hours) + np.random.default_rng(1).normal(0, noise, len(hours)))


def assert_sound(found: Forecast, horizon: int, levels: int) -> None:
    values = found.quantiles.to_numpy()
    assert values.shape == (horizon, levels)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert sum(found.model.weights.values()) == pytest.approx(1)


def task(history: pd.Series[float], horizon: int = 24, budget_seconds: float = 20.0) -> Task:
    return check(
        history,
        horizon,
        (0.5, 0.9),
        "auto",
        models=("auto",),
        censored=None,
        time_zone="UTC",
        budget_seconds=budget_seconds,
    )
