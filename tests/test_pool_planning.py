"""What a pool asks for: whole instances, warm headroom, capacity windows, a shortage, and the on-demand base that is advised."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.models.base import Forecast, ModelChoice
from forecasting.planning.base import Plan, Shortage
from forecasting.planning.capacity import plan_capacity
from forecasting.planning.pool import advised_base, highest_within, lowest
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.gcp import build_windows
from tests.fleets import NOW, group_state, make_fleet, one_off, request
from tests.gcp_fleets import gcp_fleet
from tests.test_planning import forecast_of

BEGIN = NOW.replace(minute=0)
MINUTE, HOUR, STEP = timedelta(minutes=1), timedelta(hours=1), timedelta(minutes=15)


def pool(floor: int = 0, lead: float = 0, **changes: Any) -> Any:
    return make_fleet(floor=floor, ceiling=40, lead_time_seconds=lead, pool=changes)


def window(start: float, end: float, units: int = 16, floor: int = 1) -> dict[str, Any]:
    """Hours after the plan's beginning."""
    at = [(BEGIN + timedelta(hours=hours)).isoformat() for hours in (start, end)]
    return {"start": at[0], "end": at[1], "units": units, "floor": floor}


def shortage(units: int, minutes: int = 60) -> Shortage:
    return Shortage(units, BEGIN + minutes * MINUTE, "InsufficientInstanceCapacity", "no capacity")


def floors(plan: Plan) -> list[int]:
    return [int(value) for value in plan.floor]


def test_a_floor_is_of_whole_instances_and_some_units_stay_warm() -> None:
    plan = plan_capacity(forecast_of([10.0, 70.0, 85.0, 390.0]), pool(units_per_instance=8, warm_headroom=1))
    assert floors(plan) == [8, 16, 40, 40]  # the jitter alone shifts a rise by a step; 40 is the ceiling
    assert list(plan.need) == [8, 8, 16, 40]


def test_a_pool_on_aws_is_not_planned_down_to_zero_but_outside_of_its_windows() -> None:
    assert floors(plan_capacity(forecast_of([0.0] * 4), pool(units_per_instance=8))) == [8] * 4
    assert floors(plan_capacity(forecast_of([0.0] * 4), gcp_fleet(floor=0, pool={}))) == [0] * 4


def test_outside_of_its_windows_nothing_is_asked_for_and_within_at_least_its_floor_at_most_its_units() -> None:
    loads = [100.0] * 8 + [400.0] * 8 + [0.0] * 8
    plan = plan_capacity(forecast_of(loads), pool(windows=[window(1, 3), window(4, 5, units=4, floor=2)]))
    assert floors(plan) == [0] * 4 + [10] * 3 + [16] * 5 + [0] * 4 + [2] * 4 + [0] * 4


def test_nothing_is_begun_that_could_not_serve_before_its_window_ends() -> None:
    """A load that rises when a boot takes longer than what is left of the window."""
    loads = [50.0] * 6 + [150.0] * 10
    late = plan_capacity(forecast_of(loads), pool(lead=28 * 60, windows=[window(0, 1.75)]), current_floor=5)
    assert floors(late)[:7] == [5, 5, 5, 5, 15, 15, 15]  # asked for half an hour before the load: it serves 15 minutes
    late = plan_capacity(forecast_of(loads), pool(lead=28 * 60, windows=[window(0, 1.5)]), current_floor=5)
    assert floors(late) == [5] * 6 + [0] * 10
    assert plan_capacity(forecast_of(loads), pool(lead=28 * 60, windows=[window(0, 1.75, units=40)])).limits[0][1] > 0
    late = plan_capacity(forecast_of(loads), pool(lead=58 * 60, windows=[window(0, 0.75)]), current_floor=5)
    assert floors(late) == [1] * 3 + [0] * 13  # it boots longer than the window is


def test_a_shortage_caps_what_is_asked_for_until_it_is_tried_again_and_never_the_floor() -> None:
    loads = [100.0] * 12
    assert floors(plan_capacity(forecast_of(loads), pool(), shortage=shortage(6))) == [6] * 4 + [10] * 8
    assert floors(plan_capacity(forecast_of(loads), pool(floor=8), shortage=shortage(6)))[:5] == [8] * 4 + [10]
    plan = plan_capacity(forecast_of(loads), pool(), shortage=shortage(20))
    assert floors(plan) == [10] * 12
    assert "no capacity" in plan.notes


def test_after_a_shortage_the_floor_rises_by_no_more_than_its_limit_and_not_within_it() -> None:
    fleet = make_fleet(max_increase_per_slot=2, lead_time_seconds=0)
    plan = plan_capacity(forecast_of([200.0] * 10), fleet, shortage=shortage(6), current_floor=6)
    assert floors(plan) == [6, 6, 6, 6, 8, 10, 12, 14, 16, 18]


loads = st.lists(st.floats(0, 600), min_size=8, max_size=40)
spans = st.lists(st.tuples(st.integers(0, 500), st.integers(5, 300), st.integers(1, 30)), max_size=3)


def windows_from(drawn: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Windows one after the other, to the minute."""
    at = 0
    found: list[dict[str, Any]] = []
    for gap, length, units in drawn:
        found.append(window((at + gap) / 60, (at + gap + length) / 60, units, min(units, 2)))
        at += gap + length
    return found


shortages = st.none() | st.builds(shortage, st.integers(0, 40), st.integers(-30, 600))


@given(loads, spans, shortages, st.integers(1, 8), st.integers(0, 6), st.integers(0, 3600), st.integers(0, 40))
def test_i1_and_i10_for_pools(
    low: list[float],
    drawn: list[tuple[int, int, int]],
    lacking: Shortage | None,
    units: int,
    warm: int,
    lead: int,
    current: int,
) -> None:
    """A floor keeps to the limits at every minute, and a higher load never lowers one."""
    fleet = pool(lead=lead, units_per_instance=units, warm_headroom=warm, windows=windows_from(drawn))
    plan = plan_capacity(forecast_of(low), fleet, shortage=lacking, current_floor=current)
    higher = plan_capacity(forecast_of([2 * load + 1 for load in low]), fleet, shortage=lacking, current_floor=current)
    assert (higher.floor >= plan.floor).all()
    for start, floor in zip(plan.floor.index, floors(plan), strict=True):
        end = start + STEP
        touched = [each for each in fleet.pool.windows if each.start < end and each.end > start]
        assert 0 <= floor <= highest_within(plan.limits, start, end, 40)
        if drawn:
            assert floor <= max([each.units for each in touched], default=0)


@given(loads, spans, shortages, st.integers(0, 3600), st.integers(0, 14))
def test_slots_keep_to_windows_and_shortages_to_the_minute_on_both_clouds(
    low: list[float], drawn: list[tuple[int, int, int]], lacking: Shortage | None, lead: int, late: int
) -> None:
    fleet = pool(lead=lead, windows=windows_from(drawn))
    plan = plan_capacity(forecast_of(low * 5), fleet, shortage=lacking, current_floor=0)
    made = request(plan, group_state(min_size=0), BEGIN + late * MINUTE)
    for build in (build_schedule, build_windows):
        slots = build(made).slots
        for number, slot in enumerate(slots):
            following = slots[number + 1].start if number + 1 < len(slots) else slot.start + HOUR
            end = slot.end or following
            minutes = [slot.start + count * MINUTE for count in range(int((end - slot.start) / MINUTE))]
            for minute in minutes:
                assert slot.floor <= most_at(fleet, lacking, minute), f"{build.__name__}: {slot} at {minute}"


def most_at(fleet: Any, lacking: Shortage | None, minute: datetime) -> int:
    """What may be asked for at a minute, told from the settings alone."""
    most = 40
    if fleet.pool.windows:
        most = max((each.units for each in fleet.pool.windows if each.start <= minute < each.end), default=0)
    return min(most, lacking.units) if lacking and minute < lacking.until else most


def test_a_closing_that_is_not_ours_is_not_re_asserted_over_and_says_nothing_of_people() -> None:
    """A Capacity Block's own actions: sizes at its start, all 0 before its end."""
    fleet = pool(windows=[window(2, 6)])
    opened = one_off("gpu-block-open", BEGIN + 2 * HOUR, 1, max_size=16, desired_capacity=1)
    closed = one_off("gpu-block-close", BEGIN + 6 * HOUR, 0, max_size=0, desired_capacity=0)
    group = group_state(opened, closed, min_size=0, max_size=0)
    plan = plan_capacity(forecast_of([80.0] * 192), fleet, current_floor=0)
    schedule = build_schedule(request(plan, group, NOW))
    asked = {slot.start: slot.floor for slot in schedule.slots}
    begin, end = BEGIN + 2 * HOUR, BEGIN + 6 * HOUR
    inside = {start: floor for start, floor in asked.items() if begin < start < end}
    assert min(inside) == BEGIN + 2 * HOUR + 3 * MINUTE
    assert set(inside.values()) == {8}
    assert all(floor == 0 for start, floor in asked.items() if start not in inside)
    assert schedule.notes == ()


def test_a_maximum_that_is_lowered_later_clamps_from_then_on_only() -> None:
    """Row 31, for pools and for plain groups."""
    lowered = one_off("theirs", BEGIN + 4 * HOUR, None, max_size=5)
    plan = plan_capacity(forecast_of([100.0] * 192), make_fleet())
    schedule = build_schedule(request(plan, group_state(lowered, max_size=30), NOW))
    before = {slot.floor for slot in schedule.slots if slot.start < BEGIN + 3.5 * HOUR}
    after = {slot.floor for slot in schedule.slots[:-1] if slot.start >= BEGIN + 4 * HOUR}
    assert (before, after) == ({10}, {5})
    assert "clamped: the group's MaxSize of 5" in schedule.notes[0]


def test_the_base_is_what_the_load_needs_at_that_quantile_of_all_hours() -> None:
    index = pd.date_range(BEGIN, periods=100, freq="15min")
    levels = {0.1: 0.8, 0.5: 1.0, 0.9: 1.2}
    load = Forecast(
        pd.DataFrame({level: np.linspace(10, 300, 100) * factor for level, factor in levels.items()}, index=index),
        ModelChoice("test", {"test": 1.0}),
    )
    advised = [advised_base(load, pool(on_demand_quantile=quantile)) for quantile in (0.01, 0.1, 0.5, 0.9)]
    assert advised == pytest.approx([1, 4, 16, 28], abs=1)
    assert advised_base(load, pool(on_demand_quantile=0.5, units_per_instance=8)) == 16
    assert advised_base(load, pool()) is None
    assert advised_base(load, make_fleet()) is None


def test_lowest_and_highest_look_at_what_is_in_force_within_a_span() -> None:
    limits = ((BEGIN, 0), (BEGIN + HOUR, 8), (BEGIN + 2 * HOUR, 3))
    assert lowest((), BEGIN, None, 40) == highest_within((), BEGIN, BEGIN + HOUR, 40) == 40
    assert lowest(limits, BEGIN + HOUR, BEGIN + 2 * HOUR, 40) == 8
    assert lowest(limits, BEGIN + HOUR, BEGIN + 2 * HOUR + MINUTE, 40) == 3
    assert highest_within(limits, BEGIN, BEGIN + HOUR + MINUTE, 40) == 8
    assert lowest(limits, BEGIN - MINUTE, BEGIN, 40) == 40


def test_back_to_back_windows_of_equal_size_are_each_used_to_the_full() -> None:
    """The end of the first one lets nothing more begin; the second one begins anew."""
    fleet = pool(lead=28 * 60, windows=[window(0, 4), window(4, 12)])
    plan = plan_capacity(forecast_of([50.0] * 18 + [120.0] * 30), fleet, current_floor=5)
    assert [int(floor) for floor in plan.floor][14:18] == [5, 5, 12, 12]
    for build in (build_schedule, build_windows):
        asked = {slot.start: slot.floor for slot in build(request(plan, group_state(min_size=0), NOW)).slots}
        assert asked[BEGIN + 5 * HOUR] == 12
        assert asked[BEGIN + 3 * HOUR] == 5
