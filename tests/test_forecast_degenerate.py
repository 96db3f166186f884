"""Degenerate loads, one by one, under every model: finite, not negative, not crossing, and what a person would say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecasting import forecast
from forecasting.history import build_history
from forecasting.models.base import FloatArray
from forecasting.models.tournament import ALL_MODELS
from forecasting.sources import Reading
from tests.forecasts import assert_sound, series, shape

DAYS, DAY, HORIZON = 28, 24, 48
LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
NAMES = ("auto", *(model.name for model in ALL_MODELS))
"""A model whose library is not installed is left out by name, and what serves in its place must be as sound."""


def usual(generator: np.random.Generator, days: int = DAYS) -> FloatArray:
    hours = np.arange(days * DAY)
    return np.maximum(shape(hours) + generator.normal(0, 3, len(hours)), 0)


def one_spike(generator: np.random.Generator) -> FloatArray:
    load = usual(generator)
    load[generator.integers(5 * DAY, 20 * DAY)] *= 50
    return load


def weekly_holes(generator: np.random.Generator) -> FloatArray:
    load = usual(generator)
    begin = generator.integers(0, 150)
    for week in range(4):
        load[week * 168 + begin : week * 168 + begin + 12] = np.nan
    return load


def counter_reset(generator: np.random.Generator) -> FloatArray:
    """The rate of a counter that starts again from zero: one step whose difference means nothing is missing, the next one is short."""
    load = usual(generator)
    at = generator.integers(DAY, len(load) - 1)
    load[at], load[at + 1 : at + 2] = np.nan, 0.0
    return load


KINDS: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "constant": lambda _generator: np.full(DAYS * DAY, 50.0),
    "zero": lambda _generator: np.zeros(DAYS * DAY),
    "one spike": one_spike,
    "counts near zero": lambda generator: generator.poisson(0.3, DAYS * DAY).astype(np.float64),
    "1e12": lambda generator: usual(generator) * 1e12,
    "weekly holes": weekly_holes,
    "counter reset": counter_reset,
    "two days only": lambda generator: usual(generator, 2),
}


def makes_sense(kind: str, found: pd.DataFrame, load: FloatArray) -> None:
    """What a person would say of each; wide enough for the plainest model."""
    middle, high = found[0.5].to_numpy(), found[0.95].to_numpy()
    ahead = shape(np.arange(len(load), len(load) + HORIZON))
    if kind == "constant":
        np.testing.assert_allclose(middle, 50, rtol=0.05)
        assert high.max() < 60
    elif kind == "zero":
        assert found.to_numpy().max() < 1e-6
    elif kind == "one spike":
        assert np.abs(middle - ahead).mean() < 60, "one spike is no load to come"
        assert high.max() < 0.3 * np.nanmax(load)
    elif kind == "counts near zero":
        assert middle.max() < 4
        assert 0.3 < high.mean() < 10, "ARIMA follows the last count"
    else:
        unit = 1e12 if kind == "1e12" else 1.0
        assert np.abs(middle / unit - ahead).mean() < 60
        assert (high / unit >= ahead).mean() > 0.6
        assert high.max() < 10 * np.nanmax(load)


@pytest.mark.filterwarnings("ignore")  # what optional libraries warn of is theirs
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", NAMES)
def test_under_every_model(model: str, kind: str) -> None:
    load = KINDS[kind](np.random.default_rng(7))
    found = forecast(series(load), HORIZON, LEVELS, model=model, budget_seconds=600)
    assert_sound(found, HORIZON, len(LEVELS))
    makes_sense(kind, found.quantiles, load)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 2**31), cut=st.integers(0, 20))
def test_whatever_the_noise(kind: str, seed: int, cut: int) -> None:
    load = KINDS[kind](np.random.default_rng(seed))
    found = forecast(series(load[cut if kind != "two days only" else 0 :]), HORIZON, LEVELS)
    assert_sound(found, HORIZON, len(LEVELS))


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_samples_on(kind: str) -> None:
    """The history stage in front, as the job has it: no spike, hole or reset comes back as load."""
    load = KINDS[kind](np.random.default_rng(3))
    samples = series(load)
    now = (samples.index[-1] + pd.Timedelta(hours=1)).to_pydatetime()
    history = build_history(Reading(samples.dropna(), 3600), now=now, step_minutes=60)
    found = forecast(history.load, HORIZON, LEVELS, censored=history.censored)
    assert_sound(found, HORIZON, len(LEVELS))
    makes_sense(kind, found.quantiles, load)
