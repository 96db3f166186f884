"""The value of each slot, and the grid that it starts on, at their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from forecasting.errors import Hold
from forecasting.planning.base import Plan
from forecasting.schedule.actions import ScheduledAction, owner_of, slot_name, split_actions, window_name
from forecasting.schedule.aws import build_schedule, restore_schedule
from forecasting.schedule.gcp import build_windows
from forecasting.schedule.gcp_windows import read_window, window_body
from forecasting.schedule.grid import Grid, near_starts, round_up
from forecasting.schedule.people import PeopleFloor, Timeline
from forecasting.schedule.slots import (
    PlannedSlots,
    Restoring,
    check_maxima,
    highest,
    limit_bounds,
    plan_span,
)
from forecasting.targets.aws_rules import AwsRules
from forecasting.targets.gcp_rules import GcpRules
from tests.fleets import OWNER, group_state, one_off, plan_of, request

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
TEN = NOW.replace(minute=0)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STEP = 15 * MINUTE
STEPS = 192


# The grid


@pytest.mark.parametrize(
    ("value", "minutes", "rounded"),
    [
        (TEN, 15, TEN),
        (TEN + timedelta(microseconds=1), 15, TEN + STEP),
        (TEN + SECOND, 60, TEN + HOUR),
        (TEN.replace(hour=23, minute=50), 60, TEN.replace(day=3, hour=0)),
        (TEN.replace(hour=13), 720, TEN.replace(day=3, hour=0)),
        (datetime(2026, 3, 2, 5, 20, tzinfo=timezone(timedelta(hours=5, minutes=30))), 60, TEN.replace(hour=0)),
    ],
)
def test_a_time_is_rounded_up_to_a_multiple_since_midnight_utc(
    value: datetime, minutes: int, rounded: datetime
) -> None:
    assert round_up(value, minutes) == rounded
    assert round_up(value, minutes).tzinfo is UTC


def test_starts_lie_from_the_first_moment_to_just_before_the_end() -> None:
    grid = Grid(((1, 15), (2, 30)))
    assert grid.starts(TEN, TEN, TEN + 30 * MINUTE) == [TEN, TEN + STEP]
    assert grid.starts(TEN, TEN, TEN + 30 * MINUTE + SECOND) == [TEN, TEN + STEP, TEN + 30 * MINUTE]
    assert grid.starts(TEN + SECOND, TEN, TEN + 30 * MINUTE) == [TEN + STEP]
    # A quarter up to an hour ahead, then half an hour, and beyond the last tier as in it.
    found = grid.starts(TEN, TEN, TEN + 4 * HOUR)
    assert found == [TEN + number * STEP for number in (0, 1, 2, 3, 4, 6, 8, 10, 12, 14)]
    later = grid.starts(NOW, NOW, TEN + 3 * HOUR)
    assert later == [TEN + number * STEP for number in (1, 2, 3, 4, 6, 8, 10)]


def test_near_starts_are_five_minutes_apart() -> None:
    assert near_starts(NOW, TEN + 20 * MINUTE) == [TEN + 10 * MINUTE, TEN + STEP]
    assert near_starts(TEN, TEN + 10 * MINUTE + SECOND) == [TEN, TEN + 5 * MINUTE, TEN + 10 * MINUTE]
    assert near_starts(TEN, TEN) == []


# Plans as slots


def slots_of(floors: Sequence[int], **changes: Any) -> PlannedSlots:
    """Plan, standing floors, limits and requests; everything else says nothing."""
    plan = replace(
        plan_of(floors, NOW), **{key: changes.pop(key) for key in ("limits", "fresh_until") if key in changes}
    )
    parts: dict[str, Any] = {
        "owned": {},
        "standing": (),
        "people": PeopleFloor(0, ()),
        "maxima": (),
        "lone_maxima": (),
        "shortest": timedelta(0),
    }
    parts |= {key: changes.pop(key) for key in list(parts) if key in changes}
    return PlannedSlots(request(plan, group_state(), NOW, **changes), **parts)


def test_a_plan_spans_from_its_first_step_to_the_whole_hour_after_its_last() -> None:
    assert plan_span(plan_of([2] * 4, NOW)) == ([TEN + number * STEP for number in range(4)], STEP, TEN + HOUR)
    assert plan_span(plan_of([2] * 5, NOW))[2] == TEN + 2 * HOUR
    assert plan_span(plan_of([2, 2], NOW, step_minutes=30))[1:] == (30 * MINUTE, TEN + HOUR)


@pytest.mark.parametrize(
    ("start", "end", "planned"),
    [
        (timedelta(0), STEP, 3),
        (timedelta(0), STEP + SECOND, 9),
        (STEP, 2 * STEP, 9),
        (STEP + 14 * MINUTE, 2 * STEP, 9),
        (2 * STEP, 4 * STEP, 4),
        (2 * STEP, 5 * STEP + MINUTE, 7),
        (-HOUR, MINUTE, 3),
        (3 * STEP, None, 7),
        (HOUR, HOUR + MINUTE, 2),
        (2 * HOUR, None, 2),
        (2 * HOUR - SECOND, None, 2),
        (-2 * HOUR, -HOUR, 2),
    ],
)
def test_a_slot_asks_for_the_largest_step_that_it_touches(
    start: timedelta, end: timedelta | None, planned: int
) -> None:
    slots = slots_of([3, 9, 4, 4, 2, 7])
    assert slots.end == TEN + 2 * HOUR
    assert slots.planned(TEN + start, None if end is None else TEN + end) == planned


@pytest.mark.parametrize(
    ("start", "end", "largest"),
    [
        (-HOUR, timedelta(0), 1),
        (-HOUR, SECOND, 5),
        (timedelta(0), HOUR, 5),
        (timedelta(0), HOUR + SECOND, 8),
        (HOUR, 2 * HOUR, 8),
        (HOUR, None, 8),
        (2 * HOUR, None, 3),
        (SECOND, 3 * HOUR, 8),
    ],
)
def test_the_largest_value_of_a_span_counts_from_its_start_to_just_before_its_end(
    start: timedelta, end: timedelta | None, largest: int
) -> None:
    line: Timeline = ((TEN, 5), (TEN + HOUR, 8), (TEN + 2 * HOUR, 3))
    assert highest(line, TEN + start, None if end is None else TEN + end, 1) == largest


def test_in_doubt_a_slot_asks_for_no_less_than_stands() -> None:
    line: Timeline = ((TEN, 7), (TEN + HOUR, 5))
    sure, doubt = slots_of([3] * 12, standing=line), slots_of([3] * 12, standing=line, raise_only=True)
    assert (sure.wanted(TEN, TEN + STEP), doubt.wanted(TEN, TEN + STEP)) == (3, 7)
    assert doubt.wanted(TEN + HOUR, TEN + 2 * HOUR) == 5
    assert doubt.wanted(TEN + HOUR - STEP, TEN + 2 * HOUR) == 7
    assert doubt.wanted(TEN - HOUR, TEN) == 2
    times = [TEN, TEN + HOUR, TEN + 3 * HOUR]
    assert sure.values(times) == [3, 3, 2]
    assert doubt.values(times) == [7, 5, 5]


def test_a_slot_keeps_to_the_least_maximum_that_may_hold_while_it_does() -> None:
    slots = slots_of([30] * 12, maxima=((TEN, 20), (TEN + HOUR, 9)))
    # A change that sets the minimum too replaces what the slot set; one that does not would fail against it.
    assert slots.upper(TEN, TEN + HOUR + SECOND) == 20
    lone = slots_of([30] * 12, maxima=((TEN, 20), (TEN + HOUR, 9)), lone_maxima=((TEN + HOUR, 9),))
    assert lone.upper(TEN, TEN + HOUR) == 20
    assert lone.upper(TEN, TEN + HOUR + SECOND) == 9
    assert slots.upper(TEN + HOUR, None) == 9
    # An action may run two minutes late.
    raised = slots_of([30] * 12, maxima=((TEN, 9), (TEN + HOUR, 20)))
    assert raised.upper(TEN + HOUR + 2 * MINUTE - SECOND, None) == 9
    assert raised.upper(TEN + HOUR + 2 * MINUTE, None) == 20
    assert slots_of([30] * 12, maxima=((TEN, 60),)).upper(TEN, None) == 40
    limited = slots_of([30] * 12, limits=((TEN + HOUR, 4),), shortest=5 * MINUTE)
    assert (limited.most(TEN, TEN + HOUR), limited.most(TEN, TEN + HOUR + SECOND)) == (40, 4)
    assert limited.most(TEN + 56 * MINUTE, TEN + 58 * MINUTE) == 4
    assert limited.wanted(TEN, TEN + 2 * HOUR) == 4


@pytest.mark.parametrize(
    ("standing", "near", "far"),
    [(10, 10, 10), (9, 10, 13), (11, 11, 11), (12, 10, 12), (15, 10, 15), (16, 10, 10)],
)
def test_a_standing_slot_that_is_a_little_too_high_stays(standing: int, near: int, far: int) -> None:
    """Near: a tenth; more than six hours ahead: half, and a rise is a third more, so that it lasts."""
    for ahead, value in ((6 * HOUR, near), (6 * HOUR + SECOND, far)):
        start = NOW + ahead
        slots = slots_of([10] * 48, owned={start: standing})
        assert slots.values([start, NOW + 20 * HOUR])[0] == value
        fresh = slots_of([10] * 48, owned={start: standing}, fresh_until=start + SECOND)
        assert fresh.values([start, NOW + 20 * HOUR])[0] == 10


@pytest.mark.parametrize(("value", "standing", "near", "far"), [(2, 3, 3, 3), (2, 5, 2, 5), (2, 6, 2, 2), (4, 7, 4, 7)])
def test_of_a_few_instances_one_is_left_near_and_three_far(value: int, standing: int, near: int, far: int) -> None:
    for ahead, found in ((HOUR, near), (7 * HOUR, far)):
        slots = slots_of([value] * 48, owned={NOW + ahead: standing})
        assert slots.values([NOW + ahead, NOW + 20 * HOUR])[0] == found


def test_the_last_slot_restores_the_baseline_or_what_people_want_then() -> None:
    people = PeopleFloor(12, ((NOW + 10 * HOUR, 1),))
    slots = slots_of([4] * STEPS, people=people, owned={TEN + 48 * HOUR: 3})
    times = [NOW + 3 * MINUTE, NOW + 5 * HOUR, TEN + 48 * HOUR]
    assert slots.values(times) == [12, 12, 2]
    assert slots.values([*times[:2], NOW + 11 * HOUR, times[2]]) == [12, 12, 4, 2]
    assert slots_of([4] * STEPS, people=PeopleFloor(12, ())).values(times) == [12, 12, 12]


def test_changes_are_limited_from_what_is_in_force_just_before_the_first_slot() -> None:
    line: Timeline = ((TEN, 4), (NOW + 3 * MINUTE, 20))
    times = [NOW + 3 * MINUTE, TEN + STEP, TEN + 2 * STEP, TEN + 48 * HOUR]
    assert slots_of([10] * STEPS, standing=line, max_increase_per_slot=3).values(times) == [7, 10, 10, 2]
    falling: Timeline = ((TEN, 20),)
    assert slots_of([10] * STEPS, standing=falling, max_decrease_per_slot=4).values(times) == [16, 12, 10, 2]


def test_near_starts_are_only_for_a_fresh_plan_without_limits_of_change() -> None:
    fresh = {"fresh_until": TEN + 20 * MINUTE}
    assert slots_of([4] * 8, **fresh).near_starts(NOW, TEN + HOUR) == [TEN + 10 * MINUTE, TEN + STEP]
    assert slots_of([4] * 8).near_starts(NOW, TEN + HOUR) == []
    for limit in ("max_increase_per_slot", "max_decrease_per_slot"):
        assert slots_of([4] * 8, **fresh, **{limit: 5}).near_starts(NOW, TEN + HOUR) == []


def test_limits_bound_slots_where_they_change_within_the_plan() -> None:
    plan = replace(plan_of([4] * 8, NOW), limits=((TEN, 9), (NOW, 8), (TEN + HOUR, 7)))
    assert limit_bounds(plan, TEN, TEN + HOUR) == {NOW}
    assert limit_bounds(plan, TEN - SECOND, TEN + HOUR + SECOND) == {TEN, NOW, TEN + HOUR}


def test_a_slot_begins_at_the_minute_where_a_limit_changes_on_both_clouds() -> None:
    moment = TEN + 2 * HOUR + 7 * MINUTE
    plan = replace(plan_of([9] * STEPS, NOW), limits=((moment, 3),))
    for build in (build_schedule, build_windows):
        floors = {slot.start: slot.floor for slot in build(request(plan, group_state(min_size=2), NOW)).slots}
        assert floors[moment] == 3
        assert floors[TEN + 2 * HOUR] == 9
        # Only the next slots are planned anew: the limit beyond them bounds nothing yet.
        short = build(request(plan, group_state(min_size=2), NOW, until=TEN + 2 * HOUR))
        assert moment not in {slot.start for slot in short.slots}


def checked(plan: Plan, maxima: Timeline) -> list[str]:
    return check_maxima(request(plan, group_state(), NOW), maxima, "MaxSize")


def test_a_maximum_is_told_of_where_the_plan_needs_more() -> None:
    plan = plan_of([5, 9, 5, 5], NOW)
    assert checked(plan, ((TEN, 9),)) == []
    assert "MaxSize of 8 is below" in checked(plan, ((TEN, 8),))[0]
    assert checked(plan, ((TEN, 20), (TEN + 2 * STEP, 5))) == []
    assert "MaxSize of 4 is below" in checked(plan, ((TEN, 8), (TEN + 2 * STEP, 4)))[0]
    limited = replace(plan, limits=((TEN, 6),))
    assert checked(limited, ((TEN, 6),)) == []
    assert checked(plan, ((TEN, 9), (TEN + HOUR, 2))) == []
    assert checked(plan, ((TEN, 9), (TEN + HOUR, 1))) == []  # closed from then on
    with pytest.raises(Hold) as caught:
        checked(plan, ((TEN, 0), (TEN + HOUR, 1)))
    assert caught.value.code == "max-size-below-floor"
    assert "stays) 1, below the configured minimum of 2" in caught.value.reason


# Restoring, on AWS


def test_an_earlier_plan_is_restored_from_three_minutes_ahead_at_its_own_starts() -> None:
    first = NOW + 3 * MINUTE
    previous = ((NOW - HOUR, 6), (first, 7), (TEN + STEP, 50), (TEN + 2 * HOUR, 1))
    made = Restoring(
        previous=previous,
        before=3,
        now=NOW,
        owner=OWNER,
        owners=frozenset({OWNER, "before"}),
        lower=2,
        upper=20,
        group=group_state(one_off(slot_name("before", TEN + STEP), TEN + STEP, 4)),
        people_floor=0,
    )
    slots = restore_schedule(made).slots
    assert [(slot.start, slot.floor) for slot in slots] == [(first, 7), (TEN + STEP, 20), (TEN + 2 * HOUR, 2)]
    assert [slot.name for slot in slots] == [
        slot_name(OWNER, first),
        slot_name("before", TEN + STEP),
        slot_name(OWNER, TEN + 2 * HOUR),
    ]
    pinned = restore_schedule(replace(made, people_floor=9)).slots
    assert [slot.floor for slot in pinned] == [9, 20, 9]
    # What people want above what may be written is left to them, and nothing before the first slot restores what was there.
    assert restore_schedule(replace(made, people_floor=21)).slots == ()
    assert len(restore_schedule(replace(made, people_floor=20)).slots) == 3
    none = restore_schedule(replace(made, previous=())).slots
    assert [(slot.start, slot.floor) for slot in none] == [(first, 3)]


# Whose an action is


def test_an_action_is_ours_by_name_start_and_a_minimum_alone() -> None:
    start = TEN + STEP
    action = one_off(slot_name(OWNER, start), start, 5)
    assert owner_of(action) == OWNER
    assert owner_of(replace(action, min_size=0)) == OWNER
    closed = replace(action, name=window_name(OWNER, start), end=start + STEP)
    assert owner_of(closed) == OWNER
    changes: list[dict[str, Any]] = [
        {"start": start + MINUTE},
        {"start": None},
        {"min_size": None},
        {"max_size": 9},
        {"desired_capacity": 9},
        {"recurrence": "0 * * * *"},
        {"end": start + STEP},
        {"name": action.name + "x"},
        {"name": window_name(OWNER, start)},
    ]
    for change in changes:
        assert owner_of(replace(action, **change)) is None
        owned, foreign = split_actions([replace(action, **change), action], {OWNER})
        assert (owned, len(foreign)) == ({start: action}, 1)
    assert split_actions([action], {"other"}) == ({}, [action])
    assert split_actions([ScheduledAction("theirs", None, 5)], {OWNER})[0] == {}


# Nothing at all


def test_a_plan_of_nothing_stays_a_plan_of_nothing_on_both_clouds() -> None:
    """A minimum of 0 is a value, not an absent one."""
    plan = plan_of([0] * STEPS, NOW, baseline=0)
    actions = build_schedule(request(plan, group_state(min_size=0), NOW)).slots
    standing = [one_off(slot.name, slot.start, slot.floor) for slot in actions]
    assert {slot.floor for slot in actions} == {0}
    again = request(plan, group_state(*standing, min_size=0), NOW)
    assert build_schedule(again).slots == actions
    assert AwsRules().ours(again.group, again.owners) == actions
    assert build_schedule(replace(again, raise_only=True)).slots == actions
    windows = build_windows(request(plan, group_state(min_size=0), NOW)).slots
    opened = [read_window(slot.name, window_body(slot)) for slot in windows]
    group = group_state(*opened, min_size=0)
    assert {slot.floor for slot in windows} == {0}
    assert build_windows(request(plan, group, NOW)).slots == windows
    assert GcpRules().ours(group, {OWNER}) == windows
