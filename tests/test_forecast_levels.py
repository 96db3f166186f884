"""Levels that move, flash crowds, little history, load that is mostly zero: what `forecast` makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forecasting import forecast
from forecasting.errors import ForecastError
from forecasting.models.base import FloatArray
from forecasting.models.level import Level
from forecasting.models.peaks import Peaks

DAY = 24


def hourly(values: FloatArray) -> pd.Series[float]:
    return pd.Series(values, index=pd.date_range("2026-01-05T00:00Z", periods=len(values), freq="1h"))


def load(days: int = 30, noise: float = 4.0, seed: int = 1) -> FloatArray:
    """A daily and weekly load around 100."""
    time = np.arange(days * DAY) / DAY
    shape = 100 + 40 * np.sin(2 * np.pi * time) + 20 * np.cos(2 * np.pi * time / 7)
    return np.maximum(shape + np.random.default_rng(seed).normal(0, noise, len(shape)), 0.0)


WHOLE = load()
PAST, TRUTH = WHOLE[: 28 * DAY], WHOLE[28 * DAY :]


def widths(history: FloatArray) -> FloatArray:
    found = forecast(hourly(history), 48).quantiles
    return (found[0.95] - found[0.5]).to_numpy()


# A level that moved


@pytest.mark.parametrize("factor", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("days_ago", [5, 7, 9, 14, 18])
def test_days_after_a_step_the_forecast_is_as_if_it_had_always_been_so(days_ago: int, factor: float) -> None:
    moved = PAST.copy()
    moved[-days_ago * DAY :] *= factor
    found = forecast(hourly(moved), 48).quantiles / factor
    plain = forecast(hourly(PAST), 48).quantiles
    assert np.abs(found[0.5] - TRUTH).mean() < 1.3 * np.abs(plain[0.5] - TRUTH).mean()
    assert (found[0.95] - found[0.5]).mean() < 1.3 * (plain[0.95] - plain[0.5]).mean(), (
        "the step is no part of the bands"
    )


def test_a_rise_is_followed_after_two_days_and_a_fall_waited_for() -> None:
    for days, factor, follows in ((2, 2.0, True), (1, 2.0, False), (2, 0.5, False), (5, 0.5, True)):
        moved = PAST.copy()
        moved[-days * DAY :] *= factor
        factors = Level.of(moved, DAY).factor
        assert (factors[0] == pytest.approx(factor, rel=0.1)) == follows
        assert factors[-1] == 1


@pytest.mark.parametrize("at", [100, 300, 500, 600])
def test_the_step_is_found_to_the_hour(at: int) -> None:
    moved = load(28, noise=1.0)
    moved[at:] *= 3
    np.testing.assert_array_equal(Level.of(moved, DAY).factor == 1, np.arange(len(moved)) >= at if at >= 300 else True)


def test_weekends_growth_and_bursts_are_no_steps() -> None:
    time = np.arange(28 * DAY)
    weekend = np.where(time // DAY % 7 >= 5, 0.3, 1.0) * PAST
    bursty = np.random.default_rng(2).lognormal(0, 1.5, 28 * DAY)
    for end in range(20 * DAY, 28 * DAY, 7):
        for series in (weekend, PAST * np.exp(time / len(time) * 1.5), bursty, PAST):
            found = Level.of(series[:end], DAY)
            assert (found.factor == 1).all()
            assert (found.constant == 0).all()


# Flash crowds


@pytest.mark.parametrize("days_ago", [1, 3, 7, 10, 20])
def test_a_flash_crowd_neither_comes_back_nor_widens_the_bands(days_ago: int) -> None:
    crowded = PAST.copy()
    crowded[-days_ago * DAY - 2 : -days_ago * DAY] *= 10
    found = forecast(hourly(crowded), 48).quantiles
    assert found[0.5].max() < 1.15 * TRUTH.max()
    assert widths(crowded).mean() < 1.6 * widths(PAST).mean()


def test_a_rise_that_may_still_go_on_is_taken_as_it_is() -> None:
    crowded = PAST.copy()
    crowded[-2:] *= 10
    np.testing.assert_array_equal(Peaks.split(crowded, DAY).calm[-2:], crowded[-2:])
    assert forecast(hourly(crowded), 48).quantiles[0.5].iloc[0] > 1.5 * PAST[-24]


def test_load_that_comes_in_rare_bursts_keeps_its_zeros() -> None:
    generator = np.random.default_rng(3)
    rare = np.where(generator.random(28 * DAY) < 0.05, generator.exponential(100, 28 * DAY), 0.0)
    found = forecast(hourly(rare), 48, (0.5, 0.9, 0.99)).quantiles
    assert found[0.5].max() < 5, "mostly there is nothing"
    assert found[0.99].mean() > 20, "but bursts do come"


# Little history

WEEKLY = ("weekly-profile", "weekly-median", "weekly-median-level")


@pytest.mark.parametrize("hours", [2, 12, 23])
def test_hours_are_too_little(hours: int) -> None:
    with pytest.raises(ForecastError, match="a day or more"):
        forecast(hourly(PAST[:hours]), 48)


@pytest.mark.parametrize(
    ("days", "serving", "error"),
    [
        (1, {"median-day", "week-median", "day-mean", "seasonal-naive-day"}, 45),
        (2, {"median-day", "week-median", "day-mean", "seasonal-naive-day", "fourier-ar-sqrt", "fourier-ar-log"}, 25),
        (
            9,
            {
                "median-day",
                "week-median",
                "day-mean",
                "seasonal-naive-day",
                "fourier-ar-sqrt",
                "fourier-ar-log",
                *WEEKLY,
            },
            15,
        ),
        (
            21,
            {
                "median-day",
                "week-median",
                "day-mean",
                "seasonal-naive-day",
                "fourier-ar-sqrt",
                "fourier-ar-log",
                *WEEKLY,
            },
            8,
        ),
    ],
)
def test_each_stage_of_history_is_served_by_the_models_that_can(days: int, serving: set[str], error: float) -> None:
    found = forecast(hourly(PAST[-days * DAY :]), 48)
    assert set(found.model.weights) == serving
    assert np.abs(found.quantiles[0.5].to_numpy() - TRUTH).mean() < error
    assert (found.quantiles[0.95].to_numpy() >= TRUTH).mean() > 0.9, "little history is no reason for narrow bands"


# What makes sense of what is degenerate


def test_degenerate_histories_are_forecast_as_a_person_would() -> None:
    constant = forecast(hourly(np.full(28 * DAY, 50.0)), 48).quantiles
    np.testing.assert_allclose(constant, 50, rtol=1e-6)
    spike = np.zeros(28 * DAY)
    spike[400] = 1000
    assert forecast(hourly(spike), 48).quantiles.to_numpy().max() < 1
    counts = np.random.default_rng(4).poisson(0.3, 28 * DAY).astype(np.float64)
    assert 0.5 < forecast(hourly(counts), 48).quantiles[0.95].mean() < 3
    np.testing.assert_allclose(
        forecast(hourly(PAST * 2.0**40), 48).quantiles[0.5].mean(), TRUTH.mean() * 2.0**40, rtol=0.05
    )
    reset = PAST.copy()
    reset[-60] = 1e9
    assert forecast(hourly(reset), 48).quantiles[0.95].max() < 3 * TRUTH.max(), "a counter reset is no load"
    holed = PAST.copy()
    for week in range(4):
        holed[week * 168 + 60 : week * 168 + 72] = np.nan
    assert np.abs(forecast(hourly(holed), 48).quantiles[0.5] - TRUTH).mean() < 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(days=2, at=0.5, factor=2.0, crowd=1.0, scale=1e-12, sparse=0.0, seed=0)
@given(
    days=st.integers(1, 30),
    at=st.floats(0, 1),
    factor=st.sampled_from([0.0, 1e-3, 0.4, 2.0, 1e3]),
    crowd=st.floats(0, 1),
    scale=st.sampled_from([1e-12, 1.0, 1e12]),
    sparse=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_whatever_the_level_does_quantiles_are_finite_ascending_and_not_negative(
    days: int, at: float, factor: float, crowd: float, scale: float, sparse: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    series = load(days, seed=seed) * scale
    series[int(at * len(series)) :] *= factor
    series[int(crowd * (len(series) - 2)) :][:2] *= 50
    series[generator.random(len(series)) < sparse / 2] = 0.0
    found = forecast(hourly(series), 48, (0.1, 0.5, 0.95, 0.999)).quantiles.to_numpy()
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert found.max() <= 10 * max(float(series.max()), 1e-20)
