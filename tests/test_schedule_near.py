"""The next slots where the plan is fresh: they follow it up and down, between the grid's starts too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from forecasting.planning.base import Plan
from forecasting.schedule.actions import ScheduledAction, slot_name
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp import build_windows
from forecasting.schedule.gcp_windows import read_window, window_body
from forecasting.schedule.grid import near_starts, round_up
from forecasting.shortlead import relevel
from forecasting.shortlead.relevel import REACH
from tests.fleets import NOW, OWNER, group_state, one_off, plan_of, request

MINUTE = timedelta(minutes=1)
TICK = NOW.replace(minute=5)
STEPS_48H = 192


def standing(floor: int, now: datetime = TICK) -> tuple[Plan, tuple[ScheduledAction, ...]]:
    """A plan of one floor and the actions of the full run that wrote it."""
    plan = plan_of([floor] * STEPS_48H, now)
    slots = build_schedule(request(plan, group_state(min_size=floor), now)).slots
    return plan, tuple(one_off(slot.name, slot.start, slot.floor) for slot in slots)


def short(
    need: int,
    *,
    floor: int = 20,
    live: int | None = None,
    now: datetime = TICK,
    more: tuple[ScheduledAction, ...] = (),
    in_doubt: bool = False,
    **changes: Any,
) -> Schedule:
    """What a short run makes of a plan of one floor."""
    plan, actions = standing(floor, now)
    levelled = relevel(plan, need, now=now, ceiling=40, raise_only=in_doubt)
    group = group_state(*actions, *more, min_size=live or floor)
    return build_schedule(request(levelled, group, now, until=now + REACH, **changes))


def near(schedule: Schedule, now: datetime = TICK) -> dict[datetime, int]:
    return {slot.start: slot.floor for slot in schedule.slots if slot.start < now + REACH}


def test_near_starts_are_nested_in_the_grid() -> None:
    assert near_starts(TICK + 2 * MINUTE, TICK + 15 * MINUTE) == [TICK + 5 * MINUTE, TICK + 10 * MINUTE]
    assert near_starts(TICK, TICK) == []
    assert set(near_starts(TICK, TICK + timedelta(days=2))) > {
        round_up(TICK, 15) + step * timedelta(minutes=15) for step in range(STEPS_48H - 1)
    }


@pytest.mark.parametrize("need", [2, 12, 19])
def test_what_has_fallen_is_lowered_at_the_next_near_start_and_to_the_instance(need: int) -> None:
    schedule = short(need)
    assert near(schedule) == {TICK + 5 * MINUTE: need, TICK + 10 * MINUTE: need}
    assert schedule.slots[0].name == slot_name(OWNER, TICK + 5 * MINUTE)
    assert {slot.floor for slot in schedule.slots[2:-1]} == {20}


def test_what_is_needed_already_or_needed_more_takes_no_near_start() -> None:
    assert near(short(20)) == {TICK + 10 * MINUTE: 20}
    assert near(short(25)) == {TICK + 3 * MINUTE: 25, TICK + 10 * MINUTE: 25}


def test_in_doubt_and_without_a_fresh_plan_slots_keep_to_the_grid_and_to_what_stands() -> None:
    kept = {TICK + 10 * MINUTE: 20}
    assert near(short(12, in_doubt=True)) == kept
    assert near(short(12, live=25)) == {TICK + 5 * MINUTE: 12, TICK + 10 * MINUTE: 12}
    assert near(short(12, live=25, in_doubt=True)) == kept
    plan, actions = standing(20)
    planned = replace(plan, floor=plan.floor - 1)
    made = build_schedule(request(planned, group_state(*actions, min_size=20), TICK, until=TICK + REACH))
    assert near(made) == kept


@pytest.mark.parametrize("limit", ["max_increase_per_slot", "max_decrease_per_slot"])
def test_where_a_change_per_slot_is_limited_slots_keep_to_the_grid(limit: str) -> None:
    changes: dict[str, Any] = {limit: 3}
    schedule = short(12, **changes)
    assert set(near(schedule)) == {TICK + 10 * MINUTE}


@pytest.mark.parametrize(("people", "starts"), [(23, 2), (24, 1)])
def test_a_fall_is_no_reason_to_make_room(people: int, starts: int) -> None:
    crowd = tuple(one_off(f"theirs-{i}", NOW + timedelta(days=9, minutes=i), None, max_size=50) for i in range(people))
    schedule = short(12, more=crowd)
    assert len(near(schedule)) == starts
    assert schedule.complete
    assert len(schedule.slots) == 95 + starts
    assert not schedule.notes


def test_what_people_want_is_not_lowered_again_and_again() -> None:
    assert near(short(12, people_floor=20)) == {TICK + 10 * MINUTE: 20}
    assert near(short(12, people_floor=15)) == {TICK + 5 * MINUTE: 15, TICK + 10 * MINUTE: 15}


def test_a_near_start_that_a_person_has_taken_moves_earlier_and_all_stay_unique() -> None:
    taken = one_off("theirs", TICK + 5 * MINUTE, None, max_size=50)
    schedule = short(12, more=(taken,))
    assert near(schedule) == {TICK + 4 * MINUTE: 12, TICK + 10 * MINUTE: 12}


def test_a_person_who_raises_at_the_next_near_start_is_not_undercut() -> None:
    raised = TICK + 6 * MINUTE
    found = near(short(12, more=(one_off("theirs", raised, 30),)))
    assert [floor for start, floor in found.items() if start >= raised] == [30, 30]


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("UTC", datetime(2028, 2, 28, 23, 55)),  # noqa: DTZ001 - the zone is put on below
        ("UTC", datetime(2026, 12, 31, 23, 55)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 55)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 55)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 55, fold=1)),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 55)),  # noqa: DTZ001
    ],
)
def test_leap_days_year_ends_and_changes_of_clocks_move_no_near_start(zone: str, local: datetime) -> None:
    now = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    schedule = short(12, now=now)
    first = now + 5 * MINUTE
    assert schedule.slots[0] == Slot(first, 12, slot_name(OWNER, first))
    assert len({slot.start for slot in schedule.slots}) == len({slot.name for slot in schedule.slots}) == 97


@pytest.mark.parametrize(("need", "given"), [(19, 19), (12, 12), (25, 25)])
def test_on_google_cloud_the_next_windows_follow_to_the_instance(need: int, given: int) -> None:
    plan = plan_of([20] * STEPS_48H, TICK)
    made = build_windows(request(plan, group_state(min_size=2), TICK)).slots
    ours = tuple(read_window(slot.name, window_body(slot)) for slot in made)
    levelled = relevel(plan, need, now=TICK, ceiling=40)
    schedule = build_windows(request(levelled, group_state(*ours, min_size=2), TICK, until=TICK + REACH))
    assert next(slot.floor for slot in schedule.slots if slot.start == TICK + 10 * MINUTE) == given
    assert {slot.floor for slot in schedule.slots if slot.start >= TICK + REACH} == {20}
