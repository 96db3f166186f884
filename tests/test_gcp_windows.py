"""Which windows may be touched at a moment, what holds then, and what a window says: each bound to the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState, ScheduledAction, owner_of, window_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp import (
    build_windows,
    floor_in_force,
    is_open,
    our_windows,
    restore_windows,
    sort_windows,
)
from forecasting.schedule.gcp_windows import read_window, window_body, windows_timeline
from forecasting.schedule.people import Timeline, value_at
from forecasting.schedule.slots import Restoring
from forecasting.targets.gcp_rules import GcpRules
from tests.fleets import OWNER, group_state, plan_of, request

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AHEAD = 3 * MINUTE
STEPS = 192


def window(start: datetime, minutes: float, floor: int = 5, owner: str = OWNER) -> Slot:
    return Slot(start, floor, window_name(owner, start), start + minutes * MINUTE)


def state(*windows: Slot, theirs: Sequence[ScheduledAction] = (), **sizes: int) -> GroupState:
    return group_state(*(read_window(slot.name, window_body(slot)) for slot in windows), *theirs, **sizes)


def others(count: int) -> list[ScheduledAction]:
    return [ScheduledAction(f"theirs-{number}", None, 3, recurrence="0 9 * * Mon") for number in range(count)]


def build(floors: Sequence[int], group: GroupState, now: datetime = NOW, **more: Any) -> Schedule:
    return build_windows(request(plan_of(floors, now), group, now, **more))


# Which may be touched


def test_our_windows_are_those_of_our_owners_in_order() -> None:
    later, sooner = window(NOW + HOUR, 15), window(NOW + 30 * MINUTE, 15, owner="before")
    stranger = window(NOW, 15, owner="other")
    group = state(later, stranger, sooner, theirs=others(2))
    assert our_windows(group, {OWNER, "before"}) == (sooner, later)
    assert our_windows(group, {OWNER}) == (later,)
    assert our_windows(group, set()) == ()


@pytest.mark.parametrize(
    ("starts", "ends", "kind"),
    [
        (AHEAD, 20 * MINUTE, "ahead"),
        (AHEAD - SECOND, 20 * MINUTE, "kept"),
        (SECOND, 20 * MINUTE, "kept"),
        (timedelta(0), 20 * MINUTE, "kept"),
        (-10 * MINUTE, SECOND, "kept"),
        (-10 * MINUTE, timedelta(0), "gone"),
        (-10 * MINUTE, -SECOND, "gone"),
    ],
)
def test_a_window_is_kept_from_just_before_it_opens_until_it_ends(
    starts: timedelta, ends: timedelta, kind: str
) -> None:
    slot = Slot(NOW + starts, 5, "x", NOW + ends)
    found = sort_windows([slot], NOW)
    assert {"kept": found.kept, "ahead": found.ahead, "gone": found.gone} == {
        "kept": (),
        "ahead": (),
        "gone": (),
        kind: (slot,),
    }


def test_an_open_window_is_covered_once_a_later_one_has_opened() -> None:
    old, new, twin = window(NOW - HOUR, 120), window(NOW - 10 * MINUTE, 120), window(NOW - 10 * MINUTE, 60, owner="b")
    next_one, far = window(NOW + 2 * MINUTE, 15), window(NOW + HOUR, 15)
    found = sort_windows([old, new, twin, next_one, far], NOW)
    assert found.kept == (new, twin, next_one)
    assert found.ahead == (far,)
    assert found.gone == (old,)
    # One that has opened and ended covers nothing.
    ended = window(NOW - 10 * MINUTE, 10)
    assert sort_windows([old, ended], NOW) == replace(found, kept=(old,), ahead=(), gone=(ended,))


def test_a_window_holds_from_its_start_to_just_before_its_end() -> None:
    slot = window(NOW, 15)
    moments = [NOW - SECOND, NOW, NOW + 15 * MINUTE - SECOND, NOW + 15 * MINUTE]
    assert [is_open(slot, moment) for moment in moments] == [False, True, True, False]
    assert is_open(replace(slot, end=None), NOW + 30 * HOUR)


def test_in_force_is_the_greatest_of_the_autoscalers_minimum_and_our_open_windows() -> None:
    low, high, ahead = window(NOW - HOUR, 120, 4), window(NOW - 5 * MINUTE, 30, 9), window(NOW + MINUTE, 60, 20)
    theirs = [ScheduledAction("theirs", None, 50, recurrence="* * * * *")]
    group = state(low, high, ahead, theirs=theirs, min_size=3)
    assert floor_in_force(group, {OWNER}, NOW) == 9
    assert GcpRules().floor_in_force(group, {OWNER}, NOW + MINUTE) == 20
    assert floor_in_force(group, {OWNER}, NOW - 30 * MINUTE) == 4
    assert floor_in_force(group, {OWNER}, NOW - 2 * HOUR) == 3
    assert floor_in_force(group, {OWNER}, NOW + 3 * HOUR) == 3
    assert floor_in_force(replace(group, min_size=12), {OWNER}, NOW) == 12
    assert floor_in_force(group, {"other"}, NOW) == 3


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 20)), max_size=6)


@given(spans, st.integers(0, 10))
def test_a_timeline_of_windows_is_the_greatest_that_is_open_at_every_minute(
    drawn: list[tuple[int, int, int]], lowest: int
) -> None:
    slots = [Slot(NOW + start * MINUTE, floor, "x", NOW + (start + length) * MINUTE) for start, length, floor in drawn]
    line = windows_timeline(slots, lowest)
    assert [when for when, _ in line] == sorted({when for when, _ in line})
    for minute in range(-1, 75):
        moment = NOW + minute * MINUTE
        most = max([lowest, *(slot.floor for slot in slots if slot.start <= moment < (slot.end or moment))])
        assert value_at(line, moment, lowest) == most


# What is built


def test_a_window_kept_open_counts_against_the_room_and_one_that_is_gone_does_not() -> None:
    full = [5] * STEPS
    count = len(build(full, state()).slots)
    assert count == 96
    open_one = window(NOW.replace(minute=0), 15)
    gone = window(NOW - 2 * HOUR, 15)
    assert build(full, state(theirs=others(123 - count))).notes == ()
    assert "coarsened" in build(full, state(theirs=others(124 - count))).notes[0]
    # The open one serves until 10:15, so that no window opens before it.
    assert len(build(full, state(open_one)).slots) == count - 1
    assert build(full, state(open_one, theirs=others(123 - count))).notes == ()
    assert "coarsened" in build(full, state(open_one, theirs=others(124 - count))).notes[0]
    assert build(full, state(open_one, gone, theirs=others(123 - count))).notes == ()


def test_the_reserve_for_people_is_used_before_the_plan_is_held() -> None:
    coarsest = len(build([5] * STEPS, state(theirs=others(115))).slots)
    assert build([5] * STEPS, state(theirs=others(128 - coarsest))).slots
    with pytest.raises(Hold) as caught:
        build([5] * STEPS, state(theirs=others(129 - coarsest)))
    assert caught.value.code == "no-room"
    assert f"{129 - coarsest} of at most 128" in caught.value.reason


def test_a_short_run_plans_the_next_windows_anew_and_keeps_the_starts_of_the_others() -> None:
    far = [window(NOW.replace(hour=hour, minute=0), 60, 7) for hour in (13, 14, 15)]
    group = state(*far)
    until = NOW.replace(hour=12, minute=0)
    slots = build([5] * STEPS, group, until=until).slots
    starts = [slot.start for slot in slots]
    assert starts[0] == NOW + AHEAD
    assert [start for start in starts if start >= until] == [slot.start for slot in far]
    assert max(start for start in starts if start < until) == until - 15 * MINUTE
    # The last one asks on until the plan's end.
    assert slots[-1].end == NOW.replace(hour=10, minute=0) + 48 * HOUR
    everything = build([5] * STEPS, group, until=NOW + 100 * HOUR)
    assert everything == build([5] * STEPS, group)


def test_a_window_that_rolls_keeps_its_start_for_three_minutes() -> None:
    for minutes, kept in ((0, True), (2, True), (3, False)):
        standing = window(NOW + AHEAD + minutes * MINUTE, 10, 5)
        slots = build([7] * STEPS, state(standing)).slots
        assert (slots[0].start == standing.start) == (kept or minutes == 0)
        assert slots[0].start == (standing.start if kept else NOW + AHEAD)


def test_a_need_that_falls_before_the_grid_opens_nothing() -> None:
    held = window(NOW.replace(minute=0), 15, 7)
    for floor, opens in ((7, False), (8, True), (6, False)):
        slots = build([floor] * STEPS, state(held)).slots
        assert (slots[0].start == NOW + AHEAD) == opens
    # The autoscaler's own minimum holds as well.
    assert build([7] * STEPS, state(min_size=7)).slots[0].start == NOW.replace(minute=15)
    assert build([7] * STEPS, state(min_size=6)).slots[0].start == NOW + AHEAD


def test_a_gap_in_what_stays_open_is_filled_at_once() -> None:
    """It ends four minutes before the grid's next window: the lowest minute until then counts."""
    short = window(NOW.replace(minute=0), 11, 7)
    assert build([7] * STEPS, state(short)).slots[0].start == NOW + AHEAD
    twin = Slot(short.start, 7, window_name("before", short.start), NOW.replace(minute=15))
    whole = build([7] * STEPS, state(short, twin), former_owners=("before",))
    assert whole.slots[0].start == NOW.replace(minute=15)


def test_an_autoscalers_minimum_below_the_fleets_is_told_with_both_numbers() -> None:
    (note,) = build([5] * STEPS, state(min_size=1)).notes
    assert "minNumReplicas is 1, below the fleet's floor of 2" in note
    assert build([5] * STEPS, state(min_size=2)).notes == ()


def test_a_clamp_is_a_mark_of_the_schedule_and_other_notes_are_not() -> None:
    assert build([30] * STEPS, state(max_size=12)).clamped
    assert not build([5] * STEPS, state(max_size=12, min_size=1)).clamped


def test_a_near_window_that_stands_a_little_too_high_stays_as_it_is() -> None:
    """Hysteresis: a tenth, one at least."""
    start = NOW.replace(minute=30)
    for standing, wanted, becomes in ((11, 10, 11), (12, 10, 10), (9, 10, 10), (6, 5, 6), (7, 5, 5)):
        slots = build([wanted] * STEPS, state(window(start, 15, standing))).slots
        assert next(slot.floor for slot in slots if slot.start == start) == becomes


def test_where_the_old_plan_ends_the_new_one_is_weighed_against_the_baseline() -> None:
    """As on AWS, where an action stands there: far ahead a rise is a third more, so that it lasts."""
    old, later = build([5] * STEPS, state()), NOW + 6 * HOUR
    floors = {slot.start: slot.floor for slot in build([5] * STEPS, state(*old.slots), later).slots}
    end = NOW.replace(minute=0) + 48 * HOUR
    assert (floors[end - HOUR], floors[end], floors[end + HOUR]) == (5, 7, 5)


def test_each_window_ends_where_the_next_one_opens_and_the_last_with_the_plan() -> None:
    slots = build([5] * STEPS, state(), NOW.replace(minute=0)).slots
    assert [slot.end for slot in slots[:-1]] == [slot.start for slot in slots[1:]]
    assert slots[-1].end == NOW.replace(minute=0) + 48 * HOUR
    assert {slot.end - slot.start for slot in slots if slot.end} == {12 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR}


def test_windows_take_over_the_names_that_stand_for_their_starts() -> None:
    start = NOW.replace(hour=12, minute=0)
    names = {slot.start: slot.name for slot in build([5] * STEPS, state(window(start, 15))).slots}
    assert names == {when: window_name(OWNER, when) for when in names}


# What is restored


def restoring(previous: Timeline, group: GroupState, **changes: Any) -> Restoring:
    made = Restoring(
        previous=previous,
        before=3,
        now=NOW,
        owner=OWNER,
        owners=frozenset({OWNER}),
        lower=2,
        upper=20,
        group=group,
        people_floor=0,
    )
    return replace(made, **changes)


def test_an_earlier_schedule_is_restored_from_three_minutes_ahead_to_its_own_end() -> None:
    first, second, end = NOW - HOUR, NOW.replace(minute=30), NOW.replace(hour=12, minute=0)
    previous = ((first, 6), (second, 9), (end, 0))
    slots = restore_windows(restoring(previous, state())).slots
    assert [(slot.start, slot.floor, slot.end) for slot in slots] == [
        (NOW + AHEAD, 6, second),
        (second, 9, end),
    ]
    assert [slot.name for slot in slots] == [window_name(OWNER, slot.start) for slot in slots]


def test_a_bound_at_the_first_restored_start_is_not_doubled() -> None:
    first = NOW + AHEAD
    previous = ((first, 6), (NOW.replace(minute=30), 9), (NOW.replace(hour=12), 0))
    starts = [slot.start for slot in restore_windows(restoring(previous, state())).slots]
    assert starts == [first, NOW.replace(minute=30)]


def test_a_restored_window_lasts_five_minutes_and_keeps_to_the_fleets_bounds() -> None:
    first = NOW + AHEAD
    previous = ((NOW - HOUR, 1), (first + 2 * MINUTE, 50), (NOW.replace(hour=12), 0))
    slots = restore_windows(restoring(previous, state())).slots
    assert [(slot.floor, slot.end) for slot in slots] == [(2, first + 5 * MINUTE), (20, NOW.replace(hour=12))]


def test_a_restored_window_keeps_a_standing_name_and_goes_around_anothers() -> None:
    half, end = NOW.replace(minute=30), NOW.replace(hour=12, minute=0)
    previous = ((NOW - HOUR, 6), (half, 9), (end, 0))
    old = window(half, 15, 4, owner="before")
    slots = restore_windows(restoring(previous, state(old), owners=frozenset({OWNER, "before"}))).slots
    assert [slot.name for slot in slots] == [window_name(OWNER, NOW + AHEAD), old.name]
    person = replace(read_window(window_name(OWNER, half), {}), name=window_name(OWNER, half))
    (slot,) = restore_windows(restoring(previous, group_state(person))).slots
    assert (slot.start, slot.end, slot.floor) == (NOW + AHEAD, end, 9)


# What a window says


def test_a_windows_body_is_utc_to_the_minute_whatever_zone_it_came_in() -> None:
    start = datetime(2026, 12, 31, 20, 45, tzinfo=timezone(timedelta(hours=-5)))
    body = window_body(Slot(start, 7, "x", start + 90 * MINUTE))
    assert body == {
        "schedule": "45 1 1 1 * 2027",
        "timeZone": "UTC",
        "durationSec": 5400,
        "minRequiredReplicas": 7,
        "description": "elastic-iac: at least 7 from 2027-01-01T01:45Z to 2027-01-01T03:15Z",
    }


def test_a_window_of_ours_reads_back_as_it_was_written() -> None:
    slot = window(NOW.replace(minute=15), 15, 7)
    action = read_window(slot.name, window_body(slot))
    assert action == ScheduledAction(slot.name, slot.start, 7, end=slot.end)
    assert owner_of(action) == OWNER
    without = {key: value for key, value in window_body(slot).items() if key != "timeZone"}
    assert read_window(slot.name, without) == action


@pytest.mark.parametrize(
    ("raw", "minimum", "recurrence", "zone"),
    [
        ({"schedule": "0 9 * * 1", "minRequiredReplicas": 4, "timeZone": "Asia/Tokyo"}, 4, "0 9 * * 1", "Asia/Tokyo"),
        ({"schedule": "0 9 * * 1", "minRequiredReplicas": "4"}, 4, "0 9 * * 1", "UTC"),
        ({"timeZone": ""}, 0, "?", "UTC"),
        ({}, 0, "?", "UTC"),
    ],
)
def test_a_persons_schedule_keeps_its_cron_and_has_no_start(
    raw: dict[str, Any], minimum: int, recurrence: str, zone: str
) -> None:
    action = read_window("office-hours", raw)
    assert action == ScheduledAction("office-hours", None, minimum, recurrence=recurrence, time_zone=zone)


@pytest.mark.parametrize("missing", ["durationSec", "minRequiredReplicas", "description", "schedule"])
def test_a_window_that_lacks_a_field_is_nobodys(missing: str) -> None:
    slot = window(NOW.replace(minute=15), 15)
    raw = {key: value for key, value in window_body(slot).items() if key != missing}
    assert owner_of(read_window(slot.name, raw)) is None


@pytest.mark.parametrize("seconds", [10**12, 10**20])
def test_a_length_beyond_all_time_is_nobodys(seconds: int) -> None:
    slot = window(NOW.replace(minute=15), 15)
    assert owner_of(read_window(slot.name, {**window_body(slot), "durationSec": seconds})) is None
