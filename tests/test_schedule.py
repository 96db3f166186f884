"""The schedule's rules, one by one."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from forecasting.errors import Hold
from forecasting.schedule.actions import ScheduledAction, owner_of, slot_name, split_actions
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.grid import GRIDS
from tests.fleets import NOW, OWNER, group_state, one_off, plan_of, request

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STEPS_48H = 192


def standing(slots: tuple[Slot, ...]) -> list[ScheduledAction]:
    return [one_off(slot.name, slot.start, slot.floor) for slot in slots]


def floors(schedule: Schedule) -> dict[str, int]:
    return {f"{slot.start:%d %H:%M}": slot.floor for slot in schedule.slots}


def test_the_finest_grid_has_96_slots_and_the_baseline() -> None:
    now = NOW.replace(hour=12, minute=0) - 3 * MINUTE
    schedule = build_schedule(request(plan_of([5] * STEPS_48H, now), group_state(min_size=5), now))

    assert len(schedule.slots) == 97
    gaps = [later.start - earlier.start for earlier, later in pairwise(schedule.slots)]
    assert (gaps.count(15 * MINUTE), gaps.count(30 * MINUTE), gaps.count(60 * MINUTE)) == (48, 24, 24)
    assert schedule.slots[-1].floor == 2


def test_coarser_grids_are_nested_in_finer_ones() -> None:
    for finer, coarser in pairwise(GRIDS):
        assert set(coarser.starts(NOW, NOW, NOW + 48 * HOUR)) <= set(finer.starts(NOW, NOW, NOW + 48 * HOUR)), str(
            coarser
        )


def test_a_run_six_hours_later_shares_three_quarters_of_its_names() -> None:
    first = build_schedule(request(plan_of([5] * STEPS_48H), group_state(min_size=5)))
    later = NOW + 6 * HOUR
    second = build_schedule(request(plan_of([5] * STEPS_48H, later), group_state(min_size=5), later))
    shared = {slot.name for slot in first.slots} & {slot.name for slot in second.slots}
    assert len(shared) >= 0.74 * len(second.slots)


def test_a_slot_takes_the_largest_floor_of_its_span() -> None:
    plan = plan_of([3] * 150 + [3, 9, 4, 3] + [3] * 38)
    schedule = build_schedule(request(plan, group_state(min_size=3)))
    spans = {slot.start: slot.floor for slot in schedule.slots}
    step = plan.floor.index[151].to_pydatetime()
    assert spans[max(start for start in spans if start <= step)] == 9


def test_the_present_need_does_not_wait_for_the_grid() -> None:
    schedule = build_schedule(request(plan_of([7] * STEPS_48H), group_state(min_size=2)))
    assert schedule.slots[0].start == NOW + 3 * MINUTE
    assert schedule.slots[0].floor == 7
    assert schedule.slots[1].start == NOW.replace(minute=15)


def test_the_present_need_does_not_wait_for_a_far_slot_that_stands() -> None:
    crowd = [one_off(f"theirs-{i}", NOW + timedelta(days=9, minutes=i), 3) for i in range(110)]
    far = one_off(slot_name(OWNER, NOW.replace(hour=11, minute=0)), NOW.replace(hour=11, minute=0), 2)
    schedule = build_schedule(request(plan_of([7] * STEPS_48H), group_state(*crowd, far, min_size=2)))
    assert schedule.slots[0].start == NOW + 3 * MINUTE


def test_a_need_above_max_size_is_not_written_again_in_every_run() -> None:
    schedule = build_schedule(request(plan_of([30] * STEPS_48H), group_state(min_size=20, max_size=20)))
    assert schedule.slots[0].start == NOW.replace(minute=15)


def test_a_present_need_that_stands_already_keeps_its_start_a_minute_later() -> None:
    plan = plan_of([7] * STEPS_48H)
    first = build_schedule(request(plan, group_state(min_size=2)))
    later = NOW - MINUTE  # one minute earlier or later than the slot was made for: its start stays
    again = build_schedule(request(plan, group_state(*standing(first.slots), min_size=2), later))
    assert [slot.start for slot in again.slots][:2] == [NOW + 3 * MINUTE, NOW.replace(minute=15)]


# People's actions


def test_after_a_foreign_raise_nothing_of_ours_is_lower_until_a_foreign_action_lowers_it() -> None:
    up, down = NOW.replace(hour=14, minute=0), NOW.replace(hour=20, minute=0)
    group = group_state(one_off("evening", up, 12), one_off("night", down, 1), min_size=4)
    schedule = build_schedule(request(plan_of([4] * STEPS_48H), group))

    held = [slot.floor for slot in schedule.slots if up <= slot.start < down]
    assert held
    assert set(held) == {12}
    assert {slot.floor for slot in schedule.slots if slot.start < up - 3 * MINUTE} == {4}
    after = [slot for slot in schedule.slots if slot.start > down]
    assert after[0].start == down + 3 * MINUTE
    assert after[0].floor == 4


def test_a_foreign_action_that_lowers_below_the_plan_is_reasserted_within_five_minutes() -> None:
    lower = NOW.replace(hour=15, minute=0)
    schedule = build_schedule(request(plan_of([9] * STEPS_48H), group_state(one_off("oops", lower, 1), min_size=9)))

    after = next(slot for slot in schedule.slots if slot.start > lower)
    assert after.start - lower == 3 * MINUTE  # both may run two minutes late: in force after five at most
    assert after.floor == 9


def test_a_slot_at_a_persons_start_moves_earlier() -> None:
    start = NOW.replace(hour=15, minute=0)
    schedule = build_schedule(request(plan_of([9] * STEPS_48H), group_state(one_off("theirs", start, 3), min_size=9)))
    starts = {slot.start for slot in schedule.slots}
    assert start not in starts
    assert start - 3 * MINUTE in starts


def test_a_persons_action_that_sets_no_min_size_costs_a_minute_only() -> None:
    start = NOW.replace(hour=15, minute=0)
    schedule = build_schedule(
        request(plan_of([9] * STEPS_48H), group_state(one_off("desired", start, desired_capacity=20), min_size=9))
    )
    starts = {slot.start for slot in schedule.slots}
    assert start not in starts
    assert start - MINUTE in starts


def test_a_reassertion_whose_start_is_taken_comes_later_and_never_nearer() -> None:
    lower = NOW.replace(hour=15, minute=0)
    group = group_state(
        one_off("oops", lower, 1), one_off("desired", lower + 3 * MINUTE, desired_capacity=20), min_size=9
    )
    schedule = build_schedule(request(plan_of([9] * STEPS_48H), group))
    assert next(slot.start for slot in schedule.slots if slot.start > lower) == lower + 4 * MINUTE


def test_a_persons_action_that_runs_late_is_not_overlooked() -> None:
    late = one_off("late", NOW - MINUTE, 12)
    schedule = build_schedule(request(plan_of([4] * STEPS_48H), group_state(late, min_size=4)))
    assert {slot.floor for slot in schedule.slots} == {12}


@pytest.mark.parametrize("minutes", [5, 7, 10, 15, 20, 30])
def test_people_who_change_min_size_every_few_minutes_leave_room_for_a_schedule(minutes: int) -> None:
    often = ScheduledAction("often", NOW.replace(hour=11, minute=0), 3, recurrence=f"*/{minutes} * * * *")
    schedule = build_schedule(request(plan_of([5] * STEPS_48H), group_state(often, min_size=5)))
    assert schedule.complete
    assert 1 < len(schedule.slots) <= 119
    assert schedule.slots[-1].floor == 3


def test_recurring_actions_are_merged_in_their_own_time_zone_across_a_change_of_clocks() -> None:
    # Europe/Berlin goes to summer time on 29 March 2026 at 01:00Z: 08:00 is 07:00Z before and 06:00Z after.
    now = NOW.replace(month=3, day=28, hour=5, minute=7)
    action = ScheduledAction(
        "morning", now.replace(hour=7, minute=0), 11, recurrence="0 8 * * *", time_zone="Europe/Berlin"
    )
    schedule = build_schedule(request(plan_of([3] * STEPS_48H, now), group_state(action, min_size=3), now))
    by_start = {slot.start: slot.floor for slot in schedule.slots}
    assert now.replace(hour=6, minute=57) in by_start
    assert now.replace(day=29, hour=5, minute=57) in by_start
    assert set(by_start.values()) == {3, 11}
    # It holds to the end of the plan, baseline included: no foreign action lowers it.
    assert schedule.slots[-1].floor == 11


def test_a_pin_holds_every_slot_and_the_baseline() -> None:
    schedule = build_schedule(request(plan_of([3] * STEPS_48H), group_state(min_size=15), people_floor=15))
    assert {slot.floor for slot in schedule.slots} == {15}


def test_above_the_ceiling_people_are_left_alone() -> None:
    schedule = build_schedule(request(plan_of([3] * STEPS_48H), group_state(min_size=50), people_floor=50))
    assert schedule.slots == ()
    assert any("people want 50 instances, more than the 40" in note for note in schedule.notes)


def test_a_recurrence_that_nobody_can_read_holds_the_fleet() -> None:
    action = ScheduledAction("odd", NOW + HOUR, 5, recurrence="every now and then")
    with pytest.raises(Hold, match="foreign-recurrence"):
        build_schedule(request(plan_of([3] * STEPS_48H), group_state(action)))


def test_a_max_size_below_the_floor_holds_and_below_the_ceiling_clamps() -> None:
    with pytest.raises(Hold, match="max-size-below-floor"):
        build_schedule(request(plan_of([3] * STEPS_48H), group_state(min_size=1, max_size=1)))
    clamped = build_schedule(request(plan_of([30] * STEPS_48H), group_state(max_size=20)))
    assert max(slot.floor for slot in clamped.slots) == 20
    assert any("MaxSize of 20" in note for note in clamped.notes)


# Room


@pytest.mark.parametrize(("people", "limit"), [(20, 120), (40, 120), (80, 120), (110, 120), (118, 125)])
def test_more_foreign_actions_make_the_grid_coarser_and_all_fit(people: int, limit: int) -> None:
    foreign = [one_off(f"theirs-{i}", NOW + timedelta(days=9, minutes=i), 3) for i in range(people)]
    schedule = build_schedule(request(plan_of([5] * STEPS_48H), group_state(*foreign)))
    assert len(schedule.slots) + people <= limit
    assert schedule.complete


def test_a_full_group_is_held() -> None:
    foreign = [one_off(f"theirs-{i}", NOW + timedelta(days=9, minutes=i), 3) for i in range(125)]
    with pytest.raises(Hold, match="no-room"):
        build_schedule(request(plan_of([5] * STEPS_48H), group_state(*foreign)))


def test_when_people_fill_the_group_standing_actions_are_thinned_out_first() -> None:
    first = build_schedule(request(plan_of([5] * STEPS_48H), group_state(min_size=5)))
    foreign = [one_off(f"theirs-{i}", NOW + timedelta(days=9, minutes=i), 3) for i in range(125 - len(first.slots))]
    crowded = build_schedule(
        request(plan_of([6] * STEPS_48H), group_state(*standing(first.slots), *foreign, min_size=5))
    )

    assert not crowded.complete
    assert {slot.name for slot in crowded.slots} < {slot.name for slot in first.slots}
    assert crowded.slots[-1].floor == 2
    thinned = build_schedule(
        request(plan_of([6] * STEPS_48H), group_state(*standing(crowded.slots), *foreign, min_size=5))
    )
    assert thinned.complete


# Ownership


def test_only_an_action_exactly_of_our_making_is_ours() -> None:
    start = NOW.replace(minute=15)
    name = slot_name(OWNER, start)
    assert owner_of(one_off(name, start, 5)) == OWNER
    for foreign in (
        one_off(name, start + MINUTE, 5),  # moved by a person
        one_off(name, start, 5, max_size=9),  # widened by a person
        one_off(name, start, 5, desired_capacity=5),
        one_off(name, start, None, desired_capacity=5),
        one_off(name, start, 5, recurrence="0 8 * * *"),
        one_off(name + "x", start, 5),
        one_off("my-" + name, start, 5),
        one_off(name.replace("prod", "Prod"), start, 5),
        one_off("elastic-iac-prod", start, 5),
        one_off(name, None, 5),  # pyright: ignore[reportArgumentType] - AWS may give no start
    ):
        assert owner_of(foreign) is None, foreign


def test_a_stack_whose_id_begins_with_ours_is_not_ours() -> None:
    start = NOW.replace(minute=15)
    theirs = one_off(slot_name("prod-2", start), start, 5)
    owned, foreign = split_actions([theirs], {OWNER})
    assert not owned
    assert foreign == [theirs]


def test_a_slot_whose_name_a_person_has_taken_is_left_out() -> None:
    start = NOW.replace(hour=11, minute=0)
    edited = one_off(slot_name(OWNER, start), start + 7 * MINUTE, desired_capacity=9)
    schedule = build_schedule(request(plan_of([5] * STEPS_48H), group_state(edited, min_size=5)))
    assert edited.name not in {slot.name for slot in schedule.slots}


def test_a_renamed_stack_takes_its_former_actions_over_under_their_names() -> None:
    first = build_schedule(request(plan_of([5] * STEPS_48H), group_state(min_size=5)))
    renamed = build_schedule(
        request(
            plan_of([6] * STEPS_48H),
            group_state(*standing(first.slots), min_size=5),
            owner="blue",
            former_owners=(OWNER,),
        )
    )
    names = {slot.start: slot.name for slot in renamed.slots}
    assert all(names[slot.start] == slot.name for slot in first.slots if slot.start in names)


# Doubt and settling


def test_in_doubt_no_slot_goes_below_what_stands() -> None:
    first = build_schedule(request(plan_of([9] * 96 + [20] * 96), group_state(min_size=9)))
    doubtful = build_schedule(
        request(plan_of([3] * STEPS_48H), group_state(*standing(first.slots), min_size=9), raise_only=True)
    )
    before = {slot.start: slot.floor for slot in first.slots}
    assert all(slot.floor >= before.get(slot.start, 0) for slot in doubtful.slots)


def test_a_little_too_high_is_left_and_too_low_is_always_raised() -> None:
    first = build_schedule(request(plan_of([20] * STEPS_48H), group_state(min_size=20)))
    group = group_state(*standing(first.slots), min_size=20)
    lower = build_schedule(request(plan_of([19] * STEPS_48H), group))
    assert {slot.floor for slot in lower.slots[:-1]} == {20}
    higher = build_schedule(request(plan_of([21] * STEPS_48H), group))
    near = [slot.floor for slot in higher.slots[:-1] if slot.start <= NOW + 6 * HOUR]
    far = [slot.floor for slot in higher.slots[:-1] if slot.start > NOW + 6 * HOUR]
    assert set(near) == {21}
    assert set(far) == {28}  # with a margin, so that a growing load does not rewrite it in each run


def test_a_near_slot_that_is_much_too_high_is_lowered_and_a_far_one_waits() -> None:
    first = build_schedule(request(plan_of([20] * STEPS_48H), group_state(min_size=20)))
    lower = build_schedule(request(plan_of([15] * STEPS_48H), group_state(*standing(first.slots), min_size=20)))
    assert {slot.floor for slot in lower.slots[:-1] if slot.start <= NOW + 6 * HOUR} == {15}
    assert {slot.floor for slot in lower.slots[:-1] if slot.start > NOW + 6 * HOUR} == {20}
    halved = build_schedule(request(plan_of([8] * STEPS_48H), group_state(*standing(first.slots), min_size=20)))
    assert {slot.floor for slot in halved.slots[:-1]} == {8}


def test_floors_are_exempt_from_nothing_but_people_and_the_baseline() -> None:
    jump = build_schedule(
        request(
            plan_of([2] * 40 + [30] * 152), group_state(min_size=2), max_increase_per_slot=3, max_decrease_per_slot=3
        )
    )
    steps = [later.floor - earlier.floor for earlier, later in pairwise(jump.slots[:-1])]
    assert max(steps) <= 3
    assert max(slot.floor for slot in jump.slots) == 30


def test_leap_day_and_year_end_make_valid_slots() -> None:
    for now in (NOW.replace(year=2028, month=2, day=28), NOW.replace(year=2026, month=12, day=30)):
        schedule = build_schedule(request(plan_of([5] * STEPS_48H, now), group_state(min_size=5), now))
        starts = [slot.start for slot in schedule.slots]
        assert starts == sorted(set(starts))
        assert any(start.day in {29, 31} for start in starts)
        assert all(slot_name(OWNER, slot.start) == slot.name for slot in schedule.slots)
