"""The minimum that will be in force, managed and external actions together, beside the plan.

A schedule is a list of managed actions. The minimum of a group follows from all its actions, so a
report of the list alone can be wrong: an external action replaces the value of a managed one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pandas as pd

from forecasting.planning.base import Plan
from forecasting.schedule.actions import NAME_PREFIX, GroupState, ScheduledAction
from forecasting.schedule.base import Slot
from forecasting.schedule.grid import round_up
from forecasting.schedule.people import Timeline, action_runs

_NAMED = 3
"""External actions that a message names; the others are counted."""


@dataclass(frozen=True)
class Sizes:
    """Bounds of a group from a moment on.

    Attributes:
        start: First moment (UTC).
        minimum: In instances; so is `maximum`.
        action: Name of the action that set them; empty for the live bounds.
    """

    start: datetime
    minimum: int
    maximum: int
    action: str = ""


@dataclass(frozen=True)
class Closure:
    """Hours in which external actions keep the maximum below the configured minimum.

    Attributes:
        start: First moment (UTC).
        end: First moment after it; None if nothing reopens the group within the plan.
        action: Name of the action that closes the group; empty if it is closed now.
        maximum: The maximum in these hours.
    """

    start: datetime
    end: datetime | None
    action: str
    maximum: int

    def __str__(self) -> str:
        """A sentence with the action and the hours."""
        by = f"by external action {self.action!r} from {_hour(self.start)}" if self.action else "now"
        until = f"until {_hour(self.end)}" if self.end else "beyond the end of the plan"
        return f"closed {by} (maximum {self.maximum}) {until}: these hours are left to it"


@dataclass(frozen=True)
class MinimumInForce:
    """The minimum over the horizon of a plan, and its shortfall against the plan.

    Attributes:
        timeline: The minimum as a step function from now on.
        planned_instance_hours: Sum of the plan's minimum over the horizon.
        shortfall_instance_hours: Sum of the plan's minimum above the minimum in force.
        short_from: First moment at which the minimum in force is below the plan; None if never.
        actions: External actions in force while it is below the plan, in order of time.
        closures: Hours that external actions close; nothing is planned in them.
    """

    timeline: Timeline
    planned_instance_hours: float
    shortfall_instance_hours: float
    short_from: datetime | None
    actions: tuple[str, ...] = ()
    closures: tuple[Closure, ...] = ()

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest minimum in force."""
        values = [value for _, value in self.timeline]
        return min(values), max(values)

    def shortfall(self) -> str:
        """A sentence on the shortfall; empty if there is none."""
        if self.short_from is None:
            return ""
        named = ", ".join(repr(name) for name in self.actions[:_NAMED])
        more = f" and {len(self.actions) - _NAMED} more" if len(self.actions) > _NAMED else ""
        cause = f"; external actions in force then: {named}{more}" if named else ""
        return (
            f"the minimum in force is {self.shortfall_instance_hours:.1f} of"
            f" {self.planned_instance_hours:.1f} instance-hours below the plan, first at"
            f" {_hour(self.short_from)}{cause}"
        )


class Replay:
    """The bounds of an Auto Scaling group as its scheduled actions change them, each on time.

    An action that would break 0 <= minimum <= desired <= maximum fails and changes nothing (API
    reference, UpdateAutoScalingGroup). Two at one moment, which only recurrences can have, run in the
    order of their names; AWS documents no order.

    Args:
        group: The group as it was read.
        external: Actions that are not managed.
        now: Aware datetime.
        end: No action is followed beyond (aware).

    Raises:
        Hold: the recurrence of an external action cannot be read.
    """

    def __init__(self, group: GroupState, external: Sequence[ScheduledAction], now: datetime, end: datetime) -> None:
        self._group = group
        self._now = now
        self._end = end
        self._external: list[_Event] = [
            (when, action.name, action.min_size, action.max_size, action.desired_capacity)
            for action in external
            for when in action_runs(action, now, end)
        ]

    def sizes(self, slots: Iterable[Slot]) -> list[Sizes]:
        """The bounds with these managed actions, ascending."""
        found = [Sizes(self._now, self._group.min_size, self._group.max_size)]
        found += [
            Sizes(max(when, self._now), minimum, maximum, name)
            for when, name, minimum, maximum in self._changes((slot.start, slot.floor, slot.name) for slot in slots)
        ]
        return found

    def minimums(self, actions: Mapping[datetime, int], moments: Sequence[datetime]) -> list[int]:
        """The minimum at each of the ascending moments with these managed actions (start to value)."""
        named = ((start, value, NAME_PREFIX) for start, value in actions.items())
        changes = [(when, minimum) for when, _, minimum, _ in self._changes(named)]
        value, at, values = self._group.min_size, 0, list[int]()
        for moment in moments:
            while at < len(changes) and changes[at][0] <= moment:
                value = changes[at][1]
                at += 1
            values.append(value)
        return values

    @property
    def external_starts(self) -> set[datetime]:
        """When external actions run."""
        return {event[0] for event in self._external}

    def _changes(self, managed: Iterable[tuple[datetime, int, str]]) -> Iterator[tuple[datetime, str, int, int]]:
        """Each action that succeeds: when, its name, and the minimum and maximum from then on."""
        ours: list[_Event] = [(start, name, floor, None, None) for start, floor, name in managed if start < self._end]
        minimum, maximum = self._group.min_size, self._group.max_size
        for when, name, low, high, desired in sorted([*self._external, *ours], key=_order):
            least = minimum if low is None else low
            most = maximum if high is None else high
            if least <= most and (desired is None or least <= desired <= most):
                minimum, maximum = least, most
                yield when, name, minimum, maximum


_Event = tuple[datetime, str, int | None, int | None, int | None]
"""When, name, MinSize, MaxSize and desired capacity of one run of an action."""


def _order(event: _Event) -> tuple[datetime, str]:
    return event[:2]


def find_closures(sizes: Sequence[Sizes], baseline: int) -> tuple[Closure, ...]:
    """Hours in which the maximum is below the configured minimum `baseline`."""
    found: list[Closure] = []
    for each in sizes:
        is_open = not found or found[-1].end is not None
        if each.maximum < baseline and is_open:
            found.append(Closure(each.start, None, each.action, each.maximum))
        elif each.maximum >= baseline and not is_open:
            last = found.pop()
            found.append(Closure(last.start, each.start, last.action, last.maximum))
    return tuple(found)


def first_writable(slots: Collection[Slot], now: datetime, ahead: timedelta, kept: timedelta) -> datetime:
    """The first moment that a write can change: `ahead` from now, or a slot that keeps its start soon after.

    Args:
        slots: Managed actions.
        now: Aware datetime.
        ahead: Least time from a write to the start of an action.
        kept: A first slot within this time after that is not moved nearer.
    """
    first = round_up(now + ahead, 1)
    return min((slot.start for slot in slots if first <= slot.start < first + kept), default=first)


def compare_with_plan(
    sizes: Sequence[Sizes],
    plan: Plan,
    since: datetime,
    *,
    slots: Collection[Slot],
    ramp_limited: bool = False,
    settle: timedelta = timedelta(0),
) -> MinimumInForce:
    """The minimum in force beside the plan, from `since` to the end of the plan's last step.

    Args:
        sizes: Bounds of the group, ascending.
        plan: Its limits and the hours that external actions close count as part of the plan.
        since: The first moment that a write can still change (aware).
        slots: Managed actions; all others are external.
        ramp_limited: The values of the slots, if lower, count in place of the plan.
        settle: Time from a rise of the maximum until a slot can use it.
    """
    starts: list[datetime] = [stamp.to_pydatetime() for stamp in pd.DatetimeIndex(plan.floor.index)]
    end = starts[-1] + (starts[1] - starts[0])
    wanted = tuple(zip(starts, (int(value) for value in plan.floor), strict=True))
    ramp: Timeline = tuple(sorted((slot.start, slot.floor) for slot in slots)) if ramp_limited else ()
    bounds = (wanted, plan.limits, ramp, _usable_maximum(sizes, settle))
    asked, most, ramped, maximum = (step_function(bound, before) for bound, before in zip(bounds, _BEFORE, strict=True))
    setting = step_function([(each.start, index) for index, each in enumerate(sizes)], 0)
    changes = {since, *(when for bound in bounds for when, _ in bound), *(each.start for each in sizes)}
    moments = sorted(when for when in changes if since <= when < end)
    planned = short = 0.0
    short_from: datetime | None = None
    actions: dict[str, None] = {}
    managed = {slot.name for slot in slots}
    for moment, following in zip(moments, [*moments[1:], end][: len(moments)], strict=True):
        floor = min(max(asked(moment), 0), most(moment), ramped(moment))
        now = sizes[setting(moment)]
        if maximum(moment) < plan.baseline:  # closed by external actions
            floor = 0
        elif maximum(moment) < now.maximum:  # it has just risen
            floor = min(floor, maximum(moment))
        missing = max(floor - now.minimum, 0)
        hours = (following - moment).total_seconds() / 3600
        planned, short = planned + floor * hours, short + missing * hours
        if missing:
            short_from = short_from or moment
            if now.action and now.action not in managed:
                actions[now.action] = None
    timeline = tuple((each.start, each.minimum) for each in sizes)
    closures = find_closures(sizes, plan.baseline)
    return MinimumInForce(timeline, planned, short, short_from, tuple(actions), closures)


def _usable_maximum(sizes: Sequence[Sizes], settle: timedelta) -> Timeline:
    """The maximum as a step function whose rises come `settle` later."""
    found: list[tuple[datetime, int]] = []
    for before, after in pairwise(sizes):
        if after.maximum != before.maximum:
            found.append((after.start + settle * (after.maximum > before.maximum), after.maximum))
    return ((sizes[0].start, sizes[0].maximum), *sorted(found))


def step_function(timeline: Sequence[tuple[datetime, int]], before: int) -> Callable[[datetime], int]:
    """Steps as a function of time; `before` holds until the first one."""
    times, values = [when for when, _ in timeline], [before, *(value for _, value in timeline)]
    return lambda moment: values[bisect_right(times, moment)]


_UNLIMITED = 2**31

_BEFORE = (0, _UNLIMITED, _UNLIMITED, _UNLIMITED)
"""Values before the first step of a plan, its limits, the ramp limits and the maximum."""


def _hour(moment: datetime) -> str:
    return f"{pd.Timestamp(moment).tz_convert('UTC'):%a %H:%M} UTC"
