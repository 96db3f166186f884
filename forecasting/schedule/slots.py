"""What each slot asks for: the same on every cloud, so that one plan gives one floor.

A cloud's own module chooses the slots' starts, within its limits and around other people's actions; the values are made here.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from forecasting.errors import Hold
from forecasting.planning.base import Plan
from forecasting.planning.limits import limit_changes
from forecasting.planning.pool import lowest
from forecasting.schedule.actions import GroupState
from forecasting.schedule.aws_limits import JITTER, ORDER_GAP
from forecasting.schedule.grid import near_starts, round_up
from forecasting.schedule.people import PeopleFloor, Timeline, value_at

NEAR = timedelta(hours=6)
"""Slots within this time are held to the plan closely; for those beyond, a value too high costs nothing if the job lives to plan them again."""

RAISE_MARGIN = 0.3
"""A far slot that has to be raised is raised by this much more, so that a load that grows from run to run does not rewrite it in each."""


@dataclass(frozen=True)
class Request:
    """What a schedule is built from.

    Attributes:
        plan: The floor per step.
        now: Aware datetime of the run.
        owner: Id of the stack that owns the actions.
        former_owners: Ids it had before; their actions are ours.
        ceiling: The fleet's ceiling.
        max_increase_per_slot: Largest rise from a slot to the next, or None; `max_decrease_per_slot` likewise.
        group: The group as it stands.
        people_floor: The people's floor now (`memory.observe`); 0 on a cloud where their wishes are added by itself.
        raise_only: The data is in doubt: no slot goes below what the standing schedule gives.
        until: Slots that start at this time or later keep their starts, and none is added among them: only the next ones are planned anew, and
            what people want is met everywhere. None: all are planned.
    """

    plan: Plan
    now: datetime
    owner: str
    former_owners: tuple[str, ...]
    ceiling: int
    max_increase_per_slot: int | None
    max_decrease_per_slot: int | None
    group: GroupState
    people_floor: int
    raise_only: bool = False
    until: datetime | None = None

    @property
    def owners(self) -> frozenset[str]:
        """All ids whose actions are ours."""
        return frozenset({self.owner, *self.former_owners})


@dataclass(frozen=True)
class Restoring:
    """What an earlier schedule is restored from.

    Attributes:
        previous: Our floors as they stood, as a step function.
        before: The minimum in force, if none of `previous` has started.
        now: Aware datetime.
        owner: Id of the stack that owns the actions.
        owners: All ids whose actions are ours.
        lower: The fleet's floor.
        upper: The highest floor that may be written.
        group: The group as it stands.
        people_floor: The people's floor now; see `Request`.
    """

    previous: Timeline
    before: int
    now: datetime
    owner: str
    owners: frozenset[str]
    lower: int
    upper: int
    group: GroupState
    people_floor: int

    def floor(self, start: datetime, end: datetime | None, people: int = 0) -> int:
        """What a slot of this span restores."""
        return min(max(highest(self.previous, start, end, self.before), people, self.lower), self.upper)


class PlannedSlots:
    """A plan, cut into slots of any span.

    Args:
        request: The request.
        owned: Floors of our slots that stand, by start.
        standing: The floor that stands (ours and people's), as a step function from the live one on.
        people: What people want; nothing goes below it.
        maxima: The most that the group may have, now and as it is scheduled: a step function.
        lone_maxima: Of these, the changes that leave the minimum as it is: they fail if the minimum is above them.
        shortest: Least length of a slot: one that ends sooner asks on.
    """

    def __init__(
        self,
        request: Request,
        owned: Mapping[datetime, int],
        standing: Timeline,
        people: PeopleFloor,
        maxima: Timeline,
        shortest: timedelta = timedelta(0),
        lone_maxima: Timeline = (),
    ) -> None:
        self.request = request
        self.plan = request.plan
        self.owned = owned
        self.standing = standing
        self.people = people
        self.maxima = maxima
        self.lone_maxima = lone_maxima
        self.shortest = shortest
        self.starts, self.step, self.end = plan_span(request.plan)
        self.floors = [int(value) for value in request.plan.floor]

    def values(self, times: Sequence[datetime]) -> list[int]:
        """The floor of each slot, ascending starts; the last one restores the baseline."""
        request = self.request
        spans = list(zip(times, [*times[1:], None], strict=True))
        # Hysteresis is for what we plan. What people want, and what stands when in doubt, is taken as it is.
        least = [
            max(self._asked_by_people(start), self._standing(start, end) if request.raise_only else 0)
            for start, end in spans
        ]
        settled = [
            max(self._settle(start, self.planned(start, end)), low)
            for (start, end), low in zip(spans, least, strict=True)
        ]
        limited = limit_changes(
            settled[:-1],
            start=value_at(self.standing, times[0] - timedelta(seconds=1), request.group.min_size),
            lower=self.plan.baseline,
            upper=[self.most(start, end) for start, end in spans[:-1]],
            max_increase=request.max_increase_per_slot,
            max_decrease=request.max_decrease_per_slot,
        )
        # The last slot restores the baseline: it is exempt from the limits of change. What people want, and what stands when in doubt, outranks them.
        return [
            min(max(value, low), self.upper(start, end))
            for value, low, (start, end) in zip(
                [*limited, max(self.plan.baseline, least[-1])], least, spans, strict=True
            )
        ]

    def _asked_by_people(self, start: datetime) -> int:
        """The people's floor from a start until no change of theirs can run before it."""
        events = self.people.events
        soon = events[bisect_right(events, start, key=_when) : bisect_left(events, start + ORDER_GAP, key=_when)]
        return max([self.people.at(start), *(value for _, value in soon)])

    def upper(self, start: datetime, end: datetime | None) -> int:
        """The highest floor that may be written between two starts, whoever wants it."""
        at_start = lowest(self.maxima, start - JITTER, start + JITTER, self.request.ceiling)
        later = lowest(self.lone_maxima, start, end, self.request.ceiling)
        return min(self.request.ceiling, at_start, later)

    def is_open(self, start: datetime) -> bool:
        """Whether the group may have the configured minimum then: nothing is scheduled in hours that people close."""
        return lowest(self.maxima, start - JITTER, start + JITTER, self.request.ceiling) >= self.plan.baseline

    def most(self, start: datetime, end: datetime | None) -> int:
        """The highest floor that the plan may ask for between two starts: none before a window opens, nor once it closes."""
        if end is not None:
            end = max(end, start + self.shortest)
        # An external change of the minimum replaces what the slot set.
        later = bisect_right(self.people.events, start, key=_when)
        if later < len(self.people.events) and (end is None or self.people.events[later][0] < end):
            end = self.people.events[later][0]
        return min(self.upper(start, end), lowest(self.plan.limits, start, end, self.request.ceiling))

    def planned(self, start: datetime, end: datetime | None) -> int:
        """The plan's largest floor between two starts; the baseline after the plan's end."""
        if start >= self.end:
            return self.plan.baseline
        first = bisect_right(self.starts, start - self.step)
        last = bisect_left(self.starts, end) if end else len(self.starts)
        return max(self.floors[first:last], default=self.plan.baseline)

    def wanted(self, start: datetime, end: datetime) -> int:
        """What a slot between two starts must ask for: the plan's floor within its limits; in doubt no less than what stands."""
        planned = min(self.planned(start, end), self.most(start, end))
        return max(planned, self._standing(start, end)) if self.request.raise_only else planned

    def near_starts(self, first: datetime, end: datetime) -> list[datetime]:
        """Starts between the grid's, first <= start < end: only where the plan is fresh, and no limit of change counts the slots."""
        limits = (self.request.max_increase_per_slot, self.request.max_decrease_per_slot)
        return [start for start in near_starts(first, end) if self.is_fresh(start)] if limits == (None, None) else []

    def is_fresh(self, start: datetime) -> bool:
        """Whether a slot that begins then is to follow the plan closely, up and down."""
        return self.plan.fresh_until is not None and start < self.plan.fresh_until

    def _standing(self, start: datetime, end: datetime | None) -> int:
        """The standing schedule's largest floor between two starts."""
        return highest(self.standing, start, end, self.request.group.min_size)

    def _settle(self, start: datetime, value: int) -> int:
        """Hysteresis, always on the high side: raising is urgent, lowering a far slot is not, since it will be planned again before it comes."""
        standing = self.owned.get(start)
        if standing is None or start == self.end or self.is_fresh(start):
            return value
        far = start - self.request.now > NEAR
        if value <= standing <= value + _tolerance(value, far=far):
            return standing
        return value + math.ceil(value * RAISE_MARGIN) if far and standing < value else value


def _when(event: tuple[datetime, int]) -> datetime:
    return event[0]


def plan_span(plan: Plan) -> tuple[list[datetime], timedelta, datetime]:
    """The starts of a plan's steps, their length, and the whole hour at which the baseline returns."""
    starts: list[datetime] = [stamp.to_pydatetime() for stamp in pd.DatetimeIndex(plan.floor.index)]
    step = starts[1] - starts[0]
    return starts, step, round_up(starts[-1] + step, 60)


def limit_bounds(plan: Plan, first: datetime, end: datetime) -> set[datetime]:
    """Where the plan's limits change, first < time < end: a slot begins there, so that it is to the minute."""
    return {moment for moment, _ in plan.limits if first < moment < end}


def check_maxima(request: Request, maxima: Timeline, setting: str) -> list[str]:
    """Warnings about a maximum that is below what the plan needs. Hours in which it is below the configured minimum are closed.

    Args:
        request: The request.
        maxima: The most instances that the group may have, while the plan runs: a step function from now on.
        setting: What the cloud calls that.

    Raises:
        Hold: the group may at no time have the configured minimum.
    """
    most = max(size for _, size in maxima)
    if most < request.plan.baseline:
        raise Hold(
            "max-size-below-floor",
            f"the group's {setting} is (and stays) {most}, below the configured minimum of {request.plan.baseline}: raise it",
        )
    starts, step, _end = plan_span(request.plan)
    cut = [
        most
        for start, floor in zip(starts, request.plan.floor, strict=True)
        if min(int(floor), lowest(request.plan.limits, start, start + step, request.ceiling))
        > (most := lowest(maxima, start, start + step, request.ceiling))
        >= request.plan.baseline
    ]
    if not cut:
        return []
    return [
        f"clamped: the group's {setting} of {min(cut)} is below the fleet's ceiling of {request.ceiling} and the plan needs more"
    ]


def _tolerance(value: int, *, far: bool) -> int:
    """How much too high a standing slot may stay, in instances: a tenth (at least one) when it is near, half (at least three) while it is far."""
    return max(3, math.ceil(value * 0.5)) if far else max(1, math.ceil(value * 0.1))


def highest(timeline: Sequence[tuple[datetime, int]], start: datetime, end: datetime | None, before: int) -> int:
    """The largest value of start <= time < end; `before` is in force where nothing has started yet."""
    within = [value for when, value in timeline if start < when and (end is None or when < end)]
    return max([value_at(timeline, start, before), *within])
