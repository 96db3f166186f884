from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forecasting.errors import SettingsError
from forecasting.history.base import History
from forecasting.models.base import Forecast, ModelChoice
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import MAX_HEADROOM, Headroom, learn_headroom
from forecasting.planning.limits import limit_changes
from tests.fleets import NOW, make_fleet


def forecast_of(loads: list[float]) -> Forecast:
    index = pd.date_range(NOW.replace(minute=0), periods=len(loads), freq="15min")
    return Forecast(
        pd.DataFrame({0.5: loads, 0.9: loads, 0.95: loads}, index=index), ModelChoice("test", {"test": 1.0})
    )


def test_a_rise_is_shifted_earlier_by_lead_time_and_jitter_and_a_fall_is_not() -> None:
    # 28 min of boot and 2 of jitter are two steps of 15 min.
    plan = plan_capacity(forecast_of([20, 20, 20, 20, 100, 100, 20, 20]), make_fleet(lead_time_seconds=28 * 60))

    assert list(plan.need) == [2, 2, 2, 2, 10, 10, 2, 2]
    assert list(plan.floor) == [2, 2, 10, 10, 10, 10, 2, 2]


def test_a_load_of_exactly_n_instances_needs_n() -> None:
    assert list(plan_capacity(forecast_of([30.000000000000004, 30.1]), make_fleet(lead_time_seconds=0)).need) == [3, 4]


def test_floor_and_ceiling_bound_the_plan_and_the_clamp_is_told() -> None:
    plan = plan_capacity(forecast_of([0.0, 1e308, 0.0, 0.0, 0.0]), make_fleet())

    assert plan.floor.min() == 2
    assert plan.floor.max() == 40
    assert any("ceiling of 40 is below the need" in note for note in plan.notes)


def test_headroom_multiplies_the_load() -> None:
    assert list(plan_capacity(forecast_of([100.0, 100.0]), make_fleet(), headroom=1.25).floor) == [13, 13]


def test_events_multiply_the_load_and_raise_the_floor_before_they_begin() -> None:
    start = NOW.replace(minute=0) + timedelta(hours=1)
    event = {
        "name": "sale",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "load_factor": 2,
        "floor": 15,
    }
    plan = plan_capacity(forecast_of([100.0] * 8), make_fleet(events=[event], lead_time_seconds=10 * 60))

    assert list(plan.floor) == [10, 10, 10, 20, 20, 20, 10, 10]
    assert "event 'sale' is in the plan" in plan.notes


def test_a_forecast_without_the_quantile_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"quantile: got 0\.99"):
        plan_capacity(forecast_of([1.0, 1.0]), make_fleet(quantile=0.99))


def test_prices_choose_the_quantile() -> None:
    fleet = make_fleet(prices={"instance_hour": 1, "unmet_instance_hour": 19})
    assert fleet.plan_quantile == pytest.approx(0.95)
    assert plan_capacity(forecast_of([50.0, 50.0]), fleet).floor.max() == 5


loads = st.lists(st.floats(0, 1e6), min_size=2, max_size=40)


@given(
    loads,
    st.lists(st.floats(0, 1e3), min_size=40, max_size=40),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 40),
)
def test_a_higher_load_never_lowers_a_floor(
    low: list[float], more: list[float], up: int, down: int, start: int
) -> None:
    fleet = make_fleet(max_increase_per_slot=up, max_decrease_per_slot=down)
    high = [value + extra for value, extra in zip(low, more, strict=False)]
    lower = plan_capacity(forecast_of(low), fleet, current_floor=start).floor
    higher = plan_capacity(forecast_of(high), fleet, current_floor=start).floor
    assert (higher >= lower).all()


counts = st.lists(st.integers(0, 60), min_size=1, max_size=30)


@given(counts, st.integers(2, 40), st.integers(1, 10), st.integers(1, 10))
def test_changes_keep_to_their_limits(required: list[int], start: int, up: int, down: int) -> None:
    floors = limit_changes(required, start=start, lower=2, upper=40, max_increase=up, max_decrease=down)
    before = start
    for floor in floors:
        assert 2 <= floor <= 40
        assert -down <= floor - before <= up
        before = floor


@given(counts, st.integers(1, 10))
def test_without_a_start_the_limits_never_cut_a_need(required: list[int], up: int) -> None:
    floors = limit_changes(required, start=None, lower=2, upper=40, max_increase=up, max_decrease=None)
    assert all(floor >= min(max(value, 2), 40) for floor, value in zip(floors, required, strict=True))


def test_a_ramp_that_may_rise_by_two_begins_in_time() -> None:
    floors = limit_changes([2, 2, 2, 8, 2], start=2, lower=2, upper=40, max_increase=2, max_decrease=None)
    assert floors == [2, 4, 6, 8, 2]


def history_of(fine: Any, fine_minutes: int = 5) -> History:
    index = pd.date_range("2026-03-01", periods=len(fine), freq=f"{fine_minutes}min", tz="UTC")
    series = pd.Series(np.asarray(fine, dtype=float), index=index)
    load = series.resample("15min").mean()
    return History(load=load, censored=pd.Series(data=False, index=load.index), fine=series, findings=())


def test_headroom_is_the_ratio_of_peak_to_mean_in_the_busy_half() -> None:
    busy, quiet = [90.0, 100.0, 110.0], [1.0, 1.0, 9.0]
    history = history_of((busy * 100) + (quiet * 100))
    assert learn_headroom(history, 0.9) == pytest.approx(1.1)


def test_no_headroom_is_learnt_from_samples_as_long_as_the_step_or_from_a_short_history() -> None:
    assert learn_headroom(history_of([1.0, 5.0] * 200, fine_minutes=15), 0.9) == 1.0
    assert learn_headroom(history_of([1.0, 2.0, 3.0] * 40), 0.9) == 1.0


def test_headroom_is_bounded_and_gaps_do_not_count() -> None:
    spiky = history_of([0.001, 0.001, 1000.0] * 100 + [float("nan")] * 300)
    assert learn_headroom(spiky, 0.9) == pytest.approx(min(1000.0 / (1000.002 / 3), MAX_HEADROOM))


def minutes_with_peaks(days: int, at: Callable[[int], Iterable[int]], height: float, seed: int) -> History:
    """A load of minutes around 30, from a Monday on, with a peak in the minutes of each day that `at` gives."""
    load = 30 * np.random.default_rng(seed).normal(1, 0.03, days * 1440)
    for day in range(days):
        load[[day * 1440 + minute for minute in at(day)]] *= height
    index = pd.date_range("2026-03-02", periods=len(load), freq="1min", tz="UTC")
    series = pd.Series(load, index=index)
    means = series.resample("15min").mean()
    return History(load=means, censored=pd.Series(data=False, index=means.index), fine=series, findings=())


@settings(max_examples=12, deadline=None)
@given(
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=24),
    minute=st.integers(0, 59),
    height=st.floats(4, 15),
    days=st.integers(7, 15),
    seed=st.integers(0, 1000),
)
@example(hours=set(range(24)), minute=0, height=14.0, days=12, seed=1)
def test_a_peak_of_a_minute_that_recurs_is_in_the_headroom_of_its_step(
    hours: set[int], minute: int, height: float, days: int, seed: int
) -> None:
    history = minutes_with_peaks(days, lambda _: [60 * hour + minute for hour in hours], height, seed)
    found = Headroom.of(history, 0.9)
    day = pd.date_range("2026-03-18", periods=96, freq="15min", tz="UTC")
    means = history.load.to_numpy()[-96:]
    peaks = history.fine.to_numpy()[-1440:].reshape(96, 15).max(axis=1)
    assert (means * found.over(day) > 0.85 * peaks).all()
    assert (found.over(day) > 1.3).sum() == len(hours), "no other step pays for it"


def test_peaks_of_a_minute_on_working_days_are_in_working_days() -> None:
    history = minutes_with_peaks(28, lambda day: [545] if day % 7 < 5 else [], 10.0, 1)
    week = pd.date_range("2026-03-30T09:00", periods=7, freq="D", tz="UTC")
    assert list(Headroom.of(history, 0.9).over(week) > 3) == [True] * 5 + [False] * 2
    # The clocks have been put forward in between.
    local = Headroom.of(history, 0.9, "Europe/Berlin").over(week - pd.Timedelta(hours=1))
    assert list(local > 3) == [True] * 5 + [False] * 2


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_peaks_of_a_minute_at_any_time_recur_at_none(seed: int) -> None:
    random = np.random.default_rng(seed)
    history = minutes_with_peaks(14, lambda _: random.integers(0, 1440, 20).tolist(), 10.0, seed)
    # By chance peaks may come together at a time of the day, at two hardly ever.
    assert sum(factor > 1 for factor in Headroom.of(history, 0.9).by_step) <= 7
