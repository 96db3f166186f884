"""The invariants of writing for short runs: any standing plan, people's actions and need, at any minute, against the strict double."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from forecasting.planning.base import Plan
from forecasting.schedule.actions import split_actions
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Schedule
from forecasting.schedule.grid import round_up
from forecasting.schedule.people import PeopleFloor, people_events
from forecasting.schedule.slots import plan_span
from forecasting.shortlead import relevel
from forecasting.shortlead.relevel import REACH
from forecasting.targets.reconcile import reconcile
from tests.fleets import GROUP, NOW, OWNER, floors_by_minute, make_group, plan_of, play, request, snapshot
from tests.test_reconcile import check_schedule, foreign_actions, foreign_of, levels, people_floor_of, put_foreign
from tests.writing import HOUR, MINUTE, Watched, no_fence, update

Foreign = list[tuple[str, int, str, int]]

their_floors = foreign_actions.map(lambda actions: [action for action in actions if action[2] == "MinSize"])
"""Those that say what people want; `people_floor_of` takes whatever else of theirs ran for a wish too."""


def short_update(
    aws: LocalAws, plan: Plan, need: int, *, people_floor: int = 0, raise_only: bool = False
) -> tuple[Watched, Schedule, int]:
    """As `update`, for a short run that goes by this plan."""
    now, target = aws.clock.now(), Watched(aws)
    state = target.read()
    levelled = relevel(plan, need, now=now, ceiling=40, raise_only=raise_only)
    changes = {"people_floor": people_floor, "raise_only": raise_only, "until": now + REACH}
    schedule = build_schedule(request(levelled, state, now, **changes))
    target.snapshots.append(snapshot(aws))
    outcome = reconcile(target, state, schedule, owners={OWNER}, fence=no_fence, clock=aws.clock.now)
    return target, schedule, outcome.written


def ours(group: Any, since: datetime) -> dict[datetime, int]:
    return {
        action.start: action.min_size
        for name, action in group.actions.items()
        if not name.startswith("theirs-") and action.start >= since
    }


@settings(max_examples=6)
@example(  # a slot that stands after theirs, at the reach itself
    floors=[4] * 192, foreign=[("once", 12, "MinSize", 1)], need=0, again=0, minutes=0, raise_only=False
)
@example(  # and minutes later, still within the step
    floors=[4] * 192, foreign=[("once", 17, "MinSize", 1)], need=0, again=30, minutes=0, raise_only=False
)
@given(
    floors=levels(192),
    foreign=their_floors,
    need=st.integers(0, 60),
    again=st.integers(0, 60),
    minutes=st.integers(0, 40 * 60),
    raise_only=st.booleans(),
)
def test_i1_to_i9_hold_for_a_short_run_and_what_lies_beyond_its_reach_stays(
    aws: LocalAws, floors: list[int], foreign: Foreign, need: int, again: int, minutes: int, raise_only: bool
) -> None:
    aws.reset(now=NOW)
    client = make_group(aws)
    put_foreign(client, foreign, NOW)
    update(aws, floors)
    plan = plan_of(floors)
    aws.clock.advance_to(NOW + minutes * MINUTE)
    for wanted in (need, again):  # five minutes later with another need
        now, people = aws.clock.now(), people_floor_of(aws)
        options: dict[str, Any] = {"people_floor": people, "raise_only": raise_only}
        target, schedule, _ = short_update(aws, plan, wanted, **options)
        before, after = target.snapshots[0], snapshot(aws)
        check_schedule(schedule, people, aws, restores=not raise_only)  # I1, I7, I9
        _check_crashes(target, now)  # I3, I7
        assert foreign_of(before) == foreign_of(after)  # I2
        if not raise_only:  # in doubt a far slot may be raised to what people want after it
            _check_beyond(target, relevel(plan, wanted, now=now, ceiling=40), now, people)
        assert short_update(aws, plan, wanted, **options)[2] == 0  # I4
        if raise_only:
            _check_raised(target, now)  # I6
        if not foreign:
            _check_levelled(aws, plan, wanted, now)
        if not foreign and not raise_only:
            _check_followed(aws, plan, wanted, schedule, now)
        aws.clock.advance(5 * MINUTE)


def _check_beyond(target: Watched, levelled: Plan, now: datetime, people: int) -> None:
    """Nothing changes beyond the reach, but for a slot that stands after a change of people's within the last step that begins before it: it has what
    that step has now.
    """
    starts, step, _end = plan_span(levelled)
    reach = now + REACH
    edge = next((start for start in starts if start >= reach), reach)
    stood, stands = ours(target.snapshots[0], reach), ours(target.snapshots[-1], reach)
    _owned, foreign = split_actions(target.read().actions, {OWNER})
    wanted = PeopleFloor.in_any_order(people, people_events(foreign, now, edge + HOUR))
    for start in stood:
        floor = stood[start]
        if start < edge and stands.get(start) != floor:
            (level,) = (level for at, level in zip(starts, levelled.floor, strict=True) if at <= start < at + step)
            floor = max(int(level), wanted.at(start))
        assert stands.pop(start) == floor
    assert not stands


def _check_crashes(target: Watched, now: datetime) -> None:
    end = now + 50 * HOUR
    played = [floors_by_minute(play(group, end), now, end) for group in target.snapshots]
    before, after = played[0], played[-1]
    for floor in played:
        assert ((floor == before) | (floor == after)).all()
    assert all(len(group.actions) <= 125 for group in target.snapshots)


def _check_raised(target: Watched, now: datetime) -> None:
    end = now + 50 * HOUR
    before, after = (floors_by_minute(play(target.snapshots[place], end), now, end) for place in (0, -1))
    assert (after >= before).all()


def _check_levelled(aws: LocalAws, plan: Plan, wanted: int, now: datetime) -> None:
    """From five minutes on at the latest, the near steps have what is needed."""
    begin, end = now + 5 * MINUTE, now + REACH
    stands = floors_by_minute(play(snapshot(aws), end + HOUR), begin, end)
    level = min(max(wanted, 2), 40)
    planned_until = plan.floor.index[-1] + timedelta(minutes=15)
    if end < planned_until:
        assert (stands >= level).all()


def _check_followed(aws: LocalAws, plan: Plan, wanted: int, schedule: Schedule, now: datetime) -> None:
    """From the next near start on, the near slots have what is planned within their spans: no more either."""
    begin, end = round_up(now + 3 * MINUTE, 5), now + REACH
    levelled = relevel(plan, wanted, now=now, ceiling=40)
    starts, step, _end = plan_span(levelled)
    steps = dict(zip(starts, levelled.floor, strict=True))
    bounds = sorted({begin, *(slot.start for slot in schedule.slots if slot.start > begin)})
    for start, stop in pairwise(bounds):
        expected = max((floor for at, floor in steps.items() if start - step < at < stop), default=2)
        if start < end:
            stands = floors_by_minute(play(snapshot(aws), stop), start, min(stop, end))
            assert (stands == expected).all()


@settings(max_examples=6)
@given(
    floors=levels(192),
    needs=st.lists(st.integers(0, 60) | st.integers(9, 12), min_size=14, max_size=14),
    minutes=st.integers(0, 100).map(lambda count: 5 * count),
)
def test_what_is_executed_is_what_was_needed_five_minutes_after_each_run_and_a_full_run_leaves_no_orphan(
    aws: LocalAws, floors: list[int], needs: list[int], minutes: int
) -> None:
    start = NOW.replace(minute=0)
    aws.reset(now=start)
    make_group(aws)
    update(aws, floors)
    plan, begin = plan_of(floors, start), start + (minutes + 5) * MINUTE
    for number, need in enumerate(needs):
        aws.clock.advance_to(begin + 5 * number * MINUTE)
        target, _schedule, written = short_update(aws, plan, need)
        assert written <= 3
        assert short_update(aws, plan, need)[2] == 0  # I4
        assert all(
            len({each.start for each in group.actions.values()}) == len(group.actions) for group in target.snapshots
        )
    aws.clock.advance(5 * MINUTE)
    executed = floors_by_minute(aws.group(GROUP), begin, aws.clock.now())
    levels = [min(max(need, 2), 40) for need in needs]
    for number, (level, later) in enumerate(pairwise(levels)):
        follows = executed[5 * number + 5 : 5 * number + 10]
        assert list(follows[:3]) == [level] * 3
        # The next rise may be in force three minutes after its run; a fall waits for five.
        assert list(follows[3:]) in ([level] * 2, [max(level, later)] * 2)
    _target, schedule, _ = update(aws, floors)
    assert ours(aws.group(GROUP), aws.clock.now() + 3 * MINUTE) == {slot.start: slot.floor for slot in schedule.slots}
    assert all(slot.start.minute % 15 == 0 for slot in schedule.slots if slot.start >= aws.clock.now() + 6 * MINUTE)


@settings(max_examples=6)
@given(
    floors=levels(192),
    foreign=their_floors,
    late=their_floors,
    need=st.integers(0, 60),
    minutes=st.integers(0, 30 * 60),
)
def test_a_short_run_meets_what_people_have_scheduled_since_the_full_one(
    aws: LocalAws, floors: list[int], foreign: Foreign, late: Foreign, need: int, minutes: int
) -> None:
    """People first: all slots give way, near and far; the order and the limits hold as ever."""
    aws.reset(now=NOW)
    client = make_group(aws)
    put_foreign(client, foreign, NOW)
    update(aws, floors)
    aws.clock.advance_to(NOW + minutes * MINUTE)
    for name in foreign_of(snapshot(aws)):
        client.delete_scheduled_action(AutoScalingGroupName=GROUP, ScheduledActionName=name)
    put_foreign(client, late, aws.clock.now())
    now, people = aws.clock.now(), people_floor_of(aws)
    target, schedule, _ = short_update(aws, plan_of(floors), need, people_floor=people)
    check_schedule(schedule, people, aws)
    _check_crashes(target, now)
    assert foreign_of(target.snapshots[0]) == foreign_of(snapshot(aws))
    assert short_update(aws, plan_of(floors), need, people_floor=people)[2] == 0
    aws.clock.advance_to(now + 12 * HOUR)
    wanted = people
    for change in (each for each in aws.history(GROUP) if each.at > now):
        wanted = change.sizes.minimum if change.cause.startswith("theirs-") else wanted
        assert change.sizes.minimum >= wanted, f"{change.cause} undercuts {wanted}"
