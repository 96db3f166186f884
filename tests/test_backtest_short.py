"""The short-lead update over the past: what it would have asked for, minute by minute."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasting.backtest.short import DAY_TICKS, Ticks, short_needs, short_path
from forecasting.backtest.walk import Origin, WalkSettings, rolling_origins, walk
from forecasting.shortlead import TAUS
from forecasting.sources.base import Reading
from tests.loads import daily_load

START = pd.Timestamp("2026-03-02", tz="UTC")
HOW = WalkSettings(model="seasonal-naive-day", quantiles=(0.5, 0.9, 0.95))
WINDOW = 5


def walked(load: pd.Series[float], days: float = 4) -> tuple[list[Origin], int]:
    """A walk from day `days` on, and the minutes after its first origin."""
    end = pd.DatetimeIndex(load.index)[-1] + pd.Timedelta(minutes=5)
    origins = walk(Reading(load, 300), rolling_origins(START + pd.Timedelta(days=days), end, 6), HOW)
    return origins, int((end - origins[0].at) // pd.Timedelta(minutes=1))


def ticks_of(load: pd.Series[float], days: float = 4) -> Ticks:
    origins, minutes = walked(load, days)
    found = Ticks.of(load, 300, origins, minutes, HOW.quantiles, HOW.step_minutes)
    assert found is not None
    return found


def test_ticks_are_the_samples_from_a_week_before_the_first_origin() -> None:
    load = daily_load(12)
    found = ticks_of(load, 10)
    assert found.scored == 8 * DAY_TICKS
    assert found.begin == START + pd.Timedelta(days=2)
    np.testing.assert_allclose(found.load, load[found.begin :].to_numpy())
    assert ticks_of(load, 4).scored == 4 * DAY_TICKS


def test_nothing_is_known_of_what_comes() -> None:
    """A load that is changed from a tick on changes no need up to that tick."""
    # The sixth day after the first origin: on the first three days too few samples are known to fit anything.
    load, at = daily_load(10), START + pd.Timedelta(days=8, hours=5)
    other = load.where(load.index < at, load * 3)
    before, after = (short_needs(ticks_of(each, 3), WINDOW) for each in (load, other))
    tick = int((at - (START + pd.Timedelta(days=3))) // pd.Timedelta(minutes=5))
    assert np.isfinite(before[: tick + 1]).all()
    np.testing.assert_array_equal(before[: tick + 1], after[: tick + 1])
    assert (after[tick + 1 :] > before[tick + 1 :]).any()


def test_a_higher_tau_never_asks_for_less() -> None:
    wanted = short_needs(ticks_of(daily_load(8)), WINDOW)
    assert wanted.shape == (4 * DAY_TICKS, len(TAUS))
    assert (np.diff(wanted, axis=1) >= 0).all()


def test_coarse_samples_and_missing_levels_have_no_update() -> None:
    load = daily_load(6)
    origins, minutes = walked(load)
    hourly = load.resample("1h").mean()
    assert Ticks.of(hourly, 3600, origins, minutes, HOW.quantiles, 15) is None
    assert Ticks.of(load, 300, origins, minutes, (0.5, 0.9), 15) is None


def test_what_is_asked_for_stands_five_minutes_after_its_tick_between_floor_and_ceiling() -> None:
    # Load per instance 10: 3, 1 (the fleet's floor of 2), nothing said, 9 (its ceiling of 6); each acts in the five minutes after its own.
    wanted = np.array([25.0, 4.0, np.nan, 88.0])
    path = short_path(wanted, np.full(20, 4, dtype=np.int32), 10.0, floor=2, ceiling=6)
    assert path.tolist() == [4] * 5 + [3] * 5 + [2] * 5 + [4] * 5
    longer = short_path(wanted, np.full(25, 4, dtype=np.int32), 10.0, floor=2, ceiling=6)
    assert longer[20:].tolist() == [6] * 5


@pytest.mark.parametrize("minutes", [1, 7, 23])
def test_a_path_has_every_minute_of_the_plan(minutes: int) -> None:
    plan = np.arange(1, minutes + 1, dtype=np.int32)
    assert len(short_path(np.full(minutes // 5, np.nan), plan, 10.0, floor=1, ceiling=99)) == minutes
    np.testing.assert_array_equal(short_path(np.full(minutes // 5, np.nan), plan, 10.0, floor=1, ceiling=99), plan)


def test_the_largest_load_is_that_of_the_samples_before() -> None:
    load = np.array([3.0, 1.0, np.nan, 9.0, 2.0])
    assert Ticks(START, load, 0, []).largest.tolist() == [3, 3, 3, 3, 9]
