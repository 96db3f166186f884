"""The invariants of writing for short runs: any standing plan, people's actions and need, at any minute, against the strict double."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from forecasting.planning.base import Plan
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Schedule
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
            assert ours(after, now + REACH) == ours(before, now + REACH)
        assert short_update(aws, plan, wanted, **options)[2] == 0  # I4
        if raise_only:
            _check_raised(target, now)  # I6
        if not foreign:
            _check_levelled(aws, plan, wanted, now)
        aws.clock.advance(5 * MINUTE)


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
