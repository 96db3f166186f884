"""Windows: one plan gives the floor that AWS's actions give, minute by minute, and the rules of Google Cloud are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from elastic_iac.local.gcp.crons import cron
from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState, ScheduledAction, owner_of, window_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp import build_windows, our_windows, sort_windows
from forecasting.schedule.gcp_limits import MAX_WINDOWS
from forecasting.schedule.gcp_windows import read_window, window_body
from forecasting.schedule.grid import round_up
from forecasting.schedule.slots import Request
from tests import gcp_fleets, writing
from tests.fleets import NOW, OWNER, floors_by_minute, group_state, make_group, plan_of, play, request, snapshot
from tests.gcp_fleets import make_autoscaler
from tests.test_reconcile import levels

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STEPS_48H = 192


@pytest.fixture(scope="module")
def running_twin(running_aws: LocalAws) -> Iterator[LocalGcp]:
    """The stand-in of Google Cloud, on the clock of the double of AWS."""
    with local_gcp(clock=running_aws.clock) as twin:
        yield twin


@pytest.fixture
def twin(running_twin: LocalGcp, monkeypatch: pytest.MonkeyPatch) -> LocalGcp:
    for name, value in running_twin.environment().items():
        monkeypatch.setenv(name, value)
    return running_twin


@settings(max_examples=8)
@given(
    plans=st.lists(levels(STEPS_48H), min_size=1, max_size=3),
    minute=st.integers(0, 59),
    hours=st.lists(st.integers(0, 11) | st.integers(0, 30), min_size=2, max_size=2),
    limits=st.sampled_from([{}, {"max_increase_per_slot": 3}, {"max_decrease_per_slot": 2}, {"raise_only": True}]),
)
def test_the_same_plans_give_the_same_floor_on_both_clouds_at_every_minute(
    aws: LocalAws, twin: LocalGcp, plans: list[list[int]], minute: int, hours: list[int], limits: dict[str, Any]
) -> None:
    start = NOW.replace(minute=minute)
    aws.reset(now=start)
    twin.reset(now=start)
    make_group(aws)
    make_autoscaler(twin)
    longer: list[tuple[datetime, datetime]] = []
    for number, plan in enumerate(plans):
        writing.update(aws, plan, **limits)
        target, schedule, _written = gcp_fleets.update(twin, plan, **limits)
        longer += [
            (after.start, before.end)
            for before, after in pairwise(schedule.slots)
            if before.end and before.end > after.start
        ]
        first = round_up(schedule.slots[0].start, 15)
        kept = sort_windows(our_windows(target.inspect(), {OWNER}), aws.clock.now()).kept
        longer += [(first, slot.end) for slot in kept if slot.end and slot.end > first]
        if number < len(plans) - 1:
            aws.clock.advance_to(aws.clock.now() + hours[number] * HOUR + MINUTE)
    end = aws.clock.now() + 50 * HOUR
    group = aws.group("web")
    past = floors_by_minute(group, start, aws.clock.now())
    ahead = floors_by_minute(play(snapshot(aws), end), aws.clock.now(), end)
    of_aws = np.concatenate([past, ahead])
    of_gcp = np.array(gcp_fleets.floors(twin, start, end))
    # On the high side: a window lasts five minutes at least, so one that opens just before the grid reaches into the next; and one that is open stays
    # until its end, which is the next slot's start unless the job was silent for so long that the grid was coarser there.
    for opened, closed in longer:
        inside = slice((opened - start) // MINUTE, (closed - start) // MINUTE)
        assert (of_gcp[inside] >= of_aws[inside]).all()
        assert closed - opened < (timedelta(minutes=5) if max(hours) < 12 else HOUR)
        of_gcp[inside] = of_aws[inside]
    wrong = np.flatnonzero(of_aws != of_gcp)
    assert not len(wrong), f"{start + wrong[0] * MINUTE}: {of_aws[wrong[0]]} on AWS, {of_gcp[wrong[0]]} on Google Cloud"


def state(*windows: Slot, foreign: int = 0, min_size: int = 2, max_size: int = 60) -> GroupState:
    """An autoscaler with these windows of ours and so many of other people's."""
    ours = [read_window(slot.name, window_body(slot)) for slot in windows]
    theirs = [ScheduledAction(f"theirs-{number}", None, 3, recurrence="0 9 * * Mon") for number in range(foreign)]
    return group_state(*ours, *theirs, min_size=min_size, max_size=max_size)


def build(floors: list[int], group: GroupState, now: datetime = NOW, **more: Any) -> Schedule:
    made: Request = request(plan_of(floors, now), group, now, **more)
    return build_windows(made)


def window(start: datetime, minutes: int, floor: int = 5, owner: str = OWNER) -> Slot:
    return Slot(start, floor, window_name(owner, start), start + minutes * MINUTE)


@settings(max_examples=40)
@given(plan=levels(STEPS_48H), old=levels(STEPS_48H), minutes=st.integers(0, 30 * 60), foreign=st.integers(0, 120))
def test_windows_abut_keep_within_the_limits_and_end_with_the_plan(
    plan: list[int], old: list[int], minutes: int, foreign: int
) -> None:
    before = build(old, state(foreign=foreign))
    now = NOW + minutes * MINUTE
    group = state(*before.slots, foreign=foreign)
    schedule = build(plan, group, now)
    kept = sort_windows(before.slots, now).kept
    for slot in schedule.slots:  # I1, I7
        assert 2 <= slot.floor <= 40
        assert slot.start > now + 2 * MINUTE
        assert slot.end is not None
        assert slot.end - slot.start >= timedelta(minutes=5)
    assert len(schedule.slots) + len(kept) + foreign <= MAX_WINDOWS
    for earlier, later in pairwise(schedule.slots):
        assert earlier.end is not None
        assert later.start <= earlier.end < later.start + timedelta(minutes=5)
    # I9: nothing of ours outlasts the plan; every minute of it is covered that needs more than the autoscaler's minimum
    last = schedule.slots[-1]
    assert last.end == round_up(plan_of(plan, now).floor.index[-1].to_pydatetime() + timedelta(minutes=15), 60)
    spans = [(slot.start, slot.end) for slot in (*kept, *schedule.slots) if slot.end]
    begin = max(now + 4 * MINUTE, min(start for start, _ in spans))
    assert all(
        any(start <= moment < end for start, end in spans)
        for moment in (begin + step * MINUTE for step in range(0, int((last.start - begin) / MINUTE), 5))
    )


def test_an_open_window_stays_as_it_is_until_a_later_one_of_ours_has_opened_over_it() -> None:
    coarse = window(NOW - 30 * MINUTE, 120, 9)
    schedule = build([3] * STEPS_48H, state(coarse))
    assert sort_windows([coarse], NOW).kept == (coarse,)
    assert schedule.slots[0].start == NOW.replace(minute=15)
    later = NOW.replace(minute=20)
    standing = sort_windows([coarse, *schedule.slots], later)
    assert coarse in standing.gone
    assert [slot.start for slot in standing.kept] == [NOW.replace(minute=15)]


def test_a_present_need_that_open_windows_do_not_hold_opens_one_at_once() -> None:
    assert build([7] * STEPS_48H, state()).slots[0].start == NOW + 3 * MINUTE
    holding = window(NOW.replace(minute=0), 15, 7)
    assert build([7] * STEPS_48H, state(holding)).slots[0].start == NOW.replace(minute=15)
    ending = window(NOW.replace(minute=0), 12, 7)
    assert build([7] * STEPS_48H, state(ending)).slots[0].start == NOW + 3 * MINUTE


def test_a_window_that_opens_just_before_the_grid_lasts_five_minutes() -> None:
    now = NOW.replace(minute=10)
    first = build([7] * STEPS_48H, state(), now).slots[0]
    assert (first.start, first.end) == (now + 3 * MINUTE, now + 8 * MINUTE)


def test_many_schedules_of_other_people_make_the_plan_coarser_and_too_many_hold_it() -> None:
    assert len(build([5] * STEPS_48H, state(foreign=20)).slots) == 96
    for foreign in (40, 90, 110, 120):
        schedule = build([5] * STEPS_48H, state(foreign=foreign))
        assert 2 <= len(schedule.slots) <= MAX_WINDOWS - foreign
        assert any("coarsened" in note for note in schedule.notes)
    with pytest.raises(Hold, match="128 scaling schedules") as caught:
        build([5] * STEPS_48H, state(foreign=128))
    assert caught.value.code == "no-room"


def test_a_maximum_below_the_ceiling_clamps_and_one_below_the_floor_holds() -> None:
    schedule = build([30] * STEPS_48H, state(max_size=12))
    assert {slot.floor for slot in schedule.slots} == {12}
    assert any("maxNumReplicas of 12" in note for note in schedule.notes)
    with pytest.raises(Hold) as caught:
        build([30] * STEPS_48H, state(max_size=1))
    assert caught.value.code == "max-size-below-floor"
    assert any("minNumReplicas is 1" in note for note in build([5] * STEPS_48H, state(min_size=1)).notes)


def test_a_persons_window_under_a_name_of_ours_is_gone_around_without_a_gap() -> None:
    first = build([5] * STEPS_48H, state())
    taken = first.slots[5]
    person = read_window(taken.name, {**window_body(taken), "minRequiredReplicas": 50})
    assert owner_of(person) is None
    ours = [read_window(slot.name, window_body(slot)) for slot in first.slots if slot != taken]
    schedule = build([5] * STEPS_48H, group_state(*ours, person))
    assert taken.name not in {slot.name for slot in schedule.slots}
    before = next(slot for slot in schedule.slots if slot.start == first.slots[4].start)
    assert before.end == taken.end


def test_a_former_owners_windows_are_taken_over_under_their_names() -> None:
    start = NOW.replace(hour=12, minute=0)
    old = window(start, 15, 5, owner="before")
    schedule = build([5] * STEPS_48H, state(old), former_owners=("before",))
    assert next(slot.name for slot in schedule.slots if slot.start == start) == old.name


# Whose it is


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "15 10 2 3 * 2027"},
        {"schedule": "15 10 2 3 *"},
        {"timeZone": "Europe/Berlin"},
        {"durationSec": 1200},
        {"minRequiredReplicas": 6},
        {"disabled": True},
        {"description": "mine now"},
        {"somethingNew": 1},
        {"durationSec": None},
        {"durationSec": "soon"},
    ],
    ids=str,
)
def test_a_window_that_a_person_has_changed_is_that_persons(change: dict[str, Any]) -> None:
    slot = window(NOW.replace(minute=15), 15)
    body = window_body(slot)
    assert owner_of(read_window(slot.name, body)) == OWNER
    assert owner_of(read_window(slot.name, {**body, "disabled": False, "durationSec": "900"})) == OWNER
    assert owner_of(read_window(slot.name, {**body, **change})) is None


@pytest.mark.parametrize(
    "name",
    [
        "elastic-iac-prod-20260302T1015Z",
        "elastic-iac-prod-20260302t1016z",
        "elastic-iac-prod-20260302t1015",
        "elastic-iac--20260302t1015z",
        "elastic-iacprod-20260302t1015z",
        "my-elastic-iac-prod-20260302t1015z",
        "elastic-iac-prod-20261302t1015z",
    ],
)
def test_a_similar_name_is_not_ours(name: str) -> None:
    assert owner_of(read_window(name, window_body(window(NOW.replace(minute=15), 15)))) is None


def test_an_action_of_aws_and_a_window_do_not_pass_for_each_other() -> None:
    slot = window(NOW.replace(minute=15), 15)
    assert owner_of(ScheduledAction(slot.name, slot.start, 5)) is None
    assert owner_of(ScheduledAction("elastic-iac-prod-20260302T1015Z", slot.start, 5, end=slot.end)) is None


# Times


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 22, 30)),  # noqa: DTZ001 - the zone is put on below
        ("Europe/Berlin", datetime(2026, 10, 24, 22, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2026, 3, 7, 22, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2026, 10, 31, 22, 30)),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 22, 30)),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 22, 30)),  # noqa: DTZ001
        ("UTC", datetime(2028, 2, 28, 12, 0)),  # noqa: DTZ001
        ("UTC", datetime(2027, 2, 27, 23, 0)),  # noqa: DTZ001
        ("UTC", datetime(2026, 12, 30, 23, 0)),  # noqa: DTZ001
    ],
)
def test_each_window_opens_once_at_its_own_minute_whatever_clocks_and_calendars_do(zone: str, local: datetime) -> None:
    now = local.replace(tzinfo=ZoneInfo(zone))
    utc = now.astimezone(UTC)
    schedule = build([5] * STEPS_48H, state(), utc)
    starts = [slot.start for slot in schedule.slots]
    assert starts == sorted(set(starts))
    for slot in schedule.slots:
        body = window_body(slot)
        expression = cron(body["schedule"], body["timeZone"])
        begin, end = utc - timedelta(days=400), utc + timedelta(days=400)
        assert list(expression.starts(begin, end)) == [slot.start]
        assert expression.next_after(slot.start) is None


def test_a_window_without_a_zone_or_an_end_is_never_written() -> None:
    slot = window(NOW.replace(minute=15), 15)
    for wrong in (Slot(slot.start, 5, slot.name), Slot(slot.start.replace(tzinfo=None), 5, slot.name, slot.end)):
        with pytest.raises(ValueError, match="a window has an end"):
            window_body(wrong)
