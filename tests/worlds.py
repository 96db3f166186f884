"""Worlds of the minimum in force: a group with many external actions, by the emulator's own rules.

The group is the emulator's state machine (`elastic_iac.local.rules.Group`) without its server: no
call goes over the wire, so that thousands of pairs of plans can be played, each at every call.
"""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from elastic_iac.local.rules import Group, Sizes
from elastic_iac.local.rules import ScheduledAction as EmulatedAction
from elastic_iac.local.wire import AwsError
from forecasting.errors import Hold
from forecasting.planning.base import Plan
from forecasting.schedule.actions import GroupState, ScheduledAction
from forecasting.schedule.aws import build_schedule
from forecasting.schedule.base import Slot
from forecasting.schedule.in_force import MinimumInForce
from forecasting.targets.aws import AutoScalingTarget
from forecasting.targets.reconcile import reconcile
from tests.fleets import GROUP, NOW, OWNER, REGION, make_fleet, plan_of, request

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HORIZON = 50 * HOUR
LIMIT = 125
OURS = f"elastic-iac-{OWNER}-"

PAIRS = int(os.environ.get("MINIMUM_IN_FORCE_PAIRS", "300"))
"""Pairs of plans that are played; `make bench` plays more."""


def part_seed(part: int) -> int:
    """Each part of a property plays pairs of its own; with EXPLORE=1 others in each run."""
    return random.getrandbits(32) if "EXPLORE" in os.environ else part


@dataclass(frozen=True)
class External:
    """An external scheduled action.

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
    """Few of many kinds, or many of one, or both."""
    kinds = st.sampled_from(["once", "daily", "half-hourly", "moved", "owner"])
    sets = st.sampled_from(["min", "min", "min", "max", "desired", "closes"])
    few = st.lists(st.builds(External, kinds, st.integers(5, 2875), st.integers(0, 30), sets), max_size=8)

    def many(kind: str, number: int, first: int, size: int) -> list[External]:
        apart = (1440 if kind == "daily" else 2880) // number
        return [External(kind, (first + each * apart) % 2875 + 3, size) for each in range(number)]

    of_one = st.builds(
        many,
        st.sampled_from(["once", "daily", "moved", "owner"]),
        st.integers(9, most),
        st.integers(0, 1400),
        st.integers(1, 12),
    )
    return st.one_of(few, of_one, st.tuples(few, of_one).map(lambda both: [*both[0], *both[1]]))


def levels(steps: int = 192, top: int = 40) -> st.SearchStrategy[list[int]]:
    """A plan of `steps` minimums in runs of equal value."""
    run = st.tuples(st.integers(1, 24), st.integers(2, top))
    return st.lists(run, min_size=1, max_size=12).map(
        lambda runs: ([value for length, value in runs for _ in range(length)] * steps)[:steps]
    )


class Direct(AutoScalingTarget):
    """A target on the emulator's state machine. It keeps the actions before and after each call."""

    def __init__(self, world: World) -> None:
        super().__init__(make_fleet())
        self.world = world
        self.states: list[dict[str, EmulatedAction]] = [dict(world.group.actions)]

    def read(self) -> GroupState:
        group = self.world.group
        actions = [
            ScheduledAction(
                name=each.name,
                start=each.start,
                min_size=each.min_size,
                max_size=each.max_size,
                desired_capacity=each.desired_capacity,
                recurrence=each.recurrence,
                time_zone=each.time_zone or "UTC",
                end=each.end,
            )
            for each in group.actions.values()
        ]
        sizes = group.sizes
        return GroupState(sizes.minimum, sizes.maximum, sizes.desired, tuple(actions))

    def put(self, slot: Slot) -> None:
        asked = {"ScheduledActionName": slot.name, "StartTime": slot.start, "MinSize": slot.floor}
        self.world.group.put(asked, self.world.now)
        self.states.append(dict(self.world.group.actions))

    def delete(self, name: str) -> None:
        self.world.group.delete(name)
        self.states.append(dict(self.world.group.actions))


@dataclass
class Run:
    """One run: its target, plan and rounds, and the minimum in force that it reports (None if held)."""

    target: Direct
    plan: Plan
    rounds: int = 0
    writes: int = 0
    minimum: MinimumInForce | None = None
    held: str = ""


@dataclass
class World:
    """A group, its clock, and all that was done to it."""

    now: datetime = NOW
    group: Group = field(default_factory=lambda: Group(GROUP, REGION, Sizes(2, 60, 2)))
    external_floor: int = 0
    names: Any = field(default_factory=count)

    def put_external(self, actions: Collection[External], most: int = LIMIT) -> None:
        """As many as fit, up to `most` actions; a start that is taken is refused, as AWS does."""
        for action in actions:
            if len(self.group.actions) >= most:
                return
            try:
                self.group.put(self._asked(action), self.now)
            except AwsError:
                continue

    def _asked(self, action: External) -> dict[str, Any]:
        when = self.now + action.minute * MINUTE
        of_day = f"{action.minute % 60} {action.minute // 60 % 24} * * *"
        half = action.minute % 30
        start: dict[str, Any] = {
            "once": {"StartTime": when},
            "owner": {"StartTime": when},
            "daily": {"Recurrence": of_day},
            "half-hourly": {"Recurrence": f"{half},{half + 30} * * * *"},
            "moved": {"StartTime": when, "Recurrence": f"{(action.minute + 11) % 60} 3 * * SAT"},
        }[action.kind]
        sizes = {
            "min": {"MinSize": action.size},
            "max": {"MaxSize": action.size + 20},
            "desired": {"DesiredCapacity": action.size + 2},
            "closes": {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0},
        }[action.sets]
        name = f"theirs-{next(self.names)}"
        if action.kind == "owner":
            name, sizes = f"elastic-iac-other-{action.minute % 2}-{when:%Y%m%dT%H%M}Z", {"MinSize": action.size}
        return {"ScheduledActionName": name, **start, **sizes}

    def foreign(self) -> dict[str, EmulatedAction]:
        """Actions that are not ours."""
        return {name: action for name, action in self.group.actions.items() if not name.startswith(OURS)}

    def advance(self, by: timedelta) -> None:
        """Execute what is due until then, in order of time."""
        self.now += by
        due = [(action.start, name) for name, action in self.group.actions.items()]
        heapq.heapify(due)
        while due and due[0][0] <= self.now:
            start, name = heapq.heappop(due)
            action = self.group.actions[name]
            self.group.execute(action, start)
            if (
                not name.startswith(OURS)
                and action.min_size == self.group.sizes.minimum
                and action.min_size is not None
            ):
                self.external_floor = action.min_size
            if name in self.group.actions:
                heapq.heappush(due, (self.group.actions[name].start, name))

    def runs(self) -> list[tuple[datetime, str, EmulatedAction]]:
        """When external actions run over the horizon."""
        found: list[tuple[datetime, str, EmulatedAction]] = []
        for name, action in self.foreign().items():
            each: EmulatedAction | None = action
            while each is not None and each.start <= self.now + HORIZON:
                found.append((each.start, name, each))
                each = each.following()
        return found

    def minimum_ahead(
        self, actions: Collection[EmulatedAction], runs: Collection[tuple[datetime, str, EmulatedAction]]
    ) -> npt.NDArray[np.int_]:
        """The minimum of each minute over the horizon with these actions, by the emulator's rules."""
        ours = [(each.start, each.name, each) for each in actions if each.name.startswith(OURS)]
        sizes = self.group.sizes
        starts: list[datetime] = [self.now]
        values: list[int] = [sizes.minimum]
        for start, _name, action in sorted([*ours, *runs], key=lambda run: run[:2]):
            changed = sizes.changed(action.min_size, action.max_size, action.desired_capacity)
            try:
                changed.check()
            except AwsError:
                continue
            sizes = changed
            starts.append(start)
            values.append(sizes.minimum)
        offsets = np.array([(start - self.now) / MINUTE for start in starts])
        minutes = np.arange(HORIZON // MINUTE)
        return np.array(values)[np.searchsorted(offsets, minutes, side="right") - 1]

    def write(self, floors: list[int], **changes: Any) -> Run:
        """All rounds of a run, as `Turn` makes them."""
        made = Run(Direct(self), plan_of(floors, self.now))
        for _ in range(12):
            state = made.target.read()
            asked = request(made.plan, state, self.now, people_floor=self.external_floor, **changes)
            try:
                schedule = build_schedule(asked)
            except Hold as error:
                return replace(made, held=error.code)
            outcome = reconcile(
                made.target, state, schedule, owners={OWNER}, fence=lambda: None, clock=lambda: self.now
            )
            made = replace(made, rounds=made.rounds + 1, writes=made.writes + outcome.written)
            if schedule.complete or not outcome.written:
                rules = made.target.rules
                slots = rules.ours(outcome.state, {OWNER})
                minimum = rules.minimum_in_force(outcome.state, slots, {OWNER}, made.plan, self.now)
                return replace(made, minimum=minimum)
        raise AssertionError("room is made within twelve rounds")

    def planned(self, plan: Plan, minutes: int) -> npt.NDArray[np.int_]:
        """The plan's minimum of each minute from now on."""
        first = plan.floor.index[0].to_pydatetime()
        steps: list[int] = [(self.now + number * MINUTE - first) // (15 * MINUTE) for number in range(minutes)]
        values = [*(int(value) for value in plan.floor), plan.baseline]
        found: list[int] = [values[min(step, len(values) - 1)] for step in steps]
        return np.array(found)
