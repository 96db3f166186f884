"""Worlds of the minimum in force: groups with many external actions and plans one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from elastic_iac.local.aws import LocalAws
from elastic_iac.local.rules import Group
from forecasting.errors import Hold
from forecasting.planning.base import Plan
from forecasting.schedule.actions import split_actions
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.in_force import MinimumInForce
from forecasting.targets.reconcile import reconcile
from tests.fleets import GROUP, OWNER, floors_by_minute, plan_of, play, request, snapshot
from tests.writing import Watched, no_fence

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HORIZON = 48 * HOUR
LIMIT = 125


@dataclass(frozen=True)
class External:
    """External scheduled actions that are put together.

    Attributes:
        kind: `once`, `daily`, `half-hourly`, `moved` (its next start is no time of its recurrence) or `owner` (of another job).
        minute: Minutes after the clock's time, or of the day.
        size: MinSize.
        sets: The sizes it sets: `min`, `max`, `desired` or `closes` (0/0/0).
    """

    kind: str
    minute: int
    size: int
    sets: str = "min"


def externals(most: int) -> st.SearchStrategy[list[External]]:
    """Few of many kinds, or many of one."""
    kinds = st.sampled_from(["once", "daily", "half-hourly", "moved", "owner"])
    mixed = st.lists(
        st.builds(
            External,
            kinds,
            st.integers(5, 2875),
            st.integers(0, 30),
            st.sampled_from(["min", "min", "min", "max", "desired", "closes"]),
        ),
        max_size=8,
    )

    def many(kind: str, count: int, first: int, size: int) -> list[External]:
        apart = 1440 // max(count, 1) if kind == "daily" else 2880 // max(count, 1)
        return [External(kind, (first + number * apart) % 2875 + 3, size) for number in range(count)]

    crowd = st.builds(
        many,
        st.sampled_from(["once", "daily", "moved", "owner"]),
        st.integers(9, most),
        st.integers(0, 1400),
        st.integers(1, 12),
    )
    return st.one_of(mixed, crowd, st.tuples(mixed, crowd).map(lambda both: [*both[0], *both[1]]))


def put_external(client: Any, group: Group, actions: list[External], now: datetime, most: int = LIMIT) -> None:
    """As many as the group takes, up to `most` actions; a start that is taken is refused, as AWS does."""
    for number, action in enumerate(actions):
        if len(group.actions) >= most:
            return
        name, when = f"theirs-{number}", now + action.minute * MINUTE
        cron = f"{action.minute % 60} {action.minute // 60 % 24} * * *"
        sizes: dict[str, int] = {
            "min": {"MinSize": action.size},
            "max": {"MaxSize": action.size + 20},
            "desired": {"DesiredCapacity": action.size + 2},
            "closes": {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0},
        }[action.sets]
        start: dict[str, Any] = {"StartTime": when}
        if action.kind == "daily":
            start = {"Recurrence": cron}
        elif action.kind == "half-hourly":
            start = {"Recurrence": f"{action.minute % 30},{action.minute % 30 + 30} * * * *"}
        elif action.kind == "moved":
            start = {"StartTime": when, "Recurrence": f"{(action.minute + 11) % 60} 3 * * SAT"}
        elif action.kind == "owner":
            when = when.replace(second=0)
            name, sizes = f"elastic-iac-other-{number % 2}-{when:%Y%m%dT%H%M}Z", {"MinSize": action.size}
            start = {"StartTime": when}
        try:
            client.put_scheduled_update_group_action(
                AutoScalingGroupName=GROUP, ScheduledActionName=name, **sizes, **start
            )
        except client.exceptions.AlreadyExistsFault:
            continue


def ahead(aws: LocalAws, group: Group) -> npt.NDArray[np.int_]:
    """The minimum of each minute from now over the horizon, if nobody does anything."""
    start = aws.clock.now()
    return floors_by_minute(play(group, start + HORIZON), start, start + HORIZON)


def external_floor(aws: LocalAws) -> int:
    """The MinSize that people set last, from the emulator's record of what ran."""
    ours = f"elastic-iac-{OWNER}-"
    causes = [change for change in aws.history(GROUP)[1:] if not change.cause.startswith(ours)]
    return causes[-1].sizes.minimum if causes else 0


@dataclass
class Run:
    """One run's writes, each with the minimum that the emulator would execute after it."""

    target: Watched
    plan: Plan
    rounds: int
    writes: int
    minimum: MinimumInForce | None
    held: str = ""


def write(aws: LocalAws, floors: list[int], *, until: timedelta | None = None, **changes: Any) -> Run:
    """All rounds of a run, as `Turn` makes them."""
    target, now = Watched(aws), aws.clock.now()
    plan = plan_of(floors, now)
    target.snapshots.append(snapshot(aws))
    made = Run(target, plan, 0, 0, None)
    people = external_floor(aws)
    for _ in range(12):
        state = target.read()
        try:
            schedule = build_schedule(request(plan, state, now, people_floor=people, **changes))
        except Hold as error:
            made.held = error.code
            return made
        outcome = reconcile(target, state, schedule, owners={OWNER}, fence=no_fence, clock=aws.clock.now)
        made.rounds += 1
        made.writes += outcome.written
        if schedule.complete:
            owned, _ = split_actions(outcome.state.actions, {OWNER})
            slots = target.rules.ours(outcome.state, {OWNER})
            assert len(owned) == len(slots)
            made.minimum = target.rules.minimum_in_force(outcome.state, slots, {OWNER}, plan, now)
            return made
    raise AssertionError("room is made within twelve rounds")


def planned(plan: Plan, start: datetime, count: int, baseline: int = 2) -> npt.NDArray[np.int_]:
    """The plan's minimum of each minute."""
    step = plan.floor.index[1] - plan.floor.index[0]
    minutes = [(start + number * MINUTE - plan.floor.index[0].to_pydatetime()) // step for number in range(count)]
    values = plan.floor.to_numpy()
    return np.array([values[index] if index < len(values) else baseline for index in minutes])


__all__ = ["External", "Run", "ahead", "externals", "planned", "put_external", "replace", "write"]
