"""What is written, in which order, and when it counts as done: on both clouds, to the second."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecasting.errors import Hold
from forecasting.schedule.actions import GroupState, slot_name, window_name
from forecasting.schedule.base import Schedule, Slot
from forecasting.schedule.gcp_windows import read_window, window_body
from forecasting.schedule.memory import Memory, Observation
from forecasting.targets.aws_rules import AwsRules
from forecasting.targets.base import Change, Diff
from forecasting.targets.gcp_rules import GcpRules
from forecasting.targets.reconcile import reconcile
from tests.fleets import OWNER, group_state, one_off

NOW = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AWS, GCP = AwsRules(), GcpRules()
OWNERS = frozenset({OWNER, "before"})


def slot(ahead: timedelta, floor: int = 5, owner: str = OWNER) -> Slot:
    return Slot(NOW + ahead, floor, slot_name(owner, NOW + ahead))


def on_aws(*slots: Slot) -> GroupState:
    theirs = [one_off("theirs", NOW + 20 * MINUTE, 9), one_off(slot_name("other", NOW), NOW, 9)]
    return group_state(*theirs, *(one_off(each.name, each.start, each.floor) for each in slots))


def diff_aws(standing: Collection[Slot], wanted: Collection[Slot], now: datetime = NOW) -> Diff:
    return AWS.diff(on_aws(*standing), Schedule(tuple(sorted(wanted))), OWNERS, now)


def test_actions_are_put_from_the_latest_and_deleted_from_the_earliest() -> None:
    a, b, c, d, e = (slot(number * HOUR) for number in range(1, 6))
    raised = replace(c, floor=8)
    diff = diff_aws([a, b, c, e], [raised, d, e])
    assert diff == Diff(
        puts=(Change(d, None), Change(raised, 5)), deletes=(a, b), kept=(e,), imminent=(), at_once=False
    )
    assert diff.writes == 4
    assert diff_aws([a], [a]).writes == 0


def test_the_same_start_under_another_name_is_another_action() -> None:
    old, new = slot(HOUR, owner="before"), slot(HOUR)
    assert diff_aws([old], [new]).puts == (Change(new, 5),)
    assert diff_aws([old], [old]).kept == (old,)


@pytest.mark.parametrize(
    ("ahead", "touched"),
    [
        (3 * MINUTE, True),
        (3 * MINUTE - MINUTE, False),
        (timedelta(0), False),
        (-3 * MINUTE, False),
        (-4 * MINUTE, True),
    ],
)
def test_an_action_that_is_about_to_run_is_left_alone(ahead: timedelta, touched: bool) -> None:
    near = slot(ahead)
    diff = diff_aws([near], [slot(HOUR)])
    assert (diff.deletes, diff.imminent) == (((near,), ()) if touched else ((), (near,)))
    # One that is wanted is no exception.
    assert diff_aws([near], [near]).imminent == ()


@pytest.mark.parametrize(
    ("missing", "surplus", "done"),
    [
        (None, None, True),
        (MINUTE, None, True),  # it may have run by a clock that is ahead
        (2 * MINUTE, None, False),
        (-HOUR, None, True),
        (None, 2 * MINUTE, True),
        (None, 3 * MINUTE, False),
        (None, -HOUR, True),
    ],
)
def test_actions_count_as_written_when_all_stand_that_cannot_have_run(
    missing: timedelta | None, surplus: timedelta | None, done: bool
) -> None:
    wanted = [slot(HOUR), slot(2 * HOUR), *([slot(missing)] if missing is not None else [])]
    standing = [slot(HOUR), slot(2 * HOUR), *([slot(surplus)] if surplus is not None else [])]
    schedule, diff = Schedule(tuple(sorted(wanted))), Diff((), ())
    assert AWS.stands(on_aws(*standing), schedule, diff, OWNERS, NOW) is done
    lower = [replace(each, floor=4) if each.start == NOW + HOUR else each for each in standing]
    assert not AWS.stands(on_aws(*lower), schedule, diff, OWNERS, NOW)


def test_our_actions_are_those_of_our_owners_in_order() -> None:
    b, a = slot(2 * HOUR), slot(HOUR, owner="before")
    assert AWS.ours(on_aws(b, a), OWNERS) == (a, b)
    assert AWS.ours(on_aws(b, a), {OWNER}) == (b,)
    assert AWS.timeline((a, b)) == ((a.start, 5), (b.start, 5))
    assert AWS.people_events(on_aws(a), OWNERS, NOW, NOW + HOUR) == ((NOW, 9), (NOW + 20 * MINUTE, 9))
    assert AWS.floor_in_force(on_aws(a), OWNERS, NOW) == 2


@pytest.mark.parametrize(("people", "baseline", "left"), [(0, 3, 3), (7, 3, 7), (0, 30, 20), (50, 3, 20)])
def test_a_release_leaves_what_people_want_within_the_groups_bounds(people: int, baseline: int, left: int) -> None:
    group = group_state(min_size=9, max_size=20)
    assert AWS.released_min(group, Observation(people, baseline)) == left
    assert GCP.released_min(group, Observation(people, baseline)) == 9


# Google Cloud


def window(ahead: timedelta, minutes: int = 15, floor: int = 5, owner: str = OWNER) -> Slot:
    start = NOW + ahead
    return Slot(start, floor, window_name(owner, start), start + minutes * MINUTE)


def on_gcp(*windows: Slot) -> GroupState:
    stranger = window(HOUR, owner="other")
    return group_state(*(read_window(each.name, window_body(each)) for each in (*windows, stranger)))


def test_windows_are_written_in_one_patch_that_touches_none_that_is_open() -> None:
    gone, covered, opened = window(-HOUR), window(-30 * MINUTE, 60), window(-5 * MINUTE)
    same, lower, old, new = window(HOUR), window(2 * HOUR), window(3 * HOUR), window(4 * HOUR)
    raised = replace(lower, floor=8)
    group = on_gcp(gone, covered, opened, same, lower, old)
    diff = GCP.diff(group, Schedule((same, raised, new)), OWNERS, NOW)
    assert diff == Diff(
        puts=(Change(new, None), Change(raised, 5)),
        deletes=(gone, covered, old),
        kept=(same,),
        imminent=(opened,),
        at_once=True,
    )
    assert diff.writes == 1
    nothing = GCP.diff(on_gcp(opened, same), Schedule((same,)), OWNERS, NOW)
    assert (nothing.writes, nothing.imminent) == (0, (opened,))
    # A longer window of the same name is another one.
    longer = window(HOUR, 30)
    assert GCP.diff(on_gcp(same), Schedule((longer,)), OWNERS, NOW).puts == (Change(longer, 5),)


def test_windows_count_as_written_when_just_those_stand_and_the_open_ones() -> None:
    opened, one, two = window(-5 * MINUTE), window(HOUR), window(2 * HOUR)
    schedule, diff = Schedule((one, two)), Diff((), (), imminent=(opened,))
    assert GCP.stands(on_gcp(opened, one, two), schedule, diff, OWNERS, NOW)
    for standing in (
        (one, two),
        (opened, one),
        (opened, one, two, window(3 * HOUR)),
        (opened, one, replace(two, floor=6)),
    ):
        assert not GCP.stands(on_gcp(*standing), schedule, diff, OWNERS, NOW)


def test_an_autoscalers_own_minimum_is_its_peoples() -> None:
    group = group_state(min_size=4)
    memory = Memory(as_of=NOW, min_size=9, baseline=7, people_floor=9)
    assert GCP.observe(None, group, 2, OWNERS, NOW) == Observation(4, 4)
    assert GCP.observe(memory, group, 2, OWNERS, NOW) == Observation(4, 7)
    assert GCP.people_events(on_gcp(), OWNERS, NOW, NOW + HOUR) == ()
    assert GCP.timeline((window(HOUR, 15, 5),)) == ((NOW + HOUR, 5), (NOW + HOUR + 15 * MINUTE, 0))


# Applying


@dataclass
class Group:
    """A target in memory: each round of writes leads to the next of these states."""

    states: list[GroupState]
    rules: Any = AWS
    subject: str = "group 'web'"
    applied: list[Diff] = field(default_factory=list[Diff])
    fences: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    reads: int = 0

    def read(self) -> GroupState:
        self.reads += 1
        return self.states[len(self.applied)]

    def apply(self, diff: Diff, fence: Callable[[], None], clock: Callable[[], datetime]) -> int:
        assert clock() == NOW
        self.applied.append(diff)
        self.fences.append(fence)
        return diff.writes


def fence() -> None:
    """Lets everything pass."""


def bring(group: Group, *wanted: Slot) -> Any:
    target: Any = group
    schedule = Schedule(tuple(sorted(wanted)))
    return reconcile(target, group.states[0], schedule, owners=OWNERS, fence=fence, clock=lambda: NOW)


def test_nothing_is_written_or_read_where_nothing_differs() -> None:
    group = Group([on_aws(slot(HOUR))])
    outcome = bring(group, slot(HOUR))
    assert (outcome.written, outcome.state, group.applied, group.reads) == (0, group.states[0], [], 0)


def test_what_was_written_is_read_back() -> None:
    group = Group([on_aws(slot(HOUR)), on_aws(slot(HOUR), slot(2 * HOUR))])
    outcome = bring(group, slot(HOUR), slot(2 * HOUR))
    assert (outcome.written, outcome.state, group.reads) == (1, group.states[1], 1)
    assert group.fences == [fence]


def test_what_the_read_back_finds_amiss_is_mended_once() -> None:
    half, whole = on_aws(slot(HOUR)), on_aws(slot(HOUR), slot(2 * HOUR))
    group = Group([on_aws(), half, whole])
    outcome = bring(group, slot(HOUR), slot(2 * HOUR))
    assert (outcome.written, outcome.state, group.reads) == (3, whole, 2)
    assert [diff.writes for diff in group.applied] == [2, 1]
    stubborn = Group([on_aws(), half, half, whole])
    with pytest.raises(Hold, match="somebody else is writing") as caught:
        bring(stubborn, slot(HOUR), slot(2 * HOUR))
    assert caught.value.code == "read-back"
    assert len(stubborn.applied) == 2
