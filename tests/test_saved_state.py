"""What is remembered of a group, and what is made of it: a run's own hand, a late action, or a person's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from forecasting.errors import StoreError
from forecasting.schedule.actions import ScheduledAction, slot_name
from forecasting.schedule.memory import Memory, Observation, observe
from forecasting.schedule.people import (
    PeopleFloor,
    last_people_event,
    max_size_events,
    people_events,
    value_at,
)
from tests.fleets import OWNER, group_state, one_off

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OWNERS = frozenset({OWNER})


def memory(**changes: Any) -> Memory:
    return replace(Memory(as_of=NOW - HOUR, min_size=4, baseline=3, people_floor=2), **changes)


def test_a_memory_comes_back_from_the_ledger_as_it_was() -> None:
    tokyo = timezone(timedelta(hours=9))
    whole = memory(
        as_of=NOW.astimezone(tokyo),
        people_events=((NOW, 9),),
        slots=((NOW.astimezone(tokyo), 5), (NOW + HOUR, 6)),
        intended=((NOW, 7),),
        previous=((NOW, 8),),
    )
    data = whole.to_json()
    assert Memory.from_json(data) == whole
    assert data["as_of"] == "2026-03-02T10:07:00+00:00"
    assert data["slots"] == [["2026-03-02T10:07:00+00:00", 5], ["2026-03-02T11:07:00+00:00", 6]]
    assert Memory.from_json({}) is None


@pytest.mark.parametrize("damage", [{"min_size": "many"}, {"slots": [["soon", 5]]}, {"as_of": None}])
def test_nothing_is_guessed_from_a_damaged_memory(damage: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="1 fields cannot be read"):
        Memory.from_json({**memory().to_json(), **damage})


@pytest.mark.parametrize(
    ("ago", "possible"),
    [
        (-SECOND, {4}),
        (timedelta(0), {4, 9}),
        (2 * MINUTE, {4, 9}),
        (3 * MINUTE - SECOND, {4, 9}),
        (3 * MINUTE, {9}),
        (HOUR, {9}),
    ],
)
def test_an_action_may_have_run_or_not_for_three_minutes(ago: timedelta, possible: set[int]) -> None:
    assert memory(slots=((NOW - ago, 9),)).possible_min_sizes(NOW) == possible
    assert memory(people_events=((NOW - ago, 9),)).possible_min_sizes(NOW) == possible


def test_of_actions_that_are_surely_over_only_the_last_one_counts() -> None:
    over = ((NOW - 3 * MINUTE - 40 * SECOND, 9), (NOW - 3 * MINUTE - 20 * SECOND, 7))
    assert memory(slots=over).possible_min_sizes(NOW) == {7}


def test_a_run_that_died_may_have_left_the_old_slots_or_the_new() -> None:
    old, new = ((NOW - HOUR, 6),), ((NOW - HOUR, 8), (NOW - MINUTE, 11))
    assert memory(slots=old, intended=new).possible_min_sizes(NOW) == {6, 8, 11}
    assert memory(slots=old).possible_min_sizes(NOW) == {6}
    # The last to run counts, whoever wrote it.
    theirs = ((NOW - 30 * MINUTE, 5),)
    assert memory(slots=old, people_events=theirs).possible_min_sizes(NOW) == {5}
    assert memory(slots=((NOW - 20 * MINUTE, 6),), people_events=theirs).possible_min_sizes(NOW) == {6}


def test_a_minimum_that_a_schedule_explains_is_nobodys_hand() -> None:
    known = memory(slots=((NOW - HOUR, 6),), people_events=((NOW - 2 * HOUR, 5), (NOW + HOUR, 9)))
    assert observe(known, group_state(min_size=6), 2, OWNERS, NOW) == Observation(5, 3)
    assert observe(memory(slots=((NOW - HOUR, 6),)), group_state(min_size=6), 2, OWNERS, NOW) == Observation(2, 3)


def test_a_hand_raises_above_all_that_is_possible_and_lowers_below() -> None:
    known = memory(slots=((NOW - HOUR, 6), (NOW - MINUTE, 9)))
    raised = observe(known, group_state(min_size=10), 2, OWNERS, NOW)
    assert (raised.people_floor, raised.baseline) == (10, 3)
    assert "raised MinSize to 10" in str(raised.note)
    for live in (8, 5, 0):  # 6 and 9 are possible
        lowered = observe(known, group_state(min_size=live), 2, OWNERS, NOW)
        assert (lowered.people_floor, lowered.baseline) == (0, 3)
        assert f"lowered MinSize to {live}" in str(lowered.note)


DAILY = ScheduledAction("theirs", NOW + DAY, 5, recurrence="7 10 * * *")


@pytest.mark.parametrize(
    ("live", "theirs", "people", "noted"),
    [
        (2, (), 0, False),
        (1, (), 0, False),
        (3, (), 3, True),
        (5, (DAILY,), 5, False),  # their action of today has set it
        (2, (DAILY,), 2, False),
        (6, (DAILY,), 6, True),
        (3, (DAILY,), 3, True),
    ],
)
def test_on_first_contact_a_minimum_above_the_fleets_is_a_persons(
    live: int, theirs: tuple[ScheduledAction, ...], people: int, noted: bool
) -> None:
    seen = observe(None, group_state(*theirs, min_size=live), 2, OWNERS, NOW)
    assert (seen.people_floor, seen.baseline, seen.note is not None) == (people, live, noted)


def test_on_first_contact_with_our_own_actions_the_minimum_is_theirs() -> None:
    ours = one_off(slot_name(OWNER, NOW + HOUR), NOW + HOUR, 8)
    seen = observe(None, group_state(ours, min_size=9), 2, OWNERS, NOW)
    assert (seen.people_floor, seen.baseline) == (0, 2)
    assert "taken over" in str(seen.note)
    assert observe(None, group_state(ours, DAILY, min_size=9), 2, OWNERS, NOW).people_floor == 5
    assert observe(None, group_state(ours, min_size=9), 2, frozenset({"x"}), NOW).people_floor == 9


# People's own actions


def test_a_value_is_in_force_from_its_start_on() -> None:
    line = ((NOW, 5), (NOW + HOUR, 7))
    found = [value_at(line, NOW + ahead, 2) for ahead in (-SECOND, timedelta(0), HOUR - SECOND, HOUR, DAY)]
    assert found == [2, 5, 5, 7, 7]
    assert value_at((), NOW, 2) == 2


@pytest.mark.parametrize(("apart", "floor"), [(MINUTE, 9), (2 * MINUTE, 9), (2 * MINUTE + SECOND, 3)])
def test_of_actions_within_two_minutes_the_highest_counts(apart: timedelta, floor: int) -> None:
    people = PeopleFloor.in_any_order(4, ((NOW, 9), (NOW + apart, 3)))
    assert people.events == ((NOW, 9), (NOW + apart, floor))
    assert (people.at(NOW - SECOND), people.at(NOW), people.at(NOW + DAY)) == (4, 9, floor)


def test_one_off_actions_count_from_when_they_may_run_late_to_the_end() -> None:
    end = NOW + HOUR
    for start, counts in (
        (NOW - 2 * MINUTE, False),
        (NOW - 2 * MINUTE + SECOND, True),
        (NOW + MINUTE, True),
        (end - SECOND, True),
        (end, False),
    ):
        action = one_off("theirs", start, 5, max_size=9)
        assert people_events([action], NOW, end) == (((start, 5),) if counts else ())
        assert max_size_events([action], NOW, end) == (((start, 9),) if counts else ())
    assert people_events([one_off("theirs", NOW + MINUTE, None, max_size=9)], NOW, end) == ()
    assert max_size_events([one_off("theirs", NOW + MINUTE, 5)], NOW, end) == ()
    two = [one_off("b", NOW + 2 * MINUTE, 6), one_off("a", NOW + MINUTE, 7)]
    assert people_events(two, NOW, end) == ((NOW + MINUTE, 7), (NOW + 2 * MINUTE, 6))


def test_a_recurring_action_counts_at_each_of_its_times_until_its_end() -> None:
    start = NOW.replace(minute=30)
    hourly = ScheduledAction("theirs", start, 5, recurrence="30 * * * *")
    end = start + 3 * HOUR
    assert [when for when, _ in people_events([hourly], NOW, end)] == [start, start + HOUR, start + 2 * HOUR]
    assert len(people_events([hourly], NOW, end + SECOND)) == 4
    assert len(people_events([replace(hourly, end=start + HOUR)], NOW, end)) == 2  # its end is a time of it
    assert len(people_events([replace(hourly, end=start + HOUR - SECOND)], NOW, end)) == 1
    assert len(people_events([replace(hourly, end=start + DAY)], NOW, end)) == 3
    # One that is due and still listed runs late.
    late = replace(hourly, start=NOW - MINUTE, recurrence="6 * * * *")
    assert people_events([late], NOW, NOW + MINUTE) == ((NOW - MINUTE, 5),)


def test_the_last_run_of_a_recurring_action_is_found_up_to_eight_days_back() -> None:
    def action(recurrence: str, size: int | None = 5) -> ScheduledAction:
        return ScheduledAction("theirs", None, size, recurrence=recurrence)

    assert last_people_event([action("7 10 * * *")], NOW) == 5  # at this very minute
    assert last_people_event([action("0 10 * * *"), action("5 10 * * *", 9), action("0 9 * * *", 7)], NOW) == 9
    assert last_people_event([action("7 10 23 2 *")], NOW) == 5  # seven days ago
    assert last_people_event([action("0 10 22 2 *")], NOW) is None  # eight days and seven minutes
    assert last_people_event([action("7 10 22 2 *")], NOW) == 5
    assert last_people_event([action("0 9 * * *", None), one_off("once", NOW - HOUR, 8)], NOW) is None
    assert last_people_event([], NOW) is None
