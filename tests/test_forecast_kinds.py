"""Kinds of load: recurring peaks, flash crowds, levels that move, growth by the day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forecasting import forecast
from forecasting.models.base import FloatArray

DAY = 96
PAST = 28 * DAY
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOURS = st.integers(1, 22)
HEIGHTS = st.floats(4.0, 12.0)
SEEDS = st.integers(0, 10_000)


def shape(days: int = 30) -> FloatArray:
    """A load of office days around 65, lower at weekends, from a Monday on."""
    time = np.arange(days * DAY) / DAY
    return (60 - 40 * np.cos(2 * np.pi * (time - 0.1))) * np.where(time.astype(int) % 7 >= 5, 0.75, 1.0) + 10


def noisy(load: FloatArray, seed: int) -> FloatArray:
    return load * np.maximum(1 + 0.04 * np.random.default_rng(seed).standard_normal(len(load)), 0)


def quantiles(load: FloatArray) -> pd.DataFrame:
    """Of the two days after four weeks, the first a Monday."""
    index = pd.date_range("2026-03-02T00:00Z", periods=PAST, freq="15min")
    return forecast(pd.Series(load[:PAST], index=index), 2 * DAY).quantiles.reset_index(drop=True)


def windows(days: list[int], hour: int, steps: int) -> npt.NDArray[np.bool_]:
    """True in these steps of these days."""
    marks = np.zeros(30 * DAY, bool)
    for day in days:
        marks[day * DAY + hour * 4 :][:steps] = True
    return marks


# Recurring peaks and flash crowds


KINDS = {
    "weekdays": ([day for day in range(30) if day % 7 < 5], 1),
    "every day": (list(range(30)), 1),
    "one weekday": ([day for day in range(30) if day % 7 == 0], 4),
    "two evenings": ([day for day in range(30) if day % 7 in (0, 2)], 3),
    "campaign of five evenings": (list(range(23, 30)), 4),
}


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(hour=HOURS, height=HEIGHTS, seed=SEEDS)
@example(hour=9, height=6.0, seed=1)
def test_a_peak_that_comes_back_is_foreseen(kind: str, hour: int, height: float, seed: int) -> None:
    days, steps = KINDS[kind]
    marks = windows(days, hour, steps)
    base = noisy(shape(), seed)
    load = base + marks * height * 100
    found = quantiles(load)
    truth, peak = load[PAST:], marks[PAST:]
    assert (found[0.95][peak] > 0.85 * truth[peak]).all()
    assert (found[0.5][peak] > 0.7 * truth[peak]).all()
    assert (found[0.95][peak] < 1.5 * truth[peak]).all()
    calm = quantiles(base)
    assert found[0.95][~peak].mean() < 1.2 * calm[0.95][~peak].mean(), "no other hour pays for it"


@FEW
@given(hour=HOURS, height=HEIGHTS, days_ago=st.integers(1, 20), hours=st.integers(1, 3), seed=SEEDS)
@example(hour=20, height=8.0, days_ago=5, hours=2, seed=1)
def test_a_flash_crowd_neither_comes_back_nor_widens_the_intervals(
    hour: int, height: float, days_ago: int, hours: int, seed: int
) -> None:
    base = noisy(shape(), seed)
    crowd = base.copy()
    begin = PAST - days_ago * DAY - hour * 4 % (DAY // 2) - 16
    crowd[begin : begin + 4 * hours] *= height
    found, plain = quantiles(crowd), quantiles(base)
    width, usual = ((each[0.95] - each[0.5]).mean() for each in (found, plain))
    assert width < 1.2 * usual + 0.02 * base.mean()
    assert found[0.5].max() < 1.15 * plain[0.5].max()


# Levels


def follows(found: pd.DataFrame, truth: FloatArray, *, cover: float = 0.85, wide: float = 1.25) -> None:
    assert 0.93 < found[0.5].sum() / truth.sum() < 1.07
    assert (truth <= found[0.95]).mean() > cover
    assert found[0.95].sum() / truth.sum() < wide


@FEW
@given(constant=st.floats(150, 600), days_ago=st.integers(3, 9), seed=SEEDS)
@example(constant=300, days_ago=4, seed=1)
def test_a_constant_that_joins_is_a_constant(constant: float, days_ago: int, seed: int) -> None:
    load = noisy(shape(), seed) + np.where(np.arange(30 * DAY) >= PAST - days_ago * DAY, constant, 0)
    follows(quantiles(load), load[PAST:], cover=0.75)


@FEW
@given(constant=st.floats(150, 600), days_ago=st.integers(6, 9), seed=SEEDS)
@example(constant=250, days_ago=7, seed=1)
def test_a_constant_that_leaves_is_a_constant(constant: float, days_ago: int, seed: int) -> None:
    load = noisy(shape(), seed) + np.where(np.arange(30 * DAY) < PAST - days_ago * DAY, constant, 0)
    follows(quantiles(load), load[PAST:])


@FEW
@given(factor=st.sampled_from([0.4, 0.5, 2.0, 3.0]), days_ago=st.integers(6, 9), seed=SEEDS)
def test_a_factor_is_a_factor(factor: float, days_ago: int, seed: int) -> None:
    load = noisy(shape(), seed) * np.where(np.arange(30 * DAY) >= PAST - days_ago * DAY, factor, 1)
    follows(quantiles(load), load[PAST:])


@FEW
@given(
    hour=st.integers(0, 17), hours=st.integers(2, 6), height=st.floats(150, 400), nights=st.integers(4, 9), seed=SEEDS
)
@example(hour=0, hours=6, height=230, nights=5, seed=1)
def test_a_new_batch_changes_its_hours_only(hour: int, hours: int, height: float, nights: int, seed: int) -> None:
    marks = windows(list(range(28 - nights, 30)), hour, 4 * hours)
    load = noisy(shape() + marks * height, seed)
    found, truth, inside = quantiles(load), load[PAST:], marks[PAST:]
    assert 0.85 < found[0.5][inside].sum() / truth[inside].sum() < 1.1
    covered, steps = (truth[inside] <= found[0.95][inside]).mean(), int(inside.sum())
    assert covered > 0.85 - 3 * (0.85 * 0.15 / steps) ** 0.5, "of few steps: the mean is tested below"
    assert found[0.95][~inside].sum() < 1.3 * truth[~inside].sum(), "no other hour pays for it"


def test_a_batch_that_fills_3_percent_of_the_time_is_a_peak_as_a_whole() -> None:
    """The threshold of recurring peaks is within the noise of such a batch."""
    for seed in range(30):
        random = np.random.default_rng(seed)
        nights, steps, height = random.choice([6, 7, 8, 9]), random.choice([8, 12, 16]), random.uniform(120, 480)
        marks = windows(list(range(28 - nights, 30)), int(random.integers(0, 18)), steps)
        load = (shape() + marks * height) * np.maximum(1 + 0.1 * random.standard_normal(30 * DAY), 0)
        found = quantiles(load)
        assert found[0.95].sum() < 1.35 * load[PAST:].sum(), seed
        assert 0.85 < found[0.5][marks[PAST:]].sum() / load[PAST:][marks[PAST:]].sum() < 1.15, seed


@pytest.mark.parametrize("nights", [4, 6])
def test_the_hours_of_a_new_batch_are_covered(nights: int) -> None:
    """The noise grows with the load, and the nights before the batch have little of it."""
    shares: list[float] = []
    for seed in range(12):
        marks = windows(list(range(28 - nights, 30)), seed, 24)
        load = noisy(shape() + marks * 250, seed)
        found = quantiles(load)
        shares.append(float((load[PAST:] <= found[0.95])[marks[PAST:]].mean()))
    assert np.mean(shares) > 0.89


@FEW
@given(growth=st.floats(0.15, 0.30), days=st.integers(5, 8), seed=SEEDS)
@example(growth=0.30, days=6, seed=1)
def test_growth_by_the_day_is_followed_and_covered(growth: float, days: int, seed: int) -> None:
    ahead = np.maximum(np.arange(30 * DAY) / DAY - (28 - days), 0)
    load = noisy(shape() * (1 + growth) ** ahead, seed)
    found, truth = quantiles(load), load[PAST:]
    assert (truth <= found[0.95]).mean() > 0.85
    assert found[0.5].sum() > 0.8 * truth.sum()
    assert found[0.95].sum() < 1.6 * truth.sum()


@FEW
@given(seed=SEEDS)
def test_two_weeks_that_repeat_are_repeated(seed: int) -> None:
    random = np.random.default_rng(seed)
    week = np.repeat(random.uniform(20, 200, 7 * 24), 4)
    load = np.tile(week, 5)[: 16 * DAY] * (1 + 0.02 * random.standard_normal(16 * DAY))
    index = pd.date_range("2026-03-02T00:00Z", periods=14 * DAY, freq="15min")
    found = forecast(pd.Series(load[: 14 * DAY], index=index), 2 * DAY).quantiles[0.5].to_numpy()
    last_week = load[7 * DAY : 9 * DAY]
    truth = load[14 * DAY :]
    assert np.abs(found - truth).mean() < 1.3 * np.abs(last_week - truth).mean()
