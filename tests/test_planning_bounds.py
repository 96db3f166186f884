"""A plan's arithmetic to the step and to the unit: lead times, events, limits of change, windows, headroom, resampling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.history.base import History
from forecasting.models.base import Forecast, ModelChoice
from forecasting.planning.base import Limits, Shortage
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.headroom import learn_headroom
from forecasting.planning.limits import limit_changes
from forecasting.planning.objective import best_setting, objective
from forecasting.planning.pool import (
    advised_base,
    close_in_time,
    highest_within,
    lowest,
    planned_quantiles,
    pool_limits,
    pool_need,
)
from forecasting.planning.resample import resampled, resampled_twice
from forecasting.settings import Fleet
from tests.fleets import NOW, make_fleet
from tests.gcp_fleets import gcp_fleet
from tests.test_planning import forecast_of

BEGIN = NOW.replace(minute=0)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STEP = 15 * MINUTE


def floors(loads: list[float], fleet: Fleet | None = None, **more: Any) -> list[int]:
    return [int(value) for value in plan_capacity(forecast_of(loads), fleet or make_fleet(), **more).floor]


# Lead time


@pytest.mark.parametrize(
    ("settings", "measured", "rises_at"),
    [
        (28 * 60, None, 4),  # with two minutes of lateness just two steps
        (28 * 60 + 1, None, 3),
        (13 * 60, None, 5),
        (28 * 60, 13 * 60, 5),
        (28 * 60, 0, 5),  # the lateness alone
        (0, 28 * 60, 4),
    ],
)
def test_a_rise_is_asked_for_so_many_whole_steps_ahead(settings: int, measured: float | None, rises_at: int) -> None:
    fleet = make_fleet(lead_time_seconds=settings)
    assert floors([20.0] * 6 + [100.0] * 2, fleet, lead_time_seconds=measured) == [2] * rises_at + [10] * (8 - rises_at)


def test_beyond_the_forecast_its_last_need_goes_on() -> None:
    fleet = make_fleet(lead_time_seconds=28 * 60)
    assert floors([20.0, 20.0, 20.0, 100.0], fleet) == [2, 10, 10, 10]
    assert floors([100.0, 20.0, 20.0, 20.0], fleet) == [10, 2, 2, 2]


# Events


def event(start: timedelta, end: timedelta, name: str = "sale", **effect: Any) -> dict[str, Any]:
    times = {"start": (BEGIN + start).isoformat(), "end": (BEGIN + end).isoformat()}
    return {"name": name, **times, "load_factor": 1, "floor": 0, **effect}


def need(loads: list[float], *events: dict[str, Any], **more: Any) -> list[int]:
    return list(plan_capacity(forecast_of(loads), make_fleet(events=list(events), **more)).need)


def test_an_event_counts_in_every_step_that_it_touches_and_in_no_other() -> None:
    flat = [100.0] * 6
    assert need(flat, event(2 * STEP, 3 * STEP, load_factor=2)) == [10, 10, 20, 10, 10, 10]
    assert need(flat, event(2 * STEP - MINUTE, 3 * STEP + MINUTE, load_factor=2)) == [10, 20, 20, 20, 10, 10]
    assert need(flat, event(2 * STEP + MINUTE, 2 * STEP + 2 * MINUTE, load_factor=2)) == [10, 10, 20, 10, 10, 10]


def test_events_that_overlap_multiply_their_factors_and_take_the_greater_floor() -> None:
    both = event(STEP, 3 * STEP, load_factor=2, floor=25), event(2 * STEP, 4 * STEP, "race", load_factor=1.5, floor=5)
    assert need([100.0] * 6, *both) == [10, 25, 30, 15, 10, 10]
    assert need([10.0] * 6, *both) == [1, 25, 25, 5, 1, 1]


def test_an_event_is_told_of_only_if_it_touches_the_plan() -> None:
    inside, after = event(STEP, 2 * STEP), event(6 * STEP, 8 * STEP, "race")
    plan = plan_capacity(forecast_of([100.0] * 6), make_fleet(events=[inside, after]))
    assert plan.notes == ("event 'sale' is in the plan",)
    late = event(6 * STEP - MINUTE, 8 * STEP, "race")
    assert len(plan_capacity(forecast_of([100.0] * 6), make_fleet(events=[late])).notes) == 1


# Notes and fields


def test_a_need_above_the_ceiling_is_told_with_its_count_and_first_step() -> None:
    plan = plan_capacity(forecast_of([400.0, 400.0, 401.0, 1e308, 20.0]), make_fleet())
    assert list(plan.need) == [40, 40, 41, 41, 2]
    assert plan.notes == ("the ceiling of 40 is below the need in 2 of 5 steps, first at 2026-03-02 10:30Z",)
    assert plan_capacity(forecast_of([400.0] * 3), make_fleet()).notes == ()


def test_a_limited_rise_is_told_with_its_count_and_first_step() -> None:
    fleet = make_fleet(max_increase_per_slot=2)
    plan = plan_capacity(forecast_of([100.0] * 5), fleet, current_floor=4)
    assert list(plan.floor) == [6, 8, 10, 10, 10]
    assert plan.notes == (
        "max_increase_per_slot keeps the floor below the need in 2 steps, first at 2026-03-02 10:00Z",
    )
    assert plan_capacity(forecast_of([100.0] * 5), fleet, current_floor=8).notes == ()
    # What a shortage keeps down is no rise that was cut.
    short = Shortage(6, BEGIN + 5 * HOUR, "X", "none left")
    assert plan_capacity(forecast_of([100.0] * 5), fleet, current_floor=6, shortage=short).notes == ("none left",)


def test_a_plan_holds_the_load_with_its_headroom_and_the_fleets_floor() -> None:
    plan = plan_capacity(forecast_of([100.0, 50.0]), make_fleet(floor=3), headroom=1.2)
    assert list(plan.load) == pytest.approx([120.0, 60.0])
    assert (list(plan.need), plan.baseline, plan.limits, plan.on_demand_base) == ([12, 6], 3, (), None)
    assert plan.fresh_until is None


def test_a_plan_keeps_what_a_fleet_may_ask_for_until_an_hour_after_it() -> None:
    def limits(end: float) -> Limits:
        fleet = make_fleet(floor=0, pool={"windows": [window(0, end)]})
        return plan_capacity(forecast_of([50.0] * 8), fleet).limits

    assert limits(2.99)[-1][1] == 0
    assert limits(3)[-1][1] == 16


# Limits of change


@pytest.mark.parametrize(
    ("required", "start", "bounds", "up", "down", "found"),
    [
        ([1, 50, 7], None, (2, 40), None, None, [2, 40, 7]),
        ([1, 50, 7], 9, (2, 40), None, None, [2, 40, 7]),
        ([10, 2, 2], None, (2, 40), None, 3, [10, 7, 4]),
        ([2, 2, 2, 2], 10, (2, 40), None, 3, [7, 4, 2, 2]),
        ([10, 10, 10], 2, (2, 40), 3, None, [5, 8, 10]),
        ([2, 2, 2, 8], None, (2, 40), 2, None, [2, 4, 6, 8]),
        ([2, 9, 2, 8], 2, (2, 40), 3, 4, [5, 8, 5, 8]),
        ([8, 2, 2], None, (2, 40), 2, None, [8, 2, 2]),
        # The fleet's floor and its upper bounds outrank the limits.
        ([5], 0, (5, 40), 2, None, [5]),
        ([2], 10, (2, [6]), None, 1, [6]),
        ([9, 9, 9], 2, (2, [9, 3, 9]), 10, None, [9, 3, 9]),
        ([2, 2, 2, 8], None, (2, [3, 3, 3, 8]), 2, None, [2, 2, 3, 5]),
        ([10, 10], 20, (2, [4, 10]), None, 1, [4, 10]),
        ([], 3, (2, 40), 1, 1, []),
    ],
)
def test_changes_are_limited_exactly_so(
    required: list[int],
    start: int | None,
    bounds: tuple[int, int | list[int]],
    up: int | None,
    down: int | None,
    found: list[int],
) -> None:
    lower, upper = bounds
    assert limit_changes(required, start=start, lower=lower, upper=upper, max_increase=up, max_decrease=down) == found


# Pools


def window(start: float, end: float, units: int = 16, floor: int = 1) -> dict[str, Any]:
    """Hours after the plan's beginning, in a zone of its own."""
    zone = timezone(timedelta(hours=9))
    at = [(BEGIN + timedelta(hours=hours)).astimezone(zone).isoformat() for hours in (start, end)]
    return {"start": at[0], "end": at[1], "units": units, "floor": floor}


def pool(*windows: dict[str, Any], floor: int = 0, **changes: Any) -> Fleet:
    return make_fleet(floor=floor, ceiling=40, lead_time_seconds=0, pool={"windows": list(windows), **changes})


def at(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def short(units: int, hours: float) -> Shortage:
    return Shortage(units, at(hours), "X", "none left")


@pytest.mark.parametrize(
    ("fleet", "shortage", "end", "found"),
    [
        (pool(), None, 6, []),
        (pool(window(4, 5, 4), window(1, 3)), None, 6, [(0, 0), (1, 16), (3, 0), (4, 4), (5, 0)]),
        (pool(window(0, 3), window(3, 5, 4)), None, 6, [(0, 16), (3, 4), (5, 0)]),
        (pool(window(0, 3), window(3, 5)), None, 6, [(0, 16), (5, 0)]),
        (pool(window(-1, 5)), None, 5, [(0, 16)]),
        (pool(window(-1, 5, 60)), None, 5, []),
        (pool(window(1, 3)), short(6, 2), 6, [(0, 0), (1, 6), (2, 16), (3, 0)]),
        (pool(), short(6, 2), 6, [(0, 6), (2, 40)]),
        (pool(), short(6, 2), 2, [(0, 6)]),
        (pool(), short(6, 0), 6, []),
        (pool(), short(6, -1), 6, []),
        (pool(), short(50, 2), 6, []),
        (pool(floor=8), short(6, 2), 6, [(0, 8), (2, 40)]),
        (pool(floor=4), short(6, 2), 6, [(0, 6), (2, 40)]),
    ],
)
def test_what_may_be_asked_for_changes_at_these_moments(
    fleet: Fleet, shortage: Shortage | None, end: float, found: list[tuple[float, int]]
) -> None:
    limits = pool_limits(fleet, shortage, BEGIN, at(end))
    assert limits == tuple((at(hours), units) for hours, units in found)
    assert all(moment.tzinfo is UTC for moment, _ in limits)


@pytest.mark.parametrize(
    ("start", "end", "least", "most"),
    [
        (-1, 0, 40, 40),
        (-1, 0.01, 0, 40),
        (0, 1, 0, 0),
        (0, 1.01, 0, 8),
        (1, 2, 8, 8),
        (1, 2.01, 3, 8),
        (1.5, 3, 3, 8),
        (2, 9, 3, 3),
    ],
)
def test_the_least_and_the_most_of_a_span_begin_with_it_and_end_before_it_ends(
    start: float, end: float, least: int, most: int
) -> None:
    limits = ((at(0), 0), (at(1), 8), (at(2), 3))
    assert lowest(limits, at(start), at(end), 40) == least
    assert highest_within(limits, at(start), at(end), 40) == most
    assert lowest(limits, at(start), None, 40) == (0 if start < 1 else 3)


def needed(units: list[int], fleet: Fleet) -> list[int]:
    index = pd.date_range(BEGIN, periods=len(units), freq="15min")
    return [int(value) for value in pool_need(np.array(units), fleet, index, pd.Timedelta("15min"))]


def test_what_a_pool_needs_is_in_whole_instances_with_its_warm_units() -> None:
    assert needed([0, 7, 8, 33, 60], make_fleet()) == [0, 7, 8, 33, 60]
    assert needed([0, 7, 8, 33, 60], pool(units_per_instance=8, warm_headroom=1)) == [8, 8, 16, 40, 41]
    assert needed([0, 7, 8], pool(units_per_instance=8)) == [8, 8, 8]
    assert needed([0, 0], gcp_fleet(floor=0, pool={"units_per_instance": 8})) == [0, 0]


def test_in_its_windows_a_pool_needs_at_least_their_floor_and_outside_nothing() -> None:
    fleet = pool(window(0.25, 0.75, 16, 3), window(1, 1.01, 16, 5))
    assert needed([9, 9, 1, 9, 0, 9], fleet) == [0, 9, 3, 0, 5, 0]
    idle = gcp_fleet(floor=0, pool={"windows": [window(0.25, 0.75, 4, 0)]})
    assert needed([3, 0, 3, 3], idle) == [0, 0, 3, 0]


STARTS = [BEGIN + number * STEP for number in range(8)]


@pytest.mark.parametrize(
    ("windows", "lead", "current", "before", "after", "limits"),
    [
        # Two steps before the end nothing more is asked for than before them.
        ([(0, 1.75)], 1800, 5, [5, 5, 5, 5, 7, 15, 16, 0], [5, 5, 5, 5, 7, 7, 7, 0], [(0, 16), (1.25, 7), (1.75, 0)]),
        ([(0, 1.75)], 1801, 5, [5, 5, 5, 5, 7, 15, 16, 0], [5, 5, 5, 5, 5, 5, 5, 0], [(0, 16), (1, 5), (1.75, 0)]),
        ([(0, 1.75)], 1800, 5, [5, 5, 5, 5, 7, 6, 16, 0], [5, 5, 5, 5, 7, 6, 6, 0], [(0, 16), (1.25, 6), (1.75, 0)]),
        # From the beginning: what is in force counts, and nothing is done if that is not known.
        ([(-1, 0.5)], 1800, 3, [5, 6] + [0] * 6, [3, 3] + [0] * 6, [(0, 3), (0.5, 0)]),
        ([(-1, 0.5)], 1800, 0, [5, 6] + [0] * 6, [1, 1] + [0] * 6, [(0, 1), (0.5, 0)]),
        ([(-1, 0.5)], 1800, None, [5, 6] + [0] * 6, [5, 6] + [0] * 6, [(0, 16), (0.5, 0)]),
        # A window that is not longer than the lead time is opened by its owner, to its floor.
        ([(0, 0.75)], 3600, 5, [9] * 3 + [0] * 5, [1] * 3 + [0] * 5, [(0, 1), (0.75, 0)]),
        ([(0.5, 1)], 1800, 5, [0, 0, 9, 9] + [0] * 4, [0, 0, 1, 1] + [0] * 4, [(0, 0), (0.5, 1), (1, 0)]),
        # The next window, back to back, is not bound by the one before.
        (
            [(0, 1), (1, 3)],
            1800,
            5,
            [5, 5, 5, 8, 9, 9, 9, 9],
            [5, 5, 5, 5, 9, 9, 9, 9],
            [(0, 16), (0.5, 5), (1, 16)],
        ),
        # One that ended, or begins to close after the plan, changes nothing.
        ([(-2, 0)], 1800, 5, [0] * 8, [0] * 8, [(0, 0)]),
        ([(0, 9)], 1800, 5, [9] * 8, [9] * 8, [(0, 16)]),
    ],
)
def test_nothing_is_begun_too_late_in_a_window(
    windows: list[tuple[float, float]],
    lead: float,
    current: int | None,
    before: list[int],
    after: list[int],
    limits: list[tuple[float, int]],
) -> None:
    fleet = pool(*(window(*each) for each in windows))
    known = pool_limits(fleet, None, BEGIN, BEGIN + 3 * HOUR)
    kept, limited = close_in_time(before, fleet, known, STARTS, lead, current)
    assert kept == after
    assert limited == tuple((at(hours), units) for hours, units in limits)


def test_what_a_closing_window_cuts_is_no_limited_rise() -> None:
    plan = plan_capacity(forecast_of([90.0] * 8), pool(window(0.5, 1)), lead_time_seconds=28 * 60)
    assert (list(plan.floor), plan.notes) == ([0, 0, 1, 1, 0, 0, 0, 0], ())


def test_a_shortage_within_a_closing_window_still_counts() -> None:
    fleet = pool(window(0, 1.75))
    known = pool_limits(fleet, short(2, 1.5), BEGIN, BEGIN + 3 * HOUR)
    assert known == ((at(0), 2), (at(1.5), 16), (at(1.75), 0))
    kept, limited = close_in_time([2, 2, 2, 2, 2, 9, 9, 0], fleet, known, STARTS, 1800, 2)
    assert kept == [2, 2, 2, 2, 2, 2, 2, 0]
    assert limited == ((at(0), 2), (at(1.25), 2), (at(1.75), 0))


@pytest.mark.parametrize(
    ("quantile", "units_per_instance", "base"),
    [(0.01, 1, 1), (0.3, 1, 1), (0.31, 1, 2), (0.7, 1, 2), (0.71, 1, 3), (0.95, 1, 3), (0.95, 2, 4), (0.31, 8, 8)],
)
def test_the_base_is_the_quantile_of_the_levels_by_their_weight(
    quantile: float, units_per_instance: int, base: int
) -> None:
    """Levels 0.1, 0.5 and 0.9 stand for 0.3, 0.4 and 0.3 of all that may come."""
    load = forecast_at({0.1: [10.0], 0.5: [20.0], 0.9: [30.0]})
    fleet = pool(on_demand_quantile=quantile, units_per_instance=units_per_instance)
    assert advised_base(load, fleet) == base
    assert planned_quantiles(fleet) == {0.9, quantile}


def test_the_base_is_at_most_the_ceiling_and_no_less_than_nothing() -> None:
    fleet = pool(on_demand_quantile=0.5)
    assert advised_base(forecast_at({0.1: [1e300], 0.5: [1e300], 0.9: [1e300]}), fleet) == 40
    assert advised_base(forecast_at({0.1: [0.0], 0.5: [0.0], 0.9: [0.0]}), fleet) == 0
    assert advised_base(forecast_at({0.1: [30.0], 0.5: [30.000000001], 0.9: [30.0]}), fleet) == 3
    assert planned_quantiles(pool()) == planned_quantiles(make_fleet()) == {0.9}


def forecast_at(levels: dict[float, list[float]]) -> Forecast:
    index = pd.date_range(BEGIN, periods=len(levels[0.5]), freq="15min")
    return Forecast(pd.DataFrame(levels, index=index), ModelChoice("test", {"test": 1.0}))


# Headroom


def history(ratios: list[float], means: list[float]) -> History:
    """Steps of 15 min in samples of 5 min with these peaks and means."""
    fine = [
        value * mean
        for ratio, mean in zip(ratios, means, strict=True)
        for value in (ratio, (3 - ratio) / 2, (3 - ratio) / 2)
    ]
    series = pd.Series(fine, index=pd.date_range(BEGIN, periods=len(fine), freq="5min"), dtype=float)
    load = series.resample("15min").mean()
    return History(load=load, censored=pd.Series(data=False, index=load.index), fine=series, findings=())


def test_headroom_is_a_quantile_of_the_busy_half_alone() -> None:
    busy, quiet = [1.1, 1.2, 1.3, 1.4, 1.5] * 20, [2.5] * 100
    made = history([*busy, *quiet], [100.0] * 100 + [10.0] * 100)
    assert learn_headroom(made, 0.5) == pytest.approx(1.3)
    assert learn_headroom(made, 0.9) == pytest.approx(1.5)
    assert learn_headroom(made, 0.01) == pytest.approx(1.1)


def test_headroom_takes_a_whole_day_and_counts_no_step_without_load() -> None:
    assert learn_headroom(history([1.2] * 96, [100.0] * 96), 0.9) == pytest.approx(1.2)
    assert learn_headroom(history([1.2] * 95, [100.0] * 95), 0.9) == 1.0
    assert learn_headroom(history([1.2] * 196, [0.0] * 101 + [100.0] * 95), 0.9) == 1.0
    assert learn_headroom(history([1.2] * 197, [0.0] * 101 + [100.0] * 96), 0.9) == pytest.approx(1.2)


# The objective, and pasts drawn again


def test_twice_the_target_costs_as_much_as_half_as_many_instances_more() -> None:
    target = 0.005
    cost, share = np.array([1.0, 1.5, 1.0, 1.0]), np.array([2 * target, target, target, 0.0])
    found = objective(cost, share, target)
    assert found[0] == pytest.approx(found[1]) == pytest.approx(np.log(1.5))
    assert found[2] == found[3] == 0
    assert objective(np.array([2.0]), np.array([4 * target]), target)[0] == pytest.approx(np.log(2 * 2.5))
    assert np.isfinite(objective(np.array([0.0]), np.array([0.0]), target)).all()


def test_the_best_setting_is_the_cheapest_that_serves_in_the_latest_28_days() -> None:
    days = 40
    paid = np.tile([3.0, 2.0, 1.0], (days, 1))
    uncovered = np.tile([0.0, 0.0, 50.0], (days, 1))
    load = np.full(days, 100.0)
    assert best_setting(paid, uncovered, load, 0.005) == 1
    assert best_setting(paid, 0 * uncovered, load, 0.005) == 2
    old = uncovered.copy()
    old[:12, 1], old[12:, 2] = 90.0, 0.0  # what was long ago is no reason
    assert best_setting(paid, old, load, 0.005) == 2
    recent = np.zeros_like(uncovered)
    recent[12:13, 2] = 90.0
    assert best_setting(paid, recent, load, 0.005) == 1
    assert best_setting(paid, 0 * uncovered, 0 * load, 0.005) == 2


def test_a_past_is_drawn_again_in_runs_of_days_next_to_each_other() -> None:
    for days, block in ((12, 3), (100, 3), (8, 2), (7, 1), (3, 1), (1, 1)):
        counts = resampled(days, block, 300, np.random.default_rng(1))
        assert counts.shape == (300, days)
        assert (counts.sum(axis=1) == block).all()
        assert (counts.sum(axis=0) > 0).all() or days == 100
        for row in counts:
            drawn = np.flatnonzero(row)
            assert any({(first + step) % days for step in range(block)} == set(drawn) for first in drawn)


def test_days_of_different_runs_are_drawn_apart() -> None:
    """A run of one day may be followed by the same day, a day of a longer run by the next one alone."""
    for days in (3, 7):
        assert (resampled(days, 2, 300, np.random.default_rng(1)) == 2).any()
    assert not (resampled(8, 2, 300, np.random.default_rng(1)) == 2).any()
    assert (resampled(8, 3, 300, np.random.default_rng(1)) == 2).any()


def test_a_sample_has_the_length_that_was_asked_for() -> None:
    for length in (1, 4, 5, 28):
        counts = resampled(12, length, 50, np.random.default_rng(1))
        assert (counts.sum(axis=1) == length).all()
        ahead = resampled_twice(12, length, 50, np.random.default_rng(1))
        assert ahead.shape == (50, 12)
        assert (ahead.sum(axis=1) == length).all()


def test_days_ahead_are_drawn_from_a_past_that_is_itself_drawn() -> None:
    """So they vary more than days drawn from the past that was seen."""
    once = resampled(30, 30, 4000, np.random.default_rng(1))
    twice = resampled_twice(30, 30, 4000, np.random.default_rng(1))
    assert once.mean() == pytest.approx(twice.mean()) == pytest.approx(1.0)
    assert twice.var() > 1.5 * once.var()
