"""Rolling origins, the floors that follow from them, and how the forecasts are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from forecasting.backtest.accuracy import accuracy, pinball
from forecasting.backtest.floors import Peer, Predictive, SeasonalNaive, fleet_at, floor_path, per_minute
from forecasting.backtest.recommend import csv_fleet
from forecasting.backtest.walk import Origin, WalkSettings, rolling_origins, walk
from forecasting.history import Verdict
from forecasting.sources.base import Reading
from tests.loads import daily_load

START = pd.Timestamp("2026-03-02", tz="UTC")
CHEAP = WalkSettings(model="seasonal-naive-day", quantiles=(0.5, 0.9))


def reading(days: float = 6) -> Reading:
    return Reading(daily_load(days), 300)


def at(hours: float) -> pd.Timestamp:
    return START + pd.Timedelta(hours=hours)


def origin(hours: float, load: Sequence[float], verdict: Verdict = Verdict.GOOD) -> Origin:
    values = np.array(load, dtype=float)
    return Origin(at(hours), verdict, at(hours), values[:, None], (1.0,), values, np.empty(0))


def test_origins_stand_on_the_clock() -> None:
    found = rolling_origins(at(1.2), at(24), 6)
    assert [stamp.hour for stamp in found] == [6, 12, 18]


def test_an_origin_sees_nothing_that_had_not_ended() -> None:
    whole = reading()
    changed = Reading(whole.load.where(whole.load.index < at(96), 1e6), 300)
    times = [at(90), at(96)]
    for before, after in zip(walk(whole, times, CHEAP), walk(changed, times, CHEAP), strict=True):
        np.testing.assert_array_equal(before.quantiles, after.quantiles)
        np.testing.assert_array_equal(before.peer, after.peer)
        np.testing.assert_array_equal(before.naive, after.naive)
        assert before.headroom == after.headroom
        assert before.start == before.at


def test_processes_and_order_change_nothing() -> None:
    whole = reading(4)
    times = rolling_origins(at(48), at(72), 6)
    seen: list[tuple[int, int]] = []
    alone = walk(whole, times, CHEAP, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    shuffled = Reading(whole.load.sample(frac=1, random_state=0), 300)
    for other in (walk(whole, times, CHEAP, processes=2), walk(shuffled, times, CHEAP)):
        for one, two in zip(alone, other, strict=True):
            assert one.at == two.at
            np.testing.assert_array_equal(one.quantiles, two.quantiles)


def test_the_naive_forecast_repeats_the_last_week_or_day() -> None:
    whole = reading(10)
    (day,) = walk(whole, [at(72)], CHEAP)
    assert day.naive[0] == pytest.approx(whole.load[at(48) : at(48.2)].mean())
    week = walk(whole, [at(24 * 8)], CHEAP)[0]
    assert week.naive[4] == pytest.approx(whole.load[at(25) : at(25.2)].mean())


def test_too_little_history_gives_no_forecast() -> None:
    (found,) = walk(reading(), [at(12)], CHEAP)
    assert not len(found.quantiles)


@dataclass
class Given:
    """Plans what the origin's median says."""

    def plan(self, origin: Origin) -> pd.Series[int] | None:
        if not len(origin.quantiles):
            return None
        index = pd.date_range(origin.start, periods=len(origin.quantiles), freq="15min")
        return pd.Series([int(value) for value in origin.quantiles[:, 0]], index=index)


def path(origins: list[Origin], hours: float = 3) -> list[int]:
    floor = floor_path(Given(), origins, START, round(hours * 60), baseline=1, step_minutes=15)
    return floor[::15].tolist()


def test_a_plan_takes_hold_at_the_next_step_and_the_baseline_returns_after_it() -> None:
    assert path([origin(0, [9, 8, 7, 6])]) == [1, 8, 7, 6] + [1] * 8


def test_the_newest_plan_wins_save_a_standing_value_that_is_a_little_too_high() -> None:
    # In the steps that both plan, 20 -> 19 is within a tenth and stays; 20 -> 10 is not; 20 -> 22 is raised.
    assert path([origin(0, [0] + [20] * 7), origin(0.5, [0, 19, 10, 22, 5])])[:7] == [1, 20, 20, 20, 10, 22, 5]


def test_in_doubt_a_plan_only_raises() -> None:
    doubtful = origin(0.5, [0, 3, 25, 3], Verdict.RAISE_ONLY)
    assert path([origin(0, [0] + [20] * 7), doubtful])[:6] == [1, 20, 20, 20, 25, 20]


def test_without_a_forecast_the_old_plan_stays() -> None:
    assert path([origin(0, [9] * 5), origin(0.5, [])]) == path([origin(0, [9] * 5)])


def test_ours_is_planned_a_lead_time_ahead() -> None:
    fleet = fleet_at(csv_fleet("x.csv", 10.0, 100.0), quantile=0.9, lead_time_seconds=600)
    load = [10.0] * 6 + [60.0] * 4 + [10.0] * 2
    planned = Predictive(fleet, (0.9,), 15).plan(origin(0, load))
    # Ten minutes of boot and two of jitter are one step.
    assert planned is not None
    assert planned.tolist() == [1] * 5 + [6] * 5 + [1] * 2
    assert SeasonalNaive(fleet, 15).plan(origin(0, load)) is not None


def test_the_peer_plans_hours_at_its_target_and_buffers_an_hour_at_most() -> None:
    fleet = fleet_at(csv_fleet("x.csv", 10.0, 100.0), lead_time_seconds=7200)
    hourly = Origin(at(0), Verdict.GOOD, at(0), np.empty((0, 1)), (), np.empty(0), np.array([10.0, 10, 10, 40, 10]))
    planned = Peer(fleet, 0.5, 15).plan(hourly)
    assert planned is not None
    # Two instances at half the load per instance; the eight of the fourth hour an hour and the jitter earlier: five steps.
    assert planned.tolist() == [2] * 7 + [8] * 9 + [2] * 4


def test_minutes_hold_short_samples_and_join_long_ones() -> None:
    index = pd.date_range(START, periods=3, freq="5min")
    held = per_minute(pd.Series([1.0, np.nan, 3.0], index=index), 300, START, 16)
    assert held[[0, 4]].tolist() == [1, 1]
    assert np.isnan(held[[5, 9, 15]]).all()
    assert held[10] == 3
    hours = pd.Series([10.0, 20.0, 30.0], index=pd.date_range(START, periods=3, freq="1h"))
    line = per_minute(hours, 3600, START, 180)
    assert line[60] == pytest.approx(15, abs=0.1)
    assert line[90] == pytest.approx(20, abs=0.1)
    assert np.isfinite(line).all()


def test_accuracy_by_hand() -> None:
    assert pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9).tolist() == pytest.approx([1.8, 0.2])
    actual = np.array([10.0, 20.0, 30.0, 40.0])
    quantiles = np.array([[8.0, 12.0], [20.0, 22.0], [33.0, 35.0], [40.0, 41.0]])
    naive = np.array([14.0, 18.0, 30.0, 44.0])
    made = Origin(START, Verdict.GOOD, START, quantiles, (1.0, 1.0), naive, np.empty(0))
    found = accuracy([made], actual, START, 15, (0.5, 0.9))
    assert found is not None
    # Absolute errors 2, 0, 3, 0 against 4, 2, 0, 4.
    assert found.overall.mase == pytest.approx(0.5)
    # Pinball at .5: 1, 0, 1.5, 0; at .9: .2, .2, .5, .1. Twice each over a load of 100, and their mean.
    assert found.overall.weighted_quantile_loss == pytest.approx((2 * 2.5 / 100 + 2 * 1.0 / 100) / 2)
    assert found.overall.coverage == {0.5: 0.75, 0.9: 1.0}
    assert [(lead.from_hours, lead.to_hours) for lead in found.by_lead] == [(0, 1)]
    assert accuracy([], actual, START, 15, (0.5,)) is None
